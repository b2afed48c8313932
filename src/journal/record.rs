//! What happened: every connection and every exchange, the failed and the silent ones too.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::client::{Client, ClientEnd};
use super::connection_state::ConnectionState;
use super::exchange::Exchange;
use super::request::Request;

/// Every connection of a peer so far, in the order of acceptance.
///
/// Printed, it is meant to be read in a failing test: line by line, escaped, with line ends visible, `>` before what the client sent and
/// `<` before what was sent to it. Times count from the acceptance of the connection. The alternate form, `{journal:#}`, has no
/// ports, no times, and not how connections ended, which may differ from run to run: it is for snapshot tests of clients that ask
/// in sequence.
///
/// ```text
/// connection 1 from 127.0.0.1:59550, closed by the client at 2.17ms
///   exchange 1: 37 bytes of request, complete; 19 of 19 bytes of response
///     > GET / HTTP/1.1\r\n
///     > Host: localhost\r\n
///     > \r\n
///     < HTTP/1.1 200 OK\r\n
/// connection 2 from 127.0.0.1:59552, closed by the client at 9.81ms
///   no byte
/// connection 3 from 127.0.0.1:59554, reset by the client after byte 137 of 300 at 14.03ms
///   exchange 2: 37 bytes of request, complete; 138 of 300 bytes of response
///     …
/// ```
///
/// In the third connection the client had acknowledged 137 bytes when it left, and the kernel had taken one more for sending.
#[derive(Debug, Clone, Default)]
pub struct Journal {
    pub(crate) connections: Vec<ConnectionRecord>,
    /// Whether an earlier server of this process had the port.
    pub(crate) has_old_port: bool,
}

/// What happened on one connection.
#[derive(Debug, Clone)]
pub struct ConnectionRecord {
    pub(crate) client: Client,
    pub(crate) exchanges: Vec<Exchange>,
    pub(crate) live: Arc<ConnectionState>,
}

impl Journal {
    /// The connections, in the order of acceptance.
    pub fn connections(&self) -> &[ConnectionRecord] {
        &self.connections
    }

    /// All exchanges, connection by connection, the failed ones too.
    pub fn exchanges(&self) -> impl Iterator<Item = &Exchange> {
        self.connections.iter().flat_map(|connection| &connection.exchanges)
    }

    /// How many exchanges each connection had, in the order of acceptance.
    ///
    /// ```
    /// # use std::io::{Read, Write};
    /// let peer = fake_peer::Peer::answer(fake_peer::http::ok("hi").keep_alive());
    /// # let mut client = std::net::TcpStream::connect(peer.addr())?;
    /// # client.write_all(b"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nConnection: close\r\n\r\n")?;
    /// # client.read_to_end(&mut Vec::new())?;
    /// # drop(client);
    /// // A client asks twice on one connection.
    /// assert_eq!(peer.finish().unwrap().exchanges_per_connection(), [2]);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn exchanges_per_connection(&self) -> Vec<usize> {
        self.connections.iter().map(|connection| connection.exchanges.len()).collect()
    }

    /// The requests of all exchanges, in the same order.
    pub fn requests(&self) -> impl Iterator<Item = &Request> {
        self.exchanges().map(Exchange::request)
    }
}

#[cfg(feature = "tls")]
impl ConnectionRecord {
    /// What client and peer have negotiated in TLS, as far as the handshake came. `None` without TLS, and while the handshake goes on.
    /// With the feature `tls`.
    pub fn tls(&self) -> Option<&crate::tls::Session> {
        self.live.handshake.get().map(|handshake| &*handshake.session)
    }
}

impl ConnectionRecord {
    /// The client.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The exchanges on this connection, in their order, the failed ones too.
    pub fn exchanges(&self) -> &[Exchange] {
        &self.exchanges
    }

    /// Whether the connection ended before its first byte, or has had none so far.
    pub fn is_silent(&self) -> bool {
        self.exchanges.is_empty()
            && self.trailing_len() == 0
            && self.unfinished() == 0
            && self.answering().is_none()
            && self.handshake_failure().is_none()
    }

    /// Why its TLS handshake has failed, or was broken off, in one line; `None` if it has not, or the connection has no TLS.
    pub fn handshake_failure(&self) -> Option<&str> {
        self.live.handshake.get()?.failure.as_deref()
    }

    /// The length in bytes of the request that is being answered; `None` if there is none. It becomes an exchange when its
    /// response was sent, pauses, gates and readers included.
    pub fn answering(&self) -> Option<u64> {
        self.live.answering.load(Ordering::Relaxed).checked_sub(1)
    }

    /// How many bytes have arrived of a request that is not complete yet.
    pub fn unfinished(&self) -> u64 {
        self.live.received.load(Ordering::Relaxed)
    }

    /// Whether a request has begun whose exchange is not over.
    pub(crate) fn is_asking(&self) -> bool {
        self.unfinished() > 0 || self.answering().is_some()
    }

    /// Whether another request may come.
    pub(crate) fn may_ask(&self) -> bool {
        self.closed_at().is_none() && !self.live.is_ending.load(Ordering::Relaxed)
    }

    /// How the client's side of the connection ended: [`ClientEnd::StillOpen`] while it is open.
    pub fn client_end(&self) -> ClientEnd {
        self.live.end.get().map_or(ClientEnd::StillOpen, |end| end.client)
    }

    /// What the client sent after its last request, as far as it was kept.
    pub fn trailing(&self) -> &[u8] {
        self.live.trailing().map_or(&[], |kept| &kept.bytes)
    }

    /// How many trailing bytes there were, kept or not.
    pub fn trailing_len(&self) -> u64 {
        self.live.trailing().map_or(0, |kept| kept.len)
    }

    /// The alert with which the client has said that something is wrong with TLS, such as `` `unknown_ca` (48) ``, once the connection
    /// has ended; `None` if it sent none, or the connection has no TLS. A `close_notify` is none of them.
    pub fn alert(&self) -> Option<&str> {
        self.live.end.get()?.alert.as_deref()
    }

    /// When the connection was accepted.
    pub fn accepted_at(&self) -> Instant {
        self.live.accepted
    }

    /// When the connection ended; `None` while it is open.
    pub fn closed_at(&self) -> Option<Instant> {
        self.live.end.get().map(|end| end.at)
    }
}
