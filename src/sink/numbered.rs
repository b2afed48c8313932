//! A sink that writes each request to a file of its own.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::file::FileSink;
use super::request_sink::RequestSink;
use crate::journal::client::Client;
use crate::os::file_name::file_name;

/// What stands for the number in a path.
const PLACE: &str = "{n}";

/// Writes each request to a file of its own: `{n}` in the path becomes the number of the
/// [exchange](crate::Client::exchange), counted from 1. A file that exists is emptied.
///
/// ```
/// use fake_peer::{NumberedFileSink, TcpServer};
/// # use std::io::Write;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let folder = folder.path();
/// let sink = NumberedFileSink::new(folder.join("request-{n}.http"));
/// let server = TcpServer::builder().sink(sink).bind()?;
/// # for request in ["one", "two"] {
/// #     let mut client = std::net::TcpStream::connect(server.local_addr())?;
/// #     client.write_all(request.as_bytes())?;
/// #     client.shutdown(std::net::Shutdown::Both)?;
/// // A client sends "one", another one "two".
/// server.serve_once()?;
/// # }
/// assert_eq!(std::fs::read_to_string(folder.join("request-1.http"))?, "one");
/// assert_eq!(std::fs::read_to_string(folder.join("request-2.http"))?, "two");
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct NumberedFileSink {
    path: PathBuf,
}

impl NumberedFileSink {
    /// A sink for this path. Nothing is opened before a request arrives.
    ///
    /// # Panics
    ///
    /// If the path has no `{n}`: all requests would go to one file, for which there is [`FileSink`].
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        assert!(Self::has_place(&path), "no {PLACE} in the path `{}`", path.display());
        NumberedFileSink { path }
    }

    /// Whether a path has a place for the number.
    pub(crate) fn has_place(path: &Path) -> bool {
        find_place(path.as_os_str().as_encoded_bytes()).is_some()
    }

    /// The path of the file of this exchange.
    fn path_of(&self, exchange: u64) -> PathBuf {
        let number = exchange.to_string();
        let mut path = Vec::new();
        let mut rest = self.path.as_os_str().as_encoded_bytes();
        while let Some(at) = find_place(rest) {
            path.extend_from_slice(&rest[..at]);
            path.extend_from_slice(number.as_bytes());
            rest = &rest[at + PLACE.len()..];
        }
        path.extend_from_slice(rest);
        file_name(path).into()
    }
}

impl RequestSink for NumberedFileSink {
    fn open(&mut self, client: &Client) -> io::Result<Box<dyn Write + Send>> {
        FileSink::new(self.path_of(client.exchange())).open(client)
    }

    fn open_promptly(&mut self, client: &Client) -> Option<io::Result<Box<dyn Write + Send>>> {
        FileSink::new(self.path_of(client.exchange())).open_promptly(client)
    }

    fn file(&self, client: &Client) -> Option<PathBuf> {
        Some(self.path_of(client.exchange()))
    }
}

fn find_place(path: &[u8]) -> Option<usize> {
    path.windows(PLACE.len()).position(|part| part == PLACE.as_bytes())
}
