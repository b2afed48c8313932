//! A byte-exact TCP peer for tests: it writes down every byte that a client sends, and answers with exactly the bytes that
//! it is given.
//!
//! Use it when a test, a person at a terminal or an example in a manual needs somebody at the other end of a TCP
//! connection, and the bytes matter: odd line ends, wrong lengths, answers cut short, protocols other than HTTP. No HTTP
//! library stands between the test and the wire: nothing is added, re-ordered or corrected. Where a test is about
//! matching requests and stubbing routes, wiremock, mockito, httpmock and httptest do more.
//!
//! # A peer in a test
//!
//! ```
//! use fake_peer::Peer;
//! # use std::io::{Read, Write};
//! # use std::net::TcpStream;
//!
//! # fn main() -> std::io::Result<()> {
//! let peer = Peer::answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
//!
//! // The client under test; here by hand.
//! let mut client = TcpStream::connect(peer.addr())?;
//! client.write_all(b"GET /hello HTTP/1.1\r\nHost: peer\r\n\r\n")?;
//! let mut answer = String::new();
//! client.read_to_string(&mut answer)?;
//!
//! assert!(answer.ends_with("\r\n\r\nhi"));
//! peer.take_request().assert_head("GET /hello HTTP/1.1\r\nHost: peer");
//! # Ok(()) }
//! ```
//!
//! The [`Peer`] listens before `answer` returns, on a free port, and serves in the background, connections side by
//! side. What a client has seen the end of is in its [journal](Peer::journal), and can be [taken](Peer::take), in that
//! order. When it goes out of scope everything that went wrong comes out: an exchange that failed, a panic in a closure,
//! an answer that nobody fetched. More than one fixed answer: a closure, a [`Sequence`], one source
//! [`PerConnection`], turns of a conversation with [`Response::then`]; settings are
//! [`TcpServer::builder()`](TcpServer::builder) … [`spawn`](TcpServerBuilder::spawn).
//!
//! ```
//! use fake_peer::{Framing, Peer, Request, Response, TcpServer};
//! # use std::io::{Read, Write};
//! # use std::net::TcpStream;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // The peer speaks first; then each line has its answer.
//! let peer = TcpServer::builder()
//!     .framing(Framing::nothing())
//!     .source(|request: &Request| match request.bytes() {
//!         b"" => Response::from("220 peer\r\n").then(Framing::until("\r\n")),
//!         b"QUIT\r\n" => Response::from("221 bye\r\n"),
//!         _ => Response::from("250 ok\r\n").keep_open(),
//!     })
//!     .spawn()?
//!     .expect(3);
//! # let mut client = TcpStream::connect(peer.addr())?;
//! # client.write_all(b"HELO me\r\nQUIT\r\n")?;
//! # let mut answer = String::new();
//! # client.read_to_string(&mut answer)?;
//! # assert_eq!(answer, "220 peer\r\n250 ok\r\n221 bye\r\n");
//! # drop(client);
//! let journal = peer.finish()?;
//! assert_eq!(journal.connections()[0].exchanges()[1].request().bytes(), b"HELO me\r\n");
//! # Ok(()) }
//! ```
//!
//! # A connection that breaks
//!
//! A [`Response`] is a list of steps and one [`Ending`]: it can be [cut](Response::cut) at any byte, wait at a [`Gate`] for
//! the test, leave [in pieces](Response::in_pieces), and end in a reset, a half-close, or silence. [`faults`] has a page
//! that says which fault is which, from a refused connection to a lost next request; [`garbage`] has responses that are
//! wrong HTTP. A [`sweep`](faults::sweep) tries a client with each case of a family:
//!
//! ```
//! use fake_peer::{Ending, Peer, faults, http};
//! # use std::io::{ErrorKind, Read, Write};
//! # use std::net::TcpStream;
//! # fn get(peer: &Peer) -> std::io::Result<Vec<u8>> {
//! #     let mut client = TcpStream::connect(peer.addr())?;
//! #     client.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
//! #     let mut answer = Vec::new();
//! #     client.read_to_end(&mut answer)?;
//! #     Some(answer).filter(|answer| answer.ends_with(b"hello")).ok_or(ErrorKind::UnexpectedEof.into())
//! # }
//!
//! # fn main() -> Result<(), fake_peer::Error> {
//! // All but the last byte, then a reset.
//! let peer = Peer::answer(http::ok("hello").cut(42, Ending::Reset));
//! assert!(get(&peer).is_err());
//!
//! // After each byte, a close and a reset.
//! faults::sweep(faults::truncations(http::ok("hello")), |case, peer| {
//!     assert!(get(peer).is_err(), "{case}: a part was taken for the whole");
//! })?;
//! # Ok(()) }
//! ```
//!
//! A [`Proxy`] asks a real server and records what it says; the faults go [on top](ResponseSource::map_response) of that,
//! and of every other source.
//!
//! # A server in the foreground
//!
//! [`TcpServer::serve_once`] serves one exchange in the calling thread, and starts no other for a client that sends at
//! once. Requests go to a [`RequestSink`], responses come from a [`ResponseSource`]: files, memory, closures, or types
//! of your own. This is what the program `tcpserver` does:
//!
//! ```no_run
//! use fake_peer::{FileSink, FileSource, TcpServer};
//!
//! let server = TcpServer::builder()
//!     .addr("localhost:8080")
//!     .sink(FileSink::new("server_recv.txt"))
//!     .source(FileSource::new("server_send.txt"))
//!     .bind()?;
//! server.serve_once()?;
//! # Ok::<(), fake_peer::Error>(())
//! ```
//!
//! [`serve`](TcpServer::serve) and [`serve_until`](TcpServer::serve_until) go on for more, connections side by side.
//!
//! # Byte exactness
//!
//! Not one byte is sent that was not scripted, `100 Continue` included; not one that arrives is dropped. A request streams
//! to its sink as it arrives, in flat memory; the [`Request`] keeps its first bytes
//! ([`retain`](TcpServerBuilder::retain)) and says if there were more. A request that is cut short is recorded as far as it
//! came, with the reason. Bytes past its end are the connection's next request, or
//! [trailing bytes](Exchange::trailing).
//!
//! # Where a request ends
//!
//! A [`Framing`] says so. No rule depends on silence, or on how the bytes were cut into packets; only
//! [`Framing::read_once`], and [`Framing::auto`] for what isn't HTTP, go by a read, and say so. A client that shuts down
//! its sending side ends a request under each rule, and still gets its answer.
//!
//! # Closing
//!
//! A socket that is closed with unread input makes the kernel send a reset, which destroys an answer in flight: with 2 kB
//! of a request unread, a 1 MB answer was lost practically every time, with five HTTP clients. So a connection ends in this
//! order: send everything, shut down the sending side, receive and write down what still comes until the client
//! closes, for at most the [`linger`](TcpServerBuilder::linger) time, close. RFC 9112 section 9.6 has the same
//! order. While a large answer is being sent, what arrives is received, too: a client that is still uploading is not locked
//! up.
//!
//! # Deadlines
//!
//! Each wait for a client has one: for the first byte ([`idle_timeout`](TcpServerBuilder::idle_timeout)), for the rest
//! of a request and for the client to take its response ([`timeout`](TcpServerBuilder::timeout)), for its close
//! ([`linger`](TcpServerBuilder::linger)). Only a server in the foreground waits for a client to come without one,
//! unless [`accept_timeout`](TcpServer::accept_timeout) is set. Errors name the connection, the
//! step and the bytes seen. What is plugged in (a sink, a source, an observer) has no deadline.
//!
//! # Platform notes
//!
//! Built for and tested on Linux. Elsewhere on Unix the same calls are used. Linux alone tells whether everything has left
//! for a client; elsewhere [`Peer::finish`] waits out the linger time for one that keeps its connection open, and
//! [`Peer::take`] may wait a tenth of a second for one that does not read. Windows is not tested: there a deadline on
//! accepting counts only once a silent client has connected.
//!
//! # Cargo features
//!
//! `cli` (on by default) builds the program `tcpserver`; a library user can leave it, and the two crates that only it
//! needs, out with `default-features = false`.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

