//! Receives and records one request of a connection.

use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::connection::Connection;
use super::context::Context;
use super::event::Event;
use super::failure::Failure;
use super::receiving::{Pending, Receiving, Record};
use super::rest::Rest;
use super::states::{Answering, State, Step, stop};
use crate::framing::no_end::NoEnd;
use crate::http1::verdict::Verdict;
use crate::journal::request::RequestEnd;
use crate::os::socket_error;

impl Connection {
    /// Receives until the request is over.
    pub(super) fn receive(
        &mut self,
        mut receiving: Box<Receiving>,
        context: &mut Context<'_>,
    ) -> Step {
        if !context.may_run_user_code()
            && (self.framing.is_custom() || matches!(receiving.record, Record::MayBlock(_)))
        {
            return stop(State::Receiving(receiving), Rest::UserThread);
        }
        if let Record::Unopened = receiving.record
            && let Err(rest) = receiving.open(&self.client, context)
        {
            self.note_received(&receiving);
            return stop(State::Receiving(receiving), rest);
        }
        if self.framing.is_custom() || matches!(receiving.record, Record::MayBlock(_)) {
            context.about_to_block();
        }
        let end = loop {
            if receiving.result.is_err()
                && (receiving.kept.len > 0 || receiving.held > 0 || receiving.is_over)
            {
                break RequestEnd::Failed;
            }
            if receiving.is_over {
                break RequestEnd::Complete;
            }
            if self.stream.arrived.unread().len() == receiving.held {
                if context.is_budget_used() || !context.observer_has_room() {
                    return stop(State::Receiving(receiving), context.again());
                }
                self.stream.arrived.read_at_most(receiving.framer.left());
                match self.read(context) {
                    Ok(None) => match self.await_more(&mut receiving, context) {
                        Some(rest) => return stop(State::Receiving(receiving), rest),
                        None => break RequestEnd::TimedOut,
                    },
                    Ok(Some(0)) if receiving.framer.ends_at_eof() && !self.stream.was_cut_off() => {
                        break RequestEnd::Complete;
                    }
                    Ok(Some(0)) => break RequestEnd::ClientClosed,
                    Ok(Some(_)) => receiving.progress = Instant::now(),
                    Err(error) => {
                        let is_gone = socket_error::is_gone(&error);
                        receiving.fail(Failure::Receive(error));
                        break if is_gone { RequestEnd::Reset } else { RequestEnd::Failed };
                    }
                }
            }
            if let Some(end) = self.feed(&mut receiving, context) {
                break end;
            }
            self.note_received(&receiving);
        };
        self.end_request(receiving, end, context)
    }

    /// What it waits for; `None` if it has waited for too long.
    fn await_more(&mut self, receiving: &mut Receiving, context: &Context<'_>) -> Option<Rest> {
        let timeout = context.service.settings.timeout;
        let until = timeout.and_then(|timeout| receiving.progress.checked_add(timeout));
        if until.is_none_or(|until| until > Instant::now()) {
            return Some(Rest::read(until));
        }
        let waited = timeout.unwrap_or_default();
        // A length in the wrong byte order shows here.
        let missing = match receiving.framer.left() {
            Some(left) => format!(": {left} bytes are missing"),
            None => String::new(),
        };
        let text = format!(
            "nothing arrived for {waited:?}, and the request is not complete by framing `{}`{missing}",
            self.framing
        );
        receiving.fail(Failure::Receive(io::Error::new(io::ErrorKind::TimedOut, text)));
        None
    }

