//! TLS that begins within a connection.

use std::error::Error as _;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use fake_peer::tls::{Ca, Server};
use fake_peer::{Conversation, Error, Framing, Response};
use fake_peer_test_support::{
    PATIENCE, connect, end_of_file, expect_bytes, finished, patient, read_to_its_end, spawned,
    taken,
};
use fake_peer_tls_tests::rustls_client::{Settings, trusting};
use rustls::{ClientConnection, StreamOwned};

/// Completes the handshake over a connection on which the peer has agreed to it.
fn secure(settings: &Settings, stream: TcpStream) -> StreamOwned<ClientConnection, TcpStream> {
    let mut client = settings.over(stream);
    while client.conn.is_handshaking() {
        client.conn.complete_io(&mut client.sock).expect("a handshake");
    }
    client
}

fn expect(client: &mut impl Read, expected: &str) {
    let mut read = vec![0; expected.len()];
    client.read_exact(&mut read).expect(expected);
    assert_eq!(String::from_utf8_lossy(&read), expected);
}

fn smtp(server: &Server) -> Conversation {
    Conversation::new()
        .say("220 mx.test\r\n")
        .expect("EHLO me\r\n")
        .say("250-mx.test\r\n250 STARTTLS\r\n")
        .expect("STARTTLS\r\n")
        .say(Response::from("220 go ahead\r\n").then_tls(server))
        .expect("EHLO me\r\n")
        .say("250 mx.test\r\n")
        .expect("QUIT\r\n")
        .say("221 bye\r\n")
}

#[test]
fn a_conversation_goes_on_over_tls() {
    let ca = Ca::new();
    let peer = spawned(patient().source(smtp(&ca.server("localhost"))));
    let mut client = connect(peer.addr());
    expect(&mut client, "220 mx.test\r\n");
    client.write_all(b"EHLO me\r\n").expect("open");
    expect(&mut client, "250-mx.test\r\n250 STARTTLS\r\n");
    client.write_all(b"STARTTLS\r\n").expect("open");
    expect(&mut client, "220 go ahead\r\n");
    let mut client = secure(&trusting(&ca), client);
    client.write_all(b"EHLO me\r\nQUIT\r\n").expect("open");
    let mut rest = String::new();
    client.read_to_string(&mut rest).expect("close_notify");
    assert_eq!(rest, "250 mx.test\r\n221 bye\r\n");
    drop(client);
    let journal = finished(peer);
    let exchanges = journal.connections()[0].exchanges();
    assert_eq!(exchanges.len(), 5);
    let has_tls: Vec<_> =
        exchanges.iter().map(|exchange| exchange.client().tls().is_some()).collect();
    assert_eq!(has_tls, [false, false, false, true, true]);
    assert_eq!(journal.connections()[0].tls().expect("TLS").version(), "TLS 1.3");
}

#[test]
fn the_peer_speaks_first_over_tls_if_the_conversation_says_so() {
    let ca = Ca::new();
    let conversation = Conversation::new()
        .expect("TLS\n")
        .say(Response::from("ok\n").then_tls(&ca.server("localhost")))
        .say("secret\n")
        .expect("bye\n")
        .say("bye\n");
    let peer = spawned(patient().source(conversation));
    let mut client = connect(peer.addr());
    client.write_all(b"TLS\n").expect("open");
    expect_bytes(&mut client, b"ok\n", "plain");
    let mut client = secure(&trusting(&ca), client);
    expect(&mut client, "secret\n");
    client.write_all(b"bye\n").expect("open");
    expect(&mut client, "bye\n");
    drop(client);
    finished(peer);
}

#[test]
fn postgres_answers_one_byte_and_goes_on_with_another_framing() {
    let ca = Ca::new();
    let server = ca.server("localhost");
    let ssl_request = [0, 0, 0, 8, 4, 210, 22, 47];
    let peer = spawned(patient().framing(Framing::exactly(8)).source_with(move |request| {
        if request.bytes() == ssl_request {
            return Response::from("S").then_tls(&server).then(Framing::until("\0\0"));
        }
        Response::from("R")
    }));
    let mut client = connect(peer.addr());
    client.write_all(&ssl_request).expect("open");
    expect_bytes(&mut client, b"S", "the answer to SSLRequest");
    let mut client = secure(&trusting(&ca), client);
    client.write_all(b"user\0me\0\0").expect("open");
    expect(&mut client, "R");
    drop(client);
    let journal = finished(peer);
    let requests: Vec<_> = journal.requests().map(fake_peer::Request::len).collect();
    assert_eq!(requests, [8, 9]);
}

#[test]
fn a_client_hello_that_came_early_is_the_beginning_of_the_handshake() {
    let ca = Ca::new();
    let server = ca.server("localhost");
    let peer = spawned(patient().framing(Framing::until("\n")).source_with(move |request| {
        match request.bytes() {
            b"STARTTLS\n" => Response::from("go\n").then_tls(&server),
            _ => Response::from("hello\n"),
        }
    }));
    let mut stream = connect(peer.addr());
    let mut client = trusting(&ca).over(stream.try_clone().expect("a descriptor"));
    let mut first = b"STARTTLS\n".to_vec();
    client.conn.write_tls(&mut first).expect("a ClientHello");
    stream.write_all(&first).expect("open");
    expect_bytes(&mut stream, b"go\n", "the peer's answer");
    while client.conn.is_handshaking() {
        client.conn.complete_io(&mut client.sock).expect("a handshake");
    }
    client.write_all(b"hi\n").expect("open");
    expect(&mut client, "hello\n");
    drop(client);
    drop(stream);
    finished(peer);
}

