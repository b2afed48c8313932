//! A server at work: accepts, tells which connection gets the next exchange, and has each connection served by a thread
//! that may wait for it. What happens on one connection is `connection`'s.
//!
//! A *worker* is a thread that accepts a connection, serves it to its end, and accepts the next. Before one waits, it
//! sees to it that another one accepts, so that nobody who waits blocks anybody who doesn't: a peer that is never
//! made to wait has one thread. A foreground server begins without workers, in the calling thread, and gets them when a
//! connection stays silent. A request that has begun takes a permit before it is served: serving one exchange means
//! handing out one permit and waiting for an outcome; a peer has permits without end.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use socket2::{Domain, SockRef, Socket, Type};

use crate::client::Client;
use crate::connection::{Beginning, Connection, Exchanged, Fault, Host, Next, PATIENCE};
use crate::error::{Error, Result};
use crate::event::Event;
use crate::exchange::{ClientEnd, Exchange};
use crate::journal::{ConnectionRecord, Journal};
use crate::plug::{Payload, Plug, lock};
use crate::request::Request;
use crate::response::Response;
use crate::settings::Settings;
use crate::wire::{self, Wire};

/// More workers than this do not stay for later.
const IDLE_WORKERS: usize = 16;

/// How long accepting pauses when the process has no descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) addr: SocketAddr,
    settings: Settings,
    role: Role,
    listener: TcpListener,
    plug: Plug,
    exchanges: AtomicU64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Serves when asked to; an exchange is told when its connection has ended.
    Foreground,
    /// Serves by itself and keeps a journal; an exchange is told as soon as its response has left.
    Peer,
}

#[derive(Debug, Default)]
struct State {
    /// How many more exchanges of a foreground server may begin.
    permits: u64,
    outcomes: VecDeque<Outcome>,
    connections: u64,
    journal: Vec<ConnectionRecord>,
    /// Workers that accept, or are about to.
    idle: usize,
    workers: Vec<JoinHandle<()>>,
    /// The workers' connections.
    open: HashMap<u64, Open>,
    /// No more connections than those there are.
    finishing: Option<Instant>,
    /// No more anything.
    stopping: bool,
    /// The connections that `end_accepting` made to this server; they stay open until all workers are gone.
    wakes: Vec<(SocketAddr, Socket)>,
}

/// A connection that a worker serves.
#[derive(Debug)]
struct Open {
    stream: Arc<TcpStream>,
    phase: Phase,
    /// Whether we have ended its receiving side, so that the worker stops waiting.
    cut: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Not a byte has arrived.
    Fresh,
    Serving,
    /// It has had an exchange, and may begin another.
    Between,
}

#[derive(Debug)]
enum Outcome {
    Over(Result<Exchange>),
    Panicked(Payload),
}

impl Outcome {
    fn result(self) -> Result<Exchange> {
        match self {
            Outcome::Over(result) => result,
            Outcome::Panicked(payload) => panic::resume_unwind(payload),
        }
    }
}

/// What a worker serves, and the handle by which it is ended.
type Accepted = (Connection, Arc<TcpStream>);

impl Service {
    pub(crate) fn new(
        listener: TcpListener,
        settings: Settings,
        plug: Plug,
        role: Role,
    ) -> io::Result<Arc<Self>> {
        let addr = listener.local_addr()?;
        let service = Service {
            addr,
            settings,
            role,
            listener,
            plug,
            exchanges: AtomicU64::new(0),
            state: Mutex::default(),
            changed: Condvar::new(),
        };
        service.plug.tell(&Event::Listening(addr));
        Ok(Arc::new(service))
    }

    /// Serves one exchange of a foreground server.
    pub(crate) fn serve_once(self: &Arc<Self>) -> Result<Exchange> {
        let deadline = Deadline::after(self.settings.accept_deadline);
        if self.state().workers.is_empty() {
            loop {
                let (stream, addr) = self.accept(deadline)?;
                let (mut connection, stream) = self.connect(stream, addr)?;
                match connection.begin(Some(PATIENCE)) {
                    Beginning::Begun => {
                        let Exchanged { result, next } = connection.exchange(&**self);
                        if let Next::Request = next {
                            self.start_worker(Some((connection, stream)))?;
                        } else {
                            connection.close(&**self, &next);
                        }
                        return self.outcome(result).result();
                    }
                    Beginning::Over(end) => self.silent(connection, end),
                    Beginning::Silent => {
                        self.start_worker(Some((connection, stream)))?;
                        break;
                    }
                }
            }
        }
        self.state().permits += 1;
        self.changed.notify_all();
        let outcome = self.wait_for_outcome(deadline, |state| {
            // The deadline is one for the beginning of an exchange: it is off once the permit is taken.
            state.permits > 0
        });
        match outcome {
            Some(Outcome::Over(Err(error @ Error::Accept { .. }))) => {
                self.revoke_permit();
                Err(error)
            }
            Some(outcome) => outcome.result(),
            None => {
                self.revoke_permit();
                Err(self.no_request())
            }
        }
    }

