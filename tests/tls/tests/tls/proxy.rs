//! A proxy whose upstream speaks TLS: a peer of ours with an authority of the test.

use std::io::{ErrorKind, Write};
use std::net::Shutdown;
use std::time::Duration;

use fake_peer::tls::{Ca, Flight, Version};
use fake_peer::{
    ClientEnd, Ending, Error, FileSource, Framing, Gate, Peer, Proxy, RequestEnd, Response, http,
};
use fake_peer_test_support::{
    ask, connect, expect_bytes, finished, numbered, patient, read_all, same_bytes, spawned, taken,
};

use crate::{GET, HELLO, hello, secured};

/// The error of a peer whose only exchange failed while it was answered: its kind, and all causes.
#[track_caller]
fn failure(peer: Peer) -> (ErrorKind, String) {
    let error = peer.finish().expect_err("a response that failed");
    let report = error.report().to_string();
    match error {
        Error::Respond { source, .. } => (source.kind(), report),
        other => panic!("a response that failed, not {other:?}"),
    }
}

#[test]
fn a_plain_client_gets_the_bytes_of_an_upstream_over_tls_and_they_are_recorded() {
    let ca = Ca::new();
    let folder = tempfile::tempdir().expect("a folder");
    let page = folder.path().join("page");
    for version in [Version::Tls12, Version::Tls13] {
        let server = ca.server("localhost").versions([version]);
        let upstream = spawned(patient().tls(server).source(HELLO));
        let proxy = Proxy::to(upstream.url("/")).trusting(ca.pem()).record(&page);
        let peer = spawned(patient().source(proxy));
        same_bytes(&ask(peer.addr(), GET), HELLO.as_bytes(), "relayed");
        finished(peer);
        let exchange = taken(&upstream);
        same_bytes(exchange.request().bytes(), GET, "forwarded");
        let session = exchange.client().tls().expect("TLS");
        assert_eq!((session.server_name(), session.alpn()), (Some("localhost"), None));
        // The proxy says goodbye.
        let journal = finished(upstream);
        assert_eq!(journal.connections()[0].client_end(), ClientEnd::Closed, "{journal:#}");
        let replay = Peer::answer(FileSource::new(&page));
        same_bytes(&ask(replay.addr(), GET), HELLO.as_bytes(), "recorded");
    }
}

#[test]
fn an_upstream_may_have_an_ip_address_for_a_name_and_its_url_no_path() {
    let ca = Ca::new();
    let upstream = hello(&ca);
    for url in [
        format!("https://127.0.0.1:{}", upstream.port()),
        format!("HTTPS://localhost:{}/", upstream.port()),
    ] {
        let peer = Peer::answer(Proxy::to(&url).trusting(ca.pem()));
        same_bytes(&ask(peer.addr(), GET), HELLO.as_bytes(), &url);
    }
    let peer = spawned(patient().source(Proxy::to(upstream.url("/page")).trusting(ca.pem())));
    ask(peer.addr(), GET);
    let (kind, report) = failure(peer);
    assert_eq!(kind, ErrorKind::InvalidInput);
    assert!(report.contains("has a host and a port, and nothing else"), "{report}");
}

#[test]
fn a_plain_upstream_may_have_a_url_too() {
    let upstream = Peer::answer(http::ok("hi"));
    let peer = Peer::answer(Proxy::to(upstream.url("/")));
    assert!(ask(peer.addr(), GET).ends_with(b"\r\n\r\nhi"));
}

