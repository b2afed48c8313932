//! A server that runs in the background, held by a handle: what a test has at the other end of a connection.

use std::net::SocketAddr;
use std::panic;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::builder::TcpServerBuilder;
use super::take_future::Taking;
use crate::error::{Error, Result};
use crate::journal::exchange::Exchange;
use crate::journal::record::Journal;
use crate::journal::request::Request;
use crate::serving::failure::Fault;
use crate::serving::service::{Role, Service};
use crate::serving::worker;
use crate::source::response_source::ResponseSource;

/// How long [`Peer::take_request`] and its async twin wait.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// A server that runs in the background, until it is [finished](Self::finish) or dropped.
///
/// It listens before the handle exists, serves connections side by side, and keeps a [journal](Self::journal). Nothing
/// that goes wrong is lost: a failed exchange, a panic in a closure, an answer that nobody fetched comes out of
/// [`take`](Self::take) or [`finish`](Self::finish), or out of the drop, which panics with it.
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
/// In an async test `finish` and the drop block the thread, for no longer than the deadlines allow. Where the client
/// is driven by the same thread, await what it has to do first, or finish with [`finish_async`](Self::finish_async),
/// which lets it go on meanwhile.
#[derive(Debug)]
#[must_use = "a peer ends when it is dropped"]
pub struct Peer {
    service: Arc<Service>,
    expected: Option<u64>,
    finished: bool,
}

impl Peer {
    /// A peer on a free port of 127.0.0.1 that gives the same answer, or the answers of this source, to all that come.
    /// Its settings are the defaults of [`builder`](Self::builder), which has all of them, and
    /// [`spawn`](crate::TcpServerBuilder::spawn) for a peer with others.
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

    /// Settings for a peer, all at their defaults; [`spawn`](crate::TcpServerBuilder::spawn) starts it. The same builder as
    /// that of [`TcpServer::builder`](crate::TcpServer::builder).
    pub fn builder() -> TcpServerBuilder {
        TcpServerBuilder::new()
    }

    /// How many exchanges the peer must serve: [`finish`](Self::finish) and the drop fail if there were more or fewer.
    /// Exchanges with an empty request count.
    ///
    /// Defaults to any number.
    ///
    /// ```should_panic
    /// # use fake_peer::Peer;
    /// let peer = Peer::answer("hi").expect(1);
    /// // No client has come by the end of the test.
    /// # drop(peer);
    /// ```
    pub fn expect(mut self, exchanges: u64) -> Self {
        self.expected = Some(exchanges);
        self
    }

    pub(crate) fn start(service: Arc<Service>) -> Result<Self> {
        worker::start(&service, None)?;
        Ok(Peer { service, expected: None, finished: false })
    }

    /// The address that the peer listens on.
    pub fn addr(&self) -> SocketAddr {
        self.service.addr()
    }

    /// The port that the peer listens on.
    pub fn port(&self) -> u16 {
        self.addr().port()
    }

