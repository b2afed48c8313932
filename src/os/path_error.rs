//! Adds a path, and what was being done to it, to an I/O error.

use std::io;
use std::path::{Path, PathBuf};

/// An I/O error and what was being done to which path; the error is its source.
#[derive(Debug, thiserror::Error)]
#[error("failed to {action} `{}`", path.display())]
struct PathError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// Adds what was being done to which path; the kind stays.
pub(crate) fn on_path(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> io::Error {
    move |source| io::Error::new(source.kind(), PathError { action, path: path.into(), source })
}
