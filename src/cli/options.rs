//! What the options ask for together: a sink, a source, settings; or something that needs no server.

use std::env;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
#[cfg(unix)]
use std::sync::Mutex;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{CommandFactory, FromArgMatches};

use super::arguments::{Arguments, shown};
use super::console::{complain, print};
use super::stdin::{Stdin, Stdout, is_dash};
use super::{check, manual, usage_error};
use crate::framing::rule::Framing;
use crate::journal::request::Request;
#[cfg(unix)]
use crate::os::inherited::{self, Inherited};
#[cfg(unix)]
use crate::os::lock::lock;
use crate::response::ending::Ending;
use crate::response::steps::Response;
use crate::server::builder::TcpServerBuilder;
use crate::server::tcp_server::TcpServer;
use crate::serving::stop::Stop;
use crate::sink::file::FileSink;
use crate::sink::numbered::NumberedFileSink;
use crate::sink::request_sink::RequestSink;
use crate::sink::writer::WriterSink;
use crate::source::conversation::Conversation;
use crate::source::file::FileSource;
use crate::source::proxy::Proxy;
use crate::source::response_source::ResponseSource;

/// A person takes time to type, and to read.
const PATIENCE: Duration = Duration::from_secs(60);

/// The options of one run.
#[derive(Debug)]
pub struct Options(pub(super) Arguments, Option<Conversation>, Listening);

/// Where the server listens.
#[derive(Debug)]
enum Listening {
    /// At this address, or at the default one.
    Addr(Option<String>),
    #[cfg(unix)]
    Unix(PathBuf),
    #[cfg(unix)]
    Inherited(Mutex<Option<Inherited>>),
}

