//! One connection, from its acceptance to its end: receive and record, ask the source, send, close. The order is here; each step is
//! in the file of its name. Which connection is served when is decided in `service`.

use std::io;
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::close::{self, Leaving};
use super::event::Event;
use super::failure::{Failure, Fault};
use super::host::Host;
use super::send::{self, Performance};
use super::user_code::UserCode;
use super::wire::Wire;
use crate::framing::rule::Framing;
use crate::http1::persistence::Persistence;
use crate::http1::response::Asked;
use crate::journal::client::{Client, ClientEnd};
use crate::journal::connection_state::{ConnectionEnd, ConnectionState};
use crate::journal::exchange::{self, Exchange, Moments, Times};
use crate::journal::prefix::Prefix;
use crate::journal::request::{Request, RequestEnd};
use crate::os::stream::{self, Buffer};
use crate::response::ending::Ending;

/// An accepted connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) client: Client,
    pub(crate) live: Arc<ConnectionState>,
    pub(super) wire: Wire,
    pub(super) framing: Framing,
    /// How many response bytes the kernel took, of all exchanges.
    sent: u64,
    /// When its close began, if the client's part of that is left for later.
    closing_since: Option<Instant>,
}

/// Whether a request has begun on a connection.
pub(crate) enum Beginning {
    Begun,
    /// Not in the time that was allowed.
    Silent,
    /// The connection ended before its first byte.
    Over(ClientEnd),
}

/// One exchange, what is wrong with it, and how the connection goes on.
pub(crate) struct Exchanged {
    pub(crate) exchange: Exchange,
    pub(crate) fault: Option<Fault>,
    pub(crate) next: Next,
}

pub(crate) enum Next {
    /// Another request may come.
    Request,
    End(Ending),
    /// The client is gone.
    Gone,
}

impl Connection {
    pub(crate) fn new(client: Client, wire: Wire, framing: Framing) -> Self {
        Connection {
            client,
            live: Arc::new(ConnectionState::new(Instant::now())),
            wire,
            framing,
            sent: 0,
            closing_since: None,
        }
    }

    /// Asks where its first request ends, if not where the server says.
    pub(crate) fn ask_framing(&mut self, user_code: &UserCode) {
        if let Some(framing) = user_code.framing(&self.client) {
            self.framing = framing;
        }
    }

    /// Waits for the first byte of a request.
    pub(crate) fn begin(&mut self, now: Instant, timeout: Option<Duration>) -> Beginning {
        if self.framing.is_nothing() || !self.wire.stream.arrived.unread().is_empty() {
            return Beginning::Begun;
        }
        self.wire.stream.arrived.make_room(self.framing.first_read());
        self.wire.stream.arrived.read_at_most(self.framing.length());
        match self.wire.receive_since(now, timeout) {
            Ok(0) => Beginning::Over(ClientEnd::Closed),
            Ok(_) => Beginning::Begun,
            Err(error) if error.kind() == io::ErrorKind::TimedOut => Beginning::Silent,
            Err(_) => Beginning::Over(ClientEnd::Reset),
        }
    }

    /// Serves one exchange, whose request has begun.
    pub(crate) fn exchange(&mut self, host: &dyn Host) -> Exchanged {
        self.client.exchange = host.next_exchange();
        self.client.turn += 1;
        let first_byte = Instant::now();
        let (request, received) = self.request(host, first_byte);
        self.live.answering.store(request.len() + 1, Ordering::Relaxed);
        self.live.received.store(0, Ordering::Relaxed);
        let request_end = Instant::now();
        let mut progress = Progress::default();
        let answered = received.and_then(|()| {
            let answer = || self.answer(host, &request, &mut progress);
            panic::catch_unwind(AssertUnwindSafe(answer)).unwrap_or_else(|payload| {
                Err(Failure::Panic("a reader of the response, or the observer", payload))
            })
        });
        let response_end = Instant::now();
        self.sent += progress.sent;
        let gone = progress.client_left || request.end() == RequestEnd::Reset;
        let mut parts = exchange::ExchangeParts {
            request,
            offered: progress.offered,
            sent: progress.sent,
            sent_before: self.sent - progress.sent,
            moments: Moments::of(Times {
                accepted: self.live.accepted,
                first_byte,
                request_end,
                response_end,
            }),
            rare: None,
            live: Arc::clone(&self.live),
        };
        if !progress.seeds.is_empty() {
            parts.rare.get_or_insert_default().seeds = progress.seeds;
        }
        let (ending, fault) = match answered {
            Ok(ending) => (ending, None),
            Err(failure) => (Ending::Close, Some(failure.fault(&mut parts))),
        };
        let next = match ending {
            _ if gone => Next::Gone,
            Ending::KeepOpen => Next::Request,
            Ending::Then(framing) => {
                self.framing = framing;
                Next::Request
            }
            ending => Next::End(ending),
        };
        if let Next::Request = next {
            self.live.is_kept.store(true, Ordering::Relaxed);
        }
        Exchanged { exchange: Exchange::new(parts), fault, next }
    }

    /// Says that it has had its last exchange.
    pub(crate) fn mark_ending(&self) {
        self.live.is_ending.store(true, Ordering::Relaxed);
    }

    /// Ends the connection, and says so to all who hold its exchanges.
    pub(crate) fn close(mut self, host: &dyn Host, next: &Next) {
        let client = match next {
            Next::Gone => {
                // What it sent before its reset. The reset itself has been met already.
                let _ = self.wire.receive_what_is_there();
                ClientEnd::Reset
            }
            Next::Request => close::close(&mut self.wire, host, &Ending::Close),
            Next::End(ending) => {
                if let Some(tap) = &self.wire.tap {
                    tap.tell(|_| Event::Ending { client: &self.client, ending });
                }
                close::close(&mut self.wire, host, ending)
            }
        };
        self.over(client);
    }

