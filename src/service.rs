//! A server at work: its state, who may begin an exchange, what became of each, and its end. What its threads do is
//! `worker`'s and `foreground`'s, what happens on one connection is `connection`'s.
//!
//! With a foreground server a request that has begun takes a permit before a worker serves it: serving one exchange means
//! handing out one permit and waiting for an outcome. A peer needs no permits.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{
    Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard,
    RwLockWriteGuard,
};
use std::task::Waker;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use socket2::Socket;

use crate::client::Client;
use crate::connection::{Connection, Fault};
use crate::deadline::Deadline;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::exchange::{ClientEnd, Exchange, Live};
use crate::host::PATIENCE;
use crate::journal::{ConnectionRecord, Journal};
use crate::listening::Listening;
use crate::plug::{Payload, Plug, lock};
use crate::settings::Settings;
use crate::stop::Stop;
use crate::wire::{self, Wire};

/// More workers than this do not stay for later.
const IDLE_WORKERS: usize = 16;

/// How long a worker that waits for connections is given to hear that there will be none.
const KNOCK_PATIENCE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) settings: Settings,
    pub(crate) role: Role,
    pub(crate) plug: Plug,
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
    /// Nobody wants to know any more.
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
    outcomes: VecDeque<Told>,
    connections: u64,
    /// How many connections are being served.
    serving: usize,
    /// Those of a foreground server, which may have to stop.
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
    /// The connections with which workers are told that no more will come; open until they are gone.
    knocks: Vec<(SocketAddr, Socket)>,
    /// Threads that wait for `changed`.
    waiting: usize,
    /// Futures that wait for it.
    wakers: Vec<Waker>,
}

/// A connection that is being served.
#[derive(Debug)]
struct Open {
    stream: Arc<TcpStream>,
    live: Arc<Live>,
}

/// An outcome, and whether a permit was taken for it.
#[derive(Debug)]
struct Told {
    outcome: Outcome,
    permit: bool,
}

#[derive(Debug)]
pub(crate) enum Outcome {
    Over(Result<Exchange>),
    Panicked(Payload),
}

/// What a worker does when nobody comes.
pub(crate) enum Idleness {
    /// It looks now and then: at the connections that are leaving, and whether the server ends.
    GoOn,
    /// There are none: it may wait for the next client as long as that takes.
    Rest,
    /// Others are there: it is not counted as idle any more.
    Leave,
}

impl Outcome {
    pub(crate) fn result(self) -> Result<Exchange> {
        match self {
            Outcome::Over(result) => result,
            Outcome::Panicked(payload) => panic::resume_unwind(payload),
        }
    }
}

