//! A server at work: accepts, tells which connection gets the next exchange, and moves what has to wait to threads of
//! its own. What happens on one connection is `connection`'s.
//!
//! Serving starts in the calling thread. As soon as a connection keeps it waiting, that connection gets a worker: a
//! thread that serves what it has and then accepts more. There is always one idle worker then, so that nobody
//! who waits blocks anybody who doesn't. A request that has begun takes a permit before it is served; serving one
//! exchange means handing out one permit and waiting for an outcome.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::connection::{Beginning, Connection};
use crate::error::{Error, Result};
use crate::event::Event;
use crate::exchange::{ClientEnd, Exchange};
use crate::request::Request;
use crate::response::Response;
use crate::server::Settings;
use crate::sink::RequestSink;
use crate::source::ResponseSource;
use crate::wire::{self, Wire};

/// How long the calling thread waits for the first byte of a connection before it gives that to a worker: long enough
/// for a client that sends at once, and no visible delay for the one behind an idle one.
const PATIENCE: Duration = Duration::from_millis(20);

pub(crate) struct Service {
    pub(crate) settings: Settings,
    pub(crate) addr: SocketAddr,
    listener: TcpListener,
    plug: Plug,
    connections: AtomicU64,
    exchanges: AtomicU64,
    state: Mutex<State>,
    changed: Condvar,
}

/// What users plug in.
pub(crate) struct Plug {
    pub(crate) sink: Option<Mutex<Box<dyn RequestSink>>>,
    pub(crate) source: Mutex<Box<dyn ResponseSource>>,
    pub(crate) observer: Option<Mutex<Observer>>,
}

