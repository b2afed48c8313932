//! What the options ask for together: a sink, a source, settings; or something that needs no server.

use std::env;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
#[cfg(unix)]
use std::sync::Mutex;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{CommandFactory, FromArgMatches};

use super::answer::AnswerWithoutFile;
use super::arguments::{Arguments, shown};
use super::console::{Console, complain, print};
use super::faults::{End, Faults};
use super::stdin::{Stdin, Stdout, is_dash};
use super::tls::Tls;
use super::{check, manual, tls, tls_fault, usage_error};
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
use crate::source::response_source::ResponseSource;

/// A person takes time to type, and to read.
const PATIENCE: Duration = Duration::from_secs(60);

/// As in the library.
const LINGER: Duration = Duration::from_secs(2);

/// The options of one run.
#[derive(Debug)]
pub struct Options {
    pub(super) arguments: Arguments,
    script: Option<Conversation>,
    listening: Listening,
    choice: AnswerChoice,
    pub(super) tls: Option<Tls>,
}

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

/// What is answered, beside the names of files.
#[derive(Debug)]
struct AnswerChoice {
    /// What is answered instead of files.
    answer: Option<AnswerWithoutFile>,
    /// The faults beside each `--send` file.
    faults: Vec<Faults>,
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
        let (mut arguments, matches) = parsed.map_err(|error| match error.kind() {
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
        let choice =
            AnswerChoice::take_from(&mut arguments).map_err(|error| wrong_usage(&error))?;
        if let Some(error) = tls_fault::unknown(&arguments.send) {
            return Err(wrong_usage(&error));
        }
        if let Some(problem) = tls::problem(&arguments) {
            return Err(wrong_usage(&problem));
        }
        let is_no_file = |path: &PathBuf| is_dash(path) || tls_fault::is_tls_fault(path);
        let sends_one_file = arguments.send.len() < 2 && !arguments.send.iter().any(is_no_file);
        if arguments.record.is_some() && !sends_one_file {
            let reason = "--record writes the response to one file: give --send FILE once, and not - or @tls:NAME";
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
        let tls = Tls::of(&arguments.tls).map_err(|error| {
            complain(&error);
            ExitCode::FAILURE
        })?;
        Ok(Options { arguments, script, listening, choice, tls })
    }

    /// A server that listens where an option says, or on a socket that this process was started with; otherwise at `default`.
    pub fn listening(&self, default: &str) -> TcpServerBuilder {
        let builder = TcpServer::builder();
        let builder = match &self.tls {
            Some(tls) => tls.secure(builder),
            None => builder,
        };
        match &self.listening {
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
        let Listening::Addr(Some(addr)) = &self.listening else { return false };
        addr.rsplit_once(':').is_some_and(|(_, port)| port.parse() == Ok(0))
    }

    /// Where a request ends.
    pub fn framing(&self) -> Framing {
        let default = || {
            let is_for_tls = self.arguments.send.iter().any(tls_fault::is_tls_fault);
            if is_for_tls { Framing::client_hello() } else { Framing::default() }
        };
        self.arguments.framing.clone().unwrap_or_else(default)
    }

    /// Where requests go, if an option says so.
    pub fn sink(&self) -> Option<Box<dyn RequestSink>> {
        let path = self.arguments.recv.as_ref()?;
        Some(if is_dash(path) {
            Box::new(WriterSink::new(Stdout))
        } else if NumberedFileSink::has_place(path) {
            Box::new(NumberedFileSink::new(path))
        } else {
            Box::new(FileSink::new(path))
        })
    }

    /// Where responses come from, if an option says so. `default` is the file for recorded responses if `--send` names none.
    pub(super) fn source(
        &self,
        default: &str,
        console: &Arc<Console>,
    ) -> Option<Box<dyn ResponseSource>> {
        if let Some(answer) = &self.choice.answer {
            return Some(answer.source(self.patience(), console));
        }
        if let Some(script) = &self.script {
            return Some(Box::new(script.clone()));
        }
        match (&self.arguments.record, &self.arguments.send[..]) {
            (Some(upstream), files) => {
                let file = files.first().map_or(Path::new(default), PathBuf::as_path);
                Some(Box::new(
                    tls::upstream::proxy(&self.arguments, upstream)
                        .record(file)
                        .timeout(self.patience()),
                ))
            }
            (None, []) => None,
            (None, files) => Some(Box::new(self.in_order(files.to_vec()))),
        }
    }

    /// The k-th file for the k-th exchange; the last one repeats.
    fn in_order(&self, files: Vec<PathBuf>) -> impl FnMut(&Request) -> Response + Send + use<> {
        let stdin_uses = files.iter().filter(|file| is_dash(file)).count();
        let last_repeats = self.exchanges().is_none_or(|exchanges| exchanges > files.len() as u64);
        let stdin = Stdin::new(stdin_uses > 1 || files.last().is_some_and(is_dash) && last_repeats);
        let all = self.faults_of_all();
        let faults: Vec<_> = self.choice.faults.iter().map(|faults| faults.or(&all)).collect();
        move |request| {
            let number = usize::try_from(request.client().exchange()).unwrap_or(usize::MAX);
            let index = number.min(files.len()) - 1;
            let file = &files[index];
            let response = if is_dash(file) {
                stdin.response()
            } else {
                tls_fault::response(file).unwrap_or_else(|| Response::file(file))
            };
            faults[index].add_to(response)
        }
    }

    /// A source with the faults that the options ask for on top.
    pub fn with_faults(&self, source: Box<dyn ResponseSource>) -> impl ResponseSource + use<> {
        let all = self.faults_of_all();
        let faults = match &self.choice.faults[..] {
            // The one file is written, and what stands beside it is for what is answered.
            [faults] if self.arguments.record.is_some() => faults.or(&all),
            // Each answer has its own already.
            [_, ..] if self.arguments.record.is_none() => Faults::default(),
            _ => all,
        };
        source.map_response(move |response| faults.add_to(response))
    }

    /// The faults of all answers, except for those that have their own.
    fn faults_of_all(&self) -> Faults {
        let Arguments { delay, pieces, throttle, .. } = self.arguments;
        let cut = self.arguments.cut.clone().map(|(bytes, ending)| End::Cut(bytes, ending));
        Faults { delay, pieces, throttle, end: cut.or(self.ending().map(End::Whole)) }
    }

    /// How a response ends, if an option other than `--cut` says so.
    fn ending(&self) -> Option<Ending> {
        let endings = [
            (self.arguments.hold, Ending::Hold),
            (self.arguments.reset, Ending::Reset),
            (self.arguments.keep_alive, Ending::KeepAlive),
            (self.arguments.keep_open, Ending::KeepOpen),
        ];
        endings.into_iter().find(|(is_given, _)| *is_given).map(|(_, ending)| ending)
    }

    /// How long a client may keep an exchange waiting; `None` where a response is followed by waiting for the client.
    pub fn timeout(&self) -> Option<Duration> {
        let all = self.faults_of_all();
        let mut own = self.choice.faults.iter().map(|faults| faults.or(&all));
        let waits = if own.len() == 0 {
            all.waits_for_the_client()
        } else {
            own.any(|faults| faults.waits_for_the_client())
        };
        let waits = waits || self.is_silent();
        self.arguments.timeout.or((!waits).then_some(PATIENCE))
    }

    /// Whether there is an answer that waits for the client by itself.
    fn is_silent(&self) -> bool {
        let all = self.faults_of_all();
        let mut answers = self.arguments.send.iter().zip(&self.choice.faults);
        answers.any(|(file, own)| tls_fault::is_silence(file) && own.or(&all).end.is_none())
    }

    /// How long a client may keep its connection open after its response.
    pub fn linger(&self) -> Duration {
        self.arguments.linger.unwrap_or(LINGER)
    }

    /// How long another program may take to answer.
    fn patience(&self) -> Duration {
        self.arguments.timeout.unwrap_or(PATIENCE)
    }

    /// How many connections may wait to be accepted: as many as in the tutorial while one exchange is served.
    pub fn backlog(&self) -> u32 {
        if self.serves_one() { 10 } else { 1024 }
    }

    /// How many bytes of a request are kept in memory: all of them where it is forwarded, echoed or given to a program.
    pub fn retain(&self) -> usize {
        let needs_all =
            self.choice.answer.as_ref().is_some_and(AnswerWithoutFile::needs_whole_requests);
        if self.arguments.record.is_some() || needs_all { usize::MAX } else { 1 << 20 }
    }

    /// Whether response files are sent.
    pub(super) fn sends_files(&self) -> bool {
        // With --record the file is written, not sent; a script names its files itself.
        self.arguments.record.is_none()
            && self.arguments.script.is_none()
            && self.choice.answer.is_none()
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
        self.script.is_some()
    }

    /// How many conversations are played before serving is over.
    pub(super) fn conversations(&self) -> Option<u64> {
        self.exchanges().filter(|_| self.plays_a_script())
    }

    /// How many exchanges are served; `None` is for ever.
    fn exchanges(&self) -> Option<u64> {
        (!self.arguments.forever).then_some(self.arguments.count.unwrap_or(1))
    }

    /// Whether requests or the journal go to stdout.
    pub(super) fn uses_stdout(&self) -> bool {
        self.arguments.recv.iter().chain(&self.arguments.journal).any(is_dash)
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

impl AnswerChoice {
    /// Leaves the names of files in the arguments.
    fn take_from(arguments: &mut Arguments) -> Result<Self, String> {
        let other = [
            (arguments.script.is_some(), "--script"),
            (arguments.record.is_some(), "--record"),
            (!arguments.send.is_empty(), "--send"),
        ];
        let other = other.into_iter().find(|(is_given, _)| *is_given).map(|(_, name)| name);
        let answer = AnswerWithoutFile::of(&arguments.answer, other)?;
        let mut faults = Vec::new();
        for file in &mut arguments.send {
            let beside;
            (*file, beside) = Faults::beside(file)?;
            faults.push(beside);
        }
        Ok(AnswerChoice { answer, faults })
    }
}

fn wrong_usage(reason: &str) -> ExitCode {
    complain(&format!(
        "failed to understand the arguments: {reason}; `tcpserver --help` lists all options"
    ));
    ExitCode::from(2)
}
