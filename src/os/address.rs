//! Addresses: how they are reported, which ones a text stands for, and a listening socket bound to one of them.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::path::{Path, PathBuf};

use socket2::{Domain, Socket, Type};

use super::ports::PORTS;

/// The address of a server or a client, where one is reported: by a [`Client`](crate::Client), an
/// [`Event`](crate::Event) or an [`Error`](crate::Error).
///
/// More kinds of address may come, so a `match` needs a wildcard. Prints as `127.0.0.1:8080`, or as `unix:/path`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// An IP address and a TCP port.
    Tcp(SocketAddr),
    /// A Unix socket, and its path. Most clients have none, and print as `unix:(unnamed)`.
    Unix(Option<PathBuf>),
}

impl Address {
    /// The IP address and the port; `None` for an address of another kind.
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        match self {
            Address::Tcp(addr) => Some(*addr),
            Address::Unix(_) => None,
        }
    }

    /// The path of a Unix socket; `None` if it has none, and for an address of another kind.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Address::Unix(path) => path.as_deref(),
            Address::Tcp(_) => None,
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(addr: SocketAddr) -> Self {
        Address::Tcp(addr)
    }
}

impl PartialEq<SocketAddr> for Address {
    fn eq(&self, other: &SocketAddr) -> bool {
        self.socket_addr().as_ref() == Some(other)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(addr) => addr.fmt(f),
            Address::Unix(Some(path)) => write!(f, "unix:{}", path.display()),
            Address::Unix(None) => f.write_str("unix:(unnamed)"),
        }
    }
}

/// A host as it stands in a URL: an IPv6 address is in brackets (RFC 3986 section 3.2.2).
pub(crate) fn host_in_url(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

/// Binds to the first address of `text` (`host:port`) that can be bound.
pub(crate) fn listen(text: &str, backlog: u32) -> io::Result<TcpListener> {
    let mut last = None;
    for addr in resolve(text)? {
        match bind(addr, backlog) {
            Err(error) => last = Some(error),
            bound => return bound,
        }
    }
    Err(last.unwrap_or_else(no_address))
}

/// The error for a name that has no address to connect or bind to.
pub(crate) fn no_address() -> io::Error {
    io::Error::new(io::ErrorKind::AddrNotAvailable, "the name has no address")
}

pub(crate) fn resolve(text: &str) -> io::Result<Vec<SocketAddr>> {
    if let Ok(addr) = text.parse() {
        return Ok(vec![addr]);
    }
    let is_host = |host: &str| {
        !host.is_empty() && (!host.contains(':') || (host.starts_with('[') && host.ends_with(']')))
    };
    let Some((host, port)) = text.rsplit_once(':').filter(|(host, _)| is_host(host)) else {
        return Err(not_an_address());
    };
    let port = parse_port(port).ok_or_else(not_an_address)??;
    if host.starts_with('[') {
        // Brackets hold an IPv6 address, and this one could not be parsed.
        return Err(not_an_address());
    }
    // As socket.bind(("localhost", 8080)) in the tutorial's Python, also where the resolver lists ::1 first.
    if host.eq_ignore_ascii_case("localhost") {
        return Ok(vec![(Ipv4Addr::LOCALHOST, port).into()]);
    }
    Ok((host, port).to_socket_addrs()?.collect())
}

/// The port that a text stands for; `None` if it is no number, an error if no port has that number.
fn parse_port(text: &str) -> Option<io::Result<u16>> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| {
        text.parse().map_err(|_| {
            let text = format!("port {text} is out of range (0 to 65535)");
            io::Error::new(io::ErrorKind::InvalidInput, text)
        })
    })
}

fn not_an_address() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        "an address is `host:port`, such as 127.0.0.1:8080 or [::1]:8080",
    )
}

fn bind(addr: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let backlog = self::backlog(backlog);
    if addr.port() == 0 {
        let socket = PORTS.bind_new(|port| bind_alone(addr, port))?;
        socket.listen(backlog)?;
        // Not earlier: a port that was chosen here must be no other program's, not even of one that is about to listen.
        share(&socket)?;
        return Ok(socket.into());
    }
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
    share(&socket)?;
    socket.bind(&addr.into())?;
    socket.listen(backlog)?;
    Ok(socket.into())
}

/// The backlog as `listen` takes it.
pub(crate) fn backlog(connections: u32) -> i32 {
    i32::try_from(connections).unwrap_or(i32::MAX)
}

/// A socket on a port of 127.0.0.1 that no server of this process has had. It does not listen.
pub(crate) fn reserve() -> io::Result<Socket> {
    PORTS.bind_new(|port| bind_alone((Ipv4Addr::LOCALHOST, 0).into(), port))
}

/// Binds to a port of this address that has no other socket; with the port that it is.
fn bind_alone(mut addr: SocketAddr, port: u16) -> io::Result<(Socket, u16)> {
    addr.set_port(port);
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
    socket.bind(&addr.into())?;
    let bound = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::Unsupported)?;
    Ok((socket, bound.port()))
}

/// Lets a later server have the port while connections of this one are still closing.
pub(crate) fn share(socket: &Socket) -> io::Result<()> {
    // On Windows this option would let two servers listen there.
    if cfg!(not(windows)) { socket.set_reuse_address(true) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn localhost_is_the_ipv4_loopback() {
        for text in ["localhost:80", "LOCALHOST:80", "127.0.0.1:80"] {
            assert_eq!(
                resolve(text).expect(text),
                ["127.0.0.1:80".parse().expect("an address")],
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_not_host_and_port_is_refused() {
        for text in [
            "",
            "8080",
            ":8080",
            "localhost",
            "localhost:http",
            "localhost:+80",
            "[localhost]:80",
            "127.0.0.1",
            "::1",
        ] {
            let error = resolve(text).expect_err(text);
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{text}: {error}");
        }
    }

    #[test]
    fn a_port_that_cannot_be_is_named() {
        for text in ["localhost:65536", "127.0.0.1:80800", "[::1]:99999999999999999999"] {
            let error = resolve(text).expect_err(text);
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{text}");
            assert!(error.to_string().ends_with("is out of range (0 to 65535)"), "{text}: {error}");
        }
    }
}
