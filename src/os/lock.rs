//! Locks a mutex, also after a panic of another thread that held it.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The values under the mutexes of this crate are consistent between any two statements, so a poisoned mutex can be used. The
/// thread that panicked reports the panic.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
