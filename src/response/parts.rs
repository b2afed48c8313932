//! The parts of a response, with its files open: what there is to send, and what may block. Sending them is in `serving/send`.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::delay::Delay;
use super::ending::Ending;
use super::gate::Gate;
use super::pace::Pace;
use super::secure::OverTls;
use super::steps::{Response, Scripted, Step as ResponseStep};
use crate::os::layer::LayerAct;
use crate::os::lock::lock;
use crate::os::open::open_without_waiting;
use crate::os::path_error::on_path;
use crate::os::same_file::is_same_file;

/// How many bytes a response sends; `None` if that is known only after sending it.
pub(crate) fn length(response: &Response) -> io::Result<Option<u64>> {
    // A reader would be used up by a look at it.
    if response.has_reader() {
        return Ok(None);
    }
    match Parts::prepare(response.clone(), true) {
        Prepared::Ready(parts) => Ok(parts.offered),
        Prepared::MayBlock(_) => Ok(None),
        Prepared::Failed(error, _) => Err(error),
    }
}

/// A response whose files are open.
pub(crate) struct Parts {
    pub(crate) steps: Vec<Part>,
    pub(crate) pace: Pace,
    pub(crate) cut: Option<u64>,
    pub(crate) ending: Ending,
    pub(crate) over_tls: Option<Box<OverTls>>,
    /// How many bytes there are to send, where that is known beforehand; what a cut leaves out is not among them.
    pub(crate) offered: Option<u64>,
    /// What its delays are drawn from.
    pub(crate) seeds: Vec<u64>,
    pub(crate) scripted: Scripted,
}

pub(crate) enum Prepared {
    Ready(Parts),
    /// Opening one of its files may block.
    MayBlock(Response),
    Failed(io::Error, Unsent),
}

/// What is left of a response that could not be prepared.
pub(crate) struct Unsent {
    parts: Vec<Part>,
    steps: Vec<ResponseStep>,
}

pub(crate) enum Part {
    Bytes(Arc<[u8]>),
    Reader { reader: Box<dyn Read + Send>, origin: Origin, length: Option<u64> },
    Pause(Delay),
    Gate(Gate),
    Act(LayerAct),
}

/// Whose reader it is.
pub(crate) enum Origin {
    File(PathBuf),
    /// A FIFO or a device: it may wait for anything.
    Device(PathBuf),
    Pattern,
    /// It may wait for anything.
    User,
}

impl Parts {
    pub(crate) fn prepare(response: Response, may_block: bool) -> Prepared {
        if !may_block && response.steps.iter().any(opens_a_device) {
            return Prepared::MayBlock(response);
        }
        let mut steps = response.steps.into_iter();
        let mut parts = Vec::with_capacity(steps.len());
        while let Some(step) = steps.next() {
            match Part::prepare(step, may_block) {
                Ok(part) => parts.push(part),
                Err(error) => {
                    return Prepared::Failed(error, Unsent { parts, steps: steps.collect() });
                }
            }
        }
        let length = parts
            .iter()
            .try_fold(0_u64, |length, part| Some(length.saturating_add(part.length()?)));
        let offered = length.map(|length| response.cut.map_or(length, |cut| cut.min(length)));
        let delays = parts.iter().filter_map(Part::delay).chain(response.pace.delay());
        let seeds = delays.filter_map(Delay::drawn_from).collect();
        let Response { pace, cut, ending, over_tls, scripted, .. } = response;
        Prepared::Ready(Parts {
            steps: parts,
            pace,
            cut,
            ending,
            over_tls,
            offered,
            seeds,
            scripted,
        })
    }
}

impl Unsent {
    /// Whether it has something of the user's, whose drop may do anything.
    pub(crate) fn is_of_user(&self) -> bool {
        let is_reader = |step: &ResponseStep| matches!(step, ResponseStep::SendFrom(_));
        self.parts.iter().any(Part::is_of_user) || self.steps.iter().any(is_reader)
    }
}

/// Whether part of a response is read from a file.
pub(crate) fn has_file(response: &Response) -> bool {
    response.steps.iter().any(|step| matches!(step, ResponseStep::SendFile(_)))
}

/// The path by which part of a response is read from this file, if it is.
pub(crate) fn read_from<'r>(response: &'r Response, file: &Path) -> Option<&'r Path> {
    response.steps.iter().find_map(|step| match step {
        ResponseStep::SendFile(path) if is_same_file(path, file) => Some(path.as_path()),
        _ => None,
    })
}

