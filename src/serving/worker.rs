//! The threads of a server. A worker accepts a connection, serves it to its end, and accepts the next. Before it waits for its
//! client, it makes sure that another worker accepts, so that a waiting client blocks no other: a peer whose clients never make it
//! wait has one thread.
//!
//! A client that has its answer need not be waited for. Its connection is left for later, and whoever accepts looks at it now
//! and then, until the client has closed or its time is over.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io::{self, Write};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::close::Leaving;
use super::connection::{Beginning, Connection, Exchanged, Next};
use super::event::Event;
use super::host::{Host, PATIENCE};
use super::service::{Idleness, Outcome, Role, Service};
use super::settings::Settings;
use super::user_code::Payload;
use crate::error::Error;
use crate::journal::client::{Client, ClientEnd};
use crate::journal::request::Request;
use crate::os::deadline::Deadline;
use crate::os::stream::Buffer;
use crate::response::ending::Ending;
use crate::response::steps::Response;

/// How often a worker whose client is silent looks up, in the end: often enough for `finish`, rarely enough for thousands.
const LONG_PATIENCE: Duration = Duration::from_millis(160);

/// How long accepting pauses when it failed, as it does while the process has no descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// Starts a thread that serves `first`, if there is one, then accepts.
pub(crate) fn start(service: &Arc<Service>, first: Option<Box<Connection>>) -> Result<(), Error> {
    let shared = Arc::clone(service);
    service.add_worker(first.is_none(), || {
        let name = format!("peer {}", shared.addr().port());
        thread::Builder::new().name(name).spawn(move || run(shared, first))
    })
}

pub(crate) fn start_if_none_is_idle(service: &Arc<Service>) -> Result<(), Error> {
    if service.has_idle_worker() { Ok(()) } else { start(service, None) }
}

/// Serves `first`, if there is one, then what it accepts.
fn run(service: Arc<Service>, first: Option<Box<Connection>>) {
    let worker = Worker {
        service,
        in_a_row: Cell::new(0),
        permit: Cell::new(false),
        ending: Cell::new(None),
        leaving: Cell::new(None),
        buffer: Cell::default(),
    };
    let mut stays = match first {
        Some(first) => worker.take_on(first, |_| ()),
        None => true,
    };
    while stays && let Some(accepted) = worker.accept() {
        stays = worker.take_on(accepted, |connection| {
            worker.service.user_code.tell(&Event::Accepted { client: &connection.client });
            connection.ask_framing(&worker.service.user_code);
        });
    }
}

struct Worker {
    service: Arc<Service>,
    /// How many clients have come without a pause.
    in_a_row: Cell<u32>,
    /// Whether a permit was taken for an exchange that has not been published yet.
    permit: Cell<bool>,
    /// The exchange that is about to end.
    ending: Cell<Option<u64>>,
    /// A connection that has been served, but for what is left of its close.
    leaving: Cell<Option<Box<Connection>>>,
    /// The last one's buffer, for the next one.
    buffer: Cell<Buffer>,
}

impl Worker {
    /// Accepts a connection. This worker has been counted as idle, and is not any more. `None` says that no more will
    /// come.
    fn accept(&self) -> Option<Box<Connection>> {
        let service = &*self.service;
        let mut told = None;
        loop {
            let result = match service.listening.accept(Deadline::Never) {
                Ok(Some((_, addr))) if service.is_knock(addr) => Ok(None),
                Ok(Some((stream, addr))) => {
                    self.in_a_row.set(self.in_a_row.get().wrapping_add(1));
                    service.admit_from_idle(stream, addr, self.in_a_row.get()).map(Some)
                }
                nobody_or_error => nobody_or_error.map(|_| None),
            };
            match result {
                Ok(Some((connection, needs_another))) => {
                    // What a user plugged in may wait for anything.
                    let is_prompt = service.user_code.observer.is_none()
                        && !service.settings.framing.is_custom();
                    if needs_another || !is_prompt {
                        self.catch(|| self.about_to_wait());
                    }
                    return Some(connection);
                }
                Ok(None) | Err(_) if service.is_ending() => {
                    service.leave_for_good();
                    for connection in service.all_leaving() {
                        connection.end_closing(self);
                    }
                    return None;
                }
                Ok(None) if service.serves_in_turn() => {
                    self.in_a_row.set(0);
                    self.look_at_all_leaving();
                    match service.rest() {
                        Idleness::GoOn => {}
                        Idleness::Rest => {
                            service.listening.wait();
                            service.wake();
                        }
                        Idleness::Leave => return None,
                    }
                }
                Ok(None) => service.listening.forget_deadline(),
                Err(source) => {
                    if told.replace(source.kind()) != Some(source.kind()) {
                        let error = Error::Accept { addr: service.addr().into(), source };
                        self.catch(|| service.user_code.tell(&Event::Failed { error: &error }));
                        service.publish_outcome(Outcome::Failed(Box::new(error)), false);
                    }
                    // They may be what holds the descriptors that are missing.
                    self.look_at_all_leaving();
                    thread::sleep(ACCEPT_PAUSE);
                }
            }
        }
    }

