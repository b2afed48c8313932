//! The settings of servers and peers, and their defaults.

use std::fmt;
use std::marker::PhantomData;
use std::net::TcpListener;
#[cfg(unix)]
use std::os::unix::net::UnixListener;
use std::panic::{self, AssertUnwindSafe, Location};
#[cfg(unix)]
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::connection::Connection;
use super::manual_peer::ManualPeer;
use super::peer::Peer;
use crate::error::{Error, Result};
use crate::framing::rule::Framing;
use crate::journal::request::Request;
use crate::os::address;
#[cfg(unix)]
use crate::os::address::Address;
use crate::os::listener::Listener;
use crate::response::steps::Response;
use crate::serving::by_hand::arrivals::Arrivals;
use crate::serving::event::Event;
use crate::serving::service::{Role, Service};
use crate::serving::settings::Settings;
use crate::serving::user_code::{Observer, UserCode};
use crate::sink::request_sink::RequestSink;
use crate::source::response_source::ResponseSource;

/// The settings of a server or a peer: made by [`TcpServer::builder`](crate::TcpServer::builder) and
/// [`Peer::builder`](crate::Peer::builder).
///
/// `A` says whether something answers already: connections are answered by a source or driven by hand, not both.
#[must_use = "nothing listens before `bind` or `spawn`"]
pub struct TcpServerBuilder<A = Unanswered> {
    place: Place,
    backlog: u32,
    settings: Settings,
    sink: Option<Box<dyn RequestSink>>,
    source: Box<dyn ResponseSource>,
    observer: Option<Observer>,
    arrivals: Option<Arrivals>,
    answers: PhantomData<A>,
}

/// Where a server listens.
#[derive(Debug)]
enum Place {
    /// At an address, as text.
    Addr(String),
    Listener(TcpListener),
    #[cfg(unix)]
    Path(PathBuf),
    #[cfg(unix)]
    TemporaryFolder,
    #[cfg(unix)]
    UnixListener(UnixListener),
}

/// Of a [builder](TcpServerBuilder) without a source: the peer can be driven by hand.
#[derive(Debug, Clone, Copy)]
pub enum Unanswered {}

/// Of a [builder](TcpServerBuilder) with a source.
#[derive(Debug, Clone, Copy)]
pub enum Answered {}

impl TcpServerBuilder {
    pub(super) fn new() -> Self {
        TcpServerBuilder {
            place: Place::Addr("127.0.0.1:0".into()),
            backlog: 1024,
            settings: Settings::default(),
            sink: None,
            source: Box::new(Response::new()),
            observer: None,
            arrivals: None,
            answers: PhantomData,
        }
    }

    /// Binds, listens, and lets the test drive each connection by hand: see [`ManualPeer`]. There is no source then:
    ///
    /// ```compile_fail
    /// fake_peer::Peer::builder().source("hi").by_hand();
    /// ```
    ///
    /// # Errors
    ///
    /// As [`spawn`](Self::spawn).
    #[track_caller]
    pub fn by_hand(mut self) -> Result<ManualPeer> {
        self.arrivals = Some(Arrivals::new(None));
        Ok(ManualPeer::new(self.spawn()?))
    }

