//! Carries out the steps of a response: the one place that sends. The ending comes after it, in `close`.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::host::{Host, PATIENCE};
use super::wire::{Last, Wire};
use crate::http1::persistence::Persistence;
use crate::os::deadline::Deadline;
use crate::os::lock::lock;
use crate::os::path_error::on_path;
use crate::os::stream::{Behind, LARGE_BUFFER};
use crate::response::delay::Delay;
use crate::response::ending::Ending;
use crate::response::gate::Gate;
use crate::response::pace::Pace;
use crate::response::steps::{Response, Step};

/// How many bytes a response sends; `None` if only sending it will tell.
pub(crate) fn length(response: &Response) -> io::Result<Option<u64>> {
    // A reader would be used up by a look at it.
    if response.steps.iter().any(|step| matches!(step, Step::SendFrom(_))) {
        return Ok(None);
    }
    Ok(Performance::prepare(response.clone())?.offered)
}

/// A response whose files are open.
pub(crate) struct Performance {
    parts: Vec<Part>,
    pace: Pace,
    cut: Option<u64>,
    /// What comes behind its last byte.
    behind: Behind,
    /// How many bytes there are to send, where that is known beforehand; what a cut leaves out is not among them.
    pub(crate) offered: Option<u64>,
    /// What its delays are drawn from.
    pub(crate) seeds: Vec<u64>,
}

/// Where bytes are in their response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    Inner,
    Last,
}

enum Part {
    Bytes(Arc<[u8]>),
    Reader { reader: Box<dyn Read + Send>, origin: Origin, length: Option<u64> },
    Pause(Delay),
    Gate(Gate),
}

/// Whose reader it is.
enum Origin {
    File(PathBuf),
    Pattern,
    /// It may wait for anything.
    User,
}

pub(crate) enum Failure {
    /// A file or a reader of the response could not be read, or a gate stayed closed.
    Source(io::Error),
    /// The socket did not take the bytes.
    Send(io::Error),
}

/// Whether there is more to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sending {
    GoesOn,
    IsCut,
}

impl Performance {
    pub(crate) fn prepare(response: Response) -> io::Result<Self> {
        let parts =
            response.steps.into_iter().map(Part::prepare).collect::<io::Result<Vec<_>>>()?;
        let length = parts
            .iter()
            .try_fold(0_u64, |length, part| Some(length.saturating_add(part.length()?)));
        let offered = length.map(|length| response.cut.map_or(length, |cut| cut.min(length)));
        let delays = parts.iter().filter_map(Part::delay).chain(response.pace.delay());
        let seeds = delays.filter_map(Delay::drawn_from).collect();
        let behind = match response.ending {
            Ending::Close | Ending::HalfClose => Behind::End,
            _ => Behind::Other,
        };
        Ok(Performance { parts, pace: response.pace, cut: response.cut, behind, offered, seeds })
    }

    /// Carries out all steps up to the cut, as the server's exchange of this number; counts in `sent` the bytes that the
    /// kernel took, and shows them to `persistence`.
    pub(crate) fn run(
        self,
        wire: &mut Wire,
        exchange: u64,
        sent: &mut u64,
        host: &dyn Host,
        persistence: Option<&mut Persistence>,
    ) -> Result<(), Failure> {
        let Performance { pace, cut, behind, .. } = self;
        let mut sender =
            Sender { wire, sent, host, exchange, pace, cut, behind, persistence, start: None };
        let mut begun = false;
        let is_something = |part: &Part| match part {
            Part::Bytes(bytes) => !bytes.is_empty(),
            Part::Reader { length, .. } => *length != Some(0),
            Part::Pause(_) | Part::Gate(_) => true,
        };
        let last = self.parts.iter().rposition(is_something);
        for (index, part) in self.parts.into_iter().enumerate() {
            let position = if Some(index) == last { Position::Last } else { Position::Inner };
            begun |= matches!(part, Part::Bytes(_) | Part::Reader { .. });
            let sending = match part {
                Part::Bytes(bytes) => sender.send(&bytes, position)?,
                Part::Reader { reader, origin, length } => {
                    sender.copy(reader, &origin, length, position)?
                }
                // What waits before the first byte is not behind it, though there be none.
                _ if begun && sender.is_cut() => Sending::IsCut,
                Part::Pause(delay) => {
                    // Counted from the other end, so that no pause shares its place with a piece.
                    wait(delay.at(exchange, u64::MAX - index as u64), host);
                    Sending::GoesOn
                }
                Part::Gate(gate) => {
                    pass(&gate, host).map_err(Failure::Source)?;
                    Sending::GoesOn
                }
            };
            if sending == Sending::IsCut {
                break;
            }
        }
        Ok(())
    }
}

