//! Answers that are too large somewhere, in constant memory. The body is `hello`.

use super::message::{HELLO, OK, counted, ok};
use crate::response::ending::Ending;
use crate::response::steps::Response;

/// A head that does not end: `total` bytes of it in all, as many fields as fit, the last one cut off; then the
/// connection closes. `u64::MAX` is for ever; with [`Ending::Hold`] the client gets no end to see, either.
///
/// `HTTP/1.1 200 OK\r\nX-Filler: 0123456789abcdef\r\nX-Filler: 0123456789abcdef\r\n…`
///
/// RFC 9112 section 8: a client MUST record the response as incomplete. One that has a limit (RFC 9110 section 17.5)
/// hangs up before.
///
/// ```
/// use fake_peer::{Peer, garbage};
/// # use std::io::{Read, Write};
/// # use std::net::TcpStream;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let peer = Peer::answer(garbage::endless_head(1 << 30));
/// let mut client = TcpStream::connect(peer.addr())?;
/// client.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
/// // A client with a limit of 64 KiB.
/// let mut head = Vec::new();
/// client.take(64 << 10).read_to_end(&mut head)?;
/// assert!(!head.windows(4).any(|four| four == b"\r\n\r\n"));
/// // It has hung up, which the peer wrote down.
/// let journal = peer.finish()?;
/// let exchange = journal.exchanges().next().expect("the one");
/// assert!(exchange.sent() < 1 << 30);
/// assert_eq!(exchange.offered(), 1 << 30);
/// # Ok(()) }
/// ```
pub fn endless_head(total: u64) -> Response {
    let filler = total.saturating_sub(OK.len() as u64);
    let head = Response::from(OK).repeat("X-Filler: 0123456789abcdef\r\n", filler);
    head.cut(total, Ending::Close)
}

/// A right answer with a field whose value is of `len` bytes.
///
/// `HTTP/1.1 200 OK\r\nX-Filler: xxx…\r\nContent-Length: 5\r\n\r\nhello`
///
/// RFC 9110 section 5.4: there is no limit on fields; a client MAY throw those away that are larger than it wishes to
/// process, if they can be ignored safely, and gets the body.
pub fn long_field(len: u32) -> Response {
    Response::from(OK)
        .send("X-Filler: ")
        .repeat("x", len.into())
        .send([b"\r\n", &*counted(HELLO)].concat())
}

/// A right answer with `count` fields more than it needs, all of them the same.
///
/// `HTTP/1.1 200 OK\r\nX-Filler: x\r\nX-Filler: x\r\n…Content-Length: 5\r\n\r\nhello`
///
/// RFC 9110 section 5.4: there is no limit on the length of a header section; a client MAY throw fields away that can
/// be ignored safely, and gets the body. The Content-Length comes last, and is none of them.
pub fn many_fields(count: u32) -> Response {
    let filler = "X-Filler: x\r\n";
    Response::from(OK).repeat(filler, filler.len() as u64 * u64::from(count)).send(counted(HELLO))
}

/// A right answer with a reason phrase of `len` bytes.
///
/// `HTTP/1.1 200 xxx…\r\nContent-Length: 5\r\n\r\nhello`
///
/// RFC 9112 section 4: a client SHOULD ignore what the phrase says, and gets the body; it ought to limit how much of
/// it it processes (RFC 9110 section 17.5).
pub fn long_reason_phrase(len: u32) -> Response {
    Response::from("HTTP/1.1 200 ")
        .repeat("x", len.into())
        .send([b"\r\n", &*counted(HELLO)].concat())
}

/// A right answer in one chunk with an extension whose name is of `len` bytes.
///
/// `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;xxx…\r\nhello\r\n0\r\n\r\n`
///
/// RFC 9112 section 7.1.1: a client MUST ignore an extension that it does not know, and gets the body; it ought to
/// limit how much it processes (RFC 9110 section 17.5).
pub fn long_chunk_extension(len: u32) -> Response {
    Response::from("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;")
        .repeat("x", len.into())
        .send("\r\nhello\r\n0\r\n\r\n")
}

/// A correct answer after `count` interim ones.
///
/// `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n…HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello`
///
/// RFC 9110 section 15.2: a client MUST be able to read one or more of them, expected or not, and gets the body. How
/// many it reads is up to it.
pub fn informational(count: u32) -> Response {
    let interim = "HTTP/1.1 100 Continue\r\n\r\n";
    Response::new().repeat(interim, interim.len() as u64 * u64::from(count)).send(ok(HELLO))
}
