//! The listening socket: accepts until a deadline, and reaches threads that wait in it.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

use super::deadline::Deadline;
use super::kernel;
use super::stream;

#[derive(Debug)]
pub(crate) struct Listening {
    listener: TcpListener,
    pub(crate) addr: SocketAddr,
}

impl Listening {
    pub(crate) fn new(listener: TcpListener) -> io::Result<Self> {
        let addr = listener.local_addr()?;
        Ok(Listening { listener, addr })
    }

    /// The next connection; `None` if there is none until the deadline, or none is waited for any more. One that waits
    /// already is accepted whatever the deadline.
    pub(crate) fn accept(&self, deadline: Deadline) -> io::Result<Option<(TcpStream, SocketAddr)>> {
        loop {
            if let Some(left) = deadline.left() {
                // Works for accept(2) too: socket(7), SO_RCVTIMEO. Zero would mean "for ever".
                let left = left.max(Duration::from_micros(1));
                SockRef::from(&self.listener).set_read_timeout(Some(left))?;
            }
            // Not std's accept, which goes on after a signal as if its time had not begun.
            match SockRef::from(&self.listener).accept() {
                Ok((socket, addr)) => {
                    let addr = addr.as_socket().ok_or(io::ErrorKind::Unsupported)?;
                    return Ok(Some((socket.into(), addr)));
                }
                Err(error) if stream::is_timeout(&error) => return Ok(None),
                // The client was gone before it was accepted: accept(2).
                Err(error)
                    if stream::is_gone(&error) || error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits for as long as it takes until there is somebody to accept. Many may wait, and all are told.
    pub(crate) fn wait(&self) {
        kernel::wait_for_connection(&self.listener);
    }

    /// Takes back the deadline of an earlier `accept`: it is the socket's, not the call's.
    pub(crate) fn forget_deadline(&self) {
        // Where this fails the next `accept` returns earlier, and is called again.
        let _ = SockRef::from(&self.listener).set_read_timeout(None);
    }

    /// From now on `accept` does not wait. That does not reach a thread that waits already.
    pub(crate) fn stop_waiting(&self) {
        // Where this fails each thread is reached by a connection of its own.
        let _ = self.listener.set_nonblocking(true);
    }

    /// Reaches one thread that waits in `accept`: makes a connection, which comes behind all that were made before.
    pub(crate) fn knock(&self) -> io::Result<(SocketAddr, Socket)> {
        let mut addr = self.addr;
        if addr.ip().is_unspecified() {
            match addr {
                SocketAddr::V4(_) => addr.set_ip(Ipv4Addr::LOCALHOST.into()),
                SocketAddr::V6(_) => addr.set_ip(Ipv6Addr::LOCALHOST.into()),
            }
        }
        let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
        // A reset leaves no address in use for a minute (TIME_WAIT).
        socket.set_linger(Some(Duration::ZERO))?;
        // Whoever knocks must not wait, not even for a place in a full backlog: nobody waits in `accept` then.
        socket.set_nonblocking(true)?;
        match socket.connect(&addr.into()) {
            Err(error) if !stream::is_timeout(&error) && !stream::is_in_progress(&error) => {
                return Err(error);
            }
            _ => {}
        }
        let own_addr = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::Unsupported)?;
        Ok((own_addr, socket))
    }

    /// Reaches all threads that wait in `accept`, at a price: who waits to be accepted is reset.
    pub(crate) fn shut(&self) {
        // On platforms that don't know this for a listener `knock` has to do.
        let _ = SockRef::from(&self.listener).shutdown(Shutdown::Both);
    }
}
