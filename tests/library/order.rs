//! When an exchange can be taken and is in the journal, and which one is taken first: what a client has seen the end of has
//! already happened for the test.

use std::hint;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use fake_peer::{
    Address, Answered, ConnectionRecord, Event, FileSource, Peer, Request, Response,
    TcpServerBuilder, http,
};
use fake_peer_test_support::{
    Listens, PATIENCE, connect, connect_with_little_room, eventually, expect_bytes, finished,
    patient, place, spawned, taken,
};

const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

/// The other threads end after this, if the test has not ended them.
const BUSY: Duration = Duration::from_secs(300);

/// Runs a test while other threads use the processors: then a thread can be suspended anywhere.
fn while_busy(test: impl FnOnce()) {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let _over = Over(&over);
        for _ in 0..3 {
            scope.spawn(|| {
                let start = Instant::now();
                while !over.load(Ordering::Relaxed) && start.elapsed() < BUSY {
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
fn ask_by_length(to: impl Listens, number: usize, open: &mut Vec<TcpStream>) {
    let mut client = connect(to);
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
                ask_by_length(&peer, number, &mut open);
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
    let mut client = connect(&peer);
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
            let mut client = connect_with_little_room(&peer);
            client.write_all(format!("GET {target} HTTP/1.1\r\n\r\n").as_bytes()).expect("room");
            client
        })
        .collect();
    for number in 0..5 {
        ask_by_length(&peer, number, &mut Vec::new());
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
        let mut late = connect(&peer);
        late.write_all(b"GET /long HTTP/1.1\r\n\r\n").expect("room");
        late.read_exact(&mut [0]).expect("it is on its way");
        ask_by_length(&peer, round, &mut Vec::new());
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
            let mut client = connect(&peer);
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
    let addr = place(&peer);
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

// Many exchanges, one after another: each is in the journal when its client has read the last byte.

/// In each of the tests below; `FAKE_PEER_EXCHANGES` sets another number.
fn exchanges_of_each_test() -> usize {
    let number = std::env::var("FAKE_PEER_EXCHANGES").ok().map(|text| text.parse());
    number.map_or(5_000, |number| number.expect("a number of exchanges"))
}

/// Each peer has so many of them: what a journal costs grows with it.
const EXCHANGES_OF_A_PEER: usize = 500;

/// Connections that are used in turn.
enum Connections {
    /// Each for one exchange. Several stay open afterwards, so that a close is not what reports the end.
    New,
    Kept(usize),
}

fn fixed(keeps: bool) -> TcpServerBuilder<Answered> {
    let response = Response::from(ANSWER);
    patient().source(if keeps { response.keep_open() } else { response })
}

fn closure(keeps: bool) -> TcpServerBuilder<Answered> {
    patient().source(
        move |_: &Request| {
            if keeps { http::ok("hi").keep_open() } else { http::ok("hi") }
        },
    )
}

/// The target of the exchange that ended last on the connection of this client.
fn last_target(peer: &Peer, client: &TcpStream, count: usize) -> String {
    let journal = peer.journal();
    assert_eq!(journal.exchanges().count(), count, "exchanges in the journal");
    let addr = Address::from(client.local_addr().expect("a connected socket"));
    // The last one, since a client's port may come again.
    let record = journal.connections().iter().rfind(|record| *record.client().addr() == addr);
    let exchange = record.and_then(|record| record.exchanges().last());
    exchange.and_then(|exchange| exchange.request().target()).unwrap_or("none").to_owned()
}

/// Exchanges with one peer, one after another, each checked as soon as its answer was read. Then they are taken.
fn checks_each_exchange(
    builder: TcpServerBuilder<Answered>,
    connections: &Connections,
    count: usize,
) {
    let peer = spawned(builder);
    let mut open: Vec<TcpStream> = match connections {
        Connections::New => Vec::new(),
        Connections::Kept(many) => (0..*many).map(|_| connect(&peer)).collect(),
    };
    for number in 0..count {
        let client = match connections {
            Connections::New => {
                if open.len() > 3 {
                    open.remove(0);
                }
                open.push(connect(&peer));
                open.last_mut().expect("just pushed")
            }
            Connections::Kept(many) => &mut open[number % many],
        };
        client.write_all(format!("GET /{number} HTTP/1.1\r\n\r\n").as_bytes()).expect("room");
        expect_bytes(client, ANSWER.as_bytes(), "the answer");
        assert_eq!(last_target(&peer, client, number + 1), format!("/{number}"));
    }
    for number in 0..count {
        assert_eq!(taken(&peer).request().target(), Some(&*format!("/{number}")));
    }
    drop(open);
    finished(peer);
}

fn checks_many(builder: impl Fn() -> TcpServerBuilder<Answered>, connections: &Connections) {
    let mut left = exchanges_of_each_test();
    while_busy(|| {
        while left > 0 {
            let count = left.min(EXCHANGES_OF_A_PEER);
            checks_each_exchange(builder(), connections, count);
            left -= count;
        }
    });
}

#[test]
fn each_fixed_answer_to_a_new_connection_is_in_the_journal_when_it_was_read() {
    checks_many(|| fixed(false), &Connections::New);
}

#[test]
fn each_answer_of_a_closure_to_a_new_connection_is_in_the_journal_when_it_was_read() {
    checks_many(|| closure(false), &Connections::New);
}

#[test]
fn each_fixed_answer_to_kept_connections_is_in_the_journal_when_it_was_read() {
    checks_many(|| fixed(true), &Connections::Kept(3));
}

#[test]
fn each_answer_of_a_closure_to_kept_connections_is_in_the_journal_when_it_was_read() {
    checks_many(|| closure(true), &Connections::Kept(3));
}

#[test]
fn each_of_many_clients_finds_its_own_exchange_in_the_journal() {
    const CLIENTS: usize = 4;
    let count = exchanges_of_each_test().min(EXCHANGES_OF_A_PEER) / CLIENTS;
    for builder in [fixed(true), closure(true)] {
        let peer = spawned(builder);
        while_busy(|| {
            thread::scope(|scope| {
                for name in 0..CLIENTS {
                    let peer = &peer;
                    scope.spawn(move || {
                        let mut client = connect(peer);
                        for number in 0..count {
                            let request = format!("GET /{name}/{number} HTTP/1.1\r\n\r\n");
                            client.write_all(request.as_bytes()).expect("room");
                            expect_bytes(&mut client, ANSWER.as_bytes(), "the answer");
                            let addr =
                                Address::from(client.local_addr().expect("a connected socket"));
                            let journal = peer.journal();
                            let mut records = journal.connections().iter();
                            let record = records.find(|record| *record.client().addr() == addr);
                            let targets: Vec<_> = record
                                .into_iter()
                                .flat_map(ConnectionRecord::exchanges)
                                .map(|exchange| exchange.request().target().unwrap_or("none"))
                                .collect();
                            assert_eq!(targets.len(), number + 1, "client {name}");
                            assert_eq!(targets[number], format!("/{name}/{number}"));
                        }
                    });
                }
            });
        });
        let mut next = [0; CLIENTS];
        for _ in 0..count * CLIENTS {
            let exchange = taken(&peer);
            let target = exchange.request().target().expect("a target");
            let (name, number) = target[1..].split_once('/').expect("two numbers");
            let next = &mut next[name.parse::<usize>().expect("a number")];
            assert_eq!(number, next.to_string(), "client {name}");
            *next += 1;
        }
        assert_eq!(next, [count; CLIENTS]);
        finished(peer);
    }
}

#[test]
fn a_thread_that_takes_meanwhile_gets_all_exchanges_in_their_order() {
    for (keeps, builder) in [(true, fixed(true)), (false, closure(false))] {
        let peer = spawned(builder);
        while_busy(|| {
            thread::scope(|scope| {
                scope.spawn(|| {
                    for number in 0..EXCHANGES_OF_A_PEER {
                        let exchange = taken(&peer);
                        assert_eq!(exchange.request().target(), Some(&*format!("/{number}")));
                    }
                });
                let mut client = connect(&peer);
                for number in 0..EXCHANGES_OF_A_PEER {
                    if !keeps && number > 0 {
                        client = connect(&peer);
                    }
                    let request = format!("GET /{number} HTTP/1.1\r\n\r\n");
                    client.write_all(request.as_bytes()).expect("room");
                    expect_bytes(&mut client, ANSWER.as_bytes(), "the answer");
                }
            });
        });
        finished(peer);
    }
}

#[test]
fn an_exchange_that_has_something_behind_its_last_byte_is_answering_until_then() {
    let gate = fake_peer::Gate::new();
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let cases = [
        ("a gate", Response::from(ANSWER).gate(&gate)),
        ("a reader", Response::from(ANSWER).send_from(Waiting(gone))),
    ];
    let mut release: Vec<Box<dyn FnOnce()>> =
        vec![Box::new(move || drop(go)), Box::new(move || gate.open())];
    for (case, response) in cases {
        let peer = spawned(patient().source(response));
        let mut client = connect(&peer);
        client.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("room");
        expect_bytes(&mut client, ANSWER.as_bytes(), case);
        let journal = peer.journal();
        assert_eq!(journal.exchanges().count(), 0, "{case}");
        assert_eq!(journal.connections()[0].answering(), Some(18), "{case}");
        assert!(peer.take(Duration::ZERO).is_err(), "{case}");
        release.pop().expect("one for each case")();
        assert_eq!(taken(&peer).request().target(), Some("/"), "{case}");
        drop(client);
        finished(peer);
    }
}

/// A reader without a byte, which ends when the sender is dropped.
struct Waiting(std::sync::mpsc::Receiver<()>);

impl Read for Waiting {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        let _ = self.0.recv_timeout(PATIENCE);
        Ok(0)
    }
}
