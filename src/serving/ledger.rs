//! What a server has done, in order: its journal, and the outcomes that no call has taken yet. The entry of an exchange is made under the
//! lock around the write of its last byte, so that a client that has that byte finds the entry.

use std::collections::{HashSet, VecDeque};
use std::mem;
use std::panic;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use super::failure::Fault;
use super::user_code::Payload;
use crate::error::{Error, Result};
use crate::journal::client::Client;
use crate::journal::connection_state::ConnectionState;
use crate::journal::exchange::Exchange;
use crate::journal::record::{ConnectionRecord, Journal};
use crate::os::address::Address;
use crate::os::deadline::Deadline;
use crate::os::lock::{Mutex, MutexGuard, Waiters, lock};

#[derive(Debug)]
pub(crate) struct Ledger {
    state: Mutex<State>,
    waiting: Waiters,
}

#[derive(Debug, Default)]
struct State {
    /// Whether there is a journal. A server in the foreground has none.
    has_journal: bool,
    /// How many exchanges are kept, in the journal and of those that nobody has taken; `None` for all.
    kept: Option<usize>,
    has_old_port: bool,
    accepted: u64,
    connections: Log<(Client, Arc<ConnectionState>)>,
    /// In the order in which their responses ended.
    exchanges: Log<Exchange>,
    outcomes: VecDeque<Outcome>,
    /// Of outcomes that a bounded ledger has not kept, what failed.
    displaced: First,
    /// What failed outside of any exchange.
    failed: First,
    /// How often something was added.
    changes: u64,
    /// Futures that wait for something to be added.
    wakers: Vec<Waker>,
}

/// Small: a peer keeps one for each exchange that is not taken.
#[derive(Debug)]
pub(crate) enum Outcome {
    Served(Exchange),
    Failed(Box<Error>),
    Panicked(Box<Payload>),
}

impl Outcome {
    pub(crate) fn of(exchange: &Exchange, fault: Option<Fault>) -> Self {
        match fault {
            None => Outcome::Served(exchange.clone()),
            Some(Fault::Error(error)) => Outcome::Failed(Box::new(error)),
            Some(Fault::Panic(payload)) => Outcome::Panicked(Box::new(payload)),
        }
    }

    pub(crate) fn fault(self) -> Option<Fault> {
        match self {
            Outcome::Served(_) => None,
            Outcome::Failed(error) => Some(Fault::Error(*error)),
            Outcome::Panicked(payload) => Some(Fault::Panic(*payload)),
        }
    }

    pub(crate) fn result(self) -> Result<Exchange> {
        match self {
            Outcome::Served(exchange) => Ok(exchange),
            Outcome::Failed(error) => Err(*error),
            Outcome::Panicked(payload) => panic::resume_unwind(*payload),
        }
    }
}

/// Of all failures those that `finish` may return: the first panic and the first error.
#[derive(Debug, Default)]
pub(crate) struct First {
    panic: Option<Payload>,
    error: Option<Error>,
}

impl First {
    /// Notes a failure. Gives it back if there was an earlier one: its drop may do anything, so not under a lock.
    pub(crate) fn note(&mut self, fault: Fault) -> Option<Fault> {
        match fault {
            Fault::Panic(payload) if self.panic.is_none() => self.panic = Some(payload),
            Fault::Error(error) if self.error.is_none() => self.error = Some(error),
            later => return Some(later),
        }
        None
    }

    /// Those of both, of which these came first.
    pub(crate) fn or(self, later: First) -> First {
        First { panic: self.panic.or(later.panic), error: self.error.or(later.error) }
    }

    /// A panic, otherwise the error.
    pub(crate) fn fault(self) -> Option<Fault> {
        self.panic.map(Fault::Panic).or(self.error.map(Fault::Error))
    }
}

/// The ledger, locked for an entry.
pub(crate) struct Page<'l> {
    ledger: &'l Ledger,
    state: MutexGuard<'l, State>,
    /// Dropped after the lock.
    rejected: Option<Fault>,
}

impl Ledger {
    /// A ledger with a journal of so many exchanges, or all, of a server that may have the port of an earlier one.
    pub(crate) fn new(kept: Option<usize>, has_old_port: bool) -> Self {
        let state = State { has_journal: true, kept, has_old_port, ..State::default() };
        Ledger { state: Mutex::new(state), waiting: Waiters::default() }
    }

    /// A ledger of outcomes, each of which some call takes.
    pub(crate) fn without_journal() -> Self {
        Ledger { state: Mutex::default(), waiting: Waiters::default() }
    }

