//! When an exchange can be taken and is in the journal, and which one is taken first: what a client has seen the end of has
//! already happened for the test.

use std::hint;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use fake_peer::{Event, FileSource, Peer, Request, Response, http};
use fake_peer_test_support::{
    PATIENCE, connect, connect_with_little_room, eventually, expect_bytes, finished, patient,
    spawned, taken,
};

const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

/// Runs a test while other threads use the processors: then a thread can be suspended anywhere.
fn while_busy(test: impl FnOnce()) {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let _over = Over(&over);
        for _ in 0..3 {
            scope.spawn(|| {
                let start = Instant::now();
                while !over.load(Ordering::Relaxed) && start.elapsed() < PATIENCE {
                    hint::spin_loop();
                }
            });
        }
        test();
    });
}

/// Ends the other threads, also if the test fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Asks on a new connection, and keeps it open for a while: so its close is not what reports the end.
fn ask_by_length(addr: SocketAddr, number: usize, open: &mut Vec<std::net::TcpStream>) {
    let mut client = connect(addr);
    client.write_all(format!("GET /{number} HTTP/1.1\r\n\r\n").as_bytes()).expect("room");
    expect_bytes(&mut client, ANSWER.as_bytes(), "the answer");
    open.push(client);
    if open.len() > 3 {
        open.remove(0);
    }
}

#[test]
fn one_client_is_taken_in_its_order_whichever_threads_serve_its_connections() {
    let file = tempfile::NamedTempFile::new().expect("a folder for it");
    std::fs::write(file.path(), ANSWER).expect("written");
    let closing = |_: &Request| http::ok("hi");
    let keeping = |_: &Request| http::ok("hi").keep_open();
    let peers = [
        ("closed", spawned(patient().source(closing))),
        ("kept", spawned(patient().source(keeping))),
        ("a file", spawned(patient().source(FileSource::new(file.path())))),
    ];
    while_busy(|| {
        for (case, peer) in peers {
            let mut open = Vec::new();
            for number in 0..200 {
                ask_by_length(peer.addr(), number, &mut open);
            }
            for number in 0..200 {
                let target = format!("/{number}");
                assert_eq!(taken(&peer).request().target(), Some(&*target), "{case}");
            }
            drop(open);
            finished(peer);
        }
    });
}

#[test]
fn what_a_client_has_seen_the_end_of_is_in_the_journal() {
    let peer = spawned(patient().source(Response::from(ANSWER).keep_open()));
    let mut client = connect(peer.addr());
    while_busy(|| {
        for number in 1..=200 {
            client.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("room");
            expect_bytes(&mut client, ANSWER.as_bytes(), "the answer");
            assert_eq!(peer.journal().exchanges().count(), number);
        }
    });
    drop(client);
    finished(peer);
}

#[test]
fn a_client_that_does_not_read_its_answer_keeps_nobody_from_being_taken() {
    const LONG: u64 = 8 << 20;
    let answer = |request: &Request| match request.target() {
        Some("/long") => Response::new().repeat("long", LONG),
        Some("/bytes") => Response::from(vec![b'x'; usize::try_from(LONG).expect("small")]),
        _ => http::ok("hi"),
    };
    let peer = spawned(patient().source(answer));
    let mut stuck: Vec<_> = ["/long", "/bytes"]
        .into_iter()
        .map(|target| {
            let mut client = connect_with_little_room(peer.addr());
            client.write_all(format!("GET {target} HTTP/1.1\r\n\r\n").as_bytes()).expect("room");
            client
        })
        .collect();
    for number in 0..5 {
        ask_by_length(peer.addr(), number, &mut Vec::new());
        let exchange = peer.take(Duration::from_secs(5)).expect("the exchange that is over");
        assert_eq!(exchange.request().target(), Some(&*format!("/{number}")));
    }
    for client in &mut stuck {
        assert_eq!(fake_peer_test_support::read_all(client).len() as u64, LONG);
    }
    finished(peer);
}

#[test]
fn a_client_that_reads_its_answer_late_is_taken_late() {
    const LONG: u64 = 8 << 20;
    let answer = |request: &Request| match request.target() {
        Some("/long") => Response::from(vec![b'x'; usize::try_from(LONG).expect("small")]),
        _ => http::ok("hi"),
    };
    let peer = spawned(patient().source(answer));
    for round in 0..10 {
        let mut late = connect(peer.addr());
        late.write_all(b"GET /long HTTP/1.1\r\n\r\n").expect("room");
        late.read_exact(&mut [0]).expect("it is on its way");
        ask_by_length(peer.addr(), round, &mut Vec::new());
        assert_eq!(fake_peer_test_support::read_all(&mut late).len() as u64, LONG - 1);
        let order = [taken(&peer), taken(&peer)];
        let targets = order.each_ref().map(|exchange| exchange.request().target());
        assert_eq!(targets, [Some(&*format!("/{round}")), Some("/long")]);
    }
    finished(peer);
}

#[test]
fn a_take_waits_for_nobody_who_does_not_read() {
    let peer = spawned(patient().source(vec![b'x'; 8 << 20]));
    let mut stuck: Vec<_> = (0..3)
        .map(|_| {
            let mut client = connect(peer.addr());
            client.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("room");
            client.read_exact(&mut [0]).expect("it is on its way");
            client
        })
        .collect();
    let start = Instant::now();
    for _ in 0..5 {
        assert!(peer.take(Duration::ZERO).is_err(), "nothing is over");
    }
    // A take that waited for them would take until the timeout.
    assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
    for client in &mut stuck {
        fake_peer_test_support::read_all(client);
    }
    finished(peer);
}

#[test]
fn an_observer_that_looks_at_the_journal_waits_for_nobody() {
    let looked_at: Arc<Mutex<Option<Arc<Peer>>>> = Arc::default();
    let look = Arc::clone(&looked_at);
    let peer =
        spawned(patient().source(Response::from(ANSWER).keep_open()).on_event(move |event| {
            if let Event::Sent { .. } | Event::Served { .. } = event {
                // In the end it is removed.
                let peer = look.lock().expect("no panic").clone();
                peer.map(|peer| peer.journal());
            }
        }));
    let addr = peer.addr();
    *looked_at.lock().expect("no panic") = Some(Arc::new(peer));
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = connect(addr);
                for _ in 0..100 {
                    client.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("room");
                    expect_bytes(&mut client, ANSWER.as_bytes(), "the answer");
                }
            });
        }
    });
    // Each of them would have waited for a tenth of a second.
    assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
    let peer = looked_at.lock().expect("no panic").take().expect("nobody else takes it");
    // The last observer may still be running.
    eventually("nobody looks any more", || Arc::strong_count(&peer) == 1);
    finished(Arc::into_inner(peer).expect("nobody else has it"));
}
