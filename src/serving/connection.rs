//! One connection: a state machine that can stop wherever it would have to wait, and go on later, in any thread. The order of its states
//! is here; each step is in the file of its name.

use std::mem;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::close::Closing;
use super::event::Event;
use super::failure::{Failure, Fault};
use super::receive::Receiving;
use super::respond::Answering;
use super::send::Sending;
use super::service::{Cut, Role};
use super::task::Context;
use crate::framing::rule::Framing;
use crate::journal::client::{Client, ClientEnd};
use crate::journal::connection_state::{ConnectionEnd, ConnectionState};
use crate::journal::exchange::Exchange;
use crate::journal::prefix::Prefix;
use crate::os::set::Interest;
use crate::os::stream::Stream;
use crate::response::ending::Ending;

/// An accepted connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(super) client: Client,
    pub(super) live: Arc<ConnectionState>,
    pub(super) stream: Stream,
    pub(super) framing: Framing,
    /// How many response bytes the kernel took, of all exchanges.
    pub(super) sent: u64,
    /// What the client sent past the end of its requests.
    pub(super) trailing: Prefix,
    /// The outcome of the last exchange, if it is published only when the connection has ended.
    pub(super) outcome: Option<(Exchange, Option<Fault>)>,
    /// The last exchange, for the report of a reset that could not be delivered.
    pub(super) last_exchange: Option<Exchange>,
    state: State,
}

/// What a connection does.
#[derive(Debug)]
pub(super) enum State {
    /// It was just accepted: the source may say where its first request ends.
    New,
    /// The first byte of a request is missing.
    Idle {
        since: Instant,
    },
    Receiving(Box<Receiving>),
    /// The request is over; the source has not answered.
    Answering(Box<Answering>),
    Sending(Box<Sending>),
    Closing(Closing),
    Over,
}

/// What a connection stops for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    /// Its socket, a time, or both. Without either it is woken.
    Wait { interest: Option<Interest>, until: Option<Instant> },
    /// A thread that may run user code.
    UserThread,
    /// Nothing: it has ended.
    Over,
}

/// The next state, or the state in which the connection stops and what for.
pub(super) type Step = ControlFlow<(State, Rest), State>;

/// Stops in this state.
pub(super) fn stop(state: State, rest: Rest) -> Step {
    ControlFlow::Break((state, rest))
}

impl Rest {
    /// Until it is woken.
    pub(super) const WOKEN: Rest = Rest::Wait { interest: None, until: None };

    pub(super) fn read(until: Option<Instant>) -> Self {
        Rest::Wait { interest: Some(Interest::Read), until }
    }

    pub(super) fn time(until: Option<Instant>) -> Self {
        Rest::Wait { interest: None, until }
    }
}

/// How a connection goes on after an exchange.
#[derive(Debug)]
pub(super) enum After {
    Request,
    End(Ending),
    /// The client is gone.
    Gone,
}

impl Connection {
    pub(super) fn new(
        client: Client,
        live: Arc<ConnectionState>,
        stream: Stream,
        framing: Framing,
        retain: usize,
    ) -> Self {
        let trailing = Prefix::new(retain);
        let state = State::New;
        Connection {
            client,
            live,
            stream,
            framing,
            sent: 0,
            trailing,
            outcome: None,
            last_exchange: None,
            state,
        }
    }

    /// Goes on until it has to stop.
    pub(super) fn carry_on(&mut self, context: &mut Context<'_>) -> Rest {
        loop {
            let state = mem::replace(&mut self.state, State::Over);
            let step = match (context.service.cut(), state) {
                (_, State::Over) => return Rest::Over,
                (Some(cut), state) if self.is_cut_in(&state, cut) => self.cut(state, cut, context),
                (_, State::New) => self.ask_framing(context),
                (_, State::Idle { since }) => self.await_request(since, context),
                (_, State::Receiving(receiving)) => self.receive(receiving, context),
                (_, State::Answering(answering)) => self.answer(answering, context),
                (_, State::Sending(sending)) => self.send(sending, context),
                (_, State::Closing(closing)) => self.close(closing, context),
            };
            match step {
                ControlFlow::Continue(state) => self.state = state,
                ControlFlow::Break((state, rest)) => {
                    self.state = state;
                    return rest;
                }
            }
        }
    }

