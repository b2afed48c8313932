//! The ways to start a peer: from an answer, or with settings.

use super::builder::TcpServerBuilder;
use super::peer::Peer;
use crate::error::Result;
use crate::journal::request::Request;
use crate::response::steps::Response;
use crate::serving::service::Role;
use crate::source::response_source::ResponseSource;

impl Peer {
    /// A peer on a free port of 127.0.0.1 that answers all requests from this source: with one fixed answer, a
    /// [`Sequence`](crate::Sequence), a closure (see [`answer_with`](Self::answer_with)). All settings have their defaults; [`builder`](Self::builder) changes them.
    ///
    /// # Panics
    ///
    /// If there is no free port, or no thread can be started.
    #[track_caller]
    pub fn answer(source: impl ResponseSource + 'static) -> Self {
        match Peer::builder().source(source).spawn() {
            Ok(peer) => peer,
            Err(error) => panic!("{}", error.report()),
        }
    }

    /// A peer like that of [`answer`](Self::answer) that answers each request with what a closure returns: a
    /// [`Response`], or bytes. The closure's parameter needs no type here. Its calls come one at a time, for all connections of the peer:
    /// one that blocks holds up the others. See [`ResponseSource`].
    ///
    /// ```
    /// use fake_peer::Peer;
    ///
    /// let peer = Peer::answer_with(|request| if request.target() == Some("/") { "home" } else { "elsewhere" });
    /// # use std::io::{Read, Write};
    /// # for (path, expected) in [("/", "home"), ("/a", "elsewhere")] {
    /// #     let mut client = std::net::TcpStream::connect(peer.addr())?;
    /// #     write!(client, "GET {path} HTTP/1.1\r\n\r\n")?;
    /// #     let mut answer = String::new();
    /// #     client.read_to_string(&mut answer)?;
    /// #     assert_eq!(answer, expected);
    /// # }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Panics
    ///
    /// If there is no free port, or no thread can be started.
    #[track_caller]
    pub fn answer_with<R>(answer: impl FnMut(&Request) -> R + Send + 'static) -> Self
    where
        R: Into<Response>,
    {
        Peer::answer(answer)
    }

    /// A peer like that of [`answer`](Self::answer) that listens on a Unix socket instead of a TCP port, in a temporary folder of its
    /// own: the same bytes, framings, responses and conversations. [`path`](Self::path) is its address. The file and the folder are
    /// removed with the peer. [Unix sockets](crate#unix-sockets) says what differs.
    ///
    /// ```
    /// use fake_peer::Peer;
    /// use std::io::{Read, Write};
    /// use std::os::unix::net::UnixStream;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let peer = Peer::unix("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
    /// let mut client = UnixStream::connect(peer.path())?;
    /// client.write_all(b"GET /version HTTP/1.1\r\n\r\n")?;
    /// let mut answer = String::new();
    /// client.read_to_string(&mut answer)?;
    ///
    /// assert!(answer.ends_with("\r\n\r\nhi"));
    /// assert_eq!(peer.take_request().target(), Some("/version"));
    /// # Ok(()) }
    /// ```
    ///
    /// # Panics
    ///
    /// If no folder can be made, its path is too long, or no thread can be started.
    ///
    /// Platform notes: Unix only.
    #[cfg(unix)]
    #[track_caller]
    pub fn unix(source: impl ResponseSource + 'static) -> Self {
        match Peer::builder().source(source).unix_in_temporary_folder().spawn() {
            Ok(peer) => peer,
            Err(error) => panic!("{}", error.report()),
        }
    }

    /// Settings for a peer, all at their defaults; [`spawn`](crate::TcpServerBuilder::spawn) starts it. The same builder as
    /// that of [`TcpServer::builder`](crate::TcpServer::builder).
    pub fn builder() -> TcpServerBuilder {
        TcpServerBuilder::new()
    }
}

impl<A> TcpServerBuilder<A> {
    /// Binds, listens and serves in the background: see [`Peer`].
    ///
    /// # Errors
    ///
    /// [`Error::Listen`](crate::Error::Listen) if the address cannot be resolved or bound, [`Error::Accept`](crate::Error::Accept) if no thread can be started.
    #[track_caller]
    pub fn spawn(self) -> Result<Peer> {
        Ok(Peer::of(self.service(Role::Peer)?))
    }
}
