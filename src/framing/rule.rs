//! The rules that decide where a request ends, as users choose them.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use super::first_flight;
use super::framer::{CustomRule, Framer, Rule};
use super::length_prefix::LengthPrefix;
use super::letter_case::LetterCase;
use super::texts::Text;
use crate::http1::head;
use crate::http1::verdict::Verdict;

/// The rule that decides where a request ends.
///
/// No rule depends on silence; only [`read_once`](Self::read_once), and [`auto`](Self::auto) for what is not HTTP, depend on how
/// the bytes were cut into packets. Bytes after the end are kept: they are the beginning of the connection's next request, or
/// the exchange's [trailing bytes](crate::Exchange::trailing). A client that shuts down its sending side ends a request
/// under every rule, and is still answered.
///
/// Defaults to [`Framing::auto`].
///
/// ```
/// use fake_peer::{Framing, TcpServer};
/// use std::io::{Read, Write};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = TcpServer::builder().framing(Framing::until("\r\n")).source("+PONG\r\n").bind()?;
/// let mut client = std::net::TcpStream::connect(server.local_addr())?;
/// let serving = std::thread::spawn(move || server.serve_once());
/// client.write_all(b"PI")?;
/// client.write_all(b"NG\r\n")?;
/// let mut answer = String::new();
/// client.read_to_string(&mut answer)?;
/// drop(client);
/// assert_eq!(answer, "+PONG\r\n");
/// serving.join().unwrap()?.request().assert_bytes("PING\r\n");
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Framing(pub(super) Rule);

impl Framing {
    /// As [`http`](Self::http) if the bytes start with a standard HTTP method and a space, or may still become that, or start with
    /// a complete HTTP/1 request line with any method. Otherwise the request is what the first read returns, as in the
    /// tutorial's program. The default.
    ///
    /// Standard methods are those of RFC 9110 section 9.3 and PATCH.
    pub fn auto() -> Self {
        Framing(Rule::Auto)
    }

    /// An HTTP/1 request: the head, then a body of Content-Length bytes or in chunks, trailers included.
    ///
    /// HTTP/1.0, lone LF line ends, empty lines before the request line (RFC 9112 section 2.2) and the one-line request of
    /// HTTP/0.9 (`GET /path`, RFC 1945 section 5) are understood. If the lengths are wrong or contradict each other, the request
    /// ends after its head (RFC 9112 section 6.3), and [`Request::problem`] says why. `Expect: 100-continue` is not answered:
    /// nothing is sent that was not scripted.
    ///
    /// [`Request::problem`]: crate::Request::problem
    pub fn http() -> Self {
        Framing(Rule::Http)
    }

    /// The head of an HTTP/1 request, up to and including its empty line. The body becomes the next request, or
    /// [trailing bytes](crate::Exchange::trailing). For a peer that answers while its client is still uploading, or that
    /// sends a `100 Continue`.
    ///
    /// ```
    /// use fake_peer::{Framing, Peer, Request, Response, TcpServer, http};
    /// # use std::io::{Read, Write};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let go_on = |request: &Request| match request.method() {
    ///     Some("PUT") => Response::from("HTTP/1.1 100 Continue\r\n\r\n").then(Framing::exactly(5)),
    ///     _ => http::ok("stored"),
    /// };
    /// let peer = TcpServer::builder().framing(Framing::head()).source(go_on).spawn()?;
    /// # let mut client = std::net::TcpStream::connect(peer.addr())?;
    /// # client.write_all(b"PUT / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")?;
    /// # let mut interim = [0; 25];
    /// # client.read_exact(&mut interim)?;
    /// # client.write_all(b"hello")?;
    /// # let mut answer = String::new();
    /// # client.read_to_string(&mut answer)?;
    /// # assert!(answer.ends_with("stored"));
    /// # drop(client);
    /// # peer.finish()?.connections()[0].exchanges()[1].request().assert_bytes("hello");
    /// # Ok(()) }
    /// ```
    pub fn head() -> Self {
        Framing(Rule::Head)
    }

    /// What the first read returns, at most `max` bytes, as `recv(4096)` in the tutorial does.
    ///
    /// # Panics
    ///
    /// If `max` is 0.
    pub fn read_once(max: usize) -> Self {
        assert!(
            max > 0,
            "read_once(0) would never read a byte; Framing::nothing() is the peer that speaks first"
        );
        Framing(Rule::ReadOnce { max })
    }

