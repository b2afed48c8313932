//! Ways in which a connection goes wrong, by name.
//!
//! A fault is a [`Response`]: give it to [`Peer::answer`](crate::Peer::answer), or mix it with good answers in a
//! [`Sequence`](crate::Sequence). A closure may return it, too, unless the fault begins before the request is complete: such a fault
//! has to be known when the connection is accepted (see [`Response::after`]).
//!
//! ```
//! use fake_peer::{Peer, Sequence, faults, http};
//! # use std::io::{Read, Write};
//! # use std::net::TcpStream;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Does the client try again after a reset?
//! let peer = Peer::answer(Sequence::new([faults::reset_on_accept(), http::ok("hello")]));
//! # let ask = || -> std::io::Result<String> {
//! #     let mut client = TcpStream::connect(peer.addr())?;
//! #     client.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
//! #     let mut answer = String::new();
//! #     client.read_to_string(&mut answer)?;
//! #     Ok(answer)
//! # };
//! # ask().unwrap_err();
//! # assert!(ask()?.ends_with("hello"));
//! peer.finish()?;
//! # Ok(()) }
//! ```
//!
//! A fault that comes before the request is complete is an exchange like any other, with as much of the request as was read: with
//! [`reset_on_accept`] this is an empty request, and [`Peer::take_request`](crate::Peer::take_request) returns it first. If a
//! test looks at both requests of a client that tries again, use [`no_answer`]`(Ending::Reset)`, which reads them.
//!
//! # Which fault is which
//!
//! | when | what the client sees | how |
//! |---|---|---|
//! | connecting | connection refused | [`Unserved::refused`] |
//! | | refused until the server is there again | [`Peer::down`](crate::Peer::down), then [`up`](crate::Peer::up) (Linux) |
//! | | refused after n exchanges | [`closes_after`](crate::TcpServerBuilder::closes_after) |
//! | | no answer to its connection attempts | [`Unserved::full_backlog`] (Linux) |
//! | | connected, and never accepted | [`Unserved::never_accepted`] |
//! | | connected, then reset without having been accepted | [`Unserved::never_accepted`], and its drop |
//! | accepted | closed at once | [`close_on_accept`] |
//! | | reset at once | [`reset_on_accept`] |
//! | | what it sends is not read | [`never_read`] |
//! | sending its request | reading stops after n bytes, then close, reset, or nothing | [`stop_reading_after`] |
//! | | the final answer while it still uploads | [`early`] |
//! | | no `100 Continue` | [`never_continue`] |
//! | waiting for the answer | silence | [`no_answer`] with [`Ending::Hold`] |
//! | | a close or a reset instead | [`no_answer`] with [`Ending::Close`], [`Ending::Reset`] |
//! | | a late answer | [`Response::new`]`().`[`pause`](Response::pause)`(…).send(…)`, a [`Gate`](crate::Gate) |
//! | in its TLS handshake | an alert, plain HTTP, half a record, an old version, and more | [`garbage::tls`] |
//! | reading the answer | it ends after n bytes: close, reset, half-close, silence | [`Response::cut`] |
//! | | it ends after n bytes of its body, or of its k-th chunk | [`Response::cut_body`], [`Response::cut_chunk`] |
//! | | the same after each byte | [`truncations`] |
//! | | it comes in pieces, in two parts, byte by byte | [`Response::in_pieces`], [`Response::split_at`], [`splits`], [`byte_by_byte`] |
//! | | it is slow, evenly or not | [`Response::throttle`], [`Delay`](crate::Delay) |
//! | | it is malformed HTTP | [`garbage`] |
//! | | the last bytes that the peer sent are lost | [`Ending::CloseAtOnce`] with input unread: [`Framing::read_once`]`(4096)` |
//! | after the answer | the connection stays open, and no answer follows | [`Ending::Hold`], [`Ending::StopReading`] |
//! | | the peer goes on reading, and sends nothing more | [`Ending::HalfClose`] |
//! | the next request | the kept connection closes when it comes | [`Response::then`]`(`[`Framing::exactly`]`(1))`, then [`no_answer`] |
//!
//! # Which silence
//!
//! "The server accepts the connection and never answers" is [`no_answer`] with [`Ending::Hold`]: the request is read, so that
//! the test can look at it. With [`never_read`], a client whose request fits into the buffers of the kernels sees the same, and a
//! client with a larger request is stuck while sending. [`Unserved::never_accepted`] looks the same to clients, without a peer
//! and a journal. With [`Unserved::full_backlog`] a client is neither connected nor refused.
//!
//! The silence of a peer ends with its [timeout](crate::TcpServerBuilder::timeout), 10 seconds by default: a client that waits longer
//! sees a close then, or a reset if bytes were unread. This is no error of the exchange. With `None` the silence lasts until the
//! client leaves. [`Peer::finish`](crate::Peer::finish) does not wait for its end.
//!
//! # On a Unix socket
//!
//! All of these work there, with what its kernel has: see [Unix sockets](crate#unix-sockets). [`reset_on_accept`] is a close.
//!
//! # What came of it
//!
//! The [journal](crate::Peer::journal) shows the effect of a fault: the bytes that were offered, taken by the kernel and
//! acknowledged, and what the client did when.
//!
//! # Many cases in one test
//!
//! [`truncations`], [`splits`] and [`byte_by_byte`] make [`Case`]s of one response; [`garbage::all`] has cases of malformed HTTP, and
//! [`garbage::tls::all`] of handshakes that fail.
//! [`sweep`] runs a client against each case, over one peer, and names the case in which a test fails; [`sweep_with`] does it with settings
//! of your own, or on a Unix socket.
//!
//! ```
//! use fake_peer::{faults, http};
//! # use std::io::{Read, Write};
//! # fn get(peer: &fake_peer::Peer) -> Result<String, Box<dyn std::error::Error>> {
//! #     let mut client = std::net::TcpStream::connect(peer.addr())?;
//! #     client.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
//! #     let mut answer = String::new();
//! #     client.read_to_string(&mut answer)?;
//! #     answer.strip_suffix("hello").map(String::from).ok_or("incomplete".into())
//! # }
//!
//! # fn main() -> Result<(), fake_peer::Error> {
//! faults::sweep(faults::truncations(http::ok("hello")), |case, peer| {
//!     // `get` is the client under test: it must never take a part of an answer for a complete one.
//!     assert!(get(peer).is_err(), "{case}");
//! })?;
//! # Ok(()) }
//! ```
//!
//! All three take a [`Conversation`](crate::Conversation), too: each of its answers is cut or split in turn, and the conversation before
//! it is played.
//!
//! A sweep gives the same case to all attempts of a client. For a client that should succeed with its second attempt, put each case
//! before a good answer, in a peer of its own:
//!
//! ```
//! use fake_peer::{Ending, Peer, Sequence, faults, http};
//! # use std::io::{Read, Write};
//! # fn get(peer: &Peer) -> Result<String, Box<dyn std::error::Error>> {
//! #     let mut client = std::net::TcpStream::connect(peer.addr())?;
//! #     client.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
//! #     let mut answer = String::new();
//! #     client.read_to_string(&mut answer)?;
//! #     let (_, body) = answer.split_once("\r\n\r\n").ok_or("no whole head")?;
//! #     (body.len() == 5).then(|| body.into()).ok_or("incomplete".into())
//! # }
//! # fn get_again(peer: &Peer) -> Result<String, Box<dyn std::error::Error>> { get(peer).or_else(|_| get(peer)) }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! for case in faults::truncations(http::ok("hello")).endings([Ending::Reset]) {
//!     let name = case.to_string();
//!     let peer = Peer::answer(Sequence::new([case.into(), http::ok("hello")]));
//!     // `get_again` is the client under test.
//!     assert_eq!(get_again(&peer)?, "hello", "{name}");
//!     // Fails if the client asked only once, or three times.
//!     peer.finish().expect(&name);
//! }
//! # Ok(()) }
//! ```
#![doc = ""]
#![doc = include_str!("clients.md")]
#![doc = ""]
#![doc = include_str!("servers.md")]

