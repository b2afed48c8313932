//! Peers over TLS, and what goes wrong in TLS, as values. With the feature `tls`.
//!
//! A [`Ca`] makes certificates that no program trusts which was not given its certificate. [`Ca::server`] has the settings of a server,
//! which [`TcpServerBuilder::tls`](crate::TcpServerBuilder::tls) takes:
//!
//! ```
//! use fake_peer::{Peer, http, tls};
//! # use std::io::{Read, Write};
//! # use std::net::TcpStream;
//! # use std::sync::Arc;
//! # use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
//! # fn get(url: &str, der: &[u8]) -> Result<String, Box<dyn std::error::Error>> {
//! #     let mut roots = RootCertStore::empty();
//! #     roots.add(der.to_vec().into())?;
//! #     let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
//! #     let port: u16 = url.rsplit(':').next().unwrap().trim_end_matches('/').parse()?;
//! #     let client = ClientConnection::new(Arc::new(config), "localhost".try_into()?)?;
//! #     let mut client = StreamOwned::new(client, TcpStream::connect(("127.0.0.1", port))?);
//! #     client.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
//! #     let mut answer = String::new();
//! #     client.read_to_string(&mut answer)?;
//! #     Ok(answer)
//! # }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let ca = tls::Ca::new();
//! let peer = Peer::builder().tls(ca.server("localhost")).source(http::ok("hi")).spawn()?;
//! // A client that trusts `ca.der()`, or `ca.pem()`, or `ca.pem_file()`.
//! let answer = get(&peer.url("/"), ca.der())?;
//!
//! assert!(answer.ends_with("\r\n\r\nhi"));
//! let exchange = peer.take(std::time::Duration::from_secs(10))?;
//! assert_eq!(exchange.client().tls().unwrap().version(), "TLS 1.3");
//! # Ok(()) }
//! ```
//!
//! Requests and responses are those of a peer without TLS, byte for byte: framings, sinks, sources, conversations, cuts and endings do the
//! same. So do servers in the foreground, and connections that a test drives by hand. The journal has a line for each handshake.
//!
//! # What is wrong with a certificate
//!
//! | flaw | |
//! |---|---|
//! | it has expired, or is not valid yet | [`expired`](Server::expired), [`not_yet_valid`](Server::not_yet_valid) |
//! | it is for another host | [`for_host`](Server::for_host) |
//! | its name stands in the common name only | [`name_only_in_common_name`](Server::name_only_in_common_name) |
//! | it is signed by itself | [`self_signed`](Server::self_signed) |
//! | it is signed by an unknown authority | another [`Ca::new`] |
//! | the way to its authority is missing | [`without_intermediate`](Server::without_intermediate); as it should be: [`with_intermediate`](Server::with_intermediate) |
//! | it is not for servers | [`wrong_key_usage`](Server::wrong_key_usage) |
//!
//! All times are relative to now, so that no test expires.
//!
//! # A client that says no
//!
//! A handshake that fails is no exchange. It is a connection in the journal, with the [reason](crate::ConnectionRecord::handshake_failure)
//! in words, and a failure of the peer: [`take`](crate::Peer::take) returns it as [`Error::Handshake`](crate::Error::Handshake), or
//! [`finish`](crate::Peer::finish) does, so that no client is rejected, or rejects, unnoticed. A test that expects it says so in one of
//! two ways. It takes the error:
//!
//! ```
//! use fake_peer::{Error, Peer, tls};
//! # use std::sync::Arc;
//! # use std::time::Duration;
//! # use rustls::{ClientConfig, ClientConnection, RootCertStore};
//! # fn connect(port: u16, der: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
//! #     let mut roots = RootCertStore::empty();
//! #     roots.add(der.to_vec().into())?;
//! #     let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
//! #     let mut client = ClientConnection::new(Arc::new(config), "localhost".try_into()?)?;
//! #     let mut stream = std::net::TcpStream::connect(("127.0.0.1", port))?;
//! #     while client.is_handshaking() { client.complete_io(&mut stream)?; }
//! #     Ok(())
//! # }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let ca = tls::Ca::new();
//! let peer = Peer::builder().tls(ca.server("localhost").expired()).source("hi").spawn()?;
//! assert!(connect(peer.port(), ca.der()).is_err());
//!
//! let error = peer.take(Duration::from_secs(10)).unwrap_err();
//! assert!(matches!(error, Error::Handshake { .. }));
//! assert!(error.report().to_string().ends_with("the client sent the alert `certificate_expired` (45)"));
//! # Ok(()) }
//! ```
//!
//! Or it allows [`clients_may_leave_early`](crate::TcpServerBuilder::clients_may_leave_early), and asks the journal. A connection without a
//! byte is silent, as without TLS, and a handshake that [was to break](Server::breaks_after) is no failure. In a server in the foreground
//! [`serve_once`](crate::TcpServer::serve_once) returns the error, and counts no exchange.
//!
//! # What goes wrong below
//!
//! | fault | |
//! |---|---|
//! | the end of the response is not announced: a truncation attack | [`Ending::NoCloseNotify`](crate::Ending::NoCloseNotify) |
//! | the response breaks off after a byte of its plaintext | [`Response::cut`](crate::Response::cut) |
//! | … of its ciphertext, within a record | [`Response::cut_ciphertext`](crate::Response::cut_ciphertext) |
//! | the connection breaks off after a byte of all its ciphertext | [`Server::cut_ciphertext`] |
//! | the handshake is closed, reset, or stalls after a flight | [`Server::breaks_after`] |
//! | a record is altered on the way | [`Response::alter_record`](crate::Response::alter_record) |
//! | keys change within a response | [`Response::update_keys`](crate::Response::update_keys) |
//! | no version, or no application protocol in common | [`Server::versions`], [`Server::alpn`] |
//! | the client's certificate is missing, or not accepted | [`Server::requires_client_certificate`] |
//!
//! [How clients react](#how-clients-react) is at the end.
//!
//! # How a connection ends
//!
//! [`Ending::Close`](crate::Ending::Close) and [`HalfClose`](crate::Ending::HalfClose) send the alert `close_notify`, then end the stream.
//! [`Reset`](crate::Ending::Reset), [`CloseAtOnce`](crate::Ending::CloseAtOnce), [`Hold`](crate::Ending::Hold) and
//! [`StopReading`](crate::Ending::StopReading) send nothing.
//!
//! The client's `close_notify` is its half-close: it ends a request under every framing, and the response is still sent. If its stream ends
//! without one, a request that has begun was cut short, also under [`Framing::eof`](crate::Framing::eof).
//!
//! # TLS that begins later
//!
//! [`Response::then_tls`](crate::Response::then_tls) begins TLS after a response, at any turn of a conversation:
//!
//! ```
//! use fake_peer::{Conversation, Response, tls};
//!
//! let ca = tls::Ca::new();
//! let conversation = Conversation::new()
//!     .say("220 mx.test\r\n")
//!     .expect("STARTTLS\r\n")
//!     .say(Response::from("220 go ahead\r\n").then_tls(&ca.server("localhost")))
//!     .expect("EHLO me\r\n")
//!     .say("250 mx.test\r\n");
//! # drop(conversation);
//! ```
//!
//! # What rustls decides
//!
//! TLS 1.2 and 1.3 are spoken by [rustls](https://docs.rs/rustls) with the cryptography of ring: its cipher suites and curves, no older
//! versions. The peer resumes no session and sends no session tickets, so every connection has a whole handshake, and not one byte is
//! sent that no one has asked for. What is byte-exact is the plaintext: how it is cut into records is said at
//! [`cut_ciphertext`](crate::Response::cut_ciphertext).
//!
#![doc = include_str!("clients.md")]

mod buffer;
mod ca;
mod client_stream;
mod flight;
mod identity;
mod issue;
mod layer;
mod pem_file;
mod recipe;
mod resolver;
mod secured;
mod server;
mod span;
mod starttls;
mod trust;
mod words;

pub use ca::Ca;
pub use flight::Flight;
pub use identity::Identity;
pub use pem_file::PemFile;
pub use server::{Server, Version};

pub(crate) use client_stream::ClientStream;
pub(crate) use trust::Trust;

pub use crate::os::session::Session;
