//! The rules that say where a request ends. No rule depends on silence, and only those that are named after a read
//! depend on how the bytes were cut into packets. Reading itself is `connection`'s.

pub(crate) mod chunked;
mod http;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::head;
use http::HttpFramer;

/// How many bytes `recv` asks for in the tutorial's program.
const TUTORIAL_READ: usize = 4096;

/// The rule that says where a request ends.
///
/// Bytes past the end are kept: they are the beginning of the connection's next request, or the exchange's
/// [trailing bytes](crate::Exchange::trailing). A client that shuts down its sending side ends a request under every
/// rule, and still gets its answer.
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
/// assert_eq!(serving.join().unwrap()?.request().bytes(), b"PING\r\n");
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Framing(Rule);

/// The bytes of a request so far in, its length out.
type CustomRule = Arc<dyn Fn(&[u8]) -> Option<usize> + Send + Sync>;

#[derive(Clone)]
enum Rule {
    Auto,
    Http,
    ReadOnce { max: usize },
    Until { delimiter: Arc<[u8]> },
    Exactly { length: u64 },
    Eof,
    Nothing,
    Custom(CustomRule),
}

impl Framing {
    /// As [`http`](Self::http) where the bytes start with a standard HTTP method and a space, or could still become
    /// that, or start with a whole HTTP/1 request line of any method; otherwise over after the first read, as
    /// in the tutorial's program. The default.
    ///
    /// Standard methods are those of RFC 9110 section 9.3 and PATCH.
    pub fn auto() -> Self {
        Framing(Rule::Auto)
    }

    /// An HTTP/1 request: head, then the body that Content-Length or the chunked coding tells (trailers included).
    ///
    /// HTTP/1.0, lone LF line ends, empty lines before the request line (RFC 9112 section 2.2) and the one-line
    /// request of HTTP/0.9 (`GET /path`, RFC 1945 section 5) count. Lengths that are wrong or contradict
    /// each other end the request after its head (RFC 9112 section 6.3); [`Request::problem`] then says why.
    /// `Expect: 100-continue` is not answered: nothing is sent that was not asked for.
    ///
    /// [`Request::problem`]: crate::Request::problem
    pub fn http() -> Self {
        Framing(Rule::Http)
    }

    /// What the first read returns, at most `max` bytes: the `recv(4096)` of the tutorial, named for what it is.
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

    /// Exactly `length` bytes. `exactly(0)` is [`nothing`](Self::nothing).
    pub fn exactly(length: u64) -> Self {
        if length == 0 { Self::nothing() } else { Framing(Rule::Exactly { length }) }
    }

    /// Everything until the client shuts down its sending side.
    pub fn eof() -> Self {
        Framing(Rule::Eof)
    }

    /// The request is empty and over at once: the peer speaks first, as SMTP, FTP and SSH servers do.
    pub fn nothing() -> Self {
        Framing(Rule::Nothing)
    }

    /// A rule of your own: given all the bytes of the request so far, its length once that is known.
    ///
    /// It is called whenever bytes have arrived; a length beyond what has arrived is waited for. While there is no
    /// answer the bytes are buffered, up to [`buffer_limit`](crate::TcpServerBuilder::buffer_limit), and not
    /// recorded yet.
    ///
    /// ```
    /// use fake_peer::Framing;
    ///
    /// // One length byte, then that many bytes.
    /// let framing = Framing::from_fn(|bytes| Some(1 + usize::from(*bytes.first()?)));
    /// # drop(framing);
    /// ```
    pub fn from_fn(rule: impl Fn(&[u8]) -> Option<usize> + Send + Sync + 'static) -> Self {
        Framing(Rule::Custom(Arc::new(rule)))
    }

    /// Whether a request is over before its first byte.
    pub(crate) fn is_nothing(&self) -> bool {
        matches!(self.0, Rule::Nothing)
    }

