//! How the journal shows what went over the wire, and what it keeps of a response.

use std::fs;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use fake_peer::{Ending, Peer, Request, Response, Sequence, http};
use fake_peer_test_support::{
    PATIENCE, ask, assert_has, connect_and_send, failure, finished, patient, read_all, spawned,
    taken,
};

const GET: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

#[test]
fn an_exchange_has_the_first_bytes_that_were_sent() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("page.http");
    let lines: Vec<_> = (0..1000).map(|number| format!("line {number}\n")).collect();
    let long = lines.concat();
    fs::write(&path, &long).expect("a file");
    for (case, response, sent, kept) in [
        ("in memory", Response::from(long.as_str()), long.len(), long.len()),
        ("a cut", Response::from(long.as_str()).cut(10, Ending::Close), 10, 10),
        ("a file", Response::file(&path), long.len(), 1024),
        ("pieces", Response::from(&long[..100]).send(&long[100..]), long.len(), 1024),
        ("a short file", Response::file(&path).cut(7, Ending::Close), 7, 7),
        (
            "a reader",
            Response::new().send_from(std::io::Cursor::new(long.clone())),
            long.len(),
            1024,
        ),
        ("a head and a short file", Response::from(&long[..3]).send(&long[3..9]), 9, 9),
        ("nothing", Response::new(), 0, 0),
    ] {
        let peer = spawned(patient().source(response));
        assert_eq!(ask(peer.addr(), GET).len(), sent, "{case}");
        let exchange = taken(&peer);
        let shown = String::from_utf8(exchange.sent_bytes().to_vec()).expect("text");
        assert_eq!(shown, long[..kept], "{case}");
        finished(peer);
    }
}

#[test]
fn the_journal_shows_both_directions_and_no_more_than_is_readable() {
    let body = "x".repeat(1112);
    let peer = Peer::answer(Response::from(format!("one\n{body}")));
    ask(peer.addr(), GET);
    let text = finished(peer).to_string();
    let shown = "x".repeat(1020);
    let expected = format!(
        "    > GET / HTTP/1.1\\r\\n\n    > \\r\\n\n    < one\\n\n    < {shown}\n    < … and 92 bytes more\n"
    );
    assert!(text.ends_with(&expected), "{text}");
}

/// Two connections, one of which is kept; one answer fails.
fn asked_in_sequence() -> String {
    let answers = [http::ok("1").keep_open(), http::ok("2"), http::ok("3")];
    let peer = spawned(patient().source(Sequence::new(answers)));
    let mut client = connect_and_send(peer.addr(), &[GET, b"POST / HTTP/1.1\r\n\r\n"].concat());
    read_all(&mut client);
    drop(client);
    ask(peer.addr(), GET);
    ask(peer.addr(), b"GET /once-too-often HTTP/1.1\r\n\r\n");
    for _ in 0..4 {
        // The last one has failed.
        let _ = peer.take(PATIENCE);
    }
    format!("{:#}", finished(peer))
}

#[test]
fn the_alternate_form_is_the_same_in_every_run() {
    let first = asked_in_sequence();
    assert!(
        first.starts_with("connection 1\n  exchange 1: 18 bytes of request, complete; "),
        "{first}"
    );
    assert!(!first.contains("127.0.0.1"), "{first}");
    assert!(first.ends_with("    failed: the sequence of 3 answers has run out\n"), "{first}");
    for run in 1..1000 {
        assert_eq!(asked_in_sequence(), first, "run {run}");
    }
}

#[test]
fn a_bounded_journal_keeps_the_last_exchanges_and_open_connections() {
    let peer = spawned(patient().keep_exchanges(3).source(http::ok("hi").keep_alive()));
    let open = fake_peer_test_support::connect(peer.addr());
    fake_peer_test_support::eventually("it is accepted", || {
        peer.journal().connections().len() == 1
    });
    for number in 1..=2000 {
        let request = format!("GET /{number} HTTP/1.1\r\nConnection: close\r\n\r\n");
        ask(peer.addr(), request.as_bytes());
        if number % 500 == 7 {
            let journal = peer.journal();
            assert!(journal.connections().len() <= 5, "{journal}");
            let targets: Vec<_> =
                journal.requests().filter_map(|request| request.target()).collect();
            let last = format!("/{number}");
            assert_eq!((targets.len(), targets.last()), (3, Some(&last.as_str())), "{journal}");
        }
    }
    assert_eq!(peer.journal().connections()[0].client().connection(), 1, "it is open");
    let first = peer.take(PATIENCE).expect("one of the last three");
    assert_eq!(first.request().target(), Some("/1998"));
    drop(open);
    let journal = finished(peer);
    assert_eq!(journal.exchanges_per_connection(), [1, 1, 1]);
    assert_eq!(journal.connections()[0].client().connection(), 1999, "the first one was open");
}

