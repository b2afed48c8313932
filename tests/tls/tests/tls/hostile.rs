//! Connections over TLS that go on in an odd way: cut by the peer while a test drives them, or used by a client that breaks the rules.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use fake_peer::tls::Ca;
use fake_peer::{ClientEnd, Ending, Error, Exchange, Framing, Peer, Request, Response};
use fake_peer_test_support::{
    PATIENCE, connect_with_room, finished, over_within, patient, same_bytes, spawned, taken,
};
use fake_peer_tls_tests::rustls_client::{read_to_its_end, trusting};
use rustls::version::{TLS12, TLS13};

use crate::secured;

/// Where the ciphertext of a connection is cut: in the handshake, and in the records after it.
fn cuts() -> impl Iterator<Item = u64> {
    (400..1600).step_by(57)
}

/// Reads until the peer ends the connection.
fn read_on(ca: &Ca, peer: std::net::SocketAddr) {
    if let Ok(mut client) = trusting(ca).connect(peer) {
        let (_, error) = read_to_its_end(&mut client);
        assert_eq!(error, Some(ErrorKind::UnexpectedEof));
    }
}

#[test]
fn the_ciphertext_of_a_connection_that_is_driven_by_hand_is_cut() {
    let ca = Ca::new();
    for bytes in cuts() {
        let case = format!("byte {bytes}");
        let server = ca.server("localhost").cut_ciphertext(bytes, Ending::Close);
        let peer = patient().tls(server).by_hand().expect("a peer");
        let addr = peer.addr();
        let authority = ca.clone();
        let client = std::thread::spawn(move || read_on(&authority, addr));
        let mut connection = peer.accept(PATIENCE).expect("a connection");
        let error = over_within(PATIENCE, &case, move || {
            (0..100).find_map(|_| connection.send([b'x'; 50]).err())
        });
        let report = error.expect("a cut").report().to_string();
        let end = format!("the connection was to break after {bytes} bytes of ciphertext");
        assert!(report.ends_with(&end), "{case}: {report}");
        client.join().expect("no panic");
        peer.finish().expect("no failure");
    }
}

#[test]
fn a_function_whose_connection_is_cut_as_its_server_says_has_not_failed() {
    let ca = Ca::new();
    for bytes in cuts() {
        let case = format!("byte {bytes}");
        let server = ca.server("localhost").cut_ciphertext(bytes, Ending::Close);
        let peer = patient().tls(server).handle(|mut connection| {
            for _ in 0..100 {
                connection.send([b'x'; 50])?;
            }
            Ok(())
        });
        let peer = peer.expect("a peer");
        let (addr, authority) = (peer.addr(), ca.clone());
        over_within(PATIENCE, &case, move || read_on(&authority, addr));
        over_within(PATIENCE, &case, move || finished(peer));
    }
}

/// Cuts the first answer, and goes on.
fn cut_first(ca: &Ca, cut: u64, ending: Ending) -> Peer {
    spawned(secured(ca).framing(Framing::until("\n")).source(move |request: &Request| {
        if request.client().turn() == 1 {
            Response::from([b'a'; 100]).cut_ciphertext(cut, ending.clone())
        } else {
            Response::from([b'b'; 20])
        }
    }))
}

#[test]
fn an_answer_after_one_whose_ciphertext_was_cut_is_a_record_of_its_own() {
    let ca = Ca::new();
    for ending in [Ending::KeepOpen, Ending::Then(Framing::until("\n"))] {
        for cut in [0, 1, 50, 121, 122] {
            let case = format!("{ending:?} after byte {cut}");
            let peer = cut_first(&ca, cut, ending.clone());
            let mut client = trusting(&ca).connect(peer.addr()).expect("a handshake");
            client.write_all(b"1\n2\n").expect("open");
            let (answer, error) = read_to_its_end(&mut client);
            let (first, second) = ([b'a'; 100], [b'b'; 20]);
            // The client fails at a record of which only a part came.
            let whole = match cut {
                0 => second.to_vec(),
                122 => [first.as_slice(), &second].concat(),
                _ => Vec::new(),
            };
            same_bytes(&answer, &whole, &case);
            assert_eq!(error.is_none(), !whole.is_empty(), "{case}: {error:?}");
            drop(client);
            let journal = finished(peer);
            let sent: Vec<_> = journal.exchanges().map(Exchange::sent).collect();
            assert_eq!(sent, [if cut == 122 { 100 } else { 0 }, 20], "{case}");
        }
    }
}

#[test]
fn what_is_no_tls_between_two_requests_is_a_failure_and_no_reset_by_the_client() {
    let ca = Ca::new();
    for version in [&TLS12, &TLS13] {
        let case = format!("{version:?}");
        let keeps = Response::from("kept").keep_open();
        let peer = spawned(secured(&ca).framing(Framing::until("\n")).source(keeps));
        let mut client = trusting(&ca).version(version).connect(peer.addr()).expect(&case);
        client.write_all(b"1\n").expect("open");
        client.read_exact(&mut [0; 4]).expect("an answer");
        taken(&peer);
        client
            .sock
            .write_all(b"\x17\x03\x03\x00\x20 this is 32 bytes, and no record")
            .expect("open");
        let error = peer.take(PATIENCE).expect_err(&case);
        assert!(matches!(error, Error::Receive { .. }), "{case}: {error:?}");
        let report = error.report().to_string();
        assert!(report.ends_with("a record of the client could not be decrypted"), "{report}");
        let (_, error) = read_to_its_end(&mut client);
        assert_eq!(error, Some(ErrorKind::InvalidData), "{case}: an alert");
        drop(client);
        let journal = finished(peer);
        assert_eq!(journal.connections()[0].client_end(), ClientEnd::Closed, "{case}");
    }
}

/// Takes little at once for longer than the timeout, and less in that time than a record has.
fn takes_parts_of_records(ca: &Ca, peer: SocketAddr) {
    let mut client = trusting(ca).over(connect_with_room(peer, 2048));
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("a handshake");
    for _ in 0..125 {
        client.sock.read_exact(&mut [0; 100]).expect("it goes on");
        thread::sleep(Duration::from_millis(40));
    }
}

#[test]
fn a_client_that_takes_parts_of_records_takes_something() {
    let ca = Ca::new();
    let patient = || secured(&ca).timeout(Duration::from_millis(1500)).clients_may_leave_early();
    let long = vec![b'x'; 8 << 20];
    let answers = spawned(patient().source(long.clone()));
    let by_hand = patient().by_hand().expect("a free port of the loopback");
    thread::scope(|scope| {
        for peer in [answers.addr(), by_hand.addr()] {
            let ca = &ca;
            scope.spawn(move || takes_parts_of_records(ca, peer));
        }
        let mut connection = by_hand.accept(PATIENCE).expect("a connection");
        connection.read(Framing::http()).expect("a request");
        let error = connection.send(long).expect_err("the client leaves");
        assert!(!error.report().to_string().contains("acknowledged nothing"), "{error:?}");
    });
    let exchange = taken(&answers);
    assert!(exchange.sent() < exchange.offered(), "the client has left within its answer");
    finished(answers);
    by_hand.finish().expect("no failure");
}
