//! What to answer: a list of steps and one ending. Carrying them out is `perform`'s and `closing`'s.

use std::fmt;
use std::io::Read;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use super::delay::Delay;
use super::ending::Ending;
use super::gate::Gate;
use super::pace::{Pace, Pieces};
use crate::framing::rule::Framing;

/// What to answer: steps, then an ending. Not one byte is added to what the steps say.
///
/// Bytes turn into a response by themselves (`"text".into()`); the ending is to close the connection, in the way that
/// never destroys an answer in flight: see [the crate's page on closing](crate#closing).
///
/// ```
/// use fake_peer::Response;
///
/// let response = Response::new()
///     .send("HTTP/1.1 200 OK\r\nContent-Length: 389\r\n\r\n")
///     .send_file("study/server_send.txt");
/// # drop(response);
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "a response is sent only where a source returns it"]
pub struct Response {
    pub(crate) steps: Vec<Step>,
    pub(crate) pace: Pace,
    /// How many bytes are sent at the most.
    pub(crate) cut: Option<u64>,
    pub(crate) ending: Ending,
    /// Where a connection's first request ends for this response, if not where the server says.
    pub(crate) after: Option<Framing>,
}

/// What a socket's buffer has room for.
const SHORT: usize = 16 * 1024;

#[derive(Clone)]
pub(crate) enum Step {
    Send(Arc<[u8]>),
    SendFile(PathBuf),
    Repeat {
        pattern: Arc<[u8]>,
        total: u64,
    },
    Pause(Delay),
    Gate(Gate),
    /// Taken by the exchange that sends it.
    SendFrom(Arc<Mutex<Option<Box<dyn Read + Send>>>>),
}

impl Response {
    /// An empty response: nothing is sent before the connection closes.
    pub fn new() -> Self {
        Self::default()
    }

