//! A server in the foreground: it serves when its user calls it.

use std::net::SocketAddr;
use std::panic;
#[cfg(unix)]
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::builder::TcpServerBuilder;
use super::listens_on;
use crate::error::{Error, Result};
use crate::journal::exchange::Exchange;
use crate::os::address::Address;
use crate::serving::failure::Fault;
use crate::serving::foreground;
use crate::serving::service::{Role, Service};
use crate::serving::stop::Stop;

/// A server: bound and listening, not yet serving.
///
/// Clients can connect as soon as it exists. They are served by [`serve_once`](Self::serve_once), [`serve`](Self::serve) and
/// [`serve_until`](Self::serve_until). The drop closes the port and every connection; connections whose response was sent are
/// closed in the [orderly way](crate#closing).
///
/// ```
/// use fake_peer::TcpServer;
/// use std::io::{Read, Write};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = TcpServer::builder().source("HTTP/1.1 204 No Content\r\n\r\n").bind()?;
/// let addr = server.local_addr();
/// let client = std::thread::spawn(move || -> std::io::Result<String> {
///     let mut stream = std::net::TcpStream::connect(addr)?;
///     stream.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
///     let mut answer = String::new();
///     stream.read_to_string(&mut answer)?;
///     Ok(answer)
/// });
///
/// let exchange = server.serve_once()?;
/// exchange.request().assert_bytes("GET / HTTP/1.1\r\n\r\n");
/// assert_eq!(client.join().unwrap()?, "HTTP/1.1 204 No Content\r\n\r\n");
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "a server stops listening when it is dropped"]
pub struct TcpServer {
    service: Arc<Service>,
    accept_timeout: Option<Duration>,
}

impl TcpServer {
    /// Settings for a server, all at their defaults; [`bind`](TcpServerBuilder::bind) makes it listen.
    pub fn builder() -> TcpServerBuilder {
        TcpServerBuilder::new()
    }

    #[cfg(feature = "cli")]
    pub(crate) fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// Where the server listens, at whichever kind of address.
    pub fn address(&self) -> &Address {
        self.service.addr()
    }

    /// The address that the server listens on, with its actual port.
    ///
    /// # Panics
    ///
    /// If it listens on a Unix socket, whose address is its [`path`](Self::path).
    #[track_caller]
    pub fn local_addr(&self) -> SocketAddr {
        listens_on::tcp(self.service.addr())
    }

    /// The path of the [Unix socket](TcpServerBuilder::unix) that the server listens on.
    ///
    /// # Panics
    ///
    /// If it listens on a TCP port, whose address is [`local_addr`](Self::local_addr); if it was given a listener without a path.
    ///
    /// Platform notes: Unix only.
    #[cfg(unix)]
    #[track_caller]
    pub fn path(&self) -> &Path {
        listens_on::path(self.service.addr())
    }

    /// The port that the server listens on.
    ///
    /// # Panics
    ///
    /// As [`local_addr`](Self::local_addr).
    #[track_caller]
    pub fn port(&self) -> u16 {
        self.local_addr().port()
    }

    /// The `http` URL of a path on this server. The path is appended unchanged, so it begins with `/`. Over TLS, the `https` URL, with
    /// the name for which the server's certificate was made, as [`Peer::url`](crate::Peer::url).
    ///
    /// # Panics
    ///
    /// As [`local_addr`](Self::local_addr).
    ///
    /// ```
    /// let server = fake_peer::TcpServer::builder().bind()?;
    /// assert_eq!(server.url("/a?b"), format!("http://{}/a?b", server.local_addr()));
    /// # Ok::<(), fake_peer::Error>(())
    /// ```
    #[track_caller]
    pub fn url(&self, path: &str) -> String {
        listens_on::url(&self.service, path)
    }

