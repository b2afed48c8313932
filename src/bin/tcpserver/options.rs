//! The arguments, and what they ask for. What options there are is `table`'s, what their values look like is `values`'.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use fake_peer::{Ending, Framing, Response, Stop};

use crate::console::Lang;
use crate::manual;
use crate::table::{self, Entry, Id};
use crate::transcript::Form;
use crate::values;

/// What is to be done.
pub(crate) enum Command {
    Serve(Box<Options>),
    Check(Check),
    Print(String),
}

/// How to serve.
pub(crate) struct Options {
    pub(crate) listen: String,
    pub(crate) framing: Framing,
    pub(crate) send: Send,
    pub(crate) recv: Recv,
    pub(crate) exchanges: Exchanges,
    pub(crate) faults: Faults,
    pub(crate) transcript: Option<Form>,
    pub(crate) lang: Lang,
    pub(crate) talk: Talk,
}

/// Files to look at.
pub(crate) struct Check {
    pub(crate) files: Vec<Input>,
    pub(crate) talk: Talk,
}

/// Where responses come from.
pub(crate) enum Send {
    /// The k-th exchange has the k-th; at least one.
    Files(Vec<Input>),
    Record {
        upstream: String,
        file: PathBuf,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Input {
    Stdin,
    File(PathBuf),
}

/// Where requests go.
pub(crate) enum Recv {
    Stdout,
    File(PathBuf),
    /// `{n}` is to become the number of the exchange.
    Numbered(PathBuf),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exchanges {
    Count(u64),
    Forever,
}

/// How much is told beside errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Talk {
    Normal,
    Quiet,
}

/// What is done to each response.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults {
    cut: Option<(u64, Ending)>,
    ending: Option<Ending>,
    delay: Option<Duration>,
    pieces: Option<(usize, Duration)>,
    throttle: Option<u64>,
}

impl Faults {
    /// The response as it is to leave.
    pub(crate) fn apply(&self, mut response: Response) -> Response {
        if let Some(delay) = self.delay {
            response = response.delay(delay);
        }
        if let Some((size, pause)) = self.pieces {
            response = response.in_pieces(size, pause);
        }
        if let Some(rate) = self.throttle {
            response = response.throttle(rate);
        }
        if let Some(ending) = &self.ending {
            response = response.ending(ending.clone());
        }
        if let Some((bytes, ending)) = &self.cut {
            response = response.cut(*bytes, ending.clone());
        }
        response
    }

    /// Whether a response is followed by waiting for the client, however long that takes.
    pub(crate) fn waits_for_client(&self) -> bool {
        let endings = self.cut.iter().map(|(_, ending)| ending).chain(&self.ending);
        endings.into_iter().any(|ending| matches!(ending, Ending::Hold | Ending::HalfClose))
    }
}

impl Exchanges {
    pub(crate) fn stop(self) -> Stop {
        match self {
            Exchanges::Count(count) => Stop::after(count),
            Exchanges::Forever => Stop::new(),
        }
    }
}

impl Command {
    pub(crate) fn parse() -> Result<Self, lexopt::Error> {
        use lexopt::prelude::*;

        let mut given = Given::default();
        let mut arguments = lexopt::Parser::from_env();
        while let Some(argument) = arguments.next()? {
            let entry = match argument {
                Long(long) => table::by_long(long),
                Short(short) => table::by_short(short),
                Value(_) => None,
            };
            let Some(entry) = entry else {
                return Err(argument.unexpected());
            };
            let value =
                if entry.value == table::Value::None { None } else { Some(arguments.value()?) };
            if let Some(command) = given.take(entry, value)? {
                return Ok(command);
            }
        }
        Ok(given.command()?)
    }
}

/// The options so far.
#[derive(Default)]
struct Given {
    listen: Option<String>,
    framing: Option<Framing>,
    send: Vec<Input>,
    recv: Option<PathBuf>,
    record: Option<String>,
    check: Vec<Input>,
    count: Option<u64>,
    /// Those without a value, and those of which it matters that they were given.
    present: Vec<Id>,
    lang: Option<Lang>,
    faults: Faults,
}

impl Given {
    /// Takes one option. A command says that no other counts.
    fn take(
        &mut self,
        entry: &Entry,
        value: Option<OsString>,
    ) -> Result<Option<Command>, lexopt::Error> {
        let option = entry.long;
        self.present.push(entry.id);
        let value = value.unwrap_or_default();
        match entry.id {
            Id::Send => self.send.push(input(value, option)?),
            Id::Recv => self.recv = Some(file(value, option)?),
            Id::Check => self.check.push(input(value, option)?),
            _ => return self.take_text(entry, &text(value)?),
        }
        Ok(None)
    }

