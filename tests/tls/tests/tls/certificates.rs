//! What is wrong with a certificate, and what the client and the journal say about it.

use std::error::Error as _;

use fake_peer::tls::{Ca, Server};
use fake_peer::{ClientEnd, Error};
use fake_peer_test_support::{PATIENCE, finished, patient, same_bytes, spawned, taken};
use fake_peer_tls_tests::rustls_client::{trusting, trusting_der};

use crate::{GET, HELLO};

type Flaw = (&'static str, fn(Server) -> Server, &'static str, &'static str);

/// Each flaw, what rustls says of it, and the alert that it sends.
const FLAWS: [Flaw; 8] = [
    ("expired", Server::expired, "expired", "`certificate_expired` (45)"),
    ("not yet valid", Server::not_yet_valid, "not valid yet", "`certificate_expired` (45)"),
    (
        "for another host",
        |server| server.for_host("other.test"),
        "not valid for name",
        "`bad_certificate` (42)",
    ),
    ("self-signed", Server::self_signed, "UnknownIssuer", "`unknown_ca` (48)"),
    (
        "without its intermediate",
        Server::without_intermediate,
        "UnknownIssuer",
        "`unknown_ca` (48)",
    ),
    (
        "with a wrong key usage",
        Server::wrong_key_usage,
        "extended key usage",
        "`unsupported_certificate` (43)",
    ),
    (
        "with its name only in the common name",
        Server::name_only_in_common_name,
        "not valid for name",
        "`bad_certificate` (42)",
    ),
    (
        "by an unknown authority",
        |_| Ca::new().server("localhost"),
        "UnknownIssuer",
        "`unknown_ca` (48)",
    ),
];

#[test]
fn each_flaw_is_found_by_the_client_and_reported_by_the_peer() {
    let ca = Ca::new();
    for (case, flaw, reason, alert) in FLAWS {
        let peer = spawned(patient().tls(flaw(ca.server("localhost"))).source("hi"));
        let error = trusting(&ca).ask(peer.addr(), GET).expect_err(case);
        assert!(error.to_string().contains(reason), "{case}: {error}");

        let error = peer.take(PATIENCE).expect_err(case);
        assert!(matches!(error, Error::Handshake { .. }), "{case}: {error}");
        assert_eq!(error.client().expect(case).connection(), 1, "{case}");
        let cause = error.source().expect(case).to_string();
        let expected = format!("the client sent the alert {alert}");
        if case != "not yet valid" {
            assert_eq!(cause, expected, "{case}");
        }
        // It was taken, so it is reported once.
        let journal = finished(peer);
        assert_eq!(journal.exchanges().count(), 0, "{case}");
        let connection = &journal.connections()[0];
        assert_eq!(connection.handshake_failure(), Some(cause.as_str()), "{case}");
        assert!(!connection.is_silent(), "{case}");
        assert_eq!(connection.client_end(), ClientEnd::Closed, "{case}");
        assert_eq!(connection.tls().expect(case).server_name(), Some("localhost"), "{case}");
        assert!(journal.to_string().contains(&format!("handshake failed: {cause}")), "{journal}");
    }
}

#[test]
fn a_client_that_rejects_is_a_failure_unless_the_test_allows_it() {
    let ca = Ca::new();
    let server = ca.server("localhost").expired();
    let peer = spawned(patient().tls(server.clone()).source("hi"));
    trusting(&ca).ask(peer.addr(), GET).expect_err("an expired certificate");
    let error = peer.finish().expect_err("a handshake that failed");
    let text = error.report().to_string();
    assert!(text.starts_with("the TLS handshake with 127.0.0.1:"), "{text}");
    assert!(
        text.ends_with(
            "(connection 1) failed: the client sent the alert `certificate_expired` (45)"
        ),
        "{text}"
    );
    assert!(format!("{error:?}").contains("handshake failed"), "{error:?}");

    let peer = spawned(patient().tls(server).source("hi").clients_may_leave_early());
    trusting(&ca).ask(peer.addr(), GET).expect_err("an expired certificate");
    let journal = finished(peer);
    let failure = journal.connections()[0].handshake_failure();
    assert_eq!(failure, Some("the client sent the alert `certificate_expired` (45)"));
}

#[test]
fn certificates_that_are_right_are_accepted() {
    let ca = Ca::new();
    let own = ca.server("localhost").identity();
    let servers = [
        ("plain", ca.server("localhost")),
        ("with intermediate", ca.server("localhost").with_intermediate()),
        ("by IP address", ca.server("127.0.0.1")),
        ("of one's own", Server::from_pem(own.certificate_pem(), own.key_pem()).expect("PEM")),
    ];
    for (case, server) in servers {
        let peer = spawned(patient().tls(server).source(HELLO));
        let name = if case == "by IP address" { "127.0.0.1" } else { "localhost" };
        let answer = trusting(&ca).name(name).ask(peer.addr(), GET).expect(case);
        same_bytes(&answer, HELLO.as_bytes(), case);
        let session = taken(&peer).client().tls().expect(case).clone();
        let named = (case != "by IP address").then_some("localhost");
        assert_eq!(session.server_name(), named, "{case}");
        finished(peer);
    }
}

#[test]
fn a_certificate_for_localhost_is_one_for_the_loopback_addresses() {
    let ca = Ca::new();
    for name in ["localhost", "127.0.0.1", "::1"] {
        let peer = spawned(patient().tls(ca.server("localhost")).source(HELLO));
        let answer = trusting(&ca).name(name).ask(peer.addr(), GET).expect(name);
        same_bytes(&answer, HELLO.as_bytes(), name);
        finished(peer);
    }
}

#[test]
fn a_self_signed_certificate_is_accepted_by_a_client_that_is_given_it() {
    let server = Ca::new().server("localhost").self_signed();
    let peer = spawned(patient().tls(server.clone()).source(HELLO));
    let answer = trusting_der(server.identity().certificate_der()).ask(peer.addr(), GET);
    same_bytes(&answer.expect("a certificate that is trusted"), HELLO.as_bytes(), "the answer");
    finished(peer);
}

#[test]
fn each_name_has_its_certificate() {
    let ca = Ca::new();
    let server =
        ca.server("localhost").and(ca.server("expired.test").expired()).and(ca.server("good.test"));
    let peer = spawned(patient().tls(server).source(HELLO));
    for name in ["localhost", "good.test"] {
        trusting(&ca).name(name).ask(peer.addr(), GET).expect(name);
        assert_eq!(taken(&peer).client().tls().expect(name).server_name(), Some(name));
    }
    let error = trusting(&ca).name("expired.test").ask(peer.addr(), GET).expect_err("expired");
    assert!(error.to_string().contains("expired"), "{error}");
    peer.take(PATIENCE).expect_err("a handshake that failed");
    // A name that has no certificate gets the first one.
    let error = trusting(&ca).name("unknown.test").ask(peer.addr(), GET).expect_err("another name");
    assert!(error.to_string().contains("not valid for name"), "{error}");
    peer.take(PATIENCE).expect_err("a handshake that failed");
    finished(peer);
}

#[test]
fn what_is_no_certificate_or_no_key_is_an_error_in_words() {
    let one = Ca::new().server("localhost").identity();
    let other = Ca::new().server("localhost").identity();
    for (certificate, key, words) in [
        ("", one.key_pem(), "no certificate"),
        (one.certificate_pem(), "", "there is no private key"),
        (one.certificate_pem(), other.key_pem(), "does not belong to the certificate"),
    ] {
        let error = Server::from_pem(certificate, key).expect_err(words);
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput, "{words}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
#[should_panic(expected = "a certificate that was given cannot be changed")]
fn a_given_certificate_cannot_be_made_wrong() {
    let own = Ca::new().server("localhost").identity();
    let _ = Server::from_pem(own.certificate_pem(), own.key_pem()).expect("PEM").expired();
}

#[test]
fn the_file_of_a_certificate_goes_with_its_value() {
    let ca = Ca::new();
    let (first, second) = (ca.pem_file(), ca.pem_file());
    let path = first.to_path_buf();
    assert_ne!(path, second.to_path_buf());
    assert_eq!(std::fs::read_to_string(&first).expect("a file"), ca.pem());
    drop(first);
    assert!(!path.exists());
    assert!(second.exists());
}
