//! The listening socket: accepts without waiting, and may refuse connections for a while without losing its address.

use std::io;
#[cfg(any(target_os = "linux", target_os = "android"))]
use std::net::SocketAddr;
use std::net::TcpListener;
#[cfg(unix)]
use std::os::{fd::OwnedFd, unix::net::UnixListener};
#[cfg(unix)]
use std::path::Path;

#[cfg(any(target_os = "linux", target_os = "android"))]
use rustix::net::sockopt::set_socket_reuseport;
use socket2::Socket;
#[cfg(unix)]
use socket2::{Domain, Type};

use super::address::{self, Address};
#[cfg(any(target_os = "linux", target_os = "android"))]
use super::file_name::file_name;
use super::socket_error;
#[cfg(unix)]
use super::socket_file::SocketFile;
use super::stream::Stream;
use super::wire::Transport;

#[derive(Debug)]
pub(crate) struct Listener {
    // Dropped before the socket: while that listens, no other server takes the file for one of a dead server.
    #[cfg(unix)]
    file: Option<SocketFile>,
    socket: Socket,
    transport: Transport,
}

impl Listener {
    pub(crate) fn tcp(listener: TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Listener {
            #[cfg(unix)]
            file: None,
            socket: listener.into(),
            transport: Transport::Tcp,
        })
    }

    /// Over a Unix socket whose file is not ours.
    #[cfg(unix)]
    pub(crate) fn unix(listener: UnixListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let socket = Socket::from(OwnedFd::from(listener));
        Ok(Listener { file: None, socket, transport: Transport::Unix })
    }

    /// Listens on a Unix socket at this path.
    #[cfg(unix)]
    pub(crate) fn at_path(path: &Path, backlog: u32) -> io::Result<Self> {
        SocketFile::listen(path, backlog).and_then(Self::with_file)
    }

    /// Listens on a Unix socket in a temporary folder of its own.
    #[cfg(unix)]
    pub(crate) fn in_temporary_folder(backlog: u32) -> io::Result<Self> {
        SocketFile::listen_in_temporary_folder(backlog).and_then(Self::with_file)
    }

    #[cfg(unix)]
    fn with_file((socket, file): (Socket, SocketFile)) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Listener { file: Some(file), socket, transport: Transport::Unix })
    }

    pub(crate) fn socket(&self) -> &Socket {
        &self.socket
    }

    pub(crate) fn addr(&self) -> io::Result<Address> {
        #[cfg(unix)]
        if let Some(file) = &self.file {
            return Ok(Address::Unix(Some(file.path().into())));
        }
        let addr = self.socket.local_addr()?;
        #[cfg(unix)]
        if self.transport == Transport::Unix {
            return Ok(Address::Unix(addr.as_pathname().map(Path::to_path_buf)));
        }
        addr.as_socket().map(Address::Tcp).ok_or(io::ErrorKind::Unsupported.into())
    }

    /// Stops listening, and keeps the address: connections are refused, and those in the backlog reset.
    ///
    /// # Errors
    ///
    /// If there is no descriptor for a second socket; it listens on then. `Unsupported` on platforms other than Linux for TCP, and for a
    /// Unix socket whose file is not ours.
    pub(crate) fn refuse(&mut self) -> io::Result<()> {
        match self.transport {
            Transport::Tcp => self.refuse_tcp(),
            #[cfg(unix)]
            Transport::Unix => self.refuse_unix(),
            #[cfg(not(unix))]
            Transport::Unix => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// `shutdown` of a listening socket would do if it did not give a port back that the system had chosen, of which the next
    /// `listen` then chooses another one. So a second socket is bound to the port by number before the first one is closed.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn refuse_tcp(&mut self) -> io::Result<()> {
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
        let addr = self.socket.local_addr()?.as_socket().ok_or(io::ErrorKind::Unsupported)?;
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
    fn refuse_tcp(&mut self) -> io::Result<()> {
        let text = "only Linux lets a server keep its port while it refuses connections";
        Err(io::Error::new(io::ErrorKind::Unsupported, text))
    }

    /// A Unix socket that was shut down refuses connections, and keeps its file: as long as it is open, no other server takes the file for
    /// one of a dead server, and no other file has its inode. It cannot listen again; the next one is another socket.
    #[cfg(unix)]
    fn refuse_unix(&mut self) -> io::Result<()> {
        if self.file.is_none() {
            let text = "the listener was given, and with it its file: it cannot listen there again";
            return Err(io::Error::new(io::ErrorKind::Unsupported, text));
        }
        if self.socket.shutdown(std::net::Shutdown::Both).is_err() {
            // Other systems shut down only what is connected. A file without a socket refuses connections, too.
            self.socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        }
        // Those in the backlog wait for an answer. Bounded: no more can come.
        while let Ok(Some(connection)) = self.accept() {
            drop(connection);
        }
        Ok(())
    }

    /// Listens again after [`refuse`](Self::refuse).
    pub(crate) fn listen(&mut self, backlog: u32) -> io::Result<()> {
        #[cfg(unix)]
        if let Some(file) = &mut self.file {
            let socket = file.listen_again(backlog)?;
            socket.set_nonblocking(true)?;
            self.socket = socket;
            return Ok(());
        }
        // Connections of before are still bound to the port.
        address::share(&self.socket)?;
        self.socket.listen(address::backlog(backlog))
    }

    /// Whether a connection may be in the backlog. accept(2) says that there is no descriptor before it looks.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn has_waiting(&self) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};

        let mut listener = [PollFd::new(&self.socket, PollFlags::IN)];
        // Where it cannot be asked there may be one.
        poll(&mut listener, Some(&Timespec::default())).map_or(true, |ready| ready > 0)
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    #[allow(clippy::unused_self)] // used on Linux
    pub(crate) fn has_waiting(&self) -> bool {
        true
    }

    /// The next connection of the backlog; `None` if it is empty.
    pub(crate) fn accept(&self) -> io::Result<Option<(Stream, Address)>> {
        // Bounded: each round takes a connection from the backlog, and a flood of clients that leave at once ends here, too.
        for _ in 0..64 {
            match socket_error::without_waiting(accept(&self.socket, self.transport)) {
                Ok(None) => return Ok(None),
                Ok(Some((socket, addr))) => {
                    let addr = addr.ok_or(io::ErrorKind::Unsupported)?;
                    return Ok(Some((Stream::new(socket, self.transport), addr)));
                }
                // The client was gone before it was accepted: accept(2).
                Err(error) if socket_error::is_gone(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

/// A connection whose calls do not wait. One call, where others take three: accept4(2).
#[cfg(any(target_os = "linux", target_os = "android"))]
fn accept(listener: &Socket, transport: Transport) -> io::Result<(Socket, Option<Address>)> {
    use rustix::net::{SocketAddrAny, SocketAddrUnix, SocketFlags, acceptfrom_with};

    let path = |addr: SocketAddrAny| {
        let addr = SocketAddrUnix::try_from(addr).ok()?;
        Some(file_name(addr.path_bytes()?.into()).into())
    };
    let (socket, addr) = acceptfrom_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)?;
    let addr = match transport {
        Transport::Tcp => addr.and_then(|addr| SocketAddr::try_from(addr).ok()).map(Address::Tcp),
        Transport::Unix => Some(Address::Unix(addr.and_then(path))),
    };
    Ok((socket.into(), addr))
}

/// A connection whose calls do not wait.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn accept(listener: &Socket, transport: Transport) -> io::Result<(Socket, Option<Address>)> {
    let (socket, addr) = listener.accept()?;
    socket.set_nonblocking(true)?;
    let addr = match transport {
        Transport::Tcp => addr.as_socket().map(Address::Tcp),
        #[cfg(unix)]
        Transport::Unix => Some(Address::Unix(addr.as_pathname().map(Path::to_path_buf))),
        #[cfg(not(unix))]
        Transport::Unix => None,
    };
    Ok((socket, addr))
}
