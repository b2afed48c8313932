//! Windows: what is unsent and unacknowledged is computed from the statistics of the connection (`SIO_TCP_INFO`, Windows 10 1703).

use std::io;
use std::mem::{self, MaybeUninit};
use std::os::windows::io::AsRawSocket;
use std::ptr;

use socket2::Socket;
use windows_sys::Win32::Networking::WinSock;

use super::{Given, RemoteEnd};
use crate::os::socket_error;

/// No field counts what the client has not acknowledged: `BytesInFlight` leaves out what waits here for room. So it is that and what
/// is unsent.
pub(super) fn unacknowledged(socket: &Socket, given: Given) -> io::Result<u64> {
    let info = TcpInfo::of(socket)?;
    Ok(given.bytes.min(info.unsent(given) + info.in_flight))
}

pub(super) fn has_left(socket: &Socket, given: Given) -> io::Result<bool> {
    Ok(TcpInfo::of(socket)?.unsent(given) == 0)
}

pub(super) fn remote_end(socket: &Socket) -> Option<RemoteEnd> {
    use WinSock::{
        TCPSTATE_CLOSE_WAIT, TCPSTATE_CLOSED, TCPSTATE_CLOSING, TCPSTATE_LAST_ACK,
        TCPSTATE_TIME_WAIT,
    };

    match TcpInfo::of(socket) {
        Ok(info) => match info.state {
            TCPSTATE_CLOSED => Some(RemoteEnd::Reset),
            TCPSTATE_CLOSE_WAIT | TCPSTATE_CLOSING | TCPSTATE_LAST_ACK | TCPSTATE_TIME_WAIT => {
                Some(RemoteEnd::Closed)
            }
            _ => None,
        },
        Err(error) if socket_error::is_gone(&error) => Some(RemoteEnd::Reset),
        // A system that does not know the request.
        Err(_) => None,
    }
}

/// What is used of the statistics.
struct TcpInfo {
    state: WinSock::TCPSTATE,
    /// Sent and not acknowledged.
    in_flight: u64,
    sent: u64,
    sent_again: u64,
}

impl TcpInfo {
    fn of(socket: &Socket) -> io::Result<Self> {
        let version: u32 = 0;
        let mut info = MaybeUninit::<WinSock::TCP_INFO_v0>::zeroed();
        let mut length = 0;
        #[allow(clippy::cast_possible_truncation)] // the type that std widens
        let handle = socket.as_raw_socket() as WinSock::SOCKET;
        // SAFETY: the socket is open for as long as it is borrowed. The request reads a version of four bytes and writes at most a
        // structure of this version; both have the length that is passed and outlive the call, which does not overlap.
        let result = unsafe {
            WinSock::WSAIoctl(
                handle,
                WinSock::SIO_TCP_INFO,
                (&raw const version).cast(),
                size_of::<u32>(),
                info.as_mut_ptr().cast(),
                size_of::<WinSock::TCP_INFO_v0>(),
                &raw mut length,
                ptr::null_mut(),
                None,
            )
        };
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
        let info = info.as_ptr();
        // SAFETY: all of it was zeroed before the system wrote to it, and of integers every value is valid. The structure as a whole
        // is not read: one of its fields is a `bool`.
        unsafe {
            Ok(TcpInfo {
                state: (&raw const (*info).State).read(),
                in_flight: (&raw const (*info).BytesInFlight).read().into(),
                sent: (&raw const (*info).BytesOut).read(),
                sent_again: (&raw const (*info).BytesRetrans).read().into(),
            })
        }
    }

    /// How much of what the kernel was given it has never sent. The total includes what was sent again, as it does in RFC 4898; if
    /// it did not, this would be too much by that, never too little.
    fn unsent(&self, given: Given) -> u64 {
        given.bytes.saturating_sub(self.sent.saturating_sub(self.sent_again))
    }
}

fn size_of<T>() -> u32 {
    u32::try_from(mem::size_of::<T>()).unwrap_or(0)
}
