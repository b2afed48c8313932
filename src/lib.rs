//! A byte-exact TCP peer for tests: it records every byte that a client sends, and answers with exactly the bytes that it is
//! given.
//!
//! Use it when a test, a terminal or an example in a manual needs a program at the other end of a TCP connection, and the bytes
//! matter: unusual line ends, wrong lengths, responses that break off, protocols other than HTTP. No HTTP library stands
//! between the test and the wire: nothing is added, reordered or corrected. For tests that match requests and stub
//! routes, wiremock, mockito, httpmock and httptest do more.
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
//! When `answer` returns, the [`Peer`] listens on a free port. It serves connections in the background, side by side. When a
//! client has received the last byte of a response, the exchange is already in the [journal](Peer::journal), and
//! [`take`](Peer::take) returns exchanges in that order. When the peer goes out of scope, it fails the test for everything that
//! went wrong: an exchange that failed, a panic in a closure, an answer that no client fetched.
//!
//! Where the answer depends on the request, a closure gives it, and [`http`] builds plain HTTP:
//!
//! ```
//! use fake_peer::{Peer, http};
//! # use std::io::{Read, Write};
//! # use std::net::TcpStream;
//!
//! # fn main() -> std::io::Result<()> {
//! let peer = Peer::answer_with(|request| match request.target() {
//!     Some("/hello") => http::ok("hi").header("Content-Type", "text/plain"),
//!     _ => http::status(404),
//! });
//! # for (path, expected) in [("/hello", "HTTP/1.1 200 OK\r\n"), ("/", "HTTP/1.1 404 Not Found\r\n")] {
//! #     let mut client = TcpStream::connect(peer.addr())?;
//! #     write!(client, "GET {path} HTTP/1.1\r\n\r\n")?;
//! #     let mut answer = String::new();
//! #     client.read_to_string(&mut answer)?;
//! #     assert!(answer.starts_with(expected));
//! # }
//! # Ok(()) }
//! ```
//!
//! Other sources: a [`Sequence`], one source [`PerConnection`], the files of a folder ([`FolderSource`]), a [`Conversation`] in which peer
//! and client speak in turn. For settings there is [`Peer::builder`]:
//!
//! ```
//! use fake_peer::{Framing, Peer, Response};
//! # use std::io::{Read, Write};
//! # use std::net::TcpStream;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // The peer speaks first; then it answers each line.
//! let peer = Peer::builder()
//!     .framing(Framing::nothing())
//!     .source_with(|request| match request.bytes() {
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
//! journal.connections()[0].exchanges()[1].request().assert_bytes("HELO me\r\n");
//! # Ok(()) }
//! ```
//!
//! # A conversation, or by hand
//!
//! What peer and client say in turn is a [`Conversation`], written down in order, or [read from a file](Conversation::from_file). A
//! client that says something else fails at the first wrong byte:
//!
//! ```
//! use fake_peer::{Conversation, Peer, conversation};
//! # use std::io::{Read, Write};
//! # use std::net::TcpStream;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let peer = Peer::answer(
//!     Conversation::new()
//!         .say("220 mail\r\n")
//!         .expect(conversation::line_starting("EHLO "))
//!         .say("250 ok\r\n")
//!         .expect("QUIT\r\n")
//!         .say("221 bye\r\n"),
//! );
//! # let mut client = TcpStream::connect(peer.addr())?;
//! # client.write_all(b"EHLO me\r\nQUIT\r\n")?;
//! # let mut answer = String::new();
//! # client.read_to_string(&mut answer)?;
//! # assert_eq!(answer, "220 mail\r\n250 ok\r\n221 bye\r\n");
//! # drop(client);
//! peer.finish()?;
//! # Ok(()) }
//! ```
//!
//! A peer that speaks by itself while it reads, as a broker that pushes messages, is driven by hand: a [`ManualPeer`] gives the test
//! each [`Connection`], and straight-line code reads, sends and ends it. [`handle`](TcpServerBuilder::handle) runs a function for every
//! connection instead.
//!
//! ```
//! use fake_peer::{Framing, Peer};
//! # use std::io::{Read, Write};
//! # use std::net::TcpStream;
//! # use std::time::Duration;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let peer = Peer::builder().by_hand()?;
//! # let mut client = TcpStream::connect(peer.addr())?;
//! # client.write_all(b"SUB news 1\r\n")?;
//! let mut connection = peer.accept(Duration::from_secs(10))?;
//! let request = connection.read(Framing::lines())?.expect("a subscription");
//! request.assert_bytes("SUB news 1\r\n");
//! connection.send("MSG news 1 5\r\nhello\r\n")?;
//! connection.close();
//! # let mut messages = String::new();
//! # client.read_to_string(&mut messages)?;
//! # assert_eq!(messages, "MSG news 1 5\r\nhello\r\n");
//! # drop(client);
//! peer.finish()?;
//! # Ok(()) }
//! ```
//!
//! # A connection that breaks
//!
//! A [`Response`] is a list of steps and one [`Ending`]: it can be [cut](Response::cut) at any byte, wait at a [`Gate`] until
//! the test opens it, be sent [in pieces](Response::in_pieces), and end in a reset, a half-close, or silence. [`faults`] lists
//! what can go wrong on a connection, from a refused connection to a lost next request, and how to get it; [`garbage`] has
//! responses that are malformed HTTP, and [`garbage::tls`] those that end a TLS handshake badly, without TLS. A [`sweep`](faults::sweep) tries a client with each case of a family:
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
//! A [`Proxy`] forwards to a real server and records its responses. [`map_response`](ResponseSource::map_response) adds faults to
//! them, and to those of every other source.
//!
//! # A server in the foreground
//!
//! [`TcpServer::serve_once`] serves one exchange in the calling thread, and starts no other thread.
//! Requests go to a [`RequestSink`], responses come from a [`ResponseSource`]: files, memory, closures, or types of your own.
//! This is what the program `tcpserver` does:
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
//! [`serve`](TcpServer::serve) and [`serve_until`](TcpServer::serve_until) serve more exchanges, connections side by side.
//!
//! # Byte exactness
//!
//! No byte is sent that was not scripted, not even a `100 Continue`, and no byte that arrives is dropped. A request streams to
//! its sink as it arrives, in constant memory; the [`Request`] keeps the first bytes ([`retain`](TcpServerBuilder::retain)) and
//! says if there were more. A request that is cut short is recorded as far as it came, with the reason. Bytes after its end
//! are the connection's next request, or [trailing bytes](Exchange::trailing).
//!
//! # Where a request ends
//!
//! A [`Framing`] decides. No rule depends on silence, or on how the bytes were cut into packets. Only
//! [`Framing::read_once`], and [`Framing::auto`] for what is not HTTP, depend on what one read returns, and their documentation
//! says so. A client that shuts down its sending side ends a request under every rule, and is still answered.
//!
//! # Closing
//!
//! If a socket is closed with unread input, the kernel sends a reset, which destroys a response in flight: with 2 kB of a
//! request unread, a 1 MB response was lost in 98 to 100 of 100 tries, with five HTTP clients. So a connection ends in this
//! order: send everything, shut down the sending side, receive and record what still arrives until the client closes, for at
//! most the [`linger`](TcpServerBuilder::linger) time, close. RFC 9112 section 9.6 prescribes the same order. While a large
//! response is being sent, arriving bytes are received, too, so that a client that is still uploading is not blocked.
//!
//! # Unix sockets
//!
//! `Peer::unix`, and `unix` or `unix_in_temporary_folder` of the [builder](TcpServerBuilder), listen on a Unix socket instead of a TCP
//! port: the same bytes, with all framings, sinks, sources, conversations and faults. `Peer::path` is the address. Clients have none, and are
//! shown as `unix:(unnamed)`. There is no packet and no reset there, so some things are different on Linux:
//!
//! | | over TCP | over a Unix socket |
//! |---|---|---|
//! | [`Ending::Reset`] | RST, after the client has acknowledged everything | the client can read everything that was sent; then one read fails with `ECONNRESET`, and writes with `EPIPE` |
//! | the same, with no byte of the client unread | RST | an ordinary close, and the journal says so |
//! | [`Ending::CloseAtOnce`] with bytes unread | what the client has not read is lost | nothing is lost; then `ECONNRESET` |
//! | a client that closes, while it is being answered | the first write succeeds | it fails with `EPIPE` |
//! | a client that sets `SO_LINGER` to 0 | [`ClientEnd::Reset`] | [`ClientEnd::Closed`]; a client that leaves bytes unread is [`ClientEnd::Reset`] |
//! | [acknowledged](Exchange::acknowledged) | what the client's kernel has | all that was sent: a write goes into the client's queue, which has room for about 200 KiB |
//! | connecting to a peer that is [down](Peer::down) | refused | refused; after its end, there is no such file |
//!
//! A reset needs a byte that is unread, so the last byte of a request stays with the kernel until the next one arrives, or the
//! connection ends in another way. There is none if the client has sent nothing ([`faults::reset_on_accept`]), or if its request ended
//! with its half-close ([`Framing::eof`]). Systems other than Linux have no reset there: the client sees an ordinary close.
//!
//! # Timeouts
//!
//! Each wait for a client has one: for the first byte of a request ([`idle_timeout`](TcpServerBuilder::idle_timeout)), for the
//! rest of it and for the client to take its response ([`timeout`](TcpServerBuilder::timeout)), for its close
//! ([`linger`](TcpServerBuilder::linger)). A server in the foreground waits for a client to connect without one, unless
//! [`accept_timeout`](TcpServer::accept_timeout) is set. Errors name the connection, the step and the bytes seen.
//! [`Peer::finish`] and the drop have one time for everything that is open then
//! ([`finish_timeout`](TcpServerBuilder::finish_timeout)). Your own sinks, sources and observers have no other timeout: code that
//! never returns holds up only calls of the same sink, source or observer, and is an error in the end.
//!
//! # Threads
//!
//! All peers of a process share one thread, which waits for all of their connections; a connection that waits costs no thread. Your
//! own code (closures, sinks, sources, readers, observers) runs in threads of its peer. The first of them is started where the
//! peer is, so that what a closure prints or panics with belongs to its own test.
//!
//! # Platform notes
//!
//! Tested on Linux and, as a Windows program, under Wine; for macOS and FreeBSD it is only compiled. Elsewhere than on Linux:
//!
//! - [`Peer::down`] is an error, and so is [`Peer::up`] after [`closes_after`](TcpServerBuilder::closes_after), which gives the port
//!   back.
//! - Windows has no [Unix sockets](#unix-sockets) here; elsewhere a reset of one is an ordinary close.
//! - [`Unserved::full_backlog`](faults::Unserved::full_backlog) is an error where a full backlog refuses connections.
//! - The end of the stream follows the last byte of a response in a segment of its own.
//! - Windows may hide a client that resets its connection before the peer accepts it: it is in no journal then, and reported to no observer.
//!
//! Linux, macOS, FreeBSD and Windows (10, version 1703, and later) report what a client has acknowledged. Other systems, and Wine 8, do not. There
//! [`Peer::finish`] waits for the whole linger time if a client keeps its connection open, a [reset](Ending::Reset) does not wait
//! for the delivery of what was sent before it, [`Ending::StopReading`] waits for its timeout, and [`Exchange::acknowledged`] is
//! `None`.
//!
//! # Cargo features
//!
//! `cli` (on by default) builds the program `tcpserver`. With `default-features = false` the program and the crates that only it
//! needs are left out: this is what tests need.
//!
//! `json`, which `cli` implies, has `JournalLines` and `Journal::to_json_lines`: what happens as JSON, one object a line, for programs
//! in other languages. It adds `serde` and `serde_json`.
//!
#![cfg_attr(
    feature = "tls",
    doc = "`tls` (off by default, and not implied by `cli`) has peers over TLS, and certificates for them: the module [`tls`]. It adds the crates rustls, with ring, and rcgen."
)]
#![cfg_attr(
    not(feature = "tls"),
    doc = "`tls` (off by default, and not implied by `cli`) has peers over TLS, and certificates for them. It adds the crates rustls, with ring, and rcgen."
)]
//!
//! `tls-system-roots` (off by default) implies `tls`, and lets a [`Proxy`] trust upstreams over TLS as other programs of the system do. It
//! adds rustls-native-certs.

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
#[cfg(feature = "tls")]
pub mod tls;

