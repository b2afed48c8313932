//! A server at work: its state, the connections that it admits, the outcome of each exchange. Its threads are in `worker` and
//! `foreground`, a single connection is in `connection`.

mod ending;
mod outcomes;
mod permits;
mod workers;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, Weak};
use std::task::Waker;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use socket2::Socket;

use self::outcomes::{NextOutcome, Outcomes, SOON, Told};
pub(crate) use self::workers::Idleness;
use crate::error::{Error, Result};
use crate::journal::client::{Client, ClientEnd};
use crate::journal::connection_state::ConnectionState;
use crate::journal::exchange::Exchange;
use crate::journal::record::{ConnectionRecord, Journal};
use crate::os::deadline::Deadline;
use crate::os::listener::Listening;
use crate::os::lock::lock;
use crate::os::stream;
use crate::serving::connection::Connection;
use crate::serving::event::Event;
use crate::serving::failure::Fault;
use crate::serving::settings::Settings;
use crate::serving::user_code::{Payload, UserCode};
use crate::serving::wire::Wire;

#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) settings: Settings,
    pub(crate) role: Role,
    pub(crate) user_code: UserCode,
    pub(crate) listening: Listening,
    /// Whether accepted sockets have their options from the listening one. Who connected to a listener made elsewhere
    /// before it was given to us has not.
    options_are_set: bool,
    /// The read timeout of the listening socket. Accepted ones have it, too, where there is one.
    patience: Option<Duration>,
    exchanges: AtomicU64,
    /// Since when there are no more connections than those there are.
    finishing: OnceLock<Instant>,
    /// No more anything.
    stopping: AtomicBool,
    /// Nobody wants to know any more: no client is waited for.
    abandoned: AtomicBool,
    /// Held by who serves in the foreground. Calls for one exchange may share it; one for many would take their outcomes.
    calls: RwLock<()>,
    /// Held while the observer is told of the outcome of an exchange.
    telling: Mutex<()>,
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
    /// How many have begun and are not over.
    in_flight: u64,
    /// Whether one call has all the permits.
    serves_many: bool,
    outcomes: Outcomes,
    connections: u64,
    /// How many connections are being served.
    serving: usize,
    /// The connections that are being served, which may have to stop.
    open: HashMap<u64, Open>,
    /// Connections whose close has begun, the oldest first. Nobody waits for their clients; whoever accepts looks at them.
    leaving: VecDeque<Box<Connection>>,
    /// When all of them were looked at.
    looked: Option<Instant>,
    journal: Vec<ConnectionRecord>,
    workers: Vec<JoinHandle<()>>,
    /// Workers that wait for a connection, or are about to.
    idle: usize,
    /// Those of them that wait for nothing else: they look at no connection that is leaving.
    resting: usize,
    /// How many workers there are for prompt clients, beside the first one.
    helpers: usize,
    /// The connections with which workers are told that no more will come; open until they are gone.
    knocks: Vec<(SocketAddr, Socket)>,
    /// Threads that wait for `changed`.
    waiting: usize,
    /// Futures that wait for it.
    wakers: Vec<Waker>,
}

/// A connection that is being served. It closes when whoever serves it is done.
#[derive(Debug)]
struct Open {
    stream: Weak<TcpStream>,
    live: Arc<ConnectionState>,
}

