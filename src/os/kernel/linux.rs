//! Linux: the lengths of its queues are three ioctls, the client's end is a poll.

use std::io;
use std::os::fd::AsRawFd;

use socket2::Socket;

use super::{Given, RemoteEnd};

/// SIOCOUTQ in tcp(7), where the end of the stream counts as a byte.
pub(super) fn unacknowledged(socket: &Socket, given: Given) -> io::Result<u64> {
    let bytes = queue_length(socket, libc::TIOCOUTQ)?;
    Ok(bytes.saturating_sub(u64::from(given.end)))
}

/// SIOCOUTQNSD.
pub(super) fn has_left(socket: &Socket, _: Given) -> io::Result<bool> {
    #[allow(clippy::unnecessary_cast)] // requests have another type with musl
    let unsent = queue_length(socket, libc::SIOCOUTQNSD as libc::Ioctl)?;
    Ok(unsent == 0)
}

/// FIONREAD, SIOCINQ in unix(7).
pub(super) fn unread(socket: &Socket) -> io::Result<u64> {
    queue_length(socket, libc::FIONREAD)
}

fn queue_length(socket: &Socket, request: libc::Ioctl) -> io::Result<u64> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the descriptor is open for as long as `socket` is borrowed, and each of the three requests (TIOCOUTQ is the
    // same number as SIOCOUTQ) writes one int to where the third argument points, which outlives the call.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), request, &raw mut bytes) };
    if result == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(u64::try_from(bytes).unwrap_or(0))
}

/// POLLRDHUP in poll(2). No portable readiness event says this.
pub(super) fn remote_end(socket: &Socket) -> Option<RemoteEnd> {
    let mut poll = libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLRDHUP, revents: 0 };
    // SAFETY: the descriptor is open for as long as `socket` is borrowed, and poll(2) writes to the one `pollfd` that the
    // pointer points to, as the 1 says, which outlives the call. It does not wait.
    if unsafe { libc::poll(&raw mut poll, 1, 0) } == -1 {
        // A signal, or no memory: the next look will say.
        return None;
    }
    match poll.revents {
        0 => None,
        events if events & libc::POLLERR != 0 => Some(RemoteEnd::Reset),
        _ => Some(RemoteEnd::Closed),
    }
}
