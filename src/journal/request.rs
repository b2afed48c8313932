//! One request: its bytes, why they ended, and an HTTP view of them. Where a request ends is decided in `framing`.

use std::fmt;
use std::str;
use std::sync::Arc;

use super::client::Client;
use super::client_hello::ClientHello;
use crate::http1::chunked::{Chunked, Progress};
use crate::http1::head::{Head, RequestLine};
use crate::http1::problem::Problem;

/// One request, as its bytes arrived. Cheap to clone.
///
/// The HTTP view ([`method`](Self::method), [`header`](Self::header), [`body`](Self::body), …) is read from the bytes
/// on each call, and is `None` or an error for what is not HTTP. It is tolerant: it shows requests that a strict parser would
/// refuse.
///
/// ```
/// use fake_peer::TcpServer;
/// use std::io::Write;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = TcpServer::builder().bind()?;
/// let mut client = std::net::TcpStream::connect(server.local_addr())?;
/// client.write_all(b"POST /form?x=1 HTTP/1.1\r\nHost: peer\r\nContent-Length: 5\r\n\r\nhello")?;
/// client.shutdown(std::net::Shutdown::Both)?;
///
/// let exchange = server.serve_once()?;
/// let request = exchange.request();
/// assert_eq!(request.method(), Some("POST"));
/// assert_eq!(request.target(), Some("/form?x=1"));
/// assert_eq!(request.header("host"), Some("peer"));
/// request.assert_body("hello");
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Request(Arc<RequestParts>);

/// Kept small, because a peer keeps one for each exchange.
pub(crate) struct RequestParts {
    pub(crate) client: Client,
    pub(crate) bytes: Box<[u8]>,
    pub(crate) len: u64,
    pub(crate) end: RequestEnd,
    /// Whether the client's half-close ended the request: too early, or as the framing requires.
    pub(crate) half_closed: bool,
    pub(crate) problem: Option<Box<Problem>>,
}

/// Why a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RequestEnd {
    /// The request is complete by its framing.
    Complete,
    /// The client shut down its sending side, or closed, before the request was complete. It is still answered; a peer then reports
    /// it, unless [clients may leave early](crate::TcpServerBuilder::clients_may_leave_early).
    ClientClosed,
    /// The client reset the connection.
    Reset,
    /// Nothing arrived for as long as the [timeout](crate::TcpServerBuilder::timeout) allows.
    TimedOut,
    /// The end of the request was not found within the [buffer limit](crate::TcpServerBuilder::buffer_limit).
    TooLarge,
    /// The length that the request says it has is one that it cannot have, under
    /// [`length_prefixed`](crate::Framing::length_prefixed) and [`tls_record`](crate::Framing::tls_record).
    BadLength,
    /// The sink failed, or reading from the socket did.
    Failed,
}

/// In words: `complete`, `cut short by the client's close`, …
impl fmt::Display for RequestEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RequestEnd::Complete => "complete",
            RequestEnd::ClientClosed => "cut short by the client's close",
            RequestEnd::Reset => "cut short by the client's reset",
            RequestEnd::TimedOut => "cut short by the timeout",
            RequestEnd::TooLarge => "cut short by the buffer limit",
            RequestEnd::BadLength => "cut short by a length that it cannot have",
            RequestEnd::Failed => "cut short by a failure",
        })
    }
}

impl Request {
    pub(crate) fn new(parts: RequestParts) -> Self {
        Request(Arc::new(parts))
    }

    /// Who sent it.
    pub fn client(&self) -> &Client {
        &self.0.client
    }

    /// The bytes as they arrived: all of them, or the first [`retain`](crate::TcpServerBuilder::retain) bytes of a longer
    /// request (then [`is_truncated`](Self::is_truncated) is true).
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// How many bytes the request had, kept or not.
    pub fn len(&self) -> u64 {
        self.0.len
    }

    /// Whether the request had no byte at all: under [`Framing::nothing`](crate::Framing::nothing).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether [`bytes`](Self::bytes) are only the first ones of a longer request.
    pub fn is_truncated(&self) -> bool {
        self.0.bytes.len() as u64 != self.0.len
    }

    /// Why the request ended.
    pub fn end(&self) -> RequestEnd {
        self.0.end
    }

    pub(crate) fn ends_with_half_close(&self) -> bool {
        self.0.half_closed
    }

    /// Whether the request is complete by its framing.
    pub fn is_complete(&self) -> bool {
        self.0.end == RequestEnd::Complete
    }

    /// Why the request was not framed as its head says; `None` if it was.
    pub fn problem(&self) -> Option<&Problem> {
        self.0.problem.as_deref()
    }

    /// The method of the request line: `GET`. `None` if this is not HTTP.
    pub fn method(&self) -> Option<&str> {
        Some(self.request_line()?.method)
    }

    /// The target of the request line: `/path?query`. `None` if this is not HTTP, or the target is not UTF-8.
    pub fn target(&self) -> Option<&str> {
        str::from_utf8(self.request_line()?.target).ok()
    }

    /// The target as it arrived, also if it is not UTF-8.
    pub(crate) fn raw_target(&self) -> Option<&[u8]> {
        Some(self.request_line()?.target)
    }

