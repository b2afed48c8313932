//! Puts the bytes of malformed responses together.

use crate::response::steps::Response;

/// The body of the responses that take no body of the caller's.
pub(super) const HELLO: &[u8] = b"hello";

/// The status line of `200 OK`.
pub(super) const OK: &[u8] = b"HTTP/1.1 200 OK\r\n";

/// These parts, one after the other.
pub(super) fn message(parts: &[&[u8]]) -> Response {
    Response::from(parts.concat())
}

/// The field of a correct answer, the end of the head, and the body.
pub(super) fn counted(body: &[u8]) -> Vec<u8> {
    [format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

/// A correct answer.
pub(super) fn ok(body: &[u8]) -> Vec<u8> {
    [OK, &counted(body)].concat()
}
