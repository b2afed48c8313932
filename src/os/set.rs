//! The readiness set: the sockets that are waited for, and the one call that waits for all of them.
//!
//! A thin layer over `polling`, level-triggered: a socket that is ready is reported by every wait until it is read or written.
#![allow(unsafe_code)] // registering a socket is a promise to remove it before it is closed

use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::time::Duration;

use polling::{Event, Events, PollMode, Poller};
use socket2::Socket;

/// How many sockets one wait reports at most. The others are reported by the next wait.
const BATCH: NonZeroUsize = NonZeroUsize::new(64).expect("not zero");

/// What a socket is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interest {
    Read,
    Write,
    ReadAndWrite,
}

pub(crate) struct Set(Poller);

/// The sockets that one wait has found ready.
pub(crate) struct Ready(Events);

impl Set {
    pub(crate) fn new() -> io::Result<Self> {
        Poller::new().map(Set)
    }

    /// Whether a wait that begins while another thread adds or changes a socket may miss that. On Windows `polling` 3.11 looks whether a
    /// thread waits, and if not queues the change for the next wait, which may have begun in between. Then the wait must be ended.
    pub(crate) const MISSES_CHANGES: bool = cfg!(windows);

    /// Adds a socket, whose readiness is reported with this key. The owner removes it before it is closed.
    pub(crate) fn add(&self, socket: &Socket, key: usize, interest: Interest) -> io::Result<()> {
        // SAFETY: the set's users close a socket only after `remove`: connections and listeners have one place each that closes.
        unsafe { self.0.add_with_mode(socket, event(key, interest), PollMode::Level) }
    }

    pub(crate) fn change(&self, socket: &Socket, key: usize, interest: Interest) -> io::Result<()> {
        self.0.modify_with_mode(socket, event(key, interest), PollMode::Level)
    }

    pub(crate) fn remove(&self, socket: &Socket) {
        // Fails for a socket that is not in the set; then there is nothing to remove.
        let _ = self.0.delete(socket);
    }

    /// Waits until a socket is ready, [`wake`](Self::wake) is called, or `timeout` is over. A signal ends the wait early. One
    /// thread waits at a time.
    pub(crate) fn wait(&self, ready: &mut Ready, timeout: Option<Duration>) -> io::Result<()> {
        ready.0.clear();
        match self.0.wait(&mut ready.0, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            _ => Ok(()),
        }
    }

    /// Ends the wait that is in progress, or the next one.
    pub(crate) fn wake(&self) {
        // Fails only if the set is broken; then every wait returns at once.
        let _ = self.0.notify();
    }
}

impl Ready {
    pub(crate) fn new() -> Self {
        Ready(Events::with_capacity(BATCH))
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = usize> {
        self.0.iter().map(|event| event.key)
    }
}

fn event(key: usize, interest: Interest) -> Event {
    match interest {
        Interest::Read => Event::readable(key),
        Interest::Write => Event::writable(key),
        Interest::ReadAndWrite => Event::all(key),
    }
}

impl fmt::Debug for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Set").finish_non_exhaustive()
    }
}