    /// The bytes of a file: [`send_file`](Self::send_file) and nothing else. A recorded response that breaks off is
    /// `Response::file("page.http").cut(137, Ending::Reset)`.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Response::new().send_file(path)
    }

    /// Sends these bytes.
    pub fn send(self, bytes: impl AsRef<[u8]>) -> Self {
        self.step(Step::Send(bytes.as_ref().into()))
    }

    /// Sends the bytes of a file, in flat memory whatever its size.
    ///
    /// It is opened when the exchange comes to its response, before the first byte is sent, so that a missing file is
    /// reported before half an answer has left; what it holds at the time of sending is sent.
    pub fn send_file(self, path: impl Into<PathBuf>) -> Self {
        self.step(Step::SendFile(path.into()))
    }

    /// Sends what a reader gives until its end. A read may block; other connections are served meanwhile. No timeout ends
    /// it. A reader can be read once: an exchange that gets a response whose
    /// reader has been used fails with [`Error::Respond`](crate::Error::Respond).
    pub fn send_from(self, reader: impl Read + Send + 'static) -> Self {
        self.step(Step::SendFrom(Arc::new(Mutex::new(Some(Box::new(reader))))))
    }

    /// Sends `pattern` again and again, `total` bytes in all: a large body from no memory.
    ///
    /// # Panics
    ///
    /// If `pattern` is empty and `total` is not 0.
    pub fn repeat(self, pattern: impl AsRef<[u8]>, total: u64) -> Self {
        let pattern: Arc<[u8]> = pattern.as_ref().into();
        assert!(total == 0 || !pattern.is_empty(), "an empty pattern never makes {total} bytes");
        self.step(Step::Repeat { pattern, total })
    }

    /// Waits before the next step: for a fixed time, or for one drawn from a distribution.
    ///
    /// A client that gives up meanwhile is noticed when the pause is over, and so are [`Peer::take`](crate::Peer::take) and
    /// [`finish`](crate::Peer::finish): a half-closed client may still want the rest. For a client that is to run into its own
    /// timeout, [`faults::no_answer`](crate::faults::no_answer) with [`Ending::Hold`] ends as soon as the client leaves.
    pub fn pause(self, delay: impl Into<Delay>) -> Self {
        self.step(Step::Pause(delay.into()))
    }

    /// Waits before the first step, and before every pause and gate that is there already.
    ///
    /// ```
    /// use fake_peer::{Peer, http};
    /// use std::io::{Read, Write};
    /// use std::time::{Duration, Instant};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let peer = Peer::answer(http::ok("late").delay(Duration::from_millis(20)));
    /// let mut client = std::net::TcpStream::connect(peer.addr())?;
    /// let start = Instant::now();
    /// client.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
    /// client.read_exact(&mut [0])?;
    /// assert!(start.elapsed() >= Duration::from_millis(20));
    /// # client.read_to_end(&mut Vec::new())?;
    /// # Ok(()) }
    /// ```
    pub fn delay(mut self, delay: impl Into<Delay>) -> Self {
        self.steps.insert(0, Step::Pause(delay.into()));
        self
    }

    /// Waits at `gate` until the test opens it, for at most the [timeout](crate::TcpServerBuilder::timeout); then the
    /// exchange fails with [`Error::Respond`](crate::Error::Respond).
    pub fn gate(self, gate: &Gate) -> Self {
        self.step(Step::Gate(gate.clone()))
    }

    /// Sends all bytes of the response in writes of at most `size` bytes, with a pause between two of them. Since
    /// `TCP_NODELAY` is on, each write leaves as a segment of its own; how many of them one read of the client returns
    /// is up to its kernel, without a pause at least.
    ///
    /// # Panics
    ///
    /// If `size` is 0.
    pub fn in_pieces(mut self, size: usize, pause: impl Into<Delay>) -> Self {
        let size = NonZeroUsize::new(size).expect("pieces of at least one byte");
        self.pace.pieces = Some(Pieces::Of { size, pause: pause.into() });
        self
    }

    /// Sends the first `byte` bytes of the response, pauses, and sends the rest: a client whose first read returns a part.
    /// Instead of [`in_pieces`](Self::in_pieces); the one that is called last counts. With 0, or from the response's last byte on,
    /// there is one part and no pause. A client that is slower than the pause may read both at once.
    pub fn split_at(mut self, byte: u64, pause: impl Into<Delay>) -> Self {
        self.pace.pieces = Some(Pieces::SplitAt { byte, pause: pause.into() });
        self
    }

    /// Sends no faster than this, on average since the response's first byte, in up to 20 writes a second. It goes with
    /// [`in_pieces`](Self::in_pieces): the longer wait counts.
    ///
    /// # Panics
    ///
    /// If `bytes_per_second` is 0; [`Ending::Hold`] is for a peer that stops sending.
    pub fn throttle(mut self, bytes_per_second: u64) -> Self {
        self.pace.bytes_per_second =
            Some(NonZeroU64::new(bytes_per_second).expect("at least one byte per second"));
        self
    }

    /// What happens after the last step.
    ///
    /// Defaults to [`Ending::Close`].
    pub fn ending(mut self, ending: Ending) -> Self {
        self.ending = ending;
        self
    }

    /// Sends only the first `bytes` bytes of the response, then comes to `ending`: what a client does with an answer
    /// that breaks off. Steps behind the cut are not carried out; pauses and gates before the first byte are, also where no
    /// byte is sent. A response that is not that long is sent whole, and comes to
    /// `ending` as well.
    ///
    /// ```
    /// use fake_peer::{Ending, Peer, http};
    /// use std::io::{Read, Write};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let peer = Peer::answer(http::ok("hello").cut(20, Ending::Reset));
    /// let mut client = std::net::TcpStream::connect(peer.addr())?;
    /// client.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
    /// let mut answer = Vec::new();
    /// let error = client.read_to_end(&mut answer).unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    /// assert_eq!(answer, b"HTTP/1.1 200 OK\r\nCon");
    /// # Ok(()) }
    /// ```
    pub fn cut(mut self, bytes: u64, ending: Ending) -> Self {
        self.cut = Some(bytes);
        self.ending(ending)
    }

    /// Reads the next request on the same connection, with the same framing, if HTTP lets the connection persist (RFC 9112
    /// section 9.3); closes it otherwise. This is what a web server does: see [`Ending::KeepAlive`].
    ///
    /// Requests may be pipelined: bytes of the next request that have arrived already are its beginning.
    ///
    /// ```
    /// use fake_peer::{Peer, http};
    /// use std::io::{Read, Write};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let peer = Peer::answer(http::ok("hi").keep_alive());
    /// let mut client = std::net::TcpStream::connect(peer.addr())?;
    /// client.write_all(b"GET /1 HTTP/1.1\r\n\r\n")?;
    /// client.write_all(b"GET /2 HTTP/1.1\r\nConnection: close\r\n\r\n")?;
    /// let mut answers = String::new();
    /// client.read_to_string(&mut answers)?;
    /// assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 2);
    /// # Ok(()) }
    /// ```
    pub fn keep_alive(self) -> Self {
        self.ending(Ending::KeepAlive)
    }

    /// Reads the next request on the same connection, with the same framing, whatever the bytes say: also after a response
    /// with `Connection: close`, and after one whose end a client cannot know. For HTTP, [`keep_alive`](Self::keep_alive)
    /// follows the rules of the protocol instead.
    ///
    /// Requests may be pipelined: bytes of the next request that have arrived already are its beginning.
    pub fn keep_open(self) -> Self {
        self.ending(Ending::KeepOpen)
    }

    /// Leaves the connection open, and reads its next request with another framing: the turns of a conversation. The framing
    /// stays for [`keep_open`](Self::keep_open) after that.
    ///
    /// ```
    /// use fake_peer::{Framing, Response};
    ///
    /// // SMTP: after `354` comes the message, which ends with a line of one dot.
    /// let go_ahead = Response::from("354 go ahead\r\n").then(Framing::until("\r\n.\r\n"));
    /// # drop(go_ahead);
    /// ```
    ///
    /// An empty message is that line alone, which this delimiter does not find: see [`Framing::from_fn`].
    pub fn then(self, framing: Framing) -> Self {
        self.ending(Ending::Then(framing))
    }

    /// Answers a connection's first request as soon as `framing` says that it is over, instead of the server's
    /// [framing](crate::TcpServerBuilder::framing): before the first byte with [`Framing::nothing`], while the body is
    /// still being uploaded with [`Framing::head`]. The [`faults`](crate::faults) before the response are made of it.
    ///
    /// The connection has to be known to get this response when it is accepted: so this counts where it is the one fixed
    /// answer, in a [`Sequence`](crate::Sequence), and in a [`PerConnection`](crate::PerConnection); a response that a
    /// closure returns comes too late. Later requests of a connection go by [`then`](Self::then).
    pub fn after(mut self, framing: Framing) -> Self {
        self.after = Some(framing);
        self
    }

    /// Whether the kernel takes all of it at once.
    pub(crate) fn is_short(&self) -> bool {
        let length = |step: &Step| match step {
            Step::Send(bytes) => Some(bytes.len()),
            _ => None,
        };
        let length: Option<usize> = self.steps.iter().map(length).sum();
        length.is_some_and(|length| length <= SHORT)
    }

    fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Send(bytes) => write!(f, "Send(\"{}\")", bytes.escape_ascii()),
            Step::SendFile(path) => write!(f, "SendFile({})", path.display()),
            Step::Repeat { pattern, total } => {
                write!(f, "Repeat(\"{}\", {total})", pattern.escape_ascii())
            }
            Step::Pause(delay) => write!(f, "Pause({delay:?})"),
            Step::Gate(_) => f.write_str("Gate(..)"),
            Step::SendFrom(_) => f.write_str("SendFrom(..)"),
        }
    }
}

macro_rules! from_bytes {
    ($($bytes:ty $(, $length:ident)?;)*) => {$(
        /// A response that sends these bytes.
        impl$(<const $length: usize>)? From<$bytes> for Response {
            fn from(bytes: $bytes) -> Self {
                Response::new().send(bytes)
            }
        }
    )*};
}

from_bytes! {
    &str;
    String;
    &[u8];
    &[u8; N], N;
    [u8; N], N;
    Vec<u8>;
}