    /// How many bytes the first read is to be able to return.
    pub(crate) fn first_read(&self) -> usize {
        if let Rule::ReadOnce { max } = self.0 { max } else { 0 }
    }

    /// A fresh state for one request that buffers at most `limit` bytes.
    pub(crate) fn start(&self, limit: usize) -> Framer {
        let state = match &self.0 {
            Rule::Auto => State::Auto(Vec::new()),
            Rule::Http => State::Http(HttpFramer::new()),
            Rule::ReadOnce { max } => State::ReadOnce { max: *max },
            Rule::Until { delimiter } => State::Until(Delimiter::new(Arc::clone(delimiter))),
            Rule::Exactly { length } => State::Exactly { left: *length },
            Rule::Eof => State::Eof,
            Rule::Nothing => State::Exactly { left: 0 },
            Rule::Custom(rule) => State::Custom(Arc::clone(rule)),
        };
        Framer { state, limit }
    }
}

impl Default for Framing {
    fn default() -> Self {
        Framing::auto()
    }
}

/// As [`FromStr`] reads it; a closure is shown as `custom`.
impl fmt::Display for Framing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Rule::Auto => f.write_str("auto"),
            Rule::Http => f.write_str("http"),
            Rule::ReadOnce { max } => write!(f, "read-once:{max}"),
            Rule::Until { delimiter } => write!(f, "until:{}", delimiter.escape_ascii()),
            Rule::Exactly { length } => write!(f, "exactly:{length}"),
            Rule::Eof => f.write_str("eof"),
            Rule::Nothing => f.write_str("nothing"),
            Rule::Custom(_) => f.write_str("custom"),
        }
    }
}

impl fmt::Debug for Framing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Framing({self})")
    }
}

/// The text is not the name of a framing rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not one of auto, http, read-once[:BYTES], until:TEXT, exactly:BYTES, eof, nothing"
)]
pub struct ParseFramingError(String);

/// `auto`, `http`, `read-once` (4096 bytes) or `read-once:BYTES`, `until:TEXT` (with `\r`, `\n`, `\t`, `\0`, `\\` and
/// `\xHH`), `exactly:BYTES`, `eof`, `nothing`.
impl FromStr for Framing {
    type Err = ParseFramingError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = match text.split_once(':') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        let rule = match (name, value) {
            ("auto", None) => Some(Framing::auto()),
            ("http", None) => Some(Framing::http()),
            ("eof", None) => Some(Framing::eof()),
            ("nothing", None) => Some(Framing::nothing()),
            ("read-once", None) => Some(Framing::read_once(TUTORIAL_READ)),
            ("read-once", Some(max)) => {
                max.parse().ok().filter(|&max| max > 0).map(Framing::read_once)
            }
            ("exactly", Some(length)) => length.parse().ok().map(Framing::exactly),
            ("until", Some(delimiter)) => {
                unescape(delimiter).filter(|delimiter| !delimiter.is_empty()).map(Framing::until)
            }
            _ => None,
        };
        rule.ok_or_else(|| ParseFramingError(text.into()))
    }
}

fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match (byte, if byte == b'\\' { rest.next()? } else { 0 }) {
            (b'\\', b'r') => b'\r',
            (b'\\', b'n') => b'\n',
            (b'\\', b't') => b'\t',
            (b'\\', b'0') => 0,
            (b'\\', b'\\') => b'\\',
            (b'\\', b'x') => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            (b'\\', _) => return None,
            (byte, _) => byte,
        });
    }
    Some(bytes)
}

