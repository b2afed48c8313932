//! A request as it arrives: its framing, its record, and what is kept of it. The reads are in `receive`.

use std::fmt;
use std::io::{self, Write};
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::time::Instant;

use super::context::Context;
use super::failure::Failure;
use super::rest::Rest;
use crate::framing::framer::Framer;
use crate::framing::rule::Framing;
use crate::journal::client::Client;
use crate::journal::prefix::Prefix;
use crate::journal::request::{Request, RequestEnd, RequestParts};
use crate::response::parts::{has_file, read_from};

/// A request that has begun.
pub(super) struct Receiving {
    pub(super) first_byte: Instant,
    /// When the last byte arrived.
    pub(super) progress: Instant,
    pub(super) framer: Framer,
    /// How many unread bytes the framing has seen and not decided about.
    pub(super) held: usize,
    pub(super) is_over: bool,
    pub(super) record: Record,
    /// The file of the record, for the observer.
    pub(super) file: Option<PathBuf>,
    pub(super) kept: Prefix,
    pub(super) result: Result<(), Failure>,
}

/// Where the bytes go beside memory.
pub(super) enum Record {
    /// The sink has not been asked.
    Unopened,
    None,
    /// A record of this crate, which does not block.
    Prompt(Box<dyn Write + Send>),
    /// A user's, or one in a file that may block.
    MayBlock(Box<dyn Write + Send>),
}

/// A request that is over, and when.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) request: Request,
    pub(super) first_byte: Instant,
    pub(super) request_end: Instant,
}

impl Receiving {
    pub(super) fn new(framing: &Framing, context: &Context<'_>) -> Self {
        let settings = &context.service.settings;
        let now = Instant::now();
        let is_over = framing.is_nothing();
        Receiving {
            first_byte: now,
            progress: now,
            framer: framing.start(settings.buffer_limit),
            held: 0,
            is_over,
            record: Record::Unopened,
            file: None,
            kept: Prefix::new(settings.retain),
            result: Ok(()),
        }
    }

    /// Opens the record; what it waits for if it can't yet.
    pub(super) fn open(&mut self, client: &Client, context: &Context<'_>) -> Result<(), Rest> {
        let Some(sink) = &context.service.user_code.sink else {
            self.record = Record::None;
            return Ok(());
        };
        let Some(mut sink) = sink.take(|| context.waker()) else { return Err(Rest::WOKEN) };
        // Opening it would empty it.
        let fixed = context.service.user_code.fixed.as_ref().filter(|fixed| has_file(fixed));
        if let Some(fixed) = fixed
            && let Some(file) = sink.file(client)
            && read_from(fixed, &file).is_some()
        {
            let text = format!("the request file `{}` is the response file", file.display());
            let error = io::Error::new(io::ErrorKind::InvalidInput, text);
            self.record = Record::None;
            self.result = Err(Failure::Record(error));
            return Ok(());
        }
        let opened = match sink.open_promptly(client) {
            Some(opened) => opened.map(Record::Prompt),
            None if !context.may_run_user_code() => return Err(Rest::UserThread),
            None => {
                context.about_to_block();
                let open = || context.run_user_code("sink", None, || sink.open(client));
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
            Ok(record) => {
                self.record = record;
                if context.service.user_code.observer.is_some() {
                    self.file = sink.file(client);
                }
            }
            Err(error) => {
                self.record = Record::None;
                self.result = Err(Failure::Record(error));
            }
        }
        Ok(())
    }

    pub(super) fn take(&mut self, bytes: &[u8], context: &Context<'_>) {
        self.kept.take(bytes);
        if !bytes.is_empty() {
            self.with_record(context, |record| record.write_all(bytes));
        }
    }

    pub(super) fn close(&mut self, context: &Context<'_>) {
        self.with_record(context, |record| record.flush());
        self.give_up_record(context);
    }

    /// Nothing more is written.
    pub(super) fn give_up_record(&mut self, context: &Context<'_>) {
        let record = mem::replace(&mut self.record, Record::None);
        if let Record::MayBlock(record) = record
            && let Some(payload) = context.drop_of_user("sink", record)
        {
            self.fail(Failure::Panic("the sink", payload));
        }
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
    pub(super) fn fail(&mut self, failure: Failure) {
        if self.result.is_ok() {
            self.result = Err(failure);
        }
    }

    pub(super) fn request(&mut self, client: &Client, end: RequestEnd) -> Request {
        let kept = mem::replace(&mut self.kept, Prefix::new(0));
        Request::new(RequestParts {
            client: client.clone(),
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

impl fmt::Debug for Receiving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiving").field("received", &self.kept.len).finish_non_exhaustive()
    }
}
