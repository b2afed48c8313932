//! Peers over TLS, seen by clients.

mod certificates;
mod clients;
mod endings;
mod handshakes;
mod hostile;
mod proxy;
mod starttls;
mod whole;
mod without_tls;

use fake_peer::tls::Ca;
use fake_peer::{Peer, TcpServerBuilder};
use fake_peer_test_support::patient;

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// A patient builder with a certificate for `localhost`.
fn secured(ca: &Ca) -> TcpServerBuilder {
    patient().tls(ca.server("localhost"))
}

/// A peer that says hello over TLS.
fn hello(ca: &Ca) -> Peer {
    secured(ca).source(HELLO).spawn().expect("a peer")
}
