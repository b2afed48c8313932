//! What comes of a response that was sent, or failed: its exchange, and how the connection goes on.

use std::io;
use std::mem;
use std::sync::atomic::Ordering;

use super::connection::Connection;
use super::context::Context;
use super::failure::{Failure, Fault};
use super::receiving::Pending;
use super::sending::Sending;
use super::service::Role;
use super::states::{After, Step};
use crate::journal::exchange::Exchange;
use crate::response::ending::Ending;
use crate::response::parts::Part;
use crate::response::steps::Scripted;

impl Connection {
    /// The exchange of a response that was sent. Its request may have been cut short, which is known to have failed only now: the
    /// client may still want its answer.
    pub(super) fn sent_exchange(
        &mut self,
        sending: &mut Sending,
        pending: Pending,
        context: &Context<'_>,
    ) -> (Exchange, Option<Fault>) {
        let failure = sending
            .failure_of_script()
            .or_else(|| {
                let failure = self.failure_of_request(&pending.request, context)?;
                Some(sending.explained_by_script(failure))
            })
            .or_else(|| sending.failure_of_cut())
            .or_else(|| sending.failure_of_ciphertext_cut(self.stream.ciphertext_sent()));
        // What a reader or a changing file held in the end.
        let offered = Some(sending.sent);
        self.exchange_of(sending, pending, offered, failure)
    }

    fn exchange_of(
        &mut self,
        sending: &mut Sending,
        pending: Pending,
        offered: Option<u64>,
        failure: Option<Failure>,
    ) -> (Exchange, Option<Fault>) {
        let mut parts = self.parts(pending, sending.sent, offered);
        parts.response = sending.first_bytes.take();
        if !sending.seeds.is_empty() {
            parts.rare.get_or_insert_default().seeds = mem::take(&mut sending.seeds);
        }
        let fault = failure.map(|failure| failure.fault(&mut parts));
        (Exchange::new(parts), fault)
    }

    /// The response is over: the journal shows that the connection answers no request any more.
    pub(super) fn mark_sent(&self, sending: &Sending) {
        self.live.answering.store(0, Ordering::Relaxed);
        let flag = if sending.goes_on() { &self.live.is_kept } else { &self.live.is_ending };
        flag.store(true, Ordering::Relaxed);
    }

    /// The response was sent, or failed.
    pub(super) fn conclude(
        &mut self,
        mut sending: Sending,
        failure: Option<Failure>,
        context: &Context<'_>,
    ) -> Step {
        let is_gone = failure.as_ref().is_some_and(Failure::is_client_gone);
        // A client that leaves early may have had all that it wanted: curl does so after the head of a HEAD.
        let may_leave = context.service.settings.clients_may_leave_early;
        let has_left_early = is_gone && (sending.sent > 0 || may_leave);
        let failure = failure.filter(|_| !has_left_early);
        let has_failed = failure.is_some();
        Self::count_served(&mut sending, context);
        if let Some(pending) = sending.pending.take() {
            let offered = sending.offered;
            let (exchange, fault) = match failure {
                Some(failure) => {
                    // If it cut its request short, this is why it is gone: on a Unix socket the first write fails already.
                    let cut_short = self.failure_of_request(&pending.request, context);
                    let cut_short = cut_short.filter(|_| is_gone);
                    let failure = match cut_short {
                        Some(cut_short) => sending.explained_by_script(cut_short),
                        None => failure,
                    };
                    self.exchange_of(&mut sending, pending, offered, Some(failure))
                }
                None if has_left_early => {
                    let failure = self.failure_of_request(&pending.request, context);
                    self.exchange_of(&mut sending, pending, offered, failure)
                }
                None => self.sent_exchange(&mut sending, pending, context),
            };
            self.mark_sent(&sending);
            self.record(exchange, fault, context);
        } else if let Some((exchange, fault)) = sending.exchange_entered.take() {
            self.last_exchange = Some(exchange.clone());
            if context.service.role == Role::Foreground {
                self.keep_outcome(exchange, fault, context);
            }
        }
        self.drop_readers(&mut sending, context);
        self.has_had_last_turn = matches!(sending.scripted, Scripted::LastTurn) && !has_failed;
        let after = if is_gone {
            After::Gone
        } else if has_failed {
            After::End(Ending::Close)
        } else {
            let persists = sending.persistence.take().map(|persistence| persistence.persists());
            let begins_tls = sending.begins_tls();
            // That of the whole connection, unless the response has its own.
            let is_broken = self.stream.is_ciphertext_cut() && sending.cut_ciphertext().is_none();
            match (sending.ending, persists) {
                _ if is_broken => After::End(self.ending_of_broken()),
                (Ending::Close, _) if begins_tls => After::Request,
                (Ending::KeepOpen, _) | (_, Some(true)) => After::Request,
                (_, Some(false)) => After::End(Ending::Close),
                (Ending::Then(framing), None) => {
                    self.framing = framing;
                    After::Request
                }
                (ending, None) => After::End(ending),
            }
        };
        if let After::Request = after
            && let Some(secure) = sending.over_tls.take().and_then(|over_tls| over_tls.begins)
        {
            return self.begin_tls(secure, context);
        }
        if let After::End(_) = after {
            self.live.is_kept.store(false, Ordering::Relaxed);
            self.live.is_ending.store(true, Ordering::Relaxed);
        }
        self.go_on(after, context)
    }

    /// Drops the user's readers, whether or not they have been read to their end. The exchange is over.
    fn drop_readers(&mut self, sending: &mut Sending, context: &Context<'_>) {
        if sending.parts.iter().any(Part::is_of_user) {
            self.drop_unsent(mem::take(&mut sending.parts), context);
        }
    }

    /// The server ends before the response does.
    pub(super) fn abort_sending(
        &mut self,
        mut sending: Sending,
        cause: io::Error,
        context: &Context<'_>,
    ) {
        let Some(pending) = sending.pending.take() else {
            return self.drop_readers(&mut sending, context);
        };
        let failure = match sending.parts.get(sending.index) {
            Some(Part::Gate(_)) => Failure::Respond(io::Error::new(
                io::ErrorKind::TimedOut,
                "the gate was not opened before the server ended",
            )),
            _ => Failure::Send(cause),
        };
        let offered = sending.offered;
        let (exchange, fault) = self.exchange_of(&mut sending, pending, offered, Some(failure));
        self.record(exchange, fault, context);
        self.drop_readers(&mut sending, context);
    }
}