    /// Binds, listens, and lets `handler` drive each connection by hand, in a thread of the peer. Connections are driven side by side.
    /// What the handler returns as an error is reported by the peer, with the connection, unless the peer reports its cause by itself (an
    /// exchange that failed); a panic comes out of [`Peer::finish`], like one of a source.
    ///
    /// When the peer ends, a handler that waits in [`read`](crate::Connection::read) for a request that has not begun gets `None`, as if
    /// its client had closed. The peer waits until it has returned, for at most the [`finish_timeout`](Self::finish_timeout). Whether
    /// the client has said enough is for the handler to say: `connection.read(framing)?.ok_or("no login")?`.
    ///
    /// ```
    /// use fake_peer::{Framing, Peer};
    /// # use std::io::{Read, Write};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// // Answers each line with the line, until the client closes.
    /// let peer = Peer::builder().handle(|mut connection| {
    ///     while let Some(line) = connection.read(Framing::until("\n"))? {
    ///         connection.send(line.bytes())?;
    ///     }
    ///     Ok(())
    /// })?;
    /// # let mut client = std::net::TcpStream::connect(peer.addr())?;
    /// # client.write_all(b"one\ntwo\n")?;
    /// # client.shutdown(std::net::Shutdown::Write)?;
    /// # let mut answer = String::new();
    /// # client.read_to_string(&mut answer)?;
    /// # assert_eq!(answer, "one\ntwo\n");
    /// # drop(client);
    /// peer.finish()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`spawn`](Self::spawn).
    #[track_caller]
    pub fn handle(
        mut self,
        handler: impl Fn(Connection) -> Result<(), Box<dyn std::error::Error + Send + Sync>>
        + Send
        + Sync
        + 'static,
    ) -> Result<Peer> {
        let drive = move |arrival| {
            panic::catch_unwind(AssertUnwindSafe(|| handler(Connection::new(arrival))))
        };
        self.arrivals = Some(Arrivals::new(Some(Arc::new(drive))));
        self.spawn()
    }
}

impl<A> TcpServerBuilder<A> {
    /// Where to listen: `host:port`, as text or as a [`SocketAddr`](std::net::SocketAddr). `localhost` is 127.0.0.1, whatever the
    /// resolver lists first. For IPv6 use `[::1]:0`.
    ///
    /// Port 0 takes a free one that no server of this process has had, on any address, so that a client with pooled connections never
    /// takes this server for an earlier one. When all have been used (28,232 on Linux), the oldest one that is free is given again, and
    /// the journal says so. A port that is asked for
    /// by number may come back.
    ///
    /// Defaults to `127.0.0.1:0`.
    #[allow(clippy::needless_pass_by_value)] // `&str` and `SocketAddr` alike, without a borrow at the call site
    pub fn addr(mut self, addr: impl ToString) -> Self {
        self.place = Place::Addr(addr.to_string());
        self
    }

    /// Serves on this listener, instead of [`addr`](Self::addr) and [`backlog`](Self::backlog). It is set to non-blocking, so other
    /// code must not accept on a clone of it. Of this, `addr` and the methods for Unix sockets, the last one counts.
    ///
    /// Defaults to none.
    pub fn listener(mut self, listener: TcpListener) -> Self {
        self.place = Place::Listener(listener);
        self
    }

    /// Listens on a Unix socket at this path, instead of a TCP port: see [Unix sockets](crate#unix-sockets).
    ///
    /// A socket at this path that no process has open any more, as a server that crashed leaves it, is replaced. The file is
    /// removed with the server, unless another one has replaced it by then. A process that is killed or calls
    /// [`exit`](std::process::exit) leaves it.
    ///
    /// Defaults to a TCP port: see [`addr`](Self::addr).
    ///
    /// # Errors
    ///
    /// `bind` and `spawn` fail with [`Error::Listen`] if a server is listening there, if there is a file that is no socket, or if the
    /// path is too long for a Unix socket: more than 107 bytes on Linux.
    ///
    /// Platform notes: Unix only.
    #[cfg(unix)]
    pub fn unix(mut self, path: impl Into<PathBuf>) -> Self {
        self.place = Place::Path(path.into());
        self
    }

    /// Listens on a Unix socket in a new folder below [`temp_dir`](std::env::temp_dir), which no other user can enter. Its
    /// [path](crate::Peer::path) is known then. Socket and folder are removed with the server.
    ///
    /// Defaults to a TCP port: see [`addr`](Self::addr).
    ///
    /// # Errors
    ///
    /// `bind` and `spawn` fail with [`Error::Listen`] if the folder cannot be made, or its path is too long for a Unix socket.
    ///
    /// Platform notes: Unix only.
    #[cfg(unix)]
    pub fn unix_in_temporary_folder(mut self) -> Self {
        self.place = Place::TemporaryFolder;
        self
    }

    /// Serves on this Unix socket, as on that of [`listener`](Self::listener). Its file is not removed with the server, and
    /// [`Peer::down`](crate::Peer::down) is an error.
    ///
    /// Defaults to none.
    ///
    /// Platform notes: Unix only.
    #[cfg(unix)]
    pub fn unix_listener(mut self, listener: UnixListener) -> Self {
        self.place = Place::UnixListener(listener);
        self
    }

