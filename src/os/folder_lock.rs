//! One process, and one thread, at a time in a folder: for what takes more than one call to the system.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// Other programs may lock a folder, too, for as long as they like.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long after a failed try the next one comes. The lock is held for a few calls only.
const AGAIN: Duration = Duration::from_millis(1);

/// The lock of a folder, until it is dropped. It leaves no file.
#[derive(Debug)]
pub(crate) struct FolderLock {
    /// The system ends a lock with its descriptor, also that of a process that is killed.
    _folder: File,
}

impl FolderLock {
    /// Waits for the lock, for a second at most. `None` without it: the folder may not be readable, some file systems have no locks, and
    /// another program may have it.
    pub(crate) fn of(folder: &Path) -> Option<Self> {
        let folder = File::open(folder).ok()?;
        let until = Instant::now() + PATIENCE;
        while !try_lock(&folder) {
            if Instant::now() >= until {
                return None;
            }
            thread::sleep(AGAIN);
        }
        Some(FolderLock { _folder: folder })
    }
}

#[allow(unsafe_code)] // std locks files only from Rust 1.89 on
fn try_lock(folder: &File) -> bool {
    // SAFETY: the descriptor is open, and the call takes nothing else.
    unsafe { libc::flock(folder.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) == 0 }
}
