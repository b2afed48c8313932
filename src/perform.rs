//! Carries out the steps of a response: the one place that sends. Ending the connection is `closing`'s.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use crate::error::on_path;
use crate::host::Host;
use crate::response::Step;
use crate::wire::{LARGE_BUFFER, Wire};

/// A response whose files are open.
pub(crate) struct Performance {
    parts: Vec<Part>,
    /// How many bytes there are to send, where that is known beforehand.
    pub(crate) offered: Option<u64>,
}

enum Part {
    Bytes(Arc<[u8]>),
    Reader { reader: Box<dyn Read + Send>, path: Option<PathBuf>, length: Option<u64> },
}

pub(crate) enum Failure {
    /// A file or a reader of the response could not be read.
    Source(io::Error),
    /// The socket did not take the bytes.
    Send(io::Error),
}

impl Performance {
    pub(crate) fn prepare(steps: Vec<Step>) -> io::Result<Self> {
        let parts = steps.into_iter().map(Part::prepare).collect::<io::Result<Vec<_>>>()?;
        let offered = parts.iter().map(Part::length).sum();
        Ok(Performance { parts, offered })
    }

    /// Carries out all steps; counts in `sent` the bytes that the kernel took.
    pub(crate) fn run(
        self,
        wire: &mut Wire,
        sent: &mut u64,
        host: &dyn Host,
    ) -> Result<(), Failure> {
        let mut hand_over = |bytes: &[u8]| {
            let waiting = &|| host.about_to_wait();
            wire.send(bytes, sent, host.settings().deadline, waiting).map_err(Failure::Send)
        };
        for part in self.parts {
            match part {
                Part::Bytes(bytes) => hand_over(&bytes)?,
                Part::Reader { reader, path, length } => {
                    copy(reader, length, path.as_deref(), &mut hand_over)?;
                }
            }
        }
        Ok(())
    }
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
                Part::Reader { reader: Box::new(file), path: Some(path), length }
            }
            Step::SendFrom(reader) => {
                let reader = reader.lock().unwrap_or_else(PoisonError::into_inner).take();
                let reader = reader.ok_or_else(|| {
                    io::Error::new(
                        io::ErrorKind::InvalidInput,
                        "the reader given to `send_from` has been sent before",
                    )
                })?;
                Part::Reader { reader, path: None, length: None }
            }
        })
    }

    fn length(&self) -> Option<u64> {
        match self {
            Part::Bytes(bytes) => Some(bytes.len() as u64),
            Part::Reader { length, .. } => *length,
        }
    }
}

/// Large reads and writes: as fast as `sendfile` here, and half as much again as `io::copy`.
fn copy(
    mut reader: Box<dyn Read + Send>,
    length: Option<u64>,
    path: Option<&Path>,
    send: &mut dyn FnMut(&[u8]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    // One more than the length, so that the first read of a small file meets its end.
    let size = length.and_then(|length| usize::try_from(length).ok()).unwrap_or(LARGE_BUFFER);
    let mut buffer = vec![0; size.saturating_add(1).min(LARGE_BUFFER)];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => send(&buffer[..length])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                return Err(Failure::Source(match path {
                    Some(path) => on_path("read response file", path)(error),
                    None => error,
                }));
            }
        }
    }
}
