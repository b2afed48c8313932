//! A peer in the background, as a test uses it: clients that come, leave and stay away, what `take` returns, what `finish`
//! and the drop report, and how both end while clients are connected. Conversations are in `conversations`.

use std::any::Any;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use fake_peer::{
    Client, ClientEnd, Error, Event, Framing, Journal, MemorySink, Peer, PerConnection, Request,
    RequestEnd, RequestSink, Response, Sequence,
};
use fake_peer_test_support::{
    PATIENCE, ask, block_on, connect, connect_and_send, connect_with_little_room, end_of_file,
    eventually, expect_bytes, finished, in_lines, next_piece, numbered, patient, read_all,
    reporting, reset, same_bytes, spawned, taken,
};

/// What needs no waiting takes less than this, also on a busy machine.
const QUICK: Duration = Duration::from_secs(5);

/// For a `take` that should find nothing.
const BRIEFLY: Duration = Duration::from_millis(20);

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: peer\r\n\r\n";

#[track_caller]
fn within<T>(limit: Duration, case: &str, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    let took = start.elapsed();
    assert!(took < limit, "{case}: took {took:?}, more than {limit:?}");
    result
}

#[track_caller]
fn error_of_finish(peer: Peer) -> Error {
    match peer.finish() {
        Ok(journal) => panic!("an error, not:\n{journal}"),
        Err(error) => error,
    }
}

/// The text of a panic, whichever type it was thrown as.
#[track_caller]
fn text_of(payload: Box<dyn Any + Send>) -> String {
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => {
            (*payload.downcast::<&'static str>().expect("the payload as it was thrown")).to_owned()
        }
    }
}

#[track_caller]
fn panic_of<T>(work: impl FnOnce() -> T) -> String {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(_) => panic!("nothing has panicked"),
        Err(payload) => text_of(payload),
    }
}

/// A request handler with an assertion in it.
fn asserting(request: &Request) -> &'static str {
    assert!(request.bytes() == b"good", "not good: {}", request.bytes().escape_ascii());
    "answer"
}

/// The requests, in the order of the journal.
fn requests(journal: &Journal) -> Vec<String> {
    journal
        .exchanges()
        .map(|exchange| exchange.request().bytes().escape_ascii().to_string())
        .collect()
}

// Clients that stay away, come twice, and leave.

#[test]
fn a_peer_that_nobody_comes_to_finishes_at_once() {
    let peer = spawned(patient().source("answer"));
    let journal = within(Duration::from_secs(1), "nobody came", || finished(peer));
    assert!(journal.connections().is_empty(), "{journal}");
    assert_eq!(journal.to_string(), "no connection\n");
}

#[test]
fn a_peer_that_nobody_comes_to_is_dropped_at_once() {
    let peer = spawned(patient().source("answer"));
    within(Duration::from_secs(1), "nobody came", || drop(peer));
}

#[test]
fn a_client_that_was_expected_and_never_came_is_an_error_at_once() {
    let peer = spawned(patient().source("answer")).expect(1);
    let addr = peer.addr();
    let error = within(Duration::from_secs(1), "nobody came", || error_of_finish(peer));
    assert!(matches!(error, Error::Count { expected: 1, served: 0, .. }), "{error:?}");
    assert_eq!(error.to_string(), format!("expected 1 exchange on {addr}, but there were 0"));
}

#[test]
fn a_client_that_comes_twice_is_answered_twice() {
    let peer = spawned(patient().source("answer"));
    assert_eq!(ask(peer.addr(), b"one"), b"answer", "first time");
    assert_eq!(ask(peer.addr(), b"two"), b"answer", "second time");
    assert_eq!(taken(&peer).request().bytes(), b"one");
    assert_eq!(peer.take_request().bytes(), b"two");
    let journal = finished(peer);
    assert_eq!(requests(&journal), ["one", "two"]);
    assert_eq!(journal.connections().len(), 2, "{journal}");
}

#[test]
fn a_client_that_comes_once_too_often_is_an_error_and_answered_all_the_same() {
    let peer = spawned(patient().source("answer")).expect(1);
    assert_eq!(ask(peer.addr(), b"one"), b"answer", "first time");
    assert_eq!(ask(peer.addr(), b"two"), b"answer", "second time");
    let error = error_of_finish(peer);
    assert!(matches!(error, Error::Count { expected: 1, served: 2, .. }), "{error:?}");
}

#[test]
fn as_many_exchanges_as_expected_are_no_error() {
    for expected in 0..3 {
        let peer = spawned(patient().source("answer")).expect(expected);
        for _ in 0..expected {
            assert_eq!(ask(peer.addr(), b"request"), b"answer", "{expected} expected");
        }
        // A connection without a byte is no exchange; where no client is expected it is one too many.
        if expected > 0 {
            drop(connect_and_send(peer.addr(), b""));
        }
        assert_eq!(finished(peer).exchanges().count() as u64, expected);
    }
}

#[test]
fn after_finish_nobody_can_connect() {
    let peer = spawned(patient().source("answer"));
    let addr = peer.addr();
    assert_eq!(ask(addr, b"request"), b"answer");
    finished(peer);
    let error = TcpStream::connect(addr).expect_err("the port is closed");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
}

#[test]
fn a_client_that_resets_half_way_through_its_request_is_an_error_with_what_arrived() {
    let (sink, pieces) = reporting(MemorySink::new());
    let peer = spawned(patient().source("answer").sink(sink));
    let mut client = connect(peer.addr());
    client.write_all(b"GET / HTTP/1.1\r\nHo").expect("room for half a request");
    let piece = next_piece(&pieces, "half a request");
    reset(client);
    assert_eq!(piece.bytes, b"GET / HTTP/1.1\r\nHo");
    eventually("the exchange is in the journal", || peer.journal().exchanges().count() == 1);
    let error = error_of_finish(peer);
    let exchange = error.exchange().expect("what arrived");
    assert!(matches!(error, Error::Receive { .. }), "{error:?}");
    assert_eq!(exchange.request().bytes(), b"GET / HTTP/1.1\r\nHo");
    assert_eq!(exchange.request().end(), RequestEnd::Reset);
}

