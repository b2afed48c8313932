//! Starts a server, accepts its connections, and refuses them while it is down.

use std::io;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, RwLock};
use std::time::{Duration, Instant};

use super::by_hand::arrivals::{Arrival, Arrivals};
use super::connection::Connection;
use super::event::Event;
use super::event_loop::{EventLoop, Task};
use super::ledger::{Ledger, Outcome};
use super::service::{Listening, Role, Service};
use super::settings::Settings;
use super::task::ConnectionTask;
use super::user_code::{Exclusive, UserCode};
use super::user_threads::Running;
use crate::error::{Error, Result};
use crate::journal::connection_state::ConnectionState;
use crate::os::address::Address;
use crate::os::listener::Listener;
use crate::os::lock::{Mutex, Waiters, lock};
use crate::os::ports::PORTS;
use crate::os::set::Interest;
use crate::os::spare;
use crate::os::stream::Stream;

/// How long accepting pauses when it failed, as it does while the process has no descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

impl Service {
    pub(crate) fn start(
        listener: Listener,
        backlog: u32,
        settings: Settings,
        user_code: UserCode,
        arrivals: Option<Arrivals>,
        role: Role,
        made_at: &'static Location<'static>,
    ) -> Result<Arc<Self>> {
        let addr = listener
            .addr()
            .map_err(|source| Error::Listen { addr: "a listener".into(), source })?;
        let port = addr.socket_addr().map(|addr| addr.port());
        if let Some(port) = port {
            // Also one that was asked for by number, or bound by the user: no later server gets it for port 0.
            PORTS.note(port);
        }
        let accept_error = |source| Error::Accept { addr: addr.clone(), source, peer: None };
        // Before there is a loop, whose thread would end if the observer took long.
        user_code.tell_now(&Event::Listening { addr: &addr });
        let event_loop = match role {
            Role::Peer => EventLoop::of_process().map_err(accept_error)?,
            Role::Foreground => EventLoop::of_foreground().map_err(accept_error)?,
        };
        let has_old_port = port.is_some_and(|port| PORTS.is_given_again(port));
        let ledger = match role {
            Role::Peer => Ledger::new(settings.keep_exchanges, has_old_port),
            Role::Foreground => Ledger::without_journal(),
        };
        let service = Arc::new(Service {
            settings,
            role,
            user_code,
            arrivals,
            ledger,
            event_loop,
            addr: addr.clone(),
            made_at,
            expected: Mutex::default(),
            backlog,
            user_threads: Arc::default(),
            dropping: Running::default(),
            exchanges: AtomicU64::new(0),
            served: AtomicU64::new(0),
            listening: Mutex::new(None),
            open: Mutex::default(),
            ending: Waiters::default(),
            finishing: OnceLock::new(),
            cut: OnceLock::new(),
            is_abandoned: AtomicBool::new(false),
            serves_in_caller: AtomicBool::new(false),
            permits: Mutex::default(),
            observer_panic: Mutex::default(),
            driver: Exclusive::new(()),
            calls: RwLock::default(),
        });
        if role == Role::Peer {
            spare::keep();
            if service.has_user_code() {
                service.user_threads.start_if_none_is_idle(&addr).map_err(accept_error)?;
            }
        }
        let key = service.event_loop.insert(Arc::clone(&service) as _, None);
        lock(&service.open).is_listening = true;
        let mut listening = lock(&service.listening);
        let watched = service.event_loop.watch(key, listener.socket(), Interest::Read);
        let left = u32::MAX;
        *listening = Some(Listening { listener, key, failing: None, left, is_down: false });
        drop(listening);
        if let Err(source) = watched {
            service.close_listener();
            return Err(accept_error(source));
        }
        Ok(service)
    }

    fn has_user_code(&self) -> bool {
        self.user_code.has_user_code()
            || self.settings.framing.is_custom()
            || self.arrivals.as_ref().is_some_and(|arrivals| arrivals.handler().is_some())
    }

    /// Accepts a connection, and carries it on; false if there is none. The set reports the listener again while there are more.
    fn accept(self: &Arc<Self>) -> bool {
        let mut listening = lock(&self.listening);
        let Some(state) = &mut *listening else { return false };
        let is_finishing = self.finishing.get().is_some();
        if state.is_down {
            drop(listening);
            if is_finishing {
                self.close_listener();
            }
            return false;
        }
        let accepted = match state.listener.accept() {
            Err(error) if spare::is_needed(&error) && !state.listener.has_waiting() => Ok(None),
            Err(error) if spare::is_needed(&error) && spare::give_up() => state.listener.accept(),
            accepted => accepted,
        };
        if accepted.is_ok() && state.failing.take().is_some() {
            // Out of the set while it failed.
            self.watch_listener(state);
        }
        match accepted {
            Ok(Some((stream, addr))) => {
                state.left = state.left.saturating_sub(u32::from(is_finishing));
                let is_last = state.left == 0;
                // Under the lock: a thread that finds no listener any more finds this connection.
                let task = self.admit(stream, addr);
                drop(listening);
                task.carry_on(self.place());
                if is_last {
                    self.close_listener();
                }
                !is_last
            }
            Ok(None) => {
                drop(listening);
                if is_finishing {
                    self.close_listener();
                }
                false
            }
            Err(source) => {
                let is_new = state.failing.replace(source.kind()) != Some(source.kind());
                self.event_loop.unwatch(state.listener.socket());
                self.event_loop.run_at(state.key, Instant::now() + ACCEPT_PAUSE);
                // Under the lock: another thread that fails in the same way finds this reported, and may end the peer.
                let page = is_new.then(|| {
                    let error = Error::Accept { addr: self.addr.clone(), source, peer: None };
                    self.tell_error(&error);
                    let mut page = self.ledger.lock();
                    page.publish(Outcome::Failed(Box::new(error)));
                    page
                });
                drop(listening);
                if let Some(page) = page {
                    page.leave();
                    self.event_loop.interrupt();
                }
                // No connection of this peer will give a descriptor back: what is in the backlog has been reported.
                if is_finishing && lock(&self.open).connections.is_empty() {
                    self.close_listener();
                }
                false
            }
        }
    }

