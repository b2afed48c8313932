//! A certificate in a file of the system's temporary folder.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::{env, process};

/// A certificate in a file, which is removed when this is dropped: [`Ca::pem_file`](super::Ca::pem_file), [`Server::pem_file`](super::Server::pem_file). It is the path of the file.
#[derive(Debug)]
pub struct PemFile(PathBuf);

impl PemFile {
    pub(super) fn new(pem: &str) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        // A file of a process that had this number before may be left: the next name is free.
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let name = format!("fake-peer-ca-{}-{number}.pem", process::id());
            let path = env::temp_dir().join(name);
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(mut file) => {
                    if let Err(error) = file.write_all(pem.as_bytes()) {
                        panic!("failed to write `{}`: {error}", path.display());
                    }
                    return PemFile(path);
                }
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => panic!("failed to create `{}`: {error}", path.display()),
            }
        }
    }
}

impl Deref for PemFile {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl AsRef<Path> for PemFile {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl AsRef<std::ffi::OsStr> for PemFile {
    fn as_ref(&self) -> &std::ffi::OsStr {
        self.0.as_os_str()
    }
}

impl Drop for PemFile {
    fn drop(&mut self) {
        // A test may have removed it.
        let _ = fs::remove_file(&self.0);
    }
}
