//! What the options ask for together.

use std::env;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::ArgMatches;
use clap::error::ErrorKind;

use super::arguments;
use super::check;
use super::console::{Lang, Talk, complain};
use super::manual;
use super::stdin::{Stdin, Stdout};
use super::usage_error;
use crate::framing::rule::Framing;
use crate::journal::request::Request;
use crate::response::ending::Ending;
use crate::response::steps::Response;
use crate::serving::stop::Stop;
use crate::sink::file::FileSink;
use crate::sink::numbered::NumberedFileSink;
use crate::sink::request_sink::RequestSink;
use crate::sink::writer::WriterSink;
use crate::source::file::FileSource;
use crate::source::proxy::Proxy;
use crate::source::response_source::ResponseSource;

/// A person takes time to type, and to read.
const PATIENCE: Duration = Duration::from_secs(60);

/// The options of one run.
#[derive(Debug)]
pub struct Options {
    matches: ArgMatches,
    ending: Option<Ending>,
    /// How many exchanges are served; `None` is for ever.
    exchanges: Option<u64>,
}

/// A file, or standard input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Input {
    Stdin,
    File(PathBuf),
}

impl Options {
    /// Reads the arguments of this process. What needs no server is done here: help, checks, wrong usage.
    ///
    /// # Errors
    ///
    /// The exit code of a program that has nothing to serve.
    pub fn parse() -> Result<Self, ExitCode> {
        let mut command = arguments::command();
        let matches =
            command.try_get_matches_from_mut(env::args_os()).map_err(|error| {
                match error.kind() {
                    ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                        print(&arguments::shown(&error.to_string()))
                    }
                    _ => wrong_usage(&usage_error::one_line(&error, &command)),
                }
            })?;
        let document = match matches.get_one::<String>("completions") {
            Some(shell) => Some(manual::completions(shell)),
            None => matches.get_flag("man").then(manual::man),
        };
        if let Some(document) = document {
            return Err(print(&document.expect("memory can be written to, and holds text")));
        }
        let options = Self::of(matches).map_err(|reason| wrong_usage(&reason))?;
        let files = options.inputs("check");
        if files.is_empty() { Ok(options) } else { Err(check::check(&files, options.talk())) }
    }

    fn of(matches: ArgMatches) -> Result<Self, String> {
        let exchanges = exchanges(&matches)?;
        let ending = ending(&matches)?;
        let options = Options { matches, ending, exchanges };
        if options.is_given("check") {
            let is_other = |id: &clap::Id| !["check", "quiet"].contains(&id.as_str());
            if options.matches.ids().any(|id| is_other(id) && options.is_given(id.as_str())) {
                return Err("--check serves nothing: only --quiet may stand beside it".into());
            }
        }
        if options.is_given("record")
            && !matches!(options.inputs("send")[..], [] | [Input::File(_)])
        {
            return Err(
                "--record writes the response to one file: give --send FILE once, and not -".into(),
            );
        }
        Ok(options)
    }

    /// Where to listen, if an option says so.
    pub fn address(&self) -> Option<&str> {
        self.matches.get_one::<String>("listen").map(String::as_str)
    }

    /// Where a request ends.
    pub fn framing(&self) -> Framing {
        self.matches.get_one("framing").cloned().unwrap_or_default()
    }

    /// Where requests go, if an option says so.
    pub fn sink(&self) -> Option<Box<dyn RequestSink>> {
        let path = self.matches.get_one::<PathBuf>("recv")?;
        Some(if self.uses_stdout() {
            Box::new(WriterSink::new(Stdout))
        } else if NumberedFileSink::has_place(path) {
            Box::new(NumberedFileSink::new(path))
        } else {
            Box::new(FileSink::new(path))
        })
    }

    /// Where responses come from, if an option says so. `default` is the file to which responses are recorded if there is no
    /// other.
    pub fn source(&self, default: &str) -> Option<Box<dyn ResponseSource>> {
        let files = self.inputs("send");
        if let Some(upstream) = self.matches.get_one::<String>("record") {
            let file = match files.first() {
                Some(Input::File(file)) => file.clone(),
                _ => default.into(),
            };
            return Some(Box::new(Proxy::to(upstream).record(file).timeout(PATIENCE)));
        }
        match &files[..] {
            [] => None,
            [Input::File(file)] => Some(Box::new(FileSource::new(file))),
            _ => Some(Box::new(self.in_order(files))),
        }
    }

    /// The k-th file for the k-th exchange; the last one repeats.
    fn in_order(&self, files: Vec<Input>) -> impl FnMut(&Request) -> Response + Send + use<> {
        let stdin = Stdin::new(&files, self.exchanges);
        move |request| {
            let number = usize::try_from(request.client().exchange()).unwrap_or(usize::MAX);
            match &files[number.min(files.len()) - 1] {
                Input::File(file) => Response::file(file),
                Input::Stdin => stdin.response(),
            }
        }
    }

    /// A source with the faults that the options ask for on top.
    pub fn with_faults(&self, source: Box<dyn ResponseSource>) -> impl ResponseSource + use<> {
        let one = |id: &str| self.matches.get_one::<Duration>(id).copied();
        let delay = one("delay");
        let pieces = self.matches.get_one::<(usize, Duration)>("pieces").copied();
        let rate = self.matches.get_one::<u64>("throttle").copied();
        let ending = self.ending.clone();
        let cut = self.matches.get_one::<(u64, Ending)>("cut").cloned();
        source.map_response(move |mut response| {
            if let Some(delay) = delay {
                response = response.delay(delay);
            }
            if let Some((size, pause)) = pieces {
                response = response.in_pieces(size, pause);
            }
            if let Some(rate) = rate {
                response = response.throttle(rate);
            }
            if let Some(ending) = &ending {
                response = response.ending(ending.clone());
            }
            if let Some((bytes, ending)) = &cut {
                response = response.cut(*bytes, ending.clone());
            }
            response
        })
    }

    /// How long a client may keep an exchange waiting; `None` where a response is followed by waiting for it.
    pub fn timeout(&self) -> Option<Duration> {
        let cut = self.matches.get_one::<(u64, Ending)>("cut").map(|(_, ending)| ending);
        let waits = |ending: &Ending| matches!(ending, Ending::Hold | Ending::HalfClose);
        let waits = cut.into_iter().chain(&self.ending).any(waits);
        (!waits).then_some(PATIENCE)
    }

    /// How many connections may wait to be accepted: as many as in the tutorial while one exchange is served.
    pub fn backlog(&self) -> u32 {
        if self.serves_one() { 10 } else { 1024 }
    }

    /// How many bytes of a request are kept in memory: all of them where it is forwarded.
    pub fn retain(&self) -> usize {
        if self.is_given("record") { usize::MAX } else { 1 << 20 }
    }

    /// Whether a single exchange is served.
    pub fn serves_one(&self) -> bool {
        self.exchanges == Some(1)
    }

    /// When serving is over.
    pub(super) fn stop(&self) -> Stop {
        self.exchanges.map_or_else(Stop::new, Stop::after)
    }

    /// The response files, to be checked before they are served; the default one if no option names one.
    pub(super) fn response_files(&self, default: &str) -> Vec<Input> {
        match self.inputs("send") {
            _ if self.is_given("record") => Vec::new(),
            files if files.is_empty() => vec![Input::File(default.into())],
            files => files,
        }
    }

    pub(super) fn lang(&self) -> Lang {
        if self.matches.get_one::<String>("lang").is_some_and(|lang| lang == "en") {
            Lang::En
        } else {
            Lang::Ja
        }
    }

    pub(super) fn talk(&self) -> Talk {
        if self.is_given("quiet") { Talk::Quiet } else { Talk::Normal }
    }

    /// Whether requests go to stdout.
    pub(super) fn uses_stdout(&self) -> bool {
        self.matches.get_one::<PathBuf>("recv").is_some_and(|path| path.as_os_str() == "-")
    }

    /// Whether an option was given on the command line.
    pub(super) fn is_given(&self, id: &str) -> bool {
        self.matches.value_source(id) == Some(clap::parser::ValueSource::CommandLine)
    }

    fn inputs(&self, id: &str) -> Vec<Input> {
        let paths = self.matches.get_many::<PathBuf>(id).unwrap_or_default();
        let input = |path: &PathBuf| {
            if path.as_os_str() == "-" { Input::Stdin } else { Input::File(path.clone()) }
        };
        paths.map(input).collect()
    }
}

