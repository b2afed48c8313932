//! A server in the background, held by a handle: the other end of the connections of a test.

use std::net::SocketAddr;
use std::panic;
#[cfg(unix)]
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::blocking_future;
use super::listens_on;
use super::take_future::Taking;
use crate::error::{Error, Result};
use crate::journal::count::Count;
use crate::journal::exchange::Exchange;
use crate::journal::record::{ConnectionRecord, Journal};
use crate::journal::request::Request;
use crate::os::address::Address;
use crate::os::lock::lock;
use crate::serving::failure::Fault;
use crate::serving::ledger::Outcome;
use crate::serving::service::Service;

/// How long [`Peer::take_request`] and its async twin wait.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// How much longer they wait for an exchange in progress, which may run into its own timeout at the same time: its error says more.
const TIME_TO_FAIL: Duration = Duration::from_secs(2);

/// A server that runs in the background, until it is [finished](Self::finish) or dropped.
///
/// It listens before the handle exists, serves connections side by side, and keeps a [journal](Self::journal). No failure is
/// lost: a failed exchange, a panic in a closure and an answer that no client fetched come out of [`take`](Self::take) or
/// [`finish`](Self::finish), or the drop panics with them.
///
/// ```
/// use fake_peer::Peer;
/// # use std::io::{Read, Write};
/// # fn get(url: String) -> std::io::Result<String> {
/// #     let mut client = std::net::TcpStream::connect(&url[7..url.rfind('/').unwrap()])?;
/// #     client.write_all(b"GET /hello HTTP/1.1\r\nHost: peer\r\n\r\n")?;
/// #     let mut answer = String::new();
/// #     client.read_to_string(&mut answer)?;
/// #     Ok(answer)
/// # }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let peer = Peer::answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
/// let answer = get(peer.url("/hello"))?;
/// assert_eq!(peer.take_request().target(), Some("/hello"));
/// # assert!(answer.ends_with("hi"));
/// # Ok(()) }
/// ```
///
/// In an async test `finish` and the drop block the thread, for at most the timeouts. If the same thread drives the client, await
/// the client first, or use [`finish_async`](Self::finish_async), during which the client can go on.
#[derive(Debug)]
#[must_use = "a peer ends when it is dropped"]
pub struct Peer {
    service: Arc<Service>,
    /// Whether a panic of this handle has printed the report.
    failure_was_returned: AtomicBool,
    finished: bool,
}

impl Peer {
    /// How many exchanges the peer must serve: [`finish`](Self::finish) and the drop fail if there were more or fewer.
    /// Exchanges with an empty request count. `expect(0)` allows no connection without a byte either; see
    /// [`assert_never_contacted`](Self::assert_never_contacted).
    ///
    /// Defaults to any number.
    ///
    /// ```should_panic
    /// # use fake_peer::Peer;
    /// let peer = Peer::answer("hi").expect(1);
    /// // No client has come by the end of the test.
    /// # drop(peer);
    /// ```
    pub fn expect(self, exchanges: u64) -> Self {
        self.service.expect(exchanges);
        self
    }

    pub(super) fn of(service: Arc<Service>) -> Self {
        Peer { service, failure_was_returned: AtomicBool::new(false), finished: false }
    }

    pub(super) fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// Where the peer listens, at whichever kind of address.
    pub fn address(&self) -> &Address {
        self.service.addr()
    }

    /// The address that the peer listens on.
    ///
    /// # Panics
    ///
    /// If it listens on a Unix socket, whose address is its [`path`](Self::path).
    #[track_caller]
    pub fn addr(&self) -> SocketAddr {
        listens_on::tcp(self.service.addr())
    }

    /// The port that the peer listens on.
    ///
    /// # Panics
    ///
    /// As [`addr`](Self::addr).
    #[track_caller]
    pub fn port(&self) -> u16 {
        self.addr().port()
    }

    /// The path of the Unix socket that the peer listens on: see [`unix`](Self::unix).
    ///
    /// # Panics
    ///
    /// If it listens on a TCP port, whose address is [`addr`](Self::addr); if it was given a listener without a path.
    ///
    /// Platform notes: Unix only.
    #[cfg(unix)]
    #[track_caller]
    pub fn path(&self) -> &Path {
        listens_on::path(self.service.addr())
    }

