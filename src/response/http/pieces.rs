//! Responses whose body comes in pieces: chunks, server-sent events.

use super::super::head::Length;
use super::super::steps::{Response, Step};
use super::with_head;

/// `200 OK` in the chunked transfer coding (RFC 9112 section 7.1): each item is one chunk, and the last chunk follows.
///
/// An item is bytes, or a [`Response`] of which only the steps count. Its pauses and gates before its first byte and after its last
/// one are between the chunks, the others are within the chunk. A chunk is sent in a write of its own. An empty item is a chunk of
/// size 0, which ends the body for the client.
///
/// ```
/// use fake_peer::{Gate, Peer, Response, http};
/// # use std::io::{Read, Write};
///
/// # fn main() -> std::io::Result<()> {
/// let gate = Gate::new();
/// let peer = Peer::answer(http::chunked([
///     Response::from("hello, "),
///     Response::new().gate(&gate).send("world"),
/// ]));
/// # let mut client = std::net::TcpStream::connect(peer.addr())?;
/// # client.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
/// // The client has the first chunk; the second one comes when the test opens the gate.
/// gate.open();
/// # let mut answer = String::new();
/// # client.read_to_string(&mut answer)?;
/// assert_eq!(
///     answer,
///     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7\r\nhello, \r\n5\r\nworld\r\n0\r\n\r\n"
/// );
/// # Ok(()) }
/// ```
///
/// # Panics
///
/// If an item has a file or a reader: the size of a chunk is sent before its bytes.
#[track_caller]
pub fn chunked(chunks: impl IntoIterator<Item = impl Into<Response>>) -> Response {
    let head = with_head(&200.into(), &[], Length::Given);
    let mut response = head.header("Transfer-Encoding", "chunked");
    for chunk in chunks {
        let piece = Piece::of(chunk.into());
        let Some(size) = piece.length() else {
            panic!("a chunk begins with its size, and the size of a file or a reader is not known")
        };
        response = piece.add_to(response, format!("{size:x}\r\n").as_bytes(), b"\r\n");
    }
    response.send("0\r\n\r\n")
}

/// `200 OK` with `Content-Type: text/event-stream`: server-sent events. Each item is the lines of one event, as they are, and an empty
/// line follows. The stream ends where the connection closes; [`Ending::Hold`](crate::Ending::Hold) leaves it open.
///
/// An item is bytes, or a [`Response`] of which only the steps count. Its pauses and gates before its first byte and after its last
/// one are between the events, the others are within the event. An event is sent in a write of its own.
///
/// ```
/// use fake_peer::{Peer, Response, http};
/// use std::time::Duration;
///
/// # fn main() -> std::io::Result<()> {
/// let peer = Peer::answer(http::sse([
///     Response::from("data: one"),
///     Response::new().pause(Duration::from_millis(20)).send("event: end\ndata: two"),
/// ]));
/// # use std::io::{Read, Write};
/// # let mut client = std::net::TcpStream::connect(peer.addr())?;
/// # client.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
/// # let mut answer = String::new();
/// # client.read_to_string(&mut answer)?;
/// let events = "data: one\n\nevent: end\ndata: two\n\n";
/// assert_eq!(answer, format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n{events}"));
/// # Ok(()) }
/// ```
pub fn sse(events: impl IntoIterator<Item = impl Into<Response>>) -> Response {
    let head = with_head(&200.into(), &[], Length::Given);
    let response = head.header("Content-Type", "text/event-stream");
    let add = |response, event| Piece::of(event).add_to(response, b"", b"\n\n");
    events.into_iter().map(Into::into).fold(response, add)
}

/// The steps of one piece.
struct Piece {
    /// Those before its first byte.
    before: Vec<Step>,
    /// From the first one with bytes to the last one with bytes.
    bytes: Vec<Step>,
    after: Vec<Step>,
}

impl Piece {
    fn of(response: Response) -> Self {
        let mut before: Vec<_> = response.steps.into_iter().collect();
        let sends = |step: &Step| !matches!(step, Step::Pause(_) | Step::Gate(_) | Step::Act(_));
        let first = before.iter().position(sends).unwrap_or(before.len());
        let mut bytes = before.split_off(first);
        let after = bytes.split_off(bytes.iter().rposition(sends).map_or(0, |last| last + 1));
        Piece { before, bytes, after }
    }

    /// How many bytes it has, if that is known.
    fn length(&self) -> Option<u64> {
        self.bytes.iter().try_fold(0_u64, |length, step| Some(length + step.known_length()?))
    }

    /// Adds its steps, with these bytes around its own. What comes without a wait between is sent together.
    fn add_to(self, response: Response, opening: &[u8], closing: &[u8]) -> Response {
        let mut steps = self.before;
        if !self.bytes.is_empty() {
            let mut together = opening.to_vec();
            for step in self.bytes {
                match step {
                    Step::Send(bytes) => together.extend_from_slice(&bytes),
                    other => {
                        steps.push(Step::Send(together.as_slice().into()));
                        together.clear();
                        steps.push(other);
                    }
                }
            }
            together.extend_from_slice(closing);
            steps.push(Step::Send(together.into()));
        }
        steps.into_iter().chain(self.after).fold(response, Response::step)
    }
}
