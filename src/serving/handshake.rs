//! The TLS handshake of a connection: at its beginning, or after a response that begins TLS. It is nobody's exchange.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use super::by_hand::control::Over;
use super::connection::Connection;
use super::context::Context;
use super::event::Event;
use super::ledger::Outcome;
use super::rest::Rest;
use super::service::Role;
use super::states::{Begins, Closing, Handshaking, State, Step, stop};
use crate::error::Error;
use crate::journal::client::ClientEnd;
use crate::journal::connection_state::HandshakeRecord;
use crate::journal::count;
use crate::os::deadline::later;
use crate::os::layer::Handshake;
use crate::os::set::Interest;
use crate::os::socket_error::is_gone;
use crate::response::ending::Ending;
use crate::response::secure::Secure;

impl Connection {
    /// The connection will begin with a handshake.
    pub(super) fn secure_from_the_beginning(&mut self, secure: &Arc<dyn Secure>) {
        self.stream.put_under(secure.layer());
        self.secure = Some(Arc::clone(secure));
    }

    /// The state of a connection that begins with a handshake.
    pub(super) fn first_handshake(&self) -> Option<State> {
        let handshaking = Handshaking::new(Begins::Accepted, self.live.accepted);
        self.secure.is_some().then_some(State::Handshaking(handshaking))
    }

    /// Client and peer have agreed on TLS.
    pub(super) fn begin_tls(&mut self, secure: Arc<dyn Secure>, context: &Context<'_>) -> Step {
        self.publish_now(context);
        self.stream.put_under(secure.layer());
        self.secure = Some(secure);
        Step::Continue(State::Handshaking(Handshaking::new(Begins::Agreed, Instant::now())))
    }

    /// How the connection ends where it was to break.
    pub(super) fn ending_of_broken(&self) -> Ending {
        self.secure.as_ref().map_or(Ending::Close, |secure| secure.ending())
    }

    /// Goes on with the handshake as far as that is possible.
    pub(super) fn shake_hands(
        &mut self,
        mut handshaking: Handshaking,
        context: &mut Context<'_>,
    ) -> Step {
        let shaken = self.stream.shake_hands();
        let bytes = self.stream.handshake_bytes();
        if bytes > handshaking.bytes {
            handshaking.bytes = bytes;
            handshaking.progress = Instant::now();
        }
        match shaken {
            Ok(Handshake::Done) => self.secured(handshaking.begins, context),
            Ok(Handshake::AwaitsBytes) => {
                handshaking.stuck_since = None;
                self.await_handshake(handshaking, Interest::Read, context)
            }
            Ok(Handshake::AwaitsRoom) => {
                handshaking.stuck_since.get_or_insert_with(Instant::now);
                self.await_handshake(handshaking, Interest::Write, context)
            }
            Ok(Handshake::Broken) => {
                let place = self.secure.as_ref().map_or(String::new(), |secure| secure.broken_at());
                self.note_handshake(Some(format!("it was to break {place}")), context);
                if let Some(by_hand) = &self.by_hand {
                    by_hand.control.set_over(self.over_of_broken());
                }
                Step::Continue(State::Closing(Closing::new(self.ending_of_broken())))
            }
            Ok(Handshake::NotBegun) if handshaking.begins == Begins::Accepted => {
                self.over(ClientEnd::Closed, context)
            }
            Ok(Handshake::NotBegun) => {
                let text = "the client closed the connection before its first byte of TLS";
                let error = io::Error::new(io::ErrorKind::UnexpectedEof, text);
                self.fail_handshake(error, context);
                self.over(ClientEnd::Closed, context)
            }
            // A port that is tried, and left.
            Err(error)
                if is_gone(&error) && bytes == 0 && handshaking.begins == Begins::Accepted =>
            {
                self.over(ClientEnd::Reset, context)
            }
            Err(error) => {
                let (kind, was_gone) = (error.kind(), is_gone(&error));
                self.fail_handshake(error, context);
                match kind {
                    _ if was_gone => self.over(ClientEnd::Reset, context),
                    io::ErrorKind::UnexpectedEof => self.over(ClientEnd::Closed, context),
                    // It has been sent an alert, or has sent one.
                    _ => Step::Continue(State::Closing(Closing::new(Ending::Close))),
                }
            }
        }
    }