    /// The `http` URL of a path on this peer: `peer.url("/a?b")`. The path is appended unchanged, so it begins with `/`. Over TLS, the
    /// `https` URL, with the name for which the peer's certificate was made: `https://localhost:41234/a?b`.
    ///
    /// # Panics
    ///
    /// As [`addr`](Self::addr).
    #[track_caller]
    pub fn url(&self, path: &str) -> String {
        listens_on::url(&self.service, path)
    }

    /// The next exchange, in the order in which their responses finished, across all connections: if a client asks again after a
    /// response, the second exchange comes after the first one. Waits until a response was sent, for at most `timeout`. Several
    /// threads may take; each exchange goes to one of them.
    ///
    /// # Errors
    ///
    /// [`Error::NoExchange`] if there was none in that time. If the exchange failed, its error, which [`finish`](Self::finish) does
    /// not repeat.
    ///
    /// # Panics
    ///
    /// With the panic of a source, a sink or an observer.
    pub fn take(&self, timeout: Duration) -> Result<Exchange> {
        self.taken(self.service.ledger.take(timeout), timeout)
    }

    /// What was taken within `timeout`.
    fn taken(&self, outcome: Option<Outcome>, timeout: Duration) -> Result<Exchange> {
        let taken = outcome.map_or_else(
            || {
                let journal = Box::new(self.service.ledger.journal());
                Err(Error::NoExchange {
                    addr: self.service.addr().clone(),
                    timeout,
                    journal,
                    peer: None,
                })
            },
            Outcome::result,
        );
        taken.map_err(|error| error.of_peer(self.service.report()))
    }

    /// The next exchange that is already over.
    pub(crate) fn take_now(&self) -> Option<Result<Exchange>> {
        let taken = self.service.ledger.take(Duration::ZERO).map(Outcome::result);
        taken.map(|result| result.map_err(|error| error.of_peer(self.service.report())))
    }

    /// The request of the next exchange: [`take`](Self::take) with a timeout of 10 seconds, for assertions. Each call takes
    /// one exchange: keep what it returns, because a second call waits for a second exchange.
    ///
    /// It returns when the response has been sent. Where the peer speaks first ([`Framing::nothing`](crate::Framing::nothing),
    /// [`faults::reset_on_accept`](crate::faults::reset_on_accept)) the first request is an empty one.
    /// [`Journal::requests`] shows all requests and takes none.
    ///
    /// # Panics
    ///
    /// If there was no exchange within 10 seconds, or the exchange failed; with the panic of a source, a sink or an observer.
    #[track_caller]
    pub fn take_request(&self) -> Request {
        let ledger = &self.service.ledger;
        let taken = ledger.take(REQUEST_TIMEOUT).or_else(|| {
            let is_asking = ledger.journal().connections().iter().any(ConnectionRecord::is_asking);
            // Or it has just ended.
            ledger.take(if is_asking { TIME_TO_FAIL } else { Duration::ZERO })
        });
        let taken = self.taken(taken, REQUEST_TIMEOUT);
        // Its panic says all of it.
        self.failure_was_returned.store(taken.is_err(), Ordering::Relaxed);
        request_of(taken)
    }

    /// [`take_request`](Self::take_request) for async code: does not block the thread that awaits it. A future that is
    /// dropped has taken nothing.
    ///
    /// ```
    /// # async fn example(client: impl Future<Output = ()>) {
    /// let peer = fake_peer::Peer::answer("hi");
    /// // … the client under test asks …
    /// # client.await;
    /// peer.take_request_async().await.assert_bytes("hello");
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// As [`take_request`](Self::take_request).
    pub fn take_request_async(&self) -> impl Future<Output = Request> + Send + use<> {
        let service = Arc::downgrade(&self.service);
        let exchange =
            Taking::new(service, self.service.addr().clone(), REQUEST_TIMEOUT, TIME_TO_FAIL);
        async { request_of(exchange.await) }
    }

    /// Everything that has happened so far. When a client has received the last byte of a response, the exchange is in it,
    /// unless the response still has a pause, a gate, or a reader ([`send_from`](crate::Response::send_from)) whose end was not
    /// read yet after that byte.
    pub fn journal(&self) -> Journal {
        self.service.ledger.journal()
    }

