//! What works over TCP works over TLS.

use std::io::{Read, Write};

use fake_peer::tls::Ca;
use fake_peer::{ClientEnd, Framing, Gate, Request, RequestEnd, Response, TcpServer, http};
use fake_peer_test_support::{bound, finished, numbered, patient, same_bytes, spawned, taken};
use fake_peer_tls_tests::rustls_client::{half_close, read_to_its_end, trusting};
use rustls::version::{TLS12, TLS13};

use crate::{GET, HELLO, hello, secured};

#[test]
fn a_request_is_answered_in_both_versions() {
    let ca = Ca::new();
    for (version, name) in [(&TLS12, "TLS 1.2"), (&TLS13, "TLS 1.3")] {
        let peer = hello(&ca);
        let answer = trusting(&ca).version(version).ask(peer.addr(), GET).expect(name);
        same_bytes(&answer, HELLO.as_bytes(), name);
        let exchange = taken(&peer);
        same_bytes(exchange.request().bytes(), GET, name);
        assert_eq!(exchange.sent_bytes(), HELLO.as_bytes(), "{name}");
        let session = exchange.client().tls().expect(name);
        assert_eq!(session.version(), name);
        assert_eq!(session.server_name(), Some("localhost"), "{name}");
        assert_eq!(session.alpn(), None, "{name}");
        assert!(session.client_certificate().is_none(), "{name}");
        let journal = finished(peer);
        assert_eq!(journal.connections()[0].client_end(), ClientEnd::Closed, "{name}");
        let printed = format!("{journal:#}");
        assert!(printed.contains(&format!("\n  {session}\n")), "{printed}");
    }
}

#[test]
fn the_url_says_https_and_the_name_of_the_certificate() {
    let ca = Ca::shared();
    for (name, host) in [
        ("localhost", "localhost"),
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "[::1]"),
        ("a.test", "a.test"),
    ] {
        let peer = spawned(patient().tls(ca.server(name)).source("hi"));
        assert_eq!(peer.url("/a?b"), format!("https://{host}:{}/a?b", peer.port()));
        let server = bound(TcpServer::builder().tls(ca.server(name)).source("hi"));
        assert_eq!(server.url("/a?b"), format!("https://{host}:{}/a?b", server.port()));
    }
}

#[test]
fn kept_connections_carry_many_exchanges() {
    let ca = Ca::new();
    let peer = spawned(secured(&ca).source(http::ok("hi").keep_alive()));
    let mut client = trusting(&ca).connect(peer.addr()).expect("a handshake");
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    for turn in 0..100 {
        client.write_all(GET).expect("open");
        let mut read = vec![0; answer.len()];
        client.read_exact(&mut read).expect("an answer");
        same_bytes(&read, answer, &format!("turn {turn}"));
        // The exchange is in the journal before the client has its last byte.
        assert_eq!(peer.journal().exchanges().count(), turn + 1);
    }
    // Pipelined.
    client.write_all(&GET.repeat(10)).expect("open");
    let mut read = vec![0; 10 * answer.len()];
    client.read_exact(&mut read).expect("ten answers");
    drop(client);
    assert_eq!(finished(peer).exchanges_per_connection(), [110]);
}

#[test]
fn large_bodies_pass_unchanged_in_both_directions() {
    let ca = Ca::new();
    let length = 3 << 20;
    let body = numbered(length);
    let answer = [b"HTTP/1.1 200 OK\r\n\r\n".as_slice(), &body].concat();
    for version in [&TLS12, &TLS13] {
        let peer = spawned(secured(&ca).source(answer.clone()));
        let mut client = trusting(&ca).version(version).connect(peer.addr()).expect("a handshake");
        let head = format!("POST / HTTP/1.1\r\nContent-Length: {length}\r\n\r\n");
        client.write_all(head.as_bytes()).expect("open");
        client.write_all(&body).expect("open");
        let (read, error) = read_to_its_end(&mut client);
        assert_eq!(error, None);
        same_bytes(&read, &answer, "the answer");
        let request = taken(&peer).request().clone();
        same_bytes(request.body().expect("a body"), &body, "the request");
        finished(peer);
    }
}