    fn take_text(&mut self, entry: &Entry, value: &str) -> Result<Option<Command>, lexopt::Error> {
        let named = |error: String| format!("--{}: {error}", entry.long);
        match entry.id {
            Id::Listen => self.listen = Some(value.into()),
            Id::Framing => {
                let framing = value.parse();
                self.framing =
                    Some(framing.map_err(|error| lexopt::Error::Custom(Box::new(error)))?);
            }
            Id::Record => self.record = Some(values::upstream(value).map_err(named)?),
            Id::Count => self.count = Some(values::count(value).map_err(named)?),
            Id::Cut => self.faults.cut = Some(values::cut(value).map_err(named)?),
            Id::Delay => self.faults.delay = Some(values::time(value).map_err(named)?),
            Id::Pieces => self.faults.pieces = Some(values::pieces(value).map_err(named)?),
            Id::Throttle => self.faults.throttle = Some(values::rate(value).map_err(named)?),
            Id::Lang => {
                self.lang = Some(if one_of(entry, value)? == "ja" { Lang::Ja } else { Lang::En });
            }
            Id::Help => return Ok(Some(Command::Print(manual::help()))),
            Id::Version => {
                let version = concat!("tcpserver ", env!("CARGO_PKG_VERSION"), "\n");
                return Ok(Some(Command::Print(version.into())));
            }
            Id::Completions => {
                let text = match one_of(entry, value)? {
                    "bash" => manual::bash(),
                    "zsh" => manual::zsh(),
                    _ => manual::fish(),
                };
                return Ok(Some(Command::Print(text)));
            }
            Id::Man => return Ok(Some(Command::Print(manual::man()))),
            Id::Forever
            | Id::KeepAlive
            | Id::Hold
            | Id::Reset
            | Id::Transcript
            | Id::Hex
            | Id::Quiet => {}
            Id::Send | Id::Recv | Id::Check => unreachable!("file names need not be text"),
        }
        Ok(None)
    }

    fn has(&self, id: Id) -> bool {
        self.present.contains(&id)
    }

    /// What all of them together ask for.
    fn command(mut self) -> Result<Command, String> {
        let talk = if self.has(Id::Quiet) { Talk::Quiet } else { Talk::Normal };
        if self.has(Id::Check) {
            let other = self.present.iter().find(|id| !matches!(id, Id::Check | Id::Quiet));
            if other.is_some() {
                return Err("--check serves nothing: only --quiet may stand beside it".into());
            }
            return Ok(Command::Check(Check { files: self.check, talk }));
        }
        let exchanges = self.exchanges()?;
        self.faults.ending = self.ending()?;
        let transcript = if self.has(Id::Hex) {
            Some(Form::Hex)
        } else {
            self.has(Id::Transcript).then_some(Form::Escaped)
        };
        Ok(Command::Serve(Box::new(Options {
            send: self.send()?,
            listen: self.listen.unwrap_or_else(|| "localhost:8080".into()),
            framing: self.framing.unwrap_or_default(),
            recv: Recv::of(self.recv.unwrap_or_else(|| "server_recv.txt".into())),
            exchanges,
            faults: self.faults,
            transcript,
            lang: self.lang.unwrap_or(Lang::Ja),
            talk,
        })))
    }

    fn exchanges(&self) -> Result<Exchanges, String> {
        match (self.count, self.has(Id::Forever)) {
            (Some(_), true) => Err("--count N and --forever contradict each other: give one".into()),
            (None, false) if self.has(Id::KeepAlive) => Err(
                "--keep-alive wants --count N or --forever: behind a single exchange nothing is kept".into(),
            ),
            (None, true) => Ok(Exchanges::Forever),
            (count, false) => Ok(Exchanges::Count(count.unwrap_or(1))),
        }
    }

    /// How a response ends, if an option says so.
    fn ending(&self) -> Result<Option<Ending>, String> {
        let endings: Vec<_> = [Id::Cut, Id::Hold, Id::Reset, Id::KeepAlive]
            .into_iter()
            .filter(|&id| self.has(id))
            .collect();
        match endings[..] {
            [] | [Id::Cut] => Ok(None),
            [Id::Hold] => Ok(Some(Ending::Hold)),
            [Id::Reset] => Ok(Some(Ending::Reset)),
            [Id::KeepAlive] => Ok(Some(Ending::KeepAlive)),
            _ => Err(
                "--cut, --hold, --reset and --keep-alive each say how a response ends: give one \
                 (--cut N:hold and --cut N:reset are there)"
                    .into(),
            ),
        }
    }

    fn send(&mut self) -> Result<Send, String> {
        let mut send = std::mem::take(&mut self.send);
        if send.is_empty() {
            send.push(Input::File("server_send.txt".into()));
        }
        match (self.record.take(), &send[..]) {
            (None, _) => Ok(Send::Files(send)),
            (Some(upstream), [Input::File(file)]) => {
                Ok(Send::Record { upstream, file: file.clone() })
            }
            (Some(_), _) => {
                Err("--record keeps the response in one file: give --send FILE once, and not -"
                    .into())
            }
        }
    }
}

impl Recv {
    fn of(path: PathBuf) -> Self {
        if path.as_os_str() == "-" {
            Recv::Stdout
        } else if path.as_os_str().as_encoded_bytes().windows(3).any(|part| part == b"{n}") {
            Recv::Numbered(path)
        } else {
            Recv::File(path)
        }
    }
}

fn input(value: OsString, option: &str) -> Result<Input, lexopt::Error> {
    let path = file(value, option)?;
    Ok(if path.as_os_str() == "-" { Input::Stdin } else { Input::File(path) })
}

fn file(value: OsString, option: &str) -> Result<PathBuf, lexopt::Error> {
    if value.is_empty() {
        return Err(format!("--{option} wants the name of a file").into());
    }
    Ok(value.into())
}

fn text(value: OsString) -> Result<String, lexopt::Error> {
    value.into_string().map_err(lexopt::Error::NonUnicodeValue)
}

fn one_of<'v>(entry: &Entry, value: &'v str) -> Result<&'v str, String> {
    match entry.value {
        table::Value::OneOf(words) if !words.contains(&value) => {
            Err(format!("`{value}` is not one of {}", words.join(", ")))
        }
        _ => Ok(value),
    }
}
