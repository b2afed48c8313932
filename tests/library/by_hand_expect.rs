//! Expectations of connections that a test, or a function, drives by hand.

use std::error::Error as _;
use std::io::Write;
use std::panic::{self, AssertUnwindSafe};
use std::time::Duration;

use fake_peer::conversation::{exact, glob, line_starting, matching};
use fake_peer::{Connection, Error, Framing, ManualPeer, Peer, TcpServerBuilder};
use fake_peer_test_support::{
    PATIENCE, assert_has, connect, expect_bytes, finished, patient, read_all, reset,
};

fn by_hand() -> ManualPeer {
    patient().by_hand().expect("a free port of the loopback")
}

/// A function that expects two lines of each client.
#[track_caller]
fn two_lines(builder: TcpServerBuilder) -> Peer {
    let drive = |mut connection: Connection| {
        connection.expect(line_starting("one"))?;
        connection.send("1")?;
        connection.expect("two\n")?;
        connection.send("2")?;
        Ok(())
    };
    builder.handle(drive).expect("a free port of the loopback")
}

/// An error of a call, with its cause.
fn text_of(error: &Error) -> String {
    format!("{error}: {}", error.source().expect("a cause"))
}

#[test]
fn each_kind_of_expectation_reads_by_its_own_framing() {
    let peer = by_hand();
    let mut client = connect(&peer);
    client
        .write_all(b"PINGehlo me\r\nMAIL FROM:<a>\r\nbinary!what?\n")
        .expect("an open connection");
    let mut connection = peer.accept(PATIENCE).expect("a connection");
    connection.expect("PING").expect("said").assert_bytes("PING");
    let hello = connection.expect(line_starting("EHLO ").ignoring_case()).expect("said");
    hello.assert_bytes("ehlo me\r\n");
    let (mut reader, sender) = connection.split();
    reader.expect(glob("MAIL FROM:<*>\r\n")).expect("said");
    reader.expect(Framing::exactly(7)).expect("said").assert_bytes("binary!");
    let question = matching("a question", Framing::lines(), |line| line.bytes().contains(&b'?'));
    reader.expect(question).expect("said");
    sender.send("yes").expect("open");
    expect_bytes(&mut client, b"yes", "the answer");
    drop((reader, sender, client));
    let journal = peer.finish().expect("nothing is wrong");
    assert_eq!(journal.exchanges_per_connection(), [5]);
}

#[test]
fn another_request_is_an_error_with_both_sides_and_in_the_journal_at_once() {
    let peer = by_hand();
    let mut client = connect(&peer);
    client.write_all(b"POST").expect("an open connection");
    let mut connection = peer.accept(PATIENCE).expect("a connection");
    // The rest of the line is not waited for.
    let error = connection.expect("PING\r\n").expect_err("something else");
    let both = "the request differs from what was expected at byte 1\n  expected 6 bytes: \"P»ING\\r\\n\"\n    \
                actual 4 bytes: \"P»OST\"";
    assert!(text_of(&error).ends_with(both), "{}", text_of(&error));
    assert_has(&peer.journal().to_string(), "differs from what was expected at byte 1");
    connection.send("late").expect_err("it has ended");
    connection.expect("PING\r\n").expect_err("it has ended");
    assert!(read_all(&mut client).is_empty(), "it was closed");
    drop((connection, client));
    let error = peer.finish().expect_err("something else");
    assert!(matches!(error, Error::Respond { .. }), "{error:?}");
    assert_eq!(error.exchange().expect("an exchange").request().bytes(), b"POST");
    assert!(error.report().to_string().ends_with(both), "{error:?}");
}

#[test]
fn a_function_that_returns_the_error_is_reported_once_with_connection_and_bytes() {
    let peer = two_lines(patient());
    let mut client = connect(&peer);
    client.write_all(b"one\n").expect("an open connection");
    expect_bytes(&mut client, b"1", "the first answer");
    client.write_all(b"too\n").expect("an open connection");
    assert!(read_all(&mut client).is_empty());
    drop(client);
    peer.take(PATIENCE).expect("the first line");
    let error = peer.take(PATIENCE).expect_err("something else");
    let text = error.report().to_string();
    assert_has(&text, "(connection 1");
    assert_has(
        &text,
        "after 4 bytes \"too\\n\": the request differs from what was expected at byte 1",
    );
    // Taken, so that nothing is left to report.
    finished(peer);
}