impl Options {
    /// Reads the arguments of this process. What needs no server is done here: help, checks, wrong usage.
    ///
    /// # Errors
    ///
    /// The exit code of a program that has nothing to serve.
    pub fn parse() -> Result<Self, ExitCode> {
        let mut command = Arguments::command();
        let parsed = command
            .try_get_matches_from_mut(env::args_os())
            .and_then(|matches| Ok((Arguments::from_arg_matches(&matches)?, matches)));
        let (arguments, matches) = parsed.map_err(|error| match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => print(&shown(&error.to_string())),
            _ => wrong_usage(&usage_error::one_line(&error, &command)),
        })?;
        if let Some(shell) = &arguments.completions {
            return Err(print(&manual::completions(shell)));
        } else if arguments.man {
            return Err(print(&manual::man()));
        }
        let is_given = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
        let mut others = command.get_arguments().map(|arg| arg.get_id().as_str());
        if !arguments.check.is_empty()
            && others.any(|id| is_given(id) && !["check", "quiet", "lang"].contains(&id))
        {
            return Err(wrong_usage(
                "--check serves nothing: only --quiet and --lang may stand beside it",
            ));
        } else if !arguments.check.is_empty() {
            return Err(check::check(
                &arguments.check,
                arguments.quiet,
                arguments.lang.unwrap_or_default(),
            ));
        }
        if let Some(reason) = for_scripts_problem(&arguments) {
            return Err(wrong_usage(reason));
        }
        let sends_one_file = arguments.send.len() < 2 && !arguments.send.iter().any(is_dash);
        if arguments.record.is_some() && !sends_one_file {
            let reason =
                "--record writes the response to one file: give --send FILE once, and not -";
            return Err(wrong_usage(reason));
        }
        let listening =
            listening(arguments.listen.as_deref()).map_err(|error| wrong_usage(&error))?;
        let script = arguments.script.as_ref().map(Conversation::from_file).transpose();
        let script = script.map_err(|error| {
            let cause = error.get_ref().and_then(Error::source);
            let cause = cause.map_or(String::new(), |cause| format!(": {cause}"));
            complain(&format!("{error}{cause}"));
            ExitCode::FAILURE
        })?;
        Ok(Options(arguments, script, listening))
    }

    /// A server that listens where an option says, or on a socket that this process was started with; otherwise at `default`.
    pub fn listening(&self, default: &str) -> TcpServerBuilder {
        let builder = TcpServer::builder();
        match &self.2 {
            Listening::Addr(addr) => builder.addr(addr.as_deref().unwrap_or(default)),
            #[cfg(unix)]
            Listening::Unix(path) => builder.unix(path),
            #[cfg(unix)]
            Listening::Inherited(inherited) => match lock(inherited).take() {
                Some(Inherited::Tcp(listener)) => builder.listener(listener),
                Some(Inherited::Unix(listener)) => builder.unix_listener(listener),
                None => builder.addr(default),
            },
        }
    }

    /// Whether the system is to choose a port.
    pub(super) fn asks_for_any_port(&self) -> bool {
        let Listening::Addr(Some(addr)) = &self.2 else { return false };
        addr.rsplit_once(':').is_some_and(|(_, port)| port.parse() == Ok(0))
    }

    /// Where a request ends.
    pub fn framing(&self) -> Framing {
        self.0.framing.clone().unwrap_or_default()
    }

    /// Where requests go, if an option says so.
    pub fn sink(&self) -> Option<Box<dyn RequestSink>> {
        let path = self.0.recv.as_ref()?;
        Some(if is_dash(path) {
            Box::new(WriterSink::new(Stdout))
        } else if NumberedFileSink::has_place(path) {
            Box::new(NumberedFileSink::new(path))
        } else {
            Box::new(FileSink::new(path))
        })
    }

    /// Where responses come from, if an option says so. `default` is the file for recorded responses if `--send` names none.
    pub fn source(&self, default: &str) -> Option<Box<dyn ResponseSource>> {
        if let Some(script) = &self.1 {
            return Some(Box::new(script.clone()));
        }
        match (&self.0.record, &self.0.send[..]) {
            (Some(upstream), files) => {
                let file = files.first().map_or(Path::new(default), PathBuf::as_path);
                Some(Box::new(Proxy::to(upstream).record(file).timeout(PATIENCE)))
            }
            (None, []) => None,
            (None, [file]) if !is_dash(file) => Some(Box::new(FileSource::new(file))),
            (None, files) => Some(Box::new(self.in_order(files.to_vec()))),
        }
    }

    /// The k-th file for the k-th exchange; the last one repeats.
    fn in_order(&self, files: Vec<PathBuf>) -> impl FnMut(&Request) -> Response + Send + use<> {
        let stdin_uses = files.iter().filter(|file| is_dash(file)).count();
        let last_repeats = self.exchanges().is_none_or(|exchanges| exchanges > files.len() as u64);
        let stdin = Stdin::new(stdin_uses > 1 || files.last().is_some_and(is_dash) && last_repeats);
        move |request| {
            let number = usize::try_from(request.client().exchange()).unwrap_or(usize::MAX);
            let file = &files[number.min(files.len()) - 1];
            if is_dash(file) { stdin.response() } else { Response::file(file) }
        }
    }

    /// A source with the faults that the options ask for on top.
    pub fn with_faults(&self, source: Box<dyn ResponseSource>) -> impl ResponseSource + use<> {
        let Arguments { delay, pieces, throttle, .. } = self.0;
        let (ending, cut) = (self.ending(), self.0.cut.clone());
        source.map_response(move |mut response| {
            if let Some(delay) = delay {
                response = response.delay(delay);
            }
            if let Some((size, pause)) = pieces {
                response = response.in_pieces(size, pause);
            }
            if let Some(rate) = throttle {
                response = response.throttle(rate);
            }
            match (&cut, &ending) {
                (Some((bytes, ending)), _) => response.cut(*bytes, ending.clone()),
                (None, Some(ending)) => response.ending(ending.clone()),
                (None, None) => response,
            }
        })
    }

    /// How a response ends, if an option other than `--cut` says so.
    fn ending(&self) -> Option<Ending> {
        let endings = [
            (self.0.hold, Ending::Hold),
            (self.0.reset, Ending::Reset),
            (self.0.keep_alive, Ending::KeepAlive),
            (self.0.keep_open, Ending::KeepOpen),
        ];
        endings.into_iter().find(|(is_given, _)| *is_given).map(|(_, ending)| ending)
    }

    /// How long a client may keep an exchange waiting; `None` where a response is followed by waiting for the client.
    pub fn timeout(&self) -> Option<Duration> {
        let ending = self.0.cut.as_ref().map(|(_, ending)| ending.clone()).or(self.ending());
        let waits = matches!(ending, Some(Ending::Hold | Ending::HalfClose));
        (!waits).then_some(PATIENCE)
    }

    /// How many connections may wait to be accepted: as many as in the tutorial while one exchange is served.
    pub fn backlog(&self) -> u32 {
        if self.serves_one() { 10 } else { 1024 }
    }

    /// How many bytes of a request are kept in memory: all of them where it is forwarded.
    pub fn retain(&self) -> usize {
        if self.0.record.is_some() { usize::MAX } else { 1 << 20 }
    }

    /// Whether a single exchange is served.
    pub fn serves_one(&self) -> bool {
        !self.plays_a_script() && self.exchanges() == Some(1)
    }

    /// When serving is over. A conversation has more exchanges than one.
    pub(super) fn stop(&self) -> Stop {
        let exchanges = self.exchanges().filter(|_| !self.plays_a_script());
        exchanges.map_or_else(Stop::new, Stop::after)
    }

    /// Whether conversations are played; if so, they are what is counted.
    pub(super) fn plays_a_script(&self) -> bool {
        self.1.is_some()
    }

    /// How many conversations are played before serving is over.
    pub(super) fn conversations(&self) -> Option<u64> {
        self.exchanges().filter(|_| self.plays_a_script())
    }

    /// How many exchanges are served; `None` is for ever.
    fn exchanges(&self) -> Option<u64> {
        (!self.0.forever).then_some(self.0.count.unwrap_or(1))
    }

    /// Whether requests or the journal go to stdout.
    pub(super) fn uses_stdout(&self) -> bool {
        self.0.recv.iter().chain(&self.0.journal).any(is_dash)
    }
}

