//! How many exchanges of a server in the foreground may begin: as many as it was asked to serve.

use std::task::Waker;

use super::service::{Role, Service};
use crate::os::lock::lock;

impl Service {
    /// Whether an exchange may begin; if not, `waker` is woken when one may.
    pub(super) fn has_permit(&self, waker: impl FnOnce() -> Waker) -> bool {
        if self.role == Role::Peer {
            return true;
        }
        let mut permits = lock(&self.permits);
        if permits.left == 0 {
            permits.waiting.push_back(waker());
        }
        permits.left > 0
    }

    /// Lets an exchange begin.
    pub(super) fn take_permit(&self, waker: impl FnOnce() -> Waker) -> bool {
        if self.role == Role::Peer {
            return true;
        }
        let mut permits = lock(&self.permits);
        if permits.left == 0 {
            permits.waiting.push_back(waker());
            return false;
        }
        permits.left -= 1;
        permits.in_flight += 1;
        true
    }
}
