//! A server in the foreground: the calling thread runs its event loop. An exchange may begin only when a call permits it.

use std::panic;
use std::sync::{Arc, PoisonError};
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use super::ledger::Outcome;
use super::service::{Cut, Service};
use super::stop::Stop;
use crate::error::{Error, Result};
use crate::journal::exchange::Exchange;
use crate::os::deadline::Deadline;
use crate::os::lock::lock;

/// The right to run the loop, which one call has at a time.
struct Driver<'s> {
    service: &'s Arc<Service>,
}

impl<'s> Driver<'s> {
    fn take(service: &'s Arc<Service>, deadline: Deadline, in_caller: bool) -> Option<Self> {
        service.driver.take_away(deadline)?;
        service.serve_in_caller(in_caller);
        Some(Driver { service })
    }

    fn turn(&mut self, deadline: Option<Instant>) -> Result<()> {
        self.service.event_loop.turn(deadline).map_err(|source| {
            let addr = self.service.addr().clone();
            Error::Accept { addr, source, peer: None }
        })
    }
}

impl Drop for Driver<'_> {
    fn drop(&mut self) {
        self.service.serve_in_caller(false);
        self.service.driver.put(());
        // Another call runs the loop now.
        self.service.ledger.wake_all();
    }
}

/// Serves one exchange. User code runs in the thread of a call. Of several calls at once, one runs the loop for all, and each returns
/// with the next exchange that is over.
pub(crate) fn serve_once(service: &Arc<Service>, timeout: Option<Duration>) -> Result<Exchange> {
    let _turn = service.calls.read().unwrap_or_else(PoisonError::into_inner);
    let deadline = Deadline::after(timeout);
    service.permit(1);
    let mut driver = None;
    loop {
        let seen = service.ledger.changes();
        if driver.is_none() {
            driver = Driver::take(service, Deadline::At(Instant::now()), true);
        }
        if driver.is_some()
            && let Some(payload) = service.run_observer()
        {
            // Of an exchange that is over, nothing else is to be reported.
            if service.ledger.take(Duration::ZERO).is_none() {
                service.take_permit_back();
            }
            drop(driver);
            panic::resume_unwind(payload);
        }
        if let Some(outcome) = service.ledger.take(Duration::ZERO) {
            if let Outcome::Failed(error) = &outcome
                && error.exchange().is_none()
            {
                service.take_permit_back();
            }
            let panicked = service.run_observer();
            drop(driver);
            if let Some(payload) = panicked {
                panic::resume_unwind(payload);
            }
            return outcome.result();
        }
        let waits_for_beginning = lock(&service.permits).left > 0;
        if waits_for_beginning && deadline.left() == Some(Duration::ZERO) {
            service.take_permit_back();
            return Err(no_request(service, timeout));
        }
        let deadline = if waits_for_beginning { deadline } else { Deadline::Never };
        match &mut driver {
            Some(driver) => driver.turn(deadline.at())?,
            None => service.ledger.await_change(seen, deadline),
        }
    }
}

/// Serves exchanges until it is enough. User code runs in threads of the server.
pub(crate) fn serve_until(
    service: &Arc<Service>,
    stop: &Stop,
    timeout: Option<Duration>,
) -> Result<()> {
    let _turn = service.calls.write().unwrap_or_else(PoisonError::into_inner);
    let Some(mut driver) = Driver::take(service, Deadline::Never, false) else {
        return Ok(());
    };
    let waker = Waker::from(Arc::new(Stopping(Arc::clone(service))));
    let result = stop.while_waking(waker, || run(service, &mut driver, stop, timeout));
    drop(driver);
    lock(&service.permits).left = 0;
    match result {
        (Some(payload), _) => panic::resume_unwind(payload),
        (None, Some(error)) => Err(error),
        (None, None) => Ok(()),
    }
}

