//! What the program prints while it serves: its four lines, notes, errors, transcript and progress. The one place that prints,
//! so that no two of them mix.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Mutex;

use clap::ValueEnum;

use crate::journal::control::is_control;
use crate::os::address::Address;
use crate::os::lock::lock;

/// The language of the lines.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(super) enum Lang {
    #[default]
    Ja,
    En,
}

impl Lang {
    /// The text in this language.
    pub(super) fn of(self, ja: &'static str, en: &'static str) -> &'static str {
        match self {
            Lang::Ja => ja,
            Lang::En => en,
        }
    }
}

#[derive(Clone, PartialEq)]
pub(super) enum Line {
    Starting,
    Waiting,
    Connected(Address),
    Stopping,
}

pub(super) struct Console {
    lang: Lang,
    is_quiet: bool,
    screen: Mutex<Screen>,
}

struct Screen {
    /// Where the lines go. `None` with `--quiet`, and after the last line.
    lines: Option<Box<dyn Write + Send>>,
    /// Whether the cursor stands at the end of a line that will be rewritten.
    has_progress: bool,
    /// The first line that could not be printed; serving goes on.
    error: Option<io::Error>,
}

impl Console {
    pub(super) fn new(lang: Lang, is_quiet: bool, lines: Box<dyn Write + Send>) -> Self {
        let lines = Some(lines).filter(|_| !is_quiet);
        let screen = Screen { lines, has_progress: false, error: None };
        Console { lang, is_quiet, screen: Mutex::new(screen) }
    }

    pub(super) fn lang(&self) -> Lang {
        self.lang
    }

    /// Prints a line, and flushes it.
    pub(super) fn say(&self, line: &Line) {
        self.print(|screen| {
            let Some(lines) = &mut screen.lines else { return };
            let text = line.text(self.lang) + "\n";
            if let Err(error) = lines.write_all(text.as_bytes()).and_then(|()| lines.flush()) {
                screen.error.get_or_insert(error);
            }
            if *line == Line::Stopping {
                screen.lines = None;
            }
        });
    }

    /// One line on stderr that is worth knowing, and no error.
    pub(super) fn note(&self, text: &str) {
        if !self.is_quiet {
            self.complain(text);
        }
    }

    /// One line on stderr.
    pub(super) fn complain(&self, text: &str) {
        self.print(|_| complain(text));
    }

    /// One line of another program on stderr, without control characters.
    pub(super) fn pass_on(&self, line: &str) {
        self.write(&(one_line(line) + "\n"));
    }

    /// Whole lines on stderr.
    pub(super) fn write(&self, lines: &str) {
        self.print(|_| write_to_stderr(lines));
    }

    /// A line on the terminal that the next thing printed replaces; `None` takes it away.
    pub(super) fn progress(&self, text: Option<&str>) {
        self.print(|screen| {
            screen.has_progress = text.is_some();
            write_to_stderr(text.unwrap_or_default());
        });
    }

    pub(super) fn first_error(&self) -> Option<io::Error> {
        lock(&self.screen).error.take()
    }

    fn print(&self, print: impl FnOnce(&mut Screen)) {
        let mut screen = lock(&self.screen);
        if std::mem::take(&mut screen.has_progress) {
            // To the start of the line, and clear it.
            write_to_stderr("\r\x1b[K");
        }
        print(&mut screen);
    }
}

impl Line {
    fn text(&self, lang: Lang) -> String {
        let (ja, en) = match self {
            Line::Starting => ("サーバーを起動します", "Starting the server"),
            Line::Waiting => {
                ("クライアントからの接続を待ちます", "Waiting for a client to connect")
            }
            Line::Connected(_) => ("クライアントとの接続が完了しました", "A client has connected"),
            Line::Stopping => ("サーバーを停止します。", "Stopping the server"),
        };
        let text = lang.of(ja, en);
        // As Python prints a socket's address: two fields, or four for IPv6.
        let address = match self {
            Line::Connected(Address::Tcp(SocketAddr::V4(addr))) => {
                format!(" remote_address: ('{}', {})", addr.ip(), addr.port())
            }
            Line::Connected(Address::Tcp(SocketAddr::V6(addr))) => {
                let (ip, port, flow, scope) =
                    (addr.ip(), addr.port(), addr.flowinfo(), addr.scope_id());
                format!(" remote_address: ('{ip}', {port}, {flow}, {scope})")
            }
            // A client chooses the path of its Unix socket.
            Line::Connected(addr) => format!(" remote_address: {}", one_line(&addr.to_string())),
            _ => String::new(),
        };
        format!("=== {text}{address} ===")
    }
}

/// One line on stderr, whatever a file is called.
pub(super) fn complain(text: &str) {
    write_to_stderr(&format!("tcpserver: {}\n", one_line(text)));
}

/// Without anything that a terminal would act on instead of showing it.
pub(super) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for char in text.chars() {
        if is_control(char) { line.extend(char.escape_default()) } else { line.push(char) }
    }
    line
}

/// Prints to stdout. A reader that has seen enough is no failure: `tcpserver --help | head`.
pub(super) fn print(text: &str) -> ExitCode {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            complain(&format!("failed to write to stdout: {error}"));
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}

fn write_to_stderr(text: &str) {
    // If even that fails there is nowhere left to report it.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
