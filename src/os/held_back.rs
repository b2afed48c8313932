//! The last byte that has arrived on a Unix socket: it is read and left in the kernel, so that the connection can be reset.
//!
//! `SO_LINGER` does nothing on a Unix socket. But if bytes are unread when it is closed, Linux lets the client read all that was sent, and
//! then fail with `ECONNRESET`: `unix_release_sock` in the kernel's `net/unix/af_unix.c`. So one byte of a request is taken only when more
//! comes, or when the connection ends in another way.

use std::io::{self, Read};
use std::sync::Arc;

use rustix::net::RecvFlags;
use socket2::Socket;

use super::kernel;

/// Reads a socket, all but the last byte.
#[derive(Debug)]
pub(super) struct HeldBack {
    socket: Arc<Socket>,
    byte: Byte,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Byte {
    /// What was read is out of the queue.
    Taken,
    /// The last byte that was read is still in it.
    Held,
    /// Nothing is taken any more.
    LeftForReset,
}

impl HeldBack {
    pub(super) fn new(socket: &Arc<Socket>) -> Self {
        HeldBack { socket: Arc::clone(socket), byte: Byte::Taken }
    }

    /// Whether a byte is held, and no other is unread.
    pub(super) fn is_alone(&self) -> bool {
        self.byte == Byte::Held && kernel::unread(&self.socket).is_ok_and(|unread| unread == 1)
    }

    /// Leaves what is unread. Whether there is anything: then the close is a reset.
    pub(super) fn leave(&mut self) -> io::Result<bool> {
        self.byte = Byte::LeftForReset;
        Ok(kernel::unread(&self.socket)? > 0)
    }

    fn take(&mut self) -> io::Result<()> {
        if self.byte == Byte::Held {
            self.byte = Byte::Taken;
            (&*self.socket).read_exact(&mut [0])?;
        }
        Ok(())
    }
}

impl Read for HeldBack {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut unread = kernel::unread(&self.socket)?;
        if self.byte == Byte::Held {
            // Before the set is asked, which would report it again and again.
            self.take()?;
            unread = unread.saturating_sub(1);
        }
        let mut socket = &*self.socket;
        if unread == 0 {
            // The end, or an error. Or bytes that have come meanwhile, of which the last one is held back, too.
            let Some(first) = buffer.get_mut(..1) else { return Ok(0) };
            if rustix::net::recv(socket, first, RecvFlags::PEEK)?.0 == 0 {
                return Ok(0);
            }
            unread = kernel::unread(socket)?.max(1);
        }
        let unread = usize::try_from(unread).unwrap_or(usize::MAX);
        if unread > buffer.len() {
            // Something stays unread anyway.
            return socket.read(buffer);
        }
        let (others, last) = buffer[..unread].split_at_mut(unread - 1);
        let length = if others.is_empty() { 0 } else { socket.read(others)? };
        if length < others.len() {
            return Ok(length);
        }
        let (held, _) = rustix::net::recv(socket, last, RecvFlags::PEEK)?;
        self.byte = if held == 1 { Byte::Held } else { Byte::Taken };
        Ok(length + held)
    }
}

/// Without the byte, the close is an ordinary one.
impl Drop for HeldBack {
    fn drop(&mut self) {
        // Where this fails the client is gone.
        let _ = self.take();
    }
}
