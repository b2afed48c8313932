//! A point in time to wait until.

use std::time::{Duration, Instant};

/// This much later; for what is too long for the clock, in a century.
pub(crate) fn later(start: Instant, time: Duration) -> Instant {
    start.checked_add(time).unwrap_or(start + Duration::from_secs(3_155_760_000))
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Deadline {
    At(Instant),
    Never,
}

impl Deadline {
    /// A timeout that is too long for the clock never ends.
    pub(crate) fn after(timeout: Option<Duration>) -> Self {
        match timeout.and_then(|timeout| Instant::now().checked_add(timeout)) {
            Some(instant) => Deadline::At(instant),
            None => Deadline::Never,
        }
    }

    /// When it is; `None` for never.
    pub(crate) fn at(self) -> Option<Instant> {
        match self {
            Deadline::At(instant) => Some(instant),
            Deadline::Never => None,
        }
    }

    /// How long until then; `None` for never.
    pub(crate) fn left(self) -> Option<Duration> {
        match self {
            Deadline::At(instant) => Some(instant.saturating_duration_since(Instant::now())),
            Deadline::Never => None,
        }
    }
}