fn exchanges(matches: &ArgMatches) -> Result<Option<u64>, String> {
    let count = matches.get_one::<u64>("count").copied();
    let kept = ["keep-alive", "keep-open"].into_iter().find(|id| matches.get_flag(id));
    match (count, matches.get_flag("forever"), kept) {
        (Some(_), true, _) => Err("--count N and --forever contradict each other: give one".into()),
        (None, true, _) => Ok(None),
        (None, false, Some(kept)) => Err(format!(
            "--{kept} needs --count N or --forever: no request follows a single exchange"
        )),
        (count, false, _) => Ok(count.or(Some(1))),
    }
}

/// How a response ends, if an option other than `--cut` says so.
fn ending(matches: &ArgMatches) -> Result<Option<Ending>, String> {
    let endings = [
        ("hold", Ending::Hold),
        ("reset", Ending::Reset),
        ("keep-alive", Ending::KeepAlive),
        ("keep-open", Ending::KeepOpen),
    ];
    let mut given: Vec<_> = endings.into_iter().filter(|(id, _)| matches.get_flag(id)).collect();
    if given.len() + usize::from(matches.contains_id("cut")) > 1 {
        return Err(
            "--cut, --hold, --reset, --keep-alive and --keep-open each say how a response \
                    ends: give one (there are --cut N:hold and --cut N:reset)"
                .into(),
        );
    }
    Ok(given.pop().map(|(_, ending)| ending))
}

fn wrong_usage(reason: &str) -> ExitCode {
    complain(&format!(
        "failed to understand the arguments: {reason}; `tcpserver --help` lists all options"
    ));
    ExitCode::from(2)
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