/// Why an HTTP request was framed otherwise than it said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A Content-Length that is not a number, or too large a one: the head is the request.
    #[error(
        "Content-Length is not a number of bytes (RFC 9112 section 6.3): the request ends after its head"
    )]
    BadContentLength,
    /// Several Content-Length values that differ: the head is the request.
    #[error(
        "Content-Length values contradict each other (RFC 9112 section 6.3): the request ends after its head"
    )]
    ConflictingContentLengths,
    /// Content-Length beside Transfer-Encoding: the chunks counted.
    #[error(
        "Content-Length beside Transfer-Encoding (RFC 9112 section 6.3): the chunks tell where the request ends"
    )]
    ContentLengthOverridden,
    /// A Transfer-Encoding whose last coding is not `chunked`: the head is the request.
    #[error(
        "Transfer-Encoding does not end in `chunked` (RFC 9112 section 6.3): the request ends after its head"
    )]
    UnknownTransferCoding,
    /// A byte that the chunked coding does not allow: the request ends before it.
    #[error(
        "byte {offset} of the body breaks the chunked coding (RFC 9112 section 7.1): the request ends before it"
    )]
    BadChunk {
        /// Where, counted from the start of the body.
        offset: u64,
    },
}

/// What a rule says about the bytes that it was shown.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// All of them belong to the request, and more must come.
    More,
    /// The request is over after this many of them.
    Done(usize),
    /// Not yet known. They are to be shown again, with those that follow.
    Hold,
}

/// A rule would have to buffer more than it may.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooMuch {
    pub(crate) limit: usize,
    /// How many of the bytes that were shown last are within the limit.
    pub(crate) within: usize,
}

/// A rule at work on one request.
pub(crate) struct Framer {
    state: State,
    limit: usize,
}

enum State {
    /// Not yet known whether this is HTTP; the bytes so far.
    Auto(Vec<u8>),
    Http(HttpFramer),
    ReadOnce {
        max: usize,
    },
    Until(Delimiter),
    Exactly {
        left: u64,
    },
    Eof,
    Custom(CustomRule),
}

impl Framer {
    /// Looks at the next bytes of the request: what one read returned, never none, and before it what was held.
    pub(crate) fn feed(&mut self, piece: &[u8]) -> Result<Verdict, TooMuch> {
        match &mut self.state {
            State::Auto(bytes) => {
                let first = bytes.is_empty();
                bytes.extend_from_slice(piece);
                match head::starts_with_method(bytes) {
                    None => Ok(Verdict::More),
                    Some(false) if !(first && head::starts_with_request_line(bytes)) => {
                        Ok(Verdict::Done(piece.len()))
                    }
                    Some(_) => self.become_http(piece),
                }
            }
            State::Http(http) => http.feed(piece, self.limit),
            State::ReadOnce { max } => Ok(Verdict::Done(piece.len().min(*max))),
            State::Until(delimiter) => Ok(delimiter.find(piece)),
            State::Exactly { left } => Ok(count_down(left, piece.len())),
            State::Eof => Ok(Verdict::More),
            State::Custom(rule) => {
                let within = piece.len().min(self.limit);
                match rule(&piece[..within]) {
                    Some(length) if length <= piece.len() => Ok(Verdict::Done(length)),
                    Some(length) => {
                        self.state = State::Exactly { left: length as u64 };
                        Ok(Verdict::Hold)
                    }
                    None if piece.len() > self.limit => Err(TooMuch { limit: self.limit, within }),
                    None => Ok(Verdict::Hold),
                }
            }
        }
    }

    /// Whether the end of the client's data makes this request a whole one.
    pub(crate) fn ends_at_eof(&self) -> bool {
        matches!(self.state, State::Eof)
    }

    pub(crate) fn problem(&self) -> Option<&Problem> {
        match &self.state {
            State::Http(http) => http.problem(),
            _ => None,
        }
    }

    /// Turns `auto` into `http`, which then sees the bytes before `piece` and `piece` itself.
    fn become_http(&mut self, piece: &[u8]) -> Result<Verdict, TooMuch> {
        let State::Auto(bytes) = std::mem::replace(&mut self.state, State::Http(HttpFramer::new()))
        else {
            unreachable!("only `auto` is undecided");
        };
        let before = bytes.len() - piece.len();
        if before > 0 {
            // Shorter than a method and its space: too short to be over or too long.
            self.feed(&bytes[..before])?;
        }
        self.feed(piece)
    }
}

