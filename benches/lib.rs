//! What the benches share: the small exchange that they measure, the hand-written servers that they compare with, the clients.

#![allow(clippy::missing_panics_doc)] // whatever goes wrong in a bench ends it

pub mod by_hand;
pub mod clients;
pub mod tls;
mod two_hundred_tests;

use std::net::Ipv4Addr;
use std::process;
use std::sync::atomic::{AtomicU16, Ordering};

/// A request without a body.
pub const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n";
/// What the servers answer to it.
pub const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi\n";

/// Another loopback address each time, where the system has them. With thousands of connections in `TIME_WAIT` on one address,
/// the search for a free port would take longer than everything else.
///
/// The second byte comes from the process id: programs that run one after the other use different addresses, too.
pub fn next_host() -> Ipv4Addr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    if !cfg!(target_os = "linux") {
        return Ipv4Addr::LOCALHOST;
    }
    let process = u8::try_from(process::id() % 250).expect("less than 250");
    let [high, low] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    Ipv4Addr::new(127, 1 + process, high, low)
}
