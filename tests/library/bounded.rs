//! How long a peer takes to end: never longer than its finish timeout and the pauses of its responses, whatever its clients and
//! its user code do. Then its port is closed, and what was cut is an error.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use fake_peer::{
    Answered, Client, Ending, Error, Event, FnSink, Framing, Journal, MemorySink, Peer, Request,
    RequestSink, Response, TcpServerBuilder, http,
};
use fake_peer_test_support::{
    Block, Crowd, GoesOn, Held, PATIENCE, blocking, connect, connect_with_little_room, end_of_file,
    eventually, expect_bytes, over_within, patient, read_all, read_to_its_end, refuses, spawned,
    unshared_addr,
};

const FINISH: Duration = Duration::from_millis(300);

/// Ten times the finish timeout. Under Wine each connection takes some 4 ms, and a backlog's worth of them is accepted.
const LIMIT: Duration = Duration::from_secs(if cfg!(windows) { 15 } else { 3 });

const GET: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

/// Only the finish timeout is short.
fn hurried() -> TcpServerBuilder {
    patient().addr(unshared_addr()).finish_timeout(FINISH)
}

/// The result of `finish`, which returns in time and leaves no open port.
#[track_caller]
fn finishes(peer: Peer, case: &str) -> Result<Journal, Error> {
    let addr = peer.addr();
    let result = over_within(LIMIT, &format!("{case}: finish"), move || peer.finish());
    refuses(addr, case);
    result
}

/// The text with which the drop panics, if it does. It returns in time, and leaves no open port.
#[track_caller]
fn is_dropped(peer: Peer, case: &str) -> Option<String> {
    let addr = peer.addr();
    let dropped = over_within(LIMIT, &format!("{case}: the drop"), move || {
        catch_unwind(AssertUnwindSafe(|| drop(peer)))
    });
    refuses(addr, case);
    let payload = dropped.err()?;
    Some(*payload.downcast::<String>().expect("the report of an error"))
}

/// The error of `finish`.
#[track_caller]
fn fails(peer: Peer, case: &str) -> Error {
    match finishes(peer, case) {
        Ok(journal) => panic!("{case}: an error, not:\n{journal}"),
        Err(error) => error,
    }
}

