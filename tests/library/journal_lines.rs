//! Lines of the journal and of messages about bytes: how a connection ended, what failed, and as much of long bytes as is read with ease.

use std::io::Write;
use std::panic::{self, AssertUnwindSafe};

use fake_peer::{Conversation, Ending, Journal, Peer, Request, Response, Sequence};
use fake_peer_test_support::{
    PATIENCE, ask, assert_has, connect, finished, patient, read_to_its_end, spawned, taken,
};

/// What an assertion panics with.
#[track_caller]
fn panics(assertion: impl FnOnce()) -> String {
    let payload = panic::catch_unwind(AssertUnwindSafe(assertion)).expect_err("it does not hold");
    payload.downcast_ref::<String>().expect("a panic in words").clone()
}

#[test]
fn a_connection_that_the_peer_has_reset_says_so() {
    let peer = spawned(patient().source(Response::from("bye").ending(Ending::Reset)));
    let mut client = connect(peer.addr());
    client.write_all(b"hello").expect("room for a small request");
    read_to_its_end(&mut client);
    drop(client);
    let text = finished(peer).to_string();
    assert_has(&text, ", reset by the peer at ");
    assert!(!text.contains("after byte"), "the client has all of it: {text}");
}

#[test]
fn a_failure_of_several_lines_is_indented_and_a_problem_of_a_request_is_noted() {
    let peer = spawned(patient().source(Conversation::new().expect("right")));
    ask(peer.addr(), b"w");
    peer.take(PATIENCE).expect_err("a mismatch");
    let text = finished(peer).to_string();
    let expected = concat!(
        "    failed: turn 1 of the conversation differs from what was expected at byte 0\n",
        "      expected 5 bytes: \"»right\"\n        actual 1 bytes: \"»w\"\n"
    );
    assert_has(&text, expected);
    let peer = spawned(patient().source("hi"));
    ask(peer.addr(), b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n");
    let journal = finished(peer);
    let problem = journal.requests().next().and_then(Request::problem).expect("two lengths");
    assert_has(&journal.to_string(), &format!("    note: {problem}\n"));
}

#[test]
fn bytes_of_which_only_some_were_kept_are_not_compared() {
    let peer = spawned(patient().retain(4).source("hi"));
    ask(peer.addr(), b"hello");
    let request = taken(&peer).request().clone();
    assert_eq!(
        panics(|| request.assert_bytes("hell")),
        "only 4 of the request's 5 bytes were kept"
    );
    finished(peer);
}

#[test]
fn a_difference_is_shown_with_thirty_two_bytes_on_each_side() {
    let peer = spawned(patient().source("hi"));
    let said = format!("{}!{}", "0123456789".repeat(4), "0123456789".repeat(4));
    ask(peer.addr(), said.as_bytes());
    let request = taken(&peer).request().clone();
    let text = panics(|| request.assert_bytes(said.replace('!', "?")));
    let side = "…\"89012345678901234567890123456789»!0123456789012345678901234567890\"…";
    assert_has(&text, &format!("actual 81 bytes: {side}"));
    // From the beginning and to the end there are no dots.
    let text = panics(|| request.assert_bytes(&said[..32]));
    assert_has(&text, "expected 32 bytes: \"01234567890123456789012345678901»\"\n");
    finished(peer);
}

#[test]
fn as_many_bytes_of_a_request_are_shown_as_fit_into_a_line() {
    for (length, dots) in [(96, ""), (97, "…")] {
        let said = format!("{}\n", "x".repeat(length - 1));
        let expected = fake_peer::conversation::line_starting("y");
        let peer = spawned(patient().source(Conversation::new().expect(expected)));
        ask(peer.addr(), said.as_bytes());
        let text = peer.finish().expect_err("a mismatch").report().to_string();
        let shown = said[..96].replace('\n', "\\n");
        assert!(text.ends_with(&format!("    actual \"{shown}\"{dots}")), "{text}");
    }
}

#[test]
fn only_a_client_that_never_came_back_is_told_why_the_rest_was_not_fetched() {
    let peer = |asked: usize| {
        let peer = Peer::answer(Sequence::new(["one", "two", "three"]));
        for _ in 0..asked {
            ask(peer.addr(), b"next");
        }
        peer.finish().map(|journal: Journal| journal.to_string())
    };
    let text = peer(1).expect_err("two are left").report().to_string();
    assert_has(&text, "closed by the peer after answer 1, as scripted");
    let text = peer(2).expect_err("one is left").report().to_string();
    assert!(text.ends_with("only 2 of the sequence's 3 answers were fetched"), "{text}");
}
