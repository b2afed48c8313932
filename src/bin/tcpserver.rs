//! The program: arguments in, the library's events out as lines, an exit code. Everything it does is the library's.

use std::ffi::OsString;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fake_peer::{Error, Event, Exchange, FileSink, FileSource, Framing, Request, TcpServer};

const HELP: &str = "\
Listens for one HTTP request (or any TCP client), writes the request's bytes to a file, and answers with the
bytes of another file. Nothing is added to either.

Usage: tcpserver [OPTIONS]

Options:
      --listen ADDR   Where to listen, as host:port; port 0 takes a free one, named on stderr
                      [default: localhost:8080, which is 127.0.0.1:8080]
      --send FILE     The response: these bytes are sent as they are  [default: server_send.txt]
      --recv FILE     Where the request's bytes go; an old file is emptied  [default: server_recv.txt]
      --framing RULE  Where a request ends  [default: auto]
                        auto            as http for what looks like HTTP, otherwise after the first read
                        http            head, then Content-Length or chunked body
                        head            head only: answer while the body is still coming
                        read-once[:N]   after the first read, at most N bytes [4096]
                        until:TEXT      after TEXT, in which \\r \\n \\t \\0 \\\\ \\xHH are escapes
                        exactly:N       after N bytes
                        eof             when the client shuts down its sending side
                        nothing         at once: answer before the client says anything
      --lang ja|en    The language of the lines on stdout  [default: ja]
  -q, --quiet         No lines on stdout and no notices on stderr; errors, and the port that 0 took, are still told
  -h, --help          Print this help
  -V, --version       Print the version

Exit codes: 0 a request was answered, 1 that failed, 2 wrong usage, 130 stopped with Ctrl-C.

Example: answer the next request with a file, and look at it:
  tcpserver --listen localhost:8000 --send response.http --recv request.http
";