mod case;
mod families;
#[doc(hidden)]
pub mod garbage;
mod sweep;
mod unserved;
mod whole;

pub use case::Case;
pub use families::{Truncations, byte_by_byte, splits, truncations};
pub use sweep::{sweep, sweep_with};
pub use unserved::Unserved;
pub use whole::Whole;

use crate::framing::rule::Framing;
use crate::response::ending::Ending;
use crate::response::steps::Response;

/// Accepts, and closes at once: an orderly end of the connection before any byte was read.
///
/// It is an exchange with an empty request, which [`Peer::take_request`](crate::Peer::take_request) and
/// [`Peer::take`](crate::Peer::take) return like any other.
pub fn close_on_accept() -> Response {
    Response::new().after(Framing::nothing())
}

/// Accepts, and resets at once. The client may see the reset while it connects, when it sends, or when it reads.
///
/// It is an exchange with an empty request, like [`close_on_accept`].
pub fn reset_on_accept() -> Response {
    close_on_accept().ending(Ending::Reset)
}

/// Accepts, and never reads: what the client sends fills the buffers of both kernels, then the client is stuck. Ends when the client
/// leaves, or with the [timeout](crate::TcpServerBuilder::timeout).
pub fn never_read() -> Response {
    close_on_accept().ending(Ending::StopReading)
}

