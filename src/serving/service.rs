//! A server at work: what its connections share. Accepting is in `accept`, the end in `closing_down` and `finish`.

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, RwLock};
use std::task::Waker;
use std::time::Instant;

use super::by_hand::arrivals::Arrivals;
use super::event::Event;
use super::event_loop::{EventLoop, Key, is_loop_thread};
use super::failure::Fault;
use super::ledger::{Ledger, Outcome};
use super::open_connection::OpenConnection;
use super::settings::Settings;
use super::user_code::{Call, Exclusive, ObserverQueue, Payload, UserCode};
use super::user_threads::{Job, Running, Undone, UserThreads};
use crate::error::Error;
use crate::journal::client::Client;
use crate::journal::connection_state::ConnectionState;
use crate::journal::exchange::Exchange;
use crate::journal::peer_report::PeerReport;
use crate::os::address::Address;
use crate::os::deadline::Deadline;
use crate::os::listener::Listener;
use crate::os::lock::{Mutex, Waiters, lock};

#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) settings: Settings,
    pub(crate) role: Role,
    pub(crate) user_code: UserCode,
    /// Of a peer whose connections are driven by hand.
    pub(crate) arrivals: Option<Arrivals>,
    pub(crate) ledger: Ledger,
    pub(crate) event_loop: Arc<EventLoop>,
    pub(crate) addr: Address,
    /// Where in the test it was made.
    pub(super) made_at: &'static Location<'static>,
    /// How many exchanges the test expects, if it says so.
    pub(super) expected: Mutex<Option<u64>>,
    pub(super) backlog: u32,
    pub(super) user_threads: Arc<UserThreads>,
    /// Drops of what users gave.
    pub(super) dropping: Running,
    pub(super) exchanges: AtomicU64,
    /// How many exchanges have ended since the port was opened, if it is to close after some.
    pub(super) served: AtomicU64,
    pub(super) listening: Mutex<Option<Listening>>,
    pub(super) open: Mutex<Open>,
    pub(super) ending: Waiters,
    pub(super) finishing: OnceLock<Instant>,
    pub(super) cut: OnceLock<Cut>,
    /// Whether a failing test wants to know nothing more.
    pub(super) is_abandoned: AtomicBool,
    /// Whether the caller of `serve_once` runs user code.
    pub(super) serves_in_caller: AtomicBool,
    pub(super) permits: Mutex<Permits>,
    /// What the observer panicked with in the thread of a call in the foreground.
    pub(super) observer_panic: Mutex<Option<Payload>>,
    /// The right to run the loop of a server in the foreground.
    pub(super) driver: Exclusive<()>,
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

/// In which thread a connection is carried on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// One that must not block: the loop's, or one that finishes.
    Loop,
    UserThread,
    /// The caller of `serve_once`, which user code may block.
    Caller,
}

#[derive(Debug)]
pub(super) struct Listening {
    pub(super) listener: Listener,
    pub(super) key: Key,
    /// What accepting failed with, until it works again.
    pub(super) failing: Option<io::ErrorKind>,
    /// How many more connections are accepted, once the server is to finish.
    pub(super) left: u32,
    /// Whether connections are refused. Then the listener is not in the set.
    pub(super) is_down: bool,
}

#[derive(Debug, Default)]
pub(super) struct Open {
    /// By number, so in the order in which they were accepted.
    pub(super) connections: BTreeMap<u64, Arc<dyn OpenConnection>>,
    pub(super) is_listening: bool,
    /// When everything is cut, once the server is to finish.
    pub(super) deadline: Option<Instant>,
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

/// How many exchanges of a server in the foreground may begin.
#[derive(Debug, Default)]
pub(super) struct Permits {
    pub(super) left: u64,
    pub(super) in_flight: u64,
    /// Those in flight that are over but for the end of their connection.
    pub(super) answered: u64,
    pub(super) waiting: VecDeque<Waker>,
}

thread_local! {
    /// The server whose user code runs in this thread.
    static SERVED: Cell<*const Service> = const { Cell::new(std::ptr::null()) };
}

/// Whether this thread runs user code of this server, which therefore must not wait for it.
fn is_user_thread_of(service: &Service) -> bool {
    std::ptr::eq(SERVED.get(), service)
}

/// Marks this thread while it runs user code of a server.
pub(super) fn as_user_thread_of(service: &Service, run: impl FnOnce()) {
    let outer = SERVED.replace(service);
    run();
    SERVED.set(outer);
}

impl Service {
    pub(crate) fn addr(&self) -> &Address {
        &self.addr
    }

