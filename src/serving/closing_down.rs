//! How all connections of a server end: the time that they have, the cut after it, and the wait for both.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::failure::Fault;
use super::open_connection::OpenConnection;
use super::service::{Cut, Listening, Open, Role, Service};
use crate::os::deadline::Deadline;
use crate::os::lock::lock;
use crate::os::spare;

/// How long other threads have for a cut, when the time to finish is over.
const CUT_TIME: Duration = Duration::from_secs(1);

impl Service {
    /// A connection has ended.
    pub(super) fn forget(&self, number: u64) {
        let mut open = lock(&self.open);
        let ended = open.connections.remove(&number);
        let is_last = open.connections.is_empty() && self.finishing.get().is_some();
        drop(open);
        drop(ended);
        if is_last {
            self.forget_waiting();
        }
        spare::keep();
        self.wake_enders();
    }

    /// No connection waits any more. What would wake one has a handle to it, and that one to the server, which has this.
    fn forget_waiting(&self) {
        let waiting = mem::take(&mut lock(&self.permits).waiting);
        drop(waiting);
        self.user_code.source.forget_waiting();
        if let Some(sink) = &self.user_code.sink {
            sink.forget_waiting();
        }
    }

    pub(crate) fn close_listener(&self) {
        if let Some(Listening { listener, key, .. }) = lock(&self.listening).take() {
            self.event_loop.unwatch(listener.socket());
            self.event_loop.remove(key);
            drop(listener);
        }
        lock(&self.open).is_listening = false;
        self.wake_enders();
    }

    /// Wakes threads that wait for the end.
    pub(super) fn wake_enders(&self) {
        if self.finishing.get().is_some() {
            // What user code runs is not guarded by this lock: a thread that is about to wait for it has looked already.
            drop(lock(&self.open));
            self.ending.wake();
            // A server in the foreground runs its loop meanwhile.
            if self.role == Role::Foreground {
                self.event_loop.interrupt();
            }
        }
    }

    /// When the server was to finish.
    pub(crate) fn finishing_since(&self) -> Option<Instant> {
        self.finishing.get().copied()
    }

    pub(super) fn cut(&self) -> Option<Cut> {
        self.cut.get().copied()
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.is_abandoned.load(Ordering::Relaxed)
    }

    /// A response that is being sent has this much left to pause.
    pub(super) fn extend_finish(&self, pauses: Duration) {
        let Some(finishing) = self.finishing_since() else { return };
        let timeout = self.settings.finish_timeout.saturating_add(pauses);
        let deadline = finishing.checked_add(timeout);
        let mut open = lock(&self.open);
        open.deadline = match (open.deadline, deadline) {
            (Some(known), Some(deadline)) => Some(known.max(deadline)),
            _ => None,
        };
        drop(open);
        self.ending.wake();
    }

    pub(super) fn carry_all_on(&self) {
        for task in self.tasks() {
            task.go_on();
        }
    }

    fn tasks(&self) -> Vec<Arc<dyn OpenConnection>> {
        lock(&self.open).connections.values().cloned().collect()
    }

    /// Cuts everything that is open, but for what another thread is carrying on: that thread does it.
    pub(crate) fn cut_all(&self, cut: Cut) {
        self.cut.get_or_init(|| cut);
        self.close_listener();
        self.carry_all_on();
    }

    /// Ends the connections that user code still has after a cut, and reports that it has not returned.
    pub(super) fn give_up(&self) {
        for task in self.tasks() {
            if let Some(error) = task.give_up()
                && !self.is_abandoned()
            {
                self.ledger.enter_failure(Fault::Error(error));
            }
        }
    }

    /// Cuts everything, because a test has failed.
    pub(crate) fn abandon(&self) {
        self.is_abandoned.store(true, Ordering::Relaxed);
        self.start_finishing();
        self.cut_all(Cut::Abandoned);
        self.give_up();
    }

    /// Waits until everything has ended, or is cut at the deadline.
    pub(crate) fn await_end(self: &Arc<Self>) {
        if self.must_not_wait() {
            // It would wait for itself. The loop goes on alone.
            return self.cut_later();
        }
        let mut open = lock(&self.open);
        while open.is_listening || !open.connections.is_empty() {
            if self.cut().is_some() {
                return;
            }
            let left = open.deadline.map(|at| at.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                drop(open);
                self.cut_all(Cut::Finished);
                self.await_cut();
                return self.give_up();
            }
            open = self.ending.wait(open, left);
        }
    }

    /// Waits until the other threads have cut what they carry on, apart from user code. Nothing else takes long.
    fn await_cut(&self) {
        let are_cut = |open: &mut Open| {
            open.connections.values().all(|task| task.is_in_user_code()).then_some(())
        };
        self.ending.wait_for(lock(&self.open), Deadline::after(Some(CUT_TIME)), are_cut);
    }

    pub(crate) fn is_open(&self) -> bool {
        let open = lock(&self.open);
        open.is_listening || !open.connections.is_empty()
    }

    pub(crate) fn finish_deadline(&self) -> Option<Instant> {
        lock(&self.open).deadline
    }

    /// From now on the time to finish runs.
    pub(super) fn start_finishing(&self) {
        // Under the lock: whoever finds that the server is to finish may extend the time.
        let mut open = lock(&self.open);
        self.finishing.get_or_init(|| {
            let now = Instant::now();
            open.deadline = now.checked_add(self.settings.finish_timeout);
            now
        });
    }
}
