//! A sink that calls a closure.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use super::request_sink::RequestSink;
use crate::journal::client::Client;
use crate::os::lock::lock;

/// Calls a closure with each piece of a request as it arrives.
///
/// ```
/// use fake_peer::{FnSink, TcpServer};
/// # use std::io::Write;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (pieces, arrived) = std::sync::mpsc::channel();
/// let server = TcpServer::builder()
///     .sink(FnSink::new(move |client, piece| {
///         let text = String::from_utf8_lossy(piece).into_owned();
///         pieces.send((client.connection(), text)).map_err(std::io::Error::other)
///     }))
///     .bind()?;
/// # let mut client = std::net::TcpStream::connect(server.local_addr())?;
/// # client.write_all(b"hello")?;
/// # client.shutdown(std::net::Shutdown::Both)?;
/// server.serve_once()?;
/// assert_eq!(arrived.recv()?, (1, "hello".to_owned()));
/// # Ok(()) }
/// ```
pub struct FnSink<F> {
    take: Arc<Mutex<F>>,
}

impl<F> FnSink<F>
where
    F: FnMut(&Client, &[u8]) -> io::Result<()> + Send + 'static,
{
    /// A sink that calls `take` with the client and the bytes that have just arrived. If it returns an error, the exchange fails
    /// with [`Error::Record`](crate::Error::Record).
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
        Ok(Box::new(FnRecord { client: client.clone(), take: Arc::clone(&self.take) }))
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
