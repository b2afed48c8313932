//! The readiness set: the sockets that are waited for, and the one call that waits for all of them.
//!
//! A thin layer over `polling`, level-triggered: a socket that is ready is reported by every wait until it is read or written.
//! `polling` 3.11 surrounds each wait on Linux with four calls: two set a timer that is exact to the nanosecond, two look whether the
//! wait was woken. So a long wait is one call for its epoll instance; `polling` is called for a short wait, and for what woke a long one.
#![allow(unsafe_code)] // registering a socket is a promise to remove it before it is closed

use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::time::Duration;

use polling::{Event, Events, PollMode, Poller};
use socket2::Socket;

/// How many sockets one wait reports at most. The others are reported by the next wait.
const BATCH: NonZeroUsize = NonZeroUsize::new(64).expect("not zero");

/// Systems take not much more. Whoever waits looks at the clock anyway.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// What a socket is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interest {
    Read,
    Write,
    ReadAndWrite,
}

pub(crate) struct Set(Poller);

/// The sockets that one wait has found ready.
pub(crate) struct Ready {
    events: Events,
    keys: Vec<usize>,
}

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
        ready.keys.clear();
        match self.wait_in_kernel(ready, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            _ => Ok(()),
        }
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn wait_in_kernel(&self, ready: &mut Ready, timeout: Option<Duration>) -> io::Result<()> {
        use std::mem::MaybeUninit;

        use rustix::event::{Timespec, epoll};

        /// The key of what `polling` itself has in the set.
        const OF_POLLING: usize = usize::MAX;

        /// Less than this is to be exact. The call counts whole milliseconds, which do not matter to a longer time.
        const SHORT: Duration = Duration::from_millis(10);

        if timeout.is_some_and(|timeout| !timeout.is_zero() && timeout < SHORT) {
            return self.wait_with_polling(ready, timeout);
        }
        let timeout = timeout.map(|timeout| {
            // Not before its time, so rounded up.
            let millis = timeout.min(LONGEST).as_nanos().div_ceil(1_000_000);
            Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
        });
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        let mut events = [const { MaybeUninit::<epoll::Event>::uninit() }; BATCH.get()];
        let (events, _) = epoll::wait(&self.0, &mut events, timeout.as_ref())?;
        let keys = events.iter().map(|event| usize::try_from(event.data.u64()));
        ready.keys.extend(keys.map(|key| key.unwrap_or(OF_POLLING)));
        if ready.keys.contains(&OF_POLLING) {
            // Level-triggered: it finds all of them again.
            ready.keys.clear();
            self.wait_with_polling(ready, Some(Duration::ZERO))?;
        }
        Ok(())
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn wait_in_kernel(&self, ready: &mut Ready, timeout: Option<Duration>) -> io::Result<()> {
        self.wait_with_polling(ready, timeout)
    }

    fn wait_with_polling(&self, ready: &mut Ready, timeout: Option<Duration>) -> io::Result<()> {
        ready.events.clear();
        self.0.wait(&mut ready.events, timeout.map(|timeout| timeout.min(LONGEST)))?;
        ready.keys.extend(ready.events.iter().map(|event| event.key));
        Ok(())
    }

    /// Ends the wait that is in progress, or the next one.
    pub(crate) fn wake(&self) {
        // Fails only if the set is broken; then every wait returns at once.
        let _ = self.0.notify();
    }
}

impl Ready {
    pub(crate) fn new() -> Self {
        Ready { events: Events::with_capacity(BATCH), keys: Vec::with_capacity(BATCH.get()) }
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = usize> {
        self.keys.iter().copied()
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

#[cfg(all(test, not(shuttle)))]
mod tests {
    use std::thread;
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_wait_is_woken_each_time_and_not_once_more() {
        let set = Set::new().expect("descriptors");
        let mut ready = Ready::new();
        let long = Some(Duration::from_secs(30));
        for timeout in [None, long, long, Some(Duration::from_micros(900))] {
            let start = Instant::now();
            set.wake();
            set.wait(&mut ready, timeout).expect("woken");
            assert!(start.elapsed() < Duration::from_secs(10), "not woken");
            assert_eq!(ready.keys().count(), 0);
        }
        let start = Instant::now();
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(20));
                set.wake();
            });
            set.wait(&mut ready, Some(Duration::from_secs(10))).expect("woken");
        });
        let waited = start.elapsed();
        assert!(waited >= Duration::from_millis(20), "woken before, after {waited:?}");
        assert!(waited < Duration::from_secs(10), "not woken");
    }

    #[test]
    fn a_wait_is_over_at_its_time_and_not_before() {
        let set = Set::new().expect("descriptors");
        let mut ready = Ready::new();
        for micros in [0, 300, 5_300, 10_000, 12_345] {
            let timeout = Duration::from_micros(micros);
            // A signal may end a wait early.
            let is_enough = (0..10).any(|_| {
                let start = Instant::now();
                set.wait(&mut ready, Some(timeout)).expect("waited");
                start.elapsed() >= timeout
            });
            assert!(is_enough, "less than {timeout:?}");
        }
    }
}
