//! One response on its way from an upstream to a client and to the record: a reader that connects with its first read, and
//! completes the record if it is dropped before its end.

use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::background::Background;
use super::link::Trust;
use super::upstream::Upstream;
use crate::http1::response::{Asked, ResponseFramer};
use crate::http1::verdict::Verdict;
use crate::journal::request::Request;
use crate::os::deadline::Deadline;
use crate::os::lock::lock;
use crate::os::path_error::on_path;
use crate::sink::record_file::RecordFile;

/// Reads the response to a question. It connects with the first read.
pub(crate) struct Relay {
    state: RelayState,
    background: Arc<Background>,
}

/// A request, and the upstream that it is for.
pub(crate) struct Question {
    pub(crate) upstream: Arc<str>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) trust: Trust,
    pub(crate) record: Option<Arc<Mutex<RecordFile>>>,
    pub(crate) request: Request,
}

enum RelayState {
    Asked(Question),
    Answered(Box<Answer>),
    /// The response has been read to its end, or failed.
    Over,
}

/// A response as it arrives.
struct Answer {
    upstream: Upstream,
    framer: ResponseFramer,
    record: Option<Box<dyn Write + Send>>,
    /// How many of the upstream's bytes are recorded and may be read.
    ready: usize,
    is_whole: bool,
    question: Question,
}

impl Relay {
    pub(crate) fn new(question: Question, background: Arc<Background>) -> Self {
        Relay { state: RelayState::Asked(question), background }
    }
}

impl Read for Relay {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // After an error there is nothing more to read.
        let mut answer = match std::mem::replace(&mut self.state, RelayState::Over) {
            RelayState::Asked(question) => Box::new(Answer::to(question, &self.background)?),
            RelayState::Answered(answer) => answer,
            RelayState::Over => return Ok(0),
        };
        while answer.ready == 0 && !answer.is_whole {
            answer.receive(answer.question.timeout)?;
        }
        let length = answer.read(buffer);
        if answer.ready > 0 || !answer.is_whole {
            self.state = RelayState::Answered(answer);
        }
        Ok(length)
    }
}

/// Completes the record in another thread: here it would delay the end of the client's connection.
impl Drop for Relay {
    fn drop(&mut self) {
        let RelayState::Answered(mut answer) = std::mem::replace(&mut self.state, RelayState::Over)
        else {
            return;
        };
        if answer.record.is_none() {
            return;
        }
        if let Err(error) = self.background.start(move || answer.record_rest()) {
            self.background.fail(error);
        }
    }
}

impl Answer {
    fn to(question: Question, background: &Arc<Background>) -> io::Result<Self> {
        let request = question.request.clone();
        let framer = ResponseFramer::new(Asked::by(request.method()));
        // Comes first: if the upstream cannot be reached, the older record stays.
        let (name, timeout, trust) = (&question.upstream, question.timeout, &question.trust);
        let upstream = Upstream::ask(name, request, timeout, trust, background)?;
        let record = question.record.as_ref().map(|record| lock(record).open()).transpose()?;
        Ok(Answer { upstream, framer, record, ready: 0, is_whole: false, question })
    }

    /// Waits for more of the response, and records it.
    fn receive(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        if self.upstream.receive(timeout)? == 0 {
            self.framer.close().map_err(|missing| {
                self.upstream.error(io::Error::new(io::ErrorKind::UnexpectedEof, missing))
            })?;
            self.is_whole = true;
        } else {
            let unread = self.upstream.unread();
            self.ready = unread.len();
            if let Verdict::Done(length) = self.framer.feed(unread) {
                self.ready = length;
                self.is_whole = true;
            }
            if let Some(record) = &mut self.record {
                record.write_all(&unread[..self.ready])?;
            }
        }
        if self.is_whole
            && let Some(mut record) = self.record.take()
        {
            record.flush()?;
        }
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8]) -> usize {
        let length = self.ready.min(buffer.len());
        buffer[..length].copy_from_slice(&self.upstream.unread()[..length]);
        self.upstream.consume(length);
        self.ready -= length;
        length
    }

    /// Records the rest, which is not sent, for at most the timeout.
    fn record_rest(&mut self) -> io::Result<()> {
        let deadline = Deadline::after(self.question.timeout);
        let error = loop {
            self.upstream.consume(self.ready);
            self.ready = 0;
            if self.is_whole {
                return Ok(());
            }
            let left = deadline.left();
            let received = match left {
                Some(Duration::ZERO) => Err(io::ErrorKind::TimedOut.into()),
                _ => self.receive(left),
            };
            match received {
                Ok(()) => {}
                // The error names the whole timeout, not the rest of it that this read had.
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    let timeout = self.question.timeout.unwrap_or_default();
                    let text =
                        format!("it did not end within {timeout:?} after the client's connection");
                    break self.upstream.error(io::Error::new(error.kind(), text));
                }
                Err(error) => break error,
            }
        };
        let record = self.question.record.as_ref().expect("there is a record to make whole");
        Err(on_path("complete response file", lock(record).path())(error))
    }
}
