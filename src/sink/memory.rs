//! A sink that keeps requests in memory.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use super::request_sink::RequestSink;
use crate::journal::client::Client;
use crate::os::lock::lock;

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
/// assert_eq!(String::from_utf8_lossy(&seen.requests()[0]), "hello");
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

    /// The bytes of each request so far, in the order in which they began. A request that is still arriving is included as far
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

    fn open_promptly(&mut self, client: &Client) -> Option<io::Result<Box<dyn Write + Send>>> {
        Some(self.open(client))
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
