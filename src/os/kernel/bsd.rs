//! macOS and FreeBSD: the length of the send buffer, and the state of the connection.

use std::io;
use std::mem::{self, MaybeUninit};
use std::os::fd::AsRawFd;

use socket2::Socket;

use super::{Given, RemoteEnd};
use crate::os::socket_error;

#[cfg(target_vendor = "apple")]
use libc::{TCP_CONNECTION_INFO as TCP_STATE, tcp_connection_info as TcpInfo};
#[cfg(target_os = "freebsd")]
use libc::{TCP_INFO as TCP_STATE, tcp_info as TcpInfo};

// netinet/tcp_fsm.h, the same on both: states after the other end's FIN.
const CLOSED: u8 = 0;
const CLOSE_WAIT: u8 = 5;
const CLOSING: u8 = 7;
const LAST_ACK: u8 = 8;
const TIME_WAIT: u8 = 10;

/// Bytes stay in the send buffer until they are acknowledged. The end of the stream is not one of them.
pub(super) fn unacknowledged(socket: &Socket, _: Given) -> io::Result<u64> {
    let bytes = send_buffer(socket)?;
    Ok(u64::try_from(bytes).unwrap_or(0))
}

/// Nothing says less than that it is acknowledged, which takes as long as a client delays its acknowledgement. The end of the stream
/// leaves together with the last byte, or at once.
pub(super) fn has_left(socket: &Socket, given: Given) -> io::Result<bool> {
    unacknowledged(socket, given).map(|bytes| bytes == 0)
}

#[cfg(target_vendor = "apple")]
fn send_buffer(socket: &Socket) -> io::Result<libc::c_int> {
    // SAFETY: the system writes an int for this option, of which every value is valid.
    unsafe { option(socket, libc::SOL_SOCKET, libc::SO_NWRITE) }
}

#[cfg(target_os = "freebsd")]
fn send_buffer(socket: &Socket) -> io::Result<libc::c_int> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the descriptor is open for as long as `socket` is borrowed, and FIONWRITE writes one int to where the third
    // argument points, which outlives the call.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::FIONWRITE, &raw mut bytes) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(bytes) }
}

/// By the state of the connection: kqueue says the same only of sockets that are registered for it.
pub(super) fn remote_end(socket: &Socket) -> Option<RemoteEnd> {
    // SAFETY: the system writes this structure of integers for this option, of which every value is valid.
    match unsafe { option::<TcpInfo>(socket, libc::IPPROTO_TCP, TCP_STATE) } {
        Ok(info) => match info.tcpi_state {
            CLOSED => Some(RemoteEnd::Reset),
            CLOSE_WAIT | CLOSING | LAST_ACK | TIME_WAIT => Some(RemoteEnd::Closed),
            _ => None,
        },
        Err(error) if socket_error::is_gone(&error) => Some(RemoteEnd::Reset),
        // Not a TCP connection.
        Err(_) => None,
    }
}

/// The value of a socket option: getsockopt(2). What the system does not write stays zero, as in a structure that an older system
/// knows less of.
///
/// # Safety
///
/// All zeros are a valid `T`, and so is whatever the system writes for this option.
unsafe fn option<T>(socket: &Socket, level: libc::c_int, name: libc::c_int) -> io::Result<T> {
    let mut value = MaybeUninit::<T>::zeroed();
    let mut length = libc::socklen_t::try_from(mem::size_of::<T>()).unwrap_or(0);
    // SAFETY: the descriptor is open for as long as `socket` is borrowed, and the system writes at most `length` bytes to
    // `value`; both outlive the call.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            level,
            name,
            value.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if result == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the caller promises that zeros are valid, and what was written over them.
    Ok(unsafe { value.assume_init() })
}
