//! A server at work: it accepts connections, carries them on, and ends them.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, RwLock};
use std::task::Waker;
use std::time::{Duration, Instant};

use super::connection::Connection;
use super::event::Event;
use super::event_loop::{EventLoop, Key, Task, is_loop_thread};
use super::failure::Fault;
use super::ledger::{Ledger, Outcome};
use super::settings::Settings;
use super::task::{self, ConnectionTask, Place};
use super::user_code::{Call, Exclusive, Payload, UserCode};
use super::user_threads::{Job, UserThreads};
use crate::error::{Error, Result};
use crate::journal::connection_state::ConnectionState;
use crate::journal::exchange::Exchange;
use crate::os::address::Address;
use crate::os::deadline::Deadline;
use crate::os::listener::Listener;
use crate::os::lock::{self, Condvar, Mutex, lock};
use crate::os::set::{Interest, Ready};
use crate::os::spare;
use crate::os::stream::Stream;

#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) settings: Settings,
    pub(crate) role: Role,
    pub(crate) user_code: UserCode,
    pub(crate) ledger: Ledger,
    pub(crate) event_loop: Arc<EventLoop>,
    pub(crate) addr: SocketAddr,
    backlog: u32,
    user_threads: Arc<UserThreads>,
    exchanges: AtomicU64,
    listening: Mutex<Option<Listening>>,
    open: Mutex<Open>,
    ended: Condvar,
    finishing: OnceLock<Instant>,
    cut: OnceLock<Cut>,
    /// Whether a failing test wants to know nothing more.
    is_abandoned: AtomicBool,
    /// Whether the caller of `serve_once` runs user code.
    serves_in_caller: AtomicBool,
    pub(super) permits: Mutex<Permits>,
    /// What a call in the foreground runs the loop with.
    pub(super) driver: Exclusive<Ready>,
    /// Calls for one exchange may share it; one for many would take their outcomes.
    pub(super) calls: RwLock<()>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Serves when asked to; an exchange is published when its connection has ended, or goes on.
    Foreground,
    /// Serves by itself and keeps a journal; an exchange is published with its last byte.
    Peer,
}

/// Why all connections are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The time to finish is over.
    Finished,
    /// The test has failed.
    Abandoned,
    /// A server in the foreground was dropped. Connections that have been answered are closed in order.
    Stopped,
}

impl Cut {
    pub(super) fn error(self, settings: &Settings) -> io::Error {
        let text = match self {
            Cut::Finished => format!(
                "it was cut, because the peer was to finish within {:?}",
                settings.finish_timeout
            ),
            Cut::Abandoned => "it was cut, because the test has failed".into(),
            Cut::Stopped => "it was cut, because the server has ended".into(),
        };
        io::Error::new(io::ErrorKind::TimedOut, text)
    }
}

#[derive(Debug)]
struct Listening {
    listener: Listener,
    key: Key,
    /// What accepting failed with, until it works again.
    failing: Option<io::ErrorKind>,
    /// How many more connections are accepted, once the server is to finish.
    left: u32,
}

#[derive(Debug, Default)]
struct Open {
    connections: HashMap<u64, Arc<ConnectionTask>>,
    is_listening: bool,
    /// When everything is cut, once the server is to finish.
    deadline: Option<Instant>,
}

/// How many exchanges of a server in the foreground may begin.
#[derive(Debug, Default)]
pub(super) struct Permits {
    pub(super) left: u64,
    pub(super) in_flight: u64,
    pub(super) waiting: VecDeque<Waker>,
}

/// How long accepting pauses when it failed, as it does while the process has no descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// How long other threads have for a cut, when the time to finish is over.
const CUT_TIME: Duration = Duration::from_secs(1);

/// How many connections are accepted before others have their turn.
const ACCEPT_BATCH: u32 = 16;