impl Service {
    pub(crate) fn new(
        listener: TcpListener,
        settings: Settings,
        plug: Plug,
        role: Role,
        options_are_set: bool,
        patience: Option<Duration>,
    ) -> io::Result<Arc<Self>> {
        let service = Service {
            settings,
            role,
            plug,
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
        service.plug.tell(&Event::Listening(service.addr()));
        Ok(Arc::new(service))
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.listening.addr
    }

    /// Waits for the turn of a call that serves one exchange in the foreground.
    pub(crate) fn turn_for_one(&self) -> RwLockReadGuard<'_, ()> {
        self.calls.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the turn of a call that serves many.
    pub(crate) fn turn_for_many(&self) -> RwLockWriteGuard<'_, ()> {
        self.calls.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets one more exchange begin, and waits for its outcome. The deadline is one for its beginning.
    pub(crate) fn wait_for_one(&self, deadline: Deadline) -> Result<Exchange> {
        let mut state = self.state();
        state.permits += 1;
        self.notify(&mut state);
        loop {
            if let Some(Told { outcome, permit }) = state.outcomes.pop_front() {
                // What failed without a permit ends this call all the same, and leaves nothing to be served uncalled.
                state.permits = state.permits.saturating_sub(u64::from(!permit));
                drop(state);
                return outcome.result();
            }
            let left = deadline.left().filter(|_| state.permits > 0);
            if left.is_some_and(|left| left.is_zero()) {
                state.permits -= 1;
                return Err(self.no_request());
            }
            state = self.wait(state, left);
        }
    }

    /// Lets exchanges begin until it is enough, and waits for the outcomes of all that have begun. The first error of them.
    pub(crate) fn wait_until(&self, stop: &Stop) -> Result<()> {
        let mut first_error = None;
        let mut panicked = None;
        let mut ended = 0;
        let idle_since_now = || Deadline::after(self.settings.accept_deadline);
        let mut deadline = idle_since_now();
        let mut state = self.state();
        // One that was requested before this lock has seen no permit to take away.
        state.permits = if stop.is_requested() { 0 } else { stop.exchanges().unwrap_or(u64::MAX) };
        state.serves_many = true;
        self.notify(&mut state);
        loop {
            while let Some(Told { outcome, permit }) = state.outcomes.pop_front() {
                ended += u64::from(permit);
                deadline = idle_since_now();
                match outcome {
                    Outcome::Over(Ok(_)) => {}
                    Outcome::Over(Err(error)) => first_error = first_error.or(Some(error)),
                    Outcome::Panicked(payload) => panicked = panicked.or(Some(payload)),
                }
            }
            let is_enough =
                stop.is_requested() || stop.exchanges().is_some_and(|exchanges| ended >= exchanges);
            if is_enough || panicked.is_some() {
                state.permits = 0;
            }
            let idle = state.in_flight == 0;
            if state.permits == 0 && idle {
                break;
            }
            let left = deadline.left().filter(|_| idle);
            if left.is_some_and(|left| left.is_zero()) {
                state.permits = 0;
                first_error = first_error.or_else(|| Some(self.no_request()));
                break;
            }
            state = self.wait(state, left);
        }
        state.serves_many = false;
        drop(state);
        match (panicked, first_error) {
            (Some(payload), _) => panic::resume_unwind(payload),
            (None, Some(error)) => Err(error),
            (None, None) => Ok(()),
        }
    }

    /// No other exchange may begin: who waits for them looks whether all are over.
    pub(crate) fn begin_no_more(&self) {
        let mut state = self.state();
        state.permits = 0;
        self.notify(&mut state);
    }

    /// The next exchange of a peer that is over, or `None` after `timeout`.
    pub(crate) fn take(&self, timeout: Duration) -> Option<Result<Exchange>> {
        let deadline = Deadline::after(Some(timeout));
        let mut state = self.state();
        loop {
            if let Some(told) = state.outcomes.pop_front() {
                drop(state);
                return Some(told.outcome.result());
            }
            let left = deadline.left();
            if left.is_some_and(|left| left.is_zero()) {
                return None;
            }
            state = self.wait(state, left);
        }
    }

    /// The next exchange of a peer, if one is over; otherwise `waker` is woken when that may have changed.
    pub(crate) fn take_or_wake(&self, waker: &Waker) -> Option<Result<Exchange>> {
        let mut state = self.state();
        let told = state.outcomes.pop_front();
        if told.is_none() {
            state.wakers.push(waker.clone());
        }
        drop(state);
        told.map(|told| told.outcome.result())
    }

    pub(crate) fn journal(&self) -> Journal {
        Journal { connections: self.state().journal.clone() }
    }

    /// Lets everybody who is connected have their exchange, then ends everything. The first failure that nobody took,
    /// panics before errors.
    pub(crate) fn finish(&self) -> Result<(), Fault> {
        self.finishing.get_or_init(Instant::now);
        let mut state = self.state();
        self.end_accepting(&mut state);
        drop(state);
        self.join();
        // Whoever waits for an exchange need not wait any more.
        self.notify(&mut self.state());

        let mut first_error = None;
        let outcomes = std::mem::take(&mut self.state().outcomes);
        for told in outcomes {
            match told.outcome {
                Outcome::Over(Ok(_)) => {}
                Outcome::Over(Err(error)) => first_error = first_error.or(Some(error)),
                Outcome::Panicked(payload) => return Err(Fault::Panic(payload)),
            }
        }
        let addr = self.addr();
        let served = self.exchanges.load(Ordering::Relaxed);
        let expected = self.settings.expect.unwrap_or(served);
        let wrong_count = (expected != served).then_some(Error::Count { addr, expected, served });
        let left_over = || Some(Error::LeftOver { addr, source: self.plug.finish_source().err()? });
        match first_error.or(wrong_count).or_else(left_over) {
            Some(error) => Err(Fault::Error(error)),
            None => Ok(()),
        }
    }

    /// Ends all connections and workers.
    pub(crate) fn stop(&self) {
        self.finishing.get_or_init(Instant::now);
        self.stopping.store(true, Ordering::SeqCst);
        let mut state = self.state();
        for Open { stream, live } in state.open.values() {
            // Whoever has had an answer and may not have read it yet is closed in order, by its worker.
            if !live.is_kept.load(Ordering::Relaxed) {
                // Whoever has ended already needs no ending.
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
        self.end_accepting(&mut state);
        self.notify(&mut state);
        drop(state);
        self.join();
    }

    /// Whether nothing more is to be accepted than what waits already.
    pub(crate) fn is_ending(&self) -> bool {
        self.finishing.get().is_some() || self.is_stopping()
    }

    /// Makes responses that pause or wait at a gate go on at once.
    pub(crate) fn abandon(&self) {
        self.abandoned.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::SeqCst) || self.is_stopping()
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    fn end_accepting(&self, state: &mut State) {
        self.listening.stop_waiting();
        self.knock(state);
    }

    /// Tells a worker that waits for a connection that no more will come. When it goes, it tells the next one: if all were
    /// told at once, a worker that comes back could hear what another one waits for.
    fn knock(&self, state: &mut State) {
        if state.idle > 0 {
            match self.listening.knock() {
                Ok(knock) => state.knocks.push(knock),
                // Not even a descriptor is left.
                Err(_) => self.listening.shut(),
            }
        }
    }

    /// Waits for all workers, those too that are started meanwhile.
    fn join(&self) {
        let mut state = self.state();
        let (mut idle, mut since) = (state.idle, Instant::now());
        // One that does not rest looks up by itself.
        while state.idle > 0 && (state.resting > 0 || !self.serves_in_turn()) {
            state = self.wait(state, Some(KNOCK_PATIENCE));
            if state.idle != idle {
                (idle, since) = (state.idle, Instant::now());
            } else if since.elapsed() >= KNOCK_PATIENCE {
                // Somebody else may accept on the same socket, and have heard the knock.
                self.listening.shut();
            }
        }
        drop(state);
        loop {
            let workers = std::mem::take(&mut self.state().workers);
            if workers.is_empty() {
                return;
            }
            for worker in workers {
                // The last handle may be dropped by what a worker calls. A worker catches the panics of that.
                if worker.thread().id() != thread::current().id() {
                    let _ = worker.join();
                }
            }
        }
    }

    /// Gives an accepted connection its number, and its place in the journal.
    pub(crate) fn admit(&self, stream: TcpStream, addr: SocketAddr) -> io::Result<Box<Connection>> {
        self.admit_with(stream, addr, |_| ()).map(|(connection, ())| connection)
    }

    /// [`admit`](Self::admit) by a worker, which is not idle any more; whether somebody else may have to wait for it.
    pub(crate) fn admit_from_idle(
        &self,
        stream: TcpStream,
        addr: SocketAddr,
    ) -> io::Result<(Box<Connection>, bool)> {
        self.admit_with(stream, addr, |state| {
            state.idle -= 1;
            // Prompt clients are served one after another in one thread. Where one was not prompt, and is being served by
            // another thread, the next may not be prompt either.
            let may_wait =
                if self.serves_in_turn() { state.serving > 0 } else { state.connections > 0 };
            state.idle == 0 && may_wait
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
        // Where the listener had been made non-blocking, some platforms hand that down.
        #[cfg(not(target_os = "linux"))]
        stream.set_nonblocking(false)?;
        if !self.options_are_set {
            wire::set_options(&stream)?;
        }
        let mut wire = Wire::new(Arc::clone(&stream), self.settings.retain, self.patience);
        let mut state = self.state();
        let changed = change(&mut state);
        state.connections += 1;
        let client = Client { addr, connection: state.connections, exchange: 0, turn: 0 };
        wire.tap = self.plug.tap(client);
        // Boxed: it is handed on through frames of threads that should stay small.
        let connection = Box::new(Connection::new(client, wire, self.settings.framing.clone()));
        state.serving += 1;
        if self.role == Role::Foreground {
            let live = Arc::clone(&connection.live);
            state.open.insert(client.connection, Open { stream, live });
        }
        if self.role == Role::Peer {
            state.journal.push(ConnectionRecord {
                client,
                accepted: connection.accepted(),
                exchanges: Vec::new(),
                live: Arc::clone(&connection.live),
            });
        }
        Ok((connection, changed))
    }

    /// Whether this is a connection by which a worker is told that no more will come.
    pub(crate) fn is_knock(&self, addr: SocketAddr) -> bool {
        self.is_ending() && self.state().knocks.iter().any(|(knock, _)| *knock == addr)
    }

    pub(crate) fn no_request(&self) -> Error {
        let deadline = self.settings.accept_deadline.unwrap_or_default();
        Error::NoRequest { addr: self.addr(), deadline }
    }

    pub(crate) fn has_workers(&self) -> bool {
        !self.state().workers.is_empty()
    }

    /// Whether somebody accepts, and looks at the connections that are leaving.
    pub(crate) fn has_idle_worker(&self) -> bool {
        let state = self.state();
        state.idle > if state.leaving.is_empty() { 0 } else { state.resting }
    }

    /// Keeps the worker that `start` starts, which is going to wait for a connection if it `is_idle`.
    pub(crate) fn add_worker(
        &self,
        is_idle: bool,
        start: impl FnOnce() -> io::Result<JoinHandle<()>>,
    ) -> Result<()> {
        let mut state = self.state();
        if self.is_stopping() {
            return Ok(());
        }
        if state.workers.len().is_multiple_of(4 * IDLE_WORKERS) {
            state.workers.retain(|worker| !worker.is_finished());
        }
        let worker = start().map_err(|source| Error::Accept { addr: self.addr(), source })?;
        state.idle += usize::from(is_idle);
        state.workers.push(worker);
        Ok(())
    }

    pub(crate) fn next_exchange(&self) -> u64 {
        self.exchanges.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(crate) fn finishing_since(&self) -> Option<Instant> {
        self.finishing.get().copied()
    }

    /// A worker goes, and tells the next one.
    pub(crate) fn leave_for_good(&self) {
        self.leave(&mut self.state());
    }

    fn leave(&self, state: &mut State) {
        state.idle -= 1;
        if self.is_ending() {
            self.knock(state);
        }
        self.notify(state);
    }

    /// A worker is done with a connection, but for what is left of its close; whether it is to wait for the next one.
    pub(crate) fn enter_idle(&self, number: u64, leaving: Option<Box<Connection>>) -> bool {
        let mut state = self.state();
        self.end_serving(&mut state, number);
        // Whoever leaves one behind comes back to look at it.
        let stays = leaving.is_some() || state.idle < IDLE_WORKERS;
        state.leaving.extend(leaving);
        self.notify(&mut state);
        state.idle += usize::from(stays);
        stays
    }

    pub(crate) fn forget(&self, number: u64) {
        self.end_serving(&mut self.state(), number);
    }

    fn end_serving(&self, state: &mut State, number: u64) {
        state.serving -= 1;
        if self.role == Role::Foreground {
            state.open.remove(&number);
        }
    }

    /// Whether a worker that accepts wakes up now and then, so that it can look after others: then prompt clients are served
    /// in turn by one worker, and what is left of their closes is left to whoever accepts.
    pub(crate) fn serves_in_turn(&self) -> bool {
        self.patience.is_some()
    }

    /// Whether a close that has begun may be left for later. Not where an observer is told of it: it may panic.
    pub(crate) fn leaves_for_later(&self) -> bool {
        self.patience.is_some_and(|patience| patience < self.settings.linger)
            && self.plug.observer.is_none()
            && !self.is_ending()
    }

    /// The oldest of the connections that are leaving, but for the last one, which has only just begun to.
    pub(crate) fn oldest_leaving(&self) -> Option<Box<Connection>> {
        let mut state = self.state();
        if state.leaving.len() > 1 { state.leaving.pop_front() } else { None }
    }

    /// All of them.
    pub(crate) fn all_leaving(&self) -> VecDeque<Box<Connection>> {
        let mut state = self.state();
        state.looked = Some(Instant::now());
        std::mem::take(&mut state.leaving)
    }

    /// Whether it is time to look at all of them.
    pub(crate) fn has_unseen_leaving(&self) -> bool {
        let state = self.state();
        state.leaving.len() > 1 && state.looked.is_none_or(|looked| looked.elapsed() >= PATIENCE)
    }

    /// Their clients are still there.
    pub(crate) fn still_leaving(&self, mut connections: VecDeque<Box<Connection>>) {
        let mut state = self.state();
        connections.append(&mut state.leaving);
        state.leaving = connections;
    }

    /// A worker that was idle waits for the client of one of them after all.
    pub(crate) fn leave_idle(&self) {
        let mut state = self.state();
        state.serving += 1;
        state.idle -= 1;
    }

    /// It is idle again.
    pub(crate) fn return_to_idle(&self) {
        let mut state = self.state();
        state.serving -= 1;
        state.idle += 1;
    }

    /// What a worker does for whom nobody has come for a while.
    pub(crate) fn rest(&self) -> Idleness {
        let mut state = self.state();
        let looking = state.idle - state.resting;
        if looking > 1 || (state.leaving.is_empty() && state.idle > 1) {
            self.leave(&mut state);
            Idleness::Leave
        } else if state.leaving.is_empty() && !self.is_ending() {
            state.resting += 1;
            Idleness::Rest
        } else {
            Idleness::GoOn
        }
    }

    /// A worker rests no more.
    pub(crate) fn wake(&self) {
        self.state().resting -= 1;
    }

    /// Waits until an exchange may begin; false says that none ever will.
    pub(crate) fn take_permit(&self) -> bool {
        let mut state = self.state();
        while state.permits == 0 {
            if self.is_stopping() {
                return false;
            }
            state = self.wait(state, None);
        }
        state.permits -= 1;
        state.in_flight += 1;
        true
    }

    /// A connection has ended before its first byte.
    pub(crate) fn silent(&self, connection: Box<Connection>, end: ClientEnd) {
        self.plug.tell(&Event::Silent(&connection.client, end));
        connection.over(end);
    }

    /// What became of an exchange, for who waits for it. The observer is told.
    pub(crate) fn outcome(&self, exchange: &Exchange, fault: Option<Fault>) -> Outcome {
        match fault {
            None => {
                self.plug.tell(&Event::Served(exchange));
                Outcome::Over(Ok(exchange.clone()))
            }
            Some(Fault::Error(error)) => {
                self.plug.tell(&Event::Failed(&error));
                Outcome::Over(Err(error))
            }
            Some(Fault::Panic(payload)) => Outcome::Panicked(payload),
        }
    }

    /// Writes down what became of an exchange, and tells who waits for it.
    pub(crate) fn publish(&self, exchange: &Exchange, fault: Option<Fault>, permit: bool) {
        let mut state = self.state();
        if self.role == Role::Peer {
            let number = exchange.client().connection;
            let index = usize::try_from(number - 1).expect("the journal has as many entries");
            state.journal[index].exchanges.push(exchange.clone());
        }
        // Behind the entry: an observer that panics does not take it out of the journal. Nor is it told under a lock.
        if self.plug.observer.is_some() {
            drop(state);
            // Who is told first is the first in the queue, too.
            let _turn = lock(&self.telling);
            let told = AssertUnwindSafe(|| self.outcome(exchange, fault));
            let outcome = panic::catch_unwind(told).unwrap_or_else(Outcome::Panicked);
            return self.publish_outcome(outcome, permit);
        }
        let outcome = self.outcome(exchange, fault);
        self.tell(&mut state, outcome, permit);
    }

    /// Tells who waits for an exchange of something else.
    pub(crate) fn publish_outcome(&self, outcome: Outcome, permit: bool) {
        self.tell(&mut self.state(), outcome, permit);
    }

    fn tell(&self, state: &mut State, outcome: Outcome, permit: bool) {
        if self.role == Role::Foreground {
            state.in_flight -= u64::from(permit);
            if state.serves_many && matches!(outcome, Outcome::Panicked(_)) {
                // Whoever waits has to know of it before anything else begins.
                state.permits = 0;
            }
        }
        state.outcomes.push_back(Told { outcome, permit });
        self.notify(state);
    }

    /// A system call, so not for nobody.
    fn notify(&self, state: &mut State) {
        if state.waiting > 0 {
            self.changed.notify_all();
        }
        for waker in state.wakers.drain(..) {
            waker.wake();
        }
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