impl Open {
    /// Whoever serves it need not wait for its client any more.
    fn cut(&self) {
        if let Some(stream) = self.stream.upgrade() {
            // Whoever has ended already needs no ending.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// Small: a peer keeps one for each exchange that nobody takes.
#[derive(Debug)]
pub(crate) enum Outcome {
    Served(Exchange),
    Failed(Box<Error>),
    Panicked(Box<Payload>),
}

impl Outcome {
    pub(crate) fn panicked(payload: Payload) -> Self {
        Outcome::Panicked(Box::new(payload))
    }

    pub(crate) fn result(self) -> Result<Exchange> {
        match self {
            Outcome::Served(exchange) => Ok(exchange),
            Outcome::Failed(error) => Err(*error),
            Outcome::Panicked(payload) => panic::resume_unwind(*payload),
        }
    }
}

impl Service {
    pub(crate) fn new(
        listener: TcpListener,
        settings: Settings,
        user_code: UserCode,
        role: Role,
        options_are_set: bool,
        patience: Option<Duration>,
    ) -> io::Result<Arc<Self>> {
        let service = Service {
            settings,
            role,
            user_code,
            listening: Listening::new(listener)?,
            options_are_set,
            patience,
            exchanges: AtomicU64::new(0),
            finishing: OnceLock::new(),
            stopping: AtomicBool::new(false),
            abandoned: AtomicBool::new(false),
            calls: RwLock::default(),
            telling: Mutex::default(),
            state: Mutex::default(),
            changed: Condvar::new(),
        };
        service.user_code.tell(&Event::Listening { addr: &service.addr().into() });
        Ok(Arc::new(service))
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.listening.addr
    }

    /// The next exchange of a peer that is over, or `None` after `timeout`.
    pub(crate) fn take(&self, timeout: Duration) -> Option<Result<Exchange>> {
        let start = Instant::now();
        let deadline = Deadline::after(Some(timeout));
        let mut state = self.state();
        loop {
            let left = match state.outcomes.next() {
                // Not for ever, though others come to be imminent.
                NextOutcome::Soon(left) if start.elapsed() < SOON => Some(left),
                NextOutcome::Outcome(outcome) => {
                    drop(state);
                    return Some(outcome.result());
                }
                NextOutcome::Soon(_) | NextOutcome::Nothing => match state.outcomes.next_told() {
                    Some(told) => {
                        drop(state);
                        return Some(told.outcome.result());
                    }
                    None => deadline.left(),
                },
            };
            if left.is_some_and(|left| left.is_zero()) {
                return None;
            }
            state = self.wait(state, left);
        }
    }

    /// The next exchange of a peer, if one is over; otherwise `waker` is woken when that may have changed.
    pub(crate) fn take_or_wake(&self, waker: &Waker) -> Option<Result<Exchange>> {
        let mut state = self.state();
        let outcome = match state.outcomes.next() {
            NextOutcome::Outcome(outcome) => Some(outcome),
            // Nobody would wake who waits in vain: only an observer takes time, and then the order is what it is.
            NextOutcome::Soon(_) if self.user_code.observer.is_some() => {
                state.outcomes.next_told().map(|told| told.outcome)
            }
            NextOutcome::Soon(_) | NextOutcome::Nothing => None,
        };
        if outcome.is_none() && !state.wakers.iter().any(|known| known.will_wake(waker)) {
            state.wakers.push(waker.clone());
        }
        drop(state);
        outcome.map(Outcome::result)
    }

    /// The next exchange that is there.
    pub(crate) fn take_now(&self) -> Option<Result<Exchange>> {
        let told = self.state().outcomes.next_told();
        told.map(|told| told.outcome.result())
    }

    /// What a client has had the end of is in it.
    pub(crate) fn journal(&self) -> Journal {
        let mut state = self.state();
        let now = Instant::now();
        while let Some(left) = state.outcomes.left_of_imminent(now) {
            state = self.wait(state, Some(left));
        }
        Journal { connections: state.journal.clone() }
    }

    /// What is there.
    pub(crate) fn journal_now(&self) -> Journal {
        Journal { connections: self.state().journal.clone() }
    }

    /// Gives an accepted connection its number, and its place in the journal.
    pub(crate) fn admit(&self, stream: TcpStream, addr: SocketAddr) -> io::Result<Box<Connection>> {
        self.admit_with(stream, addr, |_| ()).map(|(connection, ())| connection)
    }

    /// [`admit`](Self::admit) by a worker, which is not idle any more, and has had this many clients without a pause;
    /// whether another worker is to accept meanwhile.
    pub(crate) fn admit_from_idle(
        &self,
        stream: TcpStream,
        addr: SocketAddr,
        in_a_row: u32,
    ) -> io::Result<(Box<Connection>, bool)> {
        self.admit_with(stream, addr, |state| {
            state.idle -= 1;
            state.idle == 0 && self.needs_another(state, in_a_row)
        })
    }

    /// Each lock of the state counts here, when many connect at once.
    fn admit_with<T>(
        &self,
        stream: TcpStream,
        addr: SocketAddr,
        change: impl FnOnce(&mut State) -> T,
    ) -> io::Result<(Box<Connection>, T)> {
        let stream = Arc::new(stream);
        let weak = Arc::downgrade(&stream);
        // Where the listener had been made non-blocking, some platforms hand that down.
        #[cfg(not(target_os = "linux"))]
        stream.set_nonblocking(false)?;
        if !self.options_are_set {
            stream::set_options(&stream)?;
        }
        let mut wire = Wire::new(stream, self.settings.retain, self.patience);
        let mut state = self.state();
        let changed = change(&mut state);
        state.connections += 1;
        let number = state.connections;
        let client = Client { addr: addr.into(), connection: number, exchange: 0, turn: 0 };
        wire.tap = self.user_code.tap(&client);
        // Boxed: it is handed on through frames of threads that should stay small.
        let connection =
            Box::new(Connection::new(client.clone(), wire, self.settings.framing.clone()));
        state.serving += 1;
        let open = Open { stream: weak, live: Arc::clone(&connection.live) };
        if self.abandoned.load(Ordering::SeqCst) {
            open.cut();
        }
        state.open.insert(number, open);
        if self.role == Role::Peer {
            state.journal.push(ConnectionRecord {
                client,
                exchanges: Vec::new(),
                live: Arc::clone(&connection.live),
            });
        }
        Ok((connection, changed))
    }

    pub(crate) fn next_exchange(&self) -> u64 {
        self.exchanges.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A connection has ended before its first byte.
    pub(crate) fn silent(&self, connection: Box<Connection>, end: ClientEnd) {
        self.user_code.tell(&Event::Silent { client: &connection.client, end });
        connection.over(end);
    }

    /// What became of an exchange, for who waits for it. The observer is told.
    pub(crate) fn outcome(&self, exchange: &Exchange, fault: Option<Fault>) -> Outcome {
        match fault {
            None => {
                self.user_code.tell(&Event::Served { exchange });
                Outcome::Served(exchange.clone())
            }
            Some(Fault::Error(error)) => {
                self.user_code.tell(&Event::Failed { error: &error });
                Outcome::Failed(Box::new(error))
            }
            Some(Fault::Panic(payload)) => Outcome::panicked(payload),
        }
    }

    /// The last bytes of a response are about to leave: the exchange has its turn from now on, though it is told of later.
    pub(crate) fn about_to_end(&self, exchange: u64) {
        self.state().outcomes.reserve(exchange);
    }

    /// They do not leave yet.
    pub(crate) fn not_yet_ending(&self, exchange: u64) {
        let mut state = self.state();
        state.outcomes.give_back(exchange);
        self.notify(&state);
        Self::wake_futures(state);
    }

    /// Writes down what became of an exchange, and tells who waits for it.
    pub(crate) fn publish(&self, exchange: &Exchange, fault: Option<Fault>, permit: bool) {
        let mut state = self.state();
        if self.role == Role::Peer {
            let number = exchange.client().connection;
            let index = usize::try_from(number - 1).expect("the journal has as many entries");
            state.journal[index].exchanges.push(exchange.clone());
            state.journal[index].live.answering.store(0, Ordering::Relaxed);
        }
        // Behind the entry: an observer that panics does not take it out of the journal. Nor is it told under a lock.
        if self.user_code.observer.is_some() {
            drop(state);
            // Who is told first is the first in the queue, too.
            let _turn = lock(&self.telling);
            let told = AssertUnwindSafe(|| self.outcome(exchange, fault));
            let outcome = panic::catch_unwind(told).unwrap_or_else(Outcome::panicked);
            return self.tell(self.state(), Some(exchange), outcome, permit);
        }
        let outcome = self.outcome(exchange, fault);
        self.tell(state, Some(exchange), outcome, permit);
    }

    /// Tells who waits for an exchange of something else.
    pub(crate) fn publish_outcome(&self, outcome: Outcome, permit: bool) {
        self.tell(self.state(), None, outcome, permit);
    }

    fn tell(
        &self,
        mut state: MutexGuard<'_, State>,
        exchange: Option<&Exchange>,
        outcome: Outcome,
        permit: bool,
    ) {
        if self.role == Role::Foreground {
            state.in_flight -= u64::from(permit);
            if state.serves_many && matches!(outcome, Outcome::Panicked(_)) {
                // Whoever waits has to know of it before anything else begins.
                state.permits = 0;
            }
        }
        let mut told = Told { outcome, permit };
        if self.abandoned.load(Ordering::SeqCst)
            && let Outcome::Failed(_) = told.outcome
            && let Some(exchange) = exchange
        {
            // It was we who cut it.
            told.outcome = Outcome::Served(exchange.clone());
        }
        match exchange {
            Some(exchange) => state.outcomes.fill(exchange.client().exchange, told),
            None => state.outcomes.push(told),
        }
        self.notify(&state);
        Self::wake_futures(state);
    }

    /// Tells the threads that wait. A system call, so not for nobody.
    fn notify(&self, state: &State) {
        if state.waiting > 0 {
            self.changed.notify_all();
        }
    }

    /// Wakes the futures that wait, under no lock: a waker may do anything, also drop the last handle of this peer.
    fn wake_futures(mut state: MutexGuard<'_, State>) {
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    fn wait<'a>(
        &self,
        mut state: MutexGuard<'a, State>,
        timeout: Option<Duration>,
    ) -> MutexGuard<'a, State> {
        state.waiting += 1;
        let mut state = match timeout {
            None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            Some(timeout) => {
                self.changed.wait_timeout(state, timeout).unwrap_or_else(PoisonError::into_inner).0
            }
        };
        state.waiting -= 1;
        state
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}
