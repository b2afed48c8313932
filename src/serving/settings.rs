//! The settings of a connection, with their defaults. The builder documents them.

use std::sync::Arc;
use std::time::Duration;

use crate::framing::rule::Framing;
use crate::response::secure::Secure;

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) framing: Framing,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) linger: Duration,
    pub(crate) finish_timeout: Duration,
    pub(crate) retain: usize,
    pub(crate) retain_sent: usize,
    pub(crate) buffer_limit: usize,
    /// How many exchanges the journal keeps; `None` for all.
    pub(crate) keep_exchanges: Option<usize>,
    pub(crate) clients_may_leave_early: bool,
    pub(crate) closes_after: Option<u64>,
    /// How connections are secured from their beginning.
    pub(crate) secure: Option<Arc<dyn Secure>>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            framing: Framing::auto(),
            idle_timeout: Some(Duration::from_secs(10)),
            timeout: Some(Duration::from_secs(10)),
            linger: Duration::from_secs(2),
            finish_timeout: Duration::from_secs(10),
            retain: 1 << 20,
            retain_sent: 1 << 10,
            buffer_limit: 16 << 20,
            keep_exchanges: None,
            clients_may_leave_early: false,
            closes_after: None,
            secure: None,
        }
    }
}