    pub(crate) fn lock(&self) -> Page<'_> {
        Page { ledger: self, state: lock(&self.state), rejected: None }
    }

    /// Enters a connection; the client, with the number of its connection.
    pub(crate) fn enter_connection(&self, addr: Address, live: &Arc<ConnectionState>) -> Client {
        let mut state = lock(&self.state);
        state.accepted += 1;
        let client =
            Client { addr, connection: state.accepted, exchange: 0, turn: 0, session: None };
        if state.has_journal {
            state.connections.push((client.clone(), Arc::clone(live)));
            state.forget_connections();
        }
        client
    }

    /// How many connections there were.
    pub(crate) fn accepted(&self) -> u64 {
        lock(&self.state).accepted
    }

    /// Something failed outside of any exchange.
    pub(crate) fn enter_failure(&self, fault: Fault) {
        let rejected = lock(&self.state).failed.note(fault);
        drop(rejected);
    }

    /// The next outcome, or `None` after `timeout`.
    pub(crate) fn take(&self, timeout: Duration) -> Option<Outcome> {
        let deadline = Deadline::after(Some(timeout));
        self.waiting.wait_for(lock(&self.state), deadline, |state| state.outcomes.pop_front())
    }

    /// The next outcome, if there is one; otherwise `waker` is woken when there may be.
    pub(crate) fn take_or_wake(&self, waker: &Waker) -> Option<Outcome> {
        let mut state = lock(&self.state);
        let outcome = state.outcomes.pop_front();
        if outcome.is_none() && !state.wakers.iter().any(|known| known.will_wake(waker)) {
            state.wakers.push(waker.clone());
        }
        outcome
    }

    /// How often something was added.
    pub(crate) fn changes(&self) -> u64 {
        lock(&self.state).changes
    }

    /// Waits until more was added than these, or the deadline is over.
    pub(crate) fn await_change(&self, seen: u64, deadline: Deadline) {
        let is_changed = |state: &mut State| (state.changes != seen).then_some(());
        self.waiting.wait_for(lock(&self.state), deadline, is_changed);
    }

    /// Wakes everything that waits, because there will be no more outcomes.
    pub(crate) fn wake_all(&self) {
        self.lock().leave();
    }

    /// What has failed and was not taken: of exchanges first, then of connections.
    pub(crate) fn take_failures(&self) -> First {
        let mut state = lock(&self.state);
        let mut first = mem::take(&mut state.displaced);
        let outcomes = mem::take(&mut state.outcomes);
        let failed = mem::take(&mut state.failed);
        drop(state);
        for fault in outcomes.into_iter().filter_map(Outcome::fault) {
            first.note(fault);
        }
        first.or(failed)
    }

    /// Everything that has happened so far. The lock is held for a copy of pointers to parts, not of every entry.
    pub(crate) fn journal(&self) -> Journal {
        let state = lock(&self.state);
        let (connections, exchanges) = (state.connections.share(), state.exchanges.share());
        let (kept, has_old_port) = (state.kept, state.has_old_port);
        drop(state);
        let left_out = kept.map_or(0, |kept| exchanges.len().saturating_sub(kept));
        let mut records = Vec::new();
        connections.for_each(|(client, live)| {
            let (client, live) = (client.clone(), Arc::clone(live));
            records.push(ConnectionRecord { client, exchanges: Vec::new(), live });
        });
        let mut number = 0;
        exchanges.for_each(|exchange| {
            number += 1;
            let of = |record: &ConnectionRecord| record.client.connection();
            if number > left_out
                && let Ok(index) = records.binary_search_by_key(&exchange.client().connection(), of)
            {
                records[index].exchanges.push(exchange.clone());
            }
        });
        if kept.is_some() {
            records.retain(|record| !record.exchanges.is_empty() || record.closed_at().is_none());
        }
        Journal { connections: records, has_old_port }
    }
}

impl Page<'_> {
    /// Enters an exchange that is over.
    pub(crate) fn enter(&mut self, exchange: &Exchange) {
        if self.state.has_journal {
            self.state.exchanges.push(exchange.clone());
            self.state.forget_exchanges();
        }
    }

    /// Adds an outcome for the next call that takes one.
    pub(crate) fn publish(&mut self, outcome: Outcome) {
        let state = &mut *self.state;
        state.outcomes.push_back(outcome);
        if state.kept.is_some_and(|kept| state.outcomes.len() > kept.max(1))
            && let Some(fault) = state.outcomes.pop_front().and_then(Outcome::fault)
        {
            self.rejected = state.displaced.note(fault);
        }
    }

    /// Wakes what waits, not under the lock: a waker may do anything, also drop the last handle of this peer.
    pub(crate) fn leave(mut self) {
        self.state.changes += 1;
        let wakers = mem::take(&mut self.state.wakers);
        drop(self.state);
        self.ledger.waiting.wake();
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl State {
    /// Forgets exchanges that a bounded journal need not keep, a part at a time.
    fn forget_exchanges(&mut self) {
        let Some(kept) = self.kept else { return };
        while let Some(part) = self.exchanges.full.first()
            && self.exchanges.len() - part.len() >= kept
        {
            self.exchanges.full.remove(0);
        }
    }

    /// Forgets connections that a bounded journal need not keep, when a part of them was filled just now. One with a connection that is
    /// open, or has an exchange, stays.
    fn forget_connections(&mut self) {
        if self.kept.is_none() || !self.connections.last.is_empty() {
            return;
        }
        let mut kept = HashSet::new();
        self.exchanges.for_each(|exchange| {
            kept.insert(exchange.client().connection());
        });
        self.connections.full.retain(|part| {
            part.iter().any(|(client, live)| {
                live.end.get().is_none() || kept.contains(&client.connection())
            })
        });
    }
}

/// A list that grows at its end, in parts that copies share.
#[derive(Debug, Clone)]
struct Log<T> {
    full: Vec<Arc<Vec<T>>>,
    last: Vec<T>,
}

impl<T: Clone> Log<T> {
    const PART: usize = 256;

    fn push(&mut self, entry: T) {
        self.last.push(entry);
        if self.last.len() == Self::PART {
            self.full.push(Arc::new(mem::take(&mut self.last)));
        }
    }

    fn len(&self) -> usize {
        self.full.iter().map(|part| part.len()).sum::<usize>() + self.last.len()
    }

    fn share(&self) -> Self {
        self.clone()
    }

    fn for_each(&self, see: impl FnMut(&T)) {
        self.full.iter().flat_map(|part| part.iter()).chain(&self.last).for_each(see);
    }
}

impl<T> Default for Log<T> {
    fn default() -> Self {
        Log { full: Vec::new(), last: Vec::new() }
    }
}
