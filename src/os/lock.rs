//! Mutexes, and threads that wait for a change of what a mutex guards. In tests that are built with `--cfg shuttle`, those of the core are
//! the model checker's.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

#[cfg(all(test, shuttle))]
use shuttle::sync::{Condvar, atomic::AtomicUsize};
#[cfg(all(test, shuttle))]
pub(crate) use shuttle::sync::{Mutex, MutexGuard};
#[cfg(not(all(test, shuttle)))]
use std::sync::{Condvar, atomic::AtomicUsize};
#[cfg(not(all(test, shuttle)))]
pub(crate) use std::sync::{Mutex, MutexGuard};

use super::deadline::Deadline;

/// A mutex of either kind.
pub(crate) trait Lock {
    type Guard<'a>
    where
        Self: 'a;

    fn lock_anyway(&self) -> Self::Guard<'_>;
}

impl<T: ?Sized> Lock for std::sync::Mutex<T> {
    type Guard<'a>
        = std::sync::MutexGuard<'a, T>
    where
        Self: 'a;

    fn lock_anyway(&self) -> Self::Guard<'_> {
        self.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M: Lock + ?Sized> Lock for std::sync::Arc<M> {
    type Guard<'a>
        = M::Guard<'a>
    where
        Self: 'a;

    fn lock_anyway(&self) -> Self::Guard<'_> {
        (**self).lock_anyway()
    }
}

#[cfg(all(test, shuttle))]
impl<T> Lock for shuttle::sync::Mutex<T> {
    type Guard<'a>
        = shuttle::sync::MutexGuard<'a, T>
    where
        Self: 'a;

    fn lock_anyway(&self) -> Self::Guard<'_> {
        self.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Locks a mutex, also after a panic of another thread that held it. The values under the mutexes of this crate are consistent
/// between any two statements, so a poisoned mutex can be used. The thread that panicked reports the panic.
pub(crate) fn lock<M: Lock + ?Sized>(mutex: &M) -> M::Guard<'_> {
    mutex.lock_anyway()
}

/// The threads that wait for a change of what one mutex guards.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    changed: Condvar,
    /// How many there are. They count themselves while they hold the mutex.
    count: AtomicUsize,
}

impl Waiters {
    /// Waits until `look` finds something, or the deadline is over.
    pub(crate) fn wait_for<T, R>(
        &self,
        mut guard: MutexGuard<'_, T>,
        deadline: Deadline,
        mut look: impl FnMut(&mut T) -> Option<R>,
    ) -> Option<R> {
        loop {
            let found = look(&mut guard);
            if found.is_some() {
                return found;
            }
            let left = deadline.left();
            if left == Some(Duration::ZERO) {
                return None;
            }
            guard = self.wait(guard, left);
        }
    }

    /// Waits for a change, which may be any or none, for at most `timeout` if there is one.
    pub(crate) fn wait<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        timeout: Option<Duration>,
    ) -> MutexGuard<'a, T> {
        self.count.fetch_add(1, Ordering::Relaxed);
        let guard = match timeout {
            None => self.changed.wait(guard).unwrap_or_else(PoisonError::into_inner),
            Some(timeout) => {
                let waited = self.changed.wait_timeout(guard, timeout);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        self.count.fetch_sub(1, Ordering::Relaxed);
        guard
    }

    /// Wakes them all. Called when the mutex has been given back: a thread that waited for what was changed under it is counted by then,
    /// and one that takes the mutex later sees the change.
    pub(crate) fn wake(&self) {
        // A system call, so only for threads that wait.
        if self.count.load(Ordering::Relaxed) > 0 {
            self.changed.notify_all();
        }
    }

    /// Wakes one of them.
    pub(crate) fn wake_one(&self) {
        if self.count.load(Ordering::Relaxed) > 0 {
            self.changed.notify_one();
        }
    }
}