    /// Begins to serve a peer.
    pub(crate) fn start(self: &Arc<Self>) -> Result<()> {
        self.start_worker(None)
    }

    /// The next exchange of a peer that is over, or `None` after `timeout`.
    pub(crate) fn take(&self, timeout: Duration) -> Option<Result<Exchange>> {
        self.wait_for_outcome(Deadline::after(Some(timeout)), |_| true).map(Outcome::result)
    }

    pub(crate) fn journal(&self) -> Journal {
        Journal { connections: self.state().journal.clone() }
    }

    /// Lets everybody who is connected have their exchange, then ends everything. The first failure that nobody took,
    /// panics before errors.
    pub(crate) fn finish(&self) -> std::result::Result<(), Fault> {
        let start = Instant::now();
        let mut state = self.state();
        state.finishing = Some(start);
        state.cut(Phase::Between);
        // From now on an empty backlog ends accepting. That does not reach a thread that waits already.
        let _ = self.listener.set_nonblocking(true);
        self.end_accepting(&mut state);
        // Whoever has connected may be about to say something. It gets as long as a client gets to close.
        while state.open.values().any(|open| open.phase == Phase::Fresh && !open.cut) {
            let left = self.settings.linger.saturating_sub(start.elapsed());
            if left.is_zero() {
                state.cut(Phase::Fresh);
                break;
            }
            state = self.wait(state, Some(left));
        }
        drop(state);
        self.join();

        let mut state = self.state();
        let mut first_error = None;
        for outcome in std::mem::take(&mut state.outcomes) {
            match outcome {
                Outcome::Over(Ok(_)) => {}
                Outcome::Over(Err(error)) => first_error = first_error.or(Some(error)),
                Outcome::Panicked(payload) => return Err(Fault::Panic(payload)),
            }
        }
        drop(state);
        let served = self.exchanges.load(Ordering::Relaxed);
        let expected = self.settings.expect.unwrap_or(served);
        let wrong_count =
            (expected != served).then_some(Error::Count { addr: self.addr, expected, served });
        let left_over = || {
            let source = self.plug.finish_source().err()?;
            Some(Error::LeftOver { addr: self.addr, source })
        };
        match first_error.or(wrong_count).or_else(left_over) {
            Some(error) => Err(Fault::Error(error)),
            None => Ok(()),
        }
    }

    /// Ends all connections and workers.
    pub(crate) fn stop(&self) {
        let mut state = self.state();
        state.stopping = true;
        for open in state.open.values() {
            // Whoever has ended already needs no ending.
            let _ = open.stream.shutdown(Shutdown::Both);
        }
        let _ = self.listener.set_nonblocking(true);
        self.end_accepting(&mut state);
        drop(state);
        self.changed.notify_all();
        self.join();
    }

    /// Accepting is over. Tells a worker that waits for a connection, by making one; when that worker goes, it tells the
    /// next one. (One for each at once would not do: a worker that comes back could take what another one waits for.)
    fn end_accepting(&self, state: &mut State) {
        if state.idle == 0 {
            return;
        }
        let connected =
            self.connect_to_self().and_then(|socket| Ok((socket.local_addr()?, socket)));
        if let Ok((addr, socket)) = connected {
            state.wakes.extend(addr.as_socket().map(|addr| (addr, socket)));
        } else {
            // Not even a descriptor is left. This costs those who wait to be accepted their connection.
            let _ = SockRef::from(&self.listener).shutdown(Shutdown::Both);
        }
    }

    fn connect_to_self(&self) -> io::Result<Socket> {
        let mut addr = self.addr;
        if addr.ip().is_unspecified() {
            match addr {
                SocketAddr::V4(_) => addr.set_ip(Ipv4Addr::LOCALHOST.into()),
                SocketAddr::V6(_) => addr.set_ip(Ipv6Addr::LOCALHOST.into()),
            }
        }
        let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
        // A reset leaves no address in use for a minute (TIME_WAIT).
        socket.set_linger(Some(Duration::ZERO))?;
        // Whoever holds the state must not wait: nobody waits for a connection while the backlog is full.
        socket.set_nonblocking(true)?;
        match socket.connect(&addr.into()) {
            Err(error) if !wire::is_timeout(&error) && !wire::is_in_progress(&error) => Err(error),
            _ => Ok(socket),
        }
    }

