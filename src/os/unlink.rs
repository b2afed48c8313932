//! Takes the name from a file that is still open.

use std::io;
use std::path::Path;

/// Removes the file's name, which is free for another file afterwards. Handles that are open keep the file.
#[cfg(not(windows))]
pub(crate) fn unlink(path: &Path) -> io::Result<()> {
    std::fs::remove_file(path)
}

/// Removes the file's name, which is free for another file afterwards. Handles that are open keep the file.
///
/// `DeleteFile` alone leaves the name until the last handle is closed, except for NTFS since Windows 10, version 1809. A file can be
/// renamed while it is open, as long as all who opened it allow that, which std does.
#[cfg(windows)]
pub(crate) fn unlink(path: &Path) -> io::Result<()> {
    use std::fs;
    use std::sync::atomic::{AtomicU64, Ordering};

    static NUMBER: AtomicU64 = AtomicU64::new(0);

    let mut name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    name.push(format!(".{}-{number}.removed", std::process::id()));
    let beside = path.with_file_name(name);
    fs::rename(path, &beside)?;
    fs::remove_file(&beside)
}
