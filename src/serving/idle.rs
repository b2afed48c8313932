//! Waits for a request: asks the source for a framing of its own, and reads the first bytes.

use std::sync::atomic::Ordering;
use std::time::Instant;

use super::connection::Connection;
use super::context::Context;
use super::receiving::Receiving;
use super::rest::Rest;
use super::states::{Closing, State, Step, stop};
use crate::journal::client::ClientEnd;
use crate::os::deadline::later;
use crate::os::socket_error::is_gone;
use crate::response::ending::Ending;

impl Connection {
    /// Asks the source where the first request ends, if not where the server says. A source has framings for connections in the order
    /// in which they were accepted, so it is asked before a handshake, whose end depends on the client.
    pub(super) fn ask_framing(&mut self, context: &Context<'_>) -> Step {
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
                if framing.is_custom() {
                    user_code.gives_more.store(true, Ordering::Relaxed);
                }
                self.framing = framing;
            }
        }
        Step::Continue(self.first_handshake().unwrap_or(State::Idle { since: self.live.accepted }))
    }

    /// Waits for the first byte of a request.
    pub(super) fn await_request(&mut self, since: Instant, context: &mut Context<'_>) -> Step {
        let idle = State::Idle { since };
        let mut failed = None;
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
                // What came is no TLS, and it is not the client's complaint about what it was sent.
                Err(error) if !is_gone(&error) && self.stream.alert().is_none() => {
                    failed = Some(error);
                }
                Err(_) => return self.over(ClientEnd::Reset, context),
                Ok(Some(_)) => {}
            }
        }
        if !context.service.take_permit(|| context.waker()) {
            return self.stay_without_permit(since, context);
        }
        self.has_begun = true;
        self.client.exchange = context.service.next_exchange();
        self.client.turn += 1;
        let receiving = Box::new(Receiving::new(&self.framing, context));
        match failed {
            None => Step::Continue(State::Receiving(receiving)),
            Some(error) => self.fail_to_receive(receiving, error, context),
        }
    }

    /// No exchange may begin at the moment. When the server ends, none will.
    fn stay_without_permit(&mut self, since: Instant, context: &Context<'_>) -> Step {
        if context.finishing.is_some() {
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
        let finishing = context.finishing.map(|finishing| {
            if has_had_an_exchange { finishing } else { later(finishing, settings.linger) }
        });
        let idle = settings.idle_timeout.and_then(|timeout| since.checked_add(timeout));
        let until = idle.into_iter().chain(finishing).min();
        if until.is_none_or(|until| until > Instant::now()) {
            self.stream.give_up_room();
            return stop(State::Idle { since }, Rest::read(until));
        }
        let is_finishing = finishing.is_some_and(|finishing| finishing <= Instant::now());
        self.give_up_by_hand(settings.idle_timeout.filter(|_| !is_finishing));
        if has_had_an_exchange {
            return Step::Continue(State::Closing(Closing::new(Ending::Close)));
        }
        self.over(ClientEnd::ClosedByUs, context)
    }
}
