//! Connections that were accepted and wait for a test to drive them, or are driven by a function in a thread of the peer.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use super::control::{Control, TakenBy};
use crate::journal::client::Client;
use crate::os::deadline::Deadline;
use crate::os::lock::{self, Condvar, Mutex, lock};
use crate::serving::service::{Place, Service, as_user_thread_of};
use crate::serving::task::ConnectionTask;

/// A connection for a test to drive.
pub(crate) struct Arrival {
    pub(crate) client: Client,
    pub(in crate::serving) task: Arc<ConnectionTask>,
    pub(crate) control: Arc<Control>,
}

impl Arrival {
    /// Carries the connection on in this thread, unless another one does.
    pub(crate) fn carry_on(&self) {
        self.task.carry_on(Place::Loop);
    }
}

/// What drives each connection, in a thread of the peer.
pub(crate) type Handler = Arc<dyn Fn(Arc<Service>, Arrival) + Send + Sync>;

/// The connections that wait for a test.
#[derive(Default)]
pub(crate) struct Arrivals {
    handler: Option<Handler>,
    state: Mutex<ArrivalsState>,
    changed: Condvar,
}

#[derive(Default)]
struct ArrivalsState {
    waiting: VecDeque<Arrival>,
    wakers: Vec<Waker>,
    /// How many handlers have not returned.
    running: usize,
    has_ended: bool,
}

impl Arrivals {
    pub(crate) fn new(handler: Option<Handler>) -> Self {
        Arrivals { handler, ..Arrivals::default() }
    }

    pub(in crate::serving) fn has_handler(&self) -> bool {
        self.handler.is_some()
    }

    /// Lets the handler, or the test, drive a connection.
    pub(in crate::serving) fn push(&self, service: &Arc<Service>, held: Arrival) {
        let Some(handler) = &self.handler else {
            let mut state = lock(&self.state);
            state.waiting.push_back(held);
            let wakers = std::mem::take(&mut state.wakers);
            self.changed.notify_all();
            drop(state);
            wakers.into_iter().for_each(Waker::wake);
            return;
        };
        held.control.is_taken_by(TakenBy::Handler);
        lock(&self.state).running += 1;
        let (handler, shared) = (Arc::clone(handler), Arc::clone(service));
        service.run_user_code(Box::new(move || {
            as_user_thread_of(&shared, || {
                shared.start_sibling();
                let _returned = Returned(&shared);
                handler(Arc::clone(&shared), held);
            });
        }));
    }

    /// The next connection; `None` if there is none until the deadline, or the peer has ended.
    pub(crate) fn accept(&self, deadline: Deadline) -> Option<Arrival> {
        let mut state = lock(&self.state);
        loop {
            if let Some(held) = state.waiting.pop_front() {
                held.control.is_taken_by(TakenBy::Test);
                return Some(held);
            }
            let left = deadline.left();
            if left == Some(Duration::ZERO) || state.has_ended {
                return None;
            }
            state = lock::wait(&self.changed, state, left);
        }
    }

    /// The next connection, `None` when the peer has ended; if there is none yet, the waker is woken when there is.
    pub(crate) fn accept_or_wake(&self, waker: &Waker) -> Poll<Option<Arrival>> {
        let mut state = lock(&self.state);
        if let Some(held) = state.waiting.pop_front() {
            held.control.is_taken_by(TakenBy::Test);
            return Poll::Ready(Some(held));
        }
        if state.has_ended {
            return Poll::Ready(None);
        }
        state.wakers.push(waker.clone());
        Poll::Pending
    }

    /// Nobody accepts any more. Whether all handlers have returned by the deadline.
    pub(in crate::serving) fn end(&self, deadline: Deadline) -> bool {
        let mut state = lock(&self.state);
        state.has_ended = true;
        let waiting = std::mem::take(&mut state.waiting);
        let wakers = std::mem::take(&mut state.wakers);
        self.changed.notify_all();
        drop(state);
        drop(waiting);
        wakers.into_iter().for_each(Waker::wake);
        let mut state = lock(&self.state);
        while state.running > 0 {
            let left = deadline.left();
            if left == Some(Duration::ZERO) {
                return false;
            }
            state = lock::wait(&self.changed, state, left);
        }
        true
    }
}

/// A handler has returned, also by a panic.
struct Returned<'s>(&'s Service);

impl Drop for Returned<'_> {
    fn drop(&mut self) {
        if let Some(arrivals) = &self.0.arrivals {
            lock(&arrivals.state).running -= 1;
            arrivals.changed.notify_all();
        }
    }
}

impl fmt::Debug for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arrival").field("client", &self.client).finish_non_exhaustive()
    }
}

impl fmt::Debug for Arrivals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arrivals").finish_non_exhaustive()
    }
}
