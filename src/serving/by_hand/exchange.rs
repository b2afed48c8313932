//! The exchange of a connection that is driven by hand.

use std::sync::Arc;

use super::control::Control;
use crate::serving::receiving::Pending;
use crate::serving::stuck::Stuck;

/// The exchange in progress: a read, and what is sent until the next one.
#[derive(Debug, Default)]
pub(in crate::serving) struct ManualExchange {
    pub(in crate::serving) control: Arc<Control>,
    pub(super) pending: Option<Pending>,
    pub(super) sent: u64,
    pub(super) first_bytes: Vec<u8>,
    /// Whether there is more to send, after the turn of other connections.
    pub(super) is_interrupted: bool,
    pub(super) stuck: Stuck,
}

impl ManualExchange {
    pub(super) fn new(control: Arc<Control>) -> Self {
        ManualExchange { control, ..ManualExchange::default() }
    }
}
