//! Opens files: without waiting for anything, and below a folder and nothing else.

use std::fs::File;
use std::io;
use std::path::Path;

/// Opens a file for reading. A FIFO is opened without waiting for its writer.
#[cfg(unix)]
pub(crate) fn open_without_waiting(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;

    // On a regular file this has no effect.
    File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path)
}

#[cfg(not(unix))]
pub(crate) fn open_without_waiting(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// Opens the file or folder at `path`, relative to `folder`, without following a link on the way: `path` is one that has no links,
/// and if a part of it has become one since, this fails. A FIFO is opened without waiting for its writer.
#[cfg(unix)]
#[allow(unsafe_code)] // std opens no file relative to an open folder
pub(crate) fn open_beneath(folder: &Path, path: &Path) -> io::Result<File> {
    use std::ffi::CString;
    use std::os::fd::{AsRawFd, FromRawFd};
    use std::os::unix::ffi::OsStrExt;
    use std::path::Component;

    // A folder on the way may forbid to be listed.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    const ON_THE_WAY: libc::c_int = libc::O_PATH;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    const ON_THE_WAY: libc::c_int = libc::O_RDONLY;

    let mut opened = File::open(folder)?;
    let mut parts = path.components().peekable();
    while let Some(part) = parts.next() {
        let Component::Normal(name) = part else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let name = CString::new(name.as_bytes())?;
        let kind = if parts.peek().is_some() {
            ON_THE_WAY | libc::O_DIRECTORY
        } else {
            libc::O_RDONLY | libc::O_NONBLOCK
        };
        let flags = kind | libc::O_NOFOLLOW | libc::O_CLOEXEC;
        // SAFETY: the descriptor is open for as long as `opened` is, and the name ends with a NUL and outlives the call.
        let descriptor = unsafe { libc::openat(opened.as_raw_fd(), name.as_ptr(), flags) };
        if descriptor == -1 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call has just opened this descriptor, and nothing else owns it.
        opened = unsafe { File::from_raw_fd(descriptor) };
    }
    Ok(opened)
}

/// Opens the file at `path`, relative to `folder`; `path` is one that has no links.
#[cfg(not(unix))]
pub(crate) fn open_beneath(folder: &Path, path: &Path) -> io::Result<File> {
    File::open(folder.join(path))
}

/// Whether an error says that a path leads to no file: because nothing is there, or because no path can be like that.
pub(crate) fn leads_nowhere(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidFilename, InvalidInput, NotADirectory, NotFound};

    matches!(error.kind(), NotFound | NotADirectory | InvalidFilename | InvalidInput)
        || is_loop_of_links(error)
}

#[cfg(unix)]
fn is_loop_of_links(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ELOOP)
}

#[cfg(not(unix))]
fn is_loop_of_links(_: &io::Error) -> bool {
    false
}