// Failures.

#[test]
fn a_failed_assertion_of_a_source_comes_out_of_take_once() {
    let peer = spawned(patient().source(asserting));
    assert_eq!(ask(peer.addr(), b"bad"), b"", "a panic has no answer");
    assert_eq!(panic_of(|| peer.take(PATIENCE)), "not good: bad");
    let journal = finished(peer);
    let exchange = journal.exchanges().next().expect("the exchange that failed");
    assert_eq!(exchange.request().bytes(), b"bad");
    assert_eq!(exchange.failure(), Some("the source panicked"));
}

/// A sink whose records panic when they are dropped.
struct Fragile;

impl RequestSink for Fragile {
    fn open(&mut self, _: &Client) -> io::Result<Box<dyn Write + Send>> {
        Ok(Box::new(FragileRecord))
    }
}

struct FragileRecord;

impl Write for FragileRecord {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for FragileRecord {
    fn drop(&mut self) {
        panic!("{}", "dropped".to_owned());
    }
}

#[test]
fn a_record_that_panics_when_it_is_dropped_fails_its_exchange() {
    let peer = spawned(patient().source("answer").sink(Fragile));
    assert_eq!(ask(peer.addr(), GET), b"", "a panic has no answer");
    assert_eq!(panic_of(|| peer.take(PATIENCE)), "dropped");
    let journal = finished(peer);
    let exchange = journal.exchanges().next().expect("the exchange that failed");
    assert_eq!(exchange.request().bytes(), GET);
    assert_eq!(exchange.failure(), Some("the sink panicked"));
}

#[test]
fn a_failed_assertion_of_a_source_comes_out_of_request() {
    let peer = spawned(patient().source(asserting));
    assert_eq!(ask(peer.addr(), b"bad"), b"", "a panic has no answer");
    assert_eq!(panic_of(|| peer.take_request()), "not good: bad");
}

#[test]
fn a_failed_assertion_of_a_source_comes_out_of_finish() {
    let peer = spawned(patient().source(asserting));
    assert_eq!(ask(peer.addr(), b"bad"), b"", "a panic has no answer");
    assert_eq!(panic_of(|| peer.finish()), "not good: bad");
}

#[test]
fn a_failed_assertion_of_a_source_comes_out_of_the_drop() {
    let peer = spawned(patient().source(asserting));
    assert_eq!(ask(peer.addr(), b"bad"), b"", "a panic has no answer");
    assert_eq!(panic_of(|| drop(peer)), "not good: bad");
}

#[test]
fn a_panic_keeps_the_payload_that_it_was_thrown_with() {
    let peer =
        spawned(patient().source(|_: &Request| -> Response { std::panic::panic_any(42_u8) }));
    assert_eq!(ask(peer.addr(), b"request"), b"");
    let payload = catch_unwind(AssertUnwindSafe(|| peer.finish())).expect_err("the panic");
    assert_eq!(payload.downcast_ref::<u8>(), Some(&42));
}

#[test]
fn a_panic_comes_before_an_error_that_was_earlier() {
    let peer = spawned(patient().source(asserting)).expect(17);
    reset_after_half_a_request(connect(peer.addr()), &peer);
    assert_eq!(ask(peer.addr(), b"bad"), b"");
    assert_eq!(panic_of(|| peer.finish()), "not good: bad");
}

#[track_caller]
fn reset_after_half_a_request(mut client: TcpStream, peer: &Peer) {
    client.write_all(b"GET / HTTP/1.1\r\nHo").expect("room for half a request");
    eventually("half a request has arrived", || {
        peer.journal().connections().iter().any(|record| record.unfinished() == 18)
    });
    reset(client);
    eventually("the failed exchange is in the journal", || {
        peer.journal().exchanges().any(|exchange| exchange.failure().is_some())
    });
}

#[test]
fn a_test_that_fails_is_told_by_its_own_panic_when_the_peer_has_failed_too() {
    type Failing = fn() -> Peer;
    let cases: [(&str, Failing); 3] = [
        ("a panic", || {
            let peer = spawned(patient().source(asserting));
            assert_eq!(ask(peer.addr(), b"bad"), b"");
            peer
        }),
        ("a failed exchange", || {
            let peer = spawned(patient().source("answer"));
            reset_after_half_a_request(connect(peer.addr()), &peer);
            peer
        }),
        ("a wrong count", || spawned(patient().source("answer")).expect(1)),
    ];
    for (case, failing) in cases {
        let test = thread::spawn(move || {
            let _peer = failing();
            panic!("the test's own");
        });
        let payload = test.join().expect_err("the test failed");
        assert_eq!(text_of(payload), "the test's own", "{case}");
    }
}

#[test]
fn a_drop_without_finish_panics_with_the_error() {
    let peer = spawned(patient().source("answer")).expect(1);
    let addr = peer.addr();
    let text = panic_of(|| drop(peer));
    let expected =
        format!("when the peer was dropped: expected 1 exchange on {addr}, but there were 0\n");
    assert!(text.starts_with(&expected), "{text}");
}

#[test]
fn a_drop_without_finish_panics_with_the_cause_too() {
    let peer = spawned(patient().source(Sequence::new(["one", "two"])));
    let addr = peer.addr();
    assert_eq!(ask(addr, b"request"), b"one");
    let text = panic_of(|| drop(peer));
    let expected = format!(
        "when the peer was dropped: failed to finish the source of the server on {addr}: only 1 of the sequence's 2 answers were fetched;"
    );
    assert!(text.starts_with(&expected), "{text}");
}

#[test]
fn a_failed_exchange_does_not_stop_the_peer() {
    let peer = spawned(patient().source(asserting));
    for round in 0..3 {
        assert_eq!(ask(peer.addr(), b"bad"), b"", "round {round}: a panic");
        assert_eq!(ask(peer.addr(), b"good"), b"answer", "round {round}: after a panic");
        reset_after_half_a_request(connect(peer.addr()), &peer);
        assert_eq!(ask(peer.addr(), b"good"), b"answer", "round {round}: after a reset");
    }
    let (mut good, mut failed, mut panicked) = (0, 0, 0);
    for _ in 0..12 {
        match catch_unwind(AssertUnwindSafe(|| peer.take(PATIENCE))) {
            Ok(Ok(_)) => good += 1,
            Ok(Err(Error::Receive { .. })) => failed += 1,
            Ok(Err(error)) => panic!("another failure: {}", error.report()),
            Err(_) => panicked += 1,
        }
    }
    assert_eq!((good, failed, panicked), (6, 3, 3), "{}", peer.journal());
    finished(peer);
}

#[test]
fn an_error_that_was_taken_is_not_repeated_by_finish() {
    let peer = spawned(patient().source("answer"));
    reset_after_half_a_request(connect(peer.addr()), &peer);
    let error = peer.take(PATIENCE).expect_err("the reset");
    assert!(matches!(error, Error::Receive { .. }), "{error:?}");
    finished(peer);
}

#[test]
fn the_first_error_is_the_one_that_finish_returns() {
    let peer = spawned(patient().source(Sequence::new(["one"])));
    assert_eq!(ask(peer.addr(), b"a"), b"one");
    assert_eq!(ask(peer.addr(), b"b"), b"", "the first that is too many");
    assert_eq!(ask(peer.addr(), b"c"), b"", "the second that is too many");
    let error = error_of_finish(peer);
    assert_eq!(error.exchange().expect("an exchange").request().bytes(), b"b");
}

#[test]
fn an_observer_that_panics_does_not_take_the_exchange_out_of_the_journal() {
    let peer = spawned(patient().source("answer").on_event(|event| {
        assert!(!matches!(event, Event::Served { .. }), "the observer's own");
    }));
    assert_eq!(ask(peer.addr(), b"request"), b"answer");
    peer.take(PATIENCE).expect("the exchange, which the observer has no part in");
    assert_eq!(requests(&peer.journal()), ["request"], "{}", peer.journal());
    assert_eq!(panic_of(|| peer.finish()), "the observer's own");
}

/// A sink that always fails.
struct Panicking;

impl RequestSink for Panicking {
    fn open(&mut self, _: &Client) -> io::Result<Box<dyn Write + Send>> {
        panic!("as planned")
    }
}

#[test]
fn what_arrived_is_in_the_journal_whatever_panicked() {
    let cases = [
        ("sink", spawned(patient().sink(Panicking))),
        ("rule", spawned(patient().framing(Framing::from_fn(|_| panic!("as planned"))))),
        ("source", spawned(patient().source(|_: &Request| -> Response { panic!("as planned") }))),
    ];
    for (case, peer) in cases {
        let mut client = connect_and_send(peer.addr(), b"request");
        // End-of-file or a reset: bytes may be unread.
        let _ = client.read_to_end(&mut Vec::new());
        assert_eq!(panic_of(|| peer.take(PATIENCE)), "as planned", "{case}");
        let journal = finished(peer);
        assert_eq!(requests(&journal), ["request"], "{case}: {journal}");
    }
}

// Sequences, and sources per connection.

#[test]
fn a_sequence_that_has_run_out_is_an_error_with_its_name() {
    let peer = spawned(patient().source(Sequence::new(["one", "two"])));
    for expected in ["one", "two", ""] {
        assert_eq!(ask(peer.addr(), b"request"), expected.as_bytes());
    }
    let error = error_of_finish(peer);
    assert!(matches!(error, Error::Respond { .. }), "{error:?}");
    let text = error.report().to_string();
    assert!(text.ends_with(": the sequence of 2 answers has run out"), "{text}");
    assert!(text.contains("(connection 3, exchange 3) after 7 bytes \"request\""), "{text}");
}

#[test]
fn answers_that_nobody_fetched_are_an_error() {
    let peer = spawned(patient().source(Sequence::new(["one", "two", "three"])));
    assert_eq!(ask(peer.addr(), b"request"), b"one");
    let error = error_of_finish(peer);
    assert!(matches!(error, Error::LeftOver { .. }), "{error:?}");
    let text = error.report().to_string();
    let expected = ": only 1 of the sequence's 3 answers were fetched; the connection was closed by the peer after answer 1, \
                    as scripted (`keep_open` and `keep_alive` keep it)";
    assert!(text.ends_with(expected), "{text}");
}

#[test]
fn the_last_answer_is_repeated_when_asked_to() {
    let peer = spawned(patient().source(Sequence::new(["one", "two"]).repeat_last()));
    for expected in ["one", "two", "two", "two"] {
        assert_eq!(ask(peer.addr(), b"request"), expected.as_bytes());
    }
    finished(peer);
}

#[test]
fn a_repeated_last_answer_has_to_be_fetched_once() {
    let peer = spawned(patient().source(Sequence::new(["one", "two"]).repeat_last()));
    assert_eq!(ask(peer.addr(), b"request"), b"one");
    let error = error_of_finish(peer);
    assert!(matches!(error, Error::LeftOver { .. }), "{error:?}");
}

fn two_connections() -> PerConnection {
    PerConnection::new([
        Sequence::new(["a1", "a2"]).keep_open(),
        Sequence::new(["b1", "b2"]).keep_open(),
    ])
}

#[test]
fn each_connection_has_its_own_answers_however_their_requests_mix() {
    let peer = spawned(patient().source(two_connections()).framing(Framing::until("\n")));
    let (mut idle, mut first, mut second) =
        (connect(peer.addr()), connect(peer.addr()), connect(peer.addr()));
    let turns = [(&mut first, &b"a1"[..]), (&mut second, b"b1")];
    for (client, expected) in turns {
        client.write_all(b"request\n").expect("room for a small request");
        expect_bytes(client, expected, "first turn");
    }
    for (client, expected) in [(&mut second, &b"b2"[..]), (&mut first, b"a2")] {
        client.write_all(b"request\n").expect("room for a small request");
        expect_bytes(client, expected, "second turn");
        end_of_file(client, "after the last answer");
    }
    // It sent no request, so it has no answer to fetch.
    idle.shutdown(Shutdown::Write).expect("an open socket");
    end_of_file(&mut idle, "the silent one");
    finished(peer);
}

#[test]
fn a_connection_more_than_there_are_answers_for_is_an_error() {
    let peer = spawned(patient().source(PerConnection::new(["one", "two"])));
    for expected in ["one", "two", ""] {
        assert_eq!(ask(peer.addr(), b"request"), expected.as_bytes());
    }
    let text = error_of_finish(peer).report().to_string();
    let expected = "(connection 3, exchange 3) after 7 bytes \"request\": there are answers for 2 connections, and this connection is one more";
    assert!(text.ends_with(expected), "{text}");
}

#[test]
fn a_connection_less_than_there_are_answers_for_is_an_error() {
    let peer = spawned(patient().source(PerConnection::new(["one", "two"])));
    assert_eq!(ask(peer.addr(), b"request"), b"one");
    let error = error_of_finish(peer);
    assert!(matches!(error, Error::LeftOver { .. }), "{error:?}");
    let text = error.report().to_string();
    assert!(text.ends_with(": only 1 of 2 connections made a request"), "{text}");
}

#[test]
fn what_one_of_several_sequences_has_left_is_an_error() {
    let peer = spawned(patient().source(two_connections()).framing(Framing::until("\n")));
    for (request, expected) in [(&b"x\ny\n"[..], &b"a1a2"[..]), (b"x\n", b"b1")] {
        let mut client = connect_and_send(peer.addr(), request);
        assert_eq!(read_all(&mut client), expected);
    }
    let text = error_of_finish(peer).report().to_string();
    assert!(text.contains(": only 1 of the sequence's 2 answers were fetched;"), "{text}");
}

// Taking.

#[test]
fn each_exchange_goes_to_one_of_the_threads_that_take() {
    let peer = spawned(patient().source("answer"));
    let mut seen = thread::scope(|scope| {
        let takers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    (0..5).map(|_| taken(&peer).request().bytes().to_vec()).collect::<Vec<_>>()
                })
            })
            .collect();
        for number in 0..20_u8 {
            assert_eq!(ask(peer.addr(), &[number]), b"answer", "exchange {number}");
        }
        takers.into_iter().flat_map(|taker| taker.join().expect("5 exchanges")).collect::<Vec<_>>()
    });
    seen.sort();
    assert_eq!(seen, (0..20_u8).map(|number| vec![number]).collect::<Vec<_>>());
    let error = peer.take(Duration::ZERO).expect_err("all were taken");
    assert!(matches!(error, Error::NoExchange { .. }), "{error:?}");
    finished(peer);
}

