//! Addresses where connecting goes wrong: refused, never accepted, a full backlog.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use socket2::Socket;

use crate::os::{address, socket_error};

/// How long a connection attempt on the loopback may take before the backlog counts as full. The kernel answers within
/// microseconds; if the backlog is full, it tries again after a second.
const FULL_AFTER: Duration = Duration::from_millis(200);

/// More connections than any kernel accepts with a backlog of 0.
const MOST_ATTEMPTS: usize = 64;

/// An address of 127.0.0.1 at which no server answers, as long as this exists: for what a client does when it cannot connect.
///
/// ```
/// use fake_peer::faults::Unserved;
/// use std::io::ErrorKind;
/// use std::net::TcpStream;
///
/// let unserved = Unserved::refused()?;
/// let error = TcpStream::connect(unserved.addr()).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "the address is free again when this is dropped"]
pub struct Unserved {
    addr: SocketAddr,
    socket: Socket,
    /// Connections that fill the backlog.
    filling: Vec<TcpStream>,
}

impl Unserved {
    /// A port that refuses connections. It is reserved, so that no other program starts to listen there.
    ///
    /// # Errors
    ///
    /// If there is no free port that no server of this process has had.
    pub fn refused() -> io::Result<Self> {
        let socket = address::reserve()?;
        let addr = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::Unsupported)?;
        Ok(Unserved { addr, socket, filling: Vec::new() })
    }

    /// A port where connections are made and never accepted: the kernel takes some of what clients send, and no answer comes. When
    /// this is dropped, the connections are reset and new ones refused, as if a server dies while clients wait.
    ///
    /// # Errors
    ///
    /// If there is no free port.
    pub fn never_accepted() -> io::Result<Self> {
        Self::listening(1024)
    }

    /// A port whose backlog is full: connection attempts get no answer until the client gives up.
    ///
    /// # Errors
    ///
    /// If there is no free port; `Unsupported` if the kernel behaves in another way.
    ///
    /// Platform notes: works on Linux. Other systems refuse connections when a backlog is full, or go on accepting them.
    pub fn full_backlog() -> io::Result<Self> {
        let mut full = Self::listening(0)?;
        for _ in 0..MOST_ATTEMPTS {
            match TcpStream::connect_timeout(&full.addr, FULL_AFTER) {
                Ok(stream) => full.filling.push(stream),
                Err(error) if socket_error::is_timeout(&error) => return Ok(full),
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::new(io::ErrorKind::Unsupported, "this system's backlog is never full"))
    }

    /// The address.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.addr.port()
    }

    /// The `http` URL of a path at this address: `unserved.url("/a?b")`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    fn listening(backlog: i32) -> io::Result<Self> {
        let unserved = Self::refused()?;
        unserved.socket.listen(backlog)?;
        Ok(unserved)
    }
}
