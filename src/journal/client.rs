//! The client of a connection or exchange, and how its side of the connection ended.

use std::fmt;
use std::sync::Arc;

use crate::os::address::Address;
use crate::os::session::Session;

/// The program at the other end of a connection.
///
/// Prints as `127.0.0.1:59550 (connection 1, exchange 1)`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Client {
    pub(crate) addr: Address,
    pub(crate) connection: u64,
    pub(crate) exchange: u64,
    pub(crate) turn: u64,
    /// `None` without TLS, and before its handshake is over.
    pub(crate) session: Option<Arc<Session>>,
}

impl Client {
    /// The client's address: with TCP, its IP address and port.
    pub fn addr(&self) -> &Address {
        &self.addr
    }

    /// Which of the server's connections this is, counted from 1 in the order of acceptance.
    pub fn connection(&self) -> u64 {
        self.connection
    }

    /// Which of the server's exchanges this is, counted from 1 in the order in which requests began; 0 before the
    /// connection's first request begins.
    pub fn exchange(&self) -> u64 {
        self.exchange
    }

    /// Which exchange of its connection this is, counted from 1; 0 before the connection's first request begins.
    pub fn turn(&self) -> u64 {
        self.turn
    }
}

#[cfg(feature = "tls")]
impl Client {
    /// What client and peer have negotiated in TLS: version, cipher suite, server name (SNI), application protocol (ALPN), the client's
    /// certificate. `None` without TLS, and before the handshake is over. With the feature `tls`.
    pub fn tls(&self) -> Option<&Session> {
        self.session.as_deref()
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (connection {}", self.addr, self.connection)?;
        if self.exchange > 0 {
            write!(f, ", exchange {}", self.exchange)?;
        }
        f.write_str(")")
    }
}

/// How the client's side of a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClientEnd {
    /// The connection is still open.
    StillOpen,
    /// The client closed the connection, or shut down its sending side.
    Closed,
    /// The client reset the connection: it left before it had received everything, or closed with unread bytes.
    Reset,
    /// The client had neither closed nor reset the connection when it was closed or reset on this side: after the
    /// [linger](crate::TcpServerBuilder::linger) time or another timeout, when the peer was finished, or at once
    /// ([`Ending::Reset`](crate::Ending::Reset), [`Ending::CloseAtOnce`](crate::Ending::CloseAtOnce)).
    ClosedByUs,
}