    /// How many connections may wait to be accepted: the backlog of `listen(2)`. The system may limit it further
    /// (`net.core.somaxconn` on Linux).
    ///
    /// Defaults to 1024.
    pub fn backlog(mut self, connections: u32) -> Self {
        self.backlog = connections;
        self
    }

    /// Where request bytes go.
    ///
    /// Defaults to no sink: the exchange has the request.
    pub fn sink(mut self, sink: impl RequestSink + 'static) -> Self {
        self.sink = Some(Box::new(sink));
        self
    }

    /// Where responses come from: bytes, a [`Response`], a [`FileSource`](crate::FileSource), a [`Sequence`](crate::Sequence), or a
    /// [`ResponseSource`] of your own. For a closure there is [`source_with`](Self::source_with).
    ///
    /// Defaults to an empty response: the connection closes.
    pub fn source(self, source: impl ResponseSource + 'static) -> TcpServerBuilder<Answered> {
        TcpServerBuilder {
            place: self.place,
            backlog: self.backlog,
            settings: self.settings,
            sink: self.sink,
            source: Box::new(source),
            observer: self.observer,
            arrivals: self.arrivals,
            answers: PhantomData,
        }
    }

    /// Responses come from a closure, as with [`source`](Self::source), whose parameter needs no type here. Its calls come one at a time,
    /// for all connections of the peer: one that blocks holds up the others. See [`ResponseSource`].
    ///
    /// ```
    /// use fake_peer::{Framing, Peer};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let peer = Peer::builder()
    ///     .framing(Framing::until("\n"))
    ///     .source_with(|request| request.bytes().to_ascii_uppercase())
    ///     .spawn()?;
    /// # use std::io::{Read, Write};
    /// # let mut client = std::net::TcpStream::connect(peer.addr())?;
    /// # client.write_all(b"hello\n")?;
    /// # let mut answer = String::new();
    /// # client.read_to_string(&mut answer)?;
    /// assert_eq!(answer, "HELLO\n");
    /// # Ok(()) }
    /// ```
    pub fn source_with<R>(
        self,
        answer: impl FnMut(&Request) -> R + Send + 'static,
    ) -> TcpServerBuilder<Answered>
    where
        R: Into<Response>,
    {
        self.source(answer)
    }

    /// The rule that says where a request ends.
    ///
    /// Defaults to [`Framing::auto`].
    pub fn framing(mut self, framing: Framing) -> Self {
        self.settings.framing = framing;
        self
    }

