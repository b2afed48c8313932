//! A source that answers with the bytes of a file.

use std::io;
use std::path::{Path, PathBuf};

use super::hints::Hints;
use super::response_source::ResponseSource;
use crate::journal::request::Request;
use crate::response::steps::Response;

/// Answers each request with the bytes of a file. The file is opened for each request, so it may be edited in between. For an
/// [ending](Response::ending) or a [fault](crate::faults), use [`Response::file`].
///
/// ```
/// use fake_peer::{FileSource, Peer};
/// # use std::io::{Read, Write};
///
/// # fn main() -> std::io::Result<()> {
/// let peer = Peer::answer(FileSource::new("study/server_send.txt"));
/// # let mut client = std::net::TcpStream::connect(peer.addr())?;
/// # client.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
/// # let mut answer = Vec::new();
/// # client.read_to_end(&mut answer)?;
/// // The client gets the bytes of the file.
/// assert_eq!(answer, std::fs::read("study/server_send.txt")?);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct FileSource {
    path: PathBuf,
}

impl FileSource {
    /// A source that answers with the file at `path`. Nothing is opened before a request has arrived.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        FileSource { path: path.into() }
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl ResponseSource for FileSource {
    fn respond(&mut self, _: &Request) -> io::Result<Response> {
        Ok(Response::file(&self.path))
    }

    fn hints(&mut self) -> Hints<'_> {
        Hints::fixed(Response::file(&self.path))
    }
}
