//! A connection that is open, as far as its server and a test that drives it need to know it.

use std::fmt;
use std::sync::Arc;

use crate::error::Error;
use crate::journal::peer_report::PeerReport;

/// A connection that is open.
pub(crate) trait OpenConnection: Send + Sync + fmt::Debug {
    /// Lets it look what there is to do, in this thread, which must not block, unless another one has it.
    fn go_on(self: Arc<Self>);

    /// What a failing test wants to know of its peer.
    fn report(&self) -> PeerReport;

    /// Everything is cut, and user code may have this connection: ends it as far as that can be done without that thread. The error that
    /// says what has not returned.
    fn give_up(&self) -> Option<Error>;

    /// Whether user code runs for it.
    fn is_in_user_code(&self) -> bool;
}
