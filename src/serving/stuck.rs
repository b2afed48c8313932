//! A client that takes nothing of what there is to send: since when, and the error when that has lasted for too long.

use std::io;
use std::time::{Duration, Instant};

/// Since when a client has taken nothing, if it does not.
#[derive(Debug, Default)]
pub(super) struct Stuck {
    since: Option<Instant>,
    /// How much ciphertext had left when the client last took something.
    ciphertext: u64,
}

impl Stuck {
    /// The client has taken something, or there is nothing to take.
    pub(super) fn clear(&mut self) {
        self.since = None;
    }

    /// There is no room at the moment, and so much ciphertext has left. A part of a record is nothing that the client can read, but it has
    /// taken it.
    pub(super) fn note(&mut self, ciphertext: u64) -> Instant {
        if std::mem::replace(&mut self.ciphertext, ciphertext) != ciphertext {
            self.since = None;
        }
        *self.since.get_or_insert_with(Instant::now)
    }

    /// The client is alive, as something else has shown.
    pub(super) fn begin_again(&mut self, now: Instant) {
        self.since = Some(now);
    }

    /// When it will have lasted for as long as `timeout`. `None` if it does not last, or for ever.
    pub(super) fn until(&self, timeout: Option<Duration>) -> Option<Instant> {
        self.since?.checked_add(timeout?)
    }

    pub(super) fn is_stuck(&self) -> bool {
        self.since.is_some()
    }
}

/// The client has taken nothing for the whole timeout.
pub(super) fn nothing_acknowledged(timeout: Option<Duration>) -> io::Error {
    let text = format!("the client acknowledged nothing for {:?}", timeout.unwrap_or_default());
    io::Error::new(io::ErrorKind::TimedOut, text)
}
