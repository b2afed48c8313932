//! A file that holds the last request, or the last response, as its bytes arrive.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use crate::os::path_error::on_path;
use crate::os::unlink::unlink;

#[derive(Debug)]
pub(crate) struct RecordFile {
    path: PathBuf,
    actions: Actions,
    writing: Weak<()>,
}

/// What the errors of a file say was being done.
#[derive(Debug, Clone, Copy)]
struct Actions {
    replace: &'static str,
    open: &'static str,
    write: &'static str,
}

const REQUEST: Actions = Actions {
    replace: "replace request file",
    open: "open request file",
    write: "write to request file",
};

const RESPONSE: Actions = Actions {
    replace: "replace response file",
    open: "open response file",
    write: "write to response file",
};

impl RecordFile {
    /// A file of requests. Nothing is opened before [`open`](Self::open).
    pub(crate) fn of_requests(path: PathBuf) -> Self {
        RecordFile { path, actions: REQUEST, writing: Weak::new() }
    }

    /// A file of responses.
    pub(crate) fn of_responses(path: PathBuf) -> Self {
        RecordFile { path, actions: RESPONSE, writing: Weak::new() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether opening and writing the file cannot block: there is none yet, or it is a regular one.
    pub(crate) fn is_prompt(&self) -> bool {
        fs::metadata(&self.path).map_or(true, |metadata| metadata.is_file())
    }

    /// Empties the file for the next record. If the record before it is still being written, a new file is made at the path, so
    /// that the two don't mix.
    pub(crate) fn open(&mut self) -> io::Result<Box<dyn Write + Send>> {
        let is_file = || fs::symlink_metadata(&self.path).is_ok_and(|metadata| metadata.is_file());
        if self.writing.strong_count() > 0 && is_file() {
            // The other record keeps its file, which loses its name. Devices and links stay in place.
            match unlink(&self.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(on_path(self.actions.replace, &self.path)(error));
                }
                _ => {}
            }
        }
        let file = File::create(&self.path).map_err(on_path(self.actions.open, &self.path))?;
        let writing = Arc::new(());
        self.writing = Arc::downgrade(&writing);
        let write = self.actions.write;
        Ok(Box::new(FileRecord { file, path: self.path.clone(), write, _writing: writing }))
    }
}

struct FileRecord {
    file: File,
    path: PathBuf,
    write: &'static str,
    _writing: Arc<()>,
}

impl Write for FileRecord {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.file.write(bytes) {
            // `write_all` tries again after this kind of error, and must see it unwrapped.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            result => result.map_err(on_path(self.write, &self.path)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush().map_err(on_path(self.write, &self.path))
    }
}
