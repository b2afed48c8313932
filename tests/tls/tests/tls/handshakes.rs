//! Handshakes that fail, stall, or are broken off, and what is negotiated in those that don't.

use std::error::Error as _;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use fake_peer::tls::{Ca, Flight, Server, Version};
use fake_peer::{
    ClientEnd, Ending, Error, Framing, PerConnection, Request, Response, TcpServer, faults, http,
};
use fake_peer_test_support::{
    PATIENCE, bound, connect, end_of_file, eventually, finished, patient, read_to_its_end,
    same_bytes, spawned, taken,
};
use fake_peer_tls_tests::rustls_client::{self, Settings, trusting};
use rustls::version::{TLS12, TLS13};

use crate::{GET, HELLO, hello, secured};

/// The reason in the journal of a peer whose client could not connect.
#[track_caller]
fn reason(server: Server, client: &Settings, case: &str) -> String {
    let peer = spawned(patient().tls(server).source(HELLO));
    client.ask(peer.addr(), GET).expect_err(case);
    let error = peer.take(PATIENCE).expect_err(case);
    assert!(matches!(error, Error::Handshake { .. }), "{case}: {error}");
    finished(peer);
    error.source().expect(case).to_string()
}

#[test]
fn a_client_certificate_is_in_the_exchange() {
    let ca = Ca::new();
    let alice = ca.client("alice");
    for version in [&TLS12, &TLS13] {
        let server = ca.server("localhost").requires_client_certificate(&ca);
        let peer = spawned(patient().tls(server).source_with(|request| {
            let certificate = request.client().tls().and_then(|tls| tls.client_certificate());
            format!("{} bytes", certificate.expect("a certificate").len())
        }));
        let client = trusting(&ca).version(version).identity(&alice);
        let answer = client.ask(peer.addr(), GET).expect("a handshake");
        assert_eq!(answer, format!("{} bytes", alice.certificate_der().len()).as_bytes());
        let exchange = taken(&peer);
        let session = exchange.client().tls().expect("TLS");
        assert_eq!(session.client_certificate(), Some(alice.certificate_der()));
        assert_eq!(session.client_certificates().count(), 1);
        let journal = finished(peer);
        assert!(journal.to_string().contains(", client certificate of "), "{journal}");
    }
}

#[test]
fn a_client_certificate_may_be_asked_for_without_being_required() {
    let ca = Ca::new();
    let peer = spawned(
        patient().tls(ca.server("localhost").asks_for_client_certificate(&ca)).source(HELLO),
    );
    trusting(&ca).ask(peer.addr(), GET).expect("no certificate");
    assert!(taken(&peer).client().tls().expect("TLS").client_certificate().is_none());
    trusting(&ca).identity(&ca.client("bob")).ask(peer.addr(), GET).expect("a certificate");
    assert!(taken(&peer).client().tls().expect("TLS").client_certificate().is_some());
    finished(peer);
}

#[test]
fn a_client_certificate_that_is_missing_or_of_another_authority_fails_the_handshake() {
    let ca = Ca::new();
    let requires = || ca.server("localhost").requires_client_certificate(&ca);
    let asks = || ca.server("localhost").asks_for_client_certificate(&ca);
    let stranger = Ca::new().client("mallory");
    for version in [&TLS12, &TLS13] {
        let client = || trusting(&ca).version(version);
        assert_eq!(reason(requires(), &client(), "none"), "the client sent no certificate");
        for server in [requires(), asks()] {
            let reason = reason(server, &client().identity(&stranger), "a stranger's");
            assert!(
                reason.starts_with("the certificate of the client is not accepted: "),
                "{reason}"
            );
        }
    }
}

