//! A descriptor that the process keeps in reserve: when there is no other, a connection of a peer's backlog is accepted with it.

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use socket2::{Domain, Socket, Type};

use super::lock::lock;

static SPARE: Mutex<Option<Socket>> = Mutex::new(None);

/// Whether there is one, for a look without the lock.
static IS_KEPT: AtomicBool = AtomicBool::new(false);

/// Keeps a spare descriptor, if one can be had: when a server starts, and when a connection has given its own back.
pub(crate) fn keep() {
    if IS_KEPT.load(Ordering::Relaxed) {
        return;
    }
    let mut spare = lock(&SPARE);
    if spare.is_none() {
        *spare = Socket::new(Domain::IPV4, Type::STREAM, None).ok();
        IS_KEPT.store(spare.is_some(), Ordering::Relaxed);
    }
}

/// Gives the spare descriptor up for another use; false if there is none.
pub(crate) fn give_up() -> bool {
    keep();
    IS_KEPT.store(false, Ordering::Relaxed);
    lock(&SPARE).take().is_some()
}

/// Whether an error says that there is no descriptor left: `EMFILE` and `ENFILE` in accept(2), `WSAEMFILE`.
pub(crate) fn is_needed(error: &io::Error) -> bool {
    #[cfg(unix)]
    return matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE));
    #[cfg(not(unix))]
    return error.raw_os_error() == Some(10024);
}
