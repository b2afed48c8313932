//! Answers with too much: a body where none can be, a response to no request.

use super::message::{counted, message, ok};
use crate::response::steps::Response;

/// A correct answer, and a second one without a request.
///
/// `HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nunsolicited`
///
/// RFC 9112 section 6.3: a client MUST NOT process, cache or forward the second; section 9.2: it MUST NOT take it for
/// a valid response, and SHOULD close the connection. With [`Response::keep_open`] the connection stays open for a
/// client that uses it once more, and takes `unsolicited` for the answer to its next request.
pub fn second_response(body: impl AsRef<[u8]>) -> Response {
    message(&[&ok(body.as_ref()), &ok(b"unsolicited")])
}

/// A correct answer in one chunk, and more bytes after its end.
///
/// `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nsurplus`
///
/// A client gets the body. It MAY throw the rest away; it MUST NOT take it for another response (RFC 9112 section
/// 6.3), and SHOULD close the connection (section 9.2).
pub fn surplus_after_last_chunk(body: impl AsRef<[u8]>) -> Response {
    let body = body.as_ref();
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let size = format!("{:x}\r\n", body.len());
    message(&[head, size.as_bytes(), body, b"\r\n0\r\n\r\nsurplus"])
}

/// An answer with its body, whatever the request: what is wrong is to give it to HEAD.
///
/// `HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello`
///
/// RFC 9112 section 6.3: the answer to HEAD ends with its head, whatever its fields say. What follows is surplus, as
/// in [`second_response`].
pub fn body_on_head(body: impl AsRef<[u8]>) -> Response {
    message(&[&ok(body.as_ref())])
}

/// A body in a `204 No Content`.
///
/// `HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello`
///
/// RFC 9112 section 6.3: the answer ends with its head, whatever its fields say. What follows is surplus, as in
/// [`second_response`].
pub fn body_on_204(body: impl AsRef<[u8]>) -> Response {
    message(&[b"HTTP/1.1 204 No Content\r\n", &counted(body.as_ref())])
}

/// A body in a `304 Not Modified`.
///
/// `HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello`
///
/// RFC 9112 section 6.3: the answer ends with its head, whatever its fields say (and a Content-Length may well be
/// there: RFC 9110 section 8.6). What follows is surplus, as in [`second_response`].
pub fn body_on_304(body: impl AsRef<[u8]>) -> Response {
    message(&[b"HTTP/1.1 304 Not Modified\r\n", &counted(body.as_ref())])
}

/// A body in a `100 Continue`, and then a right answer with the same body.
///
/// `HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello`
///
/// RFC 9112 section 6.3: an interim response ends with its head, whatever its fields say. So the final one begins with
/// `helloHTTP/1.1 200 OK`, which is no status line: [no rule](crate::garbage#where-there-is-no-rule).
pub fn body_on_100(body: impl AsRef<[u8]>) -> Response {
    let body = body.as_ref();
    message(&[b"HTTP/1.1 100 Continue\r\n", &counted(body), &ok(body)])
}

/// A `101 Switching Protocols` that the client did not ask for, and `bytes` of that other protocol.
///
/// `HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: unheard-of\r\n\r\nhello`
///
/// RFC 9110 section 7.8: a server MUST NOT switch to a protocol that the client did not name. [No
/// rule](crate::garbage#where-there-is-no-rule) for a client to which it happens; if it passes over the 101 as over
/// other unexpected 1xx (section 15.2), what follows is no status line.
pub fn unexpected_101(bytes: impl AsRef<[u8]>) -> Response {
    let status_line = b"HTTP/1.1 101 Switching Protocols\r\n";
    let fields = b"Connection: upgrade\r\nUpgrade: unheard-of\r\n\r\n";
    message(&[status_line, fields, bytes.as_ref()])
}