#[test]
fn the_protocol_is_agreed_on() {
    let ca = Ca::new();
    let server = || ca.server("localhost").alpn(["h2", "http/1.1"]);
    let peer = spawned(patient().tls(server()).source(HELLO));
    for (offered, agreed) in
        [(&["http/1.1"][..], Some("http/1.1")), (&["http/1.1", "h2"], Some("h2")), (&[], None)]
    {
        let client = trusting(&ca).alpn(offered);
        let stream = client.connect(peer.addr()).expect("a handshake");
        assert_eq!(stream.conn.alpn_protocol(), agreed.map(str::as_bytes), "{offered:?}");
        drop(stream);
        client.ask(peer.addr(), GET).expect("an answer");
        let session = taken(&peer).client().tls().expect("TLS").clone();
        assert_eq!(session.alpn(), agreed.map(str::as_bytes), "{offered:?}");
    }
    finished(peer);
    let reason = reason(server(), &trusting(&ca).alpn(&["smtp"]), "none in common");
    assert_eq!(reason, "the client offers no application protocol (ALPN) that the peer has");
}

#[test]
fn a_version_that_the_peer_lacks_fails_the_handshake() {
    let ca = Ca::new();
    for (version, client, works) in [
        (Version::Tls12, &TLS12, true),
        (Version::Tls13, &TLS13, true),
        (Version::Tls12, &TLS13, false),
        (Version::Tls13, &TLS12, false),
    ] {
        let server = ca.server("localhost").versions([version]);
        let client = trusting(&ca).version(client);
        if works {
            let peer = spawned(patient().tls(server).source(HELLO));
            client.ask(peer.addr(), GET).expect("a version in common");
            finished(peer);
        } else {
            let reason = reason(server, &client, "no version in common");
            assert_eq!(reason, "client and peer have no version of TLS in common");
        }
    }
}

#[test]
fn plain_http_over_tls_gets_an_alert_and_a_reason() {
    let ca = Ca::new();
    let peer = hello(&ca);
    let mut client = connect(peer.addr());
    client.write_all(GET).expect("open");
    let (answer, error) = read_to_its_end(&mut client);
    assert_eq!(error, None);
    assert_eq!(answer.first(), Some(&21), "an alert: {answer:?}");
    drop(client);
    let error = peer.finish().expect_err("no handshake");
    let sent = GET.escape_ascii();
    assert_eq!(
        error.source().expect("a cause").to_string(),
        format!("the client sent something that is not TLS: \"{sent}\"")
    );
}

#[test]
fn a_client_that_leaves_within_its_first_message_is_reported() {
    let ca = Ca::new();
    let peer = hello(&ca);
    let mut client = connect(peer.addr());
    client.write_all(&[22, 3, 1, 2]).expect("open");
    client.shutdown(Shutdown::Write).expect("open");
    end_of_file(&mut client, "half a record");
    drop(client);
    let text = peer.finish().expect_err("no handshake").report().to_string();
    assert!(
        text.ends_with("the client closed the connection without an alert, within its first message (4 bytes received)"),
        "{text}"
    );
}

#[test]
fn a_handshake_that_stalls_ends_with_the_timeout() {
    let ca = Ca::new();
    let timeout = Duration::from_millis(30);
    let peer = spawned(secured(&ca).source("hi").timeout(timeout));
    let mut client = connect(peer.addr());
    client.write_all(&[22, 3, 1]).expect("open");
    end_of_file(&mut client, "a stalled handshake");
    let error = peer.take(PATIENCE).expect_err("no handshake");
    assert_eq!(error.io_error().expect("a cause").kind(), ErrorKind::TimedOut);
    assert!(
        error.report().to_string().ends_with("nothing arrived for 30ms (after 3 bytes)"),
        "{error:?}"
    );
    drop(client);
    finished(peer);
    // One that does not begin is a silent connection.
    let peer = spawned(secured(&ca).source("hi").idle_timeout(timeout));
    let mut client = connect(peer.addr());
    end_of_file(&mut client, "a silent connection");
    drop(client);
    let journal = finished(peer);
    assert!(journal.connections()[0].is_silent(), "{journal}");
}