/// Takes `arrived` bytes off the `left` ones of a request whose length is known.
fn count_down(left: &mut u64, arrived: usize) -> Verdict {
    match usize::try_from(*left) {
        Ok(rest) if rest <= arrived => {
            *left = 0;
            Verdict::Done(rest)
        }
        _ => {
            *left -= arrived as u64;
            Verdict::More
        }
    }
}

/// Finds a delimiter in a stream without keeping the stream (Knuth, Morris and Pratt).
struct Delimiter {
    bytes: Arc<[u8]>,
    /// For each prefix of the delimiter, how much of it may be the start of another match.
    fallback: Vec<usize>,
    matched: usize,
}

impl Delimiter {
    fn new(bytes: Arc<[u8]>) -> Self {
        let mut fallback = vec![0; bytes.len()];
        let mut length = 0;
        for at in 1..bytes.len() {
            while length > 0 && bytes[at] != bytes[length] {
                length = fallback[length - 1];
            }
            length += usize::from(bytes[at] == bytes[length]);
            fallback[at] = length;
        }
        Delimiter { bytes, fallback, matched: 0 }
    }

    fn find(&mut self, piece: &[u8]) -> Verdict {
        for (index, &byte) in piece.iter().enumerate() {
            while self.matched > 0 && byte != self.bytes[self.matched] {
                self.matched = self.fallback[self.matched - 1];
            }
            self.matched += usize::from(byte == self.bytes[self.matched]);
            if self.matched == self.bytes.len() {
                return Verdict::Done(index + 1);
            }
        }
        Verdict::More
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `stream` in two pieces, cut at `cut`; the request's length, or `None` if it is not over.
    fn length(framing: &Framing, stream: &[u8], cut: usize) -> Option<usize> {
        let mut framer = framing.start(1 << 20);
        let mut before = 0;
        for end in [cut, stream.len()] {
            if end == before {
                continue;
            }
            match framer.feed(&stream[before..end]).expect("below the limit") {
                Verdict::Done(length) => return Some(before + length),
                Verdict::More => before = end,
                Verdict::Hold => {}
            }
        }
        None
    }

    #[track_caller]
    fn ends_after(framing: &Framing, request: &[u8], rest: &[u8]) {
        let stream = [request, rest].concat();
        for cut in 0..=stream.len() {
            assert_eq!(
                length(framing, &stream, cut),
                Some(request.len()),
                "{framing:?} of {} cut at {cut}",
                stream.escape_ascii()
            );
        }
    }

    #[test]
    fn http_ends_where_rfc_9112_says() {
        for framing in [Framing::http(), Framing::auto()] {
            for request in [
                &b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..],
                b"GET / HTTP/1.0\n\n",
                b"GET /simple\r\n",
                b"POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\nhello",
                b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5, 5\r\n\r\nhello",
                b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
                b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n3\r\nabc\r\n0\r\nT: 1\r\n\r\n",
                b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
                b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
                b"POST / HTTP/1.1\r\nContent-Length: 5,\r\n\r\nhello",
                b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked,\r\n\r\n0\r\n\r\n",
                b"GET HTTP/1.1\r\nHost: no target\r\n\r\n",
                b"GET /\tHTTP/1.1\r\n\r\n",
                b"POST / HTTP/1.1\r\nContent-Length:\r\n\r\n",
                b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
                b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
                b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
            ] {
                ends_after(&framing, request, b"Zzz\n\nnext");
            }
        }
        ends_after(&Framing::http(), b"\r\n\nGET / HTTP/1.1\r\n\r\n", b"next");
        ends_after(&Framing::http(), b"PURGE / HTTP/1.1\r\nContent-Length: 1\r\n\r\nx", b"next");
    }

