//! What several test files share: clients with timeouts, a server with long timeouts, sinks that report. No test is here.

// Helpers of tests: they are read where they are used, and panic where a test fails.
#![allow(missing_docs, missing_debug_implementations)]
#![allow(
    clippy::missing_panics_doc,
    clippy::missing_errors_doc,
    clippy::new_without_default,
    clippy::must_use_candidate,
    clippy::return_self_not_must_use
)]

#[cfg(feature = "tls")]
mod over_tls;
pub mod programs;

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use fake_peer::{
    Address, Client, Conversation, Error, Exchange, Framing, Journal, ManualPeer, Peer, Request,
    RequestSink, Response, ResponseSource, TcpServer, TcpServerBuilder,
};
use socket2::{Domain, SockRef, Socket, Type};

/// A failed test ends after this; a passing one never waits for it.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// For servers whose timeouts are not tested: longer than a client's timeouts, also on a busy machine.
pub const FOREVER: Duration = Duration::from_secs(60);

/// As long where the kernel says that a client has everything. Wine does not, and there `finish` waits for as long as this if a client
/// stays connected.
const LINGER: Duration = if cfg!(windows) { Duration::from_secs(1) } else { FOREVER };

/// A builder whose timeouts end a broken test, and never a good one.
pub fn patient() -> TcpServerBuilder {
    placed(TcpServer::builder())
        .idle_timeout(FOREVER)
        .timeout(FOREVER)
        .linger(LINGER)
        .finish_timeout(FOREVER)
        .retain(16 << 20)
}

/// Where a server of a test listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Tcp(SocketAddr),
    /// As long as the process runs: tests are short.
    Unix(&'static Path),
    /// With a certificate of the authority that the process shares.
    #[cfg(feature = "tls")]
    Tls(SocketAddr),
}

/// What a client of a test can connect to.
pub trait Listens {
    fn place(&self) -> Place;
}

/// Where a server listens, for a client in another thread.
#[track_caller]
pub fn place(server: &impl Listens) -> Place {
    server.place()
}

impl Listens for Place {
    fn place(&self) -> Place {
        *self
    }
}

impl Listens for SocketAddr {
    fn place(&self) -> Place {
        Place::Tcp(*self)
    }
}

impl<L: Listens> Listens for &L {
    fn place(&self) -> Place {
        (*self).place()
    }
}

impl<L: Listens> Listens for Arc<L> {
    fn place(&self) -> Place {
        (**self).place()
    }
}

impl Listens for Peer {
    fn place(&self) -> Place {
        Place::of(self.address())
    }
}

impl Listens for ManualPeer {
    fn place(&self) -> Place {
        Place::of(self.address())
    }
}

impl Listens for TcpServer {
    fn place(&self) -> Place {
        Place::of(self.address())
    }
}

impl Place {
    fn of(address: &Address) -> Self {
        match (address.socket_addr(), address.path()) {
            #[cfg(feature = "tls")]
            (Some(addr), _) if are_over("tls") => Place::Tls(addr),
            (Some(addr), _) => Place::Tcp(addr),
            (None, Some(path)) => Place::Unix(Box::leak(Box::from(path))),
            (None, None) => panic!("{address} is no place to connect to"),
        }
    }
}

/// With `FAKE_PEER_TESTS_OVER=unix` the tests run over Unix sockets: those whose servers have no other address, and whose clients connect to
/// [a place](Place). With `FAKE_PEER_TESTS_OVER=tls`, and the feature `tls`, they run over TLS.
fn placed(builder: TcpServerBuilder) -> TcpServerBuilder {
    #[cfg(unix)]
    if are_over("unix") {
        return builder.unix_in_temporary_folder();
    }
    #[cfg(feature = "tls")]
    if are_over("tls") {
        return builder.tls(fake_peer::tls::Ca::shared().server("localhost"));
    }
    builder
}

/// Whether the tests run over this.
#[cfg(any(unix, feature = "tls"))]
fn are_over(what: &str) -> bool {
    std::env::var_os("FAKE_PEER_TESTS_OVER").is_some_and(|over| over == what)
}

#[track_caller]
pub fn bound<A>(builder: TcpServerBuilder<A>) -> TcpServer {
    builder.bind().expect("a free port of the loopback").accept_timeout(FOREVER)
}

