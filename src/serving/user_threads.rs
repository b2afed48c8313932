//! The threads of one server that run user code: the first one is started by the thread that starts the server, the others by one another.
//!
//! The order matters to libtest: it captures the output of a test by a handle that a thread inherits from the thread that started
//! it. A panic in a closure is printed in the test whose peer it belongs to because no thread of another test starts these.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::thread;

use crate::os::address::Address;
use crate::os::deadline::Deadline;
use crate::os::lock::{Mutex, Waiters, lock};

/// A piece of work that may block.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// Does something when it is dropped: what is left to do after a job, also after one that no thread does.
pub(crate) struct Undone<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Undone<F> {
    pub(crate) fn new(otherwise: F) -> Self {
        Undone(Some(otherwise))
    }

    /// There is nothing left to do: the job does it.
    pub(crate) fn forget(mut self) {
        self.0 = None;
    }
}

impl<F: FnOnce()> Drop for Undone<F> {
    fn drop(&mut self) {
        if let Some(otherwise) = self.0.take() {
            otherwise();
        }
    }
}

/// Jobs that the end of a server waits for, apart from those of its connections.
#[derive(Debug, Default)]
pub(crate) struct Running {
    count: Mutex<usize>,
    waiting: Waiters,
}

impl Running {
    pub(crate) fn begin(&self) {
        *lock(&self.count) += 1;
    }

    pub(crate) fn end(&self) {
        *lock(&self.count) -= 1;
        self.waiting.wake();
    }

    /// Whether all have ended by the deadline.
    pub(crate) fn await_end(&self, deadline: Deadline) -> bool {
        let have_ended = |count: &mut usize| (*count == 0).then_some(());
        self.waiting.wait_for(lock(&self.count), deadline, have_ended).is_some()
    }
}

/// Jobs, and the threads that do them.
#[derive(Default)]
pub(crate) struct UserThreads {
    state: Mutex<State>,
    waiting: Waiters,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    /// Threads that wait for a job, or have been started and are about to.
    idle: usize,
    threads: usize,
    is_closed: bool,
}

impl State {
    /// A thread is about to wait for a job.
    fn count_thread(&mut self) {
        self.idle += 1;
        self.threads += 1;
    }

    /// It has ended, or could not be started.
    fn forget_thread(&mut self) {
        self.idle -= 1;
        self.threads -= 1;
    }
}

/// More threads than this are for more connections that block in user code than any test has.
const MOST_THREADS: usize = 256;

impl UserThreads {
    /// Starts a thread of the server at this address if none is idle. Called by the server's thread, and by these threads themselves
    /// before they block.
    pub(crate) fn start_if_none_is_idle(self: &Arc<Self>, addr: &Address) -> io::Result<()> {
        let mut state = lock(&self.state);
        if state.idle > state.jobs.len() || state.is_closed || state.threads >= MOST_THREADS {
            return Ok(());
        }
        state.count_thread();
        drop(state);
        self.start(addr)
    }

    /// Starts a thread that is counted.
    fn start(self: &Arc<Self>, addr: &Address) -> io::Result<()> {
        let shared = Arc::clone(self);
        let name = match addr.socket_addr() {
            Some(addr) => format!("peer {}", addr.port()),
            None => format!("peer {addr}"),
        };
        let started = thread::Builder::new().name(name).spawn(move || shared.run());
        if started.is_err() {
            lock(&self.state).forget_thread();
        }
        started.map(drop)
    }

    /// Has a job done. Starts a thread of the server at this address if there is none, or if none is idle and it `may_start` one. Without one the
    /// job waits for a thread that is busy.
    pub(crate) fn push(self: &Arc<Self>, job: Job, may_start: bool, addr: &Address) {
        let mut state = lock(&self.state);
        state.jobs.push_back(job);
        let lacks_thread = state.idle < state.jobs.len() && state.threads < MOST_THREADS;
        let starts = state.threads == 0 || (may_start && lacks_thread);
        if starts {
            state.count_thread();
        }
        drop(state);
        self.waiting.wake_one();
        if starts && self.start(addr).is_err() {
            self.forget_jobs_after_the_end();
        }
    }

    /// Those that no thread does any more.
    fn forget_jobs_after_the_end(&self) {
        let mut state = lock(&self.state);
        let is_over = state.is_closed && state.threads == 0;
        let jobs = if is_over { mem::take(&mut state.jobs) } else { VecDeque::new() };
        drop(state);
        // Without the lock: they have values of users, whose drop may do anything.
        for job in jobs {
            let _ = panic::catch_unwind(AssertUnwindSafe(|| drop(job)));
        }
    }

    /// Lets the threads end when they have nothing left to do.
    pub(crate) fn close(&self) {
        lock(&self.state).is_closed = true;
        self.waiting.wake();
        self.forget_jobs_after_the_end();
    }

    /// A thread of the model is about to [`run`](Self::run).
    #[cfg(all(test, shuttle))]
    pub(super) fn count_thread(&self) {
        lock(&self.state).count_thread();
    }

    /// What a thread does: all jobs, until the end.
    pub(super) fn run(&self) {
        let mut state = lock(&self.state);
        loop {
            if let Some(job) = state.jobs.pop_front() {
                state.idle -= 1;
                drop(state);
                // A job catches what user code panics with; this is for what the drop of a payload panics with.
                let _ = panic::catch_unwind(AssertUnwindSafe(job));
                state = lock(&self.state);
                state.idle += 1;
            } else if state.is_closed {
                break;
            } else {
                state = self.waiting.wait(state, None);
            }
        }
        state.forget_thread();
    }
}

impl fmt::Debug for UserThreads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserThreads").finish_non_exhaustive()
    }
}
