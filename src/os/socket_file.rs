//! The file of a Unix socket that listens: bound, put in the place of one that a dead server has left, and removed with the server.

use std::collections::hash_map::RandomState;
use std::fs::{self, DirBuilder, Metadata};
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};

use super::address;
use super::folder_lock::FolderLock;
use super::path_error::on_path;

/// How often something else may come between two looks at the same path, or a random name may exist already.
const TRIES: usize = 16;

/// Removes the file when it is dropped, unless another one is at its path by then.
#[derive(Debug)]
pub(crate) struct SocketFile {
    /// As it was asked for.
    path: PathBuf,
    /// From the root, for the process may change its folder.
    absolute: PathBuf,
    identity: Identity,
    /// The folder that was made for it.
    folder: Option<PathBuf>,
}

/// Device and inode, which no other file has as long as the socket is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity(u64, u64);

impl SocketFile {
    /// Listens at this path.
    ///
    /// # Errors
    ///
    /// `AddrInUse` if a server is listening there, `AlreadyExists` if what is there is no socket, `InvalidInput` for a path that no
    /// socket can have; others are those of the system.
    pub(crate) fn listen(path: &Path, backlog: u32) -> io::Result<(Socket, Self)> {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.into());
        let socket = bind(path)?;
        // Nothing listens there before the file is known: a failure leaves no file that looks alive.
        let identity = Identity::of(&fs::symlink_metadata(&absolute)?);
        let file = SocketFile { path: path.into(), absolute, identity, folder: None };
        socket.listen(address::backlog(backlog))?;
        Ok((socket, file))
    }

    /// Listens in a new folder, which only this user can enter.
    pub(crate) fn listen_in_temporary_folder(backlog: u32) -> io::Result<(Socket, Self)> {
        let folder = make_folder(&std::env::temp_dir())?;
        let path = folder.join("peer");
        match Self::listen(&path, backlog) {
            Ok((socket, mut file)) => {
                file.folder = Some(folder);
                Ok((socket, file))
            }
            Err(error) => {
                // The first error says more.
                let _ = fs::remove_dir(&folder);
                // Of which the user knows nothing.
                Err(on_path("listen at", &path)(error))
            }
        }
    }

    /// Listens at the same path with another socket, after the first one was closed. The file is a new one.
    pub(crate) fn listen_again(&mut self, backlog: u32) -> io::Result<Socket> {
        self.remove();
        let socket = bind(&self.path)?;
        self.identity = Identity::of(&fs::symlink_metadata(&self.absolute)?);
        socket.listen(address::backlog(backlog))?;
        Ok(socket)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn remove(&self) {
        let is_ours = |file: Metadata| Identity::of(&file) == self.identity;
        if fs::symlink_metadata(&self.absolute).is_ok_and(is_ours) {
            // The folder may be read-only by now: then the file stays, and the next server finds nothing alive behind it.
            let _ = fs::remove_file(&self.absolute);
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        self.remove();
        if let Some(folder) = &self.folder {
            // Not if the test has put something else there.
            let _ = fs::remove_dir(folder);
        }
    }
}

impl Identity {
    fn of(file: &Metadata) -> Self {
        Identity(file.dev(), file.ino())
    }
}

/// A socket with this path, in the place of one that nothing has open any more. It does not listen.
fn bind(path: &Path) -> io::Result<Socket> {
    let addr = socket_addr(path)?;
    for _ in 0..TRIES {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        match socket.bind(&addr) {
            Ok(()) => return Ok(socket),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => make_way(path, &addr)?,
            Err(error) => return Err(error),
        }
    }
    Err(in_use())
}

/// Removes the file of a socket that nothing has open any more.
fn make_way(path: &Path, addr: &SockAddr) -> io::Result<()> {
    // Between the look at a file and its removal another server could replace it. Device and inode do not tell: the new file often gets
    // the inode of the one that was removed. A server that binds needs no lock, for it binds only where no file is.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let _lock = FolderLock::of(folder.unwrap_or(Path::new(".")));
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if !found.file_type().is_socket() {
        let text = "what is there is no socket, so it is not replaced";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
    }
    // A stream would be a connection, which a server that is alive would accept. A socket of another type connects to none: EPROTOTYPE
    // in connect(2), ECONNREFUSED if there is no socket behind the file.
    match Socket::new(Domain::UNIX, Type::DGRAM, None)?.connect(addr) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(error),
        Ok(()) | Err(_) => return Err(in_use()),
    }
    match fs::symlink_metadata(path) {
        // Another server has replaced it meanwhile.
        Ok(now) if Identity::of(&now) != Identity::of(&found) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        _ => match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        },
    }
}

fn in_use() -> io::Error {
    io::Error::new(io::ErrorKind::AddrInUse, "a server is listening there")
}

/// The address of a path, if it can be one. What connect(2) and bind(2) say of others does not name the limit.
fn socket_addr(path: &Path) -> io::Result<SockAddr> {
    let most = size_of::<libc::sockaddr_un>() - std::mem::offset_of!(libc::sockaddr_un, sun_path);
    let bytes = path.as_os_str().as_bytes();
    let text = if bytes.is_empty() {
        "a Unix socket needs a path".into()
    } else if bytes.contains(&0) {
        "a path has no NUL byte".into()
    } else if bytes.len() >= most {
        let (length, most) = (bytes.len(), most - 1);
        format!("the path of a Unix socket has at most {most} bytes, not {length}")
    } else {
        return SockAddr::unix(path);
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, text))
}

/// A new folder with a random name, for this user alone.
fn make_folder(parent: &Path) -> io::Result<PathBuf> {
    let mut made = Err(io::ErrorKind::AlreadyExists.into());
    for _ in 0..TRIES {
        // Seeded by the system. Nothing depends on the name being secret: the folder is made by this call or not at all.
        let random = RandomState::new().build_hasher().finish() >> 32;
        let folder = parent.join(format!("fake-peer-{random:08x}"));
        made = DirBuilder::new().mode(0o700).create(&folder).map(|()| folder);
        if !matches!(&made, Err(error) if error.kind() == io::ErrorKind::AlreadyExists) {
            break;
        }
    }
    made.map_err(on_path("make a folder in", parent))
}