#[track_caller]
pub fn spawned<A>(builder: TcpServerBuilder<A>) -> Peer {
    builder.spawn().expect("a free port of the loopback, and a thread")
}

/// A peer with the default settings.
#[track_caller]
pub fn answers(source: impl ResponseSource + 'static) -> Peer {
    spawned(placed(Peer::builder()).source(source))
}

/// Finishes a peer that must have no failure.
#[track_caller]
pub fn finished(peer: Peer) -> Journal {
    match peer.finish() {
        Ok(journal) => journal,
        Err(error) => panic!("a peer without a failure, not: {}", error.report()),
    }
}

/// What a peer fails with when it is finished, without its journal.
#[track_caller]
pub fn failure(peer: Peer) -> String {
    match peer.finish() {
        Ok(journal) => panic!("a failure, not {journal}"),
        Err(error) => error.report().to_string(),
    }
}

#[track_caller]
pub fn assert_has(text: &str, part: &str) {
    assert!(text.contains(part), "{part:?} in {text}");
}

/// The next exchange, which must not have failed.
#[track_caller]
pub fn taken(peer: &Peer) -> Exchange {
    match peer.take(PATIENCE) {
        Ok(exchange) => exchange,
        Err(error) => panic!("an exchange, not: {}", error.report()),
    }
}

/// A peer that plays a conversation.
#[track_caller]
pub fn playing(conversation: Conversation) -> Peer {
    spawned(patient().source(conversation))
}

/// Answers lines; a client that sends `keep` stays connected.
#[track_caller]
pub fn in_lines() -> Peer {
    spawned(patient().framing(Framing::until("\n")).source(
        |request: &Request| match request.bytes() {
            b"keep\n" => Response::from("kept").keep_open(),
            _ => Response::from("answer"),
        },
    ))
}

/// Sends bytes, and reads everything until end-of-file.
#[track_caller]
pub fn ask(to: impl Listens, request: &[u8]) -> Vec<u8> {
    let mut client = connect(to);
    client.write_all(request).expect("room for a small request");
    read_all(&mut client)
}

/// Reads an answer of known length from a connection that stays open.
#[track_caller]
pub fn expect_bytes(client: &mut TcpStream, expected: &[u8], case: &str) {
    let mut answer = vec![0; expected.len()];
    if let Err(error) = client.read_exact(&mut answer) {
        panic!("{case}: an answer of {} bytes, not `{error}`", expected.len());
    }
    same_bytes(&answer, expected, case);
}

/// Runs `work` in a thread of its own, so that a test ends though `work` does not: it fails after `limit`, and leaves the
/// thread behind. A panic of `work` is the test's.
#[track_caller]
pub fn over_within<T: Send + 'static>(
    limit: Duration,
    case: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    let (over, is_over) = mpsc::channel();
    thread::spawn(move || {
        // A test that has failed does not listen any more.
        let _ = over.send(panic::catch_unwind(AssertUnwindSafe(work)));
    });
    let Ok(ended) = is_over.recv_timeout(limit) else {
        panic!("{case}: not over within {limit:?}")
    };
    ended.unwrap_or_else(|payload| panic::resume_unwind(payload))
}

/// Clients in threads of their own that go on until this is dropped, or until each has ended by itself.
pub struct Crowd {
    over: Arc<AtomicBool>,
    clients: Vec<JoinHandle<()>>,
}

/// Whether a client of a crowd should go on.
#[derive(Clone)]
pub struct GoesOn {
    over: Arc<AtomicBool>,
    start: Instant,
}

impl Crowd {
    /// Each client is called with its number, from 0.
    pub fn of(count: usize, client: impl Fn(usize, &GoesOn) + Send + Sync + 'static) -> Self {
        let client = Arc::new(client);
        let over = Arc::new(AtomicBool::new(false));
        let goes_on = GoesOn { over: Arc::clone(&over), start: Instant::now() };
        let start = |number| {
            let (client, goes_on) = (Arc::clone(&client), goes_on.clone());
            thread::spawn(move || client(number, &goes_on))
        };
        Crowd { over, clients: (0..count).map(start).collect() }
    }
}