pub use error::{Error, Result};
#[doc(inline)]
pub use faults::garbage;
pub use framing::length_prefix::LengthPrefix;
pub use framing::parse::ParseFramingError;
pub use framing::rule::Framing;
pub use http1::problem::Problem;
pub use journal::client::{Client, ClientEnd};
pub use journal::client_hello::ClientHello;
pub use journal::exchange::{Exchange, Times};
pub use journal::peer_report::PeerReport;
pub use journal::record::{ConnectionRecord, Journal};
pub use journal::request::{BodyError, Request, RequestEnd};
pub use os::address::Address;
pub use response::delay::Delay;
pub use response::ending::Ending;
pub use response::gate::Gate;
pub use response::http;
pub use response::steps::Response;
pub use server::builder::{Answered, TcpServerBuilder, Unanswered};
pub use server::connection::{Connection, Reader, Sender};
#[cfg(feature = "json")]
pub use server::journal_lines::JournalLines;
pub use server::manual_peer::ManualPeer;
pub use server::peer::Peer;
pub use server::tcp_server::TcpServer;
pub use server::transcript::Transcript;
pub use serving::event::Event;
pub use serving::stop::Stop;
pub use sink::closure::FnSink;
pub use sink::file::FileSink;
pub use sink::memory::MemorySink;
pub use sink::numbered::NumberedFileSink;
pub use sink::request_sink::RequestSink;
pub use sink::writer::WriterSink;
pub use source::conversation::{self, Conversation};
pub use source::file::FileSource;
pub use source::folder::FolderSource;
#[doc(hidden)]
pub use source::hints::Hints;
pub use source::per_connection::PerConnection;
pub use source::proxy::Proxy;
pub use source::response_source::{MapResponse, ResponseSource};
pub use source::sequence::Sequence;

// Threads share a peer, and errors travel: the compiler holds that.
const _: () = {
    const fn is_shared<T: Send + Sync + 'static>() {}
    is_shared::<Peer>();
    is_shared::<TcpServer>();
    is_shared::<Error>();
    is_shared::<Exchange>();
    is_shared::<Journal>();
    is_shared::<Request>();
};
