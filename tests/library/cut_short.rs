//! Clients that leave before their request is complete: the test fails, unless it says that it expects them to.

use std::io::Write;
use std::net::Shutdown;
use std::panic::{self, AssertUnwindSafe};

use fake_peer::{Error, Framing, Peer, RequestEnd, Response};
use fake_peer_test_support::{
    PATIENCE, connect, connect_and_send, finished, patient, read_all, reset, spawned, taken,
};

/// A framing, and a request that is not complete by it.
fn cut_requests() -> [(Framing, &'static [u8]); 5] {
    [
        (Framing::auto(), b"GET /a HT"),
        (Framing::http(), b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf"),
        (Framing::until("\r\n.\r\n"), b"QUIT\r\n"),
        (Framing::exactly(9), b"half"),
        (Framing::from_fn(|_| None), b"half"),
    ]
}

fn leave_early(peer: &Peer, request: &[u8]) {
    let mut client = connect(peer);
    client.write_all(request).expect("room for half a request");
    client.shutdown(Shutdown::Write).expect("an open socket");
    assert_eq!(read_all(&mut client), b"answer", "it is still answered");
}

#[track_caller]
fn is_cut_short(error: &Error, request: &[u8], framing: &Framing) {
    assert!(matches!(error, Error::Receive { .. }), "{error:?}");
    let exchange = error.exchange().expect("an exchange");
    assert_eq!(exchange.request().bytes(), request);
    assert_eq!(exchange.request().end(), RequestEnd::ClientClosed);
    assert_eq!(exchange.sent(), 6);
    let reason = format!(
        "the client ended its side before the request was complete by framing `{framing}`; it was answered all the same"
    );
    assert!(error.report().to_string().ends_with(&reason), "{error:?}");
}

#[test]
fn a_request_that_its_client_cut_short_is_answered_and_fails_take_and_finish() {
    for (framing, request) in cut_requests() {
        let peer = spawned(patient().framing(framing.clone()).source("answer"));
        leave_early(&peer, request);
        is_cut_short(&peer.take(PATIENCE).expect_err("cut short"), request, &framing);
        leave_early(&peer, request);
        is_cut_short(&peer.finish().expect_err("cut short"), request, &framing);
    }
}

#[test]
fn the_journal_of_a_live_peer_has_the_failure_with_the_last_byte() {
    let peer = spawned(patient().source("answer"));
    leave_early(&peer, b"GET /a HT");
    let journal = peer.journal();
    let failure = journal.exchanges().next().expect("an exchange").failure();
    assert!(failure.is_some(), "{journal}");
    peer.take(PATIENCE).expect_err("cut short");
}

#[test]
fn the_drop_fails_for_a_client_that_closes_half_way_through_its_request() {
    let peer = spawned(patient().source("answer"));
    let mut client = connect(&peer);
    client.write_all(b"GET / HTTP/1.1\r\nHo").expect("room for half a request");
    drop(client);
    let dropped = panic::catch_unwind(AssertUnwindSafe(|| drop(peer)));
    let payload = dropped.expect_err("the request was cut short");
    let text = payload.downcast_ref::<String>().expect("a text");
    assert!(text.contains(r#"after 18 bytes "GET / HTTP/1.1\r\nHo""#), "{text}");
}

#[test]
fn a_test_may_expect_clients_to_leave_early() {
    for (framing, request) in cut_requests() {
        let builder = patient().framing(framing).clients_may_leave_early();
        let peer = spawned(builder.source("answer"));
        leave_early(&peer, request);
        let exchange = taken(&peer);
        assert_eq!(exchange.request().end(), RequestEnd::ClientClosed);
        assert_eq!(exchange.failure(), None);
        let mut client = connect(&peer);
        client.write_all(request).expect("room for half a request");
        reset(client);
        let exchange = taken(&peer);
        assert_eq!(exchange.request().end(), RequestEnd::Reset);
        assert_eq!(exchange.request().bytes(), request);
        finished(peer);
    }
}

#[test]
fn an_answer_that_begins_before_the_request_is_over_needs_no_whole_request() {
    let early = Response::from("answer").after(Framing::head());
    let peer = spawned(patient().source(early));
    leave_early(&peer, b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf");
    finished(peer);
}

#[test]
fn what_has_no_known_end_is_not_cut_short() {
    // With `auto`, the beginning of a method that never becomes one is not HTTP.
    for (framing, request) in [(Framing::eof(), "anything"), (Framing::auto(), "GE")] {
        let peer = spawned(patient().framing(framing).source("answer"));
        leave_early(&peer, request.as_bytes());
        finished(peer);
    }
}

#[test]
fn a_server_in_the_foreground_serves_a_request_that_was_cut_short() {
    let server = fake_peer_test_support::bound(patient().source("answer"));
    let mut client = connect_and_send(&server, b"GET /a HT");
    let exchange = server.serve_once().expect("served");
    assert_eq!(exchange.request().end(), RequestEnd::ClientClosed);
    assert_eq!(exchange.failure(), None);
    assert_eq!(read_all(&mut client), b"answer");
}
