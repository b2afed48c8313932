//! The trait of what takes request bytes.

use std::io::{self, Write};

use crate::journal::client::Client;

/// Where request bytes go.
///
/// For each request [`open`](Self::open) is called once, when its first byte is there; the bytes are written to what
/// it returns as they arrive, then that is flushed and dropped. All of this comes before the
/// [source](crate::ResponseSource) is asked. Requests served side by side each have a record of their own,
/// so two never mix. A request that is cut short is recorded as far as it came.
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
/// assert_eq!(std::fs::read(folder.join("1.req"))?, b"hello");
/// # Ok(()) }
/// ```
pub trait RequestSink: Send {
    /// Opens the record of one request.
    ///
    /// # Errors
    ///
    /// Whatever keeps the record from being opened. The exchange then fails with
    /// [`Error::Record`](crate::Error::Record), without an answer.
    fn open(&mut self, client: &Client) -> io::Result<Box<dyn Write + Send>>;
}

impl<S: RequestSink + ?Sized> RequestSink for Box<S> {
    fn open(&mut self, client: &Client) -> io::Result<Box<dyn Write + Send>> {
        (**self).open(client)
    }
}

impl<S: RequestSink + ?Sized> RequestSink for &mut S {
    fn open(&mut self, client: &Client) -> io::Result<Box<dyn Write + Send>> {
        (**self).open(client)
    }
}