#[test]
fn exchanges_are_taken_in_the_order_in_which_they_end() {
    let peer = spawned(patient().source("answer").framing(Framing::until("\n")));
    let mut first = connect(peer.addr());
    first.write_all(b"first to beg").expect("room for half a request");
    eventually("the first has begun", || {
        peer.journal().connections().first().is_some_and(|record| record.unfinished() == 12)
    });
    assert_eq!(ask(peer.addr(), b"second\n"), b"answer");
    first.write_all(b"in\n").expect("room for the other half");
    assert_eq!(read_all(&mut first), b"answer");
    let (ended_first, ended_last) = (taken(&peer), taken(&peer));
    assert_eq!(ended_first.request().bytes(), b"second\n");
    assert_eq!(ended_first.client().exchange(), 2);
    assert_eq!(ended_last.request().bytes(), b"first to begin\n");
    assert_eq!(ended_last.client().exchange(), 1);
    finished(peer);
}

#[test]
fn a_take_that_saw_nothing_says_that_nobody_has_connected() {
    let peer = spawned(patient().source("answer"));
    let error = peer.take(BRIEFLY).expect_err("nobody came");
    let expected = format!(
        "no exchange was completed on {} within 20ms: no client has connected",
        peer.addr()
    );
    assert_eq!(error.report().to_string(), expected);
}