#[test]
fn the_end_of_a_peer_does_not_wait_for_a_handshake() {
    let ca = Ca::new();
    let peer = spawned(secured(&ca).source("hi").finish_timeout(Duration::from_millis(30)));
    let mut client = connect(peer.addr());
    client.write_all(&[22, 3, 1]).expect("open");
    eventually("accepted", || !peer.journal().connections().is_empty());
    let start = Instant::now();
    let error = peer.finish().expect_err("a handshake that was cut");
    assert!(start.elapsed() < Duration::from_secs(5));
    assert!(matches!(error, Error::Handshake { .. }), "{error}");
}

#[test]
fn a_handshake_breaks_after_each_flight() {
    let ca = Ca::new();
    for version in [&TLS12, &TLS13] {
        for flight in
            [Flight::Connect, Flight::ClientHello, Flight::ServerHello, Flight::ClientFinished]
        {
            let case = format!("{version:?} {flight:?}");
            for (ending, expected) in [
                (Ending::Close, ErrorKind::UnexpectedEof),
                (Ending::Reset, ErrorKind::ConnectionReset),
            ] {
                let server = ca.server("localhost").breaks_after(flight, ending.clone());
                let peer = spawned(patient().tls(server).source(HELLO));
                let error = trusting(&ca).version(version).ask(peer.addr(), GET).expect_err(&case);
                // A reset may come while the client writes.
                let is_expected = error.kind() == expected
                    || (matches!(ending, Ending::Reset) && error.kind() == ErrorKind::BrokenPipe);
                assert!(is_expected, "{case} {ending:?}: {error:?}");
                let journal = finished(peer);
                let failure = journal.connections()[0].handshake_failure().expect(&case);
                assert!(failure.starts_with("it was to break "), "{case}: {failure}");
                assert_eq!(journal.exchanges().count(), 0, "{case}");
            }
        }
    }
}

#[test]
fn a_handshake_is_held_after_each_flight() {
    let ca = Ca::new();
    for flight in
        [Flight::Connect, Flight::ClientHello, Flight::ServerHello, Flight::ClientFinished]
    {
        let server = ca.server("localhost").breaks_after(flight, Ending::Hold);
        let peer = spawned(patient().tls(server).source(HELLO));
        let stream = connect(peer.addr());
        stream.set_read_timeout(Some(Duration::from_millis(30))).expect("set");
        let mut client = trusting(&ca).over(stream);
        client.write_all(GET).and_then(|()| client.flush()).ok();
        let error = client.read(&mut [0]).expect_err("silence");
        assert!(
            matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
            "{flight:?}: {error:?}"
        );
        drop(client);
        finished(peer);
    }
}

#[test]
fn ciphertext_is_cut_at_every_byte_of_a_handshake() {
    let ca = Ca::new();
    for version in [&TLS12, &TLS13] {
        for byte in (0..700).step_by(7) {
            let case = format!("{version:?}, byte {byte}");
            let server = ca.server("localhost").cut_ciphertext(byte, Ending::Close);
            let peer = spawned(patient().tls(server).source(HELLO));
            let mut client = connect(peer.addr());
            let settings = trusting(&ca).version(version);
            let mut tls = settings.over(client.try_clone().expect("a descriptor"));
            tls.write_all(GET).and_then(|()| tls.flush()).ok();
            let (rest, error) = read_to_its_end(&mut client);
            assert_eq!((rest.len(), error), (0, None), "{case}");
            drop((tls, client));
            let journal = finished(peer);
            let failure = journal.connections()[0].handshake_failure();
            assert!(
                failure.is_some_and(|text| text.starts_with("it was to break after ")),
                "{case}: {journal}"
            );
        }
    }
}

#[test]
fn connections_count_in_the_order_in_which_they_were_accepted_and_not_in_that_of_their_handshakes()
{
    let ca = Ca::new();
    let peer = spawned(
        secured(&ca).source(
            PerConnection::new([faults::stop_reading_after(3, Ending::Close)])
                .and(|request: &Request| Response::from(request.bytes())),
        ),
    );
    let first = TcpStream::connect(peer.addr()).expect("a listening peer");
    first.set_read_timeout(Some(PATIENCE)).expect("an open socket");
    eventually("the first is accepted", || peer.journal().connections().len() == 1);
    let answer = trusting(&ca).ask(peer.addr(), b"echo").expect("an answer");
    same_bytes(&answer, b"echo", "the second connection, whose handshake is the first");
    let mut client = trusting(&ca).over(first);
    client.write_all(b"longer").expect("a handshake");
    assert_eq!(rustls_client::read_to_its_end(&mut client).0, b"");
    let journal = finished(peer);
    same_bytes(journal.connections()[0].exchanges()[0].request().bytes(), b"lon", "the fault");
}

