//! The ports that servers of this process have had: port 0 gives each of them once.
//!
//! A client that keeps connections in a pool takes a new server at a known port for the old one, and sends it what was meant for that.
//! The system does give a port again, the next moment if the last connection ended with a reset, since then no `TIME_WAIT` is left.

use std::io;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};

/// The ports of this process.
pub(crate) static PORTS: Ports = Ports::new();

/// A bit for each port that a server has had, on whatever address: a pool goes by names, too, and `localhost` is 127.0.0.1 and `::1`,
/// as 0.0.0.0 is every address. A process can have 28,232 servers on Linux (`ip_local_port_range`). Bits for each address would
/// allow more, but only to a process that uses several addresses, and would take 8 KiB for each.
#[derive(Debug)]
pub(crate) struct Ports {
    used: [AtomicU64; 1024],
    /// The lowest and the highest port that the system has chosen: the range to look for more in.
    lowest: AtomicU16,
    highest: AtomicU16,
}

impl Ports {
    const fn new() -> Self {
        Ports {
            used: [const { AtomicU64::new(0) }; 1024],
            lowest: AtomicU16::new(u16::MAX),
            highest: AtomicU16::new(0),
        }
    }

    /// Notes a port; whether it was new.
    pub(crate) fn note(&self, port: u16) -> bool {
        let (word, bit) = self.place(port);
        word.fetch_or(bit, Ordering::Relaxed) & bit == 0
    }

    fn is_used(&self, port: u16) -> bool {
        let (word, bit) = self.place(port);
        word.load(Ordering::Relaxed) & bit != 0
    }

    fn place(&self, port: u16) -> (&AtomicU64, u64) {
        (&self.used[usize::from(port / 64)], 1 << (port % 64))
    }

    /// Binds to a port that no server of this process has had: one that the system chooses, if it is new; otherwise the next
    /// new one that is free. `bind` gets 0 for any port, and returns what it has bound with the port.
    ///
    /// # Errors
    ///
    /// `AddrInUse` if all ports are in use or were; others are those of `bind`.
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
            if self.is_used(port) {
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
        "each port that the system could choose is in use, or an earlier server of this process had it, whose clients may still \
         know it; ask for a port by number, or use fewer servers for more exchanges each",
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
    fn each_port_of_a_small_range_is_given_once_and_then_there_is_an_error() {
        let ports = Ports::new();
        for chosen in [1000, 1009] {
            assert_eq!(ports.bind_new(|port| choosing(chosen, &[], port)).expect("free"), chosen);
        }
        let taken = [1003, 1005];
        let others: Vec<_> = (0..6)
            .map(|_| ports.bind_new(|port| choosing(1004, &taken, port)).expect("free"))
            .collect();
        assert_eq!(others, [1004, 1006, 1007, 1008, 1001, 1002]);
        let mut tries = 0;
        let error = ports
            .bind_new(|port| {
                tries += 1;
                choosing(1004, &taken, port)
            })
            .expect_err("all were used, but for two that another program has");
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(error.to_string().contains("ask for a port by number"), "{error}");
        assert_eq!(tries, 3, "the system's choice, and each unused port once");
        // One that another program has given back.
        assert_eq!(ports.bind_new(|port| choosing(1004, &[1003], port)).expect("free"), 1005);
    }

    #[test]
    fn a_port_that_was_asked_for_by_number_is_not_given_later() {
        let ports = Ports::new();
        assert!(ports.note(1000));
        assert!(!ports.note(1000), "not new");
        ports.bind_new(|port| choosing(1001, &[], port)).expect("free");
        ports.bind_new(|port| choosing(1000, &[], port)).expect_err("both were used");
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
            assert!(ports.note(port) && ports.is_used(port), "{port}");
        }
        assert!(!ports.is_used(65));
    }
}