#[test]
fn a_take_that_saw_nothing_says_who_is_connected_and_how_far_they_came() {
    let peer = spawned(patient().source("answer"));
    let (mut first, second) = (connect(peer.addr()), connect(peer.addr()));
    first.write_all(b"GET / HTTP/1.1\r\nHo").expect("room for half a request");
    let expected = format!(
        "no exchange was completed on {} within 20ms: connection 1 from {} has sent 18 bytes of its request 1, \
         connection 2 from {} has sent 0 bytes of its request 1",
        peer.addr(),
        first.local_addr().expect("a connected socket"),
        second.local_addr().expect("a connected socket"),
    );
    let mut text = String::new();
    let start = Instant::now();
    while text != expected && start.elapsed() < PATIENCE {
        text = peer.take(BRIEFLY).expect_err("no exchange").report().to_string();
    }
    assert_eq!(text, expected);
    drop(second);
    first.write_all(b"st: peer\r\n\r\n").expect("room for the other half");
    assert_eq!(read_all(&mut first), b"answer");
    finished(peer);
}

#[test]
fn a_take_that_saw_nothing_says_that_everybody_has_left() {
    let peer = spawned(patient().source("answer"));
    drop(connect(peer.addr()));
    eventually("it has left", || {
        peer.journal().connections().first().is_some_and(|record| record.closed_at().is_some())
    });
    let text = peer.take(BRIEFLY).expect_err("no exchange").report().to_string();
    assert!(
        text.ends_with(": no open connection can bring another request (1 connection so far)"),
        "{text}"
    );
    finished(peer);
}

