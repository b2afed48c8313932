//! A sink that writes all requests to one writer, one after the other.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use super::request_sink::RequestSink;
use crate::journal::client::Client;
use crate::os::lock::lock;

/// Writes requests to one writer, such as standard output, one after the other in the order in which they began, with nothing
/// in between.
///
/// Bytes are written and flushed as they arrive, in constant memory. If a request begins while an earlier one is still arriving,
/// its bytes are kept in memory until the earlier one is complete, so that the two don't mix.
///
/// ```
/// use fake_peer::{TcpServer, WriterSink};
/// # use std::io::Write;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = TcpServer::builder().sink(WriterSink::new(std::io::stdout())).bind()?;
/// # let mut client = std::net::TcpStream::connect(server.local_addr())?;
/// # client.write_all(b"hello")?;
/// # client.shutdown(std::net::Shutdown::Both)?;
/// server.serve_once()?;
/// # Ok(()) }
/// ```
///
/// If the writer fails, the exchange whose bytes were being written fails, or the one that they waited for.
pub struct WriterSink<W> {
    queue: Arc<Mutex<Queue<W>>>,
    opened: u64,
}

impl<W: Write + Send + 'static> WriterSink<W> {
    /// A sink that writes to `writer`.
    pub fn new(writer: W) -> Self {
        let queue = Queue { writer, turn: 0, waiting: BTreeMap::new() };
        WriterSink { queue: Arc::new(Mutex::new(queue)), opened: 0 }
    }
}

impl<W: Write + Send + 'static> RequestSink for WriterSink<W> {
    fn open(&mut self, _: &Client) -> io::Result<Box<dyn Write + Send>> {
        let number = self.opened;
        self.opened += 1;
        lock(&self.queue).waiting.insert(number, Waiting::default());
        Ok(Box::new(Record { queue: Arc::clone(&self.queue), number }))
    }
}

impl<W> fmt::Debug for WriterSink<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriterSink").field("opened", &self.opened).finish_non_exhaustive()
    }
}

struct Queue<W> {
    writer: W,
    /// The number of the request whose bytes are written as they arrive.
    turn: u64,
    waiting: BTreeMap<u64, Waiting>,
}

/// A request that was not written completely yet.
#[derive(Default)]
struct Waiting {
    bytes: Vec<u8>,
    is_over: bool,
}

impl<W: Write> Queue<W> {
    fn take(&mut self, number: u64, bytes: &[u8]) -> io::Result<()> {
        if number == self.turn {
            return self.write(bytes);
        }
        if let Some(waiting) = self.waiting.get_mut(&number) {
            waiting.bytes.extend_from_slice(bytes);
        }
        Ok(())
    }

    /// A request is complete. If it was its turn, the requests that waited for it are written.
    fn end(&mut self, number: u64) -> io::Result<()> {
        let Some(ended) = self.waiting.get_mut(&number) else { return Ok(()) };
        ended.is_over = true;
        let mut result = Ok(());
        while self.waiting.get(&self.turn).is_some_and(|waiting| waiting.is_over) {
            self.waiting.remove(&self.turn);
            self.turn += 1;
            if let Some(next) = self.waiting.get_mut(&self.turn) {
                let bytes = std::mem::take(&mut next.bytes);
                result = result.and(self.write(&bytes));
            }
        }
        result
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.writer.write_all(bytes)?;
        self.writer.flush()
    }
}

struct Record<W: Write> {
    queue: Arc<Mutex<Queue<W>>>,
    number: u64,
}

impl<W: Write> Write for Record<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        lock(&self.queue).take(self.number, bytes)?;
        Ok(bytes.len())
    }

    /// Called when the request is complete.
    fn flush(&mut self) -> io::Result<()> {
        lock(&self.queue).end(self.number)
    }
}

/// A request that failed ends as well.
impl<W: Write> Drop for Record<W> {
    fn drop(&mut self) {
        // An error here was reported by an earlier write, or belongs to a request whose exchange is over.
        let _ = lock(&self.queue).end(self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::os::address::Address;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            lock(&self.0).write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn requests_come_in_the_order_of_their_beginnings_and_never_mix() {
        let written = Shared::default();
        let mut sink = WriterSink::new(written.clone());
        let addr = Address::from(SocketAddr::from(([127, 0, 0, 1], 1)));
        let mut open = || {
            sink.open(&Client {
                addr: addr.clone(),
                connection: 1,
                exchange: 1,
                turn: 1,
                session: None,
            })
            .expect("no file")
        };
        let now = || String::from_utf8(lock(&written.0).clone()).expect("text");
        let (mut first, mut second, mut third) = (open(), open(), open());
        second.write_all(b"2").expect("memory");
        first.write_all(b"1").expect("memory");
        assert_eq!(now(), "1");
        third.write_all(b"3").expect("memory");
        third.flush().expect("memory");
        drop(third);
        first.write_all(b"1").expect("memory");
        first.flush().expect("memory");
        assert_eq!(now(), "112");
        second.write_all(b"2").expect("memory");
        // Without a flush, as after a failure.
        drop(second);
        assert_eq!(now(), "11223");
        drop(first);
        let mut fourth = open();
        fourth.write_all(b"4").expect("memory");
        assert_eq!(now(), "112234");
    }
}
