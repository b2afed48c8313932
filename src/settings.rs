//! The settings that serving goes by, and their defaults. The builder documents them.

use std::time::Duration;

use crate::framing::Framing;

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) framing: Framing,
    pub(crate) accept_deadline: Option<Duration>,
    pub(crate) idle_deadline: Option<Duration>,
    pub(crate) deadline: Option<Duration>,
    pub(crate) linger: Duration,
    pub(crate) retain: usize,
    pub(crate) buffer_limit: usize,
    pub(crate) expect: Option<u64>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            framing: Framing::auto(),
            accept_deadline: None,
            idle_deadline: Some(Duration::from_secs(10)),
            deadline: Some(Duration::from_secs(10)),
            linger: Duration::from_secs(2),
            retain: 1 << 20,
            buffer_limit: 16 << 20,
            expect: None,
        }
    }
}
