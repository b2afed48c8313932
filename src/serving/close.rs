//! The endings of a connection: the orderly close, the reset after delivery, and the others. The one place that closes.

use std::io;
use std::time::{Duration, Instant};

use super::connection::Connection;
use super::context::Context;
use super::event::Event;
use super::rest::Rest;
use super::states::{Closing, State, Step, stop};
use crate::error::Error;
use crate::journal::client::ClientEnd;
use crate::os::kernel::RemoteEnd;
use crate::os::set::Interest;
use crate::os::stream::Notice;
use crate::response::ending::Ending;

/// How long a client that has everything may stay silent when the server finishes. Most clients close within microseconds.
const SHORT_PATIENCE: Duration = Duration::from_micros(500);

impl Connection {
    /// The server ends before the connection does. A reset that has not been delivered is reported.
    pub(super) fn abort_closing(
        &mut self,
        closing: &Closing,
        cause: io::Error,
        context: &Context<'_>,
    ) {
        if let Ending::Reset = closing.ending {
            self.fail_to_deliver(cause, context);
            // The client may be gone, too.
            let _ = self.stream.reset_on_close();
        }
    }

    pub(super) fn close(&mut self, mut closing: Closing, context: &mut Context<'_>) -> Step {
        let since = if let Some(since) = closing.since {
            since
        } else {
            let now = *closing.since.insert(Instant::now());
            context.tell(|| {
                let (client, ending) = (self.client.clone(), closing.ending.clone());
                Box::new(move |observe| {
                    observe(&Event::Ending { client: &client, ending: &ending });
                })
            });
            now
        };
        let settings = &context.service.settings;
        match closing.ending {
            Ending::Close | Ending::KeepOpen | Ending::KeepAlive | Ending::Then(_) => {
                // Closing at once would be wrong while the client may still send: a socket that is closed with unread bytes, or
                // gets more, answers with a reset (RFC 1122 section 4.2.2.13), which destroys what the client has not read
                // yet (RFC 9112 section 9.6 prescribes this order for the same reason).
                let until = Some(settings.linger);
                self.end_sending_and_drain(closing, since, until, Notice::CloseNotify, context)
            }
            #[cfg(feature = "tls")]
            Ending::NoCloseNotify => {
                let until = Some(settings.linger);
                self.end_sending_and_drain(closing, since, until, Notice::None, context)
            }
            Ending::HalfClose => {
                let until = settings.timeout;
                self.end_sending_and_drain(closing, since, until, Notice::CloseNotify, context)
            }
            Ending::Hold => self.drain(closing, since, settings.timeout, Some(()), context),
            Ending::StopReading => self.await_end_unread(closing, since, context),
            Ending::CloseAtOnce => self.close_at_once(context),
            Ending::Reset => self.reset_after_delivery(closing, since, context),
        }
    }

    /// Leaves unread bytes to the kernel, which resets the connection for them. For those that were read together with the request it
    /// must be asked to.
    fn close_at_once(&mut self, context: &Context<'_>) -> Step {
        if self.stream.has_unread() {
            // Where this fails the client is gone.
            let _ = self.stream.reset_on_close();
        }
        self.over(ClientEnd::ClosedByUs, context)
    }

    fn end_sending_and_drain(
        &mut self,
        closing: Closing,
        since: Instant,
        timeout: Option<Duration>,
        notice: Notice,
        context: &mut Context<'_>,
    ) -> Step {
        if let Ok(ended) = self.stream.shutdown_sending(notice) {
            return self.drain(closing, since, timeout, ended, context);
        }
        // What the client sent before its reset can still be read, on Linux.
        self.take_unread(context);
        self.over(ClientEnd::Reset, context)
    }

