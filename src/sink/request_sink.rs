//! The trait `RequestSink`: where request bytes go.

use std::io::{self, Write};
use std::path::PathBuf;

use crate::journal::client::Client;

/// Where request bytes go.
///
/// For each request [`open`](Self::open) is called once, when the first byte has arrived. The bytes are written to the record
/// that it returns as they arrive; then the record is flushed and dropped. All of this happens before the
/// [source](crate::ResponseSource) is asked. Requests that are served side by side have a record each, so they never mix. A
/// request that is cut short is recorded as far as it came.
///
/// Implemented by [`FileSink`](crate::FileSink), [`MemorySink`](crate::MemorySink), [`FnSink`](crate::FnSink), [`WriterSink`](crate::WriterSink) and `Box<dyn RequestSink>`. One of your own:
///
/// ```
/// use fake_peer::{Client, RequestSink, TcpServer};
/// use std::fs::File;
/// use std::io::{self, Write};
///
/// /// A file per request: `1.req`, `2.req`, …
/// struct Numbered(std::path::PathBuf);
///
/// impl RequestSink for Numbered {
///     fn open(&mut self, client: &Client) -> io::Result<Box<dyn Write + Send>> {
///         Ok(Box::new(File::create(self.0.join(format!("{}.req", client.exchange())))?))
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let folder = folder.path();
/// let server = TcpServer::builder().sink(Numbered(folder.into())).bind()?;
/// # let mut client = std::net::TcpStream::connect(server.local_addr())?;
/// # client.write_all(b"hello")?;
/// # client.shutdown(std::net::Shutdown::Both)?;
/// server.serve_once()?;
/// assert_eq!(std::fs::read_to_string(folder.join("1.req"))?, "hello");
/// # Ok(()) }
/// ```
pub trait RequestSink: Send {
    /// Opens the record of one request.
    ///
    /// # Errors
    ///
    /// If the record cannot be opened. The exchange then fails with [`Error::Record`](crate::Error::Record), and is not answered.
    fn open(&mut self, client: &Client) -> io::Result<Box<dyn Write + Send>>;

    /// Opens the record of one request if neither that nor writing to the record can block; `None` if it may.
    #[doc(hidden)]
    fn open_promptly(&mut self, _: &Client) -> Option<io::Result<Box<dyn Write + Send>>> {
        None
    }

    /// The file of the record, if it is in one: a response must not be read from it.
    #[doc(hidden)]
    fn file(&self, _: &Client) -> Option<PathBuf> {
        None
    }
}

impl<S: RequestSink + ?Sized> RequestSink for Box<S> {
    fn open(&mut self, client: &Client) -> io::Result<Box<dyn Write + Send>> {
        (**self).open(client)
    }

    fn open_promptly(&mut self, client: &Client) -> Option<io::Result<Box<dyn Write + Send>>> {
        (**self).open_promptly(client)
    }

    fn file(&self, client: &Client) -> Option<PathBuf> {
        (**self).file(client)
    }
}

impl<S: RequestSink + ?Sized> RequestSink for &mut S {
    fn open(&mut self, client: &Client) -> io::Result<Box<dyn Write + Send>> {
        (**self).open(client)
    }

    fn open_promptly(&mut self, client: &Client) -> Option<io::Result<Box<dyn Write + Send>>> {
        (**self).open_promptly(client)
    }

    fn file(&self, client: &Client) -> Option<PathBuf> {
        (**self).file(client)
    }
}