    /// Waits for all workers, those too that are started meanwhile.
    fn join(&self) {
        loop {
            let workers = std::mem::take(&mut self.state().workers);
            if workers.is_empty() {
                return;
            }
            for worker in workers {
                // A worker catches the panics of what it calls.
                let _ = worker.join();
            }
        }
    }

    fn accept(&self, deadline: Deadline) -> Result<(TcpStream, SocketAddr)> {
        let failed = |source| Error::Accept { addr: self.addr, source };
        if let Deadline::At(_) = deadline {
            let left =
                deadline.left().filter(|left| !left.is_zero()).ok_or_else(|| self.no_request())?;
            // Works for accept(2) too: socket(7), SO_RCVTIMEO.
            SockRef::from(&self.listener).set_read_timeout(Some(left)).map_err(failed)?;
        }
        loop {
            match self.listener.accept() {
                Ok(accepted) => return Ok(accepted),
                Err(error) if wire::is_timeout(&error) => return Err(self.no_request()),
                // The client was gone before it was accepted: accept(2).
                Err(error)
                    if wire::is_gone(&error) || error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(failed(source)),
            }
        }
    }

    fn connect(&self, stream: TcpStream, addr: SocketAddr) -> Result<Accepted> {
        let stream = Arc::new(stream);
        let wire = Wire::new(Arc::clone(&stream), self.settings.retain)
            .map_err(|source| Error::Accept { addr: self.addr, source })?;
        let mut state = self.state();
        state.connections += 1;
        let client = Client { addr, connection: state.connections, exchange: 0 };
        let connection = Connection::new(client, wire, self.settings.framing.clone());
        if self.role == Role::Peer {
            state.journal.push(ConnectionRecord {
                client,
                accepted: connection.accepted(),
                exchanges: Vec::new(),
                received: Arc::clone(&connection.received),
                end: Arc::clone(&connection.end),
            });
        }
        drop(state);
        self.plug.tell(&Event::Accepted(&client));
        Ok((connection, stream))
    }

    fn no_request(&self) -> Error {
        Error::NoRequest {
            addr: self.addr,
            deadline: self.settings.accept_deadline.unwrap_or_default(),
        }
    }

    /// Starts a thread that serves `first`, if there is one, then accepts.
    fn start_worker(self: &Arc<Self>, first: Option<Accepted>) -> Result<()> {
        let mut state = self.state();
        if state.stopping {
            return Ok(());
        }
        if state.workers.len().is_multiple_of(4 * IDLE_WORKERS) {
            state.workers.retain(|worker| !worker.is_finished());
        }
        let accepts = first.is_none();
        let service = Arc::clone(self);
        let worker = thread::Builder::new()
            .name(format!("peer {}", self.addr.port()))
            .spawn(move || service.work(first))
            .map_err(|source| Error::Accept { addr: self.addr, source })?;
        state.idle += usize::from(accepts);
        state.workers.push(worker);
        Ok(())
    }