    /// How long a connection may stay silent before its request begins; then it is closed. `None` waits for ever.
    ///
    /// Defaults to 10 seconds.
    pub fn idle_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.idle_timeout = timeout.into();
        self
    }

    /// How long a client may keep an exchange waiting: send nothing of a request that has begun, or take nothing of its response.
    /// Each byte that moves restarts the time. `None` waits for ever. When the time is over, the exchange fails.
    ///
    /// It also limits how long a response waits at a [gate](Response::gate), which fails the exchange, too, and how long
    /// [`Ending::Hold`](crate::Ending::Hold), [`HalfClose`](crate::Ending::HalfClose) and
    /// [`StopReading`](crate::Ending::StopReading) keep a connection, which is then closed without an error. It does
    /// not limit pauses.
    ///
    /// Defaults to 10 seconds.
    pub fn timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.timeout = timeout.into();
        self
    }

    /// How long, after the last byte of the response, the client has time to close the connection: see [closing](crate#closing).
    ///
    /// Defaults to 2 seconds.
    pub fn linger(mut self, linger: Duration) -> Self {
        self.settings.linger = linger;
        self
    }

    /// How long [`Peer::finish`](crate::Peer::finish) and the drop wait in all, for everything that is open when they are called. The
    /// pauses that are left in responses that are being sent then are added. What is open after that is cut, and requests and
    /// responses in flight are reported with the bytes seen. User code that has not returned by then is an error, too; an observer
    /// has up to a second more for the events that are queued.
    ///
    /// Defaults to 10 seconds.
    pub fn finish_timeout(mut self, timeout: Duration) -> Self {
        self.settings.finish_timeout = timeout;
        self
    }

    /// A client that leaves before its request is complete, or before it has taken a byte of its answer, is no failure of the peer: for
    /// tests of clients that give up. What was received is in the [journal](crate::Peer::journal) as always, and
    /// [`Request::end`](crate::Request::end) tells.
    ///
    /// By default a peer answers a request that was cut short by the client's close, since the client may still read, and then
    /// reports it as an [`Error::Receive`]. A server in the foreground reports no such request.
    ///
    /// ```
    /// use fake_peer::{Peer, RequestEnd};
    /// # use std::io::Write;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let peer = Peer::builder().source("hi").clients_may_leave_early().spawn()?;
    /// let mut client = std::net::TcpStream::connect(peer.addr())?;
    /// client.write_all(b"GET / HT")?;
    /// drop(client);
    /// assert_eq!(peer.take_request().end(), RequestEnd::ClientClosed);
    /// # Ok(()) }
    /// ```
    pub fn clients_may_leave_early(mut self) -> Self {
        self.settings.clients_may_leave_early = true;
        self
    }

    /// How many exchanges the [journal](crate::Peer::journal) keeps: the last ones, with their connections, and the connections that are
    /// open. Of exchanges that were not [taken](crate::Peer::take), as many are kept, and at least one; [`finish`](crate::Peer::finish)
    /// knows the first failure of the others. For a peer that serves millions.
    ///
    /// Defaults to all.
    pub fn keep_exchanges(mut self, last: usize) -> Self {
        self.settings.keep_exchanges = Some(last);
        self
    }

    /// How many bytes of each request, and of trailing bytes, are kept in memory. The sink gets all bytes of a request.
    ///
    /// Defaults to 1 MiB (1,048,576 bytes).
    pub fn retain(mut self, bytes: usize) -> Self {
        self.settings.retain = bytes;
        self
    }

    /// How many bytes of each response are kept in memory for [`Exchange::sent_bytes`](crate::Exchange::sent_bytes) and the journal. A
    /// response that is one piece in memory is shared instead, all of it.
    ///
    /// Defaults to 1 KiB (1,024 bytes).
    pub fn retain_sent(mut self, bytes: usize) -> Self {
        self.settings.retain_sent = bytes;
        self
    }

    /// How many bytes a framing may buffer while it looks for the end of a request. This limits the length of an HTTP head, and of
    /// a request under a [closure](Framing::from_fn).
    ///
    /// Defaults to 16 MiB (16,777,216 bytes).
    pub fn buffer_limit(mut self, bytes: usize) -> Self {
        self.settings.buffer_limit = bytes;
        self
    }

    /// How many exchanges are served before the port closes: a server that dies. Before a client has the last byte of the last one
    /// of these responses, connecting is refused. On Linux the port is kept, and [`Peer::up`](crate::Peer::up) opens it for as
    /// many exchanges again.
    ///
    /// Exchanges that failed count. Connections that are open then go on, with more exchanges if they are kept open. Clients in the
    /// backlog, whose connections were not accepted yet, are reset. If the response has a pause, a gate, or a reader
    /// ([`send_from`](Response::send_from)) after its last byte, the port closes after that.
    ///
    /// Defaults to any number. 0 is the same.
    ///
    /// ```
    /// use fake_peer::Peer;
    /// use std::io::{ErrorKind, Read, Write};
    /// use std::net::TcpStream;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let peer = Peer::builder().source("pong").closes_after(1).spawn()?;
    /// let mut client = TcpStream::connect(peer.addr())?;
    /// client.write_all(b"ping")?;
    /// client.read_to_end(&mut Vec::new())?;
    /// let error = TcpStream::connect(peer.addr()).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    /// # Ok(()) }
    /// ```
    pub fn closes_after(mut self, exchanges: u64) -> Self {
        self.settings.closes_after = Some(exchanges);
        self
    }

    /// Serves over TLS, with these settings: see [`tls`](crate::tls). Everything else that a peer can do it does over TLS, too. Its
    /// [URL](crate::Peer::url) says `https`, and the name for which its certificate was made. With the feature `tls`.
    ///
    /// Defaults to no TLS.
    ///
    /// ```
    /// use fake_peer::{Peer, http, tls};
    ///
    /// let ca = tls::Ca::new();
    /// let peer = Peer::builder().tls(ca.server("localhost")).source(http::ok("hi")).spawn()?;
    /// assert_eq!(peer.url("/"), format!("https://localhost:{}/", peer.port()));
    /// # Ok::<(), fake_peer::Error>(())
    /// ```
    #[cfg(feature = "tls")]
    #[allow(clippy::needless_pass_by_value)] // as the other setters
    pub fn tls(mut self, server: crate::tls::Server) -> Self {
        self.settings.secure = Some(server.secured());
        self
    }

    /// Calls `observer` with each event, one after another, in the order in which they happen. A peer, [`serve`] and
    /// [`serve_until`] call it in a thread of their own, soon after the event; [`serve_once`] in the calling thread. If it is slow,
    /// connections wait when 64 events are queued. What it panics with comes out of [`Peer::finish`](crate::Peer::finish), or of the call
    /// that serves. The server itself prints nothing. [`Transcript`](crate::Transcript) is a ready observer.
    ///
    /// ```
    /// use fake_peer::{Event, TcpServer};
    /// # use std::io::{Read, Write};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (lines, printed) = std::sync::mpsc::channel();
    /// let peer = TcpServer::builder()
    ///     .source("pong")
    ///     .on_event(move |event| match event {
    ///         Event::Received { bytes, .. } => lines.send(format!("> {}", bytes.escape_ascii())).unwrap(),
    ///         Event::Sent { bytes, .. } => lines.send(format!("< {}", bytes.escape_ascii())).unwrap(),
    ///         _ => {}
    ///     })
    ///     .spawn()?;
    /// # let mut client = std::net::TcpStream::connect(peer.addr())?;
    /// # client.write_all(b"ping")?;
    /// # client.read_to_end(&mut Vec::new())?;
    /// # drop(client);
    /// peer.finish()?;
    /// assert_eq!(printed.iter().collect::<Vec<_>>(), ["> ping", "< pong"]);
    /// # Ok(()) }
    /// ```
    ///
    /// Defaults to no observer.
    ///
    /// [`serve`]: crate::TcpServer::serve
    /// [`serve_until`]: crate::TcpServer::serve_until
    /// [`serve_once`]: crate::TcpServer::serve_once
    pub fn on_event(mut self, observer: impl FnMut(&Event<'_>) + Send + 'static) -> Self {
        self.observer = Some(Box::new(observer));
        self
    }

    /// Binds, and makes what serves in this role.
    #[track_caller]
    pub(super) fn service(self, role: Role) -> Result<Arc<Service>> {
        let made_at = Location::caller();
        let user_code = UserCode::new(self.sink, self.source, self.observer);
        let listener = self.place.listen(self.backlog)?;
        Service::start(
            listener,
            self.backlog,
            self.settings,
            user_code,
            self.arrivals,
            role,
            made_at,
        )
    }
}

impl Place {
    fn listen(self, backlog: u32) -> Result<Listener> {
        let (listener, addr) = match self {
            Place::Addr(addr) => (address::listen(&addr, backlog).and_then(Listener::tcp), addr),
            Place::Listener(listener) => (Listener::tcp(listener), "a listener".into()),
            #[cfg(unix)]
            Place::Path(path) => {
                let listener = Listener::at_path(&path, backlog);
                (listener, Address::Unix(Some(path)).to_string())
            }
            #[cfg(unix)]
            Place::TemporaryFolder => {
                (Listener::in_temporary_folder(backlog), "a Unix socket".into())
            }
            #[cfg(unix)]
            Place::UnixListener(listener) => (Listener::unix(listener), "a listener".into()),
        };
        listener.map_err(|source| Error::Listen { addr, source })
    }
}

impl<A> fmt::Debug for TcpServerBuilder<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpServerBuilder")
            .field("place", &self.place)
            .field("backlog", &self.backlog)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
