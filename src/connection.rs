//! One connection, from its acceptance to its end: frame, record, ask the source, perform, close. The order of things
//! is here; how each is done is in the file named after it.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::closing;
use crate::error::{Error, Result};
use crate::exchange::{ClientEnd, Exchange, Times};
use crate::framing::{TooMuch, Verdict};
use crate::kept::Kept;
use crate::perform::{self, Performance};
use crate::request::{Parts, Request, RequestEnd};
use crate::service::Service;
use crate::wire::{self, Wire};

/// An accepted connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) client: Client,
    wire: Wire,
    accepted: Instant,
}

/// Whether a request has begun on a connection.
pub(crate) enum Beginning {
    Begun,
    /// Not in the time that was allowed.
    Silent,
    /// The connection ended before its first byte.
    Over(ClientEnd),
}

/// Which step of an exchange failed.
enum Failure {
    Receive(io::Error),
    Record(io::Error),
    Respond(io::Error),
    Send(io::Error),
}

impl Connection {
    pub(crate) fn new(client: Client, wire: Wire) -> Self {
        Connection { client, wire, accepted: Instant::now() }
    }

    /// Waits for the first byte of a request.
    pub(crate) fn begin(&mut self, service: &Service, timeout: Option<Duration>) -> Beginning {
        if service.settings.framing.is_nothing() || !self.wire.arrived.unread().is_empty() {
            return Beginning::Begun;
        }
        match self.wire.receive(timeout) {
            Ok(0) => Beginning::Over(ClientEnd::Closed),
            Ok(_) => Beginning::Begun,
            Err(error) if error.kind() == io::ErrorKind::TimedOut => Beginning::Silent,
            Err(_) => Beginning::Over(ClientEnd::Reset),
        }
    }

    /// Serves one exchange, whose request has begun.
    pub(crate) fn exchange(mut self, service: &Service) -> Result<Exchange> {
        self.client.exchange = service.next_exchange();
        let first_byte = Instant::now();
        let (request, received) = self.receive(service);
        let request_end = Instant::now();
        let mut progress = Progress { offered: None, sent: 0, client_left: false };
        let answered = received.and_then(|()| self.answer(service, &request, &mut progress));
        let response_end = Instant::now();
        let client_end = if request.end() == RequestEnd::Reset || progress.client_left {
            self.wire.take_trailing();
            ClientEnd::Reset
        } else {
            closing::close(&mut self.wire, service.settings.linger)
        };
        let trailing = self.wire.trailing;
        let exchange = Exchange {
            request,
            offered: progress.offered,
            sent: progress.sent,
            trailing: trailing.bytes,
            trailing_len: trailing.len,
            client_end,
            times: Times {
                accepted: self.accepted,
                first_byte,
                request_end,
                response_end,
                end: Instant::now(),
            },
        };
        match answered {
            Ok(()) => Ok(exchange),
            Err(failure) => Err(failure.of(exchange)),
        }
    }

    /// Receives and records one request. What arrived before a failure is in the request.
    fn receive(&mut self, service: &Service) -> (Request, std::result::Result<(), Failure>) {
        let settings = &service.settings;
        let mut framer = settings.framing.start(settings.buffer_limit);
        let mut capture = Capture { record: None, kept: Kept::new(settings.retain) };
        let mut result = capture.open(service, &self.client);
        let mut over = settings.framing.is_nothing();
        let end = loop {
            if result.is_err() && capture.kept.len > 0 {
                break RequestEnd::Failed;
            }
            if over {
                break RequestEnd::Complete;
            }
            if self.wire.arrived.unread().is_empty() {
                match self.wire.receive(settings.deadline) {
                    Ok(0) if framer.ends_at_eof() => break RequestEnd::Complete,
                    Ok(0) => break RequestEnd::ClientClosed,
                    Ok(_) => {}
                    Err(error) => {
                        let end = match error.kind() {
                            io::ErrorKind::TimedOut => RequestEnd::TimedOut,
                            _ if wire::is_gone(&error) => RequestEnd::Reset,
                            _ => RequestEnd::Failed,
                        };
                        result = Err(Failure::Receive(error));
                        break end;
                    }
                }
            }
            let unread = self.wire.arrived.unread();
            let verdict = framer.feed(unread);
            let length =
                if let Ok(Verdict::Done(length)) = verdict { length } else { unread.len() };
            over = matches!(verdict, Ok(Verdict::Done(_)));
            let taken = capture.take(&unread[..length]);
            self.wire.arrived.consume(length);
            result = result.and(taken);
            if let Err(TooMuch { limit }) = verdict {
                let text =
                    format!("its end was not found within the {limit} bytes that may be buffered");
                let too_large = io::Error::new(io::ErrorKind::InvalidData, text);
                result = result.and(Err(Failure::Receive(too_large)));
                break RequestEnd::TooLarge;
            }
        };
        result = result.and(capture.close());
        let request = Request::new(Parts {
            client: self.client,
            bytes: capture.kept.bytes,
            len: capture.kept.len,
            end,
            problem: framer.problem().cloned(),
        });
        (request, result)
    }

    fn answer(
        &mut self,
        service: &Service,
        request: &Request,
        progress: &mut Progress,
    ) -> std::result::Result<(), Failure> {
        let response = service.respond(request).map_err(Failure::Respond)?;
        let performance = Performance::prepare(response).map_err(Failure::Respond)?;
        progress.offered = performance.offered;
        match performance.run(&mut self.wire, &mut progress.sent, service.settings.deadline) {
            Ok(()) => {
                // What a reader or a changing file held in the end.
                progress.offered = Some(progress.sent);
                Ok(())
            }
            // A client that leaves early may have had all that it wanted: curl does so after the head of a HEAD.
            Err(perform::Failure::Send(error)) if wire::is_gone(&error) && progress.sent > 0 => {
                progress.client_left = true;
                Ok(())
            }
            Err(perform::Failure::Send(error)) => {
                progress.client_left = wire::is_gone(&error);
                Err(Failure::Send(error))
            }
            Err(perform::Failure::Source(error)) => Err(Failure::Respond(error)),
        }
    }
}

/// How far a response came.
struct Progress {
    offered: Option<u64>,
    sent: u64,
    client_left: bool,
}

impl Failure {
    fn of(self, exchange: Exchange) -> Error {
        let exchange = Box::new(exchange);
        match self {
            Failure::Receive(source) => Error::Receive { exchange, source },
            Failure::Record(source) => Error::Record { exchange, source },
            Failure::Respond(source) => Error::Respond { exchange, source },
            Failure::Send(source) => Error::Send { exchange, source },
        }
    }
}

/// Where the bytes of one request go: to its record, and the first ones to memory.
struct Capture {
    record: Option<Box<dyn Write + Send>>,
    kept: Kept,
}

impl Capture {
    fn open(&mut self, service: &Service, client: &Client) -> std::result::Result<(), Failure> {
        self.record = service.open_record(client).map_err(Failure::Record)?;
        Ok(())
    }

    fn take(&mut self, bytes: &[u8]) -> std::result::Result<(), Failure> {
        self.kept.take(bytes);
        match &mut self.record {
            Some(record) => record.write_all(bytes).map_err(Failure::Record),
            None => Ok(()),
        }
    }

    fn close(&mut self) -> std::result::Result<(), Failure> {
        match self.record.take() {
            Some(mut record) => record.flush().map_err(Failure::Record),
            None => Ok(()),
        }
    }
}