    /// Whether to wait for the client's part of the close can be left for later: it has had all that it asked for. The first
    /// client is often the only one; then nobody comes meanwhile, and whoever accepts would have to be told of the end.
    pub(crate) fn may_be_left(&self, next: &Next) -> bool {
        matches!(next, Next::End(Ending::Close))
            && self.wire.stream.arrived.unread().is_empty()
            && self.client.connection > 1
    }

    /// Reads into this buffer, which another connection has left.
    pub(crate) fn take_buffer(&mut self, buffer: Buffer) {
        self.wire.stream.arrived.take_buffer(buffer);
    }

    /// Begins the close. Gives the connection back if the client is still there, and its buffer.
    pub(crate) fn begin_closing(mut self: Box<Self>, buffer: &mut Buffer) -> Option<Box<Self>> {
        if let Some(end) = close::begin(&mut self.wire) {
            self.over(end);
            return None;
        }
        *buffer = self.wire.stream.arrived.leave_buffer();
        self.closing_since = Some(Instant::now());
        Some(self)
    }

    /// Nobody need wait for its client any more.
    pub(crate) fn cut(&self) {
        self.wire.stream.cut();
    }

    /// How far its client is with the close, without waiting.
    pub(crate) fn look(&self, linger: Duration) -> Leaving {
        match close::look(&self.wire) {
            Leaving::Silent if self.closing_since().elapsed() >= linger => {
                Leaving::Gone(ClientEnd::ClosedByUs)
            }
            leaving => leaving,
        }
    }

    /// Ends the close that has begun.
    pub(crate) fn end_closing(mut self, host: &dyn Host) {
        let since = self.closing_since();
        let client = close::end(&mut self.wire, host, since);
        self.over(client);
    }

    fn closing_since(&self) -> Instant {
        self.closing_since.expect("its close has begun")
    }

    /// The connection has ended by itself.
    pub(crate) fn over(mut self, client: ClientEnd) {
        self.wire.take_trailing();
        if let Some(tap) = self.wire.tap.as_ref().filter(|_| self.client.turn > 0) {
            tap.tell(|_| Event::Closed { client: &self.client, end: client });
        }
        self.set_end(client);
    }

    fn set_end(&mut self, client: ClientEnd) {
        self.live.end.get_or_init(|| ConnectionEnd {
            client,
            is_reset: self.wire.stream.resets(),
            trailing: (self.wire.trailing.len > 0)
                .then(|| Box::new(mem::replace(&mut self.wire.trailing, Prefix::new(0)))),
            at: Instant::now(),
            acknowledged: self
                .wire
                .stream
                .unacknowledged()
                .filter(|&bytes| {
                    bytes == 0 || client != ClientEnd::ClosedByUs || self.wire.stream.resets()
                })
                .map(|bytes| self.sent.saturating_sub(bytes)),
        });
    }

    fn answer(
        &mut self,
        host: &dyn Host,
        request: &Request,
        progress: &mut Progress,
    ) -> Result<Ending, Failure> {
        let responded =
            host.respond(request).map_err(|payload| Failure::Panic("the source", payload))?;
        let response = responded.map_err(Failure::Respond)?;
        let ending = response.ending.clone();
        let asks_for_nothing = match &ending {
            Ending::KeepOpen => request.is_empty(),
            Ending::Then(framing) => request.is_empty() && framing.is_nothing(),
            _ => false,
        };
        if asks_for_nothing {
            let text = "the response to an empty request keeps the connection open for another empty request, which would never end";
            return Err(Failure::Respond(io::Error::new(io::ErrorKind::InvalidInput, text)));
        }
        let mut performance = Performance::prepare(response).map_err(Failure::Respond)?;
        progress.offered = performance.offered;
        progress.seeds = mem::take(&mut performance.seeds);
        if let Some(tap) = &self.wire.tap {
            tap.tell(|_| Event::Responding { client: &self.client, offered: progress.offered });
        }
        let goes_on = matches!(ending, Ending::KeepOpen | Ending::Then(_) | Ending::KeepAlive);
        self.wire.keep_unread(goes_on.then_some(host.settings().buffer_limit));
        let mut persistence = matches!(ending, Ending::KeepAlive)
            .then(|| Persistence::after(request.plain_head(), Asked::by(request.method())));
        let performed = performance.run(
            &mut self.wire,
            self.client.exchange,
            &mut progress.sent,
            host,
            persistence.as_mut(),
        );
        self.wire.keep_unread(None);
        match performed {
            Ok(()) => {
                // What a reader or a changing file held in the end.
                progress.offered = Some(progress.sent);
                Ok(match persistence {
                    Some(persistence) if persistence.persists() => Ending::KeepOpen,
                    Some(_) => Ending::Close,
                    None => ending,
                })
            }
            // A client that leaves early may have had all that it wanted: curl does so after the head of a HEAD.
            Err(send::Failure::Send(error)) if stream::is_gone(&error) && progress.sent > 0 => {
                progress.client_left = true;
                Ok(ending)
            }
            Err(send::Failure::Send(error)) => {
                progress.client_left = stream::is_gone(&error);
                Err(Failure::Send(error))
            }
            Err(send::Failure::Source(error)) => Err(Failure::Respond(error)),
        }
    }
}

/// A connection whose thread panics has ended, too.
impl Drop for Connection {
    fn drop(&mut self) {
        self.wire.take_trailing();
        self.set_end(ClientEnd::ClosedByUs);
    }
}

/// How far a response came.
#[derive(Default)]
struct Progress {
    offered: Option<u64>,
    sent: u64,
    seeds: Vec<u64>,
    client_left: bool,
}