    fn work(self: Arc<Self>, first: Option<Accepted>) {
        let this = Worker { service: self };
        let mut next = first;
        while let Some((connection, stream)) = next.take().or_else(|| this.accept()) {
            let number = connection.client.connection;
            let phase = if connection.client.exchange > 0 { Phase::Between } else { Phase::Fresh };
            let mut state = this.service.state();
            if state.stopping {
                return;
            }
            state.open.insert(number, Open { stream, phase, cut: false });
            drop(state);
            if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(|| this.serve(connection))) {
                this.service.over(Outcome::Panicked(payload));
            }
            let mut state = this.service.state();
            state.open.remove(&number);
            this.service.changed.notify_all();
            if state.stopping || state.idle >= IDLE_WORKERS {
                return;
            }
            state.idle += 1;
        }
    }

    /// Waits until an exchange may begin; false says that none ever will.
    fn take_permit(&self) -> bool {
        if self.role == Role::Peer {
            return true;
        }
        let mut state = self.state();
        while state.permits == 0 && !state.stopping {
            state = self.wait(state, None);
        }
        if state.stopping {
            return false;
        }
        state.permits -= 1;
        true
    }

    fn revoke_permit(&self) {
        let mut state = self.state();
        state.permits = state.permits.saturating_sub(1);
    }

    /// A connection has ended before its first byte.
    fn silent(&self, connection: Connection, end: ClientEnd) {
        self.plug.tell(&Event::Silent(&connection.client, end));
        connection.over(end);
    }

    /// Writes down what became of an exchange, and tells the observer.
    fn outcome(&self, result: std::result::Result<Exchange, (Box<Exchange>, Fault)>) -> Outcome {
        let (exchange, outcome) = match result {
            Ok(exchange) => {
                self.plug.tell(&Event::Served(&exchange));
                (exchange.clone(), Outcome::Over(Ok(exchange)))
            }
            Err((exchange, Fault::Error(error))) => {
                self.plug.tell(&Event::Failed(&error));
                (*exchange, Outcome::Over(Err(error)))
            }
            Err((exchange, Fault::Panic(payload))) => (*exchange, Outcome::Panicked(payload)),
        };
        if self.role == Role::Peer {
            let number = usize::try_from(exchange.client().connection)
                .expect("as many as the journal holds");
            self.state().journal[number - 1].exchanges.push(exchange);
        }
        outcome
    }

    fn over(&self, outcome: Outcome) {
        self.state().outcomes.push_back(outcome);
        self.changed.notify_all();
    }

    /// The next outcome; `None` if the deadline passes while it `counts`.
    fn wait_for_outcome(
        &self,
        deadline: Deadline,
        counts: impl Fn(&State) -> bool,
    ) -> Option<Outcome> {
        let mut state = self.state();
        loop {
            if let Some(outcome) = state.outcomes.pop_front() {
                return Some(outcome);
            }
            let left = deadline.left().filter(|_| counts(&state));
            if left.is_some_and(|left| left.is_zero()) {
                return None;
            }
            state = self.wait(state, left);
        }
    }

    fn wait<'a>(
        &self,
        state: MutexGuard<'a, State>,
        timeout: Option<Duration>,
    ) -> MutexGuard<'a, State> {
        match timeout {
            None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            Some(timeout) => {
                self.changed.wait_timeout(state, timeout).unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl State {
    /// Makes workers stop waiting for connections that are in this phase.
    fn cut(&mut self, phase: Phase) {
        for open in self.open.values_mut().filter(|open| open.phase == phase) {
            open.cut = true;
            // What has arrived is still read. Whoever has ended already needs no ending.
            let _ = open.stream.shutdown(Shutdown::Read);
        }
    }
}

/// The thread that serves a connection. It owns its share of the service, to start others like it.
struct Worker {
    service: Arc<Service>,
}

impl Worker {
    /// Accepts a connection. This worker has been counted as idle, and is not any more. `None` says that accepting is over.
    fn accept(&self) -> Option<Accepted> {
        let service = &*self.service;
        let mut told = None;
        loop {
            let result = service.accept(Deadline::Never).and_then(|(stream, addr)| {
                let is_wake = service.state().wakes.iter().any(|(wake, _)| *wake == addr);
                if is_wake { Ok(None) } else { service.connect(stream, addr).map(Some) }
            });
            let mut state = service.state();
            let over = state.stopping || state.finishing.is_some();
            match result {
                Ok(Some((connection, _))) if state.stopping => {
                    state.idle -= 1;
                    service.end_accepting(&mut state);
                    connection.over(ClientEnd::StillOpen);
                    return None;
                }
                Ok(Some(accepted)) => {
                    state.idle -= 1;
                    let alone = state.idle == 0;
                    drop(state);
                    // The first one may turn out to keep nobody waiting.
                    if alone && accepted.0.client.connection > 1 {
                        self.about_to_wait();
                    }
                    return Some(accepted);
                }
                Ok(None) | Err(Error::NoRequest { .. }) if over => {
                    state.idle -= 1;
                    service.end_accepting(&mut state);
                    return None;
                }
                // A caller of `serve_once` has left its deadline on the listener.
                Ok(None) | Err(Error::NoRequest { .. }) => {
                    let _ = SockRef::from(&service.listener).set_read_timeout(None);
                }
                Err(error) => {
                    if over {
                        state.idle -= 1;
                        service.end_accepting(&mut state);
                    }
                    drop(state);
                    let kind = error.io_error().map(io::Error::kind);
                    if told != kind {
                        told = kind;
                        service.plug.tell(&Event::Failed(&error));
                        service.over(Outcome::Over(Err(error)));
                    }
                    if over {
                        return None;
                    }
                    thread::sleep(ACCEPT_PAUSE);
                }
            }
        }
    }

    fn serve(&self, mut connection: Connection) {
        let service = &*self.service;
        let number = connection.client.connection;
        loop {
            match self.begin(&mut connection) {
                Beginning::Begun => {}
                // A connection that has had an exchange may end without another.
                Beginning::Over(end) if connection.client.exchange > 0 => {
                    return connection.over(end);
                }
                Beginning::Silent if connection.client.exchange > 0 => {
                    return connection.close(self, &Next::Close);
                }
                Beginning::Over(end) => return service.silent(connection, end),
                Beginning::Silent => return service.silent(connection, ClientEnd::StillOpen),
            }
            if !service.take_permit() {
                return connection.over(ClientEnd::StillOpen);
            }
            self.enter(number, Phase::Serving);
            let Exchanged { result, next } = connection.exchange(self);
            if let Next::Request = next {
                service.over(service.outcome(result));
                self.enter(number, Phase::Between);
            } else if service.role == Role::Peer {
                service.over(service.outcome(result));
                return connection.close(self, &next);
            } else {
                connection.close(self, &next);
                return service.over(service.outcome(result));
            }
        }
    }

    fn begin(&self, connection: &mut Connection) -> Beginning {
        let number = connection.client.connection;
        let patience = self.idle_time().map_or(PATIENCE, |idle| idle.min(PATIENCE));
        let mut beginning = connection.begin(Some(patience));
        if let Beginning::Silent = beginning {
            self.about_to_wait();
            beginning = connection.begin(self.idle_time());
        }
        match beginning {
            // Our own doing, or the client's: at the end both look the same.
            Beginning::Over(ClientEnd::Closed) if self.is_cut(number) => Beginning::Silent,
            beginning => beginning,
        }
    }

    /// How long a connection may stay silent.
    fn idle_time(&self) -> Option<Duration> {
        let settings = &self.service.settings;
        let finishing = self.finishing_since().map(|_| settings.linger);
        settings.idle_deadline.into_iter().chain(finishing).min()
    }

    fn enter(&self, number: u64, phase: Phase) {
        let mut state = self.service.state();
        let finishing = state.finishing.is_some();
        if let Some(open) = state.open.get_mut(&number) {
            open.phase = phase;
        }
        if finishing && phase == Phase::Between {
            state.cut(Phase::Between);
        }
        drop(state);
        if finishing {
            self.service.changed.notify_all();
        }
    }

    fn is_cut(&self, number: u64) -> bool {
        self.service.state().open.get(&number).is_some_and(|open| open.cut)
    }
}

impl Host for Worker {
    fn settings(&self) -> &Settings {
        self.service.settings()
    }

    fn next_exchange(&self) -> u64 {
        self.service.next_exchange()
    }

    fn open_record(&self, client: &Client) -> io::Result<Option<Box<dyn Write + Send>>> {
        if self.service.plug.sink.is_some() {
            self.about_to_wait();
        }
        self.service.open_record(client)
    }

    fn respond(&self, request: &Request) -> std::result::Result<io::Result<Response>, Payload> {
        if !self.service.plug.is_prompt {
            self.about_to_wait();
        }
        self.service.respond(request)
    }

    fn about_to_wait(&self) {
        let alone = self.service.state().idle == 0;
        // Without a thread others wait until this connection is done: slower, and nobody is lost.
        if alone && let Err(error) = self.service.start_worker(None) {
            self.service.plug.tell(&Event::Failed(&error));
        }
    }

    fn finishing_since(&self) -> Option<Instant> {
        self.service.state().finishing
    }
}

/// The calling thread of a foreground server: nobody else is served, so that nobody waits.
impl Host for Service {
    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn next_exchange(&self) -> u64 {
        self.exchanges.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn open_record(&self, client: &Client) -> io::Result<Option<Box<dyn Write + Send>>> {
        self.plug.open_record(client)
    }

    fn respond(&self, request: &Request) -> std::result::Result<io::Result<Response>, Payload> {
        self.plug.respond(request)
    }

    fn about_to_wait(&self) {}

    fn finishing_since(&self) -> Option<Instant> {
        None
    }
}

/// A point in time, which a very long timeout never reaches.
#[derive(Debug, Clone, Copy)]
enum Deadline {
    At(Instant),
    Never,
}

impl Deadline {
    fn after(timeout: Option<Duration>) -> Self {
        match timeout.and_then(|timeout| Instant::now().checked_add(timeout)) {
            Some(instant) => Deadline::At(instant),
            None => Deadline::Never,
        }
    }

    /// How long until then; `None` for never.
    fn left(self) -> Option<Duration> {
        match self {
            Deadline::At(instant) => Some(instant.saturating_duration_since(Instant::now())),
            Deadline::Never => None,
        }
    }
}