    /// How long [`serve_once`](Self::serve_once), [`serve`](Self::serve) and [`serve_until`](Self::serve_until) wait for a
    /// request to begin. `None` waits for ever.
    ///
    /// Defaults to `None`.
    ///
    /// ```
    /// use fake_peer::{Error, TcpServer};
    /// use std::time::Duration;
    ///
    /// let server = TcpServer::builder().bind()?.accept_timeout(Duration::from_millis(20));
    /// let error = server.serve_once().unwrap_err();
    /// assert!(matches!(error, Error::NoRequest { .. }), "{error}");
    /// # Ok::<(), Error>(())
    /// ```
    pub fn accept_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.accept_timeout = timeout.into();
        self
    }

    /// Serves one exchange: waits for a request, records it, answers it, and ends its connection.
    ///
    /// A connection that ends without a byte (a port scan, a browser's preconnect) is reported to
    /// [`on_event`](TcpServerBuilder::on_event) and not counted. A silent connection does not delay others, and is served if its
    /// request is the first one. No thread is started: sinks, sources and observers run in the calling thread. If several threads call
    /// this at once, one of them serves for all, and each call returns the next exchange that is over.
    ///
    /// If the client leaves while it is being answered, the exchange is not an error: [`Exchange::sent`] and
    /// [`Exchange::client_end`] show how far it came.
    ///
    /// # Errors
    ///
    /// If the exchange failed: see [`Error`](crate::Error). The server can go on serving.
    ///
    /// # Panics
    ///
    /// With the panic of a sink, a source or an observer.
    pub fn serve_once(&self) -> Result<Exchange> {
        foreground::serve_once(&self.service, self.accept_timeout)
    }

    /// Serves this many exchanges: [`serve_until`](Self::serve_until) with [`Stop::after`].
    ///
    /// # Errors
    ///
    /// As [`serve_until`](Self::serve_until).
    ///
    /// # Panics
    ///
    /// With the panic of a sink, a source or an observer.
    pub fn serve(&self, exchanges: u64) -> Result<()> {
        self.serve_until(&Stop::after(exchanges))
    }

    /// Serves exchanges until `stop` ends it, connections side by side: a silent connection, or one that is being closed, delays no
    /// other. Returns when the exchanges in progress are over.
    ///
    /// Each exchange is reported to [`on_event`](TcpServerBuilder::on_event) when it is over. A connection that was
    /// [kept open](crate::Response::keep_open) stays open for the next call, and is closed in the orderly way when the server is
    /// dropped.
    ///
    /// # Errors
    ///
    /// The first error of an exchange; serving went on after it. [`Error::NoRequest`](crate::Error::NoRequest) if none began within the
    /// [accept timeout](Self::accept_timeout), and none was in progress; the time starts again with each exchange.
    ///
    /// # Panics
    ///
    /// With the panic of a sink, a source or an observer, after which no exchange begins.
    pub fn serve_until(&self, stop: &Stop) -> Result<()> {
        foreground::serve_until(&self.service, stop, self.accept_timeout)
    }
}

impl TcpServer {
    /// Closes the port and every connection, as the drop does, and asks the source whether everything was used, which the drop
    /// does not.
    ///
    /// # Errors
    ///
    /// [`Error::LeftOver`](crate::Error::LeftOver): a [`Sequence`](crate::Sequence) has answers left, a
    /// [`Conversation`](crate::Conversation) was not played to its end, or a [`Proxy`](crate::Proxy) could not complete its record.
    ///
    /// ```
    /// use fake_peer::{Error, Sequence, TcpServer};
    ///
    /// let server = TcpServer::builder().source(Sequence::new(["only"])).bind()?;
    /// let error = server.finish().unwrap_err();
    /// assert!(error.report().to_string().ends_with("only 0 of the sequence's 1 answer were fetched"));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn finish(self) -> Result<()> {
        foreground::stop(&self.service);
        match self.service.end() {
            Err(Fault::Error(error @ Error::LeftOver { .. })) => Err(error),
            Err(Fault::Panic(payload)) => panic::resume_unwind(payload),
            Err(Fault::Error(_)) | Ok(()) => Ok(()),
        }
    }
}

impl<A> TcpServerBuilder<A> {
    /// Binds and listens.
    ///
    /// # Errors
    ///
    /// [`Error::Listen`](crate::Error::Listen) if the address cannot be resolved or bound.
    #[track_caller]
    pub fn bind(self) -> Result<TcpServer> {
        Ok(TcpServer { service: self.service(Role::Foreground)?, accept_timeout: None })
    }
}

impl Drop for TcpServer {
    fn drop(&mut self) {
        foreground::stop(&self.service);
    }
}
