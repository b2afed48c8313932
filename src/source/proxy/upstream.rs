//! A connection to an upstream server: sends it a request and receives its response, both at once if necessary. Its errors name
//! the upstream and the step.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::background::Background;
use super::link::{Link, Trust};
use super::target::Target;
use crate::journal::request::Request;
use crate::os::arrived::{Arrived, LARGE_BUFFER};
use crate::os::deadline::Deadline;
use crate::os::socket_error;

#[derive(Debug)]
pub(crate) struct Upstream {
    name: Arc<str>,
    arrived: Arrived,
    upload: Arc<Upload>,
    received: u64,
}

/// A request that is being sent.
#[derive(Debug)]
struct Upload {
    link: Link,
    request: Request,
    timeout: Option<Duration>,
    sent: AtomicUsize,
    /// When the response was no longer needed.
    response_over: OnceLock<Instant>,
}

impl Upstream {
    /// Connects, and begins to send.
    pub(crate) fn ask(
        name: &Arc<str>,
        request: Request,
        timeout: Option<Duration>,
        trust: &Trust,
        background: &Arc<Background>,
    ) -> io::Result<Self> {
        let target = Target::parse(name);
        let (target, stream) = target
            .and_then(|target| Link::connect(&target, timeout).map(|stream| (target, stream)))
            .map_err(UpstreamError::wrap("connect to", name))?;
        let link = Link::over(stream, &target, trust, timeout)
            .map_err(UpstreamError::wrap("begin TLS with", name))?;
        let upload = Upload {
            link,
            request,
            timeout,
            sent: AtomicUsize::new(0),
            response_over: OnceLock::new(),
        };
        let upstream = Upstream {
            name: Arc::clone(name),
            arrived: Arrived::default(),
            upload: Arc::new(upload),
            received: 0,
        };
        upstream.send(background).map_err(|error| upstream.error(error))?;
        Ok(upstream)
    }

    /// Sends what the kernel takes at once, which is all of most requests, and the rest in another thread: an upstream that answers
    /// early may take nothing more before its response is read.
    fn send(&self, background: &Arc<Background>) -> io::Result<()> {
        let upload = &self.upload;
        upload.link.socket().set_nonblocking(true)?;
        let sending = loop {
            match upload.write() {
                Sending::GoesOn => {}
                sending => break sending,
            }
        };
        upload.link.socket().set_nonblocking(false)?;
        if sending == Sending::Over {
            return Ok(());
        }
        let upload = Arc::clone(upload);
        background.start(move || {
            upload.run();
            Ok(())
        })
    }

    /// Waits for more of the response. 0 means that there is no more.
    pub(crate) fn receive(&mut self, timeout: Option<Duration>) -> io::Result<usize> {
        loop {
            let sent = self.upload.sent();
            match self.read(timeout) {
                // It takes its request, so it is not silent.
                Err(error)
                    if error.kind() == io::ErrorKind::TimedOut && self.upload.sent() > sent => {}
                Err(error) => return Err(self.error(error)),
                Ok(length) => {
                    self.received += length as u64;
                    return Ok(length);
                }
            }
        }
    }

    /// One read, which waits for at most `timeout`.
    fn read(&mut self, timeout: Option<Duration>) -> io::Result<usize> {
        let deadline = Deadline::after(timeout);
        loop {
            // Set anew after a signal, which does not restart the wait. Zero would mean "for ever".
            let left = deadline.left().map(|left| left.max(Duration::from_millis(1)));
            self.upload.link.socket().set_read_timeout(left)?;
            match self.arrived.read_from(&mut &self.upload.link) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if socket_error::is_timeout(&error) => {
                    let text = format!("nothing arrived for {:?}", timeout.unwrap_or_default());
                    return Err(io::Error::new(io::ErrorKind::TimedOut, text));
                }
                result => return result,
            }
        }
    }

    /// What was received and not consumed.
    pub(crate) fn unread(&self) -> &[u8] {
        self.arrived.unread()
    }

    pub(crate) fn consume(&mut self, length: usize) {
        self.arrived.consume(length);
    }

    /// Names the step that failed.
    pub(crate) fn error(&self, source: io::Error) -> io::Error {
        let (sent, len) = (self.upload.sent(), self.upload.request.bytes().len());
        let (step, after) = if self.received == 0 && sent < len {
            ("send the request to", format!(" after {sent} of {len} bytes"))
        } else {
            ("receive the response of", format!(" after {} bytes", self.received))
        };
        let kind = source.kind();
        let upstream = Arc::clone(&self.name);
        io::Error::new(kind, UpstreamError { step, upstream, after, source })
    }
}

/// The rest of a request is still sent, if the upstream takes it.
impl Drop for Upstream {
    fn drop(&mut self) {
        // This is the only place that sets it.
        let _ = self.upload.response_over.set(Instant::now());
    }
}

/// What one write has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sending {
    GoesOn,
    /// The upstream takes nothing at the moment.
    IsStuck,
    /// Everything was sent, or the upstream takes no more; then receiving will fail with the reason.
    Over,
}

impl Upload {
    fn sent(&self) -> usize {
        self.sent.load(Ordering::Relaxed)
    }

    fn write(&self) -> Sending {
        let rest = &self.request.bytes()[self.sent()..];
        if rest.is_empty() {
            let ended = if self.request.ends_with_half_close() { self.link.end() } else { Ok(()) };
            return match ended {
                Err(error) if socket_error::is_timeout(&error) => Sending::IsStuck,
                _ => Sending::Over,
            };
        }
        match self.link.write(&rest[..rest.len().min(LARGE_BUFFER)]) {
            Ok(length) => {
                self.sent.fetch_add(length, Ordering::Relaxed);
                Sending::GoesOn
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Sending::GoesOn,
            Err(error) if socket_error::is_timeout(&error) => Sending::IsStuck,
            Err(_) => Sending::Over,
        }
    }

    /// Sends the rest, while the response is needed or the upstream still takes bytes.
    fn run(&self) {
        let mut stuck_since = Instant::now();
        loop {
            match self.write() {
                Sending::GoesOn => stuck_since = Instant::now(),
                Sending::IsStuck => {}
                Sending::Over => return,
            }
            let since = self.response_over.get().copied().unwrap_or(stuck_since);
            if self.timeout.is_some_and(|timeout| since.elapsed() >= timeout) {
                return;
            }
        }
    }
}

/// The step that failed, the upstream, how far it came, and why it failed.
#[derive(Debug, thiserror::Error)]
#[error("failed to {step} upstream `{upstream}`{after}")]
pub(crate) struct UpstreamError {
    step: &'static str,
    upstream: Arc<str>,
    after: String,
    source: io::Error,
}

impl UpstreamError {
    /// Names a step before the first byte; the kind stays.
    pub(crate) fn wrap(
        step: &'static str,
        upstream: &Arc<str>,
    ) -> impl FnOnce(io::Error) -> io::Error {
        let upstream = Arc::clone(upstream);
        move |source| {
            let after = String::new();
            io::Error::new(source.kind(), UpstreamError { step, upstream, after, source })
        }
    }
}