    /// Everything up to and including the first `delimiter`.
    ///
    /// # Panics
    ///
    /// If `delimiter` is empty.
    pub fn until(delimiter: impl AsRef<[u8]>) -> Self {
        let delimiter: Arc<[u8]> = delimiter.as_ref().into();
        assert!(!delimiter.is_empty(), "an empty delimiter ends nothing; use Framing::nothing()");
        Framing(Rule::Until { delimiter })
    }

    /// One line: everything up to and including the first LF. A line that ends with CR LF is one, too.
    ///
    /// The line is not buffered, and may have any length. A client that ends its side within a line cuts the request short.
    ///
    /// ```
    /// use fake_peer::{Framing, Response, TcpServer};
    /// use std::io::{Read, Write};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let peer = TcpServer::builder()
    ///     .framing(Framing::lines())
    ///     .source_with(|request| match request.bytes() {
    ///         b"quit\r\n" => Response::from("bye\n"),
    ///         line => Response::from(line.to_vec()).keep_open(),
    ///     })
    ///     .spawn()?;
    /// let mut client = std::net::TcpStream::connect(peer.addr())?;
    /// client.write_all(b"hello\nquit\r\n")?;
    /// let mut answers = String::new();
    /// client.read_to_string(&mut answers)?;
    /// assert_eq!(answers, "hello\nbye\n");
    /// # drop(client);
    /// # assert_eq!(peer.finish()?.requests().count(), 2);
    /// # Ok(()) }
    /// ```
    pub fn lines() -> Self {
        Framing(Rule::Lines)
    }

    /// Exactly `length` bytes. `exactly(0)` is [`nothing`](Self::nothing).
    pub fn exactly(length: u64) -> Self {
        if length == 0 { Self::nothing() } else { Framing(Rule::Exactly { length }) }
    }

    /// A binary message that begins with its length, or has it at another fixed place: [`LengthPrefix`] says where it is and what
    /// it counts, and lists protocols.
    ///
    /// The message is not buffered, and no memory is reserved for it: a large length is only a number of bytes that
    /// must arrive, as under [`exactly`](Self::exactly), with the [`timeout`](crate::TcpServerBuilder::timeout) for each pause.
    ///
    /// # Errors
    ///
    /// A length that a message cannot have fails the exchange, with [`RequestEnd::BadLength`]: one that counts fewer
    /// bytes than it must, such as 3 for a length of four bytes that counts itself, or one so large that the bytes of the
    /// message are more than a `u64` can count. The request then has the bytes up to the length; the others are
    /// [trailing bytes](crate::Exchange::trailing).
    ///
    /// ```
    /// use fake_peer::{Framing, LengthPrefix, TcpServer};
    /// use std::io::{Read, Write};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let framing = Framing::length_prefixed(LengthPrefix::big_endian(4));
    /// let server = TcpServer::builder().framing(framing).source(b"\0\0\0\x02ok").bind()?;
    /// let mut client = std::net::TcpStream::connect(server.local_addr())?;
    /// let serving = std::thread::spawn(move || server.serve_once());
    /// client.write_all(b"\0\0\0\x05he")?;
    /// client.write_all(b"llo")?;
    /// let mut answer = Vec::new();
    /// client.read_to_end(&mut answer)?;
    /// drop(client);
    /// assert_eq!(answer, b"\0\0\0\x02ok");
    /// serving.join().unwrap()?.request().assert_bytes(b"\0\0\0\x05hello");
    /// # Ok(()) }
    /// ```
    ///
    /// [`RequestEnd::BadLength`]: crate::RequestEnd::BadLength
    pub fn length_prefixed(prefix: LengthPrefix) -> Self {
        Framing(Rule::LengthPrefixed(prefix))
    }