#[test]
fn a_server_in_the_foreground_serves_over_tls() {
    let ca = Ca::new();
    let server = bound(secured(&ca).source(HELLO));
    let addr = server.local_addr();
    let (client_ca, stranger) = (ca.clone(), Ca::new());
    let client = std::thread::spawn(move || {
        trusting(&stranger).ask(addr, GET).expect_err("an unknown authority");
        trusting(&client_ca).ask(addr, GET).expect("an answer")
    });
    let error = server.serve_once().expect_err("a handshake that fails");
    assert!(matches!(error, Error::Handshake { .. }), "{error}");
    let exchange = server.serve_once().expect("an exchange");
    same_bytes(exchange.request().bytes(), GET, "the request");
    assert_eq!(exchange.client().tls().expect("TLS").version(), "TLS 1.3");
    same_bytes(&client.join().expect("no panic"), HELLO.as_bytes(), "the answer");
}

#[test]
fn many_exchanges_are_served_in_the_foreground_over_tls() {
    let ca = Ca::new();
    let server =
        bound(TcpServer::builder().tls(ca.server("localhost")).source(http::ok("hi").keep_alive()));
    let addr = server.local_addr();
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let ca = ca.clone();
            std::thread::spawn(move || {
                let mut client = trusting(&ca).connect(addr).expect("a handshake");
                for _ in 0..5 {
                    client.write_all(GET).expect("open");
                    client.read_exact(&mut [0; 40]).expect("an answer");
                }
            })
        })
        .collect();
    server.serve(20).expect("20 exchanges");
    for client in clients {
        client.join().expect("no panic");
    }
}

#[test]
fn a_connection_is_driven_by_hand_over_tls() {
    let ca = Ca::new();
    let peer = secured(&ca).by_hand().expect("a peer");
    let addr = peer.addr();
    let client = std::thread::spawn(move || {
        let mut client = trusting(&ca).connect(addr).expect("a handshake");
        let mut greeting = [0; 7];
        client.read_exact(&mut greeting).expect("a greeting");
        client.write_all(b"PING\r\n").expect("open");
        let mut answer = String::new();
        client.read_to_string(&mut answer).expect("an answer");
        (greeting, answer)
    });
    let mut connection = peer.accept(PATIENCE).expect("a client");
    connection.send("hello\r\n").expect("open");
    let request = connection.read(Framing::until("\r\n")).expect("open").expect("a request");
    request.assert_bytes("PING\r\n");
    assert_eq!(request.client().tls().expect("TLS").version(), "TLS 1.3");
    connection.send("PONG").expect("open");
    connection.close();
    assert_eq!(client.join().expect("no panic"), (*b"hello\r\n", "PONG".into()));
    let journal = peer.finish().expect("no failure");
    assert_eq!(journal.connections()[0].client_end(), ClientEnd::Closed);
}

#[test]
fn a_failed_handshake_ends_what_is_driven_by_hand() {
    let ca = Ca::new();
    let peer = secured(&ca).by_hand().expect("a peer");
    let addr = peer.addr();
    let client = std::thread::spawn(move || {
        trusting(&Ca::new()).connect(addr).expect_err("an unknown authority");
    });
    let mut connection = peer.accept(PATIENCE).expect("a client");
    let error = connection.read(Framing::until("\r\n")).expect_err("no handshake");
    assert!(
        error
            .report()
            .to_string()
            .ends_with("the TLS handshake failed: the client sent the alert `unknown_ca` (48)"),
        "{error:?}"
    );
    client.join().expect("no panic");
    drop(connection);
    assert!(matches!(peer.finish(), Err(Error::Handshake { .. })));
}