#[cfg(doctest)]
#[doc = include_str!("../README.ja.md")]
mod readme_ja {}

#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
mod error;
pub mod faults;
mod framing;
mod http1;
mod journal;
mod os;
mod response;
mod server;
mod serving;
mod sink;
mod source;

pub use error::{Error, Result};
#[doc(inline)]
pub use faults::garbage;
pub use framing::parse::ParseFramingError;
pub use framing::rule::Framing;
pub use http1::problem::Problem;
pub use journal::client::{Client, ClientEnd};
pub use journal::exchange::{Exchange, Times};
pub use journal::record::{ConnectionRecord, Journal};
pub use journal::request::{BodyError, Request, RequestEnd};
pub use os::address::Address;
pub use response::delay::Delay;
pub use response::ending::Ending;
pub use response::gate::Gate;
pub use response::http;
pub use response::steps::Response;
pub use server::builder::TcpServerBuilder;
pub use server::peer::Peer;
pub use server::tcp_server::TcpServer;
pub use serving::event::Event;
pub use serving::stop::Stop;
pub use serving::transcript::Transcript;
pub use sink::closure::FnSink;
pub use sink::file::FileSink;
pub use sink::memory::MemorySink;
pub use sink::numbered::NumberedFileSink;
pub use sink::request_sink::RequestSink;
pub use sink::writer::WriterSink;
pub use source::file::FileSource;
#[doc(hidden)]
pub use source::hints::Hints;
pub use source::per_connection::PerConnection;
pub use source::proxy::Proxy;
pub use source::response_source::{MapResponse, ResponseSource};
pub use source::sequence::Sequence;