    /// One TLS record (RFC 8446 section 5.1): five bytes of header, then as many bytes as the last two of them say.
    ///
    /// Nothing is decrypted, and type and version may have any value. For a peer that answers a `ClientHello` with bytes of your
    /// own: an alert, garbage, a close. A `ClientHello` may come in several records, which are several requests:
    /// [`client_hello`](Self::client_hello) waits for all of it.
    ///
    /// # Errors
    ///
    /// A length above 16,640 (2^14 + 256, RFC 8446 section 5.2) fails the exchange, with
    /// [`RequestEnd::BadLength`](crate::RequestEnd::BadLength). The request then has the header; what follows it is
    /// [trailing](crate::Exchange::trailing). The bytes of a record are not buffered.
    ///
    /// ```
    /// use fake_peer::{Framing, Peer};
    /// use std::io::{Read, Write};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// // Every handshake fails: a fatal alert, handshake_failure (RFC 8446 section 6.2).
    /// let alert = b"\x15\x03\x03\0\x02\x02\x28";
    /// let peer = Peer::builder().framing(Framing::tls_record()).source(alert).spawn()?;
    ///
    /// let mut client = std::net::TcpStream::connect(peer.addr())?;
    /// client.write_all(b"\x16\x03\x01\0\x04\x01\0\0\0")?;
    /// let mut answer = Vec::new();
    /// client.read_to_end(&mut answer)?;
    /// assert_eq!(answer, alert);
    /// # drop(client);
    /// # let journal = peer.finish()?;
    /// # journal.requests().next().unwrap().assert_bytes(b"\x16\x03\x01\0\x04\x01\0\0\0");
    /// # Ok(()) }
    /// ```
    pub fn tls_record() -> Self {
        Framing(Rule::TlsRecord)
    }

    /// The first message of a TLS client, its `ClientHello` (RFC 8446 section 4.1.2), with the headers of the records in which it
    /// comes: one record as a rule, several if the client has split it or it has more than 16,384 bytes. What
    /// [`garbage::tls`](crate::garbage::tls) answers comes after it, and [`Request::client_hello`] reads it.
    ///
    /// Nothing is decrypted or buffered. A record that is no handshake, or whose message is no `ClientHello`, is a request of its own, as
    /// under [`tls_record`](Self::tls_record). A request that does not begin as a handshake record does (with the byte 22) ends as under
    /// [`auto`](Self::auto), so that a client that speaks plain HTTP is answered, too.
    ///
    /// # Errors
    ///
    /// A record above 16,640 bytes, or a `ClientHello` above 131,396, which is more than its fields can have, fails the exchange, with
    /// [`RequestEnd::BadLength`](crate::RequestEnd::BadLength).
    ///
    /// ```
    /// use fake_peer::{Framing, Peer};
    /// use std::io::{Read, Write};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let peer = Peer::builder().framing(Framing::client_hello()).source("no").spawn()?;
    /// let mut client = std::net::TcpStream::connect(peer.addr())?;
    /// // One message, in two records (and too short for a real one).
    /// client.write_all(b"\x16\x03\x01\0\x05\x01\0\0\x02\x03\x16\x03\x01\0\x01\x03")?;
    /// client.read_to_end(&mut Vec::new())?;
    /// assert_eq!(peer.take_request().len(), 16);
    /// # Ok(()) }
    /// ```
    ///
    /// [`Request::client_hello`]: crate::Request::client_hello
    pub fn client_hello() -> Self {
        Framing(Rule::ClientHello)
    }

    /// Everything until the client shuts down its sending side.
    pub fn eof() -> Self {
        Framing(Rule::Eof)
    }

    /// The request is empty and complete at once: the peer speaks first, as SMTP, FTP and SSH servers do.
    ///
    /// The greeting is then the response to an empty request, which is the connection's first exchange. The next request needs
    /// another framing: [`Response::then`](crate::Response::then).
    pub fn nothing() -> Self {
        Framing(Rule::Nothing)
    }