    /// The `http` URL of a path on this peer: `peer.url("/a?b")`. The path is appended as it is, with the `/` that it begins
    /// with.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr())
    }

    /// The next exchange, in the order in which their responses end: who asks again after an answer is taken again after it,
    /// on whichever connection. Waits for it until its response has left, for at most `timeout`. Several threads may take;
    /// each exchange goes to one.
    ///
    /// # Errors
    ///
    /// [`Error::NoExchange`] if there was none in that time. The error of an exchange that failed; [`finish`](Self::finish)
    /// does not repeat it.
    ///
    /// # Panics
    ///
    /// With the panic of a source, a sink or an observer.
    pub fn take(&self, timeout: Duration) -> Result<Exchange> {
        self.service.take(timeout).unwrap_or_else(|| {
            let journal = Box::new(self.service.journal_now());
            Err(Error::NoExchange { addr: self.addr().into(), timeout, journal })
        })
    }

    /// The next exchange that is over already.
    pub(crate) fn take_now(&self) -> Option<Result<Exchange>> {
        self.service.take(Duration::ZERO)
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
        request_of(self.take(REQUEST_TIMEOUT))
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
        let exchange = self.take_async(REQUEST_TIMEOUT);
        async { request_of(exchange.await) }
    }

    /// What has happened so far. What a client has the last byte of is in it, unless the response has something left to do
    /// behind that byte (a pause, a gate, a reader given to [`send_from`](crate::Response::send_from) that has not said yet
    /// that it was the last one), or an [observer](crate::TcpServerBuilder::on_event) holds it up.
    pub fn journal(&self) -> Journal {
        self.service.journal()
    }

    /// Ends the peer: no new connections, everybody who is connected has their exchange, then everything is closed.
    ///
    /// Returns at once if nobody is connected. A response that [pauses](crate::Response::pause) or is
    /// [throttled](crate::Response::throttle) comes to its end in its time first. A connection that has had its exchange and stays open is closed, one
    /// that has not said anything yet has the [linger](crate::TcpServerBuilder::linger) time to begin.
    ///
    /// # Errors
    ///
    /// The first error of an exchange that nobody has [taken](Self::take); a number of exchanges other than
    /// [`expect`](Self::expect) says; what the source has left.
    ///
    /// # Panics
    ///
    /// With the panic of a source, a sink or an observer, with its payload.
    pub fn finish(mut self) -> Result<Journal> {
        match self.end() {
            Ok(()) => Ok(self.journal()),
            Err(Fault::Error(error)) => Err(error),
            Err(Fault::Panic(payload)) => panic::resume_unwind(payload),
        }
    }

    /// [`finish`](Self::finish) for async code: does not block the thread that awaits it, so that a client which runs
    /// there can go on. Needs no runtime. It begins at once, not with the first poll; a future that is dropped does not
    /// end it, but nobody gets to know its result.
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
        crate::server::blocking_future::run(move || self.finish())
    }

    /// [`take`](Self::take) for async code: does not block the thread that awaits it. A future that is dropped has taken
    /// nothing; one that is still there when the peer ends gets [`Error::NoExchange`].
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
        Taking::new(Arc::downgrade(&self.service), self.addr(), timeout)
    }

    fn end(&mut self) -> std::result::Result<(), Fault> {
        self.finished = true;
        self.service.finish(self.expected)
    }
}

impl TcpServerBuilder {
    /// Binds, listens and serves in the background: see [`Peer`].
    ///
    /// # Errors
    ///
    /// [`Error::Listen`] if the address cannot be resolved or bound, [`Error::Accept`] if no thread can be started.
    pub fn spawn(self) -> Result<Peer> {
        Peer::start(self.service(Role::Peer)?)
    }
}

#[track_caller]
fn request_of(taken: Result<Exchange>) -> Request {
    match taken {
        Ok(exchange) => exchange.request().clone(),
        Err(error) => panic!("{}", error.report()),
    }
}

/// Finishes, and panics with what [`finish`](Peer::finish) would have returned. Where the thread is panicking already it
/// prints that to stderr, and the journal as it was then, and cuts all connections: a test that has failed waits for
/// nobody but for what it plugged in itself.
impl Drop for Peer {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        if thread::panicking() {
            tell_journal(&self.service.journal_now());
            self.service.abandon();
        }
        let ended = self.end();
        if thread::panicking() {
            tell_seeds(&self.service.journal_now());
        }
        match ended {
            Ok(()) => {}
            Err(fault) if thread::panicking() => tell(&fault),
            Err(Fault::Error(error)) => panic!("{}", error.report()),
            Err(Fault::Panic(payload)) => panic::resume_unwind(payload),
        }
    }
}

/// Without them a test that fails only now and then could not be run again as it was.
#[allow(clippy::print_stderr)]
fn tell_seeds(journal: &Journal) {
    let mut seeds: Vec<_> = journal.exchanges().flat_map(Exchange::seeds).collect();
    seeds.sort_unstable();
    seeds.dedup();
    for seed in seeds {
        eprintln!("the peer's delays were drawn from seed {seed}");
    }
}

/// What a failing test has to be understood by; not all of a long one.
#[allow(clippy::print_stderr)]
fn tell_journal(journal: &Journal) {
    const LONG: usize = 8 * 1024;
    let text = journal.to_string();
    match text.char_indices().nth(LONG) {
        Some((end, _)) => eprintln!("the peer's journal:\n{}\n…", &text[..end]),
        None => eprintln!("the peer's journal:\n{text}"),
    }
}

/// A second panic would abort the process, and the first one's message with it.
#[allow(clippy::print_stderr)]
fn tell(fault: &Fault) {
    match fault {
        Fault::Error(error) => eprintln!("the peer failed, too: {}", error.report()),
        Fault::Panic(payload) => {
            let text = payload.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
            eprintln!("the peer panicked, too: {}", text.unwrap_or("not with a text"));
        }
    }
}