impl Service {
    pub(crate) fn start(
        listener: TcpListener,
        backlog: u32,
        settings: Settings,
        user_code: UserCode,
        role: Role,
    ) -> Result<Arc<Self>> {
        let listen_error = |addr: String| move |source| Error::Listen { addr, source };
        let listener = Listener::new(listener).map_err(listen_error("a listener".into()))?;
        let addr = listener.addr().map_err(listen_error("a listener".into()))?;
        let accept_error = |source| Error::Accept { addr: addr.into(), source };
        let event_loop = match role {
            Role::Peer => EventLoop::of_process().map_err(accept_error)?,
            Role::Foreground => Arc::new(EventLoop::new().map_err(accept_error)?),
        };
        let service = Arc::new(Service {
            settings,
            role,
            user_code,
            ledger: Ledger::new(role == Role::Peer),
            event_loop,
            addr,
            backlog,
            user_threads: UserThreads::new(format!("peer {}", addr.port())),
            exchanges: AtomicU64::new(0),
            listening: Mutex::new(None),
            open: Mutex::default(),
            ended: Condvar::new(),
            finishing: OnceLock::new(),
            cut: OnceLock::new(),
            is_abandoned: AtomicBool::new(false),
            serves_in_caller: AtomicBool::new(false),
            permits: Mutex::default(),
            driver: Exclusive::new(Ready::new()),
            calls: RwLock::default(),
        });
        service.user_code.tell_now(&Event::Listening { addr: &addr.into() });
        if role == Role::Peer {
            spare::keep();
            if service.has_user_code() {
                service.user_threads.start_if_none_is_idle().map_err(accept_error)?;
            }
        }
        let key = service.event_loop.insert(Arc::clone(&service) as _, None);
        lock(&service.open).is_listening = true;
        let mut listening = lock(&service.listening);
        let watched = service.event_loop.watch(key, listener.socket(), Interest::Read);
        *listening = Some(Listening { listener, key, failing: None, left: u32::MAX });
        drop(listening);
        if let Err(source) = watched {
            service.close_listener();
            return Err(accept_error(source));
        }
        Ok(service)
    }

