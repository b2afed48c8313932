//! A listening socket that the process was started with, as systemd does it: `sd_listen_fds(3)`.
#![allow(unsafe_code)] // a descriptor becomes a socket

use std::env;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixListener;
use std::process;

use socket2::{Domain, Socket, Type};

/// The first descriptor after the three standard ones.
const FIRST: RawFd = 3;

#[derive(Debug)]
pub(crate) enum Inherited {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Takes the listener over, if the environment says that there is one. It may be called once.
///
/// # Errors
///
/// What is wrong with it.
pub(crate) fn take() -> Result<Option<Inherited>, String> {
    let Some(count) = env::var_os("LISTEN_FDS") else { return Ok(None) };
    let ours = process::id();
    match env::var_os("LISTEN_PID") {
        Some(pid) if pid.to_str().is_some_and(|pid| pid.parse() == Ok(ours)) => {}
        Some(pid) => {
            let pid = pid.display();
            return Err(format!("LISTEN_PID is `{pid}`, and this process is {ours}"));
        }
        None => return Err("LISTEN_FDS is set, and LISTEN_PID is not".into()),
    }
    if count != "1" {
        return Err(format!("LISTEN_FDS is `{}`, and one listener is served", count.display()));
    }
    // SAFETY: asks for the flags of a number, which may be no descriptor.
    if unsafe { libc::fcntl(FIRST, libc::F_GETFD) } == -1 {
        return Err(format!("descriptor {FIRST} of LISTEN_FDS is not open"));
    }
    // SAFETY: the descriptor is open, and by the protocol it was opened for this process. Nothing else here uses it: this comes before
    // everything that opens files, which get the lowest numbers that are free, and so none that is in use.
    let socket = Socket::from(unsafe { OwnedFd::from_raw_fd(FIRST) });
    listener(socket)
        .map(Some)
        .map_err(|_| format!("descriptor {FIRST} of LISTEN_FDS is no listener of TCP or Unix"))
}

/// `SO_ACCEPTCONN` in socket(7).
fn is_listening(socket: &Socket) -> bool {
    let mut value: libc::c_int = 0;
    let mut length = libc::socklen_t::try_from(size_of_val(&value)).expect("four bytes");
    // SAFETY: the descriptor is open for as long as `socket` is borrowed; the option is one int, written to where the fourth argument
    // points, and its length to where the fifth one does, both of which outlive the call.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ACCEPTCONN,
            (&raw mut value).cast(),
            &raw mut length,
        )
    };
    result == 0 && value != 0
}

fn listener(socket: Socket) -> io::Result<Inherited> {
    let addr = socket.local_addr()?;
    let listens = socket.r#type()? == Type::STREAM && is_listening(&socket);
    match addr.domain() {
        Domain::IPV4 | Domain::IPV6 if listens => Ok(Inherited::Tcp(socket.into())),
        Domain::UNIX if listens => Ok(Inherited::Unix(OwnedFd::from(socket).into())),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}