impl GoesOn {
    /// True until the crowd is dropped, or a minute has passed.
    pub fn yes(&self) -> bool {
        !self.over.load(Ordering::Relaxed) && self.start.elapsed() < FOREVER
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for client in self.clients.drain(..) {
            let ended = client.join();
            if !thread::panicking() {
                ended.unwrap_or_else(|payload| panic::resume_unwind(payload));
            }
        }
    }
}

/// User code that calls its other half blocks until this is dropped.
pub struct Held(Sender<()>);

/// What a piece of user code calls to block.
pub struct Block {
    released: Receiver<()>,
    entered: Sender<()>,
}

/// The two halves, and what receives a message each time that the user code begins to block.
pub fn blocking() -> (Held, Block, Receiver<()>) {
    let (held, released) = mpsc::channel();
    let (entered, has_entered) = mpsc::channel();
    (Held(held), Block { released, entered }, has_entered)
}

impl Block {
    /// A minute at most: a failed test releases nothing.
    pub fn until_released(&self) {
        // The test may have seen enough.
        let _ = self.entered.send(());
        // An error means that it is released.
        let _ = self.released.recv_timeout(FOREVER);
    }
}

impl Held {
    pub fn release(self) {
        drop(self.0);
    }
}

/// Port 0 of an address that no other peer of this process has: a port that was given back is soon another test's.
pub fn unshared_addr() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    // Other systems have only one loopback address.
    if cfg!(target_os = "linux") {
        let number = NEXT.fetch_add(1, Ordering::Relaxed) & 0xFFFF;
        let process = 2 + std::process::id() % 200;
        let address = u32::from(Ipv4Addr::new(127, 0, 0, 0)) | (process << 16) | number;
        (Ipv4Addr::from(address), 0).into()
    } else {
        (Ipv4Addr::LOCALHOST, 0).into()
    }
}

/// What a wait may be shorter by than its timeout: clocks of the kernel tick each 4 or 10 ms.
pub const EARLY: Duration = Duration::from_millis(20);

/// Nothing listens on this address any more.
#[track_caller]
pub fn refuses(to: impl Listens, case: &str) {
    let place = to.place();
    match try_connect(place) {
        Ok(_) => panic!("{case}: {place:?} still accepts connections"),
        Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused, "{case}"),
    }
}

/// Repeats a check until something has happened that is not reported.
#[track_caller]
pub fn eventually(case: &str, mut happened: impl FnMut() -> bool) {
    let start = Instant::now();
    while !happened() {
        assert!(start.elapsed() < PATIENCE, "{case}: not within {PATIENCE:?}");
        thread::yield_now();
    }
}

#[track_caller]
pub fn connect(to: impl Listens) -> TcpStream {
    let client = match to.place() {
        // With a timeout, a reset that comes at once would be an error of the connection attempt.
        Place::Tcp(addr) => TcpStream::connect(addr),
        Place::Unix(path) => connect_unix(path),
        #[cfg(feature = "tls")]
        Place::Tls(addr) => over_tls::connect(addr),
    };
    let client = client.and_then(|client| patient_client(client, to.place()));
    client.expect("a listening server")
}

/// A connection, if there is a server. `TcpStream` has all that a Unix socket needs, so it stands for both.
pub fn try_connect(to: impl Listens) -> io::Result<TcpStream> {
    let client = match to.place() {
        Place::Tcp(addr) => TcpStream::connect_timeout(&addr, PATIENCE),
        Place::Unix(path) => connect_unix(path),
        #[cfg(feature = "tls")]
        Place::Tls(addr) => over_tls::connect(addr),
    };
    patient_client(client?, to.place())
}

fn patient_client(client: TcpStream, place: Place) -> io::Result<TcpStream> {
    if let Place::Tcp(_) = place {
        client.set_nodelay(true)?;
    }
    client.set_read_timeout(Some(PATIENCE))?;
    client.set_write_timeout(Some(PATIENCE))?;
    Ok(client)
}

#[cfg(unix)]
fn connect_unix(path: &Path) -> io::Result<TcpStream> {
    let client = std::os::unix::net::UnixStream::connect(path)?;
    Ok(std::os::fd::OwnedFd::from(client).into())
}

#[cfg(not(unix))]
fn connect_unix(_: &Path) -> io::Result<TcpStream> {
    Err(io::ErrorKind::Unsupported.into())
}