#[test]
fn a_certificate_that_is_wrong_fails_the_exchange_with_the_reason() {
    let ca = Ca::new();
    for (server, trusted, reason) in [
        (ca.server("localhost"), &Ca::new(), "no trusted authority has signed it"),
        (ca.server("localhost").expired(), &ca, "expired"),
        (ca.server("localhost").for_host("other.test"), &ca, "not valid for name"),
        (ca.server("localhost").self_signed(), &ca, "no trusted authority has signed it"),
    ] {
        let upstream = spawned(patient().tls(server).source(HELLO).clients_may_leave_early());
        let url = format!("https://localhost:{}", upstream.port());
        let peer = spawned(patient().source(Proxy::to(&url).trusting(trusted.pem())));
        same_bytes(&ask(peer.addr(), GET), b"", reason);
        let (_, report) = failure(peer);
        assert!(report.contains(&format!("failed to begin TLS with upstream `{url}`")), "{report}");
        assert!(report.contains(reason), "{report}");
        // The upstream hears of it.
        let journal = finished(upstream);
        let failure = journal.connections()[0].handshake_failure().map(ToString::to_string);
        assert!(failure.as_deref().is_some_and(|text| text.contains("alert")), "{failure:?}");

        // Accepted all the same, if the test says so.
        let upstream = spawned(patient().tls(ca.server("localhost").expired()).source(HELLO));
        let peer = Peer::answer(Proxy::to(upstream.url("/")).insecure());
        same_bytes(&ask(peer.addr(), GET), HELLO.as_bytes(), "insecure");
    }
}

#[test]
fn the_authorities_of_the_system_do_not_include_one_of_a_test() {
    let ca = Ca::new();
    let upstream = spawned(secured(&ca).source(HELLO).clients_may_leave_early());
    let peer = spawned(patient().source(Proxy::to(upstream.url("/"))));
    same_bytes(&ask(peer.addr(), GET), b"", "refused");
    let (_, report) = failure(peer);
    // A machine may have none at all.
    assert!(
        report.contains("no trusted authority has signed it")
            || report.contains("the system has no certificates of authorities"),
        "{report}"
    );
}

#[test]
#[should_panic(expected = "there is no certificate in the PEM text")]
fn what_is_no_certificate_is_not_trusted() {
    let _ = Proxy::to("https://localhost").trusting("no PEM");
}

#[test]
fn an_upstream_without_tls_or_that_breaks_the_handshake_is_named() {
    let ca = Ca::new();
    let plain = spawned(
        patient().source("HTTP/1.1 400 Bad Request\r\n\r\n").framing(Framing::client_hello()),
    );
    // In TLS 1.3 the handshake is over for the client when it has this flight.
    let tls12 = ca.server("localhost").versions([Version::Tls12]);
    let broken = tls12.breaks_after(Flight::ServerHello, Ending::Close);
    let broken = spawned(patient().tls(broken).source(HELLO));
    let silent = ca.server("localhost").breaks_after(Flight::ClientHello, Ending::Hold);
    let silent = spawned(patient().tls(silent).source(HELLO));
    for (upstream, reason) in [
        (&plain, "it sent something that is not TLS"),
        (&broken, "it closed the connection within the handshake"),
        (&silent, "no handshake within 300ms"),
    ] {
        let proxy = Proxy::to(format!("https://localhost:{}", upstream.port())).trusting(ca.pem());
        let proxy = if reason.contains("300ms") {
            proxy.timeout(Duration::from_millis(300))
        } else {
            proxy
        };
        let peer = spawned(patient().source(proxy));
        same_bytes(&ask(peer.addr(), GET), b"", reason);
        let (_, report) = failure(peer);
        assert!(report.contains("failed to begin TLS with upstream"), "{report}");
        assert!(report.contains(reason), "{report}");
    }
}

