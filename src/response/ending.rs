//! What happens to a connection after the last step of a response.

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
    /// The last byte of the response and the end of the stream are sent together, on Linux in one segment. A
    /// [`pause`](crate::Response::pause) as the last step separates them.
    #[default]
    Close,
    /// As [`Close`](Self::Close), but without the `close_notify` with which TLS announces the end: a truncation attack, or a server
    /// that dies. Without TLS it is the same as `Close`. With the feature `tls`.
    #[cfg(feature = "tls")]
    NoCloseNotify,
    /// The naive close, as a fault: read nothing more from the first byte of the response on, and close at once after its last one. If
    /// the client has sent more than its request, or sends more, the kernel resets the connection, and what the client has not
    /// read by then is lost. A client that has sent exactly one request, and nothing more, loses nothing.
    ///
    /// A framing that ends before the client's request does leaves bytes unread: [`read_once(4096)`](Framing::read_once) is the
    /// server that calls `recv(4096)` once, and loses the answers to larger requests. On Linux the last segment of a response of more
    /// than 128 KiB leaves only with the close, so that quick clients lose it, too. If a client sends more than the buffers
    /// hold and reads nothing, both sides wait for each other until the [timeout](crate::TcpServerBuilder::timeout), and the exchange
    /// fails.
    ///
    /// On a Unix socket nothing is lost: the client reads all that was sent, and then gets `ECONNRESET` if bytes were unread.
    CloseAtOnce,
    /// Reset the connection (RST) after the client has acknowledged everything that was sent, however slowly, as long as it
    /// acknowledges something within each [timeout](crate::TcpServerBuilder::timeout). If it does not, the reset comes then, the
    /// rest is lost, and [`Peer::finish`](crate::Peer::finish) fails.
    ///
    /// On a Unix socket the client can read everything, however late, and then its read fails with `ECONNRESET`. If it has sent nothing,
    /// or its request ended with its half-close, it sees an ordinary close, and the journal says so: see
    /// [Unix sockets](crate#unix-sockets).
    ///
    /// Platform notes: Linux, macOS, FreeBSD and Windows (10, version 1703, and later) report what is acknowledged. Elsewhere,
    /// and under Wine 8, the reset comes at once, and bytes that were not sent yet are lost. On a Unix socket elsewhere than on Linux
    /// it is always an ordinary close.
    Reset,
    /// Shut down the sending side, and keep receiving until the client closes, for at most the
    /// [timeout](crate::TcpServerBuilder::timeout).
    HalfClose,
    /// Send nothing more, and do not close until the client closes or shuts down its sending side, for at most the
    /// [timeout](crate::TcpServerBuilder::timeout); then close. [`Peer::finish`](crate::Peer::finish) ends the wait.
    Hold,
    /// Send nothing more, read nothing more, and keep the connection open until the client closes its side, for at most the
    /// [timeout](crate::TcpServerBuilder::timeout). A client that goes on sending fills the buffers of both kernels and is
    /// stuck. If bytes were unread, the client gets a reset in the end; the journal does not know these bytes.
    ///
    /// Platform notes: Linux, macOS, FreeBSD and Windows (10, version 1703, and later) report a client's close that comes after
    /// unread bytes, and only while the buffer has room: the close of a stuck client does not arrive. Otherwise the timeout ends the
    /// wait.
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
    /// `Connection: keep-alive`; to an HTTP/1.0 request both must. Where the request is for a proxy, because it names the whole
    /// URI or has the field `Proxy-Connection`, both fields count on both sides: so does curl (RFC 9112 appendix C.2.2).
    ///
    /// A 101, and a 2xx to CONNECT, end with their head, and a tunnel begins. The connection persists, whatever the fields say
    /// and whatever the response sends after that head. What the client sends next is a request with the same framing.
    KeepAlive,
    /// Read the next request on this connection with another framing: [`Response::then`](crate::Response::then).
    Then(Framing),
}
