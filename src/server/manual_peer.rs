//! A peer whose connections a test drives by hand.

use std::future::poll_fn;
use std::ops::Deref;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::connection::Connection;
use super::peer::Peer;
use crate::error::{Error, Result};
use crate::journal::record::Journal;
use crate::os::deadline::Deadline;

/// A peer whose connections the test drives by hand, in straight-line code: chosen in the builder instead of a source
/// ([`by_hand`](crate::TcpServerBuilder::by_hand)).
///
/// It has what a [`Peer`] has: its address, its journal, its end. [`accept`](Self::accept) gives the test the next [`Connection`].
///
/// ```
/// use fake_peer::{Framing, Peer};
/// use std::time::Duration;
/// # use std::io::{BufRead, BufReader, Write};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let peer = Peer::builder().by_hand()?;
/// let addr = peer.addr();
/// // The client under test.
/// let client = std::thread::spawn(move || -> std::io::Result<String> {
///     let mut client = BufReader::new(std::net::TcpStream::connect(addr)?);
///     let mut line = String::new();
///     client.read_line(&mut line)?;
///     client.get_mut().write_all(b"PING\r\n")?;
///     client.read_line(&mut line)?;
///     Ok(line)
/// });
///
/// let mut connection = peer.accept(Duration::from_secs(10))?;
/// connection.send("INFO ready\r\n")?;
/// let request = connection.read(Framing::until("\r\n"))?.expect("a request");
/// request.assert_bytes("PING\r\n");
/// connection.send("PONG\r\n")?;
/// connection.close();
///
/// assert_eq!(client.join().unwrap()?, "INFO ready\r\nPONG\r\n");
/// let journal = peer.finish()?;
/// assert_eq!(journal.exchanges_per_connection(), [2]);
/// # Ok(()) }
/// ```
///
/// In the journal an exchange is a read and what is sent until the next one; what is sent before the first read is an exchange with an
/// empty request.
#[derive(Debug)]
#[must_use = "a peer ends when it is dropped"]
pub struct ManualPeer(Peer);

impl ManualPeer {
    pub(super) fn new(peer: Peer) -> Self {
        ManualPeer(peer)
    }

    /// The next connection, in the order of acceptance. Waits for a client, for at most `timeout`.
    ///
    /// # Errors
    ///
    /// [`Error::NoConnection`] if no client has connected in that time.
    pub fn accept(&self, timeout: Duration) -> Result<Connection> {
        let service = self.0.service();
        let arrivals = service.arrivals.as_ref();
        let arrival = arrivals.and_then(|arrivals| arrivals.accept(Deadline::after(Some(timeout))));
        arrival.map(Connection::new).ok_or_else(|| {
            let error = Error::NoConnection { addr: service.addr().clone(), timeout, peer: None };
            error.of_peer(service.report())
        })
    }

    /// [`accept`](Self::accept) for async code: does not block the thread that awaits it, and has no timeout: a runtime has those. The
    /// calls on the connection block; drive it in a thread of its own, such as that of `spawn_blocking`.
    ///
    /// # Errors
    ///
    /// [`Error::NoConnection`] if the peer has ended.
    pub fn accept_async(&self) -> impl Future<Output = Result<Connection>> + Send + use<> {
        let service = Arc::clone(self.0.service());
        poll_fn(move |context| {
            let next = match &service.arrivals {
                Some(arrivals) => arrivals.accept_or_wake(context.waker()),
                None => Poll::Ready(None),
            };
            next.map(|arrival| {
                let no_connection = || {
                    let (addr, timeout) = (service.addr().clone(), Duration::ZERO);
                    Error::NoConnection { addr, timeout, peer: None }.of_peer(service.report())
                };
                arrival.map(Connection::new).ok_or_else(no_connection)
            })
        })
    }

    /// Ends the peer, as [`Peer::finish`]. Connections that the test still has are closed.
    ///
    /// # Errors
    ///
    /// As [`Peer::finish`]; [`Error::NotAccepted`] if a client has connected whose connection the test has not accepted.
    pub fn finish(self) -> Result<Journal> {
        self.0.finish()
    }
}

impl Deref for ManualPeer {
    type Target = Peer;

    fn deref(&self) -> &Peer {
        &self.0
    }
}