#[test]
fn a_client_that_reads_slowly_gets_everything() {
    let ca = Ca::new();
    let body = numbered(8 << 20);
    let peer = spawned(secured(&ca).framing(Framing::until("\n")).source(body.clone()));
    let mut client = trusting(&ca).connect(peer.addr()).expect("a handshake");
    client.write_all(b"go\n").expect("open");
    let mut read = Vec::new();
    let mut buffer = [0; 1000];
    loop {
        match client.read(&mut buffer).expect("open") {
            0 => break,
            length => read.extend_from_slice(&buffer[..length]),
        }
    }
    same_bytes(&read, &body, "all of it");
    finished(peer);
}

#[test]
fn a_close_notify_ends_a_request_and_the_answer_is_still_sent() {
    let ca = Ca::new();
    for version in [&TLS12, &TLS13] {
        let peer = spawned(
            secured(&ca)
                .framing(Framing::eof())
                .source(|request: &Request| request.bytes().to_ascii_uppercase()),
        );
        let mut client = trusting(&ca).version(version).connect(peer.addr()).expect("a handshake");
        client.write_all(b"all of it").expect("open");
        half_close(&mut client);
        let (answer, error) = read_to_its_end(&mut client);
        assert_eq!((answer.as_slice(), error), (b"ALL OF IT".as_slice(), None));
        assert_eq!(taken(&peer).request().end(), RequestEnd::Complete);
        finished(peer);
    }
}

#[test]
fn a_close_without_close_notify_cuts_a_request_short() {
    let ca = Ca::new();
    for (framing, bytes) in [
        (Framing::eof(), "all of it"),
        (Framing::http(), "GET / HT"),
        (Framing::until("\n"), "a line"),
    ] {
        let peer = spawned(secured(&ca).framing(framing.clone()).source("hi"));
        let mut client = trusting(&ca).connect(peer.addr()).expect("a handshake");
        client.write_all(bytes.as_bytes()).expect("open");
        client.sock.shutdown(std::net::Shutdown::Write).expect("open");
        let (answer, _) = read_to_its_end(&mut client);
        assert_eq!(answer, b"hi", "{framing}");
        let error = peer.finish().expect_err("a request that was cut short");
        let request = error.exchange().expect("an exchange").request();
        assert_eq!(request.end(), RequestEnd::ClientClosed, "{framing}");
        assert_eq!(request.bytes(), bytes.as_bytes(), "{framing}");
    }
}

#[test]
fn a_connection_without_a_request_is_silent() {
    let ca = Ca::new();
    let peer = hello(&ca);
    // Not even a handshake.
    drop(std::net::TcpStream::connect(peer.addr()).expect("a peer"));
    // A handshake, and nothing else.
    drop(trusting(&ca).connect(peer.addr()).expect("a handshake"));
    let journal = finished(peer);
    let connections = journal.connections();
    assert!(connections.iter().all(fake_peer::ConnectionRecord::is_silent), "{journal}");
    assert!(connections[0].tls().is_none(), "{journal}");
    assert_eq!(connections[1].tls().expect("a handshake").version(), "TLS 1.3", "{journal}");
}

#[test]
fn a_gate_in_a_response_lets_the_first_part_through() {
    let ca = Ca::new();
    let gate = Gate::new();
    let response = Response::from("first ").gate(&gate).send("second");
    let peer = spawned(secured(&ca).source(response));
    let mut client = trusting(&ca).connect(peer.addr()).expect("a handshake");
    client.write_all(b"go").expect("open");
    let mut first = [0; 6];
    client.read_exact(&mut first).expect("the first part");
    assert_eq!(&first, b"first ");
    gate.open();
    assert_eq!(read_to_its_end(&mut client), (b"second".to_vec(), None));
    finished(peer);
}

#[test]
fn bytes_that_come_with_the_end_of_the_handshake_are_the_request() {
    let ca = Ca::new();
    let peer = hello(&ca);
    let stream = fake_peer_test_support::connect(peer.addr());
    let mut client = trusting(&ca).over(stream);
    // Held back until the handshake is over, and sent together with its last message.
    client.write_all(GET).expect("open");
    client.flush().expect("open");
    let (answer, error) = read_to_its_end(&mut client);
    assert_eq!((answer.as_slice(), error), (HELLO.as_bytes(), None));
    same_bytes(taken(&peer).request().bytes(), GET, "the request");
}
