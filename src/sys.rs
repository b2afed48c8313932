//! What the kernel knows about a socket and no well-kept crate asks it for. The one place with unsafe code.
#![allow(unsafe_code)] // an ioctl

use std::io;
use std::net::TcpStream;

/// How many bytes have been handed to the kernel and not been acknowledged by the client yet.
///
/// # Errors
///
/// `Unsupported` on platforms other than Linux.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn unacknowledged(stream: &TcpStream) -> io::Result<u64> {
    use std::os::fd::AsRawFd;

    let mut bytes: libc::c_int = 0;
    // SAFETY: the descriptor is open for as long as `stream` is borrowed, and TIOCOUTQ (the SIOCOUTQ of tcp(7), the
    // same number) writes one int to where the third argument points, which outlives the call.
    let result = unsafe { libc::ioctl(stream.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    if result == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(u64::try_from(bytes).unwrap_or(0))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn unacknowledged(_: &TcpStream) -> io::Result<u64> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::time::{Duration, Instant};

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

        server.shutdown(std::net::Shutdown::Write).expect("open");
        client.set_read_timeout(Some(Duration::from_secs(10))).expect("set");
        client.read_to_end(&mut Vec::new()).expect("all of it");
        let patience = Instant::now() + Duration::from_secs(10);
        while unacknowledged(&server).expect("an open socket") > 0 && Instant::now() < patience {
            std::thread::yield_now();
        }
        assert_eq!(unacknowledged(&server).expect("an open socket"), 0, "all read");
    }
}
