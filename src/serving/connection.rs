//! One connection: its socket, its client, and what all its states do with them.

use std::io;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::by_hand::control::Over;
use super::by_hand::exchange::ManualExchange;
use super::context::Context;
use super::event::Event;
use super::failure::{Failure, Fault};
use super::receiving::Pending;
use super::rest::Rest;
use super::service::Role;
use super::states::{After, Closing, State, Step, stop};
use super::user_code::Payload;
use crate::error::Error;
use crate::framing::rule::Framing;
use crate::journal::client::{Client, ClientEnd};
use crate::journal::connection_state::{ConnectionEnd, ConnectionState};
use crate::journal::count;
use crate::journal::difference::shown;
use crate::journal::exchange::{Exchange, ExchangeParts, Moments, Rare, Times};
use crate::journal::prefix::Prefix;
use crate::os::lock::lock;
use crate::os::socket_error::is_gone;
use crate::os::stream::{Close, Stream};
use crate::response::secure::Secure;

/// An accepted connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(super) client: Client,
    pub(super) live: Arc<ConnectionState>,
    pub(super) stream: Stream,
    pub(super) framing: Framing,
    /// How it is secured, if it is.
    pub(super) secure: Option<Arc<dyn Secure>>,
    /// How many response bytes the kernel took, of all exchanges.
    pub(super) sent: u64,
    /// What the client sent past the end of its requests.
    pub(super) trailing: Prefix,
    /// Whether an exchange has begun of which there is no outcome yet.
    pub(super) has_begun: bool,
    /// The outcome of the last exchange, if it is published only when the connection has ended.
    pub(super) outcome: Option<(Exchange, Option<Fault>)>,
    /// The last exchange, for the report of a reset that could not be delivered.
    pub(super) last_exchange: Option<Exchange>,
    /// Of a connection that a test drives by hand.
    pub(super) by_hand: Option<Box<ManualExchange>>,
    /// Whether the conversation is over, so that the client has nothing more to send.
    pub(super) has_had_last_turn: bool,
    pub(super) state: State,
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
            secure: None,
            sent: 0,
            trailing,
            has_begun: false,
            outcome: None,
            last_exchange: None,
            by_hand: None,
            has_had_last_turn: false,
            state,
        }
    }

    /// One read. Its bytes are an event.
    pub(super) fn read(&mut self, context: &mut Context<'_>) -> io::Result<Option<usize>> {
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

    /// Takes what has arrived and is part of no request, without waiting; how the client has ended the connection, if that is all. One
    /// that never stops sending is left after a while.
    pub(super) fn take_unread(&mut self, context: &mut Context<'_>) -> Option<ClientEnd> {
        loop {
            self.take_trailing();
            if context.is_budget_used() {
                return None;
            }
            match self.read(context) {
                Ok(Some(0)) => return Some(ClientEnd::Closed),
                Ok(Some(_)) => {}
                Ok(None) => return None,
                Err(error) => return is_gone(&error).then_some(ClientEnd::Reset),
            }
        }
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
    pub(super) fn publish_now(&mut self, context: &Context<'_>) {
        if let Some((exchange, fault)) = self.outcome.take() {
            context.service.publish(&exchange, fault, &self.live);
        }
    }

    /// The connection has ended.
    pub(super) fn over(&mut self, client_end: ClientEnd, context: &Context<'_>) -> Step {
        self.take_trailing();
        self.set_end(client_end);
        if let Some(by_hand) = &self.by_hand {
            by_hand.control.set_over(Over::of(client_end));
        }
        if self.has_had_last_turn {
            self.report_more_turns(context);
        }
        let is_silent = self.client.turn == 0 && !self.has_failed_handshake();
        context.tell(|| {
            let client = self.client.clone();
            let acknowledged = self.live.end.get().and_then(|end| end.acknowledged);
            let trailing = self.live.trailing().map_or(0, |trailing| trailing.len);
            Box::new(move |observe| {
                let (client, end) = (&client, client_end);
                observe(&if is_silent {
                    Event::Silent { client, end }
                } else {
                    Event::Closed { client, end, acknowledged, trailing }
                });
            })
        });
        self.publish_now(context);
        stop(State::Over, Rest::Over)
    }

    /// A step has panicked. Ends the connection, and whatever waits for it.
    pub(super) fn break_off(&mut self, payload: Payload, context: &Context<'_>) {
        self.state = State::Over;
        if let Some(by_hand) = &self.by_hand {
            by_hand.control.set_over(Over::ExchangeFailed("its peer has panicked".into()));
        }
        self.live.answering.store(0, Ordering::Relaxed);
        self.fail_with_panic(payload, context);
        let _ = self.over(ClientEnd::ClosedByUs, context);
    }

    /// A panic that is of no exchange. In the foreground it takes the place of the one that the call would return.
    pub(super) fn fail_with_panic(&mut self, payload: Payload, context: &Context<'_>) {
        let service = context.service;
        if service.is_abandoned() {
            return;
        }
        match (service.role, &mut self.outcome) {
            (Role::Peer, _) => service.ledger.enter_failure(Fault::Panic(payload)),
            (Role::Foreground, Some((_, fault))) => *fault = Some(Fault::Panic(payload)),
            (Role::Foreground, None) => {
                service.publish_panic(payload, mem::take(&mut self.has_begun));
            }
        }
    }

    /// Reports what the client has sent after the last turn of its conversation.
    fn report_more_turns(&mut self, context: &Context<'_>) {
        let Some(trailing) = self.live.trailing() else { return };
        let (length, shown) = (count::bytes(trailing.len), shown(&trailing.bytes));
        let text =
            format!("the client sent {length} after the last turn of the conversation: {shown}");
        let source = io::Error::new(io::ErrorKind::InvalidData, text);
        self.fail_after_the_end(
            |exchange, source| Error::Respond { exchange, source, peer: None },
            source,
            context,
        );
    }

    /// The exchange is over and may have been taken, so this failure is one of the connection.
    pub(super) fn fail_after_the_end(
        &mut self,
        error: fn(Exchange, io::Error) -> Error,
        source: io::Error,
        context: &Context<'_>,
    ) {
        let Some(exchange) = self.last_exchange.clone() else { return };
        let error = error(exchange, source);
        match (context.service.role, &mut self.outcome) {
            (Role::Foreground, Some((_, fault))) => {
                *fault = fault.take().or(Some(Fault::Error(error)));
            }
            _ if context.service.is_abandoned() => {}
            _ => context.service.ledger.enter_failure(Fault::Error(error)),
        }
    }

    /// Says how it ended to all that hold its exchanges.
    fn set_end(&mut self, client: ClientEnd) {
        self.live.received.store(0, Ordering::Relaxed);
        self.live.end.get_or_init(|| ConnectionEnd {
            client,
            close: self.stream.close(),
            trailing: (self.trailing.len > 0)
                .then(|| Box::new(mem::replace(&mut self.trailing, Prefix::new(0)))),
            at: Instant::now(),
            alert: self.stream.alert().map(str::to_owned),
            acknowledged: self
                .stream
                .unacknowledged()
                .filter(|&bytes| {
                    // What is missing is ciphertext.
                    let counts_responses = !self.stream.has_layer();
                    bytes == 0
                        || (counts_responses
                            && (client != ClientEnd::ClosedByUs
                                || self.stream.close() == Close::Reset))
                })
                .map(|bytes| self.sent.saturating_sub(bytes)),
        });
    }

    /// An exchange has failed before the first byte of its response.
    pub(super) fn conclude_failed(
        &mut self,
        pending: Pending,
        failure: Failure,
        context: &Context<'_>,
    ) {
        context.service.count_served();
        let mut parts = self.parts(pending, 0, None);
        let fault = failure.fault(&mut parts);
        if let Some(by_hand) = &self.by_hand {
            by_hand.control.set_over(Over::of_failed(&parts));
        }
        self.record(Exchange::new(parts), Some(fault), context);
    }

    /// What is known of an exchange that is over now. Counts what was sent.
    pub(super) fn parts(
        &mut self,
        pending: Pending,
        sent: u64,
        offered: Option<u64>,
    ) -> ExchangeParts {
        let Pending { request, first_byte, request_end } = pending;
        let sent_before = self.sent;
        self.sent += sent;
        let rare =
            offered.is_none().then(|| Box::new(Rare { hides_offered: true, ..Rare::default() }));
        ExchangeParts {
            request,
            offered: offered.unwrap_or(sent),
            sent,
            response: None,
            sent_before,
            moments: Moments::of(Times {
                accepted: self.live.accepted,
                first_byte,
                request_end,
                response_end: Instant::now(),
            }),
            rare,
            live: Arc::clone(&self.live),
        }
    }

    /// Makes an exchange known: at once for a peer; for a server in the foreground when the connection has ended, or goes on.
    pub(super) fn record(
        &mut self,
        exchange: Exchange,
        fault: Option<Fault>,
        context: &Context<'_>,
    ) {
        // It was this side that cut it because the test has failed already.
        let fault = fault.filter(|_| !context.service.is_abandoned());
        self.last_exchange = Some(exchange.clone());
        match context.service.role {
            Role::Peer => context.service.publish(&exchange, fault, &self.live),
            Role::Foreground => {
                self.live.answering.store(0, Ordering::Relaxed);
                self.keep_outcome(exchange, fault, context);
            }
        }
    }

    /// The exchange of a server in the foreground is over, and is published when its connection has ended, or goes on.
    pub(super) fn keep_outcome(
        &mut self,
        exchange: Exchange,
        fault: Option<Fault>,
        context: &Context<'_>,
    ) {
        self.has_begun = false;
        lock(&context.service.permits).answered += 1;
        self.outcome = Some((exchange, fault));
    }
}

/// As events of bytes have it: they may belong to no exchange.
pub(super) fn unnumbered(client: &Client) -> Client {
    Client { exchange: 0, turn: 0, ..client.clone() }
}
