//! The endings of a connection: the orderly close, the reset after delivery, and the others. The one place that closes.

use std::io;
use std::time::{Duration, Instant};

use super::host::{Host, PATIENCE};
use super::wire::Wire;
use crate::journal::client::ClientEnd;
use crate::os::deadline::Deadline;
use crate::os::kernel::RemoteEnd;
use crate::response::ending::Ending;

/// How long a client that has everything may stay silent when the server finishes.
const SHORT_PATIENCE: Duration = Duration::from_millis(2);

/// Brings the connection to its end.
pub(crate) fn close(wire: &mut Wire, host: &dyn Host, ending: &Ending) -> ClientEnd {
    let settings = host.settings();
    wire.take_trailing();
    match ending {
        Ending::Close | Ending::KeepOpen | Ending::KeepAlive | Ending::Then(_) => {
            // Closing at once would be wrong while the client may still send: a socket that is closed with unread bytes, or
            // gets more, answers with a reset (RFC 1122 section 4.2.2.13), which destroys what the client has not read
            // yet (RFC 9112 section 9.6 prescribes this order for the same reason).
            end_sending(wire).unwrap_or_else(|| await_client(wire, host, Some(settings.linger)))
        }
        Ending::HalfClose => {
            end_sending(wire).unwrap_or_else(|| await_client(wire, host, settings.timeout))
        }
        Ending::StopReading => await_client_unread(wire, host),
        Ending::Hold => await_client(wire, host, settings.timeout),
        Ending::CloseAtOnce => ClientEnd::ClosedByUs,
        Ending::Reset => {
            let end = await_acknowledgement(wire, host);
            // Where this fails the close that follows is an ordinary one: the client is gone.
            let _ = wire.stream.reset_on_close();
            end
        }
    }
}

/// Begins the ordinary close: says that no more will come. The client's end, if it is gone already.
pub(crate) fn begin(wire: &mut Wire) -> Option<ClientEnd> {
    wire.take_trailing();
    end_sending(wire)
}

/// How far the client is with an ordinary close that has begun.
pub(crate) enum Leaving {
    Gone(ClientEnd),
    /// It may still read, and has sent nothing.
    Silent,
    /// It is still sending.
    Sends,
}

/// Looks without waiting.
pub(crate) fn look(wire: &Wire) -> Leaving {
    match wire.stream.peek() {
        Ok(Some(0)) => Leaving::Gone(ClientEnd::Closed),
        Ok(Some(_)) => Leaving::Sends,
        Ok(None) => Leaving::Silent,
        Err(_) => Leaving::Gone(ClientEnd::Reset),
    }
}

/// Waits for the end of an ordinary close that began at `since`.
pub(crate) fn end(wire: &mut Wire, host: &dyn Host, since: Instant) -> ClientEnd {
    // Several may be left when the server finishes. They have the same short time, not one after another.
    let short_end = host.finishing_since().map(|finishing| finishing.max(since) + SHORT_PATIENCE);
    if short_end.is_some_and(|end| Instant::now() >= end)
        && let Some(end) = leave(wire)
    {
        return end;
    }
    await_client(wire, host, Some(host.settings().linger.saturating_sub(since.elapsed())))
}

/// When the server finishes: whether a client that is silent can be left, and how it ended. What was sent has left for it, and
/// what it has done before that time counts.
fn leave(wire: &Wire) -> Option<ClientEnd> {
    if !wire.stream.has_left() {
        return None;
    }
    match look(wire) {
        Leaving::Gone(end) => Some(end),
        Leaving::Silent => Some(ClientEnd::ClosedByUs),
        Leaving::Sends => None,
    }
}

/// The client's end, if it is gone already.
fn end_sending(wire: &mut Wire) -> Option<ClientEnd> {
    wire.stream.shutdown_sending().err().map(|_| ClientEnd::Reset)
}

/// Receives until the client closes.
fn await_client(wire: &mut Wire, host: &dyn Host, timeout: Option<Duration>) -> ClientEnd {
    let start = Instant::now();
    loop {
        // A client that never stops sending is still open, too.
        let left = timeout.map_or(PATIENCE, |timeout| timeout.saturating_sub(start.elapsed()));
        if left.is_zero() {
            return ClientEnd::ClosedByUs;
        }
        let patience = if host.finishing_since().is_some() { SHORT_PATIENCE } else { PATIENCE };
        match wire.receive(Some(left.min(patience))) {
            Ok(0) => return ClientEnd::Closed,
            Ok(_) => {
                wire.take_trailing();
                if start.elapsed() >= PATIENCE {
                    host.about_to_wait();
                }
            }
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                // One that is silent keeps its connection for later.
                if host.finishing_since().is_some()
                    && let Some(end) = leave(wire)
                {
                    return end;
                }
                host.about_to_wait();
            }
            Err(_) => return ClientEnd::Reset,
        }
    }
}

/// Waits for the client's end without reading what comes before it.
fn await_client_unread(wire: &Wire, host: &dyn Host) -> ClientEnd {
    let deadline = Deadline::after(host.settings().timeout);
    loop {
        let is_finishing = host.finishing_since().is_some();
        let left = deadline.left().unwrap_or(PATIENCE);
        let patience = if is_finishing { Duration::ZERO } else { left.min(PATIENCE) };
        host.about_to_wait();
        match wire.stream.await_end(patience) {
            Ok(None) if is_finishing || left.is_zero() => return ClientEnd::ClosedByUs,
            Ok(None) => {}
            Ok(Some(RemoteEnd::Closed)) => return ClientEnd::Closed,
            Ok(Some(RemoteEnd::Reset)) | Err(_) => return ClientEnd::Reset,
        }
    }
}

/// Waits until the client has everything that was sent. A reset makes the kernel throw away what has not left yet.
fn await_acknowledgement(wire: &mut Wire, host: &dyn Host) -> ClientEnd {
    let deadline = host.settings().timeout;
    let start = Instant::now();
    let mut pause = Duration::from_micros(20);
    while let Some(bytes) = wire.stream.unacknowledged() {
        let is_over = deadline.is_some_and(|deadline| start.elapsed() >= deadline);
        if bytes == 0 || is_over || host.is_abandoned() {
            break;
        }
        // Nothing tells when it happens. Short at first: most clients read at once.
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(5));
        if pause == Duration::from_millis(5) {
            host.about_to_wait();
        }
        if wire.receive_what_is_there().is_err() {
            return ClientEnd::Reset;
        }
    }
    ClientEnd::ClosedByUs
}
