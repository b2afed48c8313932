//! The server and its builder: settings, defaults, and the way in.

use std::fmt;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::framing::Framing;
use crate::journal::exchange::Exchange;
use crate::os::address;
use crate::os::stream::PASSES_ON_OPTIONS;
use crate::response::steps::Response;
use crate::server::peer::Peer;
use crate::serving::event::Event;
use crate::serving::foreground;
use crate::serving::host::PATIENCE;
use crate::serving::service::{Role, Service};
use crate::serving::settings::Settings;
use crate::serving::stop::Stop;
use crate::serving::user_code::{Observer, Plug};
use crate::sink::request_sink::RequestSink;
use crate::source::response_source::ResponseSource;

/// A server: bound and listening, not yet serving.
///
/// Clients can connect from the moment it exists; they are served by [`serve_once`](Self::serve_once),
/// [`serve`](Self::serve) and [`serve_until`](Self::serve_until). Dropping it closes the port and every connection; one
/// that has had its answer gets the orderly close.
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
/// assert_eq!(exchange.request().bytes(), b"GET / HTTP/1.1\r\n\r\n");
/// assert_eq!(client.join().unwrap()?, "HTTP/1.1 204 No Content\r\n\r\n");
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct TcpServer {
    service: Arc<Service>,
    accept_timeout: Option<Duration>,
}

impl TcpServer {
    /// Settings to begin with, all at their defaults.
    pub fn builder() -> TcpServerBuilder {
        TcpServerBuilder::new()
    }

    /// The address that the server listens on, with the port that it was given.
    pub fn local_addr(&self) -> SocketAddr {
        self.service.addr()
    }

    /// The port that the server listens on.
    pub fn port(&self) -> u16 {
        self.local_addr().port()
    }

    /// The `http` URL of a path on this server. The path is appended as it is, with the `/` that it begins with.
    ///
    /// ```
    /// let server = fake_peer::TcpServer::builder().bind()?;
    /// assert_eq!(server.url("/a?b"), format!("http://{}/a?b", server.local_addr()));
    /// # Ok::<(), fake_peer::Error>(())
    /// ```
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.local_addr())
    }

    /// How long [`serve_once`](Self::serve_once), [`serve`](Self::serve) and [`serve_until`](Self::serve_until) wait for a
    /// request to begin. `None` waits for ever.
    ///
    /// Defaults to `None`.
    ///
    /// Platform notes: on Windows the time counts only after a client that stays silent has connected.
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
    #[must_use]
    pub fn accept_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.accept_timeout = timeout.into();
        self
    }

    /// Serves one exchange: waits for a request, records it, answers it, and ends its connection.
    ///
    /// A connection that ends without a byte (a port scan, a browser's preconnect) is told to
    /// [`on_event`](TcpServerBuilder::on_event) and not counted. One that stays silent does not keep others waiting:
    /// it is set aside, in a thread that is started only then, and served if it speaks first after all.
    ///
    /// A client that leaves while it is being answered has had its exchange: [`Exchange::sent`] and
    /// [`Exchange::client_end`] tell how far it came.
    ///
    /// # Errors
    ///
    /// When the exchange failed: see [`Error`]. The server can go on serving.
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

    /// Serves exchanges until `stop` says that it is enough, connections side by side: a silent one, or one that is being
    /// closed, keeps no other waiting. Returns when the exchanges that have begun are over.
    ///
    /// Each exchange is told to [`on_event`](TcpServerBuilder::on_event) when it is over. A connection that was
    /// [kept open](crate::Response::keep_open) is left open for the next call, and closed in an orderly way when the
    /// server is dropped.
    ///
    /// # Errors
    ///
    /// The first error of an exchange; serving went on after it. [`Error::NoRequest`] if none began within the
    /// [accept timeout](Self::accept_timeout), and none was being served; it counts anew from each exchange.
    ///
    /// # Panics
    ///
    /// With the panic of a sink, a source or an observer, after which no exchange begins.
    pub fn serve_until(&self, stop: &Stop) -> Result<()> {
        foreground::serve_until(&self.service, stop, self.accept_timeout)
    }
}

