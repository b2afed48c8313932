//! How a server ends: connected clients have their exchange, or everything is cut; then all workers end.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use super::{Open, Outcome, Service, State};
use crate::error::Error;
use crate::serving::failure::Fault;

/// How long a worker that waits for connections is given to hear that there will be none.
const KNOCK_PATIENCE: Duration = Duration::from_secs(1);

impl Service {
    /// Lets everybody who is connected have their exchange, then ends everything. The first failure that nobody took,
    /// panics before errors.
    pub(crate) fn finish(&self, expected: Option<u64>) -> Result<(), Fault> {
        self.finishing.get_or_init(Instant::now);
        let mut state = self.state();
        self.end_accepting(&mut state);
        drop(state);
        self.join();
        // Whoever waits for an exchange need not wait any more.
        let state = self.state();
        self.notify(&state);
        Self::wake_futures(state);

        let mut first_error = None;
        let mut outcomes = std::mem::take(&mut self.state().outcomes);
        while let Some(told) = outcomes.next_told() {
            match told.outcome {
                Outcome::Served(_) => {}
                Outcome::Failed(error) => first_error = first_error.or(Some(*error)),
                Outcome::Panicked(payload) => return Err(Fault::Panic(*payload)),
            }
        }
        let addr = || self.addr().into();
        let served = self.exchanges.load(Ordering::Relaxed);
        let expected = expected.unwrap_or(served);
        let wrong_count =
            (expected != served).then_some(Error::Count { addr: addr(), expected, served });
        let left_over = || {
            Some(Error::LeftOver { addr: addr(), source: self.user_code.finish_source().err()? })
        };
        match first_error.or(wrong_count).or_else(left_over) {
            Some(error) => Err(Fault::Error(error)),
            None => Ok(()),
        }
    }

    /// Ends all connections and workers.
    pub(crate) fn stop(&self) {
        self.finishing.get_or_init(Instant::now);
        self.stopping.store(true, Ordering::SeqCst);
        let mut state = self.state();
        for open in state.open.values() {
            // Whoever has had an answer and may not have read it yet is closed in order, by its worker.
            if !open.live.is_kept.load(Ordering::Relaxed) {
                open.cut();
            }
        }
        self.end_accepting(&mut state);
        self.notify(&state);
        drop(state);
        self.join();
    }

    /// Whether nothing more is to be accepted than what waits already.
    pub(crate) fn is_ending(&self) -> bool {
        self.finishing.get().is_some()
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Cuts all connections, and makes responses that pause or wait at a gate go on at once.
    pub(crate) fn abandon(&self) {
        self.abandoned.store(true, Ordering::SeqCst);
        let state = self.state();
        state.open.values().for_each(Open::cut);
        state.leaving.iter().for_each(|connection| connection.cut());
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::SeqCst) || self.is_stopping()
    }

    pub(crate) fn finishing_since(&self) -> Option<Instant> {
        self.finishing.get().copied()
    }

    fn end_accepting(&self, state: &mut State) {
        self.listening.stop_waiting();
        self.knock(state);
    }

    /// Tells a worker that waits for a connection that no more will come. When it goes, it tells the next one: if all were
    /// told at once, a worker that comes back could hear what another one waits for.
    pub(super) fn knock(&self, state: &mut State) {
        if state.idle > 0 {
            match self.listening.knock() {
                Ok(knock) => state.knocks.push(knock),
                // Not even a descriptor is left.
                Err(_) => self.listening.shut(),
            }
        }
    }

    /// Whether this is a connection by which a worker is told that no more will come.
    pub(crate) fn is_knock(&self, addr: SocketAddr) -> bool {
        self.is_ending() && self.state().knocks.iter().any(|(knock, _)| *knock == addr)
    }

    /// Waits for all workers, those too that are started meanwhile.
    fn join(&self) {
        let mut state = self.state();
        let (mut idle, mut since) = (state.idle, Instant::now());
        // One that does not rest looks up by itself.
        while state.idle > 0 && (state.resting > 0 || !self.serves_in_turn()) {
            state = self.wait(state, Some(KNOCK_PATIENCE));
            if state.idle != idle {
                (idle, since) = (state.idle, Instant::now());
            } else if since.elapsed() >= KNOCK_PATIENCE {
                // Somebody else may accept on the same socket, and have heard the knock.
                self.listening.shut();
            }
        }
        drop(state);
        loop {
            let workers = std::mem::take(&mut self.state().workers);
            if workers.is_empty() {
                return;
            }
            for worker in workers {
                // The last handle may be dropped by what a worker calls. A worker catches the panics of that.
                if worker.thread().id() != thread::current().id() {
                    let _ = worker.join();
                }
            }
        }
    }
}
