//! Carries on one connection, in whichever thread it is the turn of: registers what the connection waits for, and hands it to a thread that
//! may run user code.

use std::fmt;
use std::io;
use std::net::Shutdown;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Weak};
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use socket2::Socket;

use super::connection::Connection;
use super::context::{BUDGET, Busy, Context};
use super::event_loop::{Key, Task};
use super::open_connection::OpenConnection;
use super::rest::Rest;
use super::service::{Place, Service, as_user_thread_of};
use super::turn::Turn;
use crate::error::Error;
use crate::journal::connection_state::ConnectionState;
use crate::journal::exchange::{Exchange, ExchangeParts, Moments, Rare, Times};
use crate::journal::peer_report::PeerReport;
use crate::os::lock::{Mutex, lock};
use crate::os::set::Interest;

pub(crate) struct ConnectionTask {
    service: Arc<Service>,
    number: u64,
    turn: Turn<Box<Carried>>,
    socket: Weak<Socket>,
    live: Arc<ConnectionState>,
    /// What user code runs for it.
    busy: Mutex<Option<Busy>>,
}

struct Carried {
    connection: Connection,
    key: Option<Key>,
    watched: Option<Interest>,
    /// When the loop runs it at the latest.
    due: Option<Instant>,
    /// Whether a user thread is about to carry it on.
    is_queued: bool,
}

/// How long the start of a thread is put off that the system refused.
const RETRY: Duration = Duration::from_millis(10);

impl ConnectionTask {
    pub(super) fn new(service: Arc<Service>, connection: Connection) -> Arc<Self> {
        let number = connection.client.connection();
        let socket = connection.stream.weak_socket();
        let live = Arc::clone(&connection.live);
        let carried = Carried { connection, key: None, watched: None, due: None, is_queued: false };
        let turn = Turn::new(Box::new(carried));
        Arc::new(ConnectionTask { service, number, turn, socket, live, busy: Mutex::default() })
    }

    pub(super) fn carry_on(self: &Arc<Self>, place: Place) {
        let Some(mut carried) = self.turn.take() else { return };
        let mut wants_thread = false;
        loop {
            if place == Place::UserThread {
                carried.is_queued = false;
            }
            if !carried.is_queued || self.service.cut().is_some() {
                match self.step(&mut carried, place) {
                    Rest::Over => {
                        self.end(*carried);
                        return;
                    }
                    Rest::UserThread => {
                        // The thread of the loop stays for connections that it knows. The time is the one that the close will wait for:
                        // set by another thread then, it would wake the loop.
                        let until = Instant::now().checked_add(self.service.settings.linger);
                        self.wait_for(&mut carried, None, until);
                        wants_thread = true;
                        carried.is_queued = true;
                    }
                    Rest::Wait { interest, until } => {
                        wants_thread = false;
                        self.wait_for(&mut carried, interest, until);
                    }
                }
            }
            match self.turn.give_back(carried) {
                Ok(()) => break,
                Err(again) => {
                    carried = again;
                    if place == Place::UserThread {
                        // The step may be user code that takes long. What the loop waits for must not be ready meanwhile.
                        self.watch(&mut carried, None);
                    }
                    // It may have been a user thread that found it taken, and whose job is lost with that.
                    wants_thread |= carried.is_queued;
                }
            }
        }
        if wants_thread {
            let task = Arc::clone(self);
            let service = Arc::clone(&self.service);
            self.service.run_user_code(Box::new(move || {
                as_user_thread_of(&service, || task.carry_on(Place::UserThread));
            }));
        }
    }

    fn step(self: &Arc<Self>, carried: &mut Carried, place: Place) -> Rest {
        let waker = || Waker::from(Arc::clone(self));
        let mut context = Context {
            service: &self.service,
            waker: &waker,
            busy: &self.busy,
            place,
            finishing: self.service.finishing_since(),
            budget: BUDGET,
        };
        let carry_on = || carried.connection.carry_on(&mut context);
        // What user code panics with is caught where it is called. This is for what is left: the drop of a reader, for one.
        let carried_on = panic::catch_unwind(AssertUnwindSafe(carry_on));
        carried_on.unwrap_or_else(|payload| {
            carried.connection.break_off(payload, &context);
            Rest::Over
        })
    }