/// Waits for this long, unless the response is abandoned.
fn wait(duration: Duration, host: &dyn Host) {
    host.about_to_wait();
    let deadline = Deadline::after(Some(duration));
    while !host.is_abandoned() {
        match deadline.left() {
            Some(Duration::ZERO) => return,
            left => thread::sleep(left.map_or(PATIENCE, |left| left.min(PATIENCE))),
        }
    }
}

/// Waits until the gate is open, unless the response is abandoned.
fn pass(gate: &Gate, host: &dyn Host) -> io::Result<()> {
    host.about_to_wait();
    let timeout = host.settings().timeout;
    let deadline = Deadline::after(timeout);
    while !gate.pass(deadline.left().map_or(PATIENCE, |left| left.min(PATIENCE))) {
        let text = if host.is_abandoned() {
            "the gate was not opened before the server ended".into()
        } else if deadline.left() == Some(Duration::ZERO) {
            format!("the gate was not opened within {:?}", timeout.unwrap_or_default())
        } else {
            continue;
        };
        return Err(io::Error::new(io::ErrorKind::TimedOut, text));
    }
    Ok(())
}

impl Part {
    fn prepare(step: Step) -> io::Result<Self> {
        Ok(match step {
            Step::Send(bytes) => Part::Bytes(bytes),
            Step::SendFile(path) => {
                let file = File::open(&path).map_err(on_path("open response file", &path))?;
                let metadata = file.metadata().map_err(on_path("open response file", &path))?;
                if metadata.is_dir() {
                    let is_a_directory = io::ErrorKind::IsADirectory.into();
                    return Err(on_path("open response file", &path)(is_a_directory));
                }
                // A pipe or a device does not know its length, and some files of /proc say 0.
                let length =
                    Some(metadata.len()).filter(|&length| metadata.is_file() && length > 0);
                Part::Reader { reader: Box::new(file), origin: Origin::File(path), length }
            }
            Step::SendFrom(reader) => {
                let reader = lock(&reader).take();
                let reader = reader.ok_or_else(|| {
                    io::Error::new(
                        io::ErrorKind::InvalidInput,
                        "the reader given to `send_from` has been sent before",
                    )
                })?;
                Part::Reader { reader, origin: Origin::User, length: None }
            }
            Step::Repeat { pattern, total } => {
                let reader = Box::new(Repeated { pattern, at: 0 }.take(total));
                Part::Reader { reader, origin: Origin::Pattern, length: Some(total) }
            }
            Step::Pause(delay) => Part::Pause(delay),
            Step::Gate(gate) => Part::Gate(gate),
        })
    }

    fn length(&self) -> Option<u64> {
        match self {
            Part::Bytes(bytes) => Some(bytes.len() as u64),
            Part::Reader { length, .. } => *length,
            Part::Pause(_) | Part::Gate(_) => Some(0),
        }
    }

    fn delay(&self) -> Option<Delay> {
        if let Part::Pause(delay) = self { Some(*delay) } else { None }
    }
}

/// A response on its way out.
struct Sender<'a> {
    wire: &'a mut Wire,
    sent: &'a mut u64,
    host: &'a dyn Host,
    exchange: u64,
    pace: Pace,
    cut: Option<u64>,
    behind: Behind,
    persistence: Option<&'a mut Persistence>,
    /// When the first byte left.
    start: Option<Instant>,
}

