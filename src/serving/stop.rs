//! When serving ends: after a number of exchanges, or on request from another thread.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Waker;

use crate::os::lock::lock;

/// When [`serve_until`](crate::TcpServer::serve_until) returns. Clones share their state.
///
/// ```
/// use fake_peer::{Stop, TcpServer};
/// # use std::io::{Read, Write};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = TcpServer::builder().source("hi").bind()?;
/// let addr = server.local_addr();
/// let stop = Stop::new();
/// let serving = std::thread::spawn({
///     let stop = stop.clone();
///     move || server.serve_until(&stop)
/// });
/// # for _ in 0..3 {
/// #     let mut client = std::net::TcpStream::connect(addr)?;
/// #     client.write_all(b"hello")?;
/// #     client.read_to_end(&mut Vec::new())?;
/// # }
/// // …
/// stop.stop();
/// serving.join().unwrap()?;
/// # Ok(()) }
/// ```
#[derive(Clone, Default)]
pub struct Stop {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    exchanges: Option<u64>,
    is_requested: AtomicBool,
    /// The wakers of the calls that are serving.
    wakers: Mutex<Vec<Waker>>,
}

impl Stop {
    /// With [`stop`](Self::stop), and not before.
    pub fn new() -> Self {
        Self::default()
    }

    /// After this many exchanges of one call, or with [`stop`](Self::stop) if that is earlier.
    pub fn after(exchanges: u64) -> Self {
        let shared = Shared { exchanges: Some(exchanges), ..Shared::default() };
        Stop { shared: Arc::new(shared) }
    }

    /// Requests the end: exchanges in progress are completed, and none begins after this has returned. Later calls of
    /// [`serve_until`](crate::TcpServer::serve_until) return at once.
    pub fn stop(&self) {
        self.shared.is_requested.store(true, Ordering::SeqCst);
        let wakers = lock(&self.shared.wakers).clone();
        wakers.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn is_requested(&self) -> bool {
        self.shared.is_requested.load(Ordering::SeqCst)
    }

    pub(crate) fn exchanges(&self) -> Option<u64> {
        self.shared.exchanges
    }

    /// Wakes `waker` when [`stop`](Self::stop) is called while `serve` runs.
    pub(crate) fn while_waking<T>(&self, waker: Waker, serve: impl FnOnce() -> T) -> T {
        lock(&self.shared.wakers).push(waker.clone());
        let _registered = Registered { stop: self, waker };
        serve()
    }
}

/// Takes the waker back, also after a panic of what is served.
struct Registered<'s> {
    stop: &'s Stop,
    waker: Waker,
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        let mut wakers = lock(&self.stop.shared.wakers);
        if let Some(index) = wakers.iter().position(|waker| waker.will_wake(&self.waker)) {
            wakers.swap_remove(index);
        }
    }
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stop")
            .field("exchanges", &self.exchanges())
            .field("is_requested", &self.is_requested())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_has_returned_is_not_woken() {
        let stop = Stop::new();
        let waiting = || lock(&stop.shared.wakers).len();
        assert_eq!(stop.while_waking(Waker::noop().clone(), waiting), 1);
        assert_eq!(waiting(), 0);
    }
}
