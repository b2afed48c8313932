//! Handshakes that fail without TLS, asked for by clients of other people: each fails with an error, and names the alert that it got.

use std::time::Duration;

use fake_peer::Request;
use fake_peer::garbage::tls::Alert;
use fake_peer::tls::Ca;
use fake_peer_test_support::{finished, over_within};
use fake_peer_tls_tests::clients::{Client, Target, libraries, openssl, programs};
use fake_peer_tls_tests::handshakes::{alert_of, answered_with, cases, names, peer};

/// Warnings, which clients pass over: they find the end of the stream after them. OpenSSL and rustls have other words for some.
fn is_named(client: &str, alert: Alert) -> bool {
    let is_rustls = client.ends_with("rustls");
    match alert {
        Alert::CloseNotify | Alert::NoCertificate | Alert::UserCanceled => false,
        // It is spelled another way there.
        Alert::NoRenegotiation | Alert::UnrecognizedName => !is_rustls,
        // curl says "certificate verification failed", as if it had verified one.
        Alert::CertificateExpired => client != "curl",
        _ => true,
    }
}

/// The only one that ends with success, since its peer has said that it is done.
fn is_accepted(client: &str, case: &str) -> bool {
    client == "openssl" && case == "garbage::tls::alert(Alert::CloseNotify)"
}

fn each_fails_with_the_name_of_its_alert(clients: Vec<Client>) {
    let ca = Ca::new();
    let mut wrong = Vec::new();
    for Client { name, ask } in clients {
        for case in cases() {
            let what = format!("{name}, {case}");
            let alert = alert_of(&case);
            let peer = peer(case.clone());
            let target = Target::without_tls(&peer, &ca);
            let outcome = over_within(Duration::from_secs(30), &what, move || ask(&target));
            let journal = finished(peer);
            if outcome.is_ok() != is_accepted(name, case.name()) {
                wrong.push(format!("{what}: {outcome:?}"));
            }
            if let (Err(said), Some(alert)) = (&outcome, alert)
                && names(said, alert) != is_named(name, alert)
            {
                wrong.push(format!("{what}: {said}"));
            }
            let hello = journal.requests().next().and_then(Request::client_hello);
            let Some(hello) = hello else {
                wrong.push(format!("{what}: no ClientHello in {journal}"));
                continue;
            };
            let is_read = hello.server_name() == Some("localhost")
                && hello.versions().contains(&0x0303)
                && hello.cipher_suites().contains(&0xc02f);
            if !is_read {
                wrong.push(format!("{what}: {hello:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn what_a_client_must_refuse_it_refuses_with_an_alert(clients: Vec<Client>) {
    let ca = Ca::new();
    let refused = [
        ("ssl_3_0", Alert::ProtocolVersion),
        ("downgrade", Alert::IllegalParameter),
        ("application_data", Alert::UnexpectedMessage),
        ("finished_first", Alert::UnexpectedMessage),
    ];
    for Client { name, ask } in clients {
        for (which, alert) in refused {
            let case = cases().find(|case| case.name() == format!("garbage::tls::{which}()"));
            let peer = peer(case.expect(which));
            let said = ask(&Target::without_tls(&peer, &ca)).expect_err(which);
            let sent = answered_with(&finished(peer));
            assert_eq!(sent, Some(alert), "{name}, {which}: {said}");
        }
    }
}

/// Runs each of these functions with both kinds of clients.
macro_rules! tests {
    ($($name:ident,)*) => {
        mod by_libraries {$(
            #[test]
            fn $name() {
                super::$name(super::libraries());
            }
        )*}

        mod by_programs {$(
            #[test]
            #[ignore = "needs curl, python3 and openssl"]
            fn $name() {
                super::$name(super::programs().into_iter().chain([super::openssl()]).collect());
            }
        )*}
    };
}

tests! {
    each_fails_with_the_name_of_its_alert,
    what_a_client_must_refuse_it_refuses_with_an_alert,
}
