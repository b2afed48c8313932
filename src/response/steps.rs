//! What to answer: a list of steps and one ending. They are carried out in `serving`.

use std::io::Read;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use super::delay::Delay;
use super::ending::Ending;
use super::gate::Gate;
use super::head::Head;
use super::pace::{Pace, Pieces};
use super::secure::OverTls;
pub(crate) use super::step::{Step, Steps};
use crate::framing::rule::Framing;

/// What to answer: steps, then an ending. Nothing is added to the bytes of the steps.
///
/// Bytes convert into a response (`"text".into()`). The default ending closes the connection in the way that never destroys
/// a response in flight: see [closing](crate#closing).
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
    pub(crate) steps: Steps,
    pub(crate) pace: Pace,
    /// At most this many bytes are sent.
    pub(crate) cut: Option<u64>,
    cut_place: CutPlace,
    pub(crate) ending: Ending,
    /// What it does that needs TLS, which most do not.
    pub(crate) over_tls: Option<Box<OverTls>>,
    /// Where a connection's first request ends for this response, instead of where the server's framing says.
    pub(crate) after: Option<Framing>,
    pub(crate) scripted: Scripted,
}

/// What the core has to know about a response of a conversation.
#[derive(Debug, Clone, Default)]
pub(crate) enum Scripted {
    /// It is not part of one.
    #[default]
    No,
    /// More turns follow, and they have an end: the next request may be empty, though this one was.
    Turn,
    /// The last turn: it is a failure if the client sends more.
    LastTurn,
    /// The client has not said what it should have said, for this reason: the exchange fails, though this response is sent.
    Mismatch(Arc<str>),
    /// The client has ended its side within its turn: what it should have said there.
    CutShort(Arc<str>),
}

/// What the bytes before a cut were counted from.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum CutPlace {
    #[default]
    Start,
    /// The cut moves with the end of the head.
    Body,
}

impl Response {
    /// An empty response: nothing is sent before the connection closes.
    pub fn new() -> Self {
        Self::default()
    }

