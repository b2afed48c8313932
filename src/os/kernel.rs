//! What the kernel knows about a socket, and no well-kept crate asks for. With the timer of what has no event.
#![allow(unsafe_code)] // two ioctls and a poll

use std::io;
use std::time::Duration;

use socket2::Socket;

/// What has no readiness event anywhere is looked at this often: whether a client has acknowledged everything, and whether it has ended
/// after bytes that are left unread. The pause begins short, since most clients read at once, and doubles.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PollTimer(Duration);

impl PollTimer {
    pub(crate) fn new() -> Self {
        PollTimer(Duration::from_micros(20))
    }

    /// How long to wait before the next look.
    pub(crate) fn next(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (pause * 2).min(Duration::from_millis(5));
        pause
    }
}

/// How the other end of a connection ended it.
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
pub(crate) fn unacknowledged(socket: &Socket) -> io::Result<u64> {
    queue_length(socket, libc::TIOCOUTQ)
}

/// How many bytes the kernel was given and has not sent yet, because the client has no room for them: SIOCOUTQNSD.
///
/// # Errors
///
/// `Unsupported` on platforms other than Linux.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn unsent(socket: &Socket) -> io::Result<u64> {
    #[allow(clippy::unnecessary_cast)] // requests have another type with musl
    queue_length(socket, libc::SIOCOUTQNSD as libc::Ioctl)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn queue_length(socket: &Socket, request: libc::Ioctl) -> io::Result<u64> {
    use std::os::fd::AsRawFd;

    let mut bytes: libc::c_int = 0;
    // SAFETY: the descriptor is open for as long as `socket` is borrowed, and each of the two requests (TIOCOUTQ is the
    // same number as SIOCOUTQ) writes one int to where the third argument points, which outlives the call.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), request, &raw mut bytes) };
    if result == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(u64::try_from(bytes).unwrap_or(0))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn unacknowledged(_: &Socket) -> io::Result<u64> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn unsent(_: &Socket) -> io::Result<u64> {
    Err(io::ErrorKind::Unsupported.into())
}

/// How the client has ended its side, if it has, even if bytes before that are unread: POLLRDHUP in poll(2). No portable readiness
/// event says this.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn remote_end(socket: &Socket) -> io::Result<Option<RemoteEnd>> {
    use std::os::fd::AsRawFd;

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

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn remote_end(_: &Socket) -> io::Result<Option<RemoteEnd>> {
    Ok(None)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::time::{Duration, Instant};

    fn connected() -> (Socket, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let client = TcpStream::connect(listener.local_addr().expect("bound")).expect("connected");
        let (server, _) = listener.accept().expect("a client");
        (server.into(), client)
    }

    #[track_caller]
    fn wait_until(mut is_so: impl FnMut() -> bool) {
        let end = Instant::now() + Duration::from_secs(10);
        while !is_so() {
            assert!(Instant::now() < end, "not within 10 s");
            std::thread::yield_now();
        }
    }

    #[test]
    fn sees_an_end_after_bytes_that_are_not_read() {
        for (linger, expected) in
            [(None, RemoteEnd::Closed), (Some(Duration::ZERO), RemoteEnd::Reset)]
        {
            let (server, mut client) = connected();
            client.write_all(b"unread").expect("open");
            assert_eq!(remote_end(&server).expect("open"), None);
            socket2::SockRef::from(&client).set_linger(linger).expect("open");
            drop(client);
            wait_until(|| remote_end(&server).expect("open").is_some());
            assert_eq!(remote_end(&server).expect("open"), Some(expected));
        }
    }

    #[test]
    fn counts_what_a_slow_client_has_not_acknowledged() {
        let (mut server, mut client) = connected();
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
        wait_until(|| unacknowledged(&server).expect("an open socket") == 0);
        assert_eq!(unsent(&server).expect("an open socket"), 0, "all read");
    }
}