    fn has_user_code(&self) -> bool {
        self.user_code.has_user_code() || self.settings.framing.is_custom()
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(super) fn next_exchange(&self) -> u64 {
        self.exchanges.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(crate) fn exchanges(&self) -> u64 {
        self.exchanges.load(Ordering::Relaxed)
    }

    pub(super) fn place(&self) -> Place {
        if self.serves_in_caller.load(Ordering::Relaxed) { Place::Caller } else { Place::Loop }
    }

    pub(super) fn serve_in_caller(&self, does: bool) {
        self.serves_in_caller.store(does, Ordering::Relaxed);
    }

    /// Runs a job in a thread that may block.
    pub(super) fn run_user_code(&self, job: Job) {
        // Those of a peer are started by one another. Only a file that turns out to be a device needs a first one here.
        if self.role == Role::Foreground || !self.user_threads.has_thread() {
            // Without a thread the job waits for one that is busy.
            let _ = self.user_threads.start_if_none_is_idle();
        }
        self.user_threads.push(job);
    }

    pub(super) fn start_sibling(&self) {
        // Without one, others wait until this thread is free.
        let _ = self.user_threads.start_if_none_is_idle();
    }

    /// Queues an event for the observer, if there is an observer.
    pub(super) fn tell(self: &Arc<Self>, call: impl FnOnce() -> Call) {
        if let Some(observer) = &self.user_code.observer
            && observer.push(call())
            && self.place() != Place::Caller
        {
            let service = Arc::clone(self);
            self.run_user_code(Box::new(move || {
                task::as_user_thread_of(&service, || {
                    service.start_sibling();
                    let Some(observer) = &service.user_code.observer else { return };
                    observer.run(|payload| match service.role {
                        Role::Peer => service.ledger.enter_failure(Fault::Panic(payload)),
                        Role::Foreground => {
                            service.publish_outcome(Outcome::Panicked(Box::new(payload)));
                        }
                    });
                });
            }));
        }
    }

    /// Calls the observer with what is queued; what it panics with first.
    pub(super) fn run_observer(&self) -> Option<Payload> {
        let mut panicked = None;
        if let Some(observer) = &self.user_code.observer {
            observer.run(|payload| panicked = panicked.take().or(Some(payload)));
        }
        panicked
    }

    /// Queues the result of an exchange for the observer.
    pub(super) fn tell_outcome(self: &Arc<Self>, exchange: &Exchange, fault: Option<&Fault>) {
        match fault {
            None => self.tell(|| {
                let exchange = exchange.clone();
                Box::new(move |observe| observe(&Event::Served { exchange: &exchange }))
            }),
            Some(Fault::Error(error)) => self.tell_error(error),
            Some(Fault::Panic(_)) => {}
        }
    }

    fn tell_error(self: &Arc<Self>, error: &Error) {
        self.tell(|| {
            let error = error.duplicate();
            Box::new(move |observe| observe(&Event::Failed { error: &error }))
        });
    }

    /// Enters an exchange that is over.
    pub(super) fn publish(self: &Arc<Self>, exchange: &Exchange, fault: Option<Fault>) {
        let mut page = self.ledger.lock();
        page.enter(exchange);
        self.tell_outcome(exchange, fault.as_ref());
        let outcome = Outcome::of(exchange, fault);
        if self.role == Role::Foreground {
            lock(&self.permits).in_flight -= 1;
        }
        page.publish(outcome);
        page.leave();
        if self.role == Role::Foreground {
            self.event_loop.interrupt();
        }
    }

    pub(super) fn publish_outcome(&self, outcome: Outcome) {
        let mut page = self.ledger.lock();
        page.publish(outcome);
        page.leave();
        self.event_loop.interrupt();
    }

    /// Whether an exchange may begin; if not, `waker` is woken when one may.
    pub(super) fn has_permit(&self, waker: impl FnOnce() -> Waker) -> bool {
        if self.role == Role::Peer {
            return true;
        }
        let mut permits = lock(&self.permits);
        if permits.left == 0 {
            permits.waiting.push_back(waker());
        }
        permits.left > 0
    }

    /// Lets an exchange begin.
    pub(super) fn take_permit(&self, waker: impl FnOnce() -> Waker) -> bool {
        if self.role == Role::Peer {
            return true;
        }
        let mut permits = lock(&self.permits);
        if permits.left == 0 {
            permits.waiting.push_back(waker());
            return false;
        }
        permits.left -= 1;
        permits.in_flight += 1;
        true
    }

    /// Accepts what is in the backlog.
    fn accept(self: &Arc<Self>) {
        for _ in 0..ACCEPT_BATCH {
            let mut listening = lock(&self.listening);
            let Some(state) = &mut *listening else { return };
            let is_finishing = self.finishing.get().is_some();
            let accepted = match state.listener.accept() {
                Err(error) if spare::is_needed(&error) && spare::give_up() => {
                    state.listener.accept()
                }
                accepted => accepted,
            };
            match accepted {
                Ok(Some((stream, addr))) => {
                    if state.failing.take().is_some() {
                        // Out of the set while it failed. If this fails, the timer looks again.
                        let _ = self.event_loop.watch(
                            state.key,
                            state.listener.socket(),
                            Interest::Read,
                        );
                    }
                    state.left = state.left.saturating_sub(u32::from(is_finishing));
                    let is_last = state.left == 0;
                    // Under the lock: a thread that finds no listener any more finds this connection.
                    let task = self.admit(stream, addr);
                    drop(listening);
                    task.carry_on(self.place());
                    if is_last {
                        return self.close_listener();
                    }
                }
                Ok(None) => {
                    if state.failing.take().is_some() {
                        let _ = self.event_loop.watch(
                            state.key,
                            state.listener.socket(),
                            Interest::Read,
                        );
                    }
                    drop(listening);
                    if is_finishing {
                        self.close_listener();
                    }
                    return;
                }
                Err(source) => {
                    let is_new = state.failing.replace(source.kind()) != Some(source.kind());
                    self.event_loop.unwatch(state.listener.socket());
                    self.event_loop.run_at(state.key, Instant::now() + ACCEPT_PAUSE);
                    drop(listening);
                    if is_new {
                        let error = Error::Accept { addr: self.addr.into(), source };
                        self.tell_error(&error);
                        self.publish_outcome(Outcome::Failed(Box::new(error)));
                    }
                    // No connection of this peer will give a descriptor back: what is in the backlog has been reported.
                    if is_finishing && lock(&self.open).connections.is_empty() {
                        self.close_listener();
                    }
                    return;
                }
            }
        }
        if self.finishing.get().is_some() {
            // The rest of the backlog.
            self.event_loop.wake(Arc::clone(self) as _);
        }
    }

    /// Gives an accepted connection its number, and its place in the journal.
    fn admit(self: &Arc<Self>, stream: Stream, addr: Address) -> Arc<ConnectionTask> {
        let live = Arc::new(ConnectionState::new(Instant::now()));
        let client = self.ledger.enter_connection(addr, &live);
        let number = client.connection();
        self.tell(|| {
            let client = client.clone();
            Box::new(move |observe| observe(&Event::Accepted { client: &client }))
        });
        let framing = self.settings.framing.clone();
        let connection = Connection::new(client, live, stream, framing, self.settings.retain);
        let task = ConnectionTask::new(Arc::clone(self), connection);
        lock(&self.open).connections.insert(number, Arc::clone(&task));
        task
    }

    /// A connection has ended.
    pub(super) fn forget(&self, number: u64) {
        let mut open = lock(&self.open);
        let ended = open.connections.remove(&number);
        drop(open);
        drop(ended);
        self.wake_enders();
    }

    fn close_listener(&self) {
        if let Some(Listening { listener, key, .. }) = lock(&self.listening).take() {
            self.event_loop.unwatch(listener.socket());
            self.event_loop.remove(key);
            drop(listener);
        }
        lock(&self.open).is_listening = false;
        self.wake_enders();
    }

    /// Wakes threads that wait for the end.
    pub(super) fn wake_enders(&self) {
        if self.finishing.get().is_some() {
            // Under the lock, so that a thread that is about to wait does not miss it.
            let open = lock(&self.open);
            self.ended.notify_all();
            drop(open);
            // A server in the foreground runs its loop meanwhile.
            if self.role == Role::Foreground {
                self.event_loop.interrupt();
            }
        }
    }

    /// When the server was to finish.
    pub(crate) fn finishing_since(&self) -> Option<Instant> {
        self.finishing.get().copied()
    }

    pub(super) fn cut(&self) -> Option<Cut> {
        self.cut.get().copied()
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.is_abandoned.load(Ordering::Relaxed)
    }

    /// A response that is being sent has this much left to pause.
    pub(super) fn extend_finish(&self, pauses: Duration) {
        let Some(finishing) = self.finishing_since() else { return };
        let timeout = self.settings.finish_timeout.saturating_add(pauses);
        let deadline = finishing.checked_add(timeout);
        let mut open = lock(&self.open);
        open.deadline = match (open.deadline, deadline) {
            (Some(known), Some(deadline)) => Some(known.max(deadline)),
            _ => None,
        };
        drop(open);
        self.ended.notify_all();
    }

    /// Begins to finish: accepts what is in the backlog and nothing more, and lets every connection look.
    pub(crate) fn begin_finish(self: &Arc<Self>) {
        let mut listening = lock(&self.listening);
        if let Some(listening) = &mut *listening {
            listening.left = self.backlog.saturating_add(1);
        }
        self.start_finishing();
        drop(listening);
        self.accept();
        self.carry_all_on();
    }

    fn carry_all_on(&self) {
        for task in self.tasks() {
            task.carry_on(Place::Loop);
        }
    }

    fn tasks(&self) -> Vec<Arc<ConnectionTask>> {
        lock(&self.open).connections.values().cloned().collect()
    }

    /// Cuts everything that is open, but for what another thread is carrying on: that thread does it.
    pub(crate) fn cut_all(&self, cut: Cut) {
        self.cut.get_or_init(|| cut);
        self.close_listener();
        self.carry_all_on();
    }

    /// Ends the connections that user code still has after a cut, and reports that it has not returned.
    pub(super) fn give_up(&self) {
        for task in self.tasks() {
            if let Some(error) = task.give_up()
                && !self.is_abandoned()
            {
                self.ledger.enter_failure(Fault::Error(error));
            }
        }
    }

    /// Cuts everything, because a test has failed.
    pub(crate) fn abandon(&self) {
        self.is_abandoned.store(true, Ordering::Relaxed);
        self.start_finishing();
        self.cut_all(Cut::Abandoned);
        self.give_up();
    }

    /// Waits until everything has ended, or is cut at the deadline.
    pub(crate) fn await_end(self: &Arc<Self>) {
        if self.must_not_wait() {
            // It would wait for itself. The loop goes on alone.
            return self.cut_later();
        }
        let mut open = lock(&self.open);
        while open.is_listening || !open.connections.is_empty() {
            if self.cut().is_some() {
                return;
            }
            let left = open.deadline.map(|at| at.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                drop(open);
                self.cut_all(Cut::Finished);
                self.await_cut();
                return self.give_up();
            }
            open = lock::wait(&self.ended, open, left);
        }
    }

    /// Waits until the other threads have cut what they carry on, apart from user code. Nothing else takes long.
    fn await_cut(&self) {
        let deadline = Deadline::after(Some(CUT_TIME));
        let mut open = lock(&self.open);
        while open.connections.values().any(|task| !task.is_in_user_code()) {
            let left = deadline.left();
            if left == Some(Duration::ZERO) {
                return;
            }
            open = lock::wait(&self.ended, open, left);
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        let open = lock(&self.open);
        open.is_listening || !open.connections.is_empty()
    }

    pub(crate) fn finish_deadline(&self) -> Option<Instant> {
        lock(&self.open).deadline
    }

    /// Lets the user threads end.
    pub(super) fn close_threads(&self) {
        self.user_threads.close();
    }

    /// Whether this thread is one that the end would wait for.
    pub(super) fn must_not_wait(&self) -> bool {
        is_loop_thread() || task::is_user_thread_of(self)
    }

    /// From now on the time to finish runs.
    pub(super) fn start_finishing(&self) {
        let now = *self.finishing.get_or_init(Instant::now);
        lock(&self.open).deadline = now.checked_add(self.settings.finish_timeout);
    }

    /// Waits until the observer has had all events.
    pub(super) fn await_observer(&self) {
        if let Some(observer) = &self.user_code.observer {
            observer.await_quiet();
        }
    }

    pub(super) fn user_code_deadline(&self) -> Deadline {
        match lock(&self.open).deadline {
            Some(at) => Deadline::At(at),
            None => Deadline::Never,
        }
    }
}

impl Task for Service {
    fn run(self: Arc<Self>) {
        self.accept();
    }
}
