//! Threads that go on after the exchange that started them, and are joined in the end.

use std::io;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use crate::os::lock::lock;

#[derive(Debug, Default)]
pub(crate) struct Background {
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// The first one.
    failure: Mutex<Option<io::Error>>,
}

impl Background {
    /// Does `work` in a thread. [`join`](Self::join) returns its error.
    pub(crate) fn start(
        self: &Arc<Self>,
        work: impl FnOnce() -> io::Result<()> + Send + 'static,
    ) -> io::Result<()> {
        let background = Arc::clone(self);
        let thread = thread::Builder::new().name("proxy".into()).spawn(move || {
            if let Err(error) = work() {
                background.fail(error);
            }
        })?;
        let mut threads = lock(&self.threads);
        threads.retain(|thread| !thread.is_finished());
        threads.push(thread);
        Ok(())
    }

    pub(crate) fn fail(&self, error: io::Error) {
        lock(&self.failure).get_or_insert(error);
    }

    /// Waits for all threads; the first error.
    pub(crate) fn join(&self) -> io::Result<()> {
        loop {
            // Not under the lock: a thread may start another one before it ends.
            let Some(thread) = lock(&self.threads).pop() else {
                return lock(&self.failure).take().map_or(Ok(()), Err);
            };
            if thread.join().is_err() {
                self.fail(io::Error::other("a thread of the proxy panicked"));
            }
        }
    }
}