    /// Receives until the client closes, for as long as `timeout`, though it may never stop sending. `ended` is `None` while there is no
    /// room to say that nothing follows.
    fn drain(
        &mut self,
        closing: Closing,
        since: Instant,
        timeout: Option<Duration>,
        ended: Option<()>,
        context: &mut Context<'_>,
    ) -> Step {
        self.take_trailing();
        let until = timeout.and_then(|timeout| since.checked_add(timeout));
        if is_over(until) {
            return self.over(ClientEnd::ClosedByUs, context);
        }
        if self.stream.has_ended() {
            return match ended {
                Some(()) => self.over(ClientEnd::Closed, context),
                None => stop(
                    State::Closing(closing),
                    Rest::Wait { interest: Some(Interest::Write), until },
                ),
            };
        }
        loop {
            if context.is_budget_used() || !context.observer_has_room() {
                return stop(State::Closing(closing), context.again());
            }
            match self.read(context) {
                Ok(Some(0)) if ended.is_some() => return self.over(ClientEnd::Closed, context),
                Ok(Some(0)) => return Step::Continue(State::Closing(closing)),
                Ok(Some(_)) => self.take_trailing(),
                Ok(None) => break,
                Err(_) => return self.over(ClientEnd::Reset, context),
            }
        }
        // When the server finishes, a client that is silent and has been sent everything need not close first.
        let patience = context.finishing.map(|finishing| finishing.max(since) + SHORT_PATIENCE);
        if is_over(patience) && self.stream.has_left() {
            return self.over(ClientEnd::ClosedByUs, context);
        }
        let until =
            until.into_iter().chain(patience.map(|at| at.max(Instant::now() + SHORT_PATIENCE)));
        let interest = if ended.is_some() { Interest::Read } else { Interest::ReadAndWrite };
        stop(State::Closing(closing), Rest::Wait { interest: Some(interest), until: until.min() })
    }

    /// Waits for the client's end without reading what comes before it.
    fn await_end_unread(
        &mut self,
        mut closing: Closing,
        since: Instant,
        context: &mut Context<'_>,
    ) -> Step {
        self.take_trailing();
        let timeout = context.service.settings.timeout;
        let until = timeout.and_then(|timeout| since.checked_add(timeout));
        let end = match self.stream.remote_end() {
            Some(RemoteEnd::Closed) => ClientEnd::Closed,
            Some(RemoteEnd::Reset) => ClientEnd::Reset,
            None if is_over(until) || context.finishing.is_some() => ClientEnd::ClosedByUs,
            None => {
                let next = Instant::now() + closing.timer.next();
                let until = until.map_or(next, |until| until.min(next));
                return stop(State::Closing(closing), Rest::time(Some(until)));
            }
        };
        self.over(end, context)
    }

    /// Waits until the client has everything that was sent, as long as it acknowledges something within each timeout. A reset
    /// makes the kernel throw away what has not left yet.
    fn reset_after_delivery(
        &mut self,
        mut closing: Closing,
        since: Instant,
        context: &mut Context<'_>,
    ) -> Step {
        self.take_trailing();
        let now = Instant::now();
        let missing = self.stream.unacknowledged().filter(|&bytes| bytes > 0);
        if let Some(bytes) = missing {
            let (before, when) = closing.missing.unwrap_or((bytes, since));
            let progress = if bytes < before { now } else { when };
            closing.missing = Some((bytes, progress));
            let timeout = context.service.settings.timeout;
            let until = timeout.and_then(|timeout| progress.checked_add(timeout));
            if !is_over(until) {
                return self.await_acknowledgement(closing, until, context);
            }
            let waited = timeout.unwrap_or_default();
            let text = format!("the client acknowledged nothing for {waited:?}");
            let text = format!("{text}, and {bytes} bytes before the reset are lost");
            self.fail_to_deliver(io::Error::new(io::ErrorKind::TimedOut, text), context);
        }
        // Where this fails the close that follows is an ordinary one: the client is gone.
        let _ = self.stream.reset_on_close();
        self.over(ClientEnd::ClosedByUs, context)
    }

    fn await_acknowledgement(
        &mut self,
        mut closing: Closing,
        until: Option<Instant>,
        context: &mut Context<'_>,
    ) -> Step {
        // A client may be unable to read before it has been read from.
        while !self.stream.has_ended() && !context.is_budget_used() && context.observer_has_room() {
            match self.read(context) {
                Ok(Some(_)) => self.take_trailing(),
                Ok(None) => break,
                Err(_) => return self.over(ClientEnd::Reset, context),
            }
        }
        // Nothing reports the last acknowledgement.
        let next = Instant::now() + closing.timer.next();
        let until = Some(until.map_or(next, |until| until.min(next)));
        let interest = Some(Interest::Read).filter(|_| !self.stream.has_ended());
        stop(State::Closing(closing), Rest::Wait { interest, until })
    }

    fn fail_to_deliver(&mut self, source: io::Error, context: &Context<'_>) {
        let error = |exchange, source| Error::Send { exchange, source, peer: None };
        self.fail_after_the_end(error, source, context);
    }
}

fn is_over(until: Option<Instant>) -> bool {
    until.is_some_and(|until| until <= Instant::now())
}