    /// Refuses connections from now on, and keeps the port, until [`up`](Self::up): a server that restarts, for clients that must survive
    /// that. A peer that is down already stays down.
    ///
    /// Connections that were made before are served, those in the backlog, too, and stay open as they would otherwise: an answer with
    /// [`Ending::Reset`](crate::Ending::Reset) or [`Close`](crate::Ending::Close) ends them, silent ones end with the
    /// [`idle_timeout`](crate::TcpServerBuilder::idle_timeout). One that is made during this call may be reset.
    /// [`finish`](Self::finish) needs no `up`.
    ///
    /// ```
    /// use fake_peer::Peer;
    /// use std::io::ErrorKind;
    /// use std::net::TcpStream;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let peer = Peer::answer("hi");
    /// peer.down()?;
    /// assert_eq!(TcpStream::connect(peer.addr()).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    /// peer.up()?;
    /// TcpStream::connect(peer.addr())?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Refuse`]: there is no descriptor left, of which it takes one more for a moment. The peer is not down then.
    ///
    /// On a [Unix socket](crate#unix-sockets) the file stays, and connecting to it is refused. [`up`](Self::up) replaces it, so that for
    /// a moment there is none. A listener that was given (`unix_listener`) cannot go down: `Unsupported`.
    ///
    /// Platform notes: only Linux lets a server keep its port without listening. Elsewhere this is always an error, with the kind
    /// [`Unsupported`](std::io::ErrorKind::Unsupported), apart from Unix sockets.
    pub fn down(&self) -> Result<()> {
        self.service.go_down().map_err(|error| error.of_peer(self.service.report()))
    }

    /// Accepts connections again, on the same port, after [`down`](Self::down) or
    /// [`closes_after`](crate::TcpServerBuilder::closes_after). A peer that is not down stays as it is.
    ///
    /// # Errors
    ///
    /// [`Error::Listen`] if the system does not let it listen.
    pub fn up(&self) -> Result<()> {
        self.service.go_up()
    }

    /// Ends the peer: it accepts no new connections, completes the exchanges of those that are connected, and closes everything.
    ///
    /// Returns at once if no client is connected. A response with [pauses](crate::Response::pause) or a
    /// [throttle](crate::Response::throttle) takes its time. An open connection that has had an exchange is closed; one without a
    /// byte has the [linger](crate::TcpServerBuilder::linger) time to begin a request. What is open after the
    /// [`finish_timeout`](crate::TcpServerBuilder::finish_timeout) is cut. Called by the peer's own sink, source or observer, it does not
    /// wait, and the peer ends when they have returned.
    ///
    /// # Errors
    ///
    /// The first error of an exchange that was not [taken](Self::take), or of a connection after its last exchange, such as a reset
    /// that could not be delivered; [`Error::NotReturned`] if user code has not returned in time; then a number of exchanges other than
    /// [`expect`](Self::expect) says; then what the source has left.
    ///
    /// # Panics
    ///
    /// With the panic of a source, a sink or an observer, with its payload.
    pub fn finish(mut self) -> Result<Journal> {
        match self.end() {
            Ok(()) => Ok(self.journal()),
            Err(Fault::Error(error)) => Err(error),
            Err(Fault::Panic(payload)) => {
                self.print_report();
                panic::resume_unwind(payload)
            }
        }
    }

    /// Asserts that no client has connected, and ends the peer. A connection that was established before counts, also if it
    /// has not been accepted yet and is not in the journal: that is why this takes the peer. A client that has connected and stays
    /// silent has the [`linger`](crate::TcpServerBuilder::linger) time to close, 2 s by default, before this panics.
    ///
    /// ```
    /// let peer = fake_peer::Peer::answer("hi");
    /// // … the client under test uses its cache …
    /// peer.assert_never_contacted();
    /// ```
    ///
    /// # Panics
    ///
    /// If a client has connected, with the journal; if the observer panicked.
    #[track_caller]
    pub fn assert_never_contacted(mut self) {
        let ended = self.end();
        let report = self.service.report();
        // Not those of the journal, which may have been told to keep few.
        let connections = Count(self.service.ledger.accepted(), "connection");
        assert!(connections.0 == 0, "expected no client, but {connections} came\n{report}");
        // Answers that are left are what was expected.
        if let Err(Fault::Panic(payload)) = ended {
            panic::resume_unwind(payload);
        }
    }

