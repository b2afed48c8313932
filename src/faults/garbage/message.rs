//! Puts the garbage's bytes together. What is wrong with them is written down where it is named.

use crate::response::steps::Response;

/// The body, and what answers with a number in place of a body have for one.
pub(super) const HELLO: &[u8] = b"hello";

/// `200 OK`, and nothing behind its line end yet.
pub(super) const OK: &[u8] = b"HTTP/1.1 200 OK\r\n";

/// These parts, one behind the other.
pub(super) fn message(parts: &[&[u8]]) -> Response {
    Response::from(parts.concat())
}

/// The field that a right answer has, the end of the head, and the body.
pub(super) fn counted(body: &[u8]) -> Vec<u8> {
    [format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

/// A right answer.
pub(super) fn ok(body: &[u8]) -> Vec<u8> {
    [OK, &counted(body)].concat()
}