/// A client with a small receive buffer: most of a long answer stays with the server.
#[track_caller]
pub fn connect_with_little_room(to: impl Listens) -> TcpStream {
    let addr = match to.place() {
        Place::Tcp(addr) => addr,
        // The room is the server's, and little.
        Place::Unix(_) => return connect(to),
        // Between them is more room.
        #[cfg(feature = "tls")]
        Place::Tls(_) => return connect(to),
    };
    connect_with_room(addr, 64 << 10)
}

/// A client whose receive buffer has about this many bytes.
#[track_caller]
pub fn connect_with_room(addr: SocketAddr, bytes: usize) -> TcpStream {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None).expect("a socket");
    // Before it connects, so that the window is small from the beginning.
    socket.set_recv_buffer_size(bytes).expect("an open socket");
    // A signal ends the call, not the attempt: connect(2). Then it is connected already, or about to be.
    match socket.connect(&addr.into()) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {
            let end = Instant::now() + PATIENCE;
            while socket.peer_addr().is_err() {
                assert!(Instant::now() < end, "a listening server");
                thread::yield_now();
            }
        }
        connected => connected.expect("a listening server"),
    }
    let client = TcpStream::from(socket);
    client.set_read_timeout(Some(PATIENCE)).expect("an open socket");
    client.set_write_timeout(Some(PATIENCE)).expect("an open socket");
    client
}

/// A client that has sent everything and shut down its sending side; its server waits for nothing.
#[track_caller]
pub fn connect_and_send(to: impl Listens, request: &[u8]) -> TcpStream {
    let mut client = connect(to);
    client.write_all(request).expect("room for a small request");
    client.shutdown(Shutdown::Write).expect("an open socket");
    client
}

/// Everything until end-of-file.
#[track_caller]
pub fn read_all(client: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Err(error) = client.read_to_end(&mut bytes) {
        panic!("end-of-file, not `{error}` after {} bytes", bytes.len());
    }
    bytes
}

/// Nothing more comes: only end-of-file.
#[track_caller]
pub fn end_of_file(client: &mut TcpStream, case: &str) {
    let rest = read_all(client);
    assert!(rest.is_empty(), "{case}: only end-of-file, not {}", rest.escape_ascii());
}

/// What a client reads, and how the reading ends.
pub fn read_to_its_end(client: &mut TcpStream) -> (Vec<u8>, Option<io::ErrorKind>) {
    let mut bytes = Vec::new();
    let error = client.read_to_end(&mut bytes).err().map(|error| error.kind());
    (bytes, error)
}

/// Makes the drop of a client send a reset.
#[track_caller]
pub fn reset(client: TcpStream) {
    SockRef::from(&client).set_linger(Some(Duration::ZERO)).expect("an open socket");
    drop(client);
}

