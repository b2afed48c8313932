//! Answers whose fields say something wrong about where the body ends. What is wrong within chunks is in `chunks`.

use super::message::{OK, message};
use crate::response::ending::Ending;
use crate::response::steps::Response;

/// A Content-Length one larger than the body; then the connection closes.
///
/// `HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello`
///
/// RFC 9112 section 6.3: a client MUST take the message for incomplete, and close the connection.
pub fn content_length_too_long(body: impl AsRef<[u8]>) -> Response {
    let body = body.as_ref();
    fields(&format!("Content-Length: {}\r\n", body.len() + 1), body).ending(Ending::Close)
}

/// A Content-Length that counts `body`, and more bytes after that.
///
/// `HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhellosurplus`
///
/// A client gets `body`. It MAY throw the rest away, or find out if it belongs to the body; it MUST NOT take it for
/// another response (RFC 9112 section 6.3), and SHOULD close the connection (section 9.2).
pub fn content_length_too_short(body: impl AsRef<[u8]>) -> Response {
    let body = body.as_ref();
    let field = format!("Content-Length: {}\r\n\r\n", body.len());
    message(&[OK, field.as_bytes(), body, b"surplus"])
}

/// A Content-Length below zero.
///
/// `HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello`
///
/// RFC 9112 section 6.3: a user agent MUST close the connection, and throw the response away.
pub fn content_length_negative(body: impl AsRef<[u8]>) -> Response {
    let body = body.as_ref();
    fields(&format!("Content-Length: -{}\r\n", body.len()), body)
}

/// A Content-Length with a plus sign.
///
/// `HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello`
///
/// Digits alone are valid (RFC 9110 section 8.6). RFC 9112 section 6.3: a user agent MUST close the connection, and
/// throw the response away.
pub fn content_length_plus(body: impl AsRef<[u8]>) -> Response {
    let body = body.as_ref();
    fields(&format!("Content-Length: +{}\r\n", body.len()), body)
}

/// A Content-Length that is a word.
///
/// `HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\nhello`
///
/// RFC 9112 section 6.3: a user agent MUST close the connection, and throw the response away.
pub fn content_length_not_a_number(body: impl AsRef<[u8]>) -> Response {
    fields("Content-Length: many\r\n", body.as_ref())
}

/// A Content-Length without a value.
///
/// `HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\nhello`
///
/// One digit at the least is valid (RFC 9110 section 8.6). RFC 9112 section 6.3: a user agent MUST close the
/// connection, and throw the response away.
pub fn content_length_empty(body: impl AsRef<[u8]>) -> Response {
    fields("Content-Length: \r\n", body.as_ref())
}

/// A Content-Length 2⁶⁴ larger than the body: what is left of it in 64 bits is the body's length. Then the connection
/// closes.
///
/// `HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551621\r\n\r\nhello`
///
/// The number is valid; a client MUST anticipate large ones, and prevent errors by an overflow (RFC 9110 section 8.6).
/// So the message is incomplete (RFC 9112 section 6.3), for a client that does not refuse it at once.
pub fn content_length_overflow(body: impl AsRef<[u8]>) -> Response {
    let body = body.as_ref();
    let length = (1_u128 << 64) + body.len() as u128;
    fields(&format!("Content-Length: {length}\r\n"), body).ending(Ending::Close)
}

/// Two fields Content-Length that contradict each other; the first is right.
///
/// `HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello`
///
/// RFC 9112 section 6.3: a user agent MUST close the connection, and throw the response away.
pub fn content_lengths_conflicting(body: impl AsRef<[u8]>) -> Response {
    let body = body.as_ref();
    let (right, wrong) = (body.len(), body.len() + 1);
    fields(&format!("Content-Length: {right}\r\nContent-Length: {wrong}\r\n"), body)
}

/// A Content-Length of two values that contradict each other; the first is right.
///
/// `HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\nhello`
///
/// RFC 9112 section 6.3: a user agent MUST close the connection, and throw the response away.
pub fn content_length_list_conflicting(body: impl AsRef<[u8]>) -> Response {
    let body = body.as_ref();
    fields(&format!("Content-Length: {}, {}\r\n", body.len(), body.len() + 1), body)
}

/// Two fields Content-Length with the same value.
///
/// `HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello`
///
/// The same as [`content_length_list`], since fields of one name make a list (RFC 9110 section 5.3).
pub fn content_lengths_equal(body: impl AsRef<[u8]>) -> Response {
    let body = body.as_ref();
    let field = format!("Content-Length: {}\r\n", body.len());
    fields(&field.repeat(2), body)
}

/// A Content-Length of two equal values.
///
/// `HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello`
///
/// RFC 9110 section 8.6: a client MAY refuse the message, or take the value once, and then gets the body (RFC 9112
/// section 6.3).
pub fn content_length_list(body: impl AsRef<[u8]>) -> Response {
    let body = body.as_ref();
    fields(&format!("Content-Length: {0}, {0}\r\n", body.len()), body)
}

/// A body in chunks, together with a Content-Length that counts the body and not the chunks.
///
/// `HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`
///
/// RFC 9112 section 6.3: the chunks override the length; the message ought to be handled as an error. A client that
/// goes by the length gets `5\r\nhe`.
pub fn content_length_and_chunked(body: impl AsRef<[u8]>) -> Response {
    let body = body.as_ref();
    let length = format!("Content-Length: {}\r\nTransfer-Encoding: chunked\r\n", body.len());
    fields(&length, &one_chunk(body))
}

/// An unknown transfer coding; the body ends with the connection.
///
/// `HTTP/1.1 200 OK\r\nTransfer-Encoding: unheard-of\r\n\r\nhello`
///
/// The body is all that comes until the connection closes (RFC 9112 section 6.3), and is coded. No coding but chunked
/// is acceptable to a client that did not ask for it (section 7.4); [no rule](crate::garbage#where-there-is-no-rule)
/// says what it does then. To give away the coded bytes as content is no recovery.
pub fn transfer_encoding_unknown(body: impl AsRef<[u8]>) -> Response {
    fields("Transfer-Encoding: unheard-of\r\n", body.as_ref()).ending(Ending::Close)
}

/// A body that is said to be in chunks twice, and is once.
///
/// `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`
///
/// RFC 9112 section 6.1: no sender may do it; [no rule](crate::garbage#where-there-is-no-rule). A client that does as
/// it is told finds no chunks in `hello`.
pub fn chunked_twice(body: impl AsRef<[u8]>) -> Response {
    fields("Transfer-Encoding: chunked, chunked\r\n", &one_chunk(body.as_ref()))
}

/// Chunks in HTTP/1.0, which has none.
///
/// `HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`
///
/// RFC 9112 section 6.1: a client MUST treat the message as one with faulty framing, and close the connection after
/// it.
pub fn chunked_in_http_1_0(body: impl AsRef<[u8]>) -> Response {
    let head = b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    message(&[head, &one_chunk(body.as_ref())])
}

/// An answer with these fields and no other.
fn fields(fields: &str, body: &[u8]) -> Response {
    message(&[OK, fields.as_bytes(), b"\r\n", body])
}

fn one_chunk(body: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", body.len()).as_bytes(), body, b"\r\n0\r\n\r\n"].concat()
}