    /// The bytes of a file, like [`send_file`](Self::send_file) on an empty response. A recorded response that breaks off is
    /// `Response::file("page.http").cut(137, Ending::Reset)`.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Response::new().send_file(path)
    }

    /// A response that begins with a head of this crate.
    pub(super) fn with_head(bytes: Vec<u8>, head: Head) -> Self {
        let mut response = Response::from(bytes);
        response.steps.set_head(head);
        response
    }

    /// Sends these bytes.
    pub fn send(self, bytes: impl AsRef<[u8]>) -> Self {
        self.step(Step::Send(bytes.as_ref().into()))
    }

    /// Sends the bytes of a file, in constant memory.
    ///
    /// The file is opened before the first byte of the response is sent, so that a missing file is reported before half a
    /// response was sent. Its content at the time of sending is sent.
    pub fn send_file(self, path: impl Into<PathBuf>) -> Self {
        self.step(Step::SendFile(path.into()))
    }

    /// Sends what a reader returns, until its end. A read may block, without a timeout; other connections are served meanwhile. A
    /// reader can be sent once: if a response with a used reader is sent again, its exchange fails with
    /// [`Error::Respond`](crate::Error::Respond).
    pub fn send_from(self, reader: impl Read + Send + 'static) -> Self {
        self.step(Step::SendFrom(Arc::new(Mutex::new(Some(Box::new(reader))))))
    }

    /// Sends `pattern` again and again, `total` bytes in all: a large body in constant memory.
    ///
    /// # Panics
    ///
    /// If `pattern` is empty and `total` is not 0.
    pub fn repeat(self, pattern: impl AsRef<[u8]>, total: u64) -> Self {
        let pattern: Arc<[u8]> = pattern.as_ref().into();
        assert!(total == 0 || !pattern.is_empty(), "an empty pattern never makes {total} bytes");
        self.step(Step::Repeat { pattern, total })
    }

    /// Adds the same steps several times: what `steps` adds to a response.
    ///
    /// ```
    /// use fake_peer::{Peer, Response};
    /// use std::time::Duration;
    ///
    /// let tick = Duration::from_millis(5);
    /// let peer = Peer::answer(
    ///     Response::from("go").repeat_steps(3, |response| response.pause(tick).send(" tick")).send(" over"),
    /// );
    /// # use std::io::{Read, Write};
    /// # let mut client = std::net::TcpStream::connect(peer.addr())?;
    /// # client.write_all(b"hello")?;
    /// # let mut answer = String::new();
    /// # client.read_to_string(&mut answer)?;
    /// assert_eq!(answer, "go tick tick tick over");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// For many bytes without a wait between, [`repeat`](Self::repeat) needs no memory for each of them.
    pub fn repeat_steps(self, times: usize, mut steps: impl FnMut(Self) -> Self) -> Self {
        (0..times).fold(self, |response, _| steps(response))
    }

    /// Adds a field to the head of a response that a function of [`http`](crate::http) has built. It comes after the fields that are
    /// there. Neither name nor value is changed: a field that is there already is then there twice, and a value with a line end is
    /// two lines.
    ///
    /// ```
    /// use fake_peer::{Peer, http};
    ///
    /// let peer = Peer::answer(http::ok("hi").header("Set-Cookie", "a=1").header("Set-Cookie", "b=2"));
    /// # use std::io::{Read, Write};
    /// # let mut client = std::net::TcpStream::connect(peer.addr())?;
    /// # client.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
    /// # let mut answer = String::new();
    /// # client.read_to_string(&mut answer)?;
    /// assert_eq!(
    ///     answer,
    ///     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\nhi"
    /// );
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Panics
    ///
    /// If the response was not built by a function of [`http`](crate::http): bytes that you write yourself are never changed.
    #[track_caller]
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        let Some(added) = self.steps.add_field(name.as_ref(), value.as_ref()) else {
            panic!(
                "only a response that `http` has built gets header fields: write the field into the bytes of this one"
            )
        };
        if let (Some(cut), CutPlace::Body) = (&mut self.cut, self.cut_place) {
            *cut += added;
        }
        self
    }

    /// Without the fields of this name, whatever its case, in a head that a function of [`http`](crate::http) has built.
    #[cfg(feature = "cli")]
    pub(crate) fn without_field(mut self, name: &[u8]) -> Self {
        self.steps.remove_field(name);
        self
    }

    /// Waits before the next step: for a fixed time, or for a time drawn from a distribution.
    ///
    /// A client that gives up during the pause is noticed after it, because a half-closed client may still want the rest;
    /// [`Peer::take`](crate::Peer::take) and [`finish`](crate::Peer::finish) wait as long. For a client that should run into its
    /// own timeout, [`faults::no_answer`](crate::faults::no_answer) with [`Ending::Hold`] ends as soon as the client leaves.
    pub fn pause(self, delay: impl Into<Delay>) -> Self {
        self.step(Step::Pause(delay.into()))
    }

    /// Waits before the first step; pauses and gates that were added before come after it.
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
        self.steps.insert_first(Step::Pause(delay.into()));
        self
    }

    /// Waits until the test opens `gate`, for at most the [timeout](crate::TcpServerBuilder::timeout). After that the exchange fails
    /// with [`Error::Respond`](crate::Error::Respond).
    pub fn gate(self, gate: &Gate) -> Self {
        self.step(Step::Gate(gate.clone()))
    }

    /// Sends the response in writes of at most `size` bytes, with a pause between two of them. `TCP_NODELAY` is on, so each write
    /// is a segment of its own. Without a pause, one read of the client may return several of them.
    ///
    /// # Panics
    ///
    /// If `size` is 0.
    pub fn in_pieces(mut self, size: usize, pause: impl Into<Delay>) -> Self {
        let size = NonZeroUsize::new(size).expect("pieces of at least one byte");
        self.pace.pieces = Some(Pieces::Of { size, pause: pause.into() });
        self
    }

    /// Sends the first `byte` bytes of the response, pauses, and sends the rest, so that a client's first read returns a part. It
    /// replaces [`in_pieces`](Self::in_pieces), and the other way round: the last call counts. With 0, or the response's length
    /// and more, there is one part and no pause. A client that is slower than the pause may read both parts at once.
    pub fn split_at(mut self, byte: u64, pause: impl Into<Delay>) -> Self {
        self.pace.pieces = Some(Pieces::SplitAt { byte, pause: pause.into() });
        self
    }

    /// Sends no faster than this, on average since the response's first byte, in up to 20 writes per second. Together with
    /// [`in_pieces`](Self::in_pieces) the longer wait counts.
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

    /// Sends only the first `bytes` bytes of the response, then ends the connection with `ending`: a response that breaks off.
    /// Steps after the cut are not carried out. Pauses and gates before the first byte are, even if no byte is sent. A shorter
    /// response is sent completely, ends with `ending` as well, and fails with [`Error::Respond`](crate::Error::Respond): nothing was
    /// cut.
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
    /// assert_eq!(answer.escape_ascii().to_string(), r"HTTP/1.1 200 OK\r\nCon");
    /// # Ok(()) }
    /// ```
    ///
    /// [`cut_body`](Self::cut_body) counts from the end of the head, and [`cut_chunk`](Self::cut_chunk) within a chunk.
    pub fn cut(self, bytes: u64, ending: Ending) -> Self {
        self.cut_at(bytes, CutPlace::Start, ending)
    }

    pub(super) fn cut_at(mut self, bytes: u64, place: CutPlace, ending: Ending) -> Self {
        self.cut = Some(bytes);
        self.cut_place = place;
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

    /// Keeps the connection open, and reads its next request with another framing: the turns of a conversation. With
    /// [`keep_open`](Self::keep_open) and [`keep_alive`](Self::keep_alive), later requests have the same framing.
    ///
    /// ```
    /// use fake_peer::{Framing, Response};
    ///
    /// // SMTP: after `354` comes the message, which ends with a line of one dot.
    /// let go_ahead = Response::from("354 go ahead\r\n").then(Framing::until("\r\n.\r\n"));
    /// # drop(go_ahead);
    /// ```
    ///
    /// An empty message is that line alone, which this delimiter does not match: see [`Framing::from_fn`].
    pub fn then(self, framing: Framing) -> Self {
        self.ending(Ending::Then(framing))
    }

    /// Answers a connection's first request as soon as it is complete by `framing`, instead of by the server's
    /// [framing](crate::TcpServerBuilder::framing): before the first byte with [`Framing::nothing`], while the body is still being
    /// uploaded with [`Framing::head`]. The [`faults`](crate::faults) that come before the response are made with it.
    ///
    /// The response has to be known when the connection is accepted. So this works for a fixed answer, in a
    /// [`Sequence`](crate::Sequence) and in a [`PerConnection`](crate::PerConnection); the response of a closure comes too
    /// late. For later requests of a connection there is [`then`](Self::then).
    pub fn after(mut self, framing: Framing) -> Self {
        self.after = Some(framing);
        self
    }

    /// Its bytes, if it is nothing but bytes in memory, all of which are sent at once, and ends with a close.
    pub(crate) fn plain_bytes(&self) -> Option<Vec<u8>> {
        let is_plain = self.cut.is_none()
            && self.over_tls.is_none()
            && self.after.is_none()
            && self.pace.largest_write(0) == usize::MAX
            && matches!(self.ending, Ending::Close);
        let mut all = Vec::new();
        for step in self.steps.clone() {
            let Step::Send(bytes) = step else { return None };
            all.extend_from_slice(&bytes);
        }
        is_plain.then_some(all)
    }

    /// Whether it is sent only in part.
    pub(crate) fn is_cut(&self) -> bool {
        self.cut.is_some() || self.over_tls.as_ref().is_some_and(|over_tls| over_tls.cut.is_some())
    }

    /// Whether part of it comes from a user's reader.
    pub(crate) fn has_reader(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::SendFrom(_)))
    }

    /// Whether it has user code in it: a reader, or a framing of the next request.
    pub(crate) fn has_user_code(&self) -> bool {
        let next = if let Ending::Then(framing) = &self.ending { Some(framing) } else { None };
        self.has_reader() || next.into_iter().chain(&self.after).any(Framing::is_custom)
    }

    /// Whether the steps of `next` can be sent as the last ones of this response, with nothing else changed.
    pub(crate) fn can_be_joined_with(&self, next: &Self) -> bool {
        let is_plain = |response: &Self| {
            response.pace.is_default()
                && response.cut.is_none()
                && response.over_tls.is_none()
                && response.after.is_none()
        };
        matches!(self.ending, Ending::Close)
            && is_plain(self)
            && (is_plain(next) || self.steps.is_empty())
            && (!next.steps.has_length_of_file() || self.steps.is_empty())
    }

    /// This response, then `next`, as one.
    pub(crate) fn join(mut self, next: Self) -> Self {
        if self.steps.is_empty() {
            return next;
        }
        self.steps.append(next.steps);
        self.ending = next.ending;
        self
    }

    /// Whether it may send a byte.
    pub(crate) fn has_bytes(&self) -> bool {
        self.steps.iter().any(|step| step.known_length() != Some(0))
    }

    /// Whether nothing is sent or waited for.
    pub(crate) fn has_no_step(&self) -> bool {
        self.steps.is_empty()
    }

    pub(crate) fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
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