    /// Whoever waits for an exchange need not wait for the one that seemed about to end.
    fn not_yet_ending(&self) {
        if let Some(exchange) = self.ending.take() {
            self.service.not_yet_ending(exchange);
        }
    }

    /// Whatever a user plugged in panics with is told to who waits.
    fn catch(&self, call: impl FnOnce()) {
        if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(call)) {
            self.not_yet_ending();
            self.service.publish_outcome(Outcome::panicked(payload), self.permit.take());
        }
    }

    /// Serves a connection; whether this worker is to accept another.
    fn take_on(
        &self,
        mut connection: Box<Connection>,
        begin: impl FnOnce(&mut Connection),
    ) -> bool {
        let number = connection.client.connection;
        self.catch(|| {
            begin(&mut connection);
            self.serve(connection);
        });
        let stays = self.service.enter_idle(number, self.leaving.take());
        if stays {
            self.look_at_leaving();
        }
        stays
    }

    /// Looks at the oldest connections that are leaving: at up to two, so that they get fewer.
    fn look_at_leaving(&self) {
        let service = &self.service;
        if service.has_unseen_leaving() {
            return self.look_at_all_leaving();
        }
        for _ in 0..2 {
            let Some(oldest) = service.oldest_leaving() else { return };
            match oldest.look(service.settings.linger) {
                Leaving::Gone(end) => oldest.over(end),
                Leaving::Silent => return service.still_leaving([oldest].into()),
                Leaving::Sends => return self.end_closing(oldest),
            }
        }
    }

    fn look_at_all_leaving(&self) {
        let service = &self.service;
        let mut silent = VecDeque::new();
        let mut sending = None;
        for connection in service.all_leaving() {
            match connection.look(service.settings.linger) {
                Leaving::Gone(end) => connection.over(end),
                Leaving::Sends if sending.is_none() => sending = Some(connection),
                // Another one that sends is for who is going to look while this worker is busy.
                Leaving::Silent | Leaving::Sends => silent.push_back(connection),
            }
        }
        if !silent.is_empty() {
            service.still_leaving(silent);
        }
        if let Some(sending) = sending {
            self.end_closing(sending);
        }
    }

    /// Waits for a client that is still sending, though it has been answered.
    fn end_closing(&self, connection: Box<Connection>) {
        self.service.leave_idle();
        self.about_to_wait();
        connection.end_closing(self);
        self.service.return_to_idle();
    }

    fn serve(&self, mut connection: Box<Connection>) {
        let service = &*self.service;
        connection.take_buffer(self.buffer.take());
        loop {
            if service.is_stopping() {
                return self.stop(connection);
            }
            match self.begin(&mut connection) {
                Beginning::Begun => {}
                // A connection that has had an exchange may end without another.
                Beginning::Over(end) if connection.client.turn > 0 => return connection.over(end),
                Beginning::Silent if connection.client.turn > 0 => {
                    return connection.close(self, &Next::End(Ending::Close));
                }
                Beginning::Over(end) => return service.silent(connection, end),
                Beginning::Silent => return service.silent(connection, ClientEnd::ClosedByUs),
            }
            if service.role == Role::Foreground && !service.take_permit() {
                return self.stop(connection);
            }
            self.permit.set(true);
            let Exchanged { exchange, fault, next } = connection.exchange(self);
            self.ending.set(None);
            if let Next::Request = next {
                service.publish(&exchange, fault, self.permit.take());
                // A client that is never silent must not keep others waiting either.
                if connection.client.turn == 1 {
                    self.about_to_wait();
                }
                continue;
            }
            connection.mark_ending();
            return match service.role {
                Role::Foreground => {
                    connection.close(self, &next);
                    service.publish(&exchange, fault, self.permit.take());
                }
                Role::Peer => {
                    let is_whole = fault.is_none() && exchange.request().is_complete();
                    service.publish(&exchange, fault, self.permit.take());
                    if is_whole && connection.may_be_left(&next) && service.leaves_for_later() {
                        let mut buffer = Buffer::default();
                        self.leaving.set(connection.begin_closing(&mut buffer));
                        self.buffer.set(buffer);
                    } else {
                        connection.close(self, &next);
                    }
                }
            };
        }
    }

    /// Ends a connection whose next exchange is not to begin.
    fn stop(&self, connection: Box<Connection>) {
        if connection.client.turn > 0 {
            connection.close(self, &Next::End(Ending::Close));
        } else {
            connection.over(ClientEnd::ClosedByUs);
        }
    }

    /// Waits for a request, looking up now and then: is the server to finish?
    fn begin(&self, connection: &mut Connection) -> Beginning {
        let start = Instant::now();
        let mut now = start;
        let mut patience = PATIENCE;
        loop {
            let left = self.idle_time(connection).map(|idle| idle.saturating_sub(now - start));
            let timeout = left.map_or(patience, |left| left.min(patience));
            match connection.begin(now, Some(timeout)) {
                Beginning::Silent if left.is_none_or(|left| left > timeout) => self.about_to_wait(),
                beginning => return beginning,
            }
            now = Instant::now();
            patience = (patience * 2).min(LONG_PATIENCE);
        }
    }

    /// How long a connection may stay silent. When the server finishes, one that has had an exchange may not, and one that
    /// has not may be about to say something: it gets as long as a client gets to close.
    fn idle_time(&self, connection: &Connection) -> Option<Duration> {
        let settings = self.settings();
        if self.service.is_abandoned() {
            return Some(Duration::ZERO);
        }
        let finishing = self
            .finishing_since()
            .map(|_| if connection.client.turn > 0 { Duration::ZERO } else { settings.linger });
        settings.idle_timeout.into_iter().chain(finishing).min()
    }
}