#[test]
fn a_client_that_stops_is_an_error_that_names_what_it_should_have_said() {
    let peer = two_lines(patient());
    let mut client = connect(&peer);
    client.write_all(b"one\n").expect("an open connection");
    expect_bytes(&mut client, b"1", "the first answer");
    drop(client);
    let text = peer.finish().expect_err("one line").report().to_string();
    assert_has(&text, "the client has closed its side: the client should have said \"two\\n\"");
    assert_has(&text, "(connection 1)");

    let peer = two_lines(patient().linger(Duration::from_millis(20)));
    let mut client = connect(&peer);
    client.write_all(b"one\n").expect("an open connection");
    expect_bytes(&mut client, b"1", "the first answer");
    let text = peer.finish().expect_err("one line").report().to_string();
    assert_has(&text, "the peer has ended: the client should have said \"two\\n\"");
    drop(client);
}

#[test]
fn a_request_cut_short_is_an_error_that_is_reported_once() {
    let peer = two_lines(patient());
    let mut client = connect(&peer);
    client.write_all(b"one\ntw").expect("an open connection");
    expect_bytes(&mut client, b"1", "the first answer");
    drop(client);
    peer.take(PATIENCE).expect("the first line");
    let error = peer.take(PATIENCE).expect_err("half a line");
    assert!(matches!(error, Error::Receive { .. }), "{error:?}");
    assert_has(
        &error.report().to_string(),
        "the client ended its side within its request, which should have been \"two\\n\"",
    );
    finished(peer);
}

#[test]
fn clients_that_say_nothing_or_may_leave_fail_no_function() {
    let peer = two_lines(patient().linger(Duration::from_millis(20)));
    drop(connect(&peer));
    let silent = connect(&peer);
    finished(peer);
    drop(silent);
    for said in ["one\n", "one\ntw"] {
        let peer = two_lines(patient().clients_may_leave_early());
        let mut client = connect(&peer);
        client.write_all(said.as_bytes()).expect("an open connection");
        expect_bytes(&mut client, b"1", "the first answer");
        drop(client);
        finished(peer);
    }
}

#[test]
fn a_request_that_does_not_arrive_is_an_error_as_in_a_read() {
    let peer = two_lines(patient().timeout(Duration::from_millis(20)));
    let mut client = connect(&peer);
    client.write_all(b"on").expect("an open connection");
    let error = peer.take(PATIENCE).expect_err("half a line");
    assert_has(&error.report().to_string(), "nothing arrived for 20ms");
    finished(peer);

    let peer = by_hand();
    let mut client = connect(&peer);
    let mut connection = peer.accept(PATIENCE).expect("a connection");
    client.write_all(b"half").expect("an open connection");
    reset(client);
    connection.expect("half a line\n").expect_err("a reset");
    drop(connection);
    peer.finish().expect_err("a reset");
}

#[test]
fn bytes_that_were_not_kept_are_not_taken_for_what_was_expected() {
    let peer = patient().retain(2).by_hand().expect("a free port of the loopback");
    let mut client = connect(&peer);
    client.write_all(b"PING").expect("an open connection");
    let mut connection = peer.accept(PATIENCE).expect("a connection");
    let error = connection.expect("PING").expect_err("it can't be known");
    assert_has(&text_of(&error), "only 2 of the request's 4 bytes were kept");
    drop((connection, client));
    let error = peer.finish().expect_err("it can't be known");
    assert_has(&error.report().to_string(), "only 2 of the request's 4 bytes were kept");
}

#[test]
fn what_can_never_be_said_panics_where_it_is_expected() {
    let peer = by_hand();
    let client = connect(&peer);
    let mut connection = peer.accept(PATIENCE).expect("a connection");
    let nothing = AssertUnwindSafe(|| connection.expect(Framing::nothing()));
    let panicked = panic::catch_unwind(nothing).expect_err("no request");
    assert_has(panicked.downcast_ref::<String>().expect("words"), "the client says nothing");
    // Nothing has happened on the connection.
    let mut other = &client;
    other.write_all(b"now").expect("an open connection");
    connection.expect(exact("now")).expect("said");
    drop((connection, client));
    peer.finish().expect("nothing is wrong");
}