fn main() -> ExitCode {
    let options = match Options::parse() {
        Ok(Command::Serve(options)) => options,
        Ok(Command::Print(text)) => return print(&text),
        Err(error) => {
            complain(&format!(
                "failed to understand the arguments: {error}; `tcpserver --help` lists them"
            ));
            return ExitCode::from(2);
        }
    };
    let console = Arc::new(Console::new(options.lang, options.quiet));
    stop_on_signals(&console);
    console.say(Line::Starting);
    let served = serve(options, &console);
    console.say(Line::Stopping);
    match served {
        Ok(exchange) => console.notice(&exchange),
        Err(error) => {
            complain(&error.report().to_string());
            let wrong_usage =
                error.io_error().is_some_and(|error| error.kind() == io::ErrorKind::InvalidInput);
            return ExitCode::from(if wrong_usage && matches!(error, Error::Listen { .. }) {
                2
            } else {
                1
            });
        }
    }
    match console.first_error() {
        None => ExitCode::SUCCESS,
        Some(error) => {
            complain(&format!("failed to write to stdout: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn serve(options: Options, console: &Arc<Console>) -> Result<Exchange, Error> {
    let (_, port) = options.listen.rsplit_once(':').unwrap_or_default();
    let names_port = port.parse() == Ok(0);
    let observer = Arc::clone(console);
    let server = TcpServer::builder()
        .addr(options.listen)
        // As the tutorial's listen(10).
        .backlog(10)
        // A person may take their time to type, as with the tutorial's recv. Nobody else waits for the first byte.
        .idle_deadline(None)
        .deadline(Duration::from_secs(60))
        .framing(options.framing)
        .sink(FileSink::new(options.recv))
        .source(FileSource::new(options.send))
        .on_event(move |event| {
            if let Event::Accepted(client) = event {
                observer.say(Line::Connected(client.addr()));
            }
        })
        .bind()?;
    if names_port {
        complain(&format!("listening on {}", server.local_addr()));
    }
    console.say(Line::Waiting);
    server.serve_once()
}

/// The last line is printed however the program ends.
#[cfg(unix)]
fn stop_on_signals(console: &Arc<Console>) {
    use signal_hook::consts::{SIGINT, SIGTERM};

    let mut signals = match signal_hook::iterator::Signals::new([SIGINT, SIGTERM]) {
        Ok(signals) => signals,
        Err(error) => return complain(&format!("failed to watch for Ctrl-C: {error}")),
    };
    let console = Arc::clone(console);
    std::thread::spawn(move || {
        for (count, signal) in signals.forever().enumerate() {
            let console = Arc::clone(&console);
            let stop = move || {
                if count == 0 {
                    console.say(Line::Stopping);
                } else {
                    std::thread::sleep(Duration::from_secs(1));
                }
                // What was captured is in the file already. A shell's way to tell that a signal ended a program.
                #[allow(clippy::exit)]
                std::process::exit(128 + signal)
            };
            // The line may have nobody who reads it: the second signal does not wait for that for ever.
            std::thread::spawn(stop);
        }
    });
}

#[cfg(not(unix))]
fn stop_on_signals(_: &Arc<Console>) {}

struct Options {
    listen: String,
    send: PathBuf,
    recv: PathBuf,
    framing: Framing,
    lang: Lang,
    quiet: bool,
}

enum Command {
    Serve(Options),
    Print(String),
}

impl Options {
    fn parse() -> Result<Command, lexopt::Error> {
        use lexopt::prelude::*;

        let mut options = Options {
            listen: "localhost:8080".into(),
            send: "server_send.txt".into(),
            recv: "server_recv.txt".into(),
            framing: Framing::auto(),
            lang: Lang::Ja,
            quiet: false,
        };
        let mut arguments = lexopt::Parser::from_env();
        while let Some(argument) = arguments.next()? {
            match argument {
                Long("listen") => options.listen = arguments.value()?.string()?,
                Long("send") => options.send = file(arguments.value()?, "--send")?,
                Long("recv") => options.recv = file(arguments.value()?, "--recv")?,
                Long("framing") => {
                    options.framing = arguments.value()?.string()?.parse().map_err(custom)?;
                }
                Long("lang") => {
                    let lang = arguments.value()?.string()?;
                    options.lang = match lang.as_str() {
                        "ja" => Lang::Ja,
                        "en" => Lang::En,
                        _ => return Err(format!("`{lang}` is not one of ja, en").into()),
                    };
                }
                Short('q') | Long("quiet") => options.quiet = true,
                Short('h') | Long("help") => return Ok(Command::Print(HELP.into())),
                Short('V') | Long("version") => {
                    return Ok(Command::Print(format!(
                        "tcpserver {}\n",
                        env!("CARGO_PKG_VERSION")
                    )));
                }
                _ => return Err(argument.unexpected()),
            }
        }
        Ok(Command::Serve(options))
    }
}

fn file(value: OsString, option: &str) -> Result<PathBuf, lexopt::Error> {
    if value.is_empty() {
        return Err(format!("{option} wants the name of a file").into());
    }
    Ok(value.into())
}

fn custom(error: impl std::error::Error + Send + Sync + 'static) -> lexopt::Error {
    lexopt::Error::Custom(Box::new(error))
}

#[derive(Clone, Copy)]
enum Lang {
    Ja,
    En,
}

#[derive(Clone, Copy, PartialEq)]
enum Line {
    Starting,
    Waiting,
    Connected(SocketAddr),
    Stopping,
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

/// Where the lines go: stdout, each flushed at once, none after the last one.
struct Console {
    lang: Lang,
    quiet: bool,
    state: Mutex<ConsoleState>,
}

#[derive(Default)]
struct ConsoleState {
    stopped: bool,
    /// The first line that could not be printed; serving went on.
    error: Option<io::Error>,
}

impl Console {
    fn new(lang: Lang, quiet: bool) -> Self {
        Console { lang, quiet, state: Mutex::default() }
    }

    fn say(&self, line: Line) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.stopped || self.quiet {
            return;
        }
        state.stopped = line == Line::Stopping;
        let mut stdout = io::stdout().lock();
        let said = writeln!(stdout, "{}", line.text(self.lang)).and_then(|()| stdout.flush());
        if let Err(error) = said {
            state.error.get_or_insert(error);
        }
    }

    /// What is worth knowing about an exchange that was served.
    fn notice(&self, exchange: &Exchange) {
        if self.quiet {
            return;
        }
        let request: &Request = exchange.request();
        if !request.is_complete() {
            complain(&format!(
                "the client closed within its request, after {} bytes",
                request.len()
            ));
        }
        if let Some(problem) = request.problem() {
            complain(&problem.to_string());
        }
        match exchange.offered() {
            Some(offered) if exchange.sent() < offered => {
                complain(&format!(
                    "the client left after {} of {offered} response bytes",
                    exchange.sent()
                ));
            }
            _ => {}
        }
        if exchange.trailing_len() > 0 {
            complain(&format!("{} more bytes came after the request", exchange.trailing_len()));
        }
    }

    fn first_error(&self) -> Option<io::Error> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).error.take()
    }
}

fn print(text: &str) -> ExitCode {
    match io::stdout().lock().write_all(text.as_bytes()) {
        // `tcpserver --help | head` is no failure.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            complain(&format!("failed to write to stdout: {error}"));
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}

/// One line on stderr, whatever a file is called. If even that fails there is nobody left to tell.
fn complain(text: &str) {
    let mut line = String::from("tcpserver: ");
    for char in text.chars() {
        if char.is_control() { line.extend(char.escape_default()) } else { line.push(char) }
    }
    line.push('\n');
    let _ = io::stderr().lock().write_all(line.as_bytes());
}
