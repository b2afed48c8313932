//! The flights of a handshake, after which it can break.

/// After which flight of the handshake a connection breaks: [`Server::breaks_after`](super::Server::breaks_after).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Flight {
    /// The connection was accepted. Nothing was read.
    Connect,
    /// The client's first message, with its server name, has arrived. Nothing was sent. It does not break there if the client sends
    /// something that is no such message: then the handshake fails.
    ClientHello,
    /// The peer's first flight was sent: in TLS 1.3 all that it has to send, its certificate included; in TLS 1.2 up to
    /// `ServerHelloDone`.
    ServerHello,
    /// The client's last flight has arrived: in TLS 1.3 the handshake is over, in TLS 1.2 the client waits for the peer's
    /// `Finished`.
    ClientFinished,
}

impl Flight {
    /// In words.
    pub(super) fn described(self) -> &'static str {
        match self {
            Flight::Connect => "before the client's first message",
            Flight::ClientHello => "after the client's first message",
            Flight::ServerHello => "after the peer's first flight",
            Flight::ClientFinished => "after the client's last flight",
        }
    }
}
