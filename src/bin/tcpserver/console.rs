//! What the program says: its lines, notices, errors, transcript and progress. The one place that prints while it serves, so
//! that no two ever mix. What they say is decided elsewhere, but for the four lines.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use fake_peer::{Exchange, Request};

use crate::options::Talk;

#[derive(Clone, Copy)]
pub(crate) enum Lang {
    Ja,
    En,
}

/// Where the lines go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lines {
    Stdout,
    /// Stdout has the requests.
    Stderr,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Line {
    Starting,
    Waiting,
    Connected(SocketAddr),
    Stopping,
}

/// Each line is flushed at once; there is none after the last one.
pub(crate) struct Console {
    lang: Lang,
    talk: Talk,
    lines: Lines,
    screen: Mutex<Screen>,
}

#[derive(Default)]
struct Screen {
    stopped: bool,
    /// Whether the cursor stands behind a line that will be rewritten.
    has_progress: bool,
    /// The first line that could not be printed; serving went on.
    error: Option<io::Error>,
}

impl Console {
    pub(crate) fn new(lang: Lang, talk: Talk, lines: Lines) -> Self {
        Console { lang, talk, lines, screen: Mutex::default() }
    }

    pub(crate) fn say(&self, line: Line) {
        if self.talk == Talk::Quiet {
            return;
        }
        self.print(|screen| {
            if screen.stopped {
                return;
            }
            screen.stopped = line == Line::Stopping;
            let text = line.text(self.lang) + "\n";
            let said = match self.lines {
                Lines::Stdout => {
                    let mut stdout = io::stdout().lock();
                    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush())
                }
                Lines::Stderr => io::stderr().write_all(text.as_bytes()),
            };
            if let Err(error) = said {
                screen.error.get_or_insert(error);
            }
        });
    }

    /// What is worth knowing, and no error.
    pub(crate) fn note(&self, text: &str) {
        if self.talk == Talk::Normal {
            self.complain(text);
        }
    }

    /// One line on stderr, whatever else is told.
    pub(crate) fn complain(&self, text: &str) {
        self.print(|_| complain(text));
    }

    /// Whole lines on stderr.
    pub(crate) fn write(&self, lines: &str) {
        // If even that fails there is nobody left to tell.
        self.print(|_| drop(io::stderr().write_all(lines.as_bytes())));
    }

    /// A line on the terminal that the next thing printed replaces; `None` takes it away.
    pub(crate) fn progress(&self, text: Option<&str>) {
        self.print(|screen| {
            if let Some(text) = text {
                screen.has_progress = true;
                let _ = io::stderr().write_all(text.as_bytes());
            }
        });
    }

    /// What is worth knowing about an exchange that was served.
    pub(crate) fn notice(&self, exchange: &Exchange, which: Which) {
        let prefix = match which {
            Which::TheOne => String::new(),
            Which::OneOfMany => format!("exchange {}: ", exchange.client().exchange()),
        };
        let note = |text: String| self.note(&format!("{prefix}{text}"));
        let request: &Request = exchange.request();
        if !request.is_complete() {
            note(format!("the client closed within its request, after {} bytes", request.len()));
        }
        if let Some(problem) = request.problem() {
            note(problem.to_string());
        }
        match exchange.offered() {
            Some(offered) if exchange.sent() < offered => {
                note(format!(
                    "the client left after {} of {offered} response bytes",
                    exchange.sent()
                ));
            }
            _ => {}
        }
        if exchange.trailing_len() > 0 {
            note(format!("{} more bytes came after the request", exchange.trailing_len()));
        }
    }

    pub(crate) fn first_error(&self) -> Option<io::Error> {
        self.screen.lock().unwrap_or_else(PoisonError::into_inner).error.take()
    }

    fn print(&self, print: impl FnOnce(&mut Screen)) {
        let mut screen = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut screen.has_progress) {
            // To the start of the line, and clear it.
            let _ = io::stderr().write_all(b"\r\x1b[K");
        }
        print(&mut screen);
    }
}

/// Whether an exchange needs its number to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    TheOne,
    OneOfMany,
}

impl Line {
    fn text(self, lang: Lang) -> String {
        match (self, lang) {
            (Line::Starting, Lang::Ja) => "=== サーバーを起動します ===".into(),
            (Line::Starting, Lang::En) => "=== Starting the server ===".into(),
            (Line::Waiting, Lang::Ja) => "=== クライアントからの接続を待ちます ===".into(),
            (Line::Waiting, Lang::En) => "=== Waiting for a client to connect ===".into(),
            (Line::Connected(addr), Lang::Ja) => {
                format!(
                    "=== クライアントとの接続が完了しました remote_address: {} ===",
                    in_python(addr)
                )
            }
            (Line::Connected(addr), Lang::En) => {
                format!("=== A client has connected remote_address: {} ===", in_python(addr))
            }
            (Line::Stopping, Lang::Ja) => "=== サーバーを停止します。 ===".into(),
            (Line::Stopping, Lang::En) => "=== Stopping the server ===".into(),
        }
    }
}

/// As Python prints a socket's address: two fields, or four for IPv6.
fn in_python(addr: SocketAddr) -> String {
    match addr {
        SocketAddr::V4(addr) => format!("('{}', {})", addr.ip(), addr.port()),
        SocketAddr::V6(addr) => {
            format!("('{}', {}, {}, {})", addr.ip(), addr.port(), addr.flowinfo(), addr.scope_id())
        }
    }
}

/// One line on stderr, whatever a file is called, before anything is served. If even that fails there is nobody left to
/// tell.
pub(crate) fn complain(text: &str) {
    let line = format!("tcpserver: {}\n", one_line(text));
    let _ = io::stderr().lock().write_all(line.as_bytes());
}

/// Without control characters.
pub(crate) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for char in text.chars() {
        if char.is_control() { line.extend(char.escape_default()) } else { line.push(char) }
    }
    line
}
