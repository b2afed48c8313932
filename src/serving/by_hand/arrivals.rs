//! Connections that were accepted and wait for a test to drive them, or are driven by a function in a thread of the peer.

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::thread;

use super::control::{Control, TakenBy};
use crate::journal::client::Client;
use crate::os::deadline::Deadline;
use crate::os::lock::{Mutex, Waiters, lock};
use crate::serving::open_connection::OpenConnection;
use crate::serving::user_threads::Running;

/// A connection for a test to drive.
pub(crate) struct Arrival {
    pub(crate) client: Client,
    pub(crate) control: Arc<Control>,
    pub(crate) connection: Arc<dyn OpenConnection>,
}

/// Drives each connection, in a thread of the peer. Its panics are caught.
pub(crate) type Handler = Arc<dyn Fn(Arrival) -> Handled + Send + Sync>;

/// What a handler has returned, or panicked with.
pub(crate) type Handled = thread::Result<Result<(), Box<dyn Error + Send + Sync>>>;

/// The connections that wait for a test.
#[derive(Default)]
pub(crate) struct Arrivals {
    handler: Option<Handler>,
    /// The handlers that have not returned; the end of the peer waits for them.
    pub(in crate::serving) handlers: Running,
    state: Mutex<ArrivalsState>,
    waiting: Waiters,
}

#[derive(Default)]
struct ArrivalsState {
    waiting: VecDeque<Arrival>,
    wakers: Vec<Waker>,
    has_ended: bool,
}

impl ArrivalsState {
    /// The next connection, `None` after the end of the peer.
    fn next(&mut self) -> Poll<Option<Arrival>> {
        match self.waiting.pop_front() {
            Some(arrival) => {
                arrival.control.is_taken_by(TakenBy::Test);
                Poll::Ready(Some(arrival))
            }
            None if self.has_ended => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}

impl Arrivals {
    pub(crate) fn new(handler: Option<Handler>) -> Self {
        Arrivals { handler, ..Arrivals::default() }
    }

    pub(in crate::serving) fn handler(&self) -> Option<&Handler> {
        self.handler.as_ref()
    }

    /// A connection for the test to accept.
    pub(in crate::serving) fn push(&self, arrival: Arrival) {
        let mut state = lock(&self.state);
        state.waiting.push_back(arrival);
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        self.waiting.wake();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// The next connection; `None` if there is none until the deadline, or the peer has ended.
    pub(crate) fn accept(&self, deadline: Deadline) -> Option<Arrival> {
        let next = |state: &mut ArrivalsState| match state.next() {
            Poll::Ready(next) => Some(next),
            Poll::Pending => None,
        };
        self.waiting.wait_for(lock(&self.state), deadline, next).flatten()
    }

    /// The next connection, `None` when the peer has ended; if there is none yet, the waker is woken when there is.
    pub(crate) fn accept_or_wake(&self, waker: &Waker) -> Poll<Option<Arrival>> {
        let mut state = lock(&self.state);
        let next = state.next();
        if next.is_pending() && !state.wakers.iter().any(|known| known.will_wake(waker)) {
            state.wakers.push(waker.clone());
        }
        next
    }

    /// Nobody accepts any more. Whether all handlers have returned by the deadline.
    pub(in crate::serving) fn end(&self, deadline: Deadline) -> bool {
        let mut state = lock(&self.state);
        state.has_ended = true;
        let waiting = std::mem::take(&mut state.waiting);
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        self.waiting.wake();
        drop(waiting);
        wakers.into_iter().for_each(Waker::wake);
        self.handlers.await_end(deadline)
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
