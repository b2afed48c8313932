//! What the kernel knows about a socket, and no well-kept crate asks for. With the timer of what has no event.
//! Which system says what:
//!
//! | | not acknowledged | all has left | the client's end after unread bytes |
//! |---|---|---|---|
//! | Linux | `SIOCOUTQ` | `SIOCOUTQNSD` | `POLLRDHUP` |
//! | macOS, FreeBSD | the length of the send buffer | once all is acknowledged | the connection's state |
//! | Windows 10 (1703) and later | computed from `SIO_TCP_INFO` | computed from `SIO_TCP_INFO` | the connection's state |
//! | others, Wine 8 | unknown | unknown | unknown |
#![allow(unsafe_code)] // what no crate has is asked by number

#[cfg_attr(any(target_os = "linux", target_os = "android"), path = "linux.rs")]
#[cfg_attr(any(target_vendor = "apple", target_os = "freebsd"), path = "bsd.rs")]
#[cfg_attr(windows, path = "windows.rs")]
#[cfg_attr(
    not(any(
        target_os = "linux",
        target_os = "android",
        target_vendor = "apple",
        target_os = "freebsd",
        windows
    )),
    path = "silent.rs"
)]
mod system;

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
        self.0 = (pause * 2).min(LOOK_AGAIN);
        pause
    }
}

/// The longest time between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// The longest time between two looks at a client that may never do anything.
const LOOK_AGAIN_LATE: Duration = Duration::from_millis(100);

/// How long to wait before the next look at a client that has neither taken nor sent anything for so long: as long again, so that the
/// pauses double.
#[cfg_attr(not(any(target_os = "linux", target_os = "android")), allow(dead_code))]
pub(super) fn next_look(inactive: Duration) -> Duration {
    inactive.clamp(LOOK_AGAIN, LOOK_AGAIN_LATE)
}

/// How the other end of a connection ended it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RemoteEnd {
    /// It closed, or shut down its sending side.
    Closed,
    /// It reset the connection.
    Reset,
}

/// What this side has given to the kernel for sending.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Given {
    /// In all, over the life of the connection.
    pub(crate) bytes: u64,
    /// Whether the end of the stream, too.
    pub(crate) end: bool,
}

/// How many bytes the kernel was given that the client has not acknowledged yet.
///
/// # Errors
///
/// Where the system does not say, and where the connection is gone.
pub(crate) fn unacknowledged(socket: &Socket, given: Given) -> io::Result<u64> {
    system::unacknowledged(socket, given)
}

/// Whether everything that the kernel was given has been sent, the end of the stream included.
///
/// # Errors
///
/// Where the system does not say, and where the connection is gone.
pub(crate) fn has_left(socket: &Socket, given: Given) -> io::Result<bool> {
    system::has_left(socket, given)
}

/// How many bytes have arrived and were not taken.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn unread(socket: &Socket) -> io::Result<u64> {
    system::unread(socket)
}

/// How the client has ended its side, if it has, even if bytes before that are unread; `None` as well where the system does not say.
pub(crate) fn remote_end(socket: &Socket) -> Option<RemoteEnd> {
    system::remote_end(socket)
}

#[cfg(test)]
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

    /// Wine 8 is a Windows that answers nothing.
    fn answers(socket: &Socket) -> bool {
        !cfg!(windows) || unacknowledged(socket, Given::default()).is_ok()
    }

    #[test]
    fn sees_an_end_after_bytes_that_are_not_read() {
        for (linger, expected) in
            [(None, RemoteEnd::Closed), (Some(Duration::ZERO), RemoteEnd::Reset)]
        {
            let (server, mut client) = connected();
            if !answers(&server) {
                return;
            }
            client.write_all(b"unread").expect("open");
            assert_eq!(remote_end(&server), None);
            socket2::SockRef::from(&client).set_linger(linger).expect("open");
            drop(client);
            wait_until(|| remote_end(&server).is_some());
            assert_eq!(remote_end(&server), Some(expected));
        }
    }

    #[test]
    fn counts_what_a_slow_client_has_not_acknowledged() {
        let (mut server, mut client) = connected();
        if !answers(&server) {
            return;
        }
        let mut given = Given::default();
        assert_eq!(unacknowledged(&server, given).expect("an open socket"), 0, "nothing sent");
        assert!(has_left(&server, given).expect("an open socket"), "nothing sent");

        server.set_nonblocking(true).expect("set");
        while let Ok(length) = server.write(&[0; 4096]) {
            given.bytes += length as u64;
        }
        let held = unacknowledged(&server, given).expect("an open socket");
        assert!(
            0 < held && held < given.bytes,
            "the client's buffer holds some of {}, not all: {held} left",
            given.bytes
        );
        assert!(!has_left(&server, given).expect("an open socket"), "{held} are still here");

        server.shutdown(std::net::Shutdown::Write).expect("open");
        given.end = true;
        client.set_read_timeout(Some(Duration::from_secs(10))).expect("set");
        client.read_to_end(&mut Vec::new()).expect("all of it");
        wait_until(|| unacknowledged(&server, given).expect("an open socket") == 0);
        assert!(has_left(&server, given).expect("an open socket"), "all read");
    }
}
