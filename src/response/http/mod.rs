//! Builds plain HTTP/1.1 responses, for tests to which their form does not matter, and checks responses for problems.
//!
//! What these functions return is a [`Response`] like any other: with steps, delays, gates, faults and an ending.
//! [`Response::header`] adds a field to its head. Nothing is corrected: a name, a value or a status with unusual bytes is sent as it
//! is given, and so is a response that you write yourself.
//!
//! ```
//! use fake_peer::{Peer, http};
//!
//! let peer = Peer::answer_with(|request| match request.target() {
//!     Some("/") => http::ok("hello").header("Content-Type", "text/plain"),
//!     Some("/user") => http::json(r#"{"name": "me"}"#),
//!     _ => http::status(404),
//! });
//! # use std::io::{Read, Write};
//! # for (path, expected) in [
//! #     ("/", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Type: text/plain\r\n\r\nhello"),
//! #     ("/user", "HTTP/1.1 200 OK\r\nContent-Length: 14\r\nContent-Type: application/json\r\n\r\n{\"name\": \"me\"}"),
//! #     ("/other", "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
//! # ] {
//! #     let mut client = std::net::TcpStream::connect(peer.addr())?;
//! #     write!(client, "GET {path} HTTP/1.1\r\n\r\n")?;
//! #     let mut answer = String::new();
//! #     client.read_to_string(&mut answer)?;
//! #     assert_eq!(answer, expected);
//! # }
//! # Ok::<(), std::io::Error>(())
//! ```

mod accept_key;
pub(crate) mod base64;
mod pieces;
mod status;
mod websocket;

use std::path::PathBuf;

use super::head::{Head, Length};
use super::steps::Response;
pub use crate::http1::check::check;
pub use crate::http1::finding::{Finding, FindingKind};
pub use pieces::{chunked, sse};
pub use status::Status;
pub use websocket::websocket_accept;

/// `200 OK` with this body and its Content-Length.
///
/// ```
/// use fake_peer::{Peer, http};
///
/// let peer = Peer::answer(http::ok("hi"));
/// # use std::io::{Read, Write};
/// # let mut client = std::net::TcpStream::connect(peer.addr())?;
/// # client.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
/// # let mut answer = String::new();
/// # client.read_to_string(&mut answer)?;
/// assert_eq!(answer, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn ok(body: impl AsRef<[u8]>) -> Response {
    response(200, body)
}

/// A response with this status and no body: a Content-Length of 0, or none where the status has no body (1xx, 204, 304).
///
/// The status is a code, which gets its usual reason, or a code and a reason: see [`Status`].
///
/// ```
/// use fake_peer::{Peer, http};
///
/// let peer = Peer::answer(http::status(503).header("Retry-After", "1"));
/// # use std::io::{Read, Write};
/// # let mut client = std::net::TcpStream::connect(peer.addr())?;
/// # client.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
/// # let mut answer = String::new();
/// # client.read_to_string(&mut answer)?;
/// assert_eq!(
///     answer,
///     "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\n\r\n"
/// );
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn status(status: impl Into<Status>) -> Response {
    response(status, "")
}

/// A response with this status, this body, and its Content-Length. [`Response::header`] adds fields.
///
/// The status is a code, which gets its usual reason, or a code and a reason: see [`Status`]. A status without a body (1xx, 204,
/// 304) gets no Content-Length. A body that it is given all the same is sent.
///
/// ```
/// use fake_peer::{Peer, http};
///
/// let peer = Peer::answer(http::response(302, "over there").header("Location", "/elsewhere"));
/// # use std::io::{Read, Write};
/// # let mut client = std::net::TcpStream::connect(peer.addr())?;
/// # client.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
/// # let mut answer = String::new();
/// # client.read_to_string(&mut answer)?;
/// assert_eq!(
///     answer,
///     "HTTP/1.1 302 Found\r\nContent-Length: 10\r\nLocation: /elsewhere\r\n\r\nover there"
/// );
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn response(status: impl Into<Status>, body: impl AsRef<[u8]>) -> Response {
    let (status, body) = (status.into(), body.as_ref());
    let response = with_head(&status, body, Length::Given);
    if status.has_body() {
        response.header("Content-Length", body.len().to_string())
    } else {
        response
    }
}

/// `200 OK` with this body, its Content-Length, and `Content-Type: application/json`. The text is not looked at: it may be
/// malformed.
///
/// ```
/// use fake_peer::{Peer, http};
///
/// let peer = Peer::answer(http::json("[1, 2]"));
/// # use std::io::{Read, Write};
/// # let mut client = std::net::TcpStream::connect(peer.addr())?;
/// # client.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
/// # let mut answer = String::new();
/// # client.read_to_string(&mut answer)?;
/// assert_eq!(
///     answer,
///     "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nContent-Type: application/json\r\n\r\n[1, 2]"
/// );
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// With another status: `http::response(422, text).header("Content-Type", "application/json")`.
pub fn json(body: impl AsRef<[u8]>) -> Response {
    ok(body).header("Content-Type", "application/json")
}

/// `200 OK` with the bytes of a file as its body, and their Content-Length. For a file that has a whole response, head included,
/// there is [`Response::file`].
///
/// Like other files, it is opened when the response is sent, and its length then is the Content-Length, which comes after the fields
/// that [`Response::header`] adds. What is no regular file, a FIFO for example, gets no Content-Length: its body ends where the
/// connection closes.
///
/// ```
/// use fake_peer::{Peer, http};
///
/// let peer = Peer::answer(http::file("study/server_send.txt").header("Content-Type", "text/plain"));
/// # use std::io::{Read, Write};
/// # let mut client = std::net::TcpStream::connect(peer.addr())?;
/// # client.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
/// # let mut answer = String::new();
/// # client.read_to_string(&mut answer)?;
/// let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 389\r\n\r\n";
/// assert!(answer.starts_with(head));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn file(path: impl Into<PathBuf>) -> Response {
    file_with_status(200, path)
}

/// [`file`] with another status.
pub(crate) fn file_with_status(status: impl Into<Status>, path: impl Into<PathBuf>) -> Response {
    with_head(&status.into(), &[], Length::OfFile).send_file(path)
}

/// The head of a response whose body has this length, with its Content-Length after these fields: the answer to HEAD, or the first step
/// of a response.
pub(crate) fn head_only<'f>(
    status: impl Into<Status>,
    fields: impl IntoIterator<Item = (&'f str, &'f str)>,
    length: u64,
) -> Response {
    let head = with_head(&status.into(), &[], Length::Given);
    let head = fields.into_iter().fold(head, |head, (name, value)| head.header(name, value));
    head.header("Content-Length", length.to_string())
}

/// A status line, no field, an empty line, and a body.
fn with_head(status: &Status, body: &[u8], length: Length) -> Response {
    let line = format!("HTTP/1.1 {status}\r\n");
    let bytes = [line.as_bytes(), b"\r\n", body].concat();
    Response::with_head(bytes, Head { fields_end: line.len(), length })
}
