//! Addresses at which nobody serves: refused, never accepted, a full backlog.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use crate::os::stream;

/// How long a connection attempt on the loopback may take before the backlog counts as full. The kernel answers within
/// microseconds, or, when it is full, tries again after a second.
const FULL_AFTER: Duration = Duration::from_millis(200);

/// More connections than any kernel takes with a backlog of none.
const MOST_ATTEMPTS: usize = 64;

/// An address of 127.0.0.1 at which nobody serves, as long as this exists: what a client does when its connection does
/// not come about.
///
/// ```
/// use fake_peer::faults::Unserved;
/// use std::io::ErrorKind;
/// use std::net::TcpStream;
///
/// let nobody = Unserved::refused()?;
/// let error = TcpStream::connect(nobody.addr()).unwrap_err();
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
    /// A port that refuses connections. It is taken, so that nobody else begins to listen there meanwhile.
    ///
    /// # Errors
    ///
    /// If there is no free port.
    pub fn refused() -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
        let addr = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::Unsupported)?;
        Ok(Unserved { addr, socket, filling: Vec::new() })
    }

    /// A port where connections come about and are never accepted: the kernel takes some of what clients send, and nobody
    /// answers. When this is dropped they are reset, and new ones refused: a server that dies while clients wait.
    ///
    /// # Errors
    ///
    /// If there is no free port.
    pub fn never_accepted() -> io::Result<Self> {
        Self::listening(1024)
    }

    /// A port whose backlog is full: attempts to connect get no answer, until the client gives up.
    ///
    /// # Errors
    ///
    /// If there is no free port; `Unsupported` where the kernel does not behave so.
    ///
    /// Platform notes: Linux does. Others refuse when a backlog is full, or go on taking connections.
    pub fn full_backlog() -> io::Result<Self> {
        let mut full = Self::listening(0)?;
        for _ in 0..MOST_ATTEMPTS {
            match TcpStream::connect_timeout(&full.addr, FULL_AFTER) {
                Ok(stream) => full.filling.push(stream),
                Err(error) if stream::is_timeout(&error) => return Ok(full),
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

    /// The `http` URL of a path at this address: `nobody.url("/a?b")`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    fn listening(backlog: i32) -> io::Result<Self> {
        let unserved = Self::refused()?;
        unserved.socket.listen(backlog)?;
        Ok(unserved)
    }
}
