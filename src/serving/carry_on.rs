//! Carries on a connection from state to state, until it has to stop or everything is cut. Each step is in the file of its name.

use std::mem;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

use super::connection::Connection;
use super::context::Context;
use super::failure::Failure;
use super::rest::Rest;
use super::service::{Cut, Place};
use super::states::{State, Step};
use crate::journal::client::ClientEnd;
use crate::os::kernel::RemoteEnd;

impl Connection {
    /// Goes on until it has to stop.
    pub(super) fn carry_on(&mut self, context: &mut Context<'_>) -> Rest {
        loop {
            // In the thread of a call, each event is seen before the next step.
            if context.place == Place::Caller {
                context.service.call_observer();
            }
            self.heed_end();
            if self.by_hand.is_some()
                && let Err(failure) = self.send_given(context)
            {
                self.state = State::Over;
                match self.fail_by_hand(failure, context) {
                    ControlFlow::Continue(state) => self.state = state,
                    ControlFlow::Break((state, rest)) => {
                        self.state = state;
                        return rest;
                    }
                }
            }
            self.break_by_hand(context);
            let state = mem::replace(&mut self.state, State::Over);
            let step = match (context.service.cut(), state) {
                (_, State::Over) => return Rest::Over,
                (Some(cut), state) if self.is_cut_in(&state, cut) => self.cut(state, cut, context),
                (_, State::ByHand) => self.obey(context),
                (_, State::Handshaking(handshaking)) => self.shake_hands(handshaking, context),
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
                    return self.with_given(rest, context);
                }
            }
        }
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
                if let Some(response) = answering.response {
                    self.drop_response(response, context);
                }
            }
            State::Sending(sending) => self.abort_sending(*sending, cause, context),
            State::Closing(closing) => {
                // With bytes unread, the close would destroy what the client has not read yet.
                self.take_unread(context);
                self.abort_closing(&closing, cause, context);
            }
            State::Handshaking(handshaking) => {
                return self.abort_handshake(&handshaking, cause, context);
            }
            State::ByHand => {
                self.cut_by_hand(cause, context);
                // The test has not read, so nothing has looked at the socket.
                if let Some(end) = self.take_unread(context) {
                    return self.over(end, context);
                }
            }
            State::New | State::Idle { .. } => match self.stream.end_without_a_byte() {
                // It has left before, which only nobody has looked at.
                Some(RemoteEnd::Closed) => return self.over(ClientEnd::Closed, context),
                Some(RemoteEnd::Reset) => return self.over(ClientEnd::Reset, context),
                None => {}
            },
            State::Over => {}
        }
        self.over(ClientEnd::ClosedByUs, context)
    }
}
