//! Receives and records one request of a connection.

use std::io::{self, Write};
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::connection::Connection;
use super::failure::Failure;
use super::host::{Host, PATIENCE};
use crate::framing::framer::Framer;
use crate::http1::verdict::{TooMuch, Verdict};
use crate::journal::client::Client;
use crate::journal::prefix::Prefix;
use crate::journal::request::{Request, RequestEnd, RequestParts};
use crate::os::stream;

impl Connection {
    /// Receives and records one request. What arrived before a failure is in the request, also before a panic of the sink or
    /// of the framing.
    pub(super) fn request(
        &mut self,
        host: &dyn Host,
        begun: Instant,
    ) -> (Request, Result<(), Failure>) {
        let settings = host.settings();
        let mut framer = self.framing.start(settings.buffer_limit);
        let mut capture = Capture { record: None, kept: Prefix::new(settings.retain) };
        let received = panic::catch_unwind(AssertUnwindSafe(|| {
            self.receive(host, begun, &mut framer, &mut capture)
        }));
        let (end, result) = received.unwrap_or_else(|payload| {
            capture.kept.take(self.wire.stream.arrived.unread());
            self.wire.stream.arrived.consume(self.wire.stream.arrived.unread().len());
            (
                RequestEnd::Failed,
                Err(Failure::Panic("the sink, the framing or the observer", payload)),
            )
        });
        let request = Request::new(RequestParts {
            client: self.client.clone(),
            bytes: capture.kept.bytes.into(),
            len: capture.kept.len,
            end,
            half_closed: match end {
                RequestEnd::ClientClosed => true,
                RequestEnd::Complete => framer.ends_at_eof(),
                _ => false,
            },
            problem: framer.problem().cloned().map(Box::new),
        });
        (request, result)
    }

    fn receive(
        &mut self,
        host: &dyn Host,
        begun: Instant,
        framer: &mut Framer,
        capture: &mut Capture,
    ) -> (RequestEnd, Result<(), Failure>) {
        let mut result = capture.open(host, &self.client);
        let mut over = self.framing.is_nothing();
        let mut held = 0;
        let end = loop {
            if result.is_err() && (capture.kept.len > 0 || held > 0 || over) {
                break RequestEnd::Failed;
            }
            if over {
                break RequestEnd::Complete;
            }
            if self.wire.stream.arrived.unread().len() == held {
                self.wire.stream.arrived.read_at_most(framer.left());
                // Neither may a client that is never silent keep others waiting.
                if begun.elapsed() >= PATIENCE {
                    host.about_to_wait();
                }
                match self.receive_more(host) {
                    Ok(0) if framer.ends_at_eof() => break RequestEnd::Complete,
                    Ok(0) => break RequestEnd::ClientClosed,
                    Ok(_) => {}
                    Err(error) => {
                        let end = match error.kind() {
                            io::ErrorKind::TimedOut => RequestEnd::TimedOut,
                            _ if stream::is_gone(&error) => RequestEnd::Reset,
                            _ => RequestEnd::Failed,
                        };
                        result = Err(Failure::Receive(self.missing(error)));
                        break end;
                    }
                }
            }
            let unread = self.wire.stream.arrived.unread();
            let verdict = framer.feed(unread);
            let length = match verdict {
                Ok(Verdict::More) => unread.len(),
                Ok(Verdict::Done(length)) => length,
                Ok(Verdict::Hold) => 0,
                Err(TooMuch { within, .. }) => within,
            };
            over = matches!(verdict, Ok(Verdict::Done(_)));
            held = if let Ok(Verdict::Hold) = verdict { unread.len() } else { 0 };
            let taken = capture.take(&unread[..length]);
            self.wire.stream.arrived.consume(length);
            self.live.received.store(capture.kept.len + held as u64, Ordering::Relaxed);
            result = result.and(taken);
            if let Err(TooMuch { limit, .. }) = verdict {
                let text =
                    format!("its end was not found within the {limit} bytes that may be buffered");
                let too_large = io::Error::new(io::ErrorKind::InvalidData, text);
                result = result.and(Err(Failure::Receive(too_large)));
                break RequestEnd::TooLarge;
            }
        };
        // The end that the framing waited for did not come: what it held is of the request, too.
        result = result.and(capture.take(&self.wire.stream.arrived.unread()[..held]));
        self.wire.stream.arrived.consume(held);
        (end, result.and(capture.close()))
    }

    /// The next bytes of a request that has begun.
    fn receive_more(&mut self, host: &dyn Host) -> io::Result<usize> {
        let deadline = host.settings().timeout;
        match self.wire.receive(Some(PATIENCE)) {
            Err(error) if error.kind() == io::ErrorKind::TimedOut => host.about_to_wait(),
            received => return received,
        }
        self.wire.receive(deadline)
    }

    /// Says what a deadline was for.
    fn missing(&self, error: io::Error) -> io::Error {
        if error.kind() != io::ErrorKind::TimedOut {
            return error;
        }
        io::Error::new(
            error.kind(),
            format!("{error}, and the request is not complete by framing `{}`", self.framing),
        )
    }
}

/// Where the bytes of one request go: to its record, and the first ones to memory.
struct Capture {
    record: Option<Box<dyn Write + Send>>,
    kept: Prefix,
}

impl Capture {
    fn open(&mut self, host: &dyn Host, client: &Client) -> Result<(), Failure> {
        self.record = host.open_record(client).map_err(Failure::Record)?;
        Ok(())
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.kept.take(bytes);
        match &mut self.record {
            Some(record) => record.write_all(bytes).map_err(Failure::Record),
            None => Ok(()),
        }
    }

    fn close(&mut self) -> Result<(), Failure> {
        match self.record.take() {
            Some(mut record) => record.flush().map_err(Failure::Record),
            None => Ok(()),
        }
    }
}