#[test]
fn large_bodies_pass_unchanged_in_both_directions_at_once() {
    const LENGTH: usize = 3 << 20;
    let ca = Ca::new();
    let body = numbered(LENGTH);
    let answer =
        [format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n").as_bytes(), &body].concat();
    let request =
        [format!("POST / HTTP/1.1\r\nContent-Length: {LENGTH}\r\n\r\n").as_bytes(), &body].concat();
    for version in [Version::Tls12, Version::Tls13] {
        let server = ca.server("localhost").versions([version]);
        // Answers after the head, before it has read the body: both sides send at once.
        let upstream = spawned(
            patient()
                .tls(server)
                .framing(Framing::head())
                .source(Response::from(answer.clone()).ending(Ending::Close))
                .clients_may_leave_early(),
        );
        let proxy = Proxy::to(upstream.url("/")).trusting(ca.pem());
        let peer = spawned(patient().source(proxy).retain(usize::MAX));
        same_bytes(&ask(peer.addr(), &request), &answer, "the answer");
        finished(peer);
        finished(upstream);

        let server = ca.server("localhost").versions([version]);
        let upstream = spawned(patient().tls(server).source(answer.clone()).retain(usize::MAX));
        let proxy = Proxy::to(upstream.url("/")).trusting(ca.pem());
        let peer = spawned(patient().source(proxy).retain(usize::MAX));
        same_bytes(&ask(peer.addr(), &request), &answer, "the answer");
        finished(peer);
        same_bytes(taken(&upstream).request().bytes(), &request, "the request");
    }
}

#[test]
fn bytes_are_relayed_as_they_arrive() {
    let ca = Ca::new();
    let gate = Gate::new();
    let answer =
        Response::from("HTTP/1.1 200 OK\r\nConte").gate(&gate).send("nt-Length: 2\r\n\r\nhi");
    let upstream = spawned(secured(&ca).source(answer));
    let proxy = Proxy::to(upstream.url("/")).trusting(ca.pem());
    let peer = spawned(patient().source(proxy));
    let mut client = connect(peer.addr());
    client.write_all(GET).expect("room");
    expect_bytes(&mut client, b"HTTP/1.1 200 OK\r\nConte", "the first part");
    gate.open();
    same_bytes(&read_all(&mut client), b"nt-Length: 2\r\n\r\nhi", "the rest");
}

#[test]
fn a_half_close_is_a_close_notify_for_the_upstream() {
    let ca = Ca::new();
    let upstream = spawned(secured(&ca).framing(Framing::eof()).source("and you"));
    let proxy = Proxy::to(upstream.url("/")).trusting(ca.pem());
    let peer = spawned(patient().framing(Framing::eof()).source(proxy));
    let mut client = connect(peer.addr());
    client.write_all(b"I am done").expect("room");
    client.shutdown(Shutdown::Write).expect("an open socket");
    same_bytes(&read_all(&mut client), b"and you", "the answer");
    let exchange = taken(&upstream);
    same_bytes(exchange.request().bytes(), b"I am done", "forwarded");
    assert_eq!(exchange.request().end(), RequestEnd::Complete);
    finished(upstream);
}

#[test]
fn the_end_of_a_stream_without_close_notify_is_no_end_of_a_response_without_a_length() {
    let ca = Ca::new();
    let endless = "HTTP/1.0 200 OK\r\n\r\nto the close";
    for (answer, is_whole) in [(endless, false), (HELLO, true)] {
        let answer = Response::from(answer).ending(Ending::NoCloseNotify);
        let upstream = spawned(secured(&ca).source(answer.clone()));
        let proxy = Proxy::to(upstream.url("/")).trusting(ca.pem());
        let peer = spawned(patient().source(proxy));
        let relayed = ask(peer.addr(), GET);
        if is_whole {
            same_bytes(&relayed, HELLO.as_bytes(), "it has a length");
            finished(peer);
        } else {
            same_bytes(&relayed, endless.as_bytes(), "what had arrived");
            let (kind, report) = failure(peer);
            assert_eq!(kind, ErrorKind::UnexpectedEof);
            assert!(report.contains("ended TLS without a close_notify"), "{report}");
        }
    }
}

#[test]
fn an_altered_record_fails_the_exchange_after_what_came_before_it() {
    let ca = Ca::new();
    let answer = Response::from("HTTP/1.0 200 OK\r\n\r\nbefore").alter_record().send("after");
    let upstream = spawned(secured(&ca).source(answer).clients_may_leave_early());
    let proxy = Proxy::to(upstream.url("/")).trusting(ca.pem());
    let peer = spawned(patient().source(proxy));
    same_bytes(&ask(peer.addr(), GET), b"HTTP/1.0 200 OK\r\n\r\nbefore", "before it");
    let (_, report) = failure(peer);
    assert!(report.contains("one of its records could not be decrypted"), "{report}");
    drop(upstream.finish());
}
