//! When serving is over: when somebody says so, or after so many exchanges.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

use crate::os::lock::lock;
use crate::serving::service::Service;

/// When [`serve_until`](crate::TcpServer::serve_until) is to return. Clones are the same.
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
    /// Who waits for it.
    serving: Mutex<Vec<Weak<Service>>>,
}

impl Stop {
    /// Not before [`stop`](Self::stop).
    pub fn new() -> Self {
        Self::default()
    }

    /// After this many exchanges of one call, or with [`stop`](Self::stop) if that comes earlier.
    pub fn after(exchanges: u64) -> Self {
        let shared = Shared { exchanges: Some(exchanges), ..Shared::default() };
        Stop { shared: Arc::new(shared) }
    }

    /// Lets exchanges that have begun come to their end; none begins after this has returned. A call of
    /// [`serve_until`](crate::TcpServer::serve_until) that comes later returns at once.
    pub fn stop(&self) {
        self.shared.is_requested.store(true, Ordering::SeqCst);
        for service in lock(&self.shared.serving).iter().filter_map(Weak::upgrade) {
            service.begin_no_more();
        }
    }

    pub(crate) fn is_requested(&self) -> bool {
        self.shared.is_requested.load(Ordering::SeqCst)
    }

    pub(crate) fn exchanges(&self) -> Option<u64> {
        self.shared.exchanges
    }

    /// Has this service told when the time has come, while `serve` runs.
    pub(crate) fn tell<T>(&self, service: &Arc<Service>, serve: impl FnOnce() -> T) -> T {
        let told = Arc::downgrade(service);
        lock(&self.shared.serving).push(Weak::clone(&told));
        let _told = Told { stop: self, service: told };
        serve()
    }
}

/// Also if what is served panics.
struct Told<'s> {
    stop: &'s Stop,
    service: Weak<Service>,
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        let mut serving = lock(&self.stop.shared.serving);
        serving.retain(|service| !Weak::ptr_eq(service, &self.service));
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
