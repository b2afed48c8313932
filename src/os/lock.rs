//! Locks a mutex, also after a panic of another thread that held it.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Every value behind a mutex of this crate is consistent between any two statements, so a poisoned lock is as good as
/// another one; the panic itself is reported by the thread that had it.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
