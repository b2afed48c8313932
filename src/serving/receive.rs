//! Receives and records one request of a connection.

use std::fmt;
use std::io::{self, Write};
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::connection::{Connection, Rest, State, Step, stop};
use super::failure::Failure;
use super::respond::{Answering, Pending};
use super::task::Context;
use crate::framing::framer::Framer;
use crate::http1::verdict::{TooMuch, Verdict};
use crate::journal::prefix::Prefix;
use crate::journal::request::{Request, RequestEnd, RequestParts};
use crate::os::stream;

/// A request that has begun.
pub(super) struct Receiving {
    first_byte: Instant,
    /// When the last byte arrived.
    progress: Instant,
    framer: Framer,
    /// How many unread bytes the framing has seen and not decided about.
    held: usize,
    is_over: bool,
    record: Record,
    kept: Prefix,
    result: Result<(), Failure>,
}

/// Where the bytes go beside memory.
enum Record {
    /// The sink has not been asked.
    Unopened,
    None,
    /// A record of this crate, which does not block.
    Prompt(Box<dyn Write + Send>),
    /// A user's, or one in a file that may block.
    MayBlock(Box<dyn Write + Send>),
}

impl Receiving {
    pub(super) fn new(connection: &Connection, context: &Context<'_>) -> Self {
        let settings = &context.service.settings;
        let now = Instant::now();
        let is_over = connection.framing.is_nothing();
        Receiving {
            first_byte: now,
            progress: now,
            framer: connection.framing.start(settings.buffer_limit),
            held: 0,
            is_over,
            record: Record::Unopened,
            kept: Prefix::new(settings.retain),
            result: Ok(()),
        }
    }

    /// Opens the record; what it waits for if it can't yet.
    fn open(&mut self, connection: &Connection, context: &Context<'_>) -> Result<(), Rest> {
        let Some(sink) = &context.service.user_code.sink else {
            self.record = Record::None;
            return Ok(());
        };
        let Some(mut sink) = sink.take(|| context.waker()) else { return Err(Rest::WOKEN) };
        let opened = match sink.open_promptly(&connection.client) {
            Some(opened) => opened.map(Record::Prompt),
            None if !context.may_run_user_code() => return Err(Rest::UserThread),
            None => {
                context.about_to_block();
                let open = || context.run_user_code("sink", None, || sink.open(&connection.client));
                match panic::catch_unwind(AssertUnwindSafe(open)) {
                    Ok(opened) => opened.map(Record::MayBlock),
                    Err(payload) => {
                        self.result = Err(Failure::Panic("the sink", payload));
                        self.record = Record::None;
                        return Ok(());
                    }
                }
            }
        };
        match opened {
            Ok(record) => self.record = record,
            Err(error) => {
                self.record = Record::None;
                self.result = Err(Failure::Record(error));
            }
        }
        Ok(())
    }

    fn take(&mut self, bytes: &[u8], context: &Context<'_>) {
        self.kept.take(bytes);
        if !bytes.is_empty() {
            self.with_record(context, |record| record.write_all(bytes));
        }
    }

    fn close(&mut self, context: &Context<'_>) {
        self.with_record(context, |record| record.flush());
        self.record = Record::None;
    }

    fn with_record(
        &mut self,
        context: &Context<'_>,
        call: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) {
        let called = match &mut self.record {
            Record::Unopened | Record::None => return,
            Record::Prompt(record) => Ok(call(record)),
            Record::MayBlock(record) => panic::catch_unwind(AssertUnwindSafe(|| {
                context.run_user_code("sink", None, || call(record))
            })),
        };
        self.keep(called);
    }

    fn keep(&mut self, called: std::thread::Result<io::Result<()>>) {
        match called {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.fail(Failure::Record(error)),
            Err(payload) => self.fail(Failure::Panic("the sink", payload)),
        }
    }

    /// Keeps the first thing that went wrong.
    fn fail(&mut self, failure: Failure) {
        if self.result.is_ok() {
            self.result = Err(failure);
        }
    }

    fn request(&mut self, connection: &Connection, end: RequestEnd) -> Request {
        let kept = mem::replace(&mut self.kept, Prefix::new(0));
        Request::new(RequestParts {
            client: connection.client.clone(),
            bytes: kept.bytes.into(),
            len: kept.len,
            end,
            half_closed: match end {
                RequestEnd::ClientClosed => true,
                RequestEnd::Complete => self.framer.ends_at_eof(),
                _ => false,
            },
            problem: self.framer.problem().cloned().map(Box::new),
        })
    }
}

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
            && let Err(rest) = receiving.open(self, context)
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
                    Ok(Some(0)) if receiving.framer.ends_at_eof() => break RequestEnd::Complete,
                    Ok(Some(0)) => break RequestEnd::ClientClosed,
                    Ok(Some(_)) => receiving.progress = Instant::now(),
                    Err(error) => {
                        let is_gone = stream::is_gone(&error);
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
        receiving.fail(Failure::Receive(io::Error::new(
            io::ErrorKind::TimedOut,
            format!(
                "nothing arrived for {waited:?}, and the request is not complete by framing `{}`",
                self.framing
            ),
        )));
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
        let length = match verdict {
            Ok(Verdict::More) => unread.len(),
            Ok(Verdict::Done(length)) => length,
            Ok(Verdict::Hold) => 0,
            Err(TooMuch { within, .. }) => within,
        };
        receiving.is_over = matches!(verdict, Ok(Verdict::Done(_)));
        receiving.held = if let Ok(Verdict::Hold) = verdict { unread.len() } else { 0 };
        receiving.take(&unread[..length], context);
        self.stream.arrived.consume(length);
        let Err(TooMuch { limit, .. }) = verdict else { return None };
        let text = format!("its end was not found within the {limit} bytes that may be buffered");
        receiving.fail(Failure::Receive(io::Error::new(io::ErrorKind::InvalidData, text)));
        Some(RequestEnd::TooLarge)
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
        mut receiving: Box<Receiving>,
        end: RequestEnd,
        context: &Context<'_>,
    ) -> Step {
        // The end that the framing waited for did not come: what it held is of the request, too.
        receiving.take(&self.stream.arrived.unread()[..receiving.held], context);
        self.stream.arrived.consume(receiving.held);
        receiving.close(context);
        let request = receiving.request(self, end);
        self.live.answering.store(request.len() + 1, Ordering::Relaxed);
        self.live.received.store(0, Ordering::Relaxed);
        let pending =
            Pending { request, first_byte: receiving.first_byte, request_end: Instant::now() };
        Step::Continue(State::Answering(Box::new(Answering::new(pending, receiving.result))))
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
            receiving.record = Record::None;
        }
        let unread = self.stream.arrived.unread();
        receiving.take(unread, context);
        let length = unread.len();
        self.stream.arrived.consume(length);
        receiving.close(context);
        let request = receiving.request(self, RequestEnd::TimedOut);
        let pending =
            Pending { request, first_byte: receiving.first_byte, request_end: Instant::now() };
        let failure = receiving.result.err().unwrap_or(Failure::Receive(cause));
        self.conclude_failed(pending, failure, context);
    }
}

impl fmt::Debug for Receiving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiving").field("received", &self.kept.len).finish_non_exhaustive()
    }
}