impl Sender<'_> {
    fn is_cut(&self) -> bool {
        self.cut.is_some_and(|cut| *self.sent >= cut)
    }

    /// Sends these bytes of the response, as many of them as the cut allows.
    fn send(&mut self, bytes: &[u8], position: Position) -> Result<Sending, Failure> {
        let left = self.cut.map_or(u64::MAX, |cut| cut - *self.sent);
        let within = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
        let position = match self.cut {
            Some(_) if left == within as u64 => Position::Last,
            _ => position,
        };
        let mut left = &bytes[..within];
        while !left.is_empty() {
            self.keep_pace();
            let (piece, rest) = left.split_at(left.len().min(self.pace.largest_write(*self.sent)));
            let is_last = position == Position::Last && rest.is_empty();
            self.send_piece(piece, is_last).map_err(Failure::Send)?;
            if let Some(persistence) = &mut self.persistence {
                persistence.feed(piece);
            }
            left = rest;
        }
        Ok(if self.is_cut() { Sending::IsCut } else { Sending::GoesOn })
    }

    /// The last bytes of a response leave in a write that does not wait, if they are few. A client that reads slowly is
    /// waited for before them.
    fn send_piece(&mut self, piece: &[u8], is_last: bool) -> io::Result<()> {
        const FEW: usize = 64 * 1024;
        let deadline = self.host.settings().timeout;
        let waiting = &|| {
            self.host.about_to_wait();
            self.host.finishing_since().is_none()
        };
        if !is_last {
            return self.wire.send(piece, self.sent, deadline, waiting);
        }
        let (many, few) = piece.split_at(piece.len().saturating_sub(FEW));
        self.wire.send(many, self.sent, deadline, waiting)?;
        let about_to_write = &|| self.host.about_to_end(self.exchange);
        let last = Last { behind: self.behind, about_to_write };
        self.wire.send_last(few, &last, self.sent, deadline, waiting)
    }

    /// Waits until the next write is due.
    fn keep_pace(&mut self) {
        if self.pace.pieces.is_none() && self.pace.bytes_per_second.is_none() {
            return;
        }
        let start = *self.start.get_or_insert_with(Instant::now);
        if *self.sent == 0 {
            return;
        }
        let pause = self.pace.pause(self.exchange, *self.sent);
        let due = self.pace.bytes_per_second.map_or(Duration::ZERO, |rate| {
            let nanos = u128::from(*self.sent) * 1_000_000_000 / u128::from(rate.get());
            Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
        });
        let left = pause.max(due.saturating_sub(start.elapsed()));
        if !left.is_zero() {
            wait(left, self.host);
        }
    }

    /// Large reads and writes: as fast as `sendfile` here, and half as much again as `io::copy`.
    ///
    /// A response that is cut before its first byte has its reader asked once, too: it may have something to do beside.
    fn copy(
        &mut self,
        mut reader: Box<dyn Read + Send>,
        origin: &Origin,
        length: Option<u64>,
        position: Position,
    ) -> Result<Sending, Failure> {
        // A file and a pattern are at hand: then one byte more is read than is sent, so that the last ones are known to be.
        let is_at_hand = length.is_some();
        let size = length.and_then(|length| usize::try_from(length).ok()).unwrap_or(LARGE_BUFFER);
        let mut buffer = vec![0; size.min(LARGE_BUFFER) + usize::from(is_at_hand)];
        let mut held = 0;
        loop {
            if let Origin::User = origin {
                self.host.about_to_wait();
            }
            let (filled, stopped) = fill(&mut *reader, &mut buffer, held, is_at_hand);
            let (now, position) = match stopped {
                Stopped::AtEnd => (filled, position),
                Stopped::WithRoom | Stopped::Failed(_) => (filled, Position::Inner),
                Stopped::Full => (filled - usize::from(is_at_hand), Position::Inner),
            };
            if self.send(&buffer[..now], position)? == Sending::IsCut {
                return Ok(Sending::IsCut);
            }
            match stopped {
                Stopped::AtEnd => return Ok(Sending::GoesOn),
                Stopped::Failed(error) => return Err(Failure::Source(origin.tell(error))),
                Stopped::WithRoom | Stopped::Full => {}
            }
            buffer.copy_within(now..filled, 0);
            held = filled - now;
        }
    }
}

/// Why a buffer is not filled any further.
enum Stopped {
    AtEnd,
    Full,
    WithRoom,
    Failed(io::Error),
}

/// Reads behind the first `filled` bytes of a buffer: once, or until it is full if all of it `is_at_hand`.
fn fill(
    reader: &mut dyn Read,
    buffer: &mut [u8],
    mut filled: usize,
    is_at_hand: bool,
) -> (usize, Stopped) {
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => return (filled, Stopped::AtEnd),
            Ok(length) => filled += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return (filled, Stopped::Failed(error)),
        }
        if !is_at_hand {
            return (filled, Stopped::WithRoom);
        }
    }
    (filled, Stopped::Full)
}

impl Origin {
    fn tell(&self, error: io::Error) -> io::Error {
        match self {
            Origin::File(path) => on_path("read response file", path)(error),
            Origin::Pattern | Origin::User => error,
        }
    }
}

/// A pattern without end.
struct Repeated {
    pattern: Arc<[u8]>,
    at: usize,
}

impl Read for Repeated {
    fn read(&mut self, mut buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len();
        while !buffer.is_empty() {
            let rest = &self.pattern[self.at..];
            let length = rest.len().min(buffer.len());
            let (now, later) = buffer.split_at_mut(length);
            now.copy_from_slice(&rest[..length]);
            buffer = later;
            self.at = (self.at + length) % self.pattern.len();
        }
        Ok(wanted)
    }
}