/// Serves one exchange in a thread of its own, for the client in this thread. Returns the results of both.
#[track_caller]
pub fn serve_with<T>(
    server: &TcpServer,
    client: impl FnOnce() -> T,
) -> (Result<Exchange, Error>, T) {
    thread::scope(|scope| {
        let serving = scope.spawn(|| server.serve_once());
        let said = client();
        match serving.join() {
            Ok(outcome) => (outcome, said),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Whether the server can still serve an exchange.
#[track_caller]
pub fn goes_on_serving(server: &TcpServer, case: &str) {
    let _client = connect_and_send(server, b"once more");
    match server.serve_once() {
        Ok(exchange) => assert_eq!(exchange.request().bytes(), b"once more", "{case}"),
        Err(error) => panic!("{case}: the next exchange failed: {}", error.report()),
    }
}

/// Compares long byte strings without printing them.
#[track_caller]
pub fn same_bytes(actual: &[u8], expected: &[u8], what: &str) {
    if actual != expected {
        let at = actual.iter().zip(expected).take_while(|(a, b)| a == b).count();
        let around = |bytes: &[u8]| bytes[at..bytes.len().min(at + 32)].escape_ascii().to_string();
        panic!(
            "{what}: {} bytes instead of {}, the first difference at {at}: \"{}\" instead of \"{}\"",
            actual.len(),
            expected.len(),
            around(actual),
            around(expected),
        );
    }
}

/// All 256 byte values.
pub fn all_bytes() -> Vec<u8> {
    (0..=255).collect()
}

/// Bytes in which a lost, repeated or swapped block is a difference.
pub fn numbered(length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length + 8);
    let mut number = 0u64;
    while bytes.len() < length {
        bytes.extend_from_slice(&number.to_be_bytes());
        // Each step changes all eight bytes: a run of zeros would hide a loss.
        number = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    }
    bytes.truncate(length);
    bytes
}

/// Gives each request to several sinks.
pub struct Tee(pub Vec<Box<dyn RequestSink>>);

impl RequestSink for Tee {
    fn open(&mut self, client: &Client) -> io::Result<Box<dyn Write + Send>> {
        let records = self.0.iter_mut().map(|sink| sink.open(client)).collect::<io::Result<_>>()?;
        Ok(Box::new(TeeRecord(records)))
    }
}

struct TeeRecord(Vec<Box<dyn Write + Send>>);

impl Write for TeeRecord {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.iter_mut().try_for_each(|record| record.write_all(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.iter_mut().try_for_each(Write::flush)
    }
}

/// Records in another sink, and reports when that has a piece: so a client goes on in this order without sleeping.
pub struct Reporting<S> {
    inner: S,
    arrived: Sender<Piece>,
}

/// Bytes that are in the sink.
#[derive(Debug)]
pub struct Piece {
    pub connection: u64,
    pub bytes: Vec<u8>,
}

pub fn reporting<S: RequestSink>(inner: S) -> (Reporting<S>, Receiver<Piece>) {
    let (arrived, pieces) = mpsc::channel();
    (Reporting { inner, arrived }, pieces)
}

/// Waits until a piece is in the sink.
#[track_caller]
pub fn next_piece(pieces: &Receiver<Piece>, case: &str) -> Piece {
    match pieces.recv_timeout(PATIENCE) {
        Ok(piece) => piece,
        Err(error) => panic!("{case}: a piece in the sink, not `{error}`"),
    }
}

impl<S: RequestSink> RequestSink for Reporting<S> {
    fn open(&mut self, client: &Client) -> io::Result<Box<dyn Write + Send>> {
        Ok(Box::new(ReportingRecord {
            inner: self.inner.open(client)?,
            connection: client.connection(),
            arrived: self.arrived.clone(),
        }))
    }
}

struct ReportingRecord {
    inner: Box<dyn Write + Send>,
    connection: u64,
    arrived: Sender<Piece>,
}

impl Write for ReportingRecord {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inner.write_all(bytes)?;
        // A test that has seen enough stops listening.
        let _ = self.arrived.send(Piece { connection: self.connection, bytes: bytes.into() });
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Lets the process have so many descriptors, as far as the system allows it.
#[cfg(unix)]
#[track_caller]
pub fn raise_descriptor_limit(descriptors: u64) {
    if descriptor_limits().0 < descriptors {
        set_descriptor_limit(descriptors);
    }
}

/// The process has exactly so many descriptors from now on.
#[cfg(unix)]
#[track_caller]
#[allow(unsafe_code)] // std has no such call
pub fn set_descriptor_limit(descriptors: u64) {
    let (_, most) = descriptor_limits();
    assert!(descriptors <= most, "only {most} descriptors are allowed, not {descriptors}");
    let limits = libc::rlimit { rlim_cur: descriptors, rlim_max: most };
    // SAFETY: `limits` is a whole rlimit, which the call only reads.
    let result = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limits) };
    assert_eq!(result, 0, "setrlimit: {}", io::Error::last_os_error());
}

/// The limit, and what it can be raised to.
#[cfg(unix)]
#[allow(unsafe_code)] // std has no such call
fn descriptor_limits() -> (u64, u64) {
    let mut limits = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limits` is an rlimit that the call may write.
    let result = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limits) };
    assert_eq!(result, 0, "getrlimit: {}", io::Error::last_os_error());
    (limits.rlim_cur, limits.rlim_max)
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The smallest runtime.
#[track_caller]
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let start = Instant::now();
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => {
                let left = PATIENCE.saturating_sub(start.elapsed());
                assert!(!left.is_zero(), "the future is not ready within {PATIENCE:?}");
                thread::park_timeout(left);
            }
        }
    }
}