    /// Puts the listener into the set. If the system has no memory for it, a timer looks again.
    fn watch_listener(&self, state: &mut Listening) {
        let socket = state.listener.socket();
        if let Err(error) = self.event_loop.watch(state.key, socket, Interest::Read) {
            state.failing = Some(error.kind());
            self.event_loop.run_at(state.key, Instant::now() + ACCEPT_PAUSE);
        }
    }

    /// Refuses connections, and keeps the port. Those that are in the backlog are accepted first.
    pub(crate) fn go_down(self: &Arc<Self>) -> Result<()> {
        self.accept_waiting();
        self.refuse().map_err(|source| Error::Refuse {
            addr: self.addr.clone(),
            source,
            peer: None,
        })
    }

    fn refuse(&self) -> io::Result<()> {
        let mut listening = lock(&self.listening);
        let Some(state) = listening.as_mut().filter(|state| !state.is_down) else { return Ok(()) };
        self.event_loop.unwatch(state.listener.socket());
        let refused = state.listener.refuse();
        if refused.is_ok() {
            state.is_down = true;
            state.failing = None;
        } else if state.failing.is_none() {
            self.watch_listener(state);
        }
        refused
    }

    /// Accepts connections again.
    pub(crate) fn go_up(&self) -> Result<()> {
        let mut listening = lock(&self.listening);
        let listened = match &mut *listening {
            Some(state) if state.is_down => state.listener.listen(self.backlog).map(|()| {
                state.is_down = false;
                self.served.store(0, Ordering::Relaxed);
                self.watch_listener(state);
            }),
            Some(_) => Ok(()),
            None => Err(io::Error::new(io::ErrorKind::NotConnected, "its port was closed")),
        };
        listened.map_err(|source| Error::Listen { addr: self.addr.to_string(), source })
    }

    /// An exchange ends. Called before the client can have the last byte of its response, and without any other lock.
    pub(super) fn count_served(&self) {
        let Some(exchanges) = self.settings.closes_after else { return };
        if self.served.fetch_add(1, Ordering::Relaxed) + 1 == exchanges {
            // Where the port cannot be kept it is closed.
            if self.finishing.get().is_some() || self.refuse().is_err() {
                self.close_listener();
            }
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
        let retain = self.settings.retain;
        let mut connection = Connection::new(client.clone(), live, stream, framing, retain);
        if let Some(secure) = &self.settings.secure {
            connection.secure_from_the_beginning(secure);
        }
        let control = self.arrivals.as_ref().map(|_| connection.drive_by_hand());
        let task = ConnectionTask::new(Arc::clone(self), connection);
        lock(&self.open).connections.insert(number, Arc::clone(&task) as _);
        if let (Some(arrivals), Some(control)) = (&self.arrivals, control) {
            let connection = Arc::clone(&task) as _;
            let arrival = Arrival { client, control, connection };
            match arrivals.handler() {
                Some(handler) => self.run_handler(handler, arrival),
                None => arrivals.push(arrival),
            }
        }
        task
    }

    /// Looks at once at what the loop would look at soon: a report is about to be printed, and the client that it is about may just have
    /// come.
    pub(crate) fn catch_up(self: &Arc<Self>) {
        self.carry_all_on();
        self.accept_waiting();
    }

    /// Accepts what is in the backlog. Bounded: clients may never stop coming.
    fn accept_waiting(self: &Arc<Self>) {
        for _ in 0..self.backlog {
            if !self.accept() {
                break;
            }
        }
    }

    /// Begins to finish: accepts what is in the backlog and nothing more, and lets every connection look.
    pub(crate) fn begin_finish(self: &Arc<Self>) {
        let mut listening = lock(&self.listening);
        if let Some(listening) = &mut *listening {
            listening.left = self.backlog.saturating_add(1);
        }
        self.start_finishing();
        drop(listening);
        // First those that are there: a client is often about to close, which the loop would be woken for.
        self.carry_all_on();
        while self.accept() {}
    }
}

impl Task for Service {
    fn run(self: Arc<Self>) {
        // A connection for each turn of the loop, so that others have their turn, too; at the end all, since the set does not report
        // that there is none left.
        while self.accept() && self.finishing.get().is_some() {}
    }
}
