//! The listening socket: accepts without waiting.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::Socket;

use super::address::Address;
use super::stream::{self, Stream, Transport};

#[derive(Debug)]
pub(crate) struct Listener {
    socket: Socket,
    transport: Transport,
}

impl Listener {
    pub(crate) fn new(listener: TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Listener { socket: listener.into(), transport: Transport::Tcp })
    }

    pub(crate) fn socket(&self) -> &Socket {
        &self.socket
    }

    pub(crate) fn addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()?.as_socket().ok_or(io::ErrorKind::Unsupported.into())
    }

    /// The next connection of the backlog; `None` if it is empty.
    pub(crate) fn accept(&self) -> io::Result<Option<(Stream, Address)>> {
        // Bounded: each round takes a connection from the backlog, and a flood of clients that leave at once ends here, too.
        for _ in 0..64 {
            match stream::without_waiting(accept(&self.socket)) {
                Ok(None) => return Ok(None),
                Ok(Some((socket, addr))) => {
                    let addr = addr.ok_or(io::ErrorKind::Unsupported)?;
                    return Ok(Some((Stream::new(socket, self.transport), addr.into())));
                }
                // The client was gone before it was accepted: accept(2).
                Err(error) if stream::is_gone(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

/// A connection whose calls do not wait. One call, where others take three: accept4(2).
#[cfg(any(target_os = "linux", target_os = "android"))]
fn accept(listener: &Socket) -> io::Result<(Socket, Option<SocketAddr>)> {
    use rustix::net::{SocketFlags, acceptfrom_with};

    let (socket, addr) = acceptfrom_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)?;
    Ok((socket.into(), addr.and_then(|addr| addr.try_into().ok())))
}

/// A connection whose calls do not wait.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn accept(listener: &Socket) -> io::Result<(Socket, Option<SocketAddr>)> {
    let (socket, addr) = listener.accept()?;
    socket.set_nonblocking(true)?;
    Ok((socket, addr.as_socket()))
}