/// Reads exactly the first `bytes` bytes of a connection, then ends it with `ending`: [`Ending::Close`], [`Ending::Reset`], or
/// [`Ending::StopReading`] for a peer that stops without a sign.
///
/// It is an exchange whose request is those bytes. With 0 bytes the ending comes at once, as with [`close_on_accept`].
///
/// With [`Ending::CloseAtOnce`] a longer request ends in a reset, a shorter one in a close.
pub fn stop_reading_after(bytes: u64, ending: Ending) -> Response {
    Response::new().after(Framing::exactly(bytes)).ending(ending)
}

/// Answers as soon as the head of an HTTP request has arrived, while the client may still be uploading its body (RFC 9112 section
/// 9.5 says what a client should do). With [`Ending::Close`] the body is read for the [linger](crate::TcpServerBuilder::linger)
/// time.
pub fn early(response: impl Into<Response>) -> Response {
    response.into().after(Framing::head())
}

/// Reads the head of an HTTP request and sends nothing: a client that sent `Expect: 100-continue` has to go on by itself after some
/// time (RFC 9110 section 10.1.1). What it then sends is read as [trailing bytes](crate::Exchange::trailing).
pub fn never_continue() -> Response {
    early(Response::new()).ending(Ending::Hold)
}

/// Reads the complete request and sends no byte: then silence with [`Ending::Hold`], an orderly end with [`Ending::Close`], or
/// [`Ending::Reset`].
///
/// With [`Ending::Hold`] this is the server that accepts and never answers, for at most the
/// [timeout](crate::TcpServerBuilder::timeout), which must be longer than the client's:
///
/// ```
/// use fake_peer::{Ending, Peer, faults};
/// use std::io::{ErrorKind, Read, Write};
/// use std::time::Duration;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let peer = Peer::answer(faults::no_answer(Ending::Hold));
/// let mut client = std::net::TcpStream::connect(peer.addr())?;
/// client.set_read_timeout(Some(Duration::from_millis(50)))?;
/// client.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
/// let error = client.read(&mut [0]).unwrap_err();
/// assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut));
/// peer.take_request().assert_head("GET / HTTP/1.1");
/// # Ok(()) }
/// ```
pub fn no_answer(ending: Ending) -> Response {
    Response::new().ending(ending)
}
