//! How a connection ends over TLS, and what the client can tell from it.

use std::io::{ErrorKind, Read, Write};

use fake_peer::tls::Ca;
use fake_peer::{ClientEnd, Ending, Framing, Gate, Response, http};
use fake_peer_test_support::{PATIENCE, finished, patient, same_bytes, spawned, taken};
use fake_peer_tls_tests::rustls_client::{half_close, read_to_its_end, trusting};
use rustls::version::{TLS12, TLS13};

use crate::{GET, HELLO, secured};

#[test]
fn a_close_announces_itself_and_other_endings_do_not() {
    let ca = Ca::new();
    for version in [&TLS12, &TLS13] {
        for (ending, expected) in [
            (Ending::Close, None),
            (Ending::HalfClose, None),
            (Ending::NoCloseNotify, Some(ErrorKind::UnexpectedEof)),
            (Ending::CloseAtOnce, Some(ErrorKind::UnexpectedEof)),
            (Ending::Reset, Some(ErrorKind::ConnectionReset)),
        ] {
            let case = format!("{version:?} {ending:?}");
            let peer = spawned(secured(&ca).source(Response::from(HELLO).ending(ending)));
            let mut client = trusting(&ca).version(version).connect(peer.addr()).expect(&case);
            client.write_all(GET).expect("open");
            let (answer, error) = read_to_its_end(&mut client);
            same_bytes(&answer, HELLO.as_bytes(), &case);
            assert_eq!(error, expected, "{case}");
            drop(client);
            finished(peer);
        }
    }
}

#[test]
fn a_response_is_cut_at_every_byte_of_its_plaintext() {
    let ca = Ca::new();
    for ending in [Ending::Close, Ending::NoCloseNotify] {
        for byte in 0..=HELLO.len() {
            let case = format!("{ending:?} after byte {byte}");
            let cut = Response::from(HELLO).cut(byte as u64, ending.clone());
            let peer = spawned(secured(&ca).source(cut));
            let mut client = trusting(&ca).connect(peer.addr()).expect(&case);
            client.write_all(GET).expect("open");
            let (answer, error) = read_to_its_end(&mut client);
            same_bytes(&answer, &HELLO.as_bytes()[..byte], &case);
            assert_eq!(error.is_some(), matches!(ending, Ending::NoCloseNotify), "{case}");
            assert_eq!(taken(&peer).sent(), byte as u64, "{case}");
            drop(client);
            finished(peer);
        }
    }
}

#[test]
fn a_response_is_cut_at_every_byte_of_its_ciphertext() {
    let ca = Ca::new();
    for (version, overhead) in [(&TLS12, 29), (&TLS13, 22)] {
        // One record, and in two pieces two.
        let records = [HELLO.len() + overhead, 10 + overhead];
        for (pieces, first) in [(None, records[0]), (Some(10), records[1])] {
            for byte in 0..=first as u64 {
                let case = format!("{version:?}, pieces {pieces:?}, byte {byte}");
                let mut response = Response::from(HELLO).cut_ciphertext(byte, Ending::Close);
                if let Some(size) = pieces {
                    response = response.in_pieces(size, std::time::Duration::ZERO);
                }
                let peer = spawned(secured(&ca).source(response));
                let mut client = trusting(&ca).version(version).connect(peer.addr()).expect(&case);
                client.write_all(GET).expect("open");
                let (answer, error) = read_to_its_end(&mut client);
                let whole = if byte == first as u64 { pieces.unwrap_or(HELLO.len()) } else { 0 };
                same_bytes(&answer, &HELLO.as_bytes()[..whole], &case);
                assert_eq!(error, Some(ErrorKind::UnexpectedEof), "{case}");
                let exchange = taken(&peer);
                assert_eq!(exchange.sent(), whole as u64, "{case}");
                drop(client);
                finished(peer);
            }
        }
    }
}

#[test]
fn a_cut_beyond_the_ciphertext_fails_the_exchange() {
    let ca = Ca::new();
    let peer =
        spawned(secured(&ca).source(Response::from("hi").cut_ciphertext(1000, Ending::Close)));
    trusting(&ca).ask(peer.addr(), GET).expect("all of it");
    let error = peer.take(PATIENCE).expect_err("nothing was cut");
    assert!(
        error.report().to_string().ends_with(
            "the response was to be cut after byte 1000 of its ciphertext, and has only 24 bytes"
        ),
        "{error:?}"
    );
    finished(peer);
}

#[test]
fn what_needs_tls_fails_without_it() {
    for response in [
        Response::from("hi").cut_ciphertext(1, Ending::Close),
        Response::from("hi").alter_record().send("!"),
        Response::from("hi").update_keys(),
    ] {
        let peer = spawned(patient().source(response));
        fake_peer_test_support::ask(peer.addr(), GET);
        let error = peer.take(PATIENCE).expect_err("no TLS").report().to_string();
        assert!(error.contains("TLS"), "{error}");
        finished(peer);
    }
}

