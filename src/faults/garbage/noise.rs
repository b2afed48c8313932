//! Answers that are not HTTP at all.

use super::message::message;
use crate::response::ending::Ending;
use crate::response::random::Random;
use crate::response::steps::Response;

/// No byte before the close.
///
/// RFC 9112 section 9.3.1: a connection can be closed at any time, and a client ought to be ready for it; RFC 9110
/// section 9.2.2 says which requests it may repeat by itself.
pub fn nothing() -> Response {
    Response::new().ending(Ending::Close)
}

/// `len` random bytes. The same `len` and `seed` give the same bytes, on every machine and in every version of this
/// crate: a seed that found a bug is a test from then on. A larger `len` has the bytes of a smaller one in front.
///
/// No status line (RFC 9112 section 4), except by a negligible chance; [no rule](crate::garbage#where-there-is-no-rule).
///
/// ```
/// use fake_peer::{Peer, garbage};
/// # use std::io::{Read, Write};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// for seed in 0..10 {
///     let peer = Peer::answer(garbage::random(1000, seed));
///     let mut client = std::net::TcpStream::connect(peer.addr())?;
///     client.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
///     let mut answer = Vec::new();
///     client.read_to_end(&mut answer)?;
///     // A client of yours says `Err` here, at once.
///     assert_eq!(answer.len(), 1000, "seed {seed}");
/// }
/// # Ok(()) }
/// ```
pub fn random(len: usize, seed: u64) -> Response {
    let mut bytes = vec![0; len];
    Random::new(seed).fill(&mut bytes);
    bytes.into()
}

/// The greeting of a mail server: the client has connected to the wrong port.
///
/// `220 mail.example ESMTP ready\r\n`
///
/// No status line (RFC 9112 section 4); [no rule](crate::garbage#where-there-is-no-rule). A lenient parser that looks
/// for three digits finds some.
pub fn smtp_greeting() -> Response {
    message(&[b"220 mail.example ESMTP ready\r\n"])
}

/// The greeting of an SSH server.
///
/// `SSH-2.0-OpenSSH_9.6\r\n`
///
/// No status line (RFC 9112 section 4); [no rule](crate::garbage#where-there-is-no-rule).
pub fn ssh_greeting() -> Response {
    message(&[b"SSH-2.0-OpenSSH_9.6\r\n"])
}

/// What a TLS server sends to a client that does not speak TLS: the alert record `handshake_failure`.
///
/// `\x15\x03\x01\x00\x02\x02(`
///
/// No status line (RFC 9112 section 4), and no end of a line; [no rule](crate::garbage#where-there-is-no-rule).
pub fn tls_alert() -> Response {
    message(&[b"\x15\x03\x01\x00\x02\x02\x28"])
}