    /// What a failing test wants to know.
    pub(crate) fn report(&self) -> PeerReport {
        PeerReport {
            addr: self.addr.clone(),
            made_at: self.made_at,
            expected: *lock(&self.expected),
            journal: self.ledger.journal(),
        }
    }

    pub(crate) fn expect(&self, exchanges: u64) {
        *lock(&self.expected) = Some(exchanges);
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
        // Those of a peer are started by one another. Only a file that turns out to be a device, or a response of a conversation, needs a first
        // one here.
        self.user_threads.push(job, self.role == Role::Foreground, &self.addr);
    }

    pub(super) fn start_sibling(&self) {
        // Without one, others wait until this thread is free.
        let _ = self.user_threads.start_if_none_is_idle(&self.addr);
    }

    /// Queues an event for the observer, if there is an observer.
    pub(super) fn tell(self: &Arc<Self>, call: impl FnOnce() -> Call) {
        if let Some(observer) = &self.user_code.observer
            && observer.push(call())
            && self.place() != Place::Caller
        {
            let service = Arc::clone(self);
            let undone = Undone::new({
                let service = Arc::clone(self);
                move || service.user_code.observer.iter().for_each(ObserverQueue::give_up)
            });
            self.run_user_code(Box::new(move || {
                undone.forget();
                as_user_thread_of(&service, || {
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

    /// Calls the observer with what is queued, in the thread of a call. What it panics with first is kept for that call.
    pub(super) fn call_observer(&self) {
        if let Some(observer) = &self.user_code.observer {
            observer.run(|payload| {
                lock(&self.observer_panic).get_or_insert(payload);
            });
        }
    }

    /// Calls the observer with what is queued; what it has panicked with since the last time.
    pub(super) fn run_observer(&self) -> Option<Payload> {
        self.call_observer();
        lock(&self.observer_panic).take()
    }

    /// A test has not accepted a connection before its peer has ended.
    pub(super) fn report_not_accepted(&self, client: &Client) {
        let error =
            Error::NotAccepted { addr: self.addr.clone(), client: client.clone(), peer: None };
        self.ledger.enter_failure(Fault::Error(error));
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

    pub(super) fn tell_error(self: &Arc<Self>, error: &Error) {
        self.tell(|| {
            let error = error.duplicate();
            Box::new(move |observe| observe(&Event::Failed { error: &error }))
        });
    }

    /// Enters an exchange that is over.
    pub(super) fn publish(
        self: &Arc<Self>,
        exchange: &Exchange,
        fault: Option<Fault>,
        live: &ConnectionState,
    ) {
        let mut page = self.ledger.lock();
        // Under the lock: who finds no request that is being answered finds the exchange.
        live.answering.store(0, Ordering::Relaxed);
        page.enter(exchange);
        self.tell_outcome(exchange, fault.as_ref());
        let outcome = Outcome::of(exchange, fault);
        if self.role == Role::Foreground {
            let mut permits = lock(&self.permits);
            permits.in_flight -= 1;
            permits.answered -= 1;
        }
        page.publish(outcome);
        page.leave();
        if self.role == Role::Foreground {
            self.event_loop.interrupt();
        }
    }

    /// A panic takes the place of an exchange of a server in the foreground, which may have begun.
    pub(super) fn publish_panic(&self, payload: Payload, has_begun: bool) {
        let mut page = self.ledger.lock();
        let mut permits = lock(&self.permits);
        if has_begun {
            permits.in_flight -= 1;
        } else {
            permits.left = permits.left.saturating_sub(1);
        }
        drop(permits);
        page.publish(Outcome::Panicked(Box::new(payload)));
        page.leave();
        self.event_loop.interrupt();
    }

    pub(super) fn publish_outcome(&self, outcome: Outcome) {
        let mut page = self.ledger.lock();
        page.publish(outcome);
        page.leave();
        self.event_loop.interrupt();
    }

    /// Lets the user threads end.
    pub(super) fn close_threads(&self) {
        self.user_threads.close();
    }

    /// Whether this thread is one that the end would wait for.
    pub(super) fn must_not_wait(&self) -> bool {
        is_loop_thread() || is_user_thread_of(self)
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

impl Drop for Service {
    fn drop(&mut self) {
        if self.role == Role::Foreground {
            self.event_loop.give_back();
        }
    }
}