impl Drop for TcpServer {
    fn drop(&mut self) {
        self.service.stop();
    }
}

/// What a server is to do: made by [`TcpServer::builder`].
pub struct TcpServerBuilder {
    addr: String,
    listener: Option<TcpListener>,
    backlog: u32,
    settings: Settings,
    sink: Option<Box<dyn RequestSink>>,
    source: Box<dyn ResponseSource>,
    observer: Option<Observer>,
}

impl TcpServerBuilder {
    fn new() -> Self {
        TcpServerBuilder {
            addr: "127.0.0.1:0".into(),
            listener: None,
            backlog: 1024,
            settings: Settings::default(),
            sink: None,
            source: Box::new(Response::new()),
            observer: None,
        }
    }

    /// Where to listen: `host:port`, as text or as a [`SocketAddr`]. Port 0 takes a free one. `localhost` is
    /// 127.0.0.1, whatever the resolver lists first; `[::1]:0` is there for who wants IPv6.
    ///
    /// Defaults to `127.0.0.1:0`.
    #[must_use]
    #[allow(clippy::needless_pass_by_value)] // `&str` and `SocketAddr` alike, without a borrow at the call site
    pub fn addr(mut self, addr: impl ToString) -> Self {
        self.addr = addr.to_string();
        self
    }

    /// Serves on a listener made elsewhere, instead of [`addr`](Self::addr) and [`backlog`](Self::backlog). It is set
    /// to blocking. Nobody else may accept on it or on a clone of it: it is shut down in the end.
    ///
    /// Defaults to none.
    #[must_use]
    pub fn listener(mut self, listener: TcpListener) -> Self {
        self.listener = Some(listener);
        self
    }

    /// How many connections may wait to be accepted: the `listen(2)` backlog. The system has a limit of its own
    /// (`net.core.somaxconn` on Linux).
    ///
    /// Defaults to 1024.
    #[must_use]
    pub fn backlog(mut self, connections: u32) -> Self {
        self.backlog = connections;
        self
    }

    /// Where request bytes go.
    ///
    /// Defaults to nowhere: the exchange has the request.
    #[must_use]
    pub fn sink(mut self, sink: impl RequestSink + 'static) -> Self {
        self.sink = Some(Box::new(sink));
        self
    }

    /// Where responses come from: bytes, a [`Response`], a [`FileSource`](crate::FileSource), a closure, or a
    /// [`ResponseSource`] of your own.
    ///
    /// Defaults to an empty response: the connection closes.
    #[must_use]
    pub fn source(mut self, source: impl ResponseSource + 'static) -> Self {
        self.source = Box::new(source);
        self
    }

    /// The rule that says where a request ends.
    ///
    /// Defaults to [`Framing::auto`].
    #[must_use]
    pub fn framing(mut self, framing: Framing) -> Self {
        self.settings.framing = framing;
        self
    }

