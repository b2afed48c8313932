//! How a connection ends: the one place that closes.

use std::io;
use std::time::{Duration, Instant};

use crate::exchange::ClientEnd;
use crate::wire::{self, Wire};

/// Shuts down our sending side, then receives until the client closes, for at most `linger`.
///
/// Closing at once would be wrong while the client may still send: a socket that is closed with unread bytes, or gets
/// more, answers with a reset (RFC 1122 section 4.2.2.13), which destroys what the client has not read yet
/// (RFC 9112 section 9.6 prescribes this order for the same reason).
pub(crate) fn close(wire: &mut Wire, linger: Duration) -> ClientEnd {
    let end = Instant::now() + linger;
    wire.take_trailing();
    if wire.shutdown_sending().is_err() {
        return ClientEnd::Reset;
    }
    loop {
        // A client that never stops sending is still open, too.
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return ClientEnd::StillOpen;
        }
        match wire.receive(Some(left)) {
            Ok(0) => return ClientEnd::Closed,
            Ok(_) => wire.take_trailing(),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => return ClientEnd::StillOpen,
            Err(error) => {
                debug_assert!(wire::is_gone(&error), "{error}");
                return ClientEnd::Reset;
            }
        }
    }
}
