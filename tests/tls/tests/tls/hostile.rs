//! Connections over TLS that go on in an odd way: cut by the peer while a test drives them, or used by a client that breaks the rules.

use std::io::{ErrorKind, Write};

use fake_peer::tls::Ca;
use fake_peer::{Ending, Exchange, Framing, Peer, Request, Response};
use fake_peer_test_support::{finished, same_bytes, spawned};
use fake_peer_tls_tests::rustls_client::{read_to_its_end, trusting};

use crate::secured;

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
