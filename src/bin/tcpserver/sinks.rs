//! Where requests go: a file, a file for each, or stdout.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use fake_peer::{Client, FileSink, RequestSink, WriterSink};

use crate::options::Recv;

/// What `--recv` asks for.
pub(crate) fn sink(recv: Recv) -> Box<dyn RequestSink> {
    match recv {
        Recv::Stdout => Box::new(WriterSink::new(Stdout)),
        Recv::File(path) => Box::new(FileSink::new(path)),
        Recv::Numbered(path) => Box::new(Numbered(path)),
    }
}

/// A file for each exchange.
struct Numbered(PathBuf);

impl RequestSink for Numbered {
    fn open(&mut self, client: &Client) -> io::Result<Box<dyn Write + Send>> {
        FileSink::new(numbered(&self.0, client.exchange())).open(client)
    }
}

/// The path with the number in place of each `{n}`.
fn numbered(path: &Path, number: u64) -> PathBuf {
    let number = number.to_string();
    let mut bytes = Vec::new();
    let mut rest = path.as_os_str().as_encoded_bytes();
    while let Some(at) = rest.windows(3).position(|part| part == b"{n}") {
        bytes.extend_from_slice(&rest[..at]);
        bytes.extend_from_slice(number.as_bytes());
        rest = &rest[at + 3..];
    }
    bytes.extend_from_slice(rest);
    from_bytes(bytes).into()
}

#[cfg(unix)]
fn from_bytes(bytes: Vec<u8>) -> OsString {
    std::os::unix::ffi::OsStringExt::from_vec(bytes)
}

#[cfg(not(unix))]
fn from_bytes(bytes: Vec<u8>) -> OsString {
    String::from_utf8_lossy(&bytes).into_owned().into()
}

/// Says which of all writers failed.
struct Stdout;

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match io::stdout().write(bytes) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(failed(&error)),
            result => result,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush().map_err(|error| failed(&error))
    }
}

fn failed(error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("failed to write to standard output: {error}"))
}
