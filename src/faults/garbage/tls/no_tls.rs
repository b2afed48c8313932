//! Answers that are no TLS at all: plain HTTP, silence, an end.

use super::after_hello;
use crate::response::ending::Ending;
use crate::response::steps::Response;

/// What a server of plain HTTP answers: the client has said `https` where it should have said `http`, or has the wrong port. Then a
/// close.
///
/// `HTTP/1.1 400 Bad Request\r\nServer: nginx\r\nContent-Type: text/html\r\nContent-Length: 52\r\nConnection: close\r\n\r\n<html><body><h1>400
/// Bad Request</h1></body></html>\r\n` (one space where the line is broken here)
///
/// RFC 8446 section 5: `H` is no type of a record, and a client MUST end with `unexpected_message`. Many read `P/` as a version, and
/// say "wrong version number" or the like.
pub fn plain_http() -> Response {
    let body = "<html><body><h1>400 Bad Request</h1></body></html>\r\n";
    let head = format!(
        "HTTP/1.1 400 Bad Request\r\nServer: nginx\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    after_hello(format!("{head}{body}").as_bytes())
}

/// No answer: the connection stays open until the client closes it, or until the
/// [timeout](crate::TcpServerBuilder::timeout) of the peer. It is not among [`all`](super::all), because a client waits for it as
/// long as it waits.
///
/// No rule: a client needs a timeout of its own for its handshake.
pub fn silence() -> Response {
    after_hello(b"").ending(Ending::Hold)
}

/// A close instead of an answer.
///
/// RFC 8446 section 6.1: without `close_notify`, a client cannot know that it got all that was sent.
pub fn close() -> Response {
    after_hello(b"")
}

/// A reset instead of an answer.
///
/// No rule of TLS: the connection is gone.
pub fn reset() -> Response {
    after_hello(b"").ending(Ending::Reset)
}