    /// The version of the request line: `HTTP/1.1`. `None` if this is not HTTP, or the one line of HTTP/0.9.
    pub fn version(&self) -> Option<&str> {
        self.request_line()?.version
    }

    /// The value of the first header field called `name`, whatever its case, without the white space around it.
    /// `None` if there is none, if this is not HTTP, or if the value is not UTF-8
    /// ([`headers`](Self::headers) gives its bytes).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.request_line()?;
        str::from_utf8(self.head()?.values(name).next()?).ok()
    }

    /// Names and values of all header fields, in the order and case of their arrival, duplicates included.
    /// Nothing for what is not HTTP.
    pub fn headers(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.request_line().and_then(|_| self.head()).into_iter().flat_map(Head::fields)
    }

    /// Everything after the head, chunked coding included. `None` if this is not HTTP, or its head is not complete.
    pub fn body(&self) -> Option<&[u8]> {
        self.request_line()?;
        Some(&self.bytes()[self.head()?.len()..])
    }

    /// The body without its chunked coding (RFC 9112 section 7.1), trailers dropped. Content codings such as gzip stay.
    ///
    /// ```
    /// # use std::io::Write;
    /// # let peer = fake_peer::Peer::answer("hi");
    /// # let mut client = std::net::TcpStream::connect(peer.addr()).unwrap();
    /// client.write_all(
    ///     b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
    /// )?;
    /// let request = peer.take_request();
    /// assert!(request.body().unwrap().starts_with(b"3\r\nhel\r\n2\r\nlo"));
    /// assert_eq!(String::from_utf8(request.decoded_body()?)?, "hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If there is no HTTP body to give: see [`BodyError`].
    pub fn decoded_body(&self) -> Result<Vec<u8>, BodyError> {
        let body = self.body().ok_or(BodyError::NotHttp)?;
        if self.is_truncated() {
            return Err(BodyError::Truncated { kept: self.bytes().len(), len: self.len() });
        }
        if let Some(problem) = self.problem()
            && *problem != Problem::ContentLengthOverridden
        {
            return Err(BodyError::Problem(problem.clone()));
        }
        if !self.is_complete() {
            return Err(BodyError::Incomplete(self.end()));
        }
        if self.head().is_none_or(|head| head.values("transfer-encoding").next().is_none()) {
            return Ok(body.to_vec());
        }
        let mut decoded = Vec::new();
        match Chunked::new().feed(body, |range| decoded.extend_from_slice(&body[range])) {
            Progress::Over(_) => Ok(decoded),
            Progress::Broken { offset, .. } => {
                Err(BodyError::Problem(Problem::BadChunk { offset }))
            }
            // A framing other than `http` may end a request anywhere.
            Progress::More => Err(BodyError::Incomplete(self.end())),
        }
    }

    /// The `ClientHello` of a TLS client, if the request begins with a whole one: its server name (SNI), protocols (ALPN) and versions.
    /// `None` for everything else, and over TLS, where a request is what the client sends after its handshake.
    ///
    /// Under [`Framing::client_hello`](crate::Framing::client_hello) the request has all of it, in however many records it comes; under
    /// [`tls_record`](crate::Framing::tls_record) it is a part if the client splits it.
    pub fn client_hello(&self) -> Option<ClientHello> {
        ClientHello::of(self.bytes())
    }

    /// The request line of a request that is HTTP, without its line end.
    pub(crate) fn first_line(&self) -> Option<&[u8]> {
        self.request_line()?;
        self.head()?.first_line()
    }

    /// The head of a complete HTTP request whose end is where its head says.
    pub(crate) fn plain_head(&self) -> Option<Head<'_>> {
        if self.is_complete() && self.problem().is_none() { self.head() } else { None }
    }

    fn head(&self) -> Option<Head<'_>> {
        Head::of(self.bytes())
    }

    fn request_line(&self) -> Option<RequestLine<'_>> {
        self.head()?.request_line()
    }
}

/// [`Request::bytes`].
impl AsRef<[u8]> for Request {
    fn as_ref(&self) -> &[u8] {
        self.bytes()
    }
}

/// Shows the bytes escaped, with line ends visible: `"GET / HTTP/1.1\r\n\r\n"`.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = f.debug_struct("Request");
        parts
            .field("client", &format_args!("{}", self.client()))
            .field("bytes", &format_args!("\"{}\"", self.bytes().escape_ascii()))
            .field("len", &self.len())
            .field("end", &self.end());
        if let Some(problem) = self.problem() {
            parts.field("problem", problem);
        }
        parts.finish()
    }
}

/// Why a request has no decoded body.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// The request is not HTTP, or its head is not complete.
    #[error("the request is not HTTP with a complete head")]
    NotHttp,
    /// Only the first bytes of the request were kept.
    #[error("only the first {kept} of the request's {len} bytes were kept")]
    Truncated {
        /// How many were kept.
        kept: usize,
        /// How many there were.
        len: u64,
    },
    /// The request is not complete.
    #[error("the request is not complete: {0}")]
    Incomplete(RequestEnd),
    /// Its lengths or chunks are wrong.
    #[error("the end of the request's body is not known")]
    Problem(#[source] Problem),
}