    /// Asks the source where the first request ends, if not where the server says.
    fn ask_framing(&mut self, context: &Context<'_>) -> Step {
        let user_code = &context.service.user_code;
        if user_code.has_framings {
            // A source that is prompt in this is one of this crate, and may have closures in it that hold it up.
            let Some(mut source) = user_code.source.take(|| context.waker()) else {
                return stop(State::New, Rest::WOKEN);
            };
            let first =
                source.hints().first_framing.and_then(|first| first.first_framing(&self.client));
            drop(source);
            if let Some(framing) = first {
                self.framing = framing;
            }
        }
        Step::Continue(State::Idle { since: self.live.accepted })
    }

    /// Waits for the first byte of a request.
    fn await_request(&mut self, since: Instant, context: &mut Context<'_>) -> Step {
        let idle = State::Idle { since };
        if !context.observer_has_room() {
            return stop(idle, Rest::WOKEN);
        }
        if !self.framing.is_nothing() && self.stream.arrived.unread().is_empty() {
            if !context.service.has_permit(|| context.waker()) {
                return self.stay_without_permit(since, context);
            }
            self.stream.arrived.make_room(self.framing.first_read());
            self.stream.arrived.read_at_most(self.framing.length());
            match self.read(context) {
                Ok(None) => return self.stay_idle(since, context),
                Ok(Some(0)) => return self.over(ClientEnd::Closed, context),
                Err(_) => return self.over(ClientEnd::Reset, context),
                Ok(Some(_)) => {}
            }
        }
        if !context.service.take_permit(|| context.waker()) {
            return self.stay_without_permit(since, context);
        }
        self.client.exchange = context.service.next_exchange();
        self.client.turn += 1;
        Step::Continue(State::Receiving(Box::new(Receiving::new(self, context))))
    }

    /// No exchange may begin at the moment. When the server ends, none will.
    fn stay_without_permit(&mut self, since: Instant, context: &Context<'_>) -> Step {
        if context.service.finishing_since().is_some() {
            return self.stay_idle(since, context);
        }
        stop(State::Idle { since }, Rest::WOKEN)
    }

    /// Nothing has arrived.
    fn stay_idle(&mut self, since: Instant, context: &Context<'_>) -> Step {
        let service = context.service;
        let settings = &service.settings;
        let has_had_an_exchange = self.client.turn > 0;
        // When the server finishes, a connection that has had an exchange ends. Another one may be about to say something: it
        // gets as long as a client gets to close.
        let finishing = service.finishing_since().map(|finishing| {
            if has_had_an_exchange { finishing } else { finishing + settings.linger }
        });
        let idle = settings.idle_timeout.and_then(|timeout| since.checked_add(timeout));
        let until = idle.into_iter().chain(finishing).min();
        if until.is_none_or(|until| until > Instant::now()) {
            return stop(State::Idle { since }, Rest::read(until));
        }
        if has_had_an_exchange {
            return Step::Continue(State::Closing(Closing::new(Ending::Close)));
        }
        self.over(ClientEnd::ClosedByUs, context)
    }

    /// One read. Its bytes are an event.
    pub(super) fn read(&mut self, context: &mut Context<'_>) -> std::io::Result<Option<usize>> {
        let length = self.stream.read()?;
        if let Some(length) = length.filter(|&length| length > 0) {
            context.use_budget(length);
            let unread = self.stream.arrived.unread();
            let bytes = &unread[unread.len() - length..];
            context.tell(|| {
                let (client, bytes) = (unnumbered(&self.client), bytes.to_vec());
                Box::new(move |observe| {
                    observe(&Event::Received { client: &client, bytes: &bytes });
                })
            });
        }
        Ok(length)
    }

    /// Whatever is unread will be part of no request.
    pub(super) fn take_trailing(&mut self) {
        self.trailing.take(self.stream.arrived.unread());
        self.stream.arrived.consume(self.stream.arrived.unread().len());
    }

