//! The listening socket: accepts until a deadline, and wakes threads that wait in `accept`.

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

    /// The next connection; `None` if there is none before the deadline, or accepting has ended. A connection that is in the
    /// backlog is accepted even if the deadline is over.
    pub(crate) fn accept(&self, deadline: Deadline) -> io::Result<Option<(TcpStream, SocketAddr)>> {
        loop {
            if let Some(left) = deadline.left() {
                // Works for accept(2) too: socket(7), SO_RCVTIMEO. Zero would mean "for ever".
                let left = left.max(Duration::from_micros(1));
                SockRef::from(&self.listener).set_read_timeout(Some(left))?;
            }
            // Not std's accept, which restarts the whole timeout after a signal.
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

    /// Waits without a timeout until there is a connection to accept. All waiting threads wake up.
    pub(crate) fn wait(&self) {
        kernel::wait_for_connection(&self.listener);
    }

    /// Removes the timeout that an earlier `accept` has set: it belongs to the socket, not to the call.
    pub(crate) fn forget_deadline(&self) {
        // If this fails the next `accept` returns early, and is called again.
        let _ = SockRef::from(&self.listener).set_read_timeout(None);
    }

    /// From now on `accept` does not wait. A thread that waits already is not woken.
    pub(crate) fn stop_waiting(&self) {
        // If this fails each thread is woken by a connection of its own.
        let _ = self.listener.set_nonblocking(true);
    }

    /// Wakes one thread that waits in `accept`, by a connection that is accepted after all that were made before it.
    pub(crate) fn knock(&self) -> io::Result<(SocketAddr, Socket)> {
        let mut addr = self.addr;
        if addr.ip().is_unspecified() {
            match addr {
                SocketAddr::V4(_) => addr.set_ip(Ipv4Addr::LOCALHOST.into()),
                SocketAddr::V6(_) => addr.set_ip(Ipv6Addr::LOCALHOST.into()),
            }
        }
        let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
        // After a reset the address is free at once, without a minute of TIME_WAIT.
        socket.set_linger(Some(Duration::ZERO))?;
        // This must not wait, not even for a place in a full backlog: no thread waits in `accept` then.
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

    /// Wakes all threads that wait in `accept`, at a price: connections in the backlog are reset.
    pub(crate) fn shut(&self) {
        // Platforms that can't shut down a listener rely on `knock`.
        let _ = SockRef::from(&self.listener).shutdown(Shutdown::Both);
    }
}