pub(crate) type Observer = Box<dyn FnMut(&Event<'_>) + Send>;

#[derive(Default)]
struct State {
    /// How many more exchanges may begin.
    permits: u64,
    outcomes: VecDeque<Outcome>,
    /// Workers that accept, or are about to.
    idle: usize,
    workers: Vec<JoinHandle<()>>,
    /// The workers' connections, to be ended when the server goes.
    open: HashMap<u64, Arc<TcpStream>>,
    stopping: bool,
}

enum Outcome {
    Over(Result<Exchange>),
    Panicked(Box<dyn std::any::Any + Send>),
}

impl Service {
    pub(crate) fn new(listener: TcpListener, settings: Settings, plug: Plug) -> io::Result<Self> {
        let addr = listener.local_addr()?;
        let service = Service {
            settings,
            addr,
            listener,
            plug,
            connections: AtomicU64::new(0),
            exchanges: AtomicU64::new(0),
            state: Mutex::default(),
            changed: Condvar::new(),
        };
        service.tell(&Event::Listening(addr));
        Ok(service)
    }

    /// Serves one exchange.
    pub(crate) fn serve_once(self: &Arc<Self>) -> Result<Exchange> {
        let until = self.settings.accept_deadline.map(|deadline| Instant::now() + deadline);
        if self.state().workers.is_empty() {
            loop {
                let (stream, addr) = self.accept_until(until)?;
                let (mut connection, stream) = self.connect(stream, addr)?;
                match connection.begin(self, Some(PATIENCE)) {
                    Beginning::Begun => return self.told(connection.exchange(self)),
                    Beginning::Over(end) => self.tell(&Event::Silent(&connection.client, end)),
                    Beginning::Silent => {
                        self.start_worker(Some((connection, stream)))?;
                        break;
                    }
                }
            }
        }
        self.state().permits += 1;
        self.changed.notify_all();
        self.wait_for_outcome(until)
    }

    /// Ends all connections and workers.
    pub(crate) fn stop(&self) {
        let mut state = self.state();
        state.stopping = true;
        for stream in state.open.values() {
            // Whoever has ended already needs no ending.
            let _ = stream.shutdown(Shutdown::Both);
        }
        let workers = std::mem::take(&mut state.workers);
        let idle = state.idle;
        drop(state);
        self.changed.notify_all();
        // A connection is what wakes a thread that accepts, on every platform.
        for _ in 0..idle {
            let _ = TcpStream::connect_timeout(&self.reachable_addr(), Duration::from_secs(1));
        }
        for worker in workers {
            // A worker catches the panics of what it calls.
            let _ = worker.join();
        }
    }

    pub(crate) fn next_exchange(&self) -> u64 {
        self.exchanges.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(crate) fn open_record(
        &self,
        client: &Client,
    ) -> io::Result<Option<Box<dyn io::Write + Send>>> {
        self.plug.sink.as_ref().map(|sink| lock(sink).open(client)).transpose()
    }

    pub(crate) fn respond(&self, request: &Request) -> io::Result<Response> {
        lock(&self.plug.source).respond(request)
    }

    fn tell(&self, event: &Event<'_>) {
        if let Some(observer) = &self.plug.observer {
            lock(observer)(event);
        }
    }

    fn told(&self, result: Result<Exchange>) -> Result<Exchange> {
        match &result {
            Ok(exchange) => self.tell(&Event::Served(exchange)),
            Err(error) => self.tell(&Event::Failed(error)),
        }
        result
    }

    fn accept_until(&self, until: Option<Instant>) -> Result<(TcpStream, SocketAddr)> {
        let left = match until.map(|until| until.saturating_duration_since(Instant::now())) {
            Some(left) if left.is_zero() => return Err(self.no_request()),
            left => left,
        };
        if left.is_some() {
            // Works for accept(2) too: socket(7), SO_RCVTIMEO.
            socket2::SockRef::from(&self.listener)
                .set_read_timeout(left)
                .map_err(|source| Error::Accept { addr: self.addr, source })?;
        }
        loop {
            match self.listener.accept() {
                Ok(accepted) => return Ok(accepted),
                Err(error) if wire::is_timeout(&error) => return Err(self.no_request()),
                // The client was gone before it was accepted: accept(2).
                Err(error)
                    if wire::is_gone(&error) || error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(Error::Accept { addr: self.addr, source }),
            }
        }
    }

    fn connect(&self, stream: TcpStream, addr: SocketAddr) -> Result<(Connection, Arc<TcpStream>)> {
        let connection = self.connections.fetch_add(1, Ordering::Relaxed) + 1;
        let client = Client { addr, connection, exchange: 0 };
        self.tell(&Event::Accepted(&client));
        let stream = Arc::new(stream);
        let wire = Wire::new(Arc::clone(&stream), self.settings.retain)
            .map_err(|source| Error::Accept { addr: self.addr, source })?;
        Ok((Connection::new(client, wire), stream))
    }

    fn no_request(&self) -> Error {
        Error::NoRequest {
            addr: self.addr,
            deadline: self.settings.accept_deadline.unwrap_or_default(),
        }
    }

    /// Starts a thread that serves `first`, then accepts.
    fn start_worker(self: &Arc<Self>, first: Option<(Connection, Arc<TcpStream>)>) -> Result<()> {
        let mut state = self.state();
        if state.stopping {
            return Ok(());
        }
        let accepts = first.is_none();
        let service = Arc::clone(self);
        let worker = thread::Builder::new()
            .name(format!("fake-peer {}", self.addr))
            .spawn(move || service.work(first))
            .map_err(|source| Error::Accept { addr: self.addr, source })?;
        state.idle += usize::from(accepts);
        state.workers.push(worker);
        Ok(())
    }

    fn work(self: &Arc<Self>, first: Option<(Connection, Arc<TcpStream>)>) {
        let mut next = first;
        loop {
            let (connection, stream) = match next.take() {
                Some(connection) => connection,
                None => match self.accept_more() {
                    Some(Ok(connection)) => connection,
                    Some(Err(error)) => {
                        self.tell(&Event::Failed(&error));
                        self.over(Outcome::Over(Err(error)));
                        return;
                    }
                    None => return,
                },
            };
            if self.state().idle == 0
                && let Err(error) = self.start_worker(None)
            {
                self.tell(&Event::Failed(&error));
                self.over(Outcome::Over(Err(error)));
            }
            let number = connection.client.connection;
            let mut state = self.state();
            if state.stopping {
                return;
            }
            state.open.insert(number, stream);
            drop(state);
            if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(|| self.serve(connection))) {
                self.over(Outcome::Panicked(payload));
            }
            let mut state = self.state();
            state.open.remove(&number);
            if state.stopping {
                return;
            }
            state.idle += 1;
        }
    }

    /// Accepts for a worker, which has been counted as idle. `None` says that the server is going.
    fn accept_more(&self) -> Option<Result<(Connection, Arc<TcpStream>)>> {
        let accepted = loop {
            match self.accept_until(None) {
                // A calling thread has left its deadline on the listener.
                Err(Error::NoRequest { .. }) => {
                    let _ = socket2::SockRef::from(&self.listener).set_read_timeout(None);
                }
                accepted => break accepted,
            }
        };
        let mut state = self.state();
        state.idle -= 1;
        if state.stopping {
            return None;
        }
        drop(state);
        Some(accepted.and_then(|(stream, addr)| self.connect(stream, addr)))
    }

    fn serve(&self, mut connection: Connection) {
        match connection.begin(self, self.settings.idle_deadline) {
            Beginning::Begun => {}
            Beginning::Silent => {
                return self.tell(&Event::Silent(&connection.client, ClientEnd::StillOpen));
            }
            Beginning::Over(end) => return self.tell(&Event::Silent(&connection.client, end)),
        }
        if self.take_permit() {
            let result = self.told(connection.exchange(self));
            self.over(Outcome::Over(result));
        }
    }

    /// Waits until an exchange may begin; false says that none ever will.
    fn take_permit(&self) -> bool {
        let mut state = self.state();
        while state.permits == 0 && !state.stopping {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.stopping {
            return false;
        }
        state.permits -= 1;
        true
    }

    fn over(&self, outcome: Outcome) {
        self.state().outcomes.push_back(outcome);
        self.changed.notify_all();
    }

    fn wait_for_outcome(&self, until: Option<Instant>) -> Result<Exchange> {
        let mut state = self.state();
        loop {
            match state.outcomes.pop_front() {
                Some(Outcome::Over(result)) => return result,
                Some(Outcome::Panicked(payload)) => {
                    drop(state);
                    panic::resume_unwind(payload)
                }
                None => {}
            }
            // The deadline is one for the beginning of an exchange: it is off once the permit is taken.
            let left = match until.map(|until| until.saturating_duration_since(Instant::now())) {
                Some(left) if state.permits > 0 => left,
                _ => Duration::MAX,
            };
            if left.is_zero() {
                state.permits -= 1;
                return Err(self.no_request());
            }
            state =
                self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn reachable_addr(&self) -> SocketAddr {
        let mut addr = self.addr;
        if addr.ip().is_unspecified() {
            match addr {
                SocketAddr::V4(_) => addr.set_ip(Ipv4Addr::LOCALHOST.into()),
                SocketAddr::V6(_) => addr.set_ip(Ipv6Addr::LOCALHOST.into()),
            }
        }
        addr
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

/// A panic in what a user plugged in is reported on its own; it does not make the next exchange fail.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("addr", &self.addr)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
