//! A connection that a test drives by hand: does what the test wants, and sends the bytes that it was given. The reads and the
//! close are those of every connection; the bytes are sent beside them, so that a peer can speak while it waits for its client.

pub(crate) mod arrivals;
pub(crate) mod control;
pub(super) mod exchange;
mod handler;

use std::io;
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::connection::{Connection, unnumbered};
use super::context::Context;
use super::event::Event;
use super::failure::Failure;
use super::receiving::Pending;
use super::rest::Rest;
use super::states::{Closing, State, Step, stop};
use super::stuck::nothing_acknowledged;
use crate::journal::client::ClientEnd;
use crate::journal::exchange::Exchange;
use crate::journal::request::{Request, RequestEnd, RequestParts};
use crate::os::set::Interest;
use crate::os::socket_error::is_gone;
use crate::os::wire::Next;
use crate::response::ending::Ending;
use crate::source::conversation::Refusal;
use control::{Control, Over, TakenBy, Want, Wish};
use exchange::ManualExchange;

impl Connection {
    /// A test drives it from now on.
    pub(in crate::serving) fn drive_by_hand(&mut self) -> Arc<Control> {
        let control = Arc::new(Control::default());
        self.by_hand = Some(Box::new(ManualExchange::new(Arc::clone(&control))));
        self.state = self.first_handshake().unwrap_or(State::ByHand);
        control
    }

    /// The test wants the end while it waits for a request that has not begun.
    pub(in crate::serving) fn heed_end(&mut self) {
        let wants_end = self.by_hand.as_ref().is_some_and(|by_hand| by_hand.control.wants_end());
        if wants_end && matches!(self.state, State::Idle { .. }) {
            self.state = State::ByHand;
        }
    }

    /// No request has begun for so long, or none will because the peer ends: the test need not wait for the close.
    pub(in crate::serving) fn give_up_by_hand(&self, timeout: Option<Duration>) {
        let Some(by_hand) = &self.by_hand else { return };
        by_hand.control.set_over(match timeout {
            None => Over::Finished,
            Some(timeout) => {
                Over::Failed(format!("nothing arrived for {timeout:?}"), io::ErrorKind::TimedOut)
            }
        });
    }

    /// Does what the test wants.
    pub(in crate::serving) fn obey(&mut self, context: &mut Context<'_>) -> Step {
        let Some(by_hand) = &self.by_hand else {
            return Step::Continue(State::Idle { since: Instant::now() });
        };
        let control = Arc::clone(&by_hand.control);
        let is_finishing = context.finishing.is_some();
        let Wish { want, has_to_send, taken_by } = control.next_wish();
        match want {
            None if is_finishing && !has_to_send && taken_by != TakenBy::Handler => {
                if taken_by == TakenBy::Nobody {
                    context.service.report_not_accepted(&self.client);
                }
                self.conclude_by_hand(None, context);
                control.set_over(Over::Finished);
                Step::Continue(State::Closing(Closing::new(Ending::Close)))
            }
            None => stop(State::ByHand, Rest::WOKEN),
            Some(Want::Read(framing)) => {
                self.conclude_by_hand(None, context);
                self.framing = framing;
                Step::Continue(State::Idle { since: Instant::now() })
            }
            // The test has asked before the handshake was over.
            Some(Want::BeginTls(_)) if self.stream.has_layer() => {
                let text = "the connection has TLS already".into();
                control.set_over(Over::Failed(text, io::ErrorKind::InvalidInput));
                Step::Continue(State::ByHand)
            }
            Some(Want::BeginTls(secure)) => {
                self.conclude_by_hand(None, context);
                self.begin_tls(secure, context)
            }
            Some(Want::Refuse(refusal)) => {
                let failure = self.failure_of_refusal(refusal, context);
                self.conclude_by_hand(failure, context);
                // A client that may leave early has left, and nothing has failed.
                control.set_over(Over::ClientClosed);
                Step::Continue(State::Closing(Closing::new(Ending::Close)))
            }
            Some(Want::End(ending)) => {
                self.conclude_by_hand(None, context);
                // What has two ends for a source has one here.
                let ending = match ending {
                    Ending::KeepOpen | Ending::KeepAlive | Ending::Then(_) => Ending::Close,
                    ending => ending,
                };
                Step::Continue(State::Closing(Closing::new(ending)))
            }
        }
    }

