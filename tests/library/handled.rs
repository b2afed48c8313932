//! Functions that drive connections: how they end with their peer, and which of their errors it reports.

use std::io::Write;
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use fake_peer::{Error, Framing, Peer, TcpServerBuilder};
use fake_peer_test_support::{PATIENCE, connect, expect_bytes, finished, patient, read_all, reset};

/// Says each line again, until there is none.
fn echo(builder: TcpServerBuilder) -> Peer {
    let peer = builder.handle(|mut connection| {
        while let Some(line) = connection.read(Framing::until("\n"))? {
            connection.send(line.bytes())?;
        }
        Ok(())
    });
    peer.expect("a free port of the loopback")
}

#[track_caller]
fn turn(client: &mut TcpStream) {
    client.write_all(b"hello\n").expect("an open connection");
    expect_bytes(client, b"hello\n", "the echo");
}

#[test]
fn a_client_that_stays_connected_or_says_nothing_fails_no_function() {
    let peer = echo(patient().linger(Duration::from_millis(20)));
    let mut kept = connect(&peer);
    turn(&mut kept);
    let silent = connect(&peer);
    let mut closes_with_the_peer = connect(&peer);
    turn(&mut closes_with_the_peer);
    let closing = thread::spawn(move || assert!(read_all(&mut closes_with_the_peer).is_empty()));
    assert_eq!(finished(peer).exchanges_per_connection(), [1, 0, 1]);
    closing.join().expect("a close in order");
    drop((kept, silent));
}

#[test]
fn a_function_learns_that_no_request_comes_when_its_peer_ends() {
    let (read, was_read) = mpsc::channel();
    let peer = patient().handle(move |mut connection| {
        connection.send("hello\n")?;
        let request = connection.read(Framing::until("\n"))?;
        let error = connection.send("more").expect_err("it has ended");
        read.send((request.is_some(), error.report().to_string()))?;
        Err("it should have said more".into())
    });
    let peer = peer.expect("a free port of the loopback");
    let mut client = connect(&peer);
    expect_bytes(&mut client, b"hello\n", "the greeting");
    let error = peer.finish().expect_err("what the function returns");
    assert!(error.report().to_string().ends_with(": it should have said more"), "{error:?}");
    let (is_request, later) = was_read.recv().expect("it has returned");
    assert!(!is_request);
    assert!(later.ends_with(": the peer has ended"), "{later}");
}

#[test]
fn a_failed_exchange_that_the_test_has_taken_is_not_reported_again_by_its_function() {
    // Cut short, and the next read of the function fails.
    let peer = echo(patient());
    let mut client = connect(&peer);
    client.write_all(b"half a li").expect("an open connection");
    drop(client);
    let error = peer.take(PATIENCE).expect_err("half a line");
    assert!(matches!(error, Error::Receive { .. }), "{error:?}");
    finished(peer);

    // A request that does not go on.
    let peer = echo(patient().timeout(Duration::from_millis(20)));
    let mut client = connect(&peer);
    client.write_all(b"half a li").expect("an open connection");
    let error = peer.take(PATIENCE).expect_err("half a line");
    assert!(matches!(error, Error::Receive { .. }), "{error:?}");
    finished(peer);
}

#[test]
fn an_error_of_a_call_names_its_connection_once() {
    let peer = echo(patient());
    let mut client = connect(&peer);
    turn(&mut client);
    let addr = client.local_addr().expect("connected");
    reset(client);
    let error = peer.finish().expect_err("a reset");
    assert_eq!(
        error.report().to_string(),
        format!(
            "the connection from {addr} (connection 1) failed: the client reset the connection"
        ),
    );
}

#[test]
fn a_client_that_says_nothing_for_long_is_reported_with_the_time() {
    let peer = echo(patient().idle_timeout(Duration::from_millis(20)));
    let mut client = connect(&peer);
    turn(&mut client);
    assert!(read_all(&mut client).is_empty());
    drop(client);
    let error = peer.finish().expect_err("it waited for a line");
    assert!(error.report().to_string().ends_with(": nothing arrived for 20ms"), "{error:?}");
}
