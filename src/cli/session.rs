//! One run of the program: its lines, its notes on exchanges, its observers, and its exit code.

use std::collections::HashSet;
use std::io::{self, IsTerminal, Write};
use std::process::{self, ExitCode};
use std::sync::Arc;

use super::check;
use super::console::{Console, Line, complain};
use super::first_mistakes;
use super::journal_file::JournalFile;
use super::options::Options;
use super::outcome::Outcome;
use super::progress::Progress;
use super::signals;
use super::status_files::StatusFiles;
use super::tls;
use super::tls_fault::is_tls_fault;
use crate::error::{Error, Result};
use crate::journal::exchange::Exchange;
use crate::server::tcp_server::TcpServer;
use crate::server::transcript::{Transcript, is_terminal};
use crate::serving::event::Event;
use crate::serving::stop::Stop;
use crate::source::response_source::ResponseSource;

/// One run of the program.
pub struct Session {
    console: Arc<Console>,
    stop: Stop,
    outcome: Arc<Outcome>,
}

impl Session {
    /// Prints the first line, opens the journal, and watches for Ctrl-C.
    ///
    /// # Errors
    ///
    /// The exit code of a program that cannot write a file that a script waits for.
    pub fn start(options: &Options) -> Result<Self, ExitCode> {
        let prepare = || {
            let journal =
                options.arguments.journal.as_deref().map(JournalFile::open).transpose()?;
            if let Some(tls) = &options.tls {
                tls.write_ca()?;
            }
            Ok(Outcome::new(&options.arguments, journal, StatusFiles::prepare(&options.arguments)?))
        };
        let outcome = Arc::new(prepare().map_err(|error: String| {
            complain(&error);
            ExitCode::FAILURE
        })?);
        let lines: Box<dyn Write + Send> =
            if options.uses_stdout() { Box::new(io::stderr()) } else { Box::new(io::stdout()) };
        let lang = options.arguments.lang.unwrap_or_default();
        let console = Arc::new(Console::new(lang, options.arguments.quiet, lines));
        let stop = options.stop();
        // A single exchange is ended by the first signal.
        let completes = (!options.serves_one()).then(|| stop.clone());
        signals::watch(&console, completes, &outcome);
        console.say(&Line::Starting);
        Ok(Session { console, stop, outcome })
    }

    /// Where responses come from, if an option says so. `default` is the file for recorded responses if `--send` names none.
    pub fn source(&self, options: &Options, default: &str) -> Option<Box<dyn ResponseSource>> {
        options.source(default, &self.console)
    }

    /// When serving is over: after `--count` exchanges, or with Ctrl-C.
    pub fn stop(&self) -> &Stop {
        &self.stop
    }

    /// Prints the second line. A port that the system chose is named, and so are problems that editors cause in response
    /// files, and files that are not there.
    pub fn listening(&self, server: &TcpServer, options: &Options, default_file: &str) {
        self.outcome.close_at_exit(server);
        let scheme = if options.tls.is_some() { "https" } else { "http" };
        if let Err(error) = self.outcome.files().write(server.address(), scheme) {
            // What waits for the file would wait for ever.
            self.console.complain(&error);
            self.console.say(&Line::Stopping);
            process::exit(self.outcome.end(1, &self.console).into());
        }
        if options.asks_for_any_port() {
            self.console.complain(&format!("listening on {}", server.address()));
        }
        let trust = options.tls.as_ref().and_then(|tls| tls.how_to_trust(server.address()));
        if let Some(trust) = trust {
            self.console.note(&trust);
        }
        let (arguments, default) = (&options.arguments, [default_file.into()]);
        // With --record the file is written, not sent; a script names its files itself.
        let files = match &arguments.send[..] {
            _ if !options.sends_files() => &[],
            [] => &default[..],
            files => files,
        };
        let files: Vec<_> = files.iter().filter(|file| !is_tls_fault(file)).cloned().collect();
        if let Some(note) = tls::upstream::note(arguments, self.console.lang()) {
            self.console.note(&note);
        }
        first_mistakes::note(arguments, &files, &self.console);
        check::note(&files, &self.console);
        self.console.say(&Line::Waiting);
    }

