//! What the kernel knows about a socket, and no well-kept crate asks for. With the timer of what has no event.
#![allow(unsafe_code)] // what no crate has is asked by number

#[cfg_attr(any(target_os = "linux", target_os = "android"), path = "linux.rs")]
#[cfg_attr(not(any(target_os = "linux", target_os = "android")), path = "silent.rs")]
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

/// How many bytes the kernel was given that the client has not acknowledged yet.
///
/// # Errors
///
/// `Unsupported` on platforms other than Linux.
pub(crate) fn unacknowledged(socket: &Socket) -> io::Result<u64> {
    system::unacknowledged(socket)
}

/// How many bytes the kernel was given and has not sent yet, because the client has no room for them.
///
/// # Errors
///
/// `Unsupported` on platforms other than Linux.
pub(crate) fn unsent(socket: &Socket) -> io::Result<u64> {
    system::unsent(socket)
}

/// How the client has ended its side, if it has, even if bytes before that are unread; `None` on platforms other than Linux.
pub(crate) fn remote_end(socket: &Socket) -> io::Result<Option<RemoteEnd>> {
    system::remote_end(socket)
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