    /// [`finish`](Self::finish) for async code: does not block the thread that awaits it, so that a client in the same thread can go
    /// on. Needs no runtime. It begins at once, not with the first poll. If the future is dropped, the peer still ends, and its
    /// result is lost.
    ///
    /// ```
    /// # async fn example() -> fake_peer::Result<()> {
    /// let peer = fake_peer::Peer::answer("hi");
    /// // …
    /// let journal = peer.finish_async().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`finish`](Self::finish); [`Error::Accept`] if no thread can be started.
    ///
    /// # Panics
    ///
    /// As [`finish`](Self::finish).
    pub fn finish_async(self) -> impl Future<Output = Result<Journal>> + Send + use<> {
        let addr = self.service.addr().clone();
        // Not in the closure, whose drop would wait in this thread if no other can be started.
        let peer = Arc::new(Mutex::new(Some(self)));
        let shared = Arc::clone(&peer);
        let running = blocking_future::run(move || {
            let peer = lock(&shared).take();
            peer.expect("only this thread takes it").finish()
        });
        if running.is_err()
            && let Some(mut peer) = lock(&peer).take()
        {
            peer.finished = true;
            peer.service.begin_finish();
            peer.service.cut_later();
        }
        async move {
            match running {
                Ok(running) => running.await,
                Err(source) => Err(Error::Accept { addr, source, peer: None }),
            }
        }
    }

    /// [`take`](Self::take) for async code: does not block the thread that awaits it. A future that is dropped has taken nothing. If
    /// the peer ends before there is an exchange, the result is [`Error::NoExchange`].
    ///
    /// # Errors
    ///
    /// As [`take`](Self::take).
    ///
    /// # Panics
    ///
    /// As [`take`](Self::take).
    pub fn take_async(
        &self,
        timeout: Duration,
    ) -> impl Future<Output = Result<Exchange>> + Send + use<> {
        let (service, addr) = (Arc::downgrade(&self.service), self.service.addr().clone());
        Taking::new(service, addr, timeout, Duration::ZERO)
    }

    fn end(&mut self) -> std::result::Result<(), Fault> {
        self.finished = true;
        self.service.begin_finish();
        self.service.await_end();
        self.service.end().map_err(|fault| match fault {
            Fault::Error(error) => Fault::Error(error.of_peer(self.service.report())),
            fault @ Fault::Panic(_) => fault,
        })
    }

    #[allow(clippy::print_stderr)] // where a failing test looks
    fn print_report(&self) {
        eprintln!("{}", self.service.report());
    }
}

#[track_caller]
fn request_of(taken: Result<Exchange>) -> Request {
    match taken {
        Ok(exchange) => exchange.request().clone(),
        Err(error) => panic!("{error:?}"),
    }
}

/// Finishes, and panics with the error that [`finish`](Peer::finish) would have returned. If the thread is already panicking, the
/// drop prints the error and the journal to stderr instead, and cuts all connections: a failed test waits for no client, only for
/// its own sinks, sources and observers.
impl Drop for Peer {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        if thread::panicking() {
            if !self.failure_was_returned.load(Ordering::Relaxed) {
                self.service.catch_up();
                self.print_report();
            }
            self.service.abandon();
        }
        let ended = self.end();
        if thread::panicking() {
            print_seeds(&self.service.ledger.journal());
        }
        match ended {
            Ok(()) => {}
            Err(fault) if thread::panicking() => print_fault(&fault),
            Err(Fault::Error(error)) => panic!("when the peer was dropped: {error:?}"),
            Err(Fault::Panic(payload)) => {
                self.print_report();
                panic::resume_unwind(payload)
            }
        }
    }
}

/// Prints the seeds, without which a test that fails only sometimes could not be repeated.
#[allow(clippy::print_stderr)]
fn print_seeds(journal: &Journal) {
    let mut seeds: Vec<_> = journal.exchanges().flat_map(Exchange::seeds).collect();
    seeds.sort_unstable();
    seeds.dedup();
    for seed in seeds {
        eprintln!("the peer's delays were drawn from seed {seed}");
    }
}

/// Prints a failure: a second panic would abort the process.
#[allow(clippy::print_stderr)]
fn print_fault(fault: &Fault) {
    match fault {
        Fault::Error(error) => eprintln!("the peer also failed: {}", error.report()),
        Fault::Panic(payload) => {
            let text = payload.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
            eprintln!("the peer also panicked: {}", text.unwrap_or("without a text"));
        }
    }
}