fn run(
    service: &Arc<Service>,
    driver: &mut Driver<'_>,
    stop: &Stop,
    timeout: Option<Duration>,
) -> (Option<super::user_code::Payload>, Option<Error>) {
    let (mut panicked, mut first_error) = (None, None);
    let mut ended = 0;
    if !stop.is_requested() {
        service.permit(stop.exchanges().unwrap_or(u64::MAX));
    }
    let mut deadline = Deadline::after(timeout);
    loop {
        while let Some(outcome) = service.ledger.take(Duration::ZERO) {
            deadline = Deadline::after(timeout);
            match outcome {
                Outcome::Served(_) => ended += 1,
                Outcome::Failed(error) => {
                    ended += u64::from(error.exchange().is_some());
                    first_error = first_error.or(Some(*error));
                }
                Outcome::Panicked(payload) => panicked = panicked.or(Some(*payload)),
            }
        }
        let is_enough =
            stop.is_requested() || stop.exchanges().is_some_and(|exchanges| ended >= exchanges);
        let mut permits = lock(&service.permits);
        if is_enough || panicked.is_some() {
            permits.left = 0;
        }
        let is_idle = permits.in_flight == 0;
        if permits.left == 0 && is_idle {
            break;
        }
        drop(permits);
        if is_idle && deadline.left() == Some(Duration::ZERO) {
            first_error = first_error.or_else(|| Some(no_request(service, timeout)));
            break;
        }
        if let Err(error) = driver.turn(deadline.at().filter(|_| is_idle)) {
            first_error = first_error.or(Some(error));
            break;
        }
    }
    service.await_observer();
    // What it panicked with meanwhile.
    while let Some(outcome) = service.ledger.take(Duration::ZERO) {
        match outcome {
            Outcome::Panicked(payload) => panicked = panicked.or(Some(*payload)),
            Outcome::Failed(error) => first_error = first_error.or(Some(*error)),
            Outcome::Served(_) => {}
        }
    }
    (panicked, first_error)
}

/// Ends all connections: those that have been answered in order, the others at once.
pub(crate) fn stop(service: &Arc<Service>) {
    let Some(mut driver) = Driver::take(service, Deadline::Never, true) else { return };
    service.start_finishing();
    service.cut_all(Cut::Stopped);
    while service.is_open() && service.finish_deadline().is_some_and(|at| at > Instant::now()) {
        let _ = service.run_observer();
        if driver.turn(service.finish_deadline()).is_err() {
            break;
        }
    }
    service.close_threads();
    // A drop has nowhere to report a panic to but the panic hook, which has printed it.
    let _ = service.run_observer();
}

/// Ends the connections at once if nothing else is missing of the exchanges in progress; whether that is so. The call that serves them
/// returns then.
#[cfg_attr(not(all(unix, feature = "cli")), allow(dead_code))] // for signals
pub(crate) fn stop_if_answered(service: &Arc<Service>) -> bool {
    let permits = lock(&service.permits);
    let is_answered = permits.in_flight > 0 && permits.in_flight == permits.answered;
    drop(permits);
    if is_answered {
        service.cut_all(Cut::Stopped);
    }
    is_answered
}

fn no_request(service: &Service, timeout: Option<Duration>) -> Error {
    Error::NoRequest { addr: service.addr().clone(), timeout: timeout.unwrap_or_default() }
}

impl Service {
    /// An exchange that was permitted has not begun.
    fn take_permit_back(&self) {
        let mut permits = lock(&self.permits);
        permits.left = permits.left.saturating_sub(1);
    }

    /// Lets this many more exchanges begin.
    fn permit(&self, exchanges: u64) {
        let mut permits = lock(&self.permits);
        permits.left = permits.left.saturating_add(exchanges);
        let waiting = std::mem::take(&mut permits.waiting);
        drop(permits);
        // The call that runs the loop finds them there.
        waiting.into_iter().for_each(Waker::wake);
    }
}

/// A [`Stop`] was requested: no other exchange may begin, and the calling thread looks whether all are over.
struct Stopping(Arc<Service>);

impl Wake for Stopping {
    fn wake(self: Arc<Self>) {
        lock(&self.0.permits).left = 0;
        self.0.event_loop.interrupt();
    }
}
