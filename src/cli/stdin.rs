//! Standard input as a response, and standard output as a record of requests.

use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::os::lock::lock;
use crate::response::steps::Response;

/// Whether a file name stands for standard input or output.
pub(super) fn is_dash(path: impl AsRef<Path>) -> bool {
    path.as_ref().as_os_str() == "-"
}

/// Standard input. What may be needed again is read to its end, and kept.
#[derive(Clone, Default)]
pub(super) struct Stdin {
    kept: Option<Arc<Mutex<Kept>>>,
    at: usize,
}

/// All of standard input, once it has been read.
type Kept = Option<Arc<[u8]>>;

impl Stdin {
    /// Whether it is kept, because it may be needed again.
    pub(super) fn new(is_kept: bool) -> Self {
        Stdin { kept: is_kept.then(Arc::default), at: 0 }
    }

    /// It is read while it is sent: other connections are served meanwhile.
    pub(super) fn response(&self) -> Response {
        Response::new().send_from(self.clone())
    }
}

impl Read for Stdin {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let failed = |error| name("read standard input", error);
        let Some(kept) = &self.kept else { return io::stdin().read(buffer).map_err(failed) };
        let mut kept = lock(kept);
        if kept.is_none() {
            let mut all = Vec::new();
            io::stdin().read_to_end(&mut all).map_err(failed)?;
            *kept = Some(all.into());
        }
        let bytes = kept.clone().unwrap_or_default();
        let length = (&bytes[self.at..]).read(buffer)?;
        self.at += length;
        Ok(length)
    }
}

/// Names standard output in its errors.
pub(super) struct Stdout;

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::stdout().write(bytes).map_err(|error| name("write to standard output", error))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush().map_err(|error| name("write to standard output", error))
    }
}

/// An interrupted call stays what it is: its caller makes it again.
fn name(action: &str, error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::Interrupted => error,
        kind => io::Error::new(kind, format!("failed to {action}: {error}")),
    }
}