    /// The peer ends while the test drives the connection. What was given and has not been sent is lost, and reported.
    pub(in crate::serving) fn cut_by_hand(&mut self, cause: io::Error, context: &Context<'_>) {
        let has_unsent = self.by_hand.as_ref().is_some_and(|by_hand| by_hand.control.unsent() > 0);
        self.conclude_by_hand(has_unsent.then_some(Failure::Send(cause)), context);
    }

    /// How the exchange fails whose request the test does not take.
    fn failure_of_refusal(&self, refusal: Refusal, context: &Context<'_>) -> Option<Failure> {
        let (kind, text) = match refusal {
            Refusal::CutShort(text) => {
                let pending = self.by_hand.as_ref()?.pending.as_ref()?;
                self.failure_of_request(&pending.request, context)?;
                return Some(Failure::Receive(io::Error::new(io::ErrorKind::UnexpectedEof, text)));
            }
            Refusal::SomethingElse(text) => (io::ErrorKind::InvalidData, text),
            Refusal::Unknown(text) => (io::ErrorKind::Other, text),
        };
        Some(Failure::Respond(io::Error::new(kind, text)))
    }

    /// Gives the test the request that it has asked for.
    pub(in crate::serving) fn hand_over(&mut self, pending: Pending) -> Step {
        if let Some(by_hand) = &mut self.by_hand {
            let request = pending.request.clone();
            by_hand.pending = Some(pending);
            by_hand.control.set_request(request);
        }
        Step::Continue(State::ByHand)
    }

    /// Sends what the test has given to send, as far as there is room; how it has failed, if it has.
    pub(in crate::serving) fn send_given(
        &mut self,
        context: &mut Context<'_>,
    ) -> Result<(), Failure> {
        let can_send = !self.state.is_ending() && !matches!(self.state, State::Handshaking(_));
        let Some(by_hand) = self.by_hand.as_ref().filter(|_| can_send) else {
            return Ok(());
        };
        let control = Arc::clone(&by_hand.control);
        loop {
            let piece = control.next_piece();
            let Some(by_hand) = &mut self.by_hand else { return Ok(()) };
            by_hand.is_interrupted = !piece.is_empty() && context.is_budget_used();
            if piece.is_empty() || by_hand.is_interrupted || !context.observer_has_room() {
                by_hand.stuck.clear();
                return Ok(());
            }
            match self.stream.write(&piece, Next::Other) {
                Ok(Some(taken)) if taken > 0 => {
                    context.use_budget(taken);
                    by_hand.sent += taken as u64;
                    by_hand.stuck.clear();
                    let room = context.service.settings.retain_sent;
                    let room = room.saturating_sub(by_hand.first_bytes.len());
                    by_hand.first_bytes.extend_from_slice(&piece[..room.min(taken)]);
                    control.has_left(taken);
                    context.tell(|| {
                        let client = unnumbered(&self.client);
                        let bytes = piece[..taken].to_vec();
                        Box::new(move |observe| {
                            observe(&Event::Sent { client: &client, bytes: &bytes });
                        })
                    });
                }
                Ok(Some(_)) => return Err(Failure::Send(io::ErrorKind::WriteZero.into())),
                Ok(None) => {
                    by_hand.stuck.note(self.stream.ciphertext_sent());
                    let timeout = context.service.settings.timeout;
                    if by_hand.stuck.until(timeout).is_none_or(|until| until > Instant::now()) {
                        return Ok(());
                    }
                    return Err(Failure::Send(nothing_acknowledged(timeout)));
                }
                Err(error) => return Err(Failure::Send(error)),
            }
        }
    }

    /// As much ciphertext has left as may leave on this connection: it ends, in the way that its server says. Otherwise what is given would
    /// wait for room that there is.
    pub(in crate::serving) fn break_by_hand(&mut self, context: &Context<'_>) {
        let can_send = !self.state.is_ending() && !matches!(self.state, State::Handshaking(_));
        let Some(by_hand) = self.by_hand.as_ref().filter(|_| can_send) else { return };
        if !self.stream.is_ciphertext_cut() {
            return;
        }
        let control = Arc::clone(&by_hand.control);
        self.conclude_by_hand(None, context);
        control.set_over(self.over_of_broken());
        self.state = State::Closing(Closing::new(self.ending_of_broken()));
    }