impl Host for Worker {
    fn settings(&self) -> &Settings {
        &self.service.settings
    }

    fn next_exchange(&self) -> u64 {
        self.service.next_exchange()
    }

    fn open_record(&self, client: &Client) -> io::Result<Option<Box<dyn Write + Send>>> {
        if self.service.user_code.sink.is_some() {
            self.about_to_wait();
        }
        self.service.user_code.open_record(client)
    }

    fn respond(&self, request: &Request) -> std::result::Result<io::Result<Response>, Payload> {
        if !self.service.user_code.is_prompt {
            self.about_to_wait();
        }
        let response = self.service.user_code.respond(request);
        // Others are served one after another only as long as nothing takes long.
        if let Ok(Ok(response)) = &response
            && !response.is_short()
        {
            self.about_to_wait();
        }
        response
    }

    fn about_to_end(&self, exchange: u64) {
        if self.service.role == Role::Peer && self.ending.replace(Some(exchange)).is_none() {
            self.service.about_to_end(exchange);
        }
    }

    fn about_to_wait(&self) {
        self.not_yet_ending();
        // Without a thread others wait until this connection is done: slower, and nobody is lost.
        if let Err(error) = start_if_none_is_idle(&self.service) {
            self.service.user_code.tell(&Event::Failed { error: &error });
        }
    }

    fn finishing_since(&self) -> Option<Instant> {
        self.service.finishing_since()
    }

    fn is_abandoned(&self) -> bool {
        self.service.is_abandoned()
    }
}