#[test]
fn a_take_that_saw_nothing_does_not_wait_for_requests_of_who_is_told_to_close() {
    let peer = spawned(patient().source("answer"));
    let mut client = connect(peer.addr());
    client.write_all(b"request").expect("room for a small request");
    expect_bytes(&mut client, b"answer", "the answer");
    end_of_file(&mut client, "after the answer");
    taken(&peer);
    let text = peer.take(BRIEFLY).expect_err("no second exchange").report().to_string();
    assert!(!text.contains("of its request 2"), "there will be none on that connection: {text}");
    drop(client);
    finished(peer);
}

// Connections side by side, and several requests on one.

#[test]
fn one_connection_carries_many_exchanges() {
    let peer = spawned(patient().source(|request: &Request| {
        Response::from(format!("<{}>", request.target().unwrap_or("?"))).keep_open()
    }));
    let mut client = connect(peer.addr());
    for number in 0..50 {
        let case = format!("request {number}");
        write!(client, "GET /{number} HTTP/1.1\r\n\r\n").expect("room for a small request");
        expect_bytes(&mut client, format!("</{number}>").as_bytes(), &case);
        let exchange = taken(&peer);
        assert_eq!(exchange.client().connection(), 1, "{case}");
        assert_eq!(exchange.client().exchange(), number + 1, "{case}");
    }
    drop(client);
    let journal = finished(peer);
    assert_eq!(journal.connections().len(), 1);
    assert_eq!(journal.connections()[0].exchanges().len(), 50);
}

