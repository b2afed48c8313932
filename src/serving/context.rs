//! What a connection needs while it is carried on: its server, and in which thread it is.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use super::failure::Fault;
use super::rest::Rest;
use super::service::{Place, Role, Service, as_user_thread_of};
use super::user_code::{Call, Payload};
use super::user_threads::Undone;
use crate::journal::request::Request;
use crate::os::lock::{Mutex, lock};

/// What a connection needs while it is carried on.
pub(super) struct Context<'a> {
    pub(super) service: &'a Arc<Service>,
    /// Wakes the connection.
    pub(super) waker: &'a dyn Fn() -> Waker,
    pub(super) busy: &'a Mutex<Option<Busy>>,
    pub(super) place: Place,
    /// When the server was to finish. Asked before the socket is: what has arrived by the time that `finish` is called is read, and who
    /// finds here that it was not called yet is carried on once more.
    pub(super) finishing: Option<Instant>,
    pub(super) budget: usize,
}

/// What a call costs of the budget at least. Otherwise a response in pieces of a byte would hold up the other connections for
/// hundreds of thousands of system calls.
const LEAST_COST: usize = 1024;

/// User code that runs for a connection.
#[derive(Debug)]
pub(super) struct Busy {
    pub(super) what: &'static str,
    /// The request that it was called for, if that is over.
    pub(super) request: Option<Request>,
}

/// How many bytes a connection may move before others have their turn.
pub(super) const BUDGET: usize = 1 << 20;

impl Context<'_> {
    pub(super) fn may_run_user_code(&self) -> bool {
        self.place != Place::Loop
    }

    /// Wakes the connection.
    pub(super) fn waker(&self) -> Waker {
        (self.waker)()
    }

    /// Runs user code for this request, and notes that it does.
    pub(super) fn run_user_code<T>(
        &self,
        what: &'static str,
        request: Option<&Request>,
        run: impl FnOnce() -> T,
    ) -> T {
        /// Also after a panic.
        struct Returned<'a>(&'a Mutex<Option<Busy>>);

        impl Drop for Returned<'_> {
            fn drop(&mut self) {
                *lock(self.0) = None;
            }
        }

        *lock(self.busy) = Some(Busy { what, request: request.cloned() });
        self.service.wake_enders();
        let _returned = Returned(self.busy);
        run()
    }

    /// Drops something of the user's, whose drop is user code. What it panics with, unless another thread drops it, which reports that.
    pub(super) fn drop_of_user(
        &self,
        what: &'static str,
        value: impl Send + 'static,
    ) -> Option<Payload> {
        let drop_it = move || panic::catch_unwind(AssertUnwindSafe(move || drop(value))).err();
        // The loop of a server in the foreground is its caller's.
        if self.may_run_user_code() || self.service.role == Role::Foreground {
            self.about_to_block();
            return self.run_user_code(what, None, drop_it);
        }
        let service = Arc::clone(self.service);
        service.dropping.begin();
        let undone = Undone::new({
            let service = Arc::clone(self.service);
            move || service.dropping.end()
        });
        self.service.run_user_code(Box::new(move || {
            as_user_thread_of(&service, || {
                service.start_sibling();
                if let Some(payload) = drop_it()
                    && !service.is_abandoned()
                {
                    service.ledger.enter_failure(Fault::Panic(payload));
                }
            });
            // Also of a job that no thread does.
            drop(undone);
        }));
        None
    }

    /// User code is about to run, which may block: another thread is there for the others.
    pub(super) fn about_to_block(&self) {
        if self.place == Place::UserThread {
            self.service.start_sibling();
        }
    }

    /// A call moved this many bytes.
    pub(super) fn use_budget(&mut self, bytes: usize) {
        self.budget = self.budget.saturating_sub(bytes.max(LEAST_COST));
    }

    /// Whether others have their turn now.
    pub(super) fn is_budget_used(&self) -> bool {
        self.budget == 0
    }

    /// To go on after the others; or when the observer has caught up.
    pub(super) fn again(&self) -> Rest {
        if self.is_budget_used() { Rest::time(Some(Instant::now())) } else { Rest::WOKEN }
    }

    /// Whether the observer has room for more events. If not, the connection is woken when it has.
    pub(super) fn observer_has_room(&self) -> bool {
        let observer = self.service.user_code.observer.as_ref();
        self.place == Place::Caller
            || observer.is_none_or(|observer| observer.has_room(|| self.waker()))
    }

    /// Queues an event for the observer, if there is an observer.
    pub(super) fn tell(&self, call: impl FnOnce() -> Call) {
        self.service.tell(call);
    }
}
