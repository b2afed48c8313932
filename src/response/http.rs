//! Builds plain HTTP/1.1 responses, for tests to which their form does not matter, and checks responses for problems. Bytes that
//! you write yourself are never changed.

use super::steps::Response;
pub use crate::http1::check::check;
pub use crate::http1::finding::{Finding, FindingKind};

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
    response("200 OK", [], body)
}

/// A response with this status, these header fields, a Content-Length, and this body.
///
/// The status is the code and its reason, `404 Not Found`. It is sent as it is given, and so are the fields. The Content-Length
/// follows them; if it is among the fields, too, there are two.
///
/// The body is sent whatever the status is. For a `204 No Content`, which has none (RFC 9110 section 15.3.5), write the bytes
/// yourself.
///
/// ```
/// use fake_peer::http;
///
/// let moved = http::response("302 Found", [("Location", "/elsewhere")], "");
/// # drop(moved);
/// ```
pub fn response<'a>(
    status: &str,
    fields: impl IntoIterator<Item = (&'a str, &'a str)>,
    body: impl AsRef<[u8]>,
) -> Response {
    let body = body.as_ref();
    let fields: Vec<_> =
        fields.into_iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let fields = fields.concat();
    let head = format!("HTTP/1.1 {status}\r\n{fields}Content-Length: {}\r\n\r\n", body.len());
    Response::from([head.as_bytes(), body].concat())
}