/// Connects again and again, until that is refused. Counts whole answers.
fn reconnects(addr: SocketAddr, goes_on: &GoesOn, answered: &AtomicUsize, length: usize) {
    while goes_on.yes() {
        let Ok(mut client) = TcpStream::connect_timeout(&addr, PATIENCE) else { return };
        client.set_read_timeout(Some(PATIENCE)).expect("an open socket");
        client.set_write_timeout(Some(PATIENCE)).expect("an open socket");
        // Connections in the backlog of a port that closes are reset.
        if client.write_all(GET).is_ok() && read_to_its_end(&mut client).0.len() == length {
            answered.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Ends peers of this kind while 1, 4 and 16 clients reconnect.
#[track_caller]
fn ends_while_clients_reconnect(builder: impl Fn() -> TcpServerBuilder<Answered>, length: usize) {
    for count in [1, 4, 16] {
        for by_drop in [false, true] {
            let case = format!("{count} clients, dropped: {by_drop}");
            let peer = spawned(builder());
            let addr = peer.addr();
            let answered = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&answered);
            let clients =
                Crowd::of(count, move |_, goes_on| reconnects(addr, goes_on, &counted, length));
            eventually(&format!("{case}: all are at it"), || {
                answered.load(Ordering::Relaxed) >= 3 * count
            });
            if by_drop {
                if let Some(text) = is_dropped(peer, &case) {
                    assert!(text.contains("(connection "), "{case}: {text}");
                }
            } else if let Err(error) = finishes(peer, &case) {
                assert!(error.exchange().is_some(), "{case}: {error:?}");
            }
            drop(clients);
        }
    }
}

#[test]
fn a_peer_ends_though_clients_never_stop_coming() {
    ends_while_clients_reconnect(|| hurried().source("answer"), 6);
}

#[test]
fn a_peer_with_a_slow_source_ends_though_clients_never_stop_coming() {
    let slow = |_: &Request| {
        thread::sleep(Duration::from_millis(5));
        "answer"
    };
    ends_while_clients_reconnect(|| hurried().source(slow), 6);
}

#[test]
fn a_peer_with_an_observer_ends_though_clients_never_stop_coming() {
    ends_while_clients_reconnect(|| hurried().source("answer").on_event(|_| {}), 6);
}

#[test]
fn a_peer_with_long_answers_ends_though_clients_never_stop_coming() {
    const LONG: usize = 100_000;
    ends_while_clients_reconnect(|| hurried().source(vec![b'x'; LONG]), LONG);
}

/// How many connections are accepted after the call of `finish`, of clients that never stop coming.
fn accepted_late(backlog: u32) -> usize {
    let peer = spawned(patient().addr(unshared_addr()).backlog(backlog).source("answer"));
    let addr = peer.addr();
    let answered = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&answered);
    let clients = Crowd::of(16, move |_, goes_on| reconnects(addr, goes_on, &counted, 6));
    eventually("all are at it", || answered.load(Ordering::Relaxed) >= 100);
    let finish = || (Instant::now(), peer.finish());
    let (called, finished) = over_within(LIMIT, "16 clients", finish);
    drop(clients);
    let journal = finished.expect("answers to all that were accepted");
    journal.connections().iter().filter(|record| record.accepted_at() > called).count()
}

#[test]
fn no_more_than_a_backlog_is_accepted_once_finish_is_called() {
    const BACKLOG: u32 = 16;
    // Wide, and more than once: the thread may be kept from running between the look at the clock and the call.
    let late: Vec<_> = (0..5).map(|_| accepted_late(BACKLOG)).collect();
    let least = *late.iter().min().expect("five");
    assert!(least <= 2 * BACKLOG as usize, "{late:?} connections were accepted after the call");
}

/// Sends until that fails or the crowd is dropped. Reports the first piece, which has left.
fn never_stops_sending(mut client: &TcpStream, goes_on: &GoesOn, begun: &mpsc::Sender<()>) {
    let piece = vec![b'x'; 64 << 10];
    while goes_on.yes() && client.write_all(&piece).is_ok() {
        // The test waits for the first ones.
        let _ = begun.send(());
    }
}

/// An observer that is slower than a client.
fn slow_observer(_: &Event<'_>) {
    thread::sleep(Duration::from_millis(1));
}

#[test]
fn a_peer_ends_though_a_request_never_does() {
    for observed in [false, true] {
        let case = format!("observed: {observed}");
        let builder = hurried().source("answer").retain(1 << 10);
        let peer = spawned(if observed { builder.on_event(slow_observer) } else { builder });
        let client = connect(peer.addr());
        let (begun, has_begun) = mpsc::channel();
        let head = b"POST / HTTP/1.1\r\nContent-Length: 1000000000000000\r\n\r\n";
        (&client).write_all(head).expect("room for a head");
        let sending = Crowd::of(1, move |_, goes_on| never_stops_sending(&client, goes_on, &begun));
        has_begun.recv_timeout(PATIENCE).expect("room for a piece");
        eventually("the body is arriving", || {
            peer.journal().connections().first().is_some_and(|record| record.unfinished() > 100)
        });
        let error = fails(peer, &case);
        assert!(matches!(error, Error::Receive { .. }), "{case}: {error:?}");
        let expected = "it was cut, because the peer was to finish within 300ms";
        assert_eq!(error.io_error().expect("a cause").to_string(), expected, "{case}");
        let request = error.exchange().expect("what arrived").request();
        assert!(request.bytes().starts_with(head), "{case}: {error:?}");
        drop(sending);
    }
}

#[test]
fn a_peer_is_dropped_though_a_request_never_ends() {
    let peer = spawned(hurried().source("answer").retain(1 << 10).on_event(slow_observer));
    let client = connect(peer.addr());
    let (begun, has_begun) = mpsc::channel();
    let head = b"POST / HTTP/1.1\r\nContent-Length: 1000000000000000\r\n\r\n";
    (&client).write_all(head).expect("room for a head");
    let sending = Crowd::of(1, move |_, goes_on| never_stops_sending(&client, goes_on, &begun));
    has_begun.recv_timeout(PATIENCE).expect("room for a piece");
    let text = is_dropped(peer, "a request for ever").expect("an error");
    assert!(text.contains("failed to receive a complete request from"), "{text}");
    assert!(text.contains("(connection 1, exchange 1)"), "{text}");
    drop(sending);
}

#[test]
fn a_peer_ends_though_a_client_never_stops_sending_after_its_answer() {
    let endings = [Ending::Close, Ending::Reset, Ending::Hold, Ending::HalfClose];
    for ending in endings {
        for observed in [false, true] {
            let case = format!("{ending:?}, observed: {observed}");
            let response = Response::from("answer").ending(ending.clone());
            let builder = hurried().framing(Framing::until("\n")).source(response);
            let peer = spawned(if observed { builder.on_event(slow_observer) } else { builder });
            let mut client = connect(peer.addr());
            client.write_all(b"request\n").expect("room for a small request");
            let (begun, has_begun) = mpsc::channel();
            let sending = Crowd::of(1, move |_, goes_on| {
                never_stops_sending(&client, goes_on, &begun);
            });
            // A reset may come before the first piece has left.
            let _ = has_begun.recv_timeout(PATIENCE);
            match finishes(peer, &case) {
                Ok(journal) => {
                    let requests: Vec<_> = journal.requests().map(Request::bytes).collect();
                    assert_eq!(requests, [b"request\n"], "{case}");
                }
                Err(error) => {
                    let text = error.report().to_string();
                    assert!(text.contains("connection 1"), "{case}: {text}");
                }
            }
            drop(sending);
        }
    }
}

#[test]
fn a_peer_ends_though_a_request_trickles_for_ever() {
    let peer = spawned(hurried().source("answer"));
    let mut client = connect(peer.addr());
    client.write_all(b"GET /").expect("room for a piece");
    let trickling = Crowd::of(1, move |_, goes_on| {
        let mut client = &client;
        while goes_on.yes() && client.write_all(b"x").is_ok() {
            // A pause that sets the pace; the order does not depend on it.
            thread::sleep(Duration::from_millis(50));
        }
    });
    eventually("it has begun", || {
        peer.journal().connections().first().is_some_and(|record| record.unfinished() >= 5)
    });
    let error = fails(peer, "a trickle");
    assert!(matches!(error, Error::Receive { .. }), "{error:?}");
    let request = error.exchange().expect("what arrived").request();
    assert!(request.bytes().starts_with(b"GET /"), "{error:?}");
    drop(trickling);
}

#[test]
fn a_peer_ends_though_many_requests_trickle_for_ever() {
    let peer = spawned(hurried().framing(Framing::until("\n")).source("answer"));
    let addr = peer.addr();
    let (begun, has_begun) = mpsc::channel();
    let trickling = Crowd::of(16, move |_, goes_on| {
        let mut client = connect(addr);
        client.write_all(b"x").expect("room for a byte");
        begun.send(()).expect("the test waits for all");
        while goes_on.yes() && client.write_all(b"x").is_ok() {
            thread::sleep(Duration::from_millis(50));
        }
    });
    for _ in 0..16 {
        has_begun.recv_timeout(PATIENCE).expect("all have begun");
    }
    let error = fails(peer, "16 trickles");
    assert!(matches!(error, Error::Receive { .. }), "{error:?}");
    drop(trickling);
}

#[test]
fn a_peer_ends_though_a_client_never_reads_its_answer() {
    const LONG: usize = 20 << 20;
    let kinds: [(&str, Response); 2] = [
        ("bytes", vec![b'x'; LONG].into()),
        ("a pattern", Response::new().repeat("0123456789", LONG as u64)),
    ];
    for (case, response) in kinds {
        let peer = spawned(hurried().source(response));
        let mut client = connect_with_little_room(peer.addr());
        client.write_all(GET).expect("room for a small request");
        expect_bytes(&mut client, &[if case == "bytes" { b'x' } else { b'0' }], case);
        let error = fails(peer, case);
        assert!(matches!(error, Error::Send { .. }), "{case}: {error:?}");
        let exchange = error.exchange().expect("how far it came");
        assert_eq!(exchange.request().bytes(), GET, "{case}");
        assert_eq!(exchange.offered(), LONG as u64, "{case}");
        assert!((1..LONG as u64).contains(&exchange.sent()), "{case}: {error:?}");
        drop(client);
    }
}

#[test]
fn a_peer_is_dropped_though_a_client_never_reads_its_answer() {
    let peer = spawned(hurried().source(vec![b'x'; 20 << 20]));
    let mut client = connect_with_little_room(peer.addr());
    client.write_all(GET).expect("room for a small request");
    expect_bytes(&mut client, b"x", "the beginning");
    let text = is_dropped(peer, "20 MB").expect("an error");
    assert!(text.contains("failed to send the response to"), "{text}");
    assert!(text.contains("of 20971520 bytes"), "{text}");
    drop(client);
}

#[test]
fn one_time_is_for_all_that_is_open() {
    let peer = spawned(hurried().source(|request: &Request| match request.target() {
        Some("/long") => Response::from(vec![b'x'; 20 << 20]),
        _ => Response::from("kept").keep_open(),
    }));
    let mut clients = Vec::new();
    for _ in 0..10 {
        let mut stuck = connect_with_little_room(peer.addr());
        stuck.write_all(b"GET /long HTTP/1.1\r\n\r\n").expect("room for a small request");
        expect_bytes(&mut stuck, b"x", "the beginning");
        let mut half = connect(peer.addr());
        half.write_all(b"GET /half HT").expect("room for half a request");
        let mut kept = connect(peer.addr());
        kept.write_all(GET).expect("room for a small request");
        expect_bytes(&mut kept, b"kept", "an answer");
        let silent = connect(peer.addr());
        clients.extend([stuck, half, kept, silent]);
    }
    let error = fails(peer, "40 connections");
    assert!(error.exchange().is_some(), "{error:?}");
    for client in &mut clients {
        let (_, end) = read_to_its_end(client);
        assert_ne!(end, Some(std::io::ErrorKind::WouldBlock), "each has ended");
    }
}

#[test]
fn silent_clients_are_left_without_an_error_when_the_time_is_over() {
    let peer = spawned(hurried().source("answer"));
    let mut clients: Vec<_> = (0..20).map(|_| connect(peer.addr())).collect();
    let journal = finishes(peer, "20 silent clients").expect("no exchange, so no error");
    assert_eq!(journal.connections().len(), 20, "{journal}");
    for client in &mut clients {
        end_of_file(client, "a silent client");
    }
}

#[test]
fn the_pauses_of_a_response_that_is_being_sent_are_added_to_the_time() {
    // More than a busy machine is late.
    let finish = Duration::from_secs(1);
    let pause = finish * 3 / 2;
    let response =
        Response::from("first, ").pause(pause).send("second").pause(pause).send(", third");
    let peer = spawned(hurried().finish_timeout(finish).source(response));
    let mut client = connect(peer.addr());
    client.write_all(GET).expect("room for a small request");
    expect_bytes(&mut client, b"first, ", "before the pause");
    let reading = thread::spawn(move || read_all(&mut client));
    let limit = 2 * pause + LIMIT;
    let journal = over_within(limit, "two pauses", move || peer.finish()).expect("a whole answer");
    assert_eq!(reading.join().expect("no panic"), b"second, third");
    let exchange = journal.exchanges().next().expect("an exchange");
    assert_eq!(exchange.sent(), 20, "{journal}");
}

#[test]
fn pauses_that_are_too_long_for_the_clock_are_no_panic() {
    let forever = Duration::MAX;
    for (case, response) in [
        ("pieces", Response::from("abc").in_pieces(1, forever)),
        ("a pause", Response::from("a").pause(forever).send("bc")),
    ] {
        let peer = spawned(hurried().source(response.clone()));
        let mut client = connect(peer.addr());
        client.write_all(GET).expect("an open connection");
        expect_bytes(&mut client, b"a", case);
        // The time to finish is extended by the pause, and nobody waits so long: only the failure of a test ends it.
        assert!(peer.journal().connections()[0].closed_at().is_none(), "{case}: it has ended");
        over_within(LIMIT, case, move || {
            let failing = catch_unwind(AssertUnwindSafe(move || {
                let _peer = peer;
                panic!("the test has failed");
            }));
            failing.expect_err("a panic");
        });
    }
    let peer = spawned(hurried().linger(forever).source("answer"));
    let client = connect(peer.addr());
    eventually("accepted", || peer.journal().connections().len() == 1);
    finishes(peer, "a silent client").expect("nobody has said anything");
    drop(client);
}

#[test]
fn a_source_that_does_not_return_is_an_error_that_says_so() {
    for by_drop in [false, true] {
        let case = format!("dropped: {by_drop}");
        let (held, block, has_entered) = blocking();
        let alive = Arc::new(());
        let is_alive = Arc::downgrade(&alive);
        let peer = spawned(hurried().source(move |_: &Request| {
            block.until_released();
            let _ = &alive;
            "late"
        }));
        let mut client = connect(peer.addr());
        client.write_all(GET).expect("room for a small request");
        has_entered.recv_timeout(PATIENCE).expect("the source was asked");
        let text = if by_drop {
            is_dropped(peer, &case).expect("an error")
        } else {
            let error = fails(peer, &case);
            assert_eq!(error.exchange().expect("its request").request().bytes(), GET, "{case}");
            error.report().to_string()
        };
        assert!(text.contains("the source has not returned"), "{case}: {text}");
        assert!(text.contains("(connection 1, exchange 1)"), "{case}: {text}");
        let (answer, end) = read_to_its_end(&mut client);
        assert!(answer.is_empty(), "{case}");
        assert_ne!(end, Some(std::io::ErrorKind::WouldBlock), "{case}: the connection has ended");
        assert!(is_alive.upgrade().is_some(), "{case}: it has not returned yet");
        held.release();
        eventually("the source is dropped when it has returned", || is_alive.upgrade().is_none());
    }
}

/// Records in memory, when it is released.
struct BlockingSink(Block, MemorySink);

impl RequestSink for BlockingSink {
    fn open(&mut self, client: &Client) -> std::io::Result<Box<dyn Write + Send>> {
        self.0.until_released();
        self.1.open(client)
    }
}

/// Lets a client ask, and finishes while user code is held. The error says that this has not returned.
#[track_caller]
fn says_what_has_not_returned(
    builder: TcpServerBuilder<Answered>,
    (held, has_entered): (Held, Receiver<()>),
    what: &str,
) {
    let peer = spawned(builder);
    let mut client = connect(peer.addr());
    client.write_all(GET).expect("room for a small request");
    has_entered.recv_timeout(PATIENCE).expect(what);
    let text = fails(peer, what).report().to_string();
    assert!(text.contains(&format!("the {what} has not returned")), "{what}: {text}");
    held.release();
}

#[test]
fn a_peer_ends_though_its_sink_does_not_return() {
    let (held, block, has_entered) = blocking();
    let builder = hurried().source("answer").sink(BlockingSink(block, MemorySink::new()));
    says_what_has_not_returned(builder, (held, has_entered), "sink");
}

/// A record that is complete only when it is dropped, as one with a buffer is. That takes a while.
struct Buffered(Arc<AtomicUsize>);

impl Write for Buffered {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Drop for Buffered {
    fn drop(&mut self) {
        thread::sleep(Duration::from_millis(50));
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

struct Buffering(Arc<AtomicUsize>);

impl RequestSink for Buffering {
    fn open(&mut self, _: &Client) -> std::io::Result<Box<dyn Write + Send>> {
        Ok(Box::new(Buffered(Arc::clone(&self.0))))
    }
}

#[test]
fn what_was_cut_is_dropped_when_finish_returns() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let peer = spawned(hurried().sink(Buffering(Arc::clone(&dropped))).source("answer"));
    let mut client = connect(peer.addr());
    client.write_all(b"GET / HT").expect("room for half a request");
    eventually("it has arrived", || {
        peer.journal().connections().iter().any(|record| record.unfinished() == 8)
    });
    finishes(peer, "half a request").expect_err("it was cut");
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
    drop(client);
}

#[test]
fn a_peer_ends_though_a_record_does_not_return() {
    let (held, block, has_entered) = blocking();
    let sink = FnSink::new(move |_, _| {
        block.until_released();
        Ok(())
    });
    let builder = hurried().source("answer").sink(sink);
    says_what_has_not_returned(builder, (held, has_entered), "sink");
}

#[test]
fn a_peer_ends_though_its_framing_does_not_return() {
    let (held, block, has_entered) = blocking();
    let block = Mutex::new(block);
    let framing = Framing::from_fn(move |bytes| {
        block.lock().expect("no panic").until_released();
        Some(bytes.len())
    });
    let builder = hurried().source("answer").framing(framing);
    says_what_has_not_returned(builder, (held, has_entered), "framing");
}

/// Has nothing to read, when it is released.
struct BlockingReader(Block);

impl Read for BlockingReader {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        self.0.until_released();
        Ok(0)
    }
}

#[test]
fn a_peer_ends_though_a_reader_does_not_return() {
    let (held, block, has_entered) = blocking();
    let builder = hurried().source(Response::from("begins").send_from(BlockingReader(block)));
    says_what_has_not_returned(builder, (held, has_entered), "reader of the response");
}

#[test]
fn a_peer_ends_though_its_observer_does_not_return() {
    let (held, block, has_entered) = blocking();
    let builder = hurried().source("answer").on_event(move |event| {
        if let Event::Received { .. } = event {
            block.until_released();
        }
    });
    says_what_has_not_returned(builder, (held, has_entered), "observer");
}

#[test]
fn answers_that_clients_take_in_time_are_whole() {
    let body = "x".repeat(100_000);
    let peer = spawned(patient().addr(unshared_addr()).source(http::ok(body)));
    let mut clients: Vec<_> = (0..20).map(|_| connect(peer.addr())).collect();
    for client in &mut clients {
        client.write_all(GET).expect("room for a small request");
    }
    let reading = thread::spawn(move || {
        clients.iter_mut().map(|client| read_all(client).len()).collect::<Vec<_>>()
    });
    let journal = finishes(peer, "20 clients").expect("whole answers");
    assert!(reading.join().expect("no panic").into_iter().all(|length| length > 100_000));
    assert_eq!(journal.exchanges().count(), 20);
}