    /// The handshake is over.
    fn secured(&mut self, begins: Begins, context: &Context<'_>) -> Step {
        self.note_handshake(None, context);
        self.client.session =
            self.live.handshake.get().map(|handshake| Arc::clone(&handshake.session));
        if let Some(by_hand) = &self.by_hand {
            by_hand.control.set_secured();
            return Step::Continue(State::ByHand);
        }
        let since = match begins {
            Begins::Accepted => self.live.accepted,
            Begins::Agreed => Instant::now(),
        };
        Step::Continue(State::Idle { since })
    }

    /// What it waits for, and for how long: until its first byte it is a silent connection.
    fn await_handshake(
        &mut self,
        handshaking: Handshaking,
        interest: Interest,
        context: &Context<'_>,
    ) -> Step {
        let settings = &context.service.settings;
        let has_begun = handshaking.bytes > 0;
        let is_silent = !has_begun && handshaking.begins == Begins::Accepted;
        let (since, timeout) = match handshaking.stuck_since {
            Some(since) => (since, settings.timeout),
            None if has_begun => (handshaking.progress, settings.timeout),
            None => (handshaking.progress, settings.idle_timeout),
        };
        let finishing = context.finishing.filter(|_| !has_begun);
        let finishing = finishing.map(|finishing| later(finishing, settings.linger));
        let until = timeout.and_then(|timeout| since.checked_add(timeout));
        let until = until.into_iter().chain(finishing).min();
        if until.is_none_or(|until| until > Instant::now()) {
            return stop(
                State::Handshaking(handshaking),
                Rest::Wait { interest: Some(interest), until },
            );
        }
        let is_finishing = finishing.is_some_and(|finishing| finishing <= Instant::now());
        if is_silent {
            self.give_up_by_hand(timeout.filter(|_| !is_finishing));
            return self.over(ClientEnd::ClosedByUs, context);
        }
        let waited = timeout.unwrap_or_default();
        let bytes = count::bytes(handshaking.bytes);
        let text = match handshaking.stuck_since {
            Some(_) => format!("the client acknowledged nothing for {waited:?}"),
            None if is_finishing => "it had not begun when the peer was to finish".into(),
            None => format!("nothing arrived for {waited:?} (after {bytes})"),
        };
        self.fail_handshake(io::Error::new(io::ErrorKind::TimedOut, text), context);
        Step::Continue(State::Closing(Closing::new(Ending::Close)))
    }

    /// The server ends before the handshake does.
    pub(super) fn abort_handshake(
        &mut self,
        handshaking: &Handshaking,
        cause: io::Error,
        context: &Context<'_>,
    ) -> Step {
        if handshaking.bytes > 0 || handshaking.begins == Begins::Agreed {
            self.fail_handshake(cause, context);
        }
        self.over(ClientEnd::ClosedByUs, context)
    }

    /// Reports a failed handshake, unless the test expects clients to leave.
    fn fail_handshake(&mut self, cause: io::Error, context: &Context<'_>) {
        self.note_handshake(Some(cause.to_string()), context);
        if let Some(by_hand) = &self.by_hand {
            let text = format!("the TLS handshake failed: {cause}");
            by_hand.control.set_over(Over::ExchangeFailed(text));
        }
        let service = context.service;
        if service.settings.clients_may_leave_early || service.is_abandoned() {
            return;
        }
        let error = Error::Handshake { client: self.client.clone(), source: cause, peer: None };
        service.tell_error(&error);
        let mut page = service.ledger.lock();
        page.publish(Outcome::Failed(Box::new(error)));
        page.leave();
        if service.role == Role::Foreground {
            service.event_loop.interrupt();
        }
    }

    /// Notes what the handshake has come to.
    fn note_handshake(&mut self, failure: Option<String>, context: &Context<'_>) {
        let session = Arc::new(self.stream.session().unwrap_or_default());
        let record = HandshakeRecord { session, failure };
        let record = self.live.handshake.get_or_init(|| record);
        context.tell(|| {
            let client = self.client.clone();
            let text = record.session.to_string();
            let failure = record.failure.clone();
            Box::new(move |observe| {
                let failure = failure.as_deref();
                observe(&Event::Handshake { client: &client, session: &text, failure });
            })
        });
    }

    /// Whether its handshake has failed, or was broken off.
    pub(super) fn has_failed_handshake(&self) -> bool {
        self.live.handshake.get().is_some_and(|handshake| handshake.failure.is_some())
    }
}