/// Whether a step has a file that is no regular one. Not asked of an open file: a FIFO that was opened has a reader for its writer.
fn opens_a_device(step: &ResponseStep) -> bool {
    let ResponseStep::SendFile(path) = step else { return false };
    fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

impl Part {
    fn prepare(step: ResponseStep, may_block: bool) -> io::Result<Self> {
        Ok(match step {
            ResponseStep::Send(bytes) => Part::Bytes(bytes),
            ResponseStep::SendFile(path) => {
                // It was a regular file a moment ago, if nothing may block.
                let file = if may_block { File::open(&path) } else { open_without_waiting(&path) };
                let file = file.map_err(on_path("open response file", &path))?;
                let metadata = file.metadata().map_err(on_path("open response file", &path))?;
                if metadata.is_dir() {
                    let is_a_directory = io::ErrorKind::IsADirectory.into();
                    return Err(on_path("open response file", &path)(is_a_directory));
                }
                if !may_block && !metadata.is_file() {
                    let replaced = io::Error::other("it was replaced by a device meanwhile");
                    return Err(on_path("open response file", &path)(replaced));
                }
                // A pipe or a device does not know its length, and some files of /proc say 0.
                let length =
                    Some(metadata.len()).filter(|&length| metadata.is_file() && length > 0);
                let origin =
                    if metadata.is_file() { Origin::File(path) } else { Origin::Device(path) };
                Part::Reader { reader: Box::new(file), origin, length }
            }
            ResponseStep::SendFrom(reader) => {
                let reader = lock(&reader).take();
                let reader = reader.ok_or_else(|| {
                    io::Error::new(
                        io::ErrorKind::InvalidInput,
                        "the reader given to `send_from` has been sent before",
                    )
                })?;
                Part::Reader { reader, origin: Origin::User, length: None }
            }
            ResponseStep::Repeat { pattern, total } => {
                let reader = Box::new(Repeated { pattern, at: 0 }.take(total));
                Part::Reader { reader, origin: Origin::Pattern, length: Some(total) }
            }
            ResponseStep::Pause(delay) => Part::Pause(delay),
            ResponseStep::Gate(gate) => Part::Gate(gate),
            ResponseStep::Act(act) => Part::Act(act),
        })
    }

    pub(crate) fn length(&self) -> Option<u64> {
        match self {
            Part::Bytes(bytes) => Some(bytes.len() as u64),
            Part::Reader { length, .. } => *length,
            Part::Pause(_) | Part::Gate(_) | Part::Act(_) => Some(0),
        }
    }

    /// Whether it has something of the user's, whose drop may do anything.
    pub(crate) fn is_of_user(&self) -> bool {
        matches!(self, Part::Reader { origin: Origin::User, .. })
    }

    fn delay(&self) -> Option<Delay> {
        if let Part::Pause(delay) = self { Some(*delay) } else { None }
    }

    pub(crate) fn is_something(&self) -> bool {
        match self {
            Part::Bytes(bytes) => !bytes.is_empty(),
            Part::Reader { length, .. } => *length != Some(0),
            Part::Pause(_) | Part::Gate(_) | Part::Act(_) => true,
        }
    }
}

/// Bytes of a reader.
#[derive(Default)]
pub(crate) struct Chunk {
    pub(crate) buffer: Vec<u8>,
    /// How many are filled, and how many of those may be sent.
    pub(crate) filled: usize,
    pub(crate) sendable: usize,
    /// How many the reader has given, of all chunks.
    pub(crate) read: u64,
    pub(crate) stopped: Option<Stopped>,
}

/// Why a buffer is not filled any further.
pub(crate) enum Stopped {
    AtEnd,
    Full,
    WithRoom,
    Failed(io::Error),
}

/// Reads after the first `filled` bytes of a buffer: once, or until it is full if all of it `is_at_hand`.
pub(crate) fn fill(
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
    pub(crate) fn may_block(&self) -> bool {
        matches!(self, Origin::Device(_) | Origin::User)
    }

    /// Why a reader that has ended after `read` bytes has ended too early. A file of the system may say a length that it never had.
    pub(crate) fn shrunk(&self, read: u64, length: Option<u64>) -> Option<io::Error> {
        let (Origin::File(path), Some(length)) = (self, length) else { return None };
        let is_shorter = || fs::metadata(path).is_ok_and(|metadata| metadata.len() < length);
        (read < length && is_shorter()).then(|| {
            let text = format!("it had {length} bytes when it was opened, and ends after {read}");
            io::Error::new(io::ErrorKind::UnexpectedEof, text)
        })
    }

    pub(crate) fn name(&self, error: io::Error) -> io::Error {
        match self {
            Origin::File(path) | Origin::Device(path) => on_path("read response file", path)(error),
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

#[cfg(all(test, unix, not(shuttle)))]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_file_that_has_become_a_fifo_is_an_error_and_not_waited_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let fifo = folder.path().join("fifo");
        let made =
            Command::new("mkfifo").arg(&fifo).status().expect("mkfifo is part of every Unix");
        assert!(made.success());
        let error = Part::prepare(ResponseStep::SendFile(fifo), false).err().expect("no file");
        assert!(format!("{error:?}").contains("replaced by a device"), "{error:?}");
    }
}
