//! The idle workers of a server, and the connections whose clients have not closed yet, which idle workers look at. What one worker
//! does is in `worker`.

use std::collections::VecDeque;
use std::io;
use std::num::NonZeroUsize;
use std::sync::OnceLock;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use super::{Service, State};
use crate::error::{Error, Result};
use crate::serving::connection::Connection;
use crate::serving::host::PATIENCE;

/// More workers than this do not stay for later.
const IDLE_WORKERS: usize = 16;

/// A worker that has had this many clients without a pause is given help: fewer are served before a thread is there, and
/// most peers see fewer.
const MANY: u32 = 64;

/// What a worker does when nobody comes.
pub(crate) enum Idleness {
    /// It looks now and then: at the connections that are leaving, and whether the server ends.
    GoOn,
    /// There are none: it may wait for the next client as long as that takes.
    Rest,
    /// Others are there: it is not counted as idle any more.
    Leave,
}

/// How many threads can run at once. Asked once: it is a look into files.
fn processors() -> usize {
    static PROCESSORS: OnceLock<usize> = OnceLock::new();
    *PROCESSORS.get_or_init(|| thread::available_parallelism().map_or(1, NonZeroUsize::get))
}

impl Service {
    pub(crate) fn has_workers(&self) -> bool {
        !self.state().workers.is_empty()
    }

    /// Whether somebody accepts, and looks at the connections that are leaving.
    pub(crate) fn has_idle_worker(&self) -> bool {
        let state = self.state();
        state.idle > if state.leaving.is_empty() { 0 } else { state.resting }
    }

    /// Whether another worker is to accept while one serves the client that it has just accepted.
    ///
    /// Prompt clients are served one after another in one thread, or in as many as there are processors if they don't cease
    /// to come. Where one was not prompt, and is being served by yet another thread, the next may not be prompt either.
    pub(super) fn needs_another(&self, state: &mut State, in_a_row: u32) -> bool {
        if !self.serves_in_turn() {
            return state.connections > 0;
        }
        if in_a_row > 0 && in_a_row.is_multiple_of(MANY) && state.helpers + 1 < processors() {
            state.helpers += 1;
            return true;
        }
        state.serving > state.helpers
    }

    /// Keeps the worker that `start` starts, which is going to wait for a connection if it `is_idle`.
    pub(crate) fn add_worker(
        &self,
        is_idle: bool,
        start: impl FnOnce() -> io::Result<JoinHandle<()>>,
    ) -> Result<()> {
        let mut state = self.state();
        if self.is_stopping() {
            return Ok(());
        }
        if state.workers.len().is_multiple_of(4 * IDLE_WORKERS) {
            state.workers.retain(|worker| !worker.is_finished());
        }
        let worker =
            start().map_err(|source| Error::Accept { addr: self.addr().into(), source })?;
        state.idle += usize::from(is_idle);
        state.workers.push(worker);
        Ok(())
    }

    /// A worker is done with a connection, but for what is left of its close; whether it is to wait for the next one.
    pub(crate) fn enter_idle(&self, number: u64, leaving: Option<Box<Connection>>) -> bool {
        let mut state = self.state();
        Self::end_serving(&mut state, number);
        // Whoever leaves one behind comes back to look at it.
        let stays = leaving.is_some() || state.idle < IDLE_WORKERS;
        state.leaving.extend(leaving);
        self.notify(&state);
        state.idle += usize::from(stays);
        stays
    }

    pub(crate) fn forget(&self, number: u64) {
        Self::end_serving(&mut self.state(), number);
    }

    fn end_serving(state: &mut State, number: u64) {
        state.serving -= 1;
        state.open.remove(&number);
    }

    /// A worker goes, and tells the next one.
    pub(crate) fn leave_for_good(&self) {
        self.leave(&mut self.state());
    }

    fn leave(&self, state: &mut State) {
        state.idle -= 1;
        if self.is_ending() {
            self.knock(state);
        }
        self.notify(state);
    }

    /// Whether a worker that accepts wakes up now and then, so that it can look after others: then prompt clients are served
    /// in turn by one worker, and what is left of their closes is left to whoever accepts.
    pub(crate) fn serves_in_turn(&self) -> bool {
        self.patience.is_some()
    }

    /// Whether a close that has begun may be left for later. Not where an observer is told of it: it may panic.
    pub(crate) fn leaves_for_later(&self) -> bool {
        self.patience.is_some_and(|patience| patience < self.settings.linger)
            && self.user_code.observer.is_none()
            && !self.is_ending()
    }

    /// The oldest of the connections that are leaving, but for the last one, which has only just begun to.
    pub(crate) fn oldest_leaving(&self) -> Option<Box<Connection>> {
        let mut state = self.state();
        if state.leaving.len() > 1 { state.leaving.pop_front() } else { None }
    }

    /// All of them.
    pub(crate) fn all_leaving(&self) -> VecDeque<Box<Connection>> {
        let mut state = self.state();
        state.looked = Some(Instant::now());
        std::mem::take(&mut state.leaving)
    }

    /// Whether it is time to look at all of them.
    pub(crate) fn has_unseen_leaving(&self) -> bool {
        let state = self.state();
        state.leaving.len() > 1 && state.looked.is_none_or(|looked| looked.elapsed() >= PATIENCE)
    }

    /// Their clients are still there.
    pub(crate) fn still_leaving(&self, mut connections: VecDeque<Box<Connection>>) {
        let mut state = self.state();
        connections.append(&mut state.leaving);
        state.leaving = connections;
    }

    /// A worker that was idle waits for the client of one of them after all.
    pub(crate) fn leave_idle(&self) {
        let mut state = self.state();
        state.serving += 1;
        state.idle -= 1;
    }

    /// It is idle again.
    pub(crate) fn return_to_idle(&self) {
        let mut state = self.state();
        state.serving -= 1;
        state.idle += 1;
    }

    /// What a worker does for whom nobody has come for a while.
    pub(crate) fn rest(&self) -> Idleness {
        let mut state = self.state();
        let looking = state.idle - state.resting;
        if looking > 1 || (state.leaving.is_empty() && state.idle > 1) {
            self.leave(&mut state);
            state.helpers = state.helpers.saturating_sub(1);
            Idleness::Leave
        } else if state.leaving.is_empty() && !self.is_ending() {
            state.resting += 1;
            state.helpers = 0;
            Idleness::Rest
        } else {
            Idleness::GoOn
        }
    }

    /// A worker rests no more.
    pub(crate) fn wake(&self) {
        self.state().resting -= 1;
    }
}