    /// What to call with the events of the server.
    pub fn observer(&self, options: &Options) -> impl FnMut(&Event<'_>) + Send + 'static {
        let is_one = options.serves_one();
        let mut transcript = transcript(options);
        let shows_progress = transcript.is_none()
            && !options.arguments.quiet
            && is_terminal(&io::stderr())
            && !(options.uses_stdout() && io::stdout().is_terminal());
        let progress = shows_progress.then(|| Progress::shown_on(&self.console));
        let console = Arc::clone(&self.console);
        let mut conversations =
            options.conversations().map(|left| Conversations::until(left, self.stop.clone()));
        let outcome = Arc::clone(&self.outcome);
        move |event| {
            outcome.record(event);
            if let Some(conversations) = &mut conversations {
                conversations.count(event);
            }
            if let Event::Accepted { client } = event {
                console.say(&Line::Connected(client.addr().clone()));
            }
            if let Some(transcript) = &mut transcript {
                console.write(&transcript.lines(event));
            }
            if let Some(progress) = &progress {
                progress.record(event);
            }
            match event {
                Event::Served { exchange } if !is_one => {
                    let number = exchange.client().exchange();
                    let note = |note: &str| console.note(&format!("exchange {number}: {note}"));
                    note_exchange(exchange, note);
                }
                Event::Failed { error } if !is_one => console.complain(&report(error)),
                _ => {}
            }
        }
    }

    /// Whether the one exchange can still come after this failure: after a TLS handshake that failed. A browser connects again when its
    /// user accepts a certificate that it does not trust. Prints one line for the error.
    pub fn goes_on_after(&self, error: &Error) -> bool {
        let is_handshake = matches!(error, Error::Handshake { .. });
        if is_handshake {
            self.console.complain(&report(error));
        }
        is_handshake
    }

    /// Prints the last line, and what is worth knowing about the one exchange.
    pub fn served(&self, exchange: &Exchange) {
        self.console.say(&Line::Stopping);
        note_exchange(exchange, |note| self.console.note(note));
    }

    /// Prints the last line, and one line for an error; the exit code. With several exchanges each error was printed when it
    /// happened.
    pub fn end(&self, result: Result<()>, options: &Options) -> ExitCode {
        self.console.say(&Line::Stopping);
        let mut code = u8::from(result.is_err());
        if let Err(error) = result {
            if options.serves_one()
                || matches!(error, Error::Listen { .. } | Error::LeftOver { .. })
            {
                self.console.complain(&report(&error));
            }
            if matches!(error, Error::Listen { .. } | Error::LeftOver { .. }) {
                self.outcome.record(&Event::Failed { error: &error });
            }
            let is_input = |error: &io::Error| error.kind() == io::ErrorKind::InvalidInput;
            if matches!(error, Error::Listen { .. }) && error.io_error().is_some_and(is_input) {
                code = 2;
            }
        }
        if let Some(error) = self.console.first_error() {
            self.console.complain(&format!("failed to write to stdout: {error}"));
            code = code.max(1);
        }
        ExitCode::from(self.outcome.end(code, &self.console))
    }
}

/// The conversations that are being played: a connection is one when its client has sent a byte.
struct Conversations {
    left: u64,
    stop: Stop,
    begun: HashSet<u64>,
}

impl Conversations {
    fn until(left: u64, stop: Stop) -> Self {
        Conversations { left, stop, begun: HashSet::new() }
    }

    fn count(&mut self, event: &Event<'_>) {
        match event {
            Event::Received { client, .. } => {
                self.begun.insert(client.connection());
            }
            Event::Closed { client, .. } if self.begun.remove(&client.connection()) => {
                self.left = self.left.saturating_sub(1);
                if self.left == 0 {
                    self.stop.stop();
                }
            }
            _ => {}
        }
    }
}

/// The error and its causes on one line, also if it has one for each side of a comparison.
fn report(error: &Error) -> String {
    let report = error.report().to_string();
    report.replace("\n  expected ", "; expected ").replace("\n    actual ", "; actual ")
}

/// What is worth knowing about an exchange that was served.
fn note_exchange(exchange: &Exchange, note: impl Fn(&str)) {
    let (request, sent) = (exchange.request(), exchange.sent());
    if let Some(hello) = request.client_hello() {
        note(&format!("the client speaks TLS: {hello}"));
    }
    if !request.is_complete() {
        note(&format!("the client closed within its request, after {} bytes", request.len()));
    }
    if let Some(problem) = request.problem() {
        note(&problem.to_string());
    }
    let offered = exchange.offered();
    if sent < offered {
        note(&format!("the client left after {sent} of {offered} response bytes"));
    }
    if exchange.trailing_len() > 0 {
        note(&format!("{} more bytes came after the request", exchange.trailing_len()));
    }
}

fn transcript(options: &Options) -> Option<Transcript> {
    let is_hex = options.arguments.hex;
    let mut transcript = (is_hex || options.arguments.transcript).then(Transcript::for_stderr)?;
    if is_hex {
        transcript = transcript.hex();
    }
    if options.serves_one() {
        transcript = transcript.numbers_from_the_second_on();
    }
    Some(transcript)
}