#[test]
fn the_ciphertext_of_a_whole_connection_is_cut_in_a_response() {
    let ca = Ca::new();
    let server = ca.server("localhost").cut_ciphertext(3000, Ending::Reset);
    let peer = spawned(patient().tls(server).source(http::ok([0; 100]).keep_alive()));
    let mut client = trusting(&ca).connect(peer.addr()).expect("a handshake");
    let mut answers = 0;
    let error = loop {
        let exchange = client.write_all(GET).and_then(|()| client.read_exact(&mut [0; 140]));
        match exchange {
            Ok(()) => answers += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::ConnectionReset, "after {answers} answers");
    assert!(answers > 5, "{answers}");
    let journal = finished(peer);
    assert_eq!(journal.exchanges_per_connection(), [answers + 1]);
}

#[test]
fn a_record_that_was_altered_on_the_way_is_found_by_the_client() {
    let ca = Ca::new();
    for version in [&TLS12, &TLS13] {
        let gate = Gate::new();
        let response = Response::from("good ").gate(&gate).alter_record().send("bad").send("good");
        let peer = spawned(secured(&ca).source(response));
        let mut client = trusting(&ca).version(version).connect(peer.addr()).expect("a handshake");
        client.write_all(b"go").expect("open");
        client.read_exact(&mut [0; 5]).expect("what was not altered");
        gate.open();
        let (answer, error) = read_to_its_end(&mut client);
        assert_eq!((answer.as_slice(), error), (b"".as_slice(), Some(ErrorKind::InvalidData)));
        // rustls has queued its alert.
        client.conn.write_tls(&mut client.sock).expect("open");
        drop(client);
        let journal = finished(peer);
        let connection = &journal.connections()[0];
        assert_eq!(connection.alert(), Some("`bad_record_mac` (20)"), "{journal}");
        assert_eq!(connection.handshake_failure(), None);
    }
}

#[test]
fn keys_are_updated_at_a_turn() {
    let ca = Ca::new();
    let update = |text: &str| Response::from(text).update_keys().send(" after");
    let peer = spawned(
        secured(&ca)
            .framing(Framing::until("\n"))
            .source_with(move |_| update("before").keep_open()),
    );
    let mut client = trusting(&ca).version(&TLS13).connect(peer.addr()).expect("a handshake");
    for _ in 0..3 {
        client.write_all(b"go\n").expect("open");
        let mut answer = [0; 12];
        client.read_exact(&mut answer).expect("an answer");
        assert_eq!(&answer, b"before after");
    }
    // The client updates its keys, too, and asks the peer to do so.
    client.conn.refresh_traffic_keys().expect("TLS 1.3");
    client.write_all(b"go\n").expect("open");
    client.read_exact(&mut [0; 12]).expect("an answer");
    drop(client);
    assert_eq!(finished(peer).exchanges_per_connection(), [4]);

    let peer = spawned(secured(&ca).source(update("before")));
    let mut client = trusting(&ca).version(&TLS12).connect(peer.addr()).expect("a handshake");
    client.write_all(b"go\n").expect("open");
    read_to_its_end(&mut client);
    let error = peer.take(PATIENCE).expect_err("TLS 1.2").report().to_string();
    assert!(
        error.ends_with("only TLS 1.3 can update keys, and the connection has another version"),
        "{error}"
    );
    finished(peer);
}

#[test]
fn a_client_that_half_closes_and_then_leaves_is_seen_to_close() {
    let ca = Ca::new();
    let peer = spawned(secured(&ca).source(HELLO));
    let mut client = trusting(&ca).connect(peer.addr()).expect("a handshake");
    client.write_all(GET).expect("open");
    half_close(&mut client);
    let (answer, error) = read_to_its_end(&mut client);
    assert_eq!((answer.as_slice(), error), (HELLO.as_bytes(), None));
    let journal = finished(peer);
    assert_eq!(journal.connections()[0].client_end(), ClientEnd::Closed);
}

#[test]
fn a_peer_that_holds_or_stops_reading_ends_when_the_client_leaves() {
    let ca = Ca::new();
    for ending in [Ending::Hold, Ending::StopReading] {
        let peer = spawned(secured(&ca).source(Response::from("hi").ending(ending.clone())));
        let mut client = trusting(&ca).connect(peer.addr()).expect("a handshake");
        client.write_all(GET).expect("open");
        client.read_exact(&mut [0; 2]).expect("the answer");
        drop(client);
        let journal = finished(peer);
        assert_ne!(journal.connections()[0].client_end(), ClientEnd::StillOpen, "{ending:?}");
    }
}

#[test]
fn bytes_after_the_last_request_are_recorded() {
    let ca = Ca::new();
    let peer = spawned(secured(&ca).framing(Framing::until("\n")).source("bye"));
    let mut client = trusting(&ca).connect(peer.addr()).expect("a handshake");
    client.write_all(b"one\ntwo\n").expect("open");
    let (answer, error) = read_to_its_end(&mut client);
    assert_eq!((answer.as_slice(), error), (b"bye".as_slice(), None));
    drop(client);
    let journal = finished(peer);
    same_bytes(journal.connections()[0].trailing(), b"two\n", "trailing bytes");
}

#[test]
fn a_naive_close_destroys_the_answer_to_a_request_that_was_not_read() {
    let ca = Ca::new();
    let response = Response::new().repeat("x", 1 << 20).ending(Ending::CloseAtOnce);
    let peer = spawned(
        secured(&ca).framing(Framing::exactly(4)).source(response).clients_may_leave_early(),
    );
    let mut client = trusting(&ca).connect(peer.addr()).expect("a handshake");
    client.write_all(&[b'y'; 6000]).expect("open");
    let (answer, error) = read_to_its_end(&mut client);
    assert!(error.is_some(), "{} bytes came", answer.len());
    drop(client);
    let journal = finished(peer);
    assert!(journal.to_string().contains("reset by the peer"), "{journal}");
}
