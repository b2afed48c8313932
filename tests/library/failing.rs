//! The peer of a test that fails: it ends at once, whatever its clients do, and the test's own panic is reported. What it
//! prints is what happened, also what is not over yet.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::panic::{self, AssertUnwindSafe};
use std::thread;
use std::time::{Duration, Instant};

use fake_peer::{Ending, Framing, Gate, Peer, Response, Sequence, TcpServerBuilder, http};
use fake_peer_test_support::{
    PATIENCE, connect, connect_with_little_room, eventually, expect_bytes, finished, patient,
    spawned,
};

const GET: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

/// Shorter than all timeouts of the peer.
const AT_ONCE: Duration = PATIENCE;

/// A test with a peer of this kind and a client that stays connected. The test fails when this has happened.
#[track_caller]
fn fails_at_once<A>(
    case: &str,
    builder: TcpServerBuilder<A>,
    before: impl FnOnce(&Peer) -> Option<TcpStream>,
) {
    let mut client = None;
    let start = Instant::now();
    let test = panic::catch_unwind(AssertUnwindSafe(|| {
        let peer = spawned(builder);
        client = before(&peer);
        panic!("the test's own");
    }));
    let took = start.elapsed();
    let payload = test.expect_err("it has failed");
    assert_eq!(payload.downcast_ref(), Some(&"the test's own"), "{case}");
    assert!(took < AT_ONCE, "{case}: {took:?}");
    drop(client);
}

/// A client that has sent this, once it is in the journal.
fn sent(peer: &Peer, bytes: &[u8]) -> TcpStream {
    let mut client = connect(peer.addr());
    client.write_all(bytes).expect("room");
    eventually("it has arrived", || {
        let journal = peer.journal();
        journal.connections().first().is_some_and(|record| !record.is_silent())
    });
    client
}

#[test]
fn a_failing_test_waits_for_no_client() {
    let large = || Response::new().repeat("x", 8 << 20);
    let gate = Gate::new();
    fails_at_once("nobody came", patient(), |_| None);
    fails_at_once("a silent client", patient(), |peer| Some(connect(peer.addr())));
    fails_at_once("half a request", patient(), |peer| Some(sent(peer, b"GET / HT")));
    fails_at_once("a client that does not read", patient().source(large()), |peer| {
        let mut client = connect_with_little_room(peer.addr());
        client.write_all(GET).expect("room");
        client.read_exact(&mut [0]).expect("it has begun");
        Some(client)
    });
    fails_at_once("a gate", patient().source(Response::from("a").gate(&gate)), |peer| {
        let client = sent(peer, GET);
        assert!(gate.wait_until_reached(PATIENCE));
        Some(client)
    });
    fails_at_once("a pause", patient().source(Response::new().pause(2 * PATIENCE)), |peer| {
        Some(sent(peer, GET))
    });
    let endings = [
        Ending::Close,
        Ending::HalfClose,
        Ending::Hold,
        Ending::KeepOpen,
        Ending::StopReading,
        Ending::Reset,
    ];
    for ending in endings {
        let case = format!("{ending:?}");
        let response = Response::from("hi").ending(ending);
        fails_at_once(&case, patient().source(response), |peer| {
            let mut client = sent(peer, GET);
            expect_bytes(&mut client, b"hi", &case);
            Some(client)
        });
    }
    let unread = large().ending(Ending::Reset);
    fails_at_once("a reset after what nobody reads", patient().source(unread), |peer| {
        Some(sent(peer, GET))
    });
}

#[test]
fn a_failing_test_serves_no_client_that_waits_behind_another() {
    let gate = Gate::new();
    let source = Response::new().gate(&gate);
    fails_at_once("behind a gate", patient().source(source), |peer| {
        let client = sent(peer, GET);
        for _ in 0..3 {
            let addr = peer.addr();
            // These are connected when the peer ends, and stay silent.
            thread::spawn(move || {
                let mut client = connect(addr);
                let _ = client.read(&mut [0]);
            });
        }
        Some(client)
    });
}

#[test]
fn a_request_that_is_being_answered_has_arrived() {
    let gate = Gate::new();
    let peer = spawned(patient().source(http::ok("hi").gate(&gate)));
    let mut client = connect(peer.addr());
    client.write_all(GET).expect("room");
    assert!(gate.wait_until_reached(PATIENCE));

    let journal = peer.journal();
    let record = &journal.connections()[0];
    assert_eq!(record.answering(), Some(18));
    assert!(!record.is_silent());
    assert!(
        journal.to_string().ends_with("\n  a request of 18 bytes is being answered\n"),
        "{journal}"
    );
    let error = peer.take(Duration::ZERO).expect_err("it is not over").to_string();
    let expected = "has sent its request 1 (18 bytes), which is being answered";
    assert!(error.ends_with(expected), "{error}");

    gate.open();
    fake_peer_test_support::read_all(&mut client);
    let journal = peer.journal();
    assert_eq!(journal.connections()[0].answering(), None);
    drop(client);
    finished(peer);
}

