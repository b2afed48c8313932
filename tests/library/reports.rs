//! Whatever way a test fails because of a peer, its reader learns which peer, where it was made, what it expected, and what happened.

use std::io::Write;
use std::net::TcpStream;
use std::panic::{self, AssertUnwindSafe};
use std::time::Duration;

use fake_peer::{Error, Framing, Peer, PeerReport, Request, Response, Sequence};
use fake_peer_test_support::{ask, connect, finished, patient, read_all, spawned};

const GET: &[u8] = b"GET /a HTTP/1.1\r\n\r\n";

/// The text of a panic.
#[track_caller]
fn panic_of(run: impl FnOnce()) -> String {
    let payload = panic::catch_unwind(AssertUnwindSafe(run)).expect_err("a panic");
    payload.downcast_ref::<String>().expect("a text").clone()
}

/// The line of this file that calls it.
#[track_caller]
fn this_line() -> u32 {
    panic::Location::caller().line()
}

#[track_caller]
fn is_of(report: &PeerReport, peer: &str, line: u32, expected: Option<u64>) {
    assert_eq!(report.addr().to_string(), peer);
    assert_eq!((report.made_at().file(), report.made_at().line()), (file!(), line));
    assert_eq!(report.expected(), expected);
}

#[test]
fn every_error_of_a_peer_has_its_report() {
    let (peer, line) = (Peer::answer("hi").expect(2), this_line());
    assert_eq!(ask(peer.addr(), GET), b"hi");
    let addr = peer.addr().to_string();
    peer.take(Duration::ZERO).expect("an exchange");
    let error = peer.take(Duration::ZERO).expect_err("no second one");
    is_of(error.peer().expect("a peer"), &addr, line, Some(2));
    let error = peer.finish().expect_err("there was one");
    assert!(matches!(error, Error::Count { .. }), "{error:?}");
    let report = error.peer().expect("a peer");
    is_of(report, &addr, line, Some(2));
    assert_eq!(report.journal().exchanges().count(), 1);
    let text = format!("{error:?}");
    let expected = format!(
        "expected 2 exchanges on {addr}, but there was 1\n\
         the peer on {addr}, made at {}:{line}:",
        file!()
    );
    assert!(text.starts_with(&expected), "{text}");
    assert!(text.contains(", expected 2 exchanges; its journal:\nconnection 1 from "), "{text}");
    let end = "    > GET /a HTTP/1.1\\r\\n\n    > \\r\\n\n    < hi";
    assert!(text.ends_with(end), "{text}");
}

#[test]
fn the_place_is_where_the_test_makes_the_peer_in_every_way() {
    let (one, line) = (Peer::answer(Sequence::new(["one"])), this_line());
    let error = one.finish().expect_err("nobody came");
    assert_eq!(error.peer().expect("a peer").made_at().line(), line);
    let (other, line) =
        (Peer::builder().source("hi").spawn().expect("a peer").expect(1), this_line());
    let text = panic_of(|| drop(other));
    let place = format!("made at {}:{line}:", file!());
    assert!(text.contains(&place) && text.ends_with("; no client has connected"), "{text}");
}

#[test]
fn a_request_that_did_not_come_is_told_with_the_report() {
    let (peer, line) = (spawned(patient().source("hi")), this_line());
    drop(connect(peer.addr()));
    let error = peer.take(Duration::from_millis(50)).expect_err("nobody asked");
    let text = format!("{error:?}");
    assert!(text.contains(&format!("made at {}:{line}:", file!())), "{text}");
    finished(peer);
}

#[test]
fn a_sequence_that_runs_out_names_the_request() {
    let peer = spawned(patient().source(Sequence::new(["one"])));
    ask(peer.addr(), GET);
    ask(peer.addr(), b"GET /b?c HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let report = peer.finish().expect_err("one too many").report().to_string();
    let expected = r#"failed to answer the request "GET /b?c HTTP/1.1" from 127.0.0.1:"#;
    assert!(report.starts_with(expected), "{report}");
    assert!(report.ends_with(" (connection 2, exchange 2): the sequence of 1 answer has run out"));
}

#[test]
fn a_connection_that_the_script_closed_too_early_is_told() {
    let answers = ["1", "2", "3"].map(Response::from);
    let [one, two, three] = answers;
    let peer = spawned(patient().framing(Framing::exactly(1)).source(Sequence::new([
        one.keep_open(),
        two,
        three,
    ])));
    let mut client = connect(peer.addr());
    client.write_all(b"abc").expect("an open connection");
    assert_eq!(read_all(&mut client), b"12");
    drop(client);
    let report = peer.finish().expect_err("one is left").report().to_string();
    assert!(report.contains("only 2 of the sequence's 3 answers were fetched"), "{report}");
    assert!(report.contains("closed by the peer after answer 2, as scripted"), "{report}");
}

#[test]
fn a_take_and_a_timeout_that_end_together_tell_of_the_timeout() {
    let timeout = Duration::from_secs(10);
    let peer = spawned(patient().timeout(timeout).source("hi"));
    let mut client = connect(peer.addr());
    client.write_all(b"GET /a HT").expect("an open connection");
    let text = panic_of(|| drop(peer.take_request()));
    assert!(text.starts_with("failed to receive a complete request from "), "{text}");
    finished(peer);
}

#[test]
fn nobody_contacted_it() {
    Peer::answer("hi").assert_never_contacted();
    // Answers that are left are what was expected.
    Peer::answer(Sequence::new(["one"])).assert_never_contacted();
}

#[test]
fn a_connection_that_is_just_being_accepted_is_a_contact() {
    for round in 0..200 {
        let (peer, line) = (Peer::answer("hi"), this_line());
        let addr = peer.addr();
        let client = TcpStream::connect(addr).expect("a listening peer");
        drop(client);
        let text = panic_of(|| peer.assert_never_contacted());
        assert!(text.starts_with("expected no client, but 1 connection came\n"), "{round}: {text}");
        assert!(text.contains(&format!("made at {}:{line}:", file!())), "{text}");
    }
}

#[test]
fn where_none_is_expected_a_connection_without_a_byte_is_one_too_many() {
    let peer = Peer::answer("hi").expect(0);
    drop(connect(peer.addr()));
    let error = peer.finish().expect_err("a client came");
    assert!(matches!(error, Error::Contacted { connections: 1, .. }), "{error:?}");
    let peer = Peer::answer("hi").expect(0);
    assert_eq!(ask(peer.addr(), GET), b"hi");
    let error = peer.finish().expect_err("a client asked");
    assert!(matches!(error, Error::Count { expected: 0, served: 1, .. }), "{error:?}");
    finished(Peer::answer("hi").expect(0));
}

#[test]
fn a_panic_of_a_source_is_told_with_the_report_on_stderr() {
    // The text is in `captured`; here only that the payload stays what it is.
    let peer = spawned(patient().source(|_: &Request| -> Response { panic!("as planned") }));
    ask(peer.addr(), GET);
    let payload = panic::catch_unwind(AssertUnwindSafe(|| drop(peer))).expect_err("a panic");
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"as planned"));
}

#[test]
fn a_server_in_the_foreground_has_no_report() {
    let server = fake_peer_test_support::bound(patient().source(Sequence::new(["one"])));
    assert!(server.finish().expect_err("one is left").peer().is_none());
}