#[test]
fn a_command_that_was_smuggled_in_before_the_handshake_fails_it() {
    let ca = Ca::new();
    let peer = spawned(patient().source(smtp(&ca.server("localhost"))));
    let mut client = connect(peer.addr());
    expect(&mut client, "220 mx.test\r\n");
    client.write_all(b"EHLO me\r\nSTARTTLS\r\nRSET\r\n").expect("open");
    let (rest, _) = read_to_its_end(&mut client);
    assert!(rest.starts_with(b"250-mx.test\r\n250 STARTTLS\r\n220 go ahead\r\n"), "{rest:?}");
    drop(client);
    for _ in 0..3 {
        taken(&peer);
    }
    let error = peer.take(PATIENCE).expect_err("no handshake");
    assert!(matches!(error, Error::Handshake { .. }), "{error}");
    assert_eq!(
        error.source().expect("a cause").to_string(),
        r#"the client sent something that is not TLS: "RSET\r\n""#
    );
    assert!(matches!(peer.finish(), Err(Error::LeftOver { .. })));
}

#[test]
fn a_client_that_leaves_instead_of_its_handshake_is_reported() {
    let ca = Ca::new();
    let server = ca.server("localhost");
    let source = move |_: &fake_peer::Request| Response::from("go\n").then_tls(&server);
    let peer = spawned(patient().framing(Framing::until("\n")).source(source));
    let mut client = connect(peer.addr());
    client.write_all(b"STARTTLS\n").expect("open");
    expect_bytes(&mut client, b"go\n", "the peer's answer");
    client.shutdown(Shutdown::Write).expect("open");
    end_of_file(&mut client, "no handshake");
    taken(&peer);
    let error = peer.take(PATIENCE).expect_err("no handshake");
    assert_eq!(
        error.source().expect("a cause").to_string(),
        "the client closed the connection before its first byte of TLS"
    );
    finished(peer);
}

#[test]
fn tls_within_tls_is_refused_in_words() {
    let ca = Ca::new();
    let response = Response::from("go\n").then_tls(&ca.server("localhost"));
    let peer = spawned(patient().tls(ca.server("localhost")).source(response));
    let mut client = trusting(&ca).connect(peer.addr()).expect("a handshake");
    client.write_all(b"STARTTLS\n").expect("open");
    client.read_to_end(&mut Vec::new()).expect("closed");
    let error = peer.take(PATIENCE).expect_err("TLS is there").report().to_string();
    assert!(
        error.ends_with("the response begins TLS, and the connection has TLS already"),
        "{error}"
    );
    finished(peer);
}

#[test]
fn tls_begins_on_a_connection_that_is_driven_by_hand() {
    let ca = Ca::new();
    let peer = patient().by_hand().expect("a peer");
    let addr = peer.addr();
    let trusted = ca.clone();
    let client = std::thread::spawn(move || {
        let mut client = connect(addr);
        client.write_all(b"STARTTLS\n").expect("open");
        expect_bytes(&mut client, b"go\n", "plain");
        let mut client = secure(&trusting(&trusted), client);
        client.write_all(b"hello\n").expect("open");
        expect(&mut client, "hi\n");
    });
    let mut connection = peer.accept(PATIENCE).expect("a client");
    connection.read(Framing::until("\n")).expect("open").expect("a request");
    connection.send("go\n").expect("open");
    connection.begin_tls(&ca.server("localhost")).expect("a handshake");
    let request = connection.read(Framing::until("\n")).expect("open").expect("a request");
    request.assert_bytes("hello\n");
    assert!(request.client().tls().is_some());
    connection.send("hi\n").expect("open");
    let error = connection.begin_tls(&ca.server("localhost")).expect_err("TLS within TLS");
    assert!(error.report().to_string().ends_with("the connection has TLS already"), "{error:?}");
    connection.close();
    client.join().expect("no panic");
    assert_eq!(peer.finish().expect("no failure").exchanges_per_connection(), [2]);
}

#[test]
fn a_handshake_by_hand_that_fails_is_an_error_of_the_call() {
    let ca = Ca::new();
    let peer = patient().by_hand().expect("a peer");
    let mut client = connect(peer.addr());
    let mut connection = peer.accept(PATIENCE).expect("a client");
    client.write_all(b"STARTTLS\nQUIT\n").expect("open");
    connection.read(Framing::until("\n")).expect("open").expect("a request");
    let error = connection.begin_tls(&ca.server("localhost")).expect_err("no handshake");
    let reason = r#"the TLS handshake failed: the client sent something that is not TLS: "QUIT\n""#;
    assert!(error.report().to_string().ends_with(reason), "{error:?}");
    drop((connection, client));
    assert!(matches!(peer.finish(), Err(Error::Handshake { .. })));
}