#[test]
fn requests_in_one_write_are_answered_in_order() {
    let peer = spawned(patient().source(|request: &Request| {
        Response::from(request.decoded_body().unwrap_or_default()).keep_open()
    }));
    let (mut requests, mut expected) = (Vec::new(), Vec::new());
    for number in 0..100 {
        let body = format!("{number:03}\n");
        requests.extend(b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\n");
        requests.extend(body.bytes());
        expected.extend(body.bytes());
    }
    let mut client = connect_and_send(peer.addr(), &requests);
    same_bytes(&read_all(&mut client), &expected, "100 answers");
    let journal = finished(peer);
    assert_eq!(journal.connections().len(), 1);
    assert_eq!(journal.exchanges().count(), 100);
}

#[test]
fn idle_connections_do_not_block_a_busy_one() {
    let peer = spawned(patient().source("answer").clients_may_leave_early());
    let _idle: Vec<_> = (0..20).map(|_| connect(peer.addr())).collect();
    let mut half = connect(peer.addr());
    half.write_all(b"GET / HT").expect("room for half a request");
    within(QUICK, "behind 21 others", || {
        assert_eq!(ask(peer.addr(), GET), b"answer");
    });
    drop(half);
    taken(&peer);
}

#[test]
fn a_client_that_takes_nothing_does_not_block_another() {
    let long = numbered(16 << 20);
    let answer = long.clone();
    let peer = spawned(patient().source(move |request: &Request| match request.target() {
        Some("/long") => Response::from(answer.clone()),
        _ => Response::from("short"),
    }));
    let mut slow = connect_with_little_room(peer.addr());
    slow.write_all(b"GET /long HTTP/1.1\r\n\r\n").expect("room for a small request");
    // Its answer is in progress: the buffers cannot hold the rest of it.
    expect_bytes(&mut slow, &long[..1000], "the beginning");
    within(QUICK, "behind a slow one", || assert_eq!(ask(peer.addr(), GET), b"short"));
    same_bytes(&read_all(&mut slow), &long[1000..], "the rest");
    finished(peer);
}

#[test]
fn a_source_that_waits_for_another_connection_gets_it() {
    let (sink, pieces) = reporting(MemorySink::new());
    let peer = spawned(patient().sink(sink).source(move |request: &Request| {
        if request.bytes() == b"first" {
            // The first piece is the client's own request.
            while next_piece(&pieces, "the second connection").connection == 1 {}
        }
        "answer"
    }));
    let mut first = connect(peer.addr());
    first.write_all(b"first").expect("room for a small request");
    eventually("the first is being served", || !peer.journal().connections().is_empty());
    let mut second = connect(peer.addr());
    second.write_all(b"second").expect("room for a small request");
    assert_eq!(read_all(&mut first), b"answer", "the one that waits");
    assert_eq!(read_all(&mut second), b"answer", "the one that is waited for");
    finished(peer);
}

#[test]
fn fifty_connections_are_served_side_by_side() {
    let peer = spawned(
        patient()
            .framing(Framing::until("\n"))
            .source(|request: &Request| Response::from(request.bytes().to_ascii_uppercase())),
    );
    let barrier = Barrier::new(50);
    thread::scope(|scope| {
        for number in 0..50 {
            let (peer, barrier) = (&peer, &barrier);
            scope.spawn(move || {
                let mut client = connect(peer.addr());
                write!(client, "client {number}, ").expect("room for half a request");
                // All have begun before the first is complete.
                barrier.wait();
                client.write_all(b"all of it\n").expect("room for the other half");
                let expected = format!("CLIENT {number}, ALL OF IT\n");
                same_bytes(&read_all(&mut client), expected.as_bytes(), "the answer");
            });
        }
    });
    let journal = finished(peer);
    assert_eq!(journal.connections().len(), 50);
    assert_eq!(journal.exchanges().count(), 50);
}

// The end, while clients are connected.

#[test]
fn finish_gives_a_silent_client_the_linger_time() {
    let linger = Duration::from_millis(300);
    let peer = spawned(patient().source("answer").linger(linger));
    let mut client = connect(peer.addr());
    let start = Instant::now();
    let journal = within(QUICK, "a silent client", || finished(peer));
    assert!(start.elapsed() >= linger, "it had only {:?}", start.elapsed());
    end_of_file(&mut client, "a silent client");
    let [record] = journal.connections() else { panic!("one connection, not:\n{journal}") };
    assert!(record.is_silent(), "{journal}");
    assert!(record.closed_at().is_some(), "{journal}");
    assert_eq!(record.client_end(), ClientEnd::ClosedByUs, "{journal}");
}

/// A client that has an answer and may get more.
#[track_caller]
fn kept_alive(peer: &Peer) -> TcpStream {
    let mut client = connect(peer.addr());
    client.write_all(b"keep\n").expect("room for a small request");
    expect_bytes(&mut client, b"kept", "the answer that keeps the connection");
    client
}

#[test]
fn an_exchange_shows_whether_its_kept_client_is_still_there() {
    let peer = in_lines();
    let client = kept_alive(&peer);
    let exchange = taken(&peer);
    assert_eq!(exchange.client_end(), ClientEnd::StillOpen);
    drop(client);
    eventually("the client's end is seen", || exchange.client_end() == ClientEnd::Closed);
    finished(peer);
}

/// Finishes the peer while `client` runs, which starts when the peer has begun to finish: a kept connection ends then.
#[track_caller]
fn finish_meanwhile(peer: Peer, case: &str, client: impl FnOnce() + Send) -> Journal {
    let mut bell = kept_alive(&peer);
    thread::scope(|scope| {
        let client = scope.spawn(move || {
            end_of_file(&mut bell, "finishing has begun");
            client();
        });
        let journal = within(QUICK, case, || finished(peer));
        client.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        journal
    })
}

#[test]
fn finish_serves_a_client_that_begins_within_the_linger_time() {
    let peer = in_lines();
    let mut client = connect(peer.addr());
    let journal = finish_meanwhile(peer, "a client that begins", move || {
        client.write_all(b"late\n").expect("room for a small request");
        assert_eq!(read_all(&mut client), b"answer");
    });
    assert!(requests(&journal).contains(&r"late\n".to_owned()), "{journal}");
}

#[test]
fn finish_serves_a_client_that_is_in_the_middle_of_its_request() {
    let peer = in_lines();
    let mut client = connect(peer.addr());
    client.write_all(b"half").expect("room for half a request");
    eventually("half a request has arrived", || {
        peer.journal().connections().first().is_some_and(|record| record.unfinished() == 4)
    });
    let journal = finish_meanwhile(peer, "a client that goes on", move || {
        client.write_all(b" and half\n").expect("room for the other half");
        assert_eq!(read_all(&mut client), b"answer");
    });
    assert!(requests(&journal).contains(&r"half and half\n".to_owned()), "{journal}");
}

#[test]
fn finish_serves_a_kept_client_that_is_in_the_middle_of_its_next_request() {
    // What counts is when its first half arrives: a moment before `finish`, already noticed by the peer's thread or not.
    for round in 0..30 {
        let peer = in_lines();
        let mut client = kept_alive(&peer);
        let half = b"half";
        let case = format!("round {round}");
        let mut bell = kept_alive(&peer);
        thread::scope(|scope| {
            client.write_all(half).expect("room for half a request");
            let rest = scope.spawn(|| {
                end_of_file(&mut bell, "finishing has begun");
                client.write_all(b" and half\n").expect("room for the other half");
                read_all(&mut client)
            });
            let journal = within(QUICK, &case, || finished(peer));
            let answer = rest.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            let whole = requests(&journal).contains(&r"half and half\n".to_owned());
            assert!(whole, "{case}: the client goes on, but:\n{journal}");
            assert_eq!(answer, b"answer", "{case}");
        });
    }
}

#[test]
fn finish_does_not_wait_for_a_client_that_keeps_its_connection_after_the_answer() {
    let peer = spawned(patient().source("answer"));
    let mut client = connect(peer.addr());
    client.write_all(GET).expect("room for a small request");
    expect_bytes(&mut client, b"answer", "the answer");
    let journal = within(QUICK, "a client that stays", || finished(peer));
    end_of_file(&mut client, "after the answer");
    assert_eq!(journal.connections()[0].client_end(), ClientEnd::ClosedByUs, "{journal}");
}

#[test]
fn finish_ends_a_connection_that_is_kept_for_another_request() {
    let peer = in_lines();
    let mut client = kept_alive(&peer);
    let journal = within(QUICK, "a client that may ask again", || finished(peer));
    end_of_file(&mut client, "at the end");
    assert_eq!(requests(&journal), [r"keep\n"]);
}

#[test]
fn a_connection_that_finish_ended_was_not_closed_by_the_client() {
    let peer = in_lines();
    let client = kept_alive(&peer);
    let journal = finished(peer);
    assert_eq!(journal.connections()[0].client_end(), ClientEnd::ClosedByUs, "{journal}");
    drop(client);
}

#[test]
fn finish_waits_until_a_long_answer_has_been_taken() {
    let long = numbered(16 << 20);
    let peer = spawned(patient().source(long.clone()));
    let mut client = connect_with_little_room(peer.addr());
    client.write_all(GET).expect("room for a small request");
    expect_bytes(&mut client, &long[..1000], "the beginning");
    thread::scope(|scope| {
        let finishing = scope.spawn(move || finished(peer));
        same_bytes(&read_all(&mut client), &long[1000..], "the rest");
        let journal = finishing.join().expect("nothing is wrong");
        let exchange = journal.exchanges().next().expect("an exchange");
        assert_eq!(exchange.sent(), long.len() as u64);
    });
}

#[test]
fn an_answer_on_its_way_to_a_kept_client_survives_finish() {
    // Small enough for the kernel to take all of it, too long for the client's buffer.
    let long = numbered(1 << 20);
    let answer = long.clone();
    let peer = spawned(patient().framing(Framing::until("\n")).source(move |request: &Request| {
        let answer = if request.bytes() == b"keep\n" { &b"kept"[..] } else { &answer };
        Response::from(answer).keep_open()
    }));
    let mut client = connect_with_little_room(peer.addr());
    client.write_all(b"long\n").expect("room for a small request");
    expect_bytes(&mut client, &long[..1000], "the beginning");
    eventually("the whole answer has left", || peer.journal().exchanges().count() == 1);
    let journal = finish_meanwhile(peer, "an answer on its way", move || {
        // It sends the next request before it has read the answer.
        client.write_all(b"keep\n").expect("room for a small request");
        let mut rest = vec![0; long.len() - 1000];
        client.read_exact(&mut rest).expect("the rest of the answer");
        same_bytes(&rest, &long[1000..], "the rest");
    });
    assert_eq!(journal.connections().len(), 2, "{}", journal.connections().len());
}

#[test]
fn clients_that_connected_before_finish_are_served() {
    for round in 0..20 {
        let peer = spawned(patient().source("answer"));
        let mut clients: Vec<_> =
            (0..20).map(|number| connect_and_send(peer.addr(), &[number])).collect();
        // Most of them have not been accepted yet.
        let journal = within(QUICK, "20 clients", || finished(peer));
        assert_eq!(journal.exchanges().count(), 20, "round {round}:\n{journal}");
        for client in &mut clients {
            assert_eq!(read_all(client), b"answer", "round {round}");
        }
    }
}

#[test]
fn clients_that_wait_behind_an_observer_are_served_when_the_peer_finishes() {
    let (go, gate) = mpsc::channel();
    let peer = spawned(patient().source("answer").on_event(move |event| {
        if let Event::Accepted { client, .. } = event
            && client.connection() == 1
        {
            gate.recv_timeout(PATIENCE).expect("the test goes on");
        }
    }));
    let clients: Vec<_> = (0..20).map(|number| connect_and_send(peer.addr(), &[number])).collect();
    thread::scope(|scope| {
        let finishing = scope.spawn(move || finished(peer));
        go.send(()).expect("the observer waits");
        for mut client in clients {
            assert_eq!(read_all(&mut client), b"answer");
        }
        let journal = finishing.join().expect("nothing is wrong");
        assert_eq!(journal.exchanges().count(), 20, "{journal}");
    });
}

#[test]
fn a_drop_serves_who_is_connected() {
    for round in 0..20 {
        let peer = spawned(patient().source("answer"));
        let mut client = connect_and_send(peer.addr(), GET);
        within(QUICK, "one client", || drop(peer));
        assert_eq!(read_all(&mut client), b"answer", "round {round}");
    }
}

#[test]
fn answers_to_nothing_without_end_are_refused() {
    // A mistake: `then` was meant, which says what is read next.
    for (case, response) in [
        ("keep_open", Response::from("220 hi\r\n").keep_open()),
        ("then nothing", Response::from("220 hi\r\n").then(Framing::nothing())),
    ] {
        let peer = spawned(patient().framing(Framing::nothing()).source(response));
        let mut client = connect(peer.addr());
        assert_eq!(read_all(&mut client), b"", "{case}");
        let error = within(QUICK, case, || peer.finish()).expect_err(case);
        let text = error.report().to_string();
        assert!(
            text.ends_with(
                "keeps the connection open for another empty request, which would never end"
            ),
            "{text}"
        );
    }
}

/// The text of a journal, with its times as `…`.
fn without_times(journal: &Journal) -> String {
    let mut text = String::new();
    for line in journal.to_string().lines() {
        match line.rsplit_once(" at ") {
            Some((what, time)) if line.starts_with("connection ") => {
                assert!(time.ends_with('s') && time.contains('.'), "a time, not `{time}`");
                text += what;
                text += " at …";
            }
            _ => text += line,
        }
        text.push('\n');
    }
    text
}

#[test]
fn the_journal_prints_as_one_wants_to_read_it() {
    let peer = spawned(patient().source(|request: &Request| {
        assert!(request.target() == Some("/good"), "no such thing");
        "HTTP/1.1 200 OK\r\n\r\n"
    }));
    let ended = |number: usize| {
        eventually("a connection has ended", || {
            let journal = peer.journal();
            let record = journal.connections().get(number - 1);
            record.is_some_and(|record| record.closed_at().is_some())
        });
    };
    let mut served = connect(peer.addr());
    served.write_all(b"GET /good HTTP/1.1\r\nHost: peer\r\n\r\nmore\0").expect("room");
    served.shutdown(Shutdown::Write).expect("an open socket");
    assert_eq!(read_all(&mut served), b"HTTP/1.1 200 OK\r\n\r\n");
    ended(1);
    let mut silent = connect_and_send(peer.addr(), b"");
    end_of_file(&mut silent, "who says nothing");
    ended(2);
    let mut failed = connect_and_send(peer.addr(), b"GET /bad");
    end_of_file(&mut failed, "who fails");
    ended(3);
    let addr = |client: &TcpStream| client.local_addr().expect("a connected socket");
    let expected = format!(
        r"connection 1 from {}, closed by the client at …
  exchange 1: 34 bytes of request, complete; 19 of 19 bytes of response
    > GET /good HTTP/1.1\r\n
    > Host: peer\r\n
    > \r\n
    < HTTP/1.1 200 OK\r\n
    < \r\n
  5 bytes after the last request
    > more\x00
connection 2 from {}, closed by the client at …
  no byte
connection 3 from {}, closed by the client at …
  exchange 2: 8 bytes of request, cut short by the client's close; 0 bytes of response
    > GET /bad
    failed: the source panicked
",
        addr(&served),
        addr(&silent),
        addr(&failed)
    );
    assert_eq!(without_times(&peer.journal()), expected);
    assert_eq!(panic_of(|| peer.finish()), "no such thing");
}

#[test]
fn one_byte_is_not_called_bytes() {
    let peer = spawned(patient().source("1").framing(Framing::exactly(1)));
    assert_eq!(ask(peer.addr(), b"q"), b"1");
    let journal = peer.journal().to_string();
    assert!(
        journal.contains("1 byte of request, complete; 1 of 1 byte of response\n"),
        "{journal}"
    );
    finished(peer);
}

#[test]
fn the_journal_prints_who_is_still_connected_and_who_has_reset() {
    let peer = spawned(patient().source("answer").framing(Framing::until("\n")));
    let mut resetting = connect(peer.addr());
    let first = resetting.local_addr().expect("a connected socket");
    resetting.write_all(b"a\tb").expect("room");
    eventually("a part has arrived", || {
        peer.journal().connections().first().is_some_and(|record| record.unfinished() == 3)
    });
    let open =
        format!("connection 1 from {first}, open\n  3 bytes of a request that is not complete\n");
    assert_eq!(peer.journal().to_string(), open);
    reset(resetting);
    eventually("the connection has ended", || {
        peer.journal().connections()[0].closed_at().is_some()
    });
    let journal = without_times(&peer.journal());
    let error = peer.take(PATIENCE).expect_err("the reset");
    let failure = error.io_error().expect("a cause");
    let expected = format!(
        "connection 1 from {first}, reset by the client at …\n  \
         exchange 1: 3 bytes of request, cut short by the client's reset; 0 bytes of response\n    \
         > a\\tb\n    failed: {failure}\n"
    );
    assert_eq!(journal, expected);
    finished(peer);
}

// Async without a runtime.

#[test]
fn exchanges_are_awaited_without_a_runtime() {
    let peer = spawned(patient().source("answer"));
    let next = peer.take_async(PATIENCE);
    assert_eq!(ask(peer.addr(), b"request"), b"answer");
    let exchange = block_on(next).expect("an exchange");
    assert_eq!(exchange.request().bytes(), b"request");
    let error = block_on(peer.take_async(BRIEFLY)).expect_err("no second exchange");
    assert!(matches!(error, Error::NoExchange { .. }), "{error:?}");
    let journal = block_on(peer.finish_async()).expect("nothing is wrong");
    assert_eq!(requests(&journal), ["request"]);
}

#[test]
fn a_future_that_is_polled_in_several_threads_wakes_the_last_one() {
    let peer = spawned(patient().source("answer"));
    let mut next = Box::pin(peer.take_async(PATIENCE));
    let mut here = Context::from_waker(Waker::noop());
    assert!(next.as_mut().poll(&mut here).is_pending(), "nobody came yet");
    let waiting = thread::spawn(move || block_on(next).expect("an exchange"));
    assert_eq!(ask(peer.addr(), b"request"), b"answer");
    let exchange = waiting.join().expect("it was woken");
    assert_eq!(exchange.request().bytes(), b"request");
    finished(peer);
}

/// Looks at a peer, and drops the last handle to it.
struct LetGo(Mutex<Option<(Peer, mpsc::Sender<Journal>)>>);

impl Wake for LetGo {
    fn wake(self: Arc<Self>) {
        if let Some((peer, told)) = self.0.lock().expect("woken once").take() {
            told.send(peer.journal()).expect("somebody waits");
            drop(peer);
        }
    }
}

#[test]
fn a_waker_may_look_at_the_peer_and_drop_it() {
    let peer = spawned(patient().source("answer"));
    let addr = peer.addr();
    let mut next = Box::pin(peer.take_async(PATIENCE));
    let (told, journal) = mpsc::channel();
    let let_go = Arc::new(LetGo(Mutex::new(Some((peer, told)))));
    let waker = Waker::from(Arc::clone(&let_go));
    assert!(next.as_mut().poll(&mut Context::from_waker(&waker)).is_pending(), "nobody came yet");
    assert_eq!(ask(addr, b"request"), b"answer");
    let journal = journal.recv_timeout(PATIENCE).expect("the waker was called under no lock");
    assert_eq!(requests(&journal), ["request"]);
    eventually("nobody listens any more", || TcpStream::connect(addr).is_err());
}

#[test]
fn what_is_wrong_comes_out_of_the_futures() {
    let peer = spawned(patient().source(asserting)).expect(7);
    for _ in 0..2 {
        assert_eq!(ask(peer.addr(), b"bad"), b"");
    }
    assert_eq!(panic_of(|| block_on(peer.take_async(PATIENCE))), "not good: bad");
    assert_eq!(panic_of(|| block_on(peer.finish_async())), "not good: bad");

    let peer = spawned(patient().source("answer")).expect(1);
    let error = block_on(peer.finish_async()).expect_err("nobody came");
    assert!(matches!(error, Error::Count { expected: 1, served: 0, .. }), "{error:?}");
}

#[test]
fn a_take_that_is_given_up_takes_nothing() {
    for round in 0..10 {
        let peer = spawned(patient().source(asserting));
        drop(peer.take_async(PATIENCE));
        assert_eq!(ask(peer.addr(), b"bad"), b"", "round {round}");
        let Err(payload) = catch_unwind(AssertUnwindSafe(|| peer.finish())) else {
            panic!("round {round}: the failure of the exchange, not nothing");
        };
        assert_eq!(text_of(payload), "not good: bad", "round {round}");
    }
}

#[test]
fn a_take_that_waits_ends_with_the_peer() {
    let peer = spawned(patient().source("answer"));
    let next = peer.take_async(Duration::from_secs(60));
    finished(peer);
    let error = block_on(next).expect_err("no exchange will come");
    assert!(matches!(error, Error::NoExchange { .. }), "{error:?}");
}

#[test]
fn after_finish_nobody_can_connect_whoever_waits_for_an_exchange() {
    let peer = spawned(patient().source("answer"));
    let addr = peer.addr();
    let _next = peer.take_async(Duration::from_secs(60));
    finished(peer);
    let error = TcpStream::connect(addr).expect_err("the port is closed");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
}