    fn end(self: &Arc<Self>, mut carried: Carried) {
        self.watch(&mut carried, None);
        if let Some(key) = carried.key {
            self.service.event_loop.remove(key);
        }
        self.turn.end();
        // The socket is closed before anything that waits for the end is woken.
        drop(carried);
        self.service.forget(self.number);
    }

    fn wait_for(
        self: &Arc<Self>,
        carried: &mut Carried,
        interest: Option<Interest>,
        until: Option<Instant>,
    ) {
        let event_loop = &self.service.event_loop;
        match (carried.key, until) {
            (None, _) => {
                carried.key = Some(event_loop.insert(Arc::clone(self) as _, until));
                carried.due = until;
            }
            // A time that is set and earlier makes it look, and set the later one.
            (Some(key), Some(until))
                if carried.due.is_none_or(|due| due > until || due <= Instant::now()) =>
            {
                event_loop.run_at(key, until);
                carried.due = Some(until);
            }
            (Some(_), _) => {}
        }
        self.watch(carried, interest);
    }

    fn watch(&self, carried: &mut Carried, interest: Option<Interest>) {
        if carried.watched == interest {
            return;
        }
        let event_loop = &self.service.event_loop;
        let socket = carried.connection.stream.socket();
        let changed = match (carried.key, carried.watched, interest) {
            (Some(key), None, Some(interest)) => event_loop.watch(key, socket, interest),
            (Some(key), Some(_), Some(interest)) => event_loop.change(key, socket, interest),
            _ => {
                event_loop.unwatch(socket);
                Ok(())
            }
        };
        carried.watched = interest;
        if let (Err(_), Some(key)) = (changed, carried.key) {
            // The system has no memory for it: look again soon.
            carried.watched = None;
            let retry = Instant::now() + RETRY;
            event_loop.run_at(key, retry);
            carried.due = Some(retry);
        }
    }
}

impl OpenConnection for ConnectionTask {
    fn go_on(self: Arc<Self>) {
        self.carry_on(Place::Loop);
    }

    fn report(&self) -> PeerReport {
        self.service.report()
    }

    fn give_up(&self) -> Option<Error> {
        if let Some(socket) = self.socket.upgrade() {
            // The client may have ended it already; then there is nothing to do.
            let _ = socket.shutdown(Shutdown::Both);
        }
        let Busy { what, request } = lock(&self.busy).take()?;
        let timeout = self.service.settings.finish_timeout;
        let Some(request) = request else {
            let addr = self.service.addr().clone();
            return Some(Error::NotReturned { addr, what, timeout, peer: None });
        };
        let now = Instant::now();
        let accepted = self.live.accepted;
        let moments =
            Moments::of(Times { accepted, first_byte: now, request_end: now, response_end: now });
        let live = Arc::clone(&self.live);
        let parts = ExchangeParts {
            request,
            offered: 0,
            sent: 0,
            response: None,
            sent_before: 0,
            moments,
            rare: Some(Box::new(Rare { hides_offered: true, ..Rare::default() })),
            live,
        };
        let text = format!("the {what} has not returned within {timeout:?}");
        let source = io::Error::new(io::ErrorKind::TimedOut, text);
        Some(Error::Respond { exchange: Exchange::new(parts), source, peer: None })
    }

    fn is_in_user_code(&self) -> bool {
        lock(&self.busy).is_some()
    }
}

impl Task for ConnectionTask {
    fn run(self: Arc<Self>) {
        self.carry_on(self.service.place());
    }
}

/// Carries it on in the thread of the loop, for what it waited for: a gate, a source that was in use, room in the observer's queue.
impl Wake for ConnectionTask {
    fn wake(self: Arc<Self>) {
        self.service.event_loop.wake(Arc::clone(&self) as _);
    }
}

impl fmt::Debug for ConnectionTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionTask").field("number", &self.number).finish_non_exhaustive()
    }
}