/// What contradicts itself in the options for scripts.
fn for_scripts_problem(arguments: &Arguments) -> Option<&'static str> {
    let is_stdout = |path: &Option<PathBuf>| path.as_ref().is_some_and(is_dash);
    let (ready, pid) = (&arguments.ready_file, &arguments.pid_file);
    if is_stdout(&arguments.recv) && is_stdout(&arguments.journal) {
        Some("--recv - and --journal - both write to stdout: give a file for one of them")
    } else if is_stdout(ready) {
        Some("--ready-file takes a file, and not -: --journal - names the address on stdout")
    } else if is_stdout(pid) {
        Some("--pid-file takes a file, and not -")
    } else if ready.is_some() && (ready == pid || *ready == arguments.journal) {
        Some("--ready-file needs a file of its own")
    } else if pid.is_some() && *pid == arguments.journal {
        Some("--pid-file needs a file of its own")
    } else {
        None
    }
}

/// Where the server is to listen.
fn listening(option: Option<&str>) -> Result<Listening, String> {
    #[cfg(unix)]
    if let Some(inherited) = inherited::take()? {
        return match option {
            None => Ok(Listening::Inherited(Mutex::new(Some(inherited)))),
            Some(_) => {
                Err("--listen and a listener that was passed (LISTEN_FDS) exclude each other"
                    .into())
            }
        };
    }
    match option.and_then(|option| option.strip_prefix("unix:")) {
        #[cfg(unix)]
        Some(path) => Ok(Listening::Unix(path.into())),
        #[cfg(not(unix))]
        Some(_) => Err("this system has no Unix sockets for --listen".into()),
        None => Ok(Listening::Addr(option.map(Into::into))),
    }
}

fn wrong_usage(reason: &str) -> ExitCode {
    complain(&format!(
        "failed to understand the arguments: {reason}; `tcpserver --help` lists all options"
    ));
    ExitCode::from(2)
}
