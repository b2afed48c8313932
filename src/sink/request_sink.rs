//! Where request bytes go: the trait, and its file, memory and closure implementations.

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::journal::client::Client;
use crate::os::lock::lock;
use crate::sink::record_file::RecordFile;

/// Where request bytes go.
///
/// For each request [`open`](Self::open) is called once, when its first byte is there; the bytes are written to what
/// it returns as they arrive, then that is flushed and dropped. All of this comes before the
/// [source](crate::ResponseSource) is asked. Requests served side by side each have a record of their own,
/// so two never mix. A request that is cut short is recorded as far as it came.
///
/// Implemented by [`FileSink`], [`MemorySink`], [`FnSink`], [`WriterSink`](crate::WriterSink) and `Box<dyn RequestSink>`. One of your own:
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

/// Writes each request to a file, which is emptied when the request begins: it holds the last one.
///
/// Bytes reach the file as they arrive, in flat memory whatever their number. A request that begins while another one
/// is still being written gets a new file at the path, so that the two don't mix.
///
/// The file is opened and written in the thread that receives the request: a FIFO at the path blocks that until somebody
/// reads from it, which no timeout ends.
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
}

/// Keeps requests in memory. Clones share what they keep: give one to the server, ask the other.
///
/// ```
/// use fake_peer::{MemorySink, TcpServer};
/// # use std::io::Write;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let seen = MemorySink::new();
/// let server = TcpServer::builder().sink(seen.clone()).bind()?;
/// # let mut client = std::net::TcpStream::connect(server.local_addr())?;
/// # client.write_all(b"hello")?;
/// # client.shutdown(std::net::Shutdown::Both)?;
/// server.serve_once()?;
/// assert_eq!(seen.requests(), [b"hello"]);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Default)]
pub struct MemorySink {
    records: Arc<Mutex<Vec<MemoryRecord>>>,
}

impl MemorySink {
    /// An empty sink.
    pub fn new() -> Self {
        Self::default()
    }

    /// The bytes of each request so far, in the order in which they began. One that is still arriving is shown as far
    /// as it has come.
    pub fn requests(&self) -> Vec<Vec<u8>> {
        lock(&self.records).iter().map(|record| lock(&record.0).clone()).collect()
    }
}

impl RequestSink for MemorySink {
    fn open(&mut self, _: &Client) -> io::Result<Box<dyn Write + Send>> {
        let record = MemoryRecord::default();
        lock(&self.records).push(record.clone());
        Ok(Box::new(record))
    }
}

#[derive(Debug, Clone, Default)]
struct MemoryRecord(Arc<Mutex<Vec<u8>>>);

impl Write for MemoryRecord {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        lock(&self.0).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Calls a closure with each piece of a request as it arrives: made by [`FnSink::new`].
///
/// ```
/// use fake_peer::{FnSink, TcpServer};
/// # use std::io::Write;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (pieces, arrived) = std::sync::mpsc::channel();
/// let server = TcpServer::builder()
///     .sink(FnSink::new(move |client, piece| {
///         pieces.send((client.connection(), piece.to_vec())).map_err(std::io::Error::other)
///     }))
///     .bind()?;
/// # let mut client = std::net::TcpStream::connect(server.local_addr())?;
/// # client.write_all(b"hello")?;
/// # client.shutdown(std::net::Shutdown::Both)?;
/// server.serve_once()?;
/// assert_eq!(arrived.recv()?, (1, b"hello".to_vec()));
/// # Ok(()) }
/// ```
pub struct FnSink<F> {
    take: Arc<Mutex<F>>,
}

impl<F> FnSink<F>
where
    F: FnMut(&Client, &[u8]) -> io::Result<()> + Send + 'static,
{
    /// A sink that calls `take` with the client and the bytes that have just arrived. An error from it
    /// fails the exchange.
    pub fn new(take: F) -> Self {
        FnSink { take: Arc::new(Mutex::new(take)) }
    }
}

impl<F> fmt::Debug for FnSink<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FnSink").finish_non_exhaustive()
    }
}

impl<F> RequestSink for FnSink<F>
where
    F: FnMut(&Client, &[u8]) -> io::Result<()> + Send + 'static,
{
    fn open(&mut self, client: &Client) -> io::Result<Box<dyn Write + Send>> {
        Ok(Box::new(FnRecord { client: *client, take: Arc::clone(&self.take) }))
    }
}

struct FnRecord<F> {
    client: Client,
    take: Arc<Mutex<F>>,
}

impl<F: FnMut(&Client, &[u8]) -> io::Result<()>> Write for FnRecord<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        lock(&self.take)(&self.client, bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
