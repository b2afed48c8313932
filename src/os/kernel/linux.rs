//! Linux: the lengths of its queue are two ioctls, the client's end is a poll.

use std::io;
use std::os::fd::AsRawFd;

use socket2::Socket;

use super::RemoteEnd;

/// SIOCOUTQ in tcp(7).
pub(super) fn unacknowledged(socket: &Socket) -> io::Result<u64> {
    queue_length(socket, libc::TIOCOUTQ)
}

/// SIOCOUTQNSD.
pub(super) fn unsent(socket: &Socket) -> io::Result<u64> {
    #[allow(clippy::unnecessary_cast)] // requests have another type with musl
    queue_length(socket, libc::SIOCOUTQNSD as libc::Ioctl)
}

fn queue_length(socket: &Socket, request: libc::Ioctl) -> io::Result<u64> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the descriptor is open for as long as `socket` is borrowed, and each of the two requests (TIOCOUTQ is the
    // same number as SIOCOUTQ) writes one int to where the third argument points, which outlives the call.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), request, &raw mut bytes) };
    if result == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(u64::try_from(bytes).unwrap_or(0))
}

/// POLLRDHUP in poll(2). No portable readiness event says this.
pub(super) fn remote_end(socket: &Socket) -> io::Result<Option<RemoteEnd>> {
    let mut poll = libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLRDHUP, revents: 0 };
    // SAFETY: the descriptor is open for as long as `socket` is borrowed, and poll(2) writes to the one `pollfd` that the
    // pointer points to, as the 1 says, which outlives the call. It does not wait.
    if unsafe { libc::poll(&raw mut poll, 1, 0) } == -1 {
        let error = io::Error::last_os_error();
        return if error.kind() == io::ErrorKind::Interrupted { Ok(None) } else { Err(error) };
    }
    Ok(match poll.revents {
        0 => None,
        events if events & libc::POLLERR != 0 => Some(RemoteEnd::Reset),
        _ => Some(RemoteEnd::Closed),
    })
}
