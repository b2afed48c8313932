//! The answer to a WebSocket's handshake.

use super::super::steps::Response;
use super::accept_key::accept_key;
use super::status;

/// The answer to the handshake of a WebSocket (RFC 6455 section 4.2.2): `101 Switching Protocols` with the Sec-WebSocket-Accept that
/// belongs to this Sec-WebSocket-Key. The key is not looked at: any text has its answer.
///
/// What the client sends then are frames, for which [`Response::then`] takes a [`Framing`](crate::Framing). Frames of the peer are
/// bytes like any others.
///
/// ```
/// use fake_peer::{Peer, http};
///
/// # fn main() -> std::io::Result<()> {
/// let peer = Peer::answer_with(|request| {
///     let key = request.header("Sec-WebSocket-Key").unwrap_or_default();
///     // A frame with the text `hi`, not masked, since the peer is the server.
///     http::websocket_accept(key).send(b"\x81\x02hi")
/// });
/// # use std::io::{Read, Write};
/// # let mut client = std::net::TcpStream::connect(peer.addr())?;
/// # client.write_all(b"GET /chat HTTP/1.1\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")?;
/// # let mut answer = Vec::new();
/// # client.read_to_end(&mut answer)?;
/// assert_eq!(
///     answer,
///     b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
///       Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n\x81\x02hi"
/// );
/// # Ok(()) }
/// ```
pub fn websocket_accept(key: impl AsRef<[u8]>) -> Response {
    status(101)
        .header("Upgrade", "websocket")
        .header("Connection", "Upgrade")
        .header("Sec-WebSocket-Accept", accept_key(key.as_ref()))
}
