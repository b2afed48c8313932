//! A sink that writes each request to one file.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::record_file::RecordFile;
use super::request_sink::RequestSink;
use crate::journal::client::Client;

/// Writes each request to a file, which is emptied when the request begins: it holds the last request. For a file per request
/// there is [`NumberedFileSink`](crate::NumberedFileSink).
///
/// Bytes reach the file as they arrive, in constant memory. A request that begins while another one is still being written gets a
/// new file at the path, so that the two don't mix.
///
/// If there is a FIFO at the path, the exchange waits until a program reads from it, without a timeout.
#[derive(Debug)]
pub struct FileSink {
    file: RecordFile,
}

impl FileSink {
    /// A sink that writes to the file at `path`. Nothing is opened before a request arrives.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        FileSink { file: RecordFile::of_requests(path.into()) }
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        self.file.path()
    }
}

impl RequestSink for FileSink {
    fn open(&mut self, _: &Client) -> io::Result<Box<dyn Write + Send>> {
        self.file.open()
    }

    fn open_promptly(&mut self, _: &Client) -> Option<io::Result<Box<dyn Write + Send>>> {
        self.file.is_prompt().then(|| self.file.open())
    }

    fn file(&self, _: &Client) -> Option<PathBuf> {
        Some(self.file.path().into())
    }
}