    /// How a connection has ended for its test that was to break. A function that returns this error has not failed.
    pub(in crate::serving) fn over_of_broken(&self) -> Over {
        let place = self.secure.as_ref().map_or(String::new(), |secure| secure.broken_at());
        Over::ExchangeFailed(format!("the connection was to break {place}"))
    }

    /// What a connection that stops waits for, too, while the client takes nothing of what there is to send.
    pub(in crate::serving) fn with_given(&self, rest: Rest, context: &Context<'_>) -> Rest {
        let (Some(by_hand), Rest::Wait { interest, until }) = (&self.by_hand, rest) else {
            return rest;
        };
        if by_hand.is_interrupted {
            // To go on after the others.
            return Rest::Wait { interest, until: Some(Instant::now()) };
        }
        // What waits for the observer does not wait for the socket, which may have room and would keep the loop busy.
        if !by_hand.stuck.is_stuck() || self.state.is_ending() {
            return rest;
        }
        let interest = match interest {
            Some(Interest::Read | Interest::ReadAndWrite) => Interest::ReadAndWrite,
            Some(Interest::Write) | None => Interest::Write,
        };
        let stuck = by_hand.stuck.until(context.service.settings.timeout);
        Rest::Wait { interest: Some(interest), until: until.into_iter().chain(stuck).min() }
    }

    /// What was given could not be sent.
    pub(in crate::serving) fn fail_by_hand(
        &mut self,
        failure: Failure,
        context: &Context<'_>,
    ) -> Step {
        let gone = match &failure {
            Failure::Send(error) if is_gone(error) => Some(error.to_string()),
            _ => None,
        };
        let is_gone = gone.is_some();
        match gone.filter(|_| context.service.settings.clients_may_leave_early) {
            Some(gone) => {
                self.conclude_by_hand(None, context);
                if let Some(by_hand) = &self.by_hand {
                    // Its call fails, and a function that returns this error has not failed.
                    by_hand.control.set_over(Over::ExchangeFailed(gone));
                }
            }
            None => self.conclude_by_hand(Some(failure), context),
        }
        if is_gone {
            return self.over(ClientEnd::Reset, context);
        }
        Step::Continue(State::Closing(Closing::new(Ending::Close)))
    }

    /// The exchange is over: the test reads again, or ends the connection.
    pub(in crate::serving) fn conclude_by_hand(
        &mut self,
        failure: Option<Failure>,
        context: &Context<'_>,
    ) {
        let Some(by_hand) = &mut self.by_hand else { return };
        let control = Arc::clone(&by_hand.control);
        let sent = mem::take(&mut by_hand.sent);
        let first_bytes = mem::take(&mut by_hand.first_bytes);
        let pending = match by_hand.pending.take() {
            Some(pending) => pending,
            None if sent == 0 && failure.is_none() => return,
            // The peer has spoken first.
            None => self.nothing_received(context),
        };
        // Otherwise they leave later, and belong to the next exchange.
        let unsent = if failure.is_some() { control.unsent() } else { 0 };
        let failure = failure.or_else(|| self.failure_of_request(&pending.request, context));
        let mut parts = self.parts(pending, sent, Some(sent + unsent));
        parts.response = (!first_bytes.is_empty()).then(|| first_bytes.into());
        let fault = failure.map(|failure| failure.fault(&mut parts));
        let over = fault.is_some().then(|| Over::of_failed(&parts));
        let exchange = Exchange::new(parts);
        self.record(exchange, fault, context);
        // A call that has failed finds the exchange in the journal.
        if let Some(over) = over {
            control.set_over(over);
        }
    }

    fn nothing_received(&mut self, context: &Context<'_>) -> Pending {
        self.client.exchange = context.service.next_exchange();
        self.client.turn += 1;
        let now = Instant::now();
        let request = Request::new(RequestParts {
            client: self.client.clone(),
            bytes: Box::default(),
            len: 0,
            end: RequestEnd::Complete,
            half_closed: false,
            problem: None,
        });
        Pending { request, first_byte: now, request_end: now }
    }
}