    /// How long a connection may stay silent before its request begins; then it is closed. `None` lets it.
    ///
    /// Defaults to 10 seconds.
    #[must_use]
    pub fn idle_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.idle_timeout = timeout.into();
        self
    }

    /// How long a client may keep an exchange waiting: send nothing of a request that has begun, or take nothing of
    /// its response. Each byte that moves begins it anew. `None` waits for ever. When it is over the exchange fails.
    ///
    /// It is also the longest that a response waits at a [gate](Response::gate), which fails the exchange, too, and that
    /// [`Ending::Hold`](crate::Ending::Hold), [`HalfClose`](crate::Ending::HalfClose) and
    /// [`StopReading`](crate::Ending::StopReading) keep a connection, which does not: it is closed. Pauses count for nothing
    /// here.
    ///
    /// Defaults to 10 seconds.
    #[must_use]
    pub fn timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.timeout = timeout.into();
        self
    }

    /// How long a connection is kept, after the last byte of the response, for the client to close it: see
    /// [closing](crate#closing).
    ///
    /// Defaults to 2 seconds.
    #[must_use]
    pub fn linger(mut self, linger: Duration) -> Self {
        self.settings.linger = linger;
        self
    }

    /// How many bytes of each request, and of what follows it, are kept in memory. The sink gets all of them.
    ///
    /// Defaults to 1 MiB (1,048,576 bytes).
    #[must_use]
    pub fn retain(mut self, bytes: usize) -> Self {
        self.settings.retain = bytes;
        self
    }

    /// How many bytes a framing may buffer while it looks for the end of a request: the longest HTTP head, the longest
    /// request of a [closure](Framing::from_fn).
    ///
    /// Defaults to 16 MiB (16,777,216 bytes).
    #[must_use]
    pub fn buffer_limit(mut self, bytes: usize) -> Self {
        self.settings.buffer_limit = bytes;
        self
    }

    /// Calls `observer` with what happens, when it happens, in the thread in which it happens; one call at a time.
    /// The server itself prints nothing.
    ///
    /// ```
    /// use fake_peer::{Event, TcpServer};
    /// # use std::io::{Read, Write};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (lines, told) = std::sync::mpsc::channel();
    /// let peer = TcpServer::builder()
    ///     .source("pong")
    ///     .on_event(move |event| match event {
    ///         Event::Received(_, bytes) => lines.send(format!("> {}", bytes.escape_ascii())).unwrap(),
    ///         Event::Sent(_, bytes) => lines.send(format!("< {}", bytes.escape_ascii())).unwrap(),
    ///         _ => {}
    ///     })
    ///     .spawn()?;
    /// # let mut client = std::net::TcpStream::connect(peer.addr())?;
    /// # client.write_all(b"ping")?;
    /// # client.read_to_end(&mut Vec::new())?;
    /// # drop(client);
    /// peer.finish()?;
    /// assert_eq!(told.iter().collect::<Vec<_>>(), ["> ping", "< pong"]);
    /// # Ok(()) }
    /// ```
    ///
    /// Defaults to no observer.
    #[must_use]
    pub fn on_event(mut self, observer: impl FnMut(&Event<'_>) + Send + 'static) -> Self {
        self.observer = Some(Box::new(observer));
        self
    }

    /// Binds and listens.
    ///
    /// # Errors
    ///
    /// [`Error::Listen`] if the address cannot be resolved or bound.
    pub fn bind(self) -> Result<TcpServer> {
        Ok(TcpServer { service: self.service(Role::Foreground)?, accept_timeout: None })
    }

    /// Binds, listens and serves in the background: see [`Peer`].
    ///
    /// # Errors
    ///
    /// [`Error::Listen`] if the address cannot be resolved or bound, [`Error::Accept`] if no thread can be started.
    pub fn spawn(self) -> Result<Peer> {
        Peer::start(self.service(Role::Peer)?)
    }

    fn service(self, role: Role) -> Result<Arc<Service>> {
        let plug = Plug::new(self.sink, self.source, self.observer);
        let options_are_set = PASSES_ON_OPTIONS && self.listener.is_none();
        let patience = (options_are_set && role == Role::Peer).then_some(PATIENCE);
        let (addr, listener) = if let Some(listener) = self.listener {
            let addr = listener.local_addr().map_or(self.addr, |addr| addr.to_string());
            (addr, listener.set_nonblocking(false).map(|()| listener))
        } else {
            let listener = address::listen(&self.addr, self.backlog, patience);
            (self.addr, listener)
        };
        listener
            .and_then(|listener| {
                Service::new(listener, self.settings, plug, role, options_are_set, patience)
            })
            .map_err(|source| Error::Listen { addr, source })
    }
}

impl fmt::Debug for TcpServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpServerBuilder")
            .field("addr", &self.addr)
            .field("listener", &self.listener)
            .field("backlog", &self.backlog)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
