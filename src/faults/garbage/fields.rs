//! Answers with wrong header fields. Fields that say where the body ends are in `length`.

use super::message::{OK, counted, message};
use crate::response::ending::Ending;
use crate::response::steps::Response;

/// A head whose lines end with LF alone.
///
/// `HTTP/1.1 200 OK\nContent-Length: 5\n\nhello`
///
/// RFC 9112 section 2.2: a client MAY take a single LF for the end of a line, and then gets the body.
pub fn lf_only(body: impl AsRef<[u8]>) -> Response {
    let length = body.as_ref().len();
    let head = format!("HTTP/1.1 200 OK\nContent-Length: {length}\n\n");
    message(&[head.as_bytes(), body.as_ref()])
}

/// A head whose lines end with CR alone.
///
/// `HTTP/1.1 200 OK\rContent-Length: 5\r\rhello`
///
/// RFC 9112 section 2.2: a bare CR is no line end; a client MUST take what has it for invalid, or put a space in its
/// place. Either way this head does not end before the connection does.
pub fn cr_only(body: impl AsRef<[u8]>) -> Response {
    let length = body.as_ref().len();
    let head = format!("HTTP/1.1 200 OK\rContent-Length: {length}\r\r");
    message(&[head.as_bytes(), body.as_ref()]).ending(Ending::Close)
}

/// A CR without its LF in the value of a field.
///
/// `HTTP/1.1 200 OK\r\nX-Note: one\rX-Two: two\r\nContent-Length: 5\r\n\r\nhello`
///
/// RFC 9112 section 2.2 and RFC 9110 section 5.5: a client MUST refuse it, or put a space in the CR's place. There is
/// no field `X-Two`.
pub fn bare_cr_in_field(body: impl AsRef<[u8]>) -> Response {
    with_line(b"X-Note: one\rX-Two: two\r\n", body.as_ref())
}

/// A NUL byte in the value of a field.
///
/// `HTTP/1.1 200 OK\r\nX-Note: one\x00two\r\nContent-Length: 5\r\n\r\nhello`
///
/// RFC 9110 section 5.5: a client MUST refuse the message, or put a space in the NUL's place.
pub fn nul_in_field(body: impl AsRef<[u8]>) -> Response {
    with_line(b"X-Note: one\0two\r\n", body.as_ref())
}

/// A field value that goes on in a second line.
///
/// `HTTP/1.1 200 OK\r\nX-Note: one\r\n two\r\nContent-Length: 5\r\n\r\nhello`
///
/// RFC 9112 section 5.2: no server may send this any more, but a user agent MUST put one or more spaces in the fold's
/// place, and gets the value `one two` and the body.
pub fn obs_fold(body: impl AsRef<[u8]>) -> Response {
    with_line(b"X-Note: one\r\n two\r\n", body.as_ref())
}

/// A space between the name of a field and its colon.
///
/// `HTTP/1.1 200 OK\r\nX-Note : odd\r\nContent-Length: 5\r\n\r\nhello`
///
/// RFC 9112 section 5.1: no whitespace is allowed there. A proxy MUST remove it before it forwards a response;
/// [no rule](crate::garbage#where-there-is-no-rule) for other clients.
pub fn space_before_colon(body: impl AsRef<[u8]>) -> Response {
    with_line(b"X-Note : odd\r\n", body.as_ref())
}

/// A field without a colon.
///
/// `HTTP/1.1 200 OK\r\nX-Note odd\r\nContent-Length: 5\r\n\r\nhello`
///
/// RFC 9112 section 5: a name, a colon, a value; [no rule](crate::garbage#where-there-is-no-rule).
pub fn colon_missing(body: impl AsRef<[u8]>) -> Response {
    with_line(b"X-Note odd\r\n", body.as_ref())
}

/// A field whose name is empty.
///
/// `HTTP/1.1 200 OK\r\n: odd\r\nContent-Length: 5\r\n\r\nhello`
///
/// RFC 9110 section 5.1: a name is a token, which has one character at the least;
/// [no rule](crate::garbage#where-there-is-no-rule).
pub fn field_name_empty(body: impl AsRef<[u8]>) -> Response {
    with_line(b": odd\r\n", body.as_ref())
}

/// Whitespace before the first field.
///
/// `HTTP/1.1 200 OK\r\n X-Note: odd\r\nContent-Length: 5\r\n\r\nhello`
///
/// RFC 9112 section 2.2: a client MUST refuse the message, or pass over the whole line. It is neither a field nor a
/// part of the status line.
pub fn whitespace_before_first_field(body: impl AsRef<[u8]>) -> Response {
    with_line(b" X-Note: odd\r\n", body.as_ref())
}

/// A byte above 127 in the value of a field, which is `café` in ISO 8859-1, and no UTF-8. This one is right, and often
/// refused.
///
/// `HTTP/1.1 200 OK\r\nX-Note: caf\xe9\r\nContent-Length: 5\r\n\r\nhello`
///
/// RFC 9110 section 5.5: a client SHOULD take such bytes as they are, without a meaning, and gets the body.
pub fn non_ascii_field_value(body: impl AsRef<[u8]>) -> Response {
    with_line(b"X-Note: caf\xE9\r\n", body.as_ref())
}

/// Bytes above 127 in the name of a field: `é` in UTF-8.
///
/// `HTTP/1.1 200 OK\r\nX-Caf\xc3\xa9: odd\r\nContent-Length: 5\r\n\r\nhello`
///
/// RFC 9110 section 5.1: a name is a token, which is ASCII; [no rule](crate::garbage#where-there-is-no-rule).
pub fn non_ascii_field_name(body: impl AsRef<[u8]>) -> Response {
    with_line(b"X-Caf\xC3\xA9: odd\r\n", body.as_ref())
}

/// A right answer but for these bytes before its one field.
fn with_line(line: &[u8], body: &[u8]) -> Response {
    message(&[OK, line, &counted(body)])
}
