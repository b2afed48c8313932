//! Ways in which a connection goes wrong, by name.
//!
//! A fault is a [`Response`]: give it to [`Peer::answer`](crate::Peer::answer), or mix it with good answers in a
//! [`Sequence`](crate::Sequence). A closure may return it, too, unless it begins before the request is over: that has to be known
//! when the connection is accepted (see [`Response::after`]).
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
//! A fault that comes before the request is over is an exchange like any other, with as much of the request as was read: none
//! of it after [`reset_on_accept`], and [`Peer::take_request`](crate::Peer::take_request) gives that empty one first. Where a test looks
//! at the request that was repeated, [`no_answer`]`(Ending::Reset)` reads it both times.
//!
//! # Which fault is which
//!
//! | when | what the client sees | how |
//! |---|---|---|
//! | connecting | nobody listens: connection refused | [`Unserved::refused`] |
//! | | no answer to its connection attempts | [`Unserved::full_backlog`] (Linux) |
//! | | connected, and never accepted | [`Unserved::never_accepted`] |
//! | | connected, then reset without having been accepted | [`Unserved::never_accepted`], and its drop |
//! | accepted | closed at once | [`close_on_accept`] |
//! | | reset at once | [`reset_on_accept`] |
//! | | nobody reads what it sends | [`never_read`] |
//! | sending its request | reading stops after n bytes, then close, reset, or nothing | [`stop_reading_after`] |
//! | | the final answer while it still uploads | [`early`] |
//! | | no `100 Continue` | [`never_continue`] |
//! | waiting for the answer | silence | [`no_answer`] with [`Ending::Hold`] |
//! | | a close or a reset instead | [`no_answer`] with [`Ending::Close`], [`Ending::Reset`] |
//! | | a late answer | [`Response::new`]`().`[`pause`](Response::pause)`(…).send(…)`, a [`Gate`](crate::Gate) |
//! | reading the answer | it ends after n bytes: close, reset, half-close, silence | [`Response::cut`] |
//! | | the same after each byte | [`truncations`] |
//! | | it comes in pieces, in two parts, byte by byte | [`Response::in_pieces`], [`Response::split_at`], [`splits`], [`byte_by_byte`] |
//! | | it is slow, evenly or not | [`Response::throttle`], [`Delay`](crate::Delay) |
//! | | it is no correct HTTP | [`garbage`] |
//! | | what the peer sent last is lost | [`Ending::CloseAtOnce`] with input unread |
//! | after the answer | the connection stays open without another one | [`Ending::Hold`], [`Ending::StopReading`] |
//! | | the peer goes on reading, and says no more | [`Ending::HalfClose`] |
//! | the next request | the kept connection closes when it comes | [`Response::then`]`(`[`Framing::exactly`]`(1))`, then [`no_answer`] |
//!
//! # Which silence
//!
//! "The server accepts the connection and never answers" is [`no_answer`] with [`Ending::Hold`]: the request is read, so that
//! the test can look at it. A client whose request fits into the buffers of the kernels sees the same of [`never_read`], where a
//! larger one is stuck while sending, and of [`Unserved::never_accepted`], for which there is no peer and no
//! journal. A client that does not even connect, and is not refused, is that of [`Unserved::full_backlog`].
//!
//! The silence of a peer ends with its [timeout](crate::TcpServerBuilder::timeout), 10 seconds where nothing else is said: a
//! client that waits longer sees a close then, or a reset if something was left unread. That is no error of the exchange.
//! `None` is for a silence as long as the client's patience. [`Peer::finish`](crate::Peer::finish) does not wait for its end.
//!
//! # What came of it
//!
//! What came of a fault is in the [journal](crate::Peer::journal): bytes offered, taken by the kernel and acknowledged, and what
//! the client did when.
//!
//! # Many cases in one test
//!
//! [`truncations`], [`splits`] and [`byte_by_byte`] make [`Case`]s of one response; [`garbage::all`]
//! has those that are no correct HTTP. [`sweep`] runs a client against each, over one peer, and says which case it was
//! that a test failed in.
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
//!     // `get` is the client under test: a part of an answer must never pass for a whole one.
//!     assert!(get(peer).is_err(), "{case}");
//! })?;
//! # Ok(()) }
//! ```
//!
//! A sweep has one case for all attempts. For a client that tries again and then gets its answer, each case is put before a good
//! answer, in a peer of its own:
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
//!     // Fails if the client asked once only, or three times.
//!     peer.finish().expect(&name);
//! }
//! # Ok(()) }
//! ```
#![doc = ""]
#![doc = include_str!("clients.md")]

mod case;
mod families;
#[doc(hidden)]
pub mod garbage;
mod sweep;
mod unserved;

pub use case::Case;
pub use families::{Truncations, byte_by_byte, splits, truncations};
pub use sweep::sweep;
pub use unserved::Unserved;

use crate::framing::rule::Framing;
use crate::response::ending::Ending;
use crate::response::steps::Response;

/// Accepts, and closes at once: an orderly end of the connection before a byte of it was read.
///
/// It is an exchange with an empty request, the first that [`Peer::take_request`](crate::Peer::take_request) and
/// [`Peer::take`](crate::Peer::take) give.
pub fn close_on_accept() -> Response {
    Response::new().after(Framing::nothing())
}

/// Accepts, and resets at once. The client may be told while it connects, when it sends, or when it reads.
///
/// It is an exchange with an empty request, as that of [`close_on_accept`].
pub fn reset_on_accept() -> Response {
    close_on_accept().ending(Ending::Reset)
}

/// Accepts, and never reads: what the client sends piles up in the buffers of the two kernels, then it is stuck. Ends when the
/// client leaves, or with the [timeout](crate::TcpServerBuilder::timeout).
pub fn never_read() -> Response {
    close_on_accept().ending(Ending::StopReading)
}

/// Reads the first `bytes` bytes of a connection, not one more, and comes to `ending`: [`Ending::Close`],
/// [`Ending::Reset`], or [`Ending::StopReading`] for a peer that just stops.
///
/// It is an exchange whose request is those bytes. With 0 of them nothing is waited for: [`close_on_accept`] and its like.
///
/// With [`Ending::CloseAtOnce`] a request that is longer ends in a reset, a shorter one in a close.
pub fn stop_reading_after(bytes: u64, ending: Ending) -> Response {
    Response::new().after(Framing::exactly(bytes)).ending(ending)
}

/// Answers as soon as the head of an HTTP request is there, while the client may still be uploading its body: a final
/// status that comes early (RFC 9112 section 9.5 says what a client is to do). With [`Ending::Close`] the body
/// goes on being read for the [linger](crate::TcpServerBuilder::linger) time.
pub fn early(response: impl Into<Response>) -> Response {
    response.into().after(Framing::head())
}

/// Takes the head of an HTTP request and says nothing, whatever it expects: a client that sent
/// `Expect: 100-continue` has to go on by itself after a time (RFC 9110 section 10.1.1). What it then sends is read
/// as [trailing bytes](crate::Exchange::trailing).
pub fn never_continue() -> Response {
    early(Response::new()).ending(Ending::Hold)
}

/// Reads the whole request and sends no byte: silence with [`Ending::Hold`], an orderly end with [`Ending::Close`], or
/// [`Ending::Reset`].
///
/// With [`Ending::Hold`] this is the server that accepts and never answers, for at most the
/// [timeout](crate::TcpServerBuilder::timeout), which has to be longer than the client's:
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