    /// A rule of your own: a closure that is given all bytes of the request so far, and returns the length of the request as soon
    /// as it is known.
    ///
    /// It is called whenever bytes have arrived. If the length is larger than what has arrived, the rest is waited for, and no longer
    /// buffered, so a large length is no error. As long as the closure returns `None` the bytes are buffered, up to
    /// [`buffer_limit`](crate::TcpServerBuilder::buffer_limit), and not recorded yet; more bytes than that fail the exchange, with
    /// [`RequestEnd::TooLarge`](crate::RequestEnd::TooLarge).
    ///
    /// This is the way for protocols whose messages have no length at a fixed place. Two examples are complete programs:
    /// `examples/redis.rs`, where arrays say how many strings they have, and strings how many bytes, and `examples/mqtt.rs`, where
    /// a length takes one to four bytes. A client may send any number as a length: add with `saturating_add` or `checked_add`, since
    /// a panic of the closure fails the peer.
    ///
    /// ```
    /// use fake_peer::Framing;
    ///
    /// // One length byte, then that many bytes.
    /// let framing = Framing::from_fn(|bytes| Some(1 + usize::from(*bytes.first()?)));
    /// # drop(framing);
    ///
    /// // A message of SMTP, the empty one included: up to a line of one dot.
    /// let message = Framing::from_fn(|bytes| match bytes {
    ///     [b'.', b'\r', b'\n', ..] => Some(3),
    ///     _ => bytes.windows(5).position(|five| five == b"\r\n.\r\n").map(|at| at + 5),
    /// });
    /// # use fake_peer::{Response, Sequence, TcpServer};
    /// # use std::io::{Read, Write};
    /// # let peer = TcpServer::builder()
    /// #     .framing(message)
    /// #     .source(Sequence::new([Response::from("250 "), Response::from("250 ")]).keep_open())
    /// #     .spawn()?;
    /// # let mut client = std::net::TcpStream::connect(peer.addr())?;
    /// # client.write_all(b".\r\nhello\r\n.\r\n")?;
    /// # client.read_to_end(&mut Vec::new())?;
    /// # drop(client);
    /// # let journal = peer.finish()?;
    /// # let requests: Vec<_> = journal.requests().map(|request| request.bytes()).collect();
    /// # assert_eq!(requests, [&b".\r\n"[..], b"hello\r\n.\r\n"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// A panic of the closure comes out of [`Peer::take`](crate::Peer::take) or [`Peer::finish`](crate::Peer::finish), like one of a
    /// source.
    #[track_caller]
    pub fn from_fn(rule: impl Fn(&[u8]) -> Option<usize> + Send + Sync + 'static) -> Self {
        Framing(Rule::Custom(CustomRule { rule: Arc::new(rule), made_at: Location::caller() }))
    }

    /// Exactly one of these texts, none of which begins another: over with its last byte, or with the first read that has a byte
    /// which none of them has there.
    pub(crate) fn texts(texts: impl IntoIterator<Item = Text>) -> Self {
        let mut texts: Vec<_> = texts.into_iter().collect();
        texts.sort_by_key(|text| text.case == LetterCase::Ignored);
        Framing(Rule::Texts(texts.into()))
    }

    /// Whether both are the same rule.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Rule::Custom(one), Rule::Custom(other)) => Arc::ptr_eq(&one.rule, &other.rule),
            (Rule::Lines, Rule::Until { delimiter }) | (Rule::Until { delimiter }, Rule::Lines) => {
                **delimiter == *b"\n"
            }
            _ => self.to_string() == other.to_string(),
        }
    }

    /// Where the test made it, if the rule is a user's closure.
    pub(crate) fn made_at(&self) -> Option<&'static Location<'static>> {
        if let Rule::Custom(custom) = &self.0 { Some(custom.made_at) } else { None }
    }

    /// Whether these bytes are one request, neither more nor less.
    pub(crate) fn is_one_request(&self, bytes: &[u8]) -> bool {
        self.knows_the_end_of(bytes)
            && matches!(self.start(bytes.len()).feed(bytes), Ok(Verdict::Done(length)) if length == bytes.len())
    }

    /// Whether the rule is a user's closure.
    pub(crate) fn is_custom(&self) -> bool {
        matches!(self.0, Rule::Custom(_))
    }

    /// Whether the rule knows where a request ends that begins with these bytes. `auto` does not before it is HTTP.
    pub(crate) fn knows_the_end_of(&self, bytes: &[u8]) -> bool {
        match self.0 {
            Rule::Auto => {
                head::starts_with_method(bytes) == Some(true)
                    || head::starts_with_request_line(bytes)
            }
            Rule::ClientHello => match bytes.first() {
                Some(&first) if first_flight::may_begin(first) => true,
                _ => Self::auto().knows_the_end_of(bytes),
            },
            Rule::Eof | Rule::Nothing | Rule::ReadOnce { .. } => false,
            _ => true,
        }
    }

    /// Whether a request is complete before its first byte.
    pub(crate) fn is_nothing(&self) -> bool {
        matches!(self.0, Rule::Nothing)
    }

    /// How many bytes the first read must be able to return.
    pub(crate) fn first_read(&self) -> usize {
        if let Rule::ReadOnce { max } = self.0 { max } else { 0 }
    }

    /// How many bytes a request has, if the rule is a number.
    pub(crate) fn length(&self) -> Option<u64> {
        if let Rule::Exactly { length } = self.0 { Some(length) } else { None }
    }

    /// Starts with one request, of which at most `limit` bytes are buffered.
    pub(crate) fn start(&self, limit: usize) -> Framer {
        Framer::new(&self.0, limit)
    }
}

impl Default for Framing {
    fn default() -> Self {
        Framing::auto()
    }
}

impl fmt::Debug for Framing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Framing({self})")
    }
}