#[test]
fn a_bounded_journal_keeps_the_exchanges_of_one_long_connection() {
    let peer = spawned(patient().keep_exchanges(10).source(http::ok("a").keep_open()));
    let mut client = fake_peer_test_support::connect(peer.addr());
    for _ in 0..700 {
        client.write_all(GET).expect("an open connection");
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na";
        fake_peer_test_support::expect_bytes(&mut client, answer, "kept");
    }
    drop(client);
    let journal = finished(peer);
    assert_eq!(journal.exchanges_per_connection(), [10]);
    assert_eq!(journal.exchanges().last().map(|exchange| exchange.client().exchange()), Some(700));
}

#[test]
fn a_bounded_journal_keeps_few_outcomes_also_behind_a_failure_that_nobody_takes() {
    for kept in [0, 3] {
        let mut requests = 0;
        let peer = spawned(patient().keep_exchanges(kept).source(move |_: &Request| {
            requests += 1;
            if requests == 1 { Response::file("no/such/file") } else { http::ok("hi") }
        }));
        for _ in 0..20 {
            ask(peer.addr(), GET);
        }
        let left: Vec<_> = (0..20)
            .map_while(|_| peer.take(Duration::ZERO).ok())
            .map(|exchange| exchange.client().exchange())
            .collect();
        assert_eq!(left, [18, 19, 20][3 - kept.max(1)..], "{kept} kept");
        assert_eq!(peer.journal().exchanges().count(), kept);
        assert_has(&failure(peer), "no/such/file");
    }
}

#[test]
fn a_bounded_journal_loses_neither_the_first_failure_nor_a_panic() {
    let mut requests = 0;
    let peer = spawned(patient().keep_exchanges(1).source(move |_: &Request| {
        requests += 1;
        Response::file(format!("no/such/file/{requests}"))
    }));
    for _ in 0..3 {
        ask(peer.addr(), GET);
    }
    assert_has(&failure(peer), "no/such/file/1");
    let mut requests = 0;
    let peer = spawned(patient().keep_exchanges(1).source(move |_: &Request| {
        requests += 1;
        assert!(requests != 3, "{}", "the third one".to_owned());
        Response::file("no/such/file")
    }));
    for _ in 0..5 {
        ask(peer.addr(), GET);
    }
    let payload = catch_unwind(AssertUnwindSafe(|| peer.finish())).expect_err("the panic");
    assert_eq!(payload.downcast_ref::<String>().map(String::as_str), Some("the third one"));
}

#[test]
fn a_bounded_journal_does_not_hide_that_a_peer_was_contacted() {
    let peer = spawned(patient().keep_exchanges(1).source("answer"));
    drop(fake_peer_test_support::connect(peer.addr()));
    let closed = Instant::now() + PATIENCE;
    while peer.journal().connections().iter().any(|record| record.closed_at().is_none()) {
        assert!(Instant::now() < closed, "it stays open");
    }
    let contacted = catch_unwind(AssertUnwindSafe(|| peer.assert_never_contacted()));
    contacted.expect_err("a client has connected");
}

#[test]
fn more_of_a_response_is_kept_when_asked_to() {
    let peer = spawned(patient().retain_sent(3).source(Response::from("ab").send("cdef")));
    assert_eq!(ask(peer.addr(), GET), b"abcdef");
    assert_eq!(taken(&peer).sent_bytes().escape_ascii().to_string(), "abc");
    assert!(finished(peer).to_string().ends_with("    < abc\n    < … and 3 bytes more\n"));
}
