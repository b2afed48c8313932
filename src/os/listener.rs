//! The listening socket: accepts without waiting, and may refuse connections for a while without losing its port.

use std::io;
use std::net::{SocketAddr, TcpListener};

#[cfg(any(target_os = "linux", target_os = "android"))]
use rustix::net::sockopt::set_socket_reuseport;
use socket2::Socket;
#[cfg(any(target_os = "linux", target_os = "android"))]
use socket2::{Domain, Type};

use super::address::{self, Address};
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

    /// Stops listening, and keeps the port: connections are refused, and those in the backlog reset.
    ///
    /// `shutdown` of a listening socket would do if it did not give a port back that the system had chosen, of which the next
    /// `listen` then chooses another one. So a second socket is bound to the port by number before the first one is closed.
    ///
    /// # Errors
    ///
    /// If there is no descriptor for the second socket; it listens on then. `Unsupported` on platforms other than Linux.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn refuse(&mut self) -> io::Result<()> {
        let bound = self.bind_beside();
        // The option was for this moment: no third socket shares the port.
        set_socket_reuseport(&self.socket, false)?;
        let keeper = bound?;
        set_socket_reuseport(&keeper, false)?;
        // Not even one that does not listen, as long as this one does not.
        keeper.set_reuse_address(false)?;
        // Not only closed: the user may have a clone of it.
        self.socket.shutdown(std::net::Shutdown::Both)?;
        self.socket = keeper;
        Ok(())
    }

    /// Another socket that is bound to the same port, which the kernel allows if both have `SO_REUSEPORT`: socket(7).
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn bind_beside(&self) -> io::Result<Socket> {
        let addr = self.addr()?;
        let beside = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
        beside.set_nonblocking(true)?;
        if addr.is_ipv6() {
            beside.set_only_v6(self.socket.only_v6()?)?;
        }
        beside.set_reuse_address(true)?;
        set_socket_reuseport(&beside, true)?;
        set_socket_reuseport(&self.socket, true)?;
        beside.bind(&addr.into())?;
        Ok(beside)
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    #[allow(clippy::unused_self)] // used on Linux
    pub(crate) fn refuse(&mut self) -> io::Result<()> {
        let text = "only Linux lets a server keep its port while it refuses connections";
        Err(io::Error::new(io::ErrorKind::Unsupported, text))
    }

    /// Listens again after [`refuse`](Self::refuse).
    pub(crate) fn listen(&self, backlog: u32) -> io::Result<()> {
        // Connections of before are still bound to the port.
        address::share(&self.socket)?;
        self.socket.listen(address::backlog(backlog))
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
