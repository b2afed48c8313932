//! The ports that servers of this process have had: port 0 gives each of them once, and when there is no other the oldest again.
//!
//! A client that keeps connections in a pool takes a new server at a known port for the old one, and sends it what was meant for that.
//! The system does give a port again, the next moment if the last connection ended with a reset, since then no `TIME_WAIT` is left.

use std::collections::VecDeque;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};

use super::lock::lock;

/// The ports of this process.
pub(crate) static PORTS: Ports = Ports::new();

/// A bit for each port that a server has had, on whatever address: a pool goes by names, too, and `localhost` is 127.0.0.1 and `::1`,
/// as 0.0.0.0 is every address. A process can have 28,232 servers on Linux (`ip_local_port_range`). Bits for each address would
/// allow more, but only to a process that uses several addresses, and would take 8 KiB for each.
#[derive(Debug)]
pub(crate) struct Ports {
    used: Bits,
    /// Those that were given again.
    given_again: Bits,
    /// All that were used, the oldest first.
    in_order: Mutex<VecDeque<u16>>,
    /// The lowest and the highest port that the system has chosen: the range to look for more in.
    lowest: AtomicU16,
    highest: AtomicU16,
}

/// A bit for each port.
#[derive(Debug)]
struct Bits([AtomicU64; 1024]);

impl Bits {
    const fn new() -> Self {
        Bits([const { AtomicU64::new(0) }; 1024])
    }

    /// Sets a bit; whether it was not set.
    fn set(&self, port: u16) -> bool {
        let (word, bit) = self.place(port);
        word.fetch_or(bit, Ordering::Relaxed) & bit == 0
    }

    fn is_set(&self, port: u16) -> bool {
        let (word, bit) = self.place(port);
        word.load(Ordering::Relaxed) & bit != 0
    }

    fn place(&self, port: u16) -> (&AtomicU64, u64) {
        (&self.0[usize::from(port / 64)], 1 << (port % 64))
    }
}

impl Ports {
    const fn new() -> Self {
        Ports {
            used: Bits::new(),
            given_again: Bits::new(),
            in_order: Mutex::new(VecDeque::new()),
            lowest: AtomicU16::new(u16::MAX),
            highest: AtomicU16::new(0),
        }
    }

    /// Notes a port; whether it was new.
    pub(crate) fn note(&self, port: u16) -> bool {
        let is_new = self.used.set(port);
        if is_new {
            lock(&self.in_order).push_back(port);
        }
        is_new
    }

    /// Whether a port was given again, because there was no other.
    pub(crate) fn is_given_again(&self, port: u16) -> bool {
        self.given_again.is_set(port)
    }

    /// Binds to a port that no server of this process has had: one that the system chooses, if it is new; otherwise the next
    /// new one that is free; if there is none, the one that was used the longest time ago and is free. `bind` gets 0 for any port, and returns what it has bound with the port.
    ///
    /// # Errors
    ///
    /// `AddrInUse` if all ports are in use; others are those of `bind`.
    pub(crate) fn bind_new<T>(
        &self,
        mut bind: impl FnMut(u16) -> io::Result<(T, u16)>,
    ) -> io::Result<T> {
        let chosen = match bind(0) {
            Ok((bound, port)) => {
                self.lowest.fetch_min(port, Ordering::Relaxed);
                self.highest.fetch_max(port, Ordering::Relaxed);
                if self.note(port) {
                    return Ok(bound);
                }
                port
            }
            // It had looked at all of them.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(exhausted()),
            Err(error) => return Err(error),
        };
        // Not again with 0: the system looks at one half of its range first, and when all of that was used it goes on choosing there.
        let (lowest, highest) =
            (self.lowest.load(Ordering::Relaxed), self.highest.load(Ordering::Relaxed));
        for port in (chosen..=highest).chain(lowest..chosen) {
            if self.used.is_set(port) {
                continue;
            }
            match bind(port) {
                Ok((bound, port)) if self.note(port) => return Ok(bound),
                // Another thread was faster.
                Ok(_) => {}
                Err(error) if is_not_to_be_had(&error) => {}
                Err(error) => return Err(error),
            }
        }
        self.bind_oldest(bind)
    }

