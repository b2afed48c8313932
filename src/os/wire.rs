//! The socket of a connection: reads and writes that never wait, and the options that they need.

use std::io::{self, Read, Write};
use std::sync::Arc;

use socket2::{SockRef, Socket};

#[cfg(any(target_os = "linux", target_os = "android"))]
use super::held_back::HeldBack;
use super::kernel::Given;
use super::socket_error::without_waiting;

/// What kind of socket a stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp,
    #[cfg_attr(not(unix), allow(dead_code))] // no builder makes such a listener there
    Unix,
}

/// The socket of a stream.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(super) socket: Arc<Socket>,
    pub(super) transport: Transport,
    writes: Writes,
    pub(super) given: Given,
    /// Of a Unix socket.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(super) held_back: Option<HeldBack>,
}

/// How many writes there were, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writes {
    None,
    One,
    Many,
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if let Some(held_back) = &mut self.held_back {
            return held_back.read(buffer);
        }
        (&*self.socket).read(buffer)
    }
}

impl Wire {
    /// A socket whose calls do not wait.
    pub(super) fn new(socket: Socket, transport: Transport) -> Self {
        let socket = Arc::new(socket);
        Wire {
            #[cfg(any(target_os = "linux", target_os = "android"))]
            held_back: (transport == Transport::Unix).then(|| HeldBack::new(&socket)),
            socket,
            transport,
            writes: Writes::None,
            given: Given::default(),
        }
    }

    /// One read that does not wait.
    #[cfg_attr(not(feature = "tls"), allow(dead_code))]
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        without_waiting(Read::read(self, buffer))
    }

    /// One write.
    pub(crate) fn write(&mut self, bytes: &[u8], next: Next) -> io::Result<Option<usize>> {
        self.count_write();
        let written = self.write_once(bytes, next)?;
        self.given.bytes += written.unwrap_or(0) as u64;
        Ok(written)
    }

    fn write_once(&self, bytes: &[u8], next: Next) -> io::Result<Option<usize>> {
        // Less than a segment waits for the end of the stream, which follows at once: MSG_MORE in send(2).
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if next == Next::End {
            let flags = libc::MSG_NOSIGNAL | libc::MSG_MORE;
            return without_waiting(self.socket.send_with_flags(bytes, flags));
        }
        // MSG_MORE would end with the first acknowledgement: TCP_CORK in tcp(7).
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if next == Next::Close && self.transport == Transport::Tcp {
            // Where this fails so does the write.
            let _ = rustix::net::sockopt::set_tcp_cork(&*self.socket, true);
        }
        let _ = next;
        without_waiting((&*self.socket).write(bytes))
    }

    /// The first write of a connection leaves at once. The others wait for its acknowledgement unless an option says otherwise
    /// (RFC 896), which takes a call that a connection with one write does not need.
    fn count_write(&mut self) {
        if self.writes == Writes::One && self.transport == Transport::Tcp {
            // Where this fails so does the write.
            let _ = set_options(&*self.socket);
        }
        self.writes = if self.writes == Writes::None { Writes::One } else { Writes::Many };
    }
}

/// What follows the bytes of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// The end of the stream, at once.
    End,
    /// The close of the socket, at once: on Linux less than a segment waits for it.
    Close,
    /// Something else, or nothing yet.
    Other,
}

/// Sets the options that every TCP connection has.
pub(crate) fn set_options<'s, S>(socket: &'s S) -> io::Result<()>
where
    SockRef<'s>: From<&'s S>,
{
    // Each write becomes a segment of its own: split writes stay split.
    SockRef::from(socket).set_tcp_nodelay(true)
}
