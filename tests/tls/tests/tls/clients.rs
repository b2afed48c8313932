//! Each fault, asked for by clients of other people.

use std::time::Duration;

use fake_peer::tls::Ca;
use fake_peer::{Ending, Error, Response};
use fake_peer_test_support::{PATIENCE, finished, over_within, patient, spawned};
use fake_peer_tls_tests::clients::{Client, Target, libraries, programs};
use fake_peer_tls_tests::faults::faults;

use crate::{HELLO, hello};

const IN_COMMON_NAME: &str = "certificate: name in the common name only";
const TO_THE_END: &str = "body to the end: cut, no `close_notify`";

/// What clients accept though it is broken.
const TOO_KIND: [(&str, &str); 7] = [
    // OpenSSL looks there if there is no other name, unless it is told not to.
    ("ureq, native-tls", IN_COMMON_NAME),
    ("curl", IN_COMMON_NAME),
    ("Python ssl", IN_COMMON_NAME),
    // They read until the end of the stream, and take an end without close_notify for one.
    ("ureq, rustls", TO_THE_END),
    ("ureq, native-tls", TO_THE_END),
    ("curl", TO_THE_END),
    ("Python ssl", TO_THE_END),
];

fn a_trusted_peer_is_asked_in_three_lines(clients: Vec<Client>) {
    let ca = Ca::new();
    for Client { name, ask } in clients {
        let peer = hello(&ca);
        assert_eq!(ask(&Target::of(&peer, &ca)).as_deref(), Ok("hello"), "{name}");
        finished(peer);
        // A client that was not told to trust it does not.
        let peer = hello(&ca);
        ask(&Target::of(&peer, &Ca::new())).expect_err(name);
        assert!(matches!(peer.take(PATIENCE), Err(Error::Handshake { .. })), "{name}");
        finished(peer);
    }
}

/// As two tests of cargo do with Apache in a container.
fn a_self_signed_certificate_is_rejected_and_accepted_if_it_is_given(clients: Vec<Client>) {
    let ca = Ca::new();
    let server = ca.server("localhost").self_signed();
    for Client { name, ask } in clients {
        let peer = spawned(patient().tls(server.clone()).source(HELLO));
        ask(&Target::of(&peer, &ca)).expect_err(name);
        assert!(matches!(peer.take(PATIENCE), Err(Error::Handshake { .. })), "{name}");
        assert_eq!(ask(&Target::of_trusted(&peer, &server)).as_deref(), Ok("hello"), "{name}");
        finished(peer);
    }
}

fn each_fault_is_noticed(clients: Vec<Client>) {
    let ca = Ca::new();
    let mut wrong = Vec::new();
    for Client { name, ask } in clients {
        for fault in faults() {
            let case = format!("{name}, {}", fault.name);
            let peer = fault.peer(&ca);
            let target = Target::of(&peer, &ca);
            let outcome = over_within(Duration::from_secs(30), &case, move || ask(&target));
            let is_accepted = fault.is_fine || TOO_KIND.contains(&(name, fault.name));
            let is_wrong = fault.is_fine && outcome.as_ref().is_ok_and(|body| body != "hello");
            if outcome.is_ok() != is_accepted || is_wrong {
                wrong.push(format!("{case}: {outcome:?}"));
            }
            finished(peer);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A response that ends with its connection, cut at every byte of its body without `close_notify`.
fn a_truncation_is_noticed_by_those_who_look(clients: Vec<Client>) {
    let ca = Ca::new();
    let head = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
    let whole = Response::from(format!("{head}hello"));
    for Client { name, ask } in clients {
        let is_too_kind = TOO_KIND.contains(&(name, TO_THE_END));
        for byte in 0..5 {
            let cut = (head.len() + byte) as u64;
            let response = whole.clone().cut(cut, Ending::NoCloseNotify);
            let peer = spawned(patient().tls(ca.server("localhost")).source(response));
            let outcome = ask(&Target::of(&peer, &ca));
            assert_eq!(outcome.is_ok(), is_too_kind, "{name}, after {byte} bytes: {outcome:?}");
            finished(peer);
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
            #[ignore = "needs curl and python3"]
            fn $name() {
                super::$name(super::programs());
            }
        )*}
    };
}

tests! {
    a_trusted_peer_is_asked_in_three_lines,
    a_self_signed_certificate_is_rejected_and_accepted_if_it_is_given,
    each_fault_is_noticed,
    a_truncation_is_noticed_by_those_who_look,
}
