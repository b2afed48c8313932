//! What connections keep in memory while they wait. One test, alone in its process, since it looks at the memory of the whole process.
#![cfg(target_os = "linux")]

use std::fs;
use std::io::{Read, Write};

use fake_peer::Response;
use fake_peer::tls::Ca;
use fake_peer_test_support::{connect, finished, patient, same_bytes, spawned};
use fake_peer_tls_tests::rustls_client::trusting;

const CONNECTIONS: usize = 100;

/// Far more than a buffer's size.
const LARGE: usize = 2 << 20;

/// How much each idle connection may keep: its client in this process, too.
const ALLOWED_KIB_EACH: usize = 64;

trait Stream: Read + Write {}

impl<S: Read + Write> Stream for S {}

#[test]
fn an_idle_connection_keeps_little_after_a_large_request_and_a_large_response() {
    let (ca, body, expected) = (Ca::new(), vec![b'x'; LARGE], vec![b'y'; LARGE]);
    let head = format!("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {LARGE}\r\n\r\n");
    // One for all exchanges, since the journal has it.
    let response = Response::from(expected.clone()).keep_open();
    for case in ["plain", "over TLS"] {
        let builder = patient().retain(100).source(response.clone());
        let peer = spawned(match case {
            "plain" => builder,
            _ => builder.tls(ca.server("localhost")),
        });
        let mut clients: Vec<Box<dyn Stream>> = Vec::new();
        let mut answer = vec![0; LARGE];
        let mut before = 0;
        for number in 0..CONNECTIONS {
            // What the first ones take for all is not counted.
            if number == CONNECTIONS / 10 {
                before = resident();
            }
            let mut client: Box<dyn Stream> = match case {
                "plain" => Box::new(connect(peer.addr())),
                _ => Box::new(trusting(&ca).connect(peer.addr()).expect("a handshake")),
            };
            for _ in 0..2 {
                client.write_all(head.as_bytes()).expect("open");
                client.write_all(&body).and_then(|()| client.flush()).expect("open");
                client.read_exact(&mut answer).expect("an answer");
                same_bytes(&answer, &expected, case);
                answer.fill(0);
            }
            clients.push(client);
        }
        let kept = resident().saturating_sub(before) / (CONNECTIONS - CONNECTIONS / 10);
        assert!(kept < ALLOWED_KIB_EACH, "{case}: each connection keeps {kept} KiB");
        drop(clients);
        finished(peer);
    }
}

/// The resident memory of this process in KiB. `smaps_rollup` counts pages; the figure in `status` may be late.
fn resident() -> usize {
    let rollup = fs::read_to_string("/proc/self/smaps_rollup").expect("/proc is mounted");
    let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:")).expect("a figure");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
