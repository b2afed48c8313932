//! Mutexes and condition variables. In tests that are built with `--cfg shuttle`, those of the core are the model checker's.

use std::sync::PoisonError;
use std::time::Duration;

#[cfg(all(test, shuttle))]
pub(crate) use shuttle::sync::{Condvar, Mutex, MutexGuard};
#[cfg(not(all(test, shuttle)))]
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};

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

/// Waits for a notification, for at most `timeout` if there is one.
pub(crate) fn wait<'a, T>(
    condvar: &Condvar,
    guard: MutexGuard<'a, T>,
    timeout: Option<Duration>,
) -> MutexGuard<'a, T> {
    match timeout {
        None => condvar.wait(guard).unwrap_or_else(PoisonError::into_inner),
        Some(timeout) => {
            condvar.wait_timeout(guard, timeout).unwrap_or_else(PoisonError::into_inner).0
        }
    }
}