    #[test]
    fn http_says_why_a_length_did_not_count() {
        for (head, problem) in [
            ("Content-Length: x\r\n", Problem::BadContentLength),
            ("Content-Length: 1, 2\r\n", Problem::ConflictingContentLengths),
            ("Transfer-Encoding: gzip\r\n", Problem::UnknownTransferCoding),
            (
                "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
                Problem::ContentLengthOverridden,
            ),
        ] {
            let mut framer = Framing::http().start(1000);
            let _ = framer.feed(format!("GET / HTTP/1.1\r\n{head}\r\n").as_bytes());
            assert_eq!(framer.problem(), Some(&problem), "{head}");
        }
    }

    #[test]
    fn auto_takes_what_is_not_http_after_the_first_read() {
        for (request, over) in [
            (&b"hello"[..], Some(5)),
            (b"\x16\x03\x01", Some(3)),
            (b"\r\n", Some(2)),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Some(24)),
            (b"PURGE / HTTP/1.1\r\n\r\nmore", Some(20)),
            (b"PURGE / HTTP/1.1", Some(16)),
            (b"GE", None),
            (b"GET ", None),
        ] {
            assert_eq!(length(&Framing::auto(), request, 0), over, "{}", request.escape_ascii());
        }
        assert_eq!(length(&Framing::auto(), b"GEhello", 2), Some(7), "no method after all");
    }

    #[test]
    fn plain_rules_end_where_they_say_however_the_bytes_are_cut() {
        ends_after(&Framing::until("\r\n"), b"a\rb\nc\r\r\n", b"next\r\n");
        ends_after(&Framing::until("aab"), b"aaaab", b"aab");
        ends_after(&Framing::until("abcabd"), b"abcabcabd", b"abcabd");
        ends_after(&Framing::exactly(4), b"1234", b"5678");
        ends_after(
            &Framing::from_fn(|bytes| Some(1 + usize::from(*bytes.first()?))),
            b"\x03abc",
            b"\x01",
        );
        let before_semicolons = |bytes: &[u8]| bytes.windows(2).position(|two| two == b";;");
        ends_after(&Framing::from_fn(before_semicolons), b"abc", b";;");
        assert_eq!(length(&Framing::read_once(3), b"12345", 0), Some(3));
        assert_eq!(length(&Framing::read_once(3), b"12345", 2), Some(2));
        assert_eq!(length(&Framing::eof(), b"12345", 2), None);
    }

    #[test]
    fn buffering_stops_at_the_limit() {
        for framing in [Framing::http(), Framing::auto()] {
            let mut framer = framing.start(8);
            assert_eq!(framer.feed(b"GET /567"), Ok(Verdict::More), "{framing:?}");
            assert_eq!(framer.feed(b"8"), Err(TooMuch { limit: 8, within: 0 }), "{framing:?}");
            let mut framer = framing.start(8);
            let whole = framer.feed(b"GET / HTTP/1.1\r\n\r\n");
            assert_eq!(whole, Err(TooMuch { limit: 8, within: 8 }), "{framing:?}: uncut");
        }
        let mut framer = Framing::from_fn(|_| None).start(8);
        assert_eq!(framer.feed(b"12345678"), Ok(Verdict::Hold));
        assert_eq!(framer.feed(b"123456789"), Err(TooMuch { limit: 8, within: 8 }));
    }

    #[test]
    fn names_are_read_back() {
        for text in ["auto", "http", "read-once:10", r"until:\r\n", "exactly:7", "eof", "nothing"] {
            assert_eq!(text.parse::<Framing>().expect(text).to_string(), text);
        }
        assert_eq!("read-once".parse::<Framing>().expect("default").to_string(), "read-once:4096");
        assert_eq!(
            r"until:\x00\t\\.".parse::<Framing>().expect("escapes").to_string(),
            r"until:\x00\t\\."
        );
        for text in [
            "",
            "auto:1",
            "read-once:0",
            "read-once:x",
            "until:",
            r"until:\q",
            r"until:\x4",
            "exactly",
        ] {
            assert!(text.parse::<Framing>().is_err(), "{text}");
        }
    }
}