    /// Shows the framing what has arrived; the request's end, if it fails here.
    fn feed(&mut self, receiving: &mut Receiving, context: &Context<'_>) -> Option<RequestEnd> {
        let unread = self.stream.arrived.unread();
        let framer = &mut receiving.framer;
        let mut feed = || framer.feed(unread);
        let is_custom = self.framing.is_custom();
        let feed = || if is_custom { context.run_user_code("framing", None, feed) } else { feed() };
        let verdict = match panic::catch_unwind(AssertUnwindSafe(feed)) {
            Ok(verdict) => verdict,
            Err(payload) => {
                receiving.held = unread.len();
                receiving.fail(Failure::Panic("the framing", payload));
                return Some(RequestEnd::Failed);
            }
        };
        let length = match &verdict {
            Ok(Verdict::More) => unread.len(),
            Ok(Verdict::Done(length)) => *length,
            Ok(Verdict::Hold) => 0,
            Err(no_end) => no_end.within(),
        };
        receiving.is_over = matches!(verdict, Ok(Verdict::Done(_)));
        receiving.held = if let Ok(Verdict::Hold) = verdict { unread.len() } else { 0 };
        receiving.take(&unread[..length], context);
        self.stream.arrived.consume(length);
        let no_end = verdict.err()?;
        let text = no_end.to_string();
        receiving.fail(Failure::Receive(io::Error::new(io::ErrorKind::InvalidData, text)));
        Some(match no_end {
            NoEnd::TooMuch(_) => RequestEnd::TooLarge,
            NoEnd::BadLength { .. } => RequestEnd::BadLength,
        })
    }

    fn note_received(&self, receiving: &Receiving) {
        let unread = match receiving.record {
            Record::Unopened => self.stream.arrived.unread().len(),
            _ => receiving.held,
        };
        self.live.received.store(receiving.kept.len + unread as u64, Ordering::Relaxed);
    }

    fn end_request(
        &mut self,
        receiving: Box<Receiving>,
        end: RequestEnd,
        context: &Context<'_>,
    ) -> Step {
        // The end that the framing waited for did not come: what it held is of the request, too.
        let held = receiving.held;
        let (pending, received) = self.close_request(*receiving, held, end, context);
        self.live.answering.store(pending.request.len() + 1, Ordering::Relaxed);
        self.live.received.store(0, Ordering::Relaxed);
        match received {
            Err(failure) => self.fail(pending, failure, context),
            Ok(()) if self.by_hand.is_some() => self.hand_over(pending),
            Ok(()) => Step::Continue(State::Answering(Box::new(Answering::new(pending)))),
        }
    }

    /// The request is over, with so many of the bytes that are unread; whether it was received and recorded without a failure.
    fn close_request(
        &mut self,
        mut receiving: Receiving,
        unread: usize,
        end: RequestEnd,
        context: &Context<'_>,
    ) -> (Pending, Result<(), Failure>) {
        receiving.take(&self.stream.arrived.unread()[..unread], context);
        self.stream.arrived.consume(unread);
        receiving.close(context);
        let request = receiving.request(&self.client, end);
        let record = receiving.file.take();
        context.tell(|| {
            let request = request.clone();
            Box::new(move |observe| {
                observe(&Event::Requested { request: &request, record: record.as_deref() });
            })
        });
        let (first_byte, request_end) = (receiving.first_byte, Instant::now());
        (Pending { request, first_byte, request_end }, receiving.result)
    }

    /// A request that failed before its first byte.
    pub(super) fn fail_to_receive(
        &mut self,
        mut receiving: Box<Receiving>,
        error: io::Error,
        context: &Context<'_>,
    ) -> Step {
        // There is nothing to write.
        receiving.record = Record::None;
        receiving.fail(Failure::Receive(error));
        self.end_request(receiving, RequestEnd::Failed, context)
    }

    /// The server ends before the request does.
    pub(super) fn abort_receiving(
        &mut self,
        mut receiving: Receiving,
        cause: io::Error,
        context: &Context<'_>,
    ) {
        // A record that may block is not written in the thread that cuts.
        if let Record::MayBlock(_) | Record::Unopened = receiving.record {
            receiving.give_up_record(context);
        }
        let unread = self.stream.arrived.unread().len();
        let (pending, received) =
            self.close_request(receiving, unread, RequestEnd::TimedOut, context);
        let failure = received.err().unwrap_or(Failure::Receive(cause));
        self.conclude_failed(pending, failure, context);
    }
}
