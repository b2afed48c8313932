//! How a connection ends: the one place that closes.

use std::io;
use std::time::Instant;

use crate::exchange::ClientEnd;
use crate::host::{Host, PATIENCE};
use crate::wire::Wire;

/// Shuts down our sending side, then receives until the client closes, for at most the linger time.
///
/// Closing at once would be wrong while the client may still send: a socket that is closed with unread bytes, or gets
/// more, answers with a reset (RFC 1122 section 4.2.2.13), which destroys what the client has not read yet
/// (RFC 9112 section 9.6 prescribes this order for the same reason).
pub(crate) fn close(wire: &mut Wire, host: &dyn Host) -> ClientEnd {
    let linger = host.settings().linger;
    let start = Instant::now();
    wire.take_trailing();
    if wire.shutdown_sending().is_err() {
        return ClientEnd::Reset;
    }
    loop {
        // A client that never stops sending is still open, too.
        let left = linger.saturating_sub(start.elapsed());
        if left.is_zero() {
            return ClientEnd::StillOpen;
        }
        match wire.receive(Some(left.min(PATIENCE))) {
            Ok(0) => return ClientEnd::Closed,
            Ok(_) => wire.take_trailing(),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                // It has everything, and is silent: a client that keeps its connection for later.
                if host.finishing_since().is_some() && wire.is_acknowledged() {
                    return ClientEnd::StillOpen;
                }
                host.about_to_wait();
            }
            Err(_) => return ClientEnd::Reset,
        }
    }
}
