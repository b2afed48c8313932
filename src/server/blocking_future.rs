//! A future of something that blocks, in a thread of its own. Needs no runtime.

use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;

use crate::os::lock::lock;
use crate::serving::user_code::Payload;

/// Starts `work` now. If it panics, the future does, too.
///
/// # Errors
///
/// If no thread can be started. `work` is dropped then.
pub(crate) fn run<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<Running<T>> {
    let shared = Arc::new(Mutex::new(Shared { result: None, waker: None }));
    let running = Running { shared: Arc::clone(&shared) };
    thread::Builder::new().spawn(move || {
        let result = panic::catch_unwind(AssertUnwindSafe(work));
        let mut shared = lock(&shared);
        shared.result = Some(result);
        if let Some(waker) = shared.waker.take() {
            waker.wake();
        }
    })?;
    Ok(running)
}

pub(crate) struct Running<T> {
    shared: Arc<Mutex<Shared<T>>>,
}

struct Shared<T> {
    result: Option<Result<T, Payload>>,
    waker: Option<Waker>,
}

impl<T> Future for Running<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let mut shared = lock(&self.shared);
        match shared.result.take() {
            Some(Ok(result)) => Poll::Ready(result),
            Some(Err(payload)) => panic::resume_unwind(payload),
            None => {
                shared.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}