    /// How the connection goes on after an exchange that ended in this way.
    pub(super) fn go_on(&mut self, after: After, context: &Context<'_>) -> Step {
        let since = Instant::now();
        match after {
            After::Request => {
                self.publish_now(context);
                Step::Continue(State::Idle { since })
            }
            After::End(ending) => Step::Continue(State::Closing(Closing::new(ending))),
            After::Gone => self.over(ClientEnd::Reset, context),
        }
    }

    /// Publishes an outcome that was kept back.
    fn publish_now(&mut self, context: &Context<'_>) {
        if let Some((exchange, fault)) = self.outcome.take() {
            context.service.publish(&exchange, fault);
        }
    }

    /// The connection has ended.
    pub(super) fn over(&mut self, client_end: ClientEnd, context: &Context<'_>) -> Step {
        self.take_trailing();
        self.set_end(client_end);
        let is_silent = self.client.turn == 0;
        context.tell(|| {
            let client = self.client.clone();
            Box::new(move |observe| {
                let (client, end) = (&client, client_end);
                observe(&if is_silent {
                    Event::Silent { client, end }
                } else {
                    Event::Closed { client, end }
                });
            })
        });
        self.publish_now(context);
        stop(State::Over, Rest::Over)
    }

    /// Says how it ended to all that hold its exchanges.
    fn set_end(&mut self, client: ClientEnd) {
        self.live.received.store(0, Ordering::Relaxed);
        self.live.end.get_or_init(|| ConnectionEnd {
            client,
            is_reset: self.stream.resets(),
            trailing: (self.trailing.len > 0)
                .then(|| Box::new(mem::replace(&mut self.trailing, Prefix::new(0)))),
            at: Instant::now(),
            acknowledged: self
                .stream
                .unacknowledged()
                .filter(|&bytes| {
                    bytes == 0 || client != ClientEnd::ClosedByUs || self.stream.resets()
                })
                .map(|bytes| self.sent.saturating_sub(bytes)),
        });
    }

    /// Whether a connection in this state is ended by a cut. When a server in the foreground stops, a connection that was kept is closed
    /// in order.
    fn is_cut_in(&self, state: &State, cut: Cut) -> bool {
        match state {
            State::Closing(_) => cut != Cut::Stopped || !self.live.is_kept.load(Ordering::Relaxed),
            State::Idle { .. } => cut != Cut::Stopped || self.client.turn == 0,
            _ => true,
        }
    }

    /// Ends at once, and reports what was in progress.
    fn cut(&mut self, state: State, cut: Cut, context: &mut Context<'_>) -> Step {
        let cause = cut.error(&context.service.settings);
        match state {
            State::Receiving(receiving) => self.abort_receiving(*receiving, cause, context),
            State::Answering(answering) => {
                let failure = Failure::Respond(cause);
                self.conclude_failed(answering.pending, failure, context);
            }
            State::Sending(sending) => self.abort_sending(*sending, cause, context),
            State::Closing(closing) => {
                // With bytes unread, the close would destroy what the client has not read yet.
                while !context.is_budget_used() && matches!(self.read(context), Ok(Some(1..))) {
                    self.take_trailing();
                }
                closing.abort(self, cause, context);
            }
            State::New | State::Idle { .. } | State::Over => {}
        }
        self.over(ClientEnd::ClosedByUs, context)
    }
}

impl Connection {
    /// Makes an exchange known: at once for a peer; for a server in the foreground when the connection has ended, or goes on.
    pub(super) fn record(
        &mut self,
        exchange: Exchange,
        fault: Option<Fault>,
        context: &Context<'_>,
    ) {
        self.live.answering.store(0, Ordering::Relaxed);
        match context.service.role {
            Role::Peer => context.service.publish(&exchange, fault),
            Role::Foreground => self.outcome = Some((exchange, fault)),
        }
    }
}

/// As events of bytes have it: they may belong to no exchange.
pub(super) fn unnumbered(client: &Client) -> Client {
    Client { exchange: 0, turn: 0, ..client.clone() }
}
