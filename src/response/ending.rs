//! What happens after the last step of a response. Carrying it out is `closing`'s.

use crate::framing::rule::Framing;

/// What happens to the connection after the last step of a response.
///
/// ```
/// use fake_peer::{Ending, Response};
///
/// let broken = Response::from("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf").ending(Ending::Reset);
/// # drop(broken);
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum Ending {
    /// Shut down the sending side, receive until the client closes, for at most the
    /// [linger](crate::TcpServerBuilder::linger) time, then close: see [closing](crate#closing). The default.
    ///
    /// The end leaves with the last byte of the response, on Linux in one segment;
    /// [`Response::pause`](crate::Response::pause) as the last step keeps them apart.
    #[default]
    Close,
    /// The naive close, as a fault: closes at once. If the client has sent more than was read, or sends more, the kernel
    /// resets the connection, and what the client has not read yet may be lost.
    CloseAtOnce,
    /// Resets the connection (RST), after the client has acknowledged all that was sent before.
    ///
    /// Platform notes: only Linux tells what is acknowledged. Elsewhere the reset comes at once, and the kernel throws
    /// away what it has not sent.
    Reset,
    /// Shut down the sending side, and keep receiving until the client closes, for at most the
    /// [timeout](crate::TcpServerBuilder::timeout).
    HalfClose,
    /// Send no more and do not close until the client closes or shuts down its sending side, for at most the
    /// [timeout](crate::TcpServerBuilder::timeout); then close. A peer that is [finished](crate::Peer::finish) does not
    /// wait so long.
    Hold,
    /// Send no more, read no more, and keep the connection open until the client closes its side, for at most the
    /// [timeout](crate::TcpServerBuilder::timeout): a client that goes on sending fills the buffers of both kernels
    /// and is stuck. If anything was left unread the client then gets a reset; what it was is not known to the journal.
    ///
    /// Platform notes: only Linux tells of a client's close behind bytes that nobody reads, and only while there is room for
    /// more of them: the close of a client that is stuck does not arrive. Otherwise the timeout ends it.
    StopReading,
    /// Read the next request on this connection with the same framing, whatever the bytes of request and response say:
    /// what [`Response::keep_open`](crate::Response::keep_open) chooses.
    KeepOpen,
    /// Read the next request on this connection with the same framing if HTTP lets the connection persist (RFC 9112 section
    /// 9.3), otherwise [`Close`](Self::Close): what a web server does, and what
    /// [`Response::keep_alive`](crate::Response::keep_alive) chooses.
    ///
    /// The connection persists if the request is a complete HTTP/1.1 request, the bytes sent are exactly one final response
    /// whose end the client can find (by its Content-Length, its last chunk, or the end of its head in answer to HEAD and
    /// with status 204 or 304), and neither of them says `Connection: close`. An HTTP/1.0 response must say
    /// `Connection: keep-alive`; to an HTTP/1.0 request both must.
    KeepAlive,
    /// Read the next request on this connection with another framing: [`Response::then`](crate::Response::then).
    Then(Framing),
}
