//! What the kernel knows about a socket, and no well-kept crate asks for. The one file with unsafe code.
#![allow(unsafe_code)] // two ioctls and two polls

use std::io;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

/// How the other end of a connection ended it.
#[cfg_attr(not(any(target_os = "linux", target_os = "android")), allow(dead_code))] // not known there
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RemoteEnd {
    /// It closed, or shut down its sending side.
    Closed,
    /// It reset the connection.
    Reset,
}

/// How many bytes the kernel was given that the client has not acknowledged yet: SIOCOUTQ in tcp(7).
///
/// # Errors
///
/// `Unsupported` on platforms other than Linux.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn unacknowledged(stream: &TcpStream) -> io::Result<u64> {
    queue_length(stream, libc::TIOCOUTQ)
}

/// How many bytes the kernel was given and has not sent yet, because the client has no room for them: SIOCOUTQNSD.
///
/// # Errors
///
/// `Unsupported` on platforms other than Linux.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn unsent(stream: &TcpStream) -> io::Result<u64> {
    #[allow(clippy::unnecessary_cast)] // requests have another type with musl
    queue_length(stream, libc::SIOCOUTQNSD as libc::Ioctl)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn queue_length(stream: &TcpStream, request: libc::Ioctl) -> io::Result<u64> {
    use std::os::fd::AsRawFd;

    let mut bytes: libc::c_int = 0;
    // SAFETY: the descriptor is open for as long as `stream` is borrowed, and each of the two requests (TIOCOUTQ is the
    // same number as SIOCOUTQ) writes one int to where the third argument points, which outlives the call.
    let result = unsafe { libc::ioctl(stream.as_raw_fd(), request, &raw mut bytes) };
    if result == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(u64::try_from(bytes).unwrap_or(0))
}

/// Waits until the listening socket has a connection to accept, or is shut down.
#[cfg(target_os = "linux")]
pub(crate) fn wait_for_connection(listener: &TcpListener) {
    use std::os::fd::AsRawFd;

    let mut poll = libc::pollfd { fd: listener.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: there is one `pollfd`, as the second argument says, and it outlives the call.
    // The result does not matter: the caller accepts next.
    unsafe { libc::poll(&raw mut poll, 1, -1) };
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn wait_for_connection(_: &TcpListener) {}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn unacknowledged(_: &TcpStream) -> io::Result<u64> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn unsent(_: &TcpStream) -> io::Result<u64> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Waits until there is room for bytes to send, for at most `timeout`; true if there is. Returns early after a signal.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn await_room(stream: &TcpStream, timeout: Duration) -> io::Result<bool> {
    Ok(poll(stream, libc::POLLOUT, timeout)? != 0)
}

/// Here a write itself waits.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn await_room(_: &TcpStream, _: Duration) -> io::Result<bool> {
    Ok(false)
}

/// Waits until the client has closed or reset its side, even if bytes before that are unread, for at most `timeout`.
/// Returns early after a signal.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn await_end(stream: &TcpStream, timeout: Duration) -> io::Result<Option<RemoteEnd>> {
    Ok(match poll(stream, libc::POLLRDHUP, timeout)? {
        0 => None,
        events if events & libc::POLLERR != 0 => Some(RemoteEnd::Reset),
        _ => Some(RemoteEnd::Closed),
    })
}

/// Waits for one of these events, an error or a hang-up, for at most `timeout`; the events that have happened. None after a
/// signal.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn poll(stream: &TcpStream, events: libc::c_short, timeout: Duration) -> io::Result<libc::c_short> {
    use std::os::fd::AsRawFd;

    let timeout = libc::c_int::try_from(timeout.as_millis()).unwrap_or(libc::c_int::MAX).max(1);
    let mut poll = libc::pollfd { fd: stream.as_raw_fd(), events, revents: 0 };
    // SAFETY: the descriptor is open for as long as `stream` is borrowed, and poll(2) writes to the one `pollfd` that the
    // pointer points to, as the 1 says, which outlives the call.
    if unsafe { libc::poll(&raw mut poll, 1, timeout) } == -1 {
        let error = io::Error::last_os_error();
        return if error.kind() == io::ErrorKind::Interrupted { Ok(0) } else { Err(error) };
    }
    Ok(poll.revents)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn await_end(_: &TcpStream, timeout: Duration) -> io::Result<Option<RemoteEnd>> {
    std::thread::sleep(timeout);
    Ok(None)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::time::{Duration, Instant};

    #[test]
    fn sees_an_end_after_bytes_that_are_not_read() {
        for (linger, expected) in
            [(None, RemoteEnd::Closed), (Some(Duration::ZERO), RemoteEnd::Reset)]
        {
            let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
            let mut client =
                TcpStream::connect(listener.local_addr().expect("bound")).expect("connected");
            let (server, _) = listener.accept().expect("a client");
            client.write_all(b"unread").expect("open");
            assert_eq!(await_end(&server, Duration::from_millis(1)).expect("open"), None);
            socket2::SockRef::from(&client).set_linger(linger).expect("open");
            drop(client);
            let end = await_end(&server, Duration::from_secs(10)).expect("open");
            assert_eq!(end, Some(expected));
        }
    }

    #[test]
    fn counts_what_a_slow_client_has_not_acknowledged() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let mut client =
            TcpStream::connect(listener.local_addr().expect("bound")).expect("connected");
        let (mut server, _) = listener.accept().expect("a client");
        assert_eq!(unacknowledged(&server).expect("an open socket"), 0, "nothing sent");

        server.set_nonblocking(true).expect("set");
        let mut sent = 0;
        while let Ok(length) = server.write(&[0; 4096]) {
            sent += length as u64;
        }
        let held = unacknowledged(&server).expect("an open socket");
        assert!(
            0 < held && held < sent,
            "the client's buffer holds some of {sent}, not all: {held} left"
        );
        let unsent_bytes = unsent(&server).expect("an open socket");
        assert!(0 < unsent_bytes && unsent_bytes <= held, "{unsent_bytes} of {held} have not left");

        server.shutdown(std::net::Shutdown::Write).expect("open");
        client.set_read_timeout(Some(Duration::from_secs(10))).expect("set");
        client.read_to_end(&mut Vec::new()).expect("all of it");
        let patience = Instant::now() + Duration::from_secs(10);
        while unacknowledged(&server).expect("an open socket") > 0 && Instant::now() < patience {
            std::thread::yield_now();
        }
        assert_eq!(unacknowledged(&server).expect("an open socket"), 0, "all read");
        assert_eq!(unsent(&server).expect("an open socket"), 0, "all read");
    }
}
