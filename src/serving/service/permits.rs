//! Permits for the exchanges of a server in the foreground, and the calls that wait for these exchanges.
//!
//! A request that has begun takes a permit before a worker serves it: serving one exchange means handing out one permit and
//! waiting for an outcome. A peer needs no permits.

use std::panic;
use std::sync::{Arc, PoisonError, RwLockReadGuard, RwLockWriteGuard};
use std::task::Wake;
use std::time::Duration;

use super::outcomes::Told;
use super::{Outcome, Service};
use crate::error::{Error, Result};
use crate::journal::exchange::Exchange;
use crate::os::deadline::Deadline;
use crate::serving::stop::Stop;

impl Service {
    /// Waits for the turn of a call that serves one exchange in the foreground.
    pub(crate) fn turn_for_one(&self) -> RwLockReadGuard<'_, ()> {
        self.calls.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the turn of a call that serves many.
    pub(crate) fn turn_for_many(&self) -> RwLockWriteGuard<'_, ()> {
        self.calls.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets one more exchange begin, and waits for its outcome. The timeout ended by `deadline` is for its beginning.
    pub(crate) fn wait_for_one(
        &self,
        timeout: Option<Duration>,
        deadline: Deadline,
    ) -> Result<Exchange> {
        let mut state = self.state();
        state.permits += 1;
        self.notify(&state);
        loop {
            if let Some(Told { outcome, permit }) = state.outcomes.next_told() {
                // What failed without a permit ends this call all the same, and leaves nothing to be served uncalled.
                state.permits = state.permits.saturating_sub(u64::from(!permit));
                drop(state);
                return outcome.result();
            }
            let left = deadline.left().filter(|_| state.permits > 0);
            if left.is_some_and(|left| left.is_zero()) {
                state.permits -= 1;
                return Err(self.no_request(timeout));
            }
            state = self.wait(state, left);
        }
    }

    /// Lets exchanges begin until it is enough, and waits for the outcomes of all that have begun. The first error of them.
    pub(crate) fn wait_until(&self, stop: &Stop, timeout: Option<Duration>) -> Result<()> {
        let mut first_error = None;
        let mut panicked = None;
        let mut ended = 0;
        let idle_since_now = || Deadline::after(timeout);
        let mut deadline = idle_since_now();
        let mut state = self.state();
        // One that was requested before this lock has seen no permit to take away.
        state.permits = if stop.is_requested() { 0 } else { stop.exchanges().unwrap_or(u64::MAX) };
        state.serves_many = true;
        self.notify(&state);
        loop {
            while let Some(Told { outcome, permit }) = state.outcomes.next_told() {
                ended += u64::from(permit);
                deadline = idle_since_now();
                match outcome {
                    Outcome::Served(_) => {}
                    Outcome::Failed(error) => first_error = first_error.or(Some(*error)),
                    Outcome::Panicked(payload) => panicked = panicked.or(Some(*payload)),
                }
            }
            let is_enough =
                stop.is_requested() || stop.exchanges().is_some_and(|exchanges| ended >= exchanges);
            if is_enough || panicked.is_some() {
                state.permits = 0;
            }
            let idle = state.in_flight == 0;
            if state.permits == 0 && idle {
                break;
            }
            let left = deadline.left().filter(|_| idle);
            if left.is_some_and(|left| left.is_zero()) {
                state.permits = 0;
                first_error = first_error.or_else(|| Some(self.no_request(timeout)));
                break;
            }
            state = self.wait(state, left);
        }
        state.serves_many = false;
        drop(state);
        match (panicked, first_error) {
            (Some(payload), _) => panic::resume_unwind(payload),
            (None, Some(error)) => Err(error),
            (None, None) => Ok(()),
        }
    }

    /// Waits until an exchange may begin; false says that none ever will.
    pub(crate) fn take_permit(&self) -> bool {
        let mut state = self.state();
        while state.permits == 0 {
            if self.is_stopping() {
                return false;
            }
            state = self.wait(state, None);
        }
        state.permits -= 1;
        state.in_flight += 1;
        true
    }

    pub(crate) fn no_request(&self, timeout: Option<Duration>) -> Error {
        Error::NoRequest { addr: self.addr().into(), timeout: timeout.unwrap_or_default() }
    }
}

/// A [`Stop`] was requested: no other exchange may begin, and the calling thread looks whether all are over.
impl Wake for Service {
    fn wake(self: Arc<Self>) {
        let mut state = self.state();
        state.permits = 0;
        self.notify(&state);
    }
}
