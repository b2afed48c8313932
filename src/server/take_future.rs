//! The future of the next exchange. It takes an exchange when it is polled, so a future that is dropped has taken nothing.

use std::io;
use std::mem;
use std::pin::Pin;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::journal::exchange::Exchange;
use crate::journal::peer_report::PeerReport;
use crate::journal::record::ConnectionRecord;
use crate::os::address::Address;
use crate::os::deadline::Deadline;
use crate::os::lock::lock;
use crate::serving::ledger::Outcome;
use crate::serving::service::Service;

pub(crate) struct Taking {
    /// Weak, so that the future does not keep the peer alive.
    service: Weak<Service>,
    addr: Address,
    start: Instant,
    timeout: Duration,
    /// How much longer it waits for an exchange in progress.
    extra: Duration,
    deadline: Deadline,
    alarm: Option<Alarm>,
}

/// A thread that wakes the future at its deadline. It ends when this is dropped.
struct Alarm {
    waker: Arc<Mutex<Waker>>,
    _alive: Sender<()>,
}

impl Taking {
    pub(crate) fn new(
        service: Weak<Service>,
        addr: Address,
        timeout: Duration,
        extra: Duration,
    ) -> Self {
        Taking {
            service,
            addr,
            start: Instant::now(),
            timeout,
            extra,
            deadline: Deadline::after(Some(timeout)),
            alarm: None,
        }
    }

    fn nothing(&self, report: Option<PeerReport>) -> Poll<Result<Exchange>> {
        let journal = report.as_ref().map(|report| report.journal().clone()).unwrap_or_default();
        let (journal, peer) = (Box::new(journal), report.map(Box::new));
        // Shorter than asked for if the peer has ended.
        let timeout = self.timeout.min(self.start.elapsed());
        Poll::Ready(Err(Error::NoExchange { addr: self.addr.clone(), timeout, journal, peer }))
    }
}

impl Future for Taking {
    type Output = Result<Exchange>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(service) = self.service.upgrade() else {
            return self.nothing(None);
        };
        if let Some(result) = service.ledger.take_or_wake(context.waker()) {
            return Poll::Ready(of_peer(result.result(), &service));
        }
        let mut left = self.deadline.left();
        if left == Some(Duration::ZERO) && !self.extra.is_zero() {
            let extra = mem::take(&mut self.extra);
            if service.ledger.journal().connections().iter().any(ConnectionRecord::is_asking) {
                self.deadline = Deadline::after(Some(extra));
                self.alarm = None;
                left = self.deadline.left();
            }
        }
        if service.finishing_since().is_some() || left.is_some_and(|left| left.is_zero()) {
            let there = service.ledger.take(Duration::ZERO).map(Outcome::result);
            return there.map_or_else(
                || self.nothing(Some(service.report())),
                |result| Poll::Ready(of_peer(result, &service)),
            );
        }
        match (&self.alarm, left) {
            (Some(alarm), _) => lock(&alarm.waker).clone_from(context.waker()),
            (None, Some(left)) => match Alarm::set(context.waker().clone(), left) {
                Ok(alarm) => self.alarm = Some(alarm),
                Err(source) => {
                    return Poll::Ready(Err(Error::Accept {
                        addr: self.addr.clone(),
                        source,
                        peer: None,
                    }));
                }
            },
            (None, None) => {}
        }
        Poll::Pending
    }
}

fn of_peer(result: Result<Exchange>, service: &Service) -> Result<Exchange> {
    result.map_err(|error| error.of_peer(service.report()))
}

impl Alarm {
    fn set(waker: Waker, after: Duration) -> io::Result<Self> {
        let waker = Arc::new(Mutex::new(waker));
        let (alive, is_alive) = mpsc::channel::<()>();
        let to_wake = Arc::clone(&waker);
        thread::Builder::new().spawn(move || {
            if is_alive.recv_timeout(after) == Err(RecvTimeoutError::Timeout) {
                lock(&to_wake).wake_by_ref();
            }
        })?;
        Ok(Alarm { waker, _alive: alive })
    }
}
