//! The steps and endings of a response, as the client's socket sees them.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use fake_peer::{ClientEnd, Ending, Error, Gate, Response, TcpServer};
use fake_peer_test_support::{
    Listens, PATIENCE, answers, connect, patient, read_all, read_to_its_end,
};

/// A client that keeps its sending side open.
fn connect_and_stay(to: impl Listens, request: &[u8]) -> TcpStream {
    let mut client = connect(to);
    client.write_all(request).expect("an open socket");
    client
}

#[test]
fn a_response_is_cut_at_every_byte_with_every_ending() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    for cut in 0..=answer.len() as u64 {
        for (ending, expected_error) in [
            (Ending::Close, None),
            (Ending::HalfClose, None),
            (Ending::Reset, Some(ErrorKind::ConnectionReset)),
        ] {
            let case = format!("{cut} bytes, then {ending:?}");
            let peer = answers(Response::from(answer).cut(cut, ending));
            let mut client = connect_and_stay(&peer, b"GET / HTTP/1.1\r\n\r\n");
            let (bytes, error) = read_to_its_end(&mut client);
            drop(client);
            assert_eq!(bytes, &answer.as_bytes()[..usize::try_from(cut).expect("few")], "{case}");
            assert_eq!(error, expected_error, "{case}");
            let exchange = peer.take(PATIENCE).expect(&case);
            assert_eq!((exchange.offered(), exchange.sent()), (cut, cut), "{case}");
            peer.finish().expect(&case);
        }
    }
}

// On other systems the kernel does not report what has arrived.
#[cfg(target_os = "linux")]
#[test]
fn a_reset_comes_after_everything_before_it_was_delivered_to_a_slow_reader() {
    for length in [0_u64, 1, 100_000, 3_000_000] {
        let response = Response::new().repeat("0123456789", length).ending(Ending::Reset);
        let peer = answers(response);
        let mut client = connect_and_stay(&peer, b"hello");
        let mut seen = 0;
        let mut buffer = [0; 10_000];
        let error = loop {
            match client.read(&mut buffer) {
                Ok(0) => panic!("{length}: an end instead of a reset after {seen} bytes"),
                Ok(read) => seen += read as u64,
                Err(error) => break error.kind(),
            }
            // A reader that is slower than the peer; no order depends on this.
            std::thread::sleep(Duration::from_micros(50));
        };
        assert_eq!((seen, error), (length, ErrorKind::ConnectionReset));
        peer.finish().expect("finished");
    }
}

#[test]
fn hold_keeps_the_connection_open_until_the_client_leaves() {
    let peer = answers(Response::from("half").ending(Ending::Hold));
    let mut client = connect_and_stay(&peer, b"hello");
    let mut half = [0; 4];
    client.read_exact(&mut half).expect("what was sent before");
    client.set_read_timeout(Some(Duration::from_millis(50))).expect("set");
    let silence = client.read(&mut half).expect_err("neither bytes nor an end");
    assert!(matches!(silence.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{silence}");
    drop(client);
    let journal = peer.finish().expect("finished");
    assert_eq!(journal.connections()[0].client_end(), ClientEnd::Closed, "{journal}");
}

#[test]
fn a_cut_at_0_comes_after_the_pauses_before_the_first_byte() {
    let gate = Gate::new();
    let response = Response::new().gate(&gate).send("never sent").cut(0, Ending::Reset);
    let peer = answers(response.delay(Duration::from_millis(20)));
    let start = Instant::now();
    let mut client = connect_and_stay(&peer, b"hello");
    assert!(gate.wait_until_reached(PATIENCE));
    assert!(start.elapsed() >= Duration::from_millis(20));
    gate.open();
    assert_eq!(read_to_its_end(&mut client), (Vec::new(), Some(ErrorKind::ConnectionReset)));
    peer.finish().expect("finished");
}

#[test]
fn half_close_goes_on_receiving() {
    let peer = answers(Response::from("answer").ending(Ending::HalfClose));
    let mut client = connect_and_stay(&peer, b"hello");
    assert_eq!(read_all(&mut client), b"answer");
    client.write_all(b"and more").expect("the other direction is open");
    drop(client);
    let journal = peer.finish().expect("finished");
    assert_eq!(journal.connections()[0].trailing(), b"and more", "{journal}");
}

#[test]
fn the_naive_close_resets_a_client_with_bytes_left_to_read_from() {
    let server = patient().framing(fake_peer::Framing::exactly(1));
    let server = server.source(Response::new().ending(Ending::CloseAtOnce)).bind().expect("bound");
    let mut client = connect_and_stay(&server, &vec![0; 100_000]);
    server.serve_once().expect("served");
    assert_eq!(read_to_its_end(&mut client), (Vec::new(), Some(ErrorKind::ConnectionReset)));
}

#[test]
fn a_gate_orders_the_peer_against_the_test() {
    let gate = Gate::new();
    let peer = answers(Response::from("before").gate(&gate).send("behind"));
    let mut client = connect_and_stay(&peer, b"hello");
    let mut before = [0; 6];
    client.read_exact(&mut before).expect("what comes before the gate");
    assert!(gate.wait_until_reached(PATIENCE));
    // The peer waits at the gate, and serves others meanwhile.
    let mut other = connect_and_stay(&peer, b"hello");
    other.read_exact(&mut before).expect("another connection");
    gate.open();
    assert_eq!(read_all(&mut client), b"behind");
    assert_eq!(read_all(&mut other), b"behind");
    peer.finish().expect("finished");
}

#[test]
fn a_gate_that_stays_closed_is_an_error_that_says_so() {
    let gate = Gate::new();
    let source = Response::from("before").gate(&gate).send("behind");
    let server = TcpServer::builder().timeout(Duration::from_millis(50)).source(source);
    let server = server.bind().expect("bound");
    let mut client = connect_and_stay(&server, b"hello");
    client.shutdown(Shutdown::Write).expect("an open socket");
    let error = server.serve_once().expect_err("closed");
    assert!(matches!(error, Error::Respond { .. }), "{error:?}");
    assert!(
        error.report().to_string().ends_with(": the gate was not opened within 50ms"),
        "{error}"
    );
    assert_eq!(read_all(&mut client), b"before");
    assert!(!Gate::new().wait_until_reached(Duration::ZERO), "nobody came");
}

#[test]
fn pieces_pauses_and_throttle_take_their_time_and_change_no_byte() {
    for (case, response, at_least) in [
        ("pause", Response::from("ab").pause(Duration::from_millis(30)).send("c"), 30),
        ("pieces", Response::from("abc").in_pieces(1, Duration::from_millis(15)), 30),
        ("throttle", Response::from("abc").throttle(50), 40),
        ("cut before a pause", Response::from("abcd").pause(PATIENCE).cut(3, Ending::Close), 0),
    ] {
        let peer = answers(response);
        let start = Instant::now();
        let mut client = connect_and_stay(&peer, b"hello");
        assert_eq!(read_all(&mut client), b"abc", "{case}");
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(at_least), "{case}: {took:?}");
        drop(client);
        peer.finish().expect(case);
    }
}

#[test]
fn a_pattern_is_repeated_to_the_byte() {
    for total in [0, 1, 2, 3, 7, 1_000_000] {
        let peer = answers(Response::new().repeat("abc", total));
        let mut client = connect_and_stay(&peer, b"hello");
        let bytes = read_all(&mut client);
        assert_eq!(bytes.len() as u64, total);
        assert!(
            bytes.iter().zip(b"abc".iter().cycle()).all(|(one, other)| one == other),
            "{total}"
        );
    }
}
