//! What a connection stops for.

use std::time::Instant;

use crate::os::set::Interest;

/// What a connection stops for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    /// Its socket, a time, or both. Without either it is woken.
    Wait { interest: Option<Interest>, until: Option<Instant> },
    /// A thread that may run user code.
    UserThread,
    /// Nothing: it has ended.
    Over,
}

impl Rest {
    /// Until it is woken.
    pub(super) const WOKEN: Rest = Rest::Wait { interest: None, until: None };

    pub(super) fn read(until: Option<Instant>) -> Self {
        Rest::Wait { interest: Some(Interest::Read), until }
    }

    pub(super) fn time(until: Option<Instant>) -> Self {
        Rest::Wait { interest: None, until }
    }
}