#[test]
fn a_request_behind_the_last_one_is_told() {
    let peer = spawned(patient().source(http::ok("hi")));
    let mut client = connect(peer.addr());
    client.write_all(&[GET, GET].concat()).expect("room");
    fake_peer_test_support::read_all(&mut client);
    drop(client);
    fake_peer_test_support::taken(&peer);
    eventually("it is over", || peer.journal().connections()[0].closed_at().is_some());
    let error = peer.take(Duration::ZERO).expect_err("there was one").to_string();
    let expected = ": no open connection can bring another request (1 connection so far); connection 1 \
                    sent 18 bytes after its last request, whose response closes the connection";
    assert!(error.ends_with(expected), "{error}");
    finished(peer);
}

#[test]
fn an_error_is_unwrapped_as_its_report_and_its_peer() {
    let peer = spawned(patient().source(Sequence::new(["one"])).framing(Framing::exactly(1)));
    let error = peer.finish().expect_err("nobody has fetched it");
    let report = error.report().to_string();
    assert!(report.ends_with(": only 0 of the sequence's 1 answer were fetched"), "{report}");
    let peer = error.peer().expect("a peer");
    assert_eq!(format!("{error:?}"), format!("{report}\n{peer}"));
}

#[test]
fn a_comparison_names_the_first_differing_byte() {
    let peer = Peer::answer("hi");
    let mut client = connect(peer.addr());
    client.write_all(b"GET / HTTP/1.0\r\n\r\n").expect("room");
    let request = peer.take_request();
    let compare = || request.assert_bytes("GET / HTTP/1.1\r\n\r\n");
    let payload = panic::catch_unwind(AssertUnwindSafe(compare)).expect_err("they differ");
    assert_eq!(
        payload.downcast_ref::<String>().expect("a text"),
        "the request differs from what was expected at byte 13\
         \n  expected 18 bytes: \"GET / HTTP/1.»1\\r\\n\\r\\n\"\
         \n    actual 18 bytes: \"GET / HTTP/1.»0\\r\\n\\r\\n\""
    );
}

#[test]
fn a_request_that_is_not_whole_has_no_head_to_compare() {
    let peer = spawned(patient().source("hi").clients_may_leave_early());
    fake_peer_test_support::connect_and_send(
        peer.addr(),
        b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nhello",
    );
    let request = peer.take_request();
    let compare = || request.assert_head("POST / HTTP/1.1\nContent-Length: 9");
    let payload = panic::catch_unwind(AssertUnwindSafe(compare)).expect_err("it is cut short");
    let text = payload.downcast_ref::<String>().expect("a text");
    assert!(
        text.starts_with("the request is not complete: cut short by the client's close after"),
        "{text}"
    );
}

/// The text of a panic.
#[track_caller]
fn panic_of(run: impl FnOnce()) -> String {
    let payload = panic::catch_unwind(AssertUnwindSafe(run)).expect_err("a panic");
    payload.downcast_ref::<String>().expect("a text").clone()
}

#[test]
fn a_body_is_compared_without_its_chunks() {
    let peer = spawned(patient().source("hi"));
    let chunks =
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n";
    fake_peer_test_support::ask(peer.addr(), chunks);
    let request = peer.take_request();
    request.assert_body("hello");
    assert_eq!(
        panic_of(|| request.assert_body("help")),
        "the request's body differs from what was expected at byte 3\
         \n  expected 4 bytes: \"hel»p\"\
         \n    actual 5 bytes: \"hel»lo\""
    );
    fake_peer_test_support::ask(peer.addr(), b"hello");
    let text = panic_of(|| peer.take_request().assert_body("hello"));
    assert_eq!(text, "the request is not HTTP with a complete head, in \"hello\"");
}

#[test]
fn a_header_field_is_compared_by_its_value() {
    let peer = spawned(patient().source("hi"));
    let request = b"GET / HTTP/1.1\r\nAccept: a\r\nHost:  peer \r\naccept: b\r\n\r\n";
    fake_peer_test_support::ask(peer.addr(), request);
    let request = peer.take_request();
    request.assert_header("host", "peer");
    request.assert_header("ACCEPT", "b");
    assert_eq!(
        panic_of(|| request.assert_header("Accept", "c")),
        "the request's header field `Accept` is `a`, `b`, not `c`"
    );
    let text = panic_of(|| request.assert_header("X", "c"));
    assert!(
        text.starts_with("the request has no header field `X: c`, in \"GET / HTTP/1.1"),
        "{text}"
    );
}