    fn bind_oldest<T>(&self, mut bind: impl FnMut(u16) -> io::Result<(T, u16)>) -> io::Result<T> {
        let all = lock(&self.in_order).len();
        for _ in 0..all {
            let Some(oldest) = lock(&self.in_order).pop_front() else { break };
            let bound = bind(oldest);
            lock(&self.in_order).push_back(oldest);
            match bound {
                Ok((bound, port)) => {
                    self.given_again.set(port);
                    return Ok(bound);
                }
                Err(error) if is_not_to_be_had(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Err(exhausted())
    }
}

/// Whether another program has this port, or the system keeps it: on Windows a range that is excluded.
fn is_not_to_be_had(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied)
}

fn exhausted() -> io::Error {
    io::Error::new(
        io::ErrorKind::AddrInUse,
        "each port that the system could choose is in use; ask for a port by number, or use fewer servers at a time",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A system with these ports, of which it chooses always the same one.
    fn choosing(chosen: u16, taken: &[u16], port: u16) -> io::Result<(u16, u16)> {
        let port = if port == 0 { chosen } else { port };
        if taken.contains(&port) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        Ok((port, port))
    }

    #[test]
    fn each_port_of_a_small_range_is_given_once_and_then_the_oldest_again() {
        let ports = Ports::new();
        for chosen in [1000, 1009] {
            assert_eq!(ports.bind_new(|port| choosing(chosen, &[], port)).expect("free"), chosen);
        }
        let taken = [1003, 1005];
        let others: Vec<_> = (0..6)
            .map(|_| ports.bind_new(|port| choosing(1004, &taken, port)).expect("free"))
            .collect();
        assert_eq!(others, [1004, 1006, 1007, 1008, 1001, 1002]);
        assert!(!ports.is_given_again(1000));
        // The oldest, of those that are free.
        let taken = [1003, 1005, 1009];
        for oldest in [1000, 1004, 1006] {
            let again = ports.bind_new(|port| choosing(1004, &taken, port)).expect("free");
            assert_eq!((again, ports.is_given_again(again)), (oldest, true));
        }
        let all: Vec<_> = (1000..1010).collect();
        let error = ports.bind_new(|port| choosing(1004, &all, port)).expect_err("all are in use");
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(error.to_string().contains("ask for a port by number"), "{error}");
        // One that another program has given back.
        assert_eq!(ports.bind_new(|port| choosing(1004, &[1003], port)).expect("free"), 1005);
    }

    #[test]
    fn a_port_that_was_asked_for_by_number_is_not_given_later() {
        let ports = Ports::new();
        assert!(ports.note(1000));
        assert!(!ports.note(1000), "not new");
        ports.bind_new(|port| choosing(1001, &[], port)).expect("free");
        let again = ports.bind_new(|port| choosing(1000, &[], port)).expect("the oldest");
        assert!(ports.is_given_again(again), "both were used");
    }

    #[test]
    fn a_system_without_a_free_port_is_the_same_error_and_another_error_is_kept() {
        let ports = Ports::new();
        let error =
            ports.bind_new(|_| io::Result::<((), u16)>::Err(io::ErrorKind::AddrInUse.into()));
        assert!(error.expect_err("none").to_string().contains("ask for a port by number"));
        let refused = io::ErrorKind::AddrNotAvailable;
        let error = ports.bind_new(|_| io::Result::<((), u16)>::Err(refused.into()));
        assert_eq!(error.expect_err("no such address").kind(), refused);
    }

    #[test]
    fn the_ends_of_all_ports_have_their_places() {
        let ports = Ports::new();
        for port in [0, 63, 64, u16::MAX] {
            assert!(ports.note(port) && ports.used.is_set(port), "{port}");
        }
        assert!(!ports.used.is_set(65));
    }
}
