//! What is reported of the things that an end cuts, and what an end waits for: requests, responses, and connections that were not looked at.

use std::io::{self, Write};
use std::net::Shutdown;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use fake_peer::{
    Client, ClientEnd, Ending, Error, Event, Exchange, Framing, Gate, PerConnection, Request,
    RequestEnd, RequestSink, Response, TcpServer,
};
use fake_peer_test_support::{
    FOREVER, PATIENCE, ask, blocking, bound, connect, connect_and_send, connect_with_little_room,
    end_of_file, eventually, expect_bytes, finished, over_within, patient, read_all, reset,
    spawned,
};

#[test]
fn a_request_whose_framing_holds_its_bytes_keeps_them_when_it_is_cut_or_panics() {
    let hurried = patient().finish_timeout(Duration::ZERO);
    let peer = spawned(hurried.framing(Framing::from_fn(|_| None)).source("never"));
    let mut client = connect(peer.addr());
    client.write_all(b"half").expect("room for a small request");
    eventually("it has arrived", || {
        peer.journal().connections().iter().any(|c| c.unfinished() == 4)
    });
    let error = over_within(PATIENCE, "finish", move || peer.finish()).expect_err("it was cut");
    let exchange = error.exchange().expect("an exchange");
    assert_eq!(
        (exchange.request().bytes(), exchange.request().end()),
        (&b"half"[..], RequestEnd::TimedOut)
    );
    drop(client);

    let framing = Framing::from_fn(|_| -> Option<usize> { panic!("no framing") });
    let peer = spawned(patient().framing(framing).source("never"));
    let mut client = connect(peer.addr());
    client.write_all(b"half").expect("room for a small request");
    assert_eq!(read_all(&mut client), b"");
    drop(client);
    let request = peer.journal().requests().next().expect("a request").clone();
    assert_eq!((request.bytes(), request.end()), (&b"half"[..], RequestEnd::Failed));
    panic::catch_unwind(AssertUnwindSafe(|| peer.finish())).expect_err("its panic");
}

/// A sink whose records fail again and again.
struct Failing;

impl RequestSink for Failing {
    fn open(&mut self, _: &Client) -> io::Result<Box<dyn Write + Send>> {
        Ok(Box::new(Failing))
    }
}

impl Write for Failing {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::Error::other("the first reason"))
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(io::Error::other("a later reason"))
    }
}

#[test]
fn of_several_failures_of_a_record_the_first_is_reported() {
    let peer = spawned(patient().sink(Failing).source("hi"));
    ask(peer.addr(), b"GET / HTTP/1.1\r\n\r\n");
    let error = peer.finish().expect_err("a failure");
    assert!(matches!(error, Error::Record { .. }), "{error:?}");
    assert!(error.report().to_string().ends_with("the first reason"), "{error:?}");
}

#[test]
fn a_response_that_is_cut_at_its_gate_says_so() {
    let gate = Gate::new();
    let builder = patient().finish_timeout(Duration::ZERO);
    let peer = spawned(builder.source(Response::from("head").gate(&gate).send("body")));
    let mut client = connect_and_send(peer.addr(), b"GET / HTTP/1.1\r\n\r\n");
    expect_bytes(&mut client, b"head", "before the gate");
    let error = over_within(PATIENCE, "finish", move || peer.finish()).expect_err("it was cut");
    assert!(matches!(error, Error::Respond { .. }), "{error:?}");
    let text = error.report().to_string();
    assert!(text.ends_with("the gate was not opened before the server ended"), "{text}");
    assert_eq!(error.exchange().map(Exchange::sent), Some(4));
}

#[test]
fn what_was_given_by_hand_and_has_not_left_before_a_cut_is_reported() {
    let builder = patient().finish_timeout(Duration::from_millis(20));
    let peer = builder.by_hand().expect("a free port of the loopback");
    let client = connect_with_little_room(peer.addr());
    let (_reader, sender) = peer.accept(PATIENCE).expect("a connection").split();
    let sending = thread::spawn(move || sender.send(vec![b'x'; 16 << 20]));
    client.peek(&mut [0]).expect("something has arrived");
    let error = over_within(PATIENCE, "finish", move || peer.finish()).expect_err("it was cut");
    sending.join().expect("no panic").expect_err("it was cut");
    let exchange = error.exchange().expect("what was sent is reported");
    assert!(matches!(exchange.sent(), 1..16_777_216), "{error:?}");
    assert_eq!(exchange.offered(), 16 << 20, "what was given and is lost counts, too");
}

#[test]
fn a_half_close_and_a_hold_do_not_end_with_the_linger() {
    for ending in [Ending::HalfClose, Ending::Hold] {
        let case = format!("{ending:?}");
        let answer = Response::from("answer").ending(ending);
        let builder = patient().linger(Duration::ZERO).framing(Framing::exactly(3));
        let peer = spawned(builder.source(answer));
        let mut client = connect(peer.addr());
        client.write_all(b"ask").expect("room for a small request");
        expect_bytes(&mut client, b"answer", &case);
        client.write_all(b"late").expect("it is read");
        client.shutdown(Shutdown::Write).expect("an open socket");
        end_of_file(&mut client, &case);
        drop(client);
        let journal = finished(peer);
        let record = &journal.connections()[0];
        assert_eq!(
            (record.trailing(), record.client_end()),
            (&b"late"[..], ClientEnd::Closed),
            "{case}"
        );
    }
}

#[test]
fn finish_does_not_wait_for_a_client_that_is_not_read_from() {
    let peer = spawned(patient().source(Response::from("answer").ending(Ending::StopReading)));
    let mut client = connect(peer.addr());
    client.write_all(b"hello").expect("room for a small request");
    expect_bytes(&mut client, b"answer", "the answer");
    let journal = over_within(PATIENCE, "finish", move || finished(peer));
    assert_eq!(journal.connections()[0].client_end(), ClientEnd::ClosedByUs);
    drop(client);
}

#[test]
fn a_bounded_journal_forgets_no_failure() {
    let mut count = 0;
    let source = move |_: &Request| {
        count += 1;
        assert!(count > 1, "the first one");
        "fine"
    };
    let peer = spawned(patient().keep_exchanges(1).source(source));
    for _ in 0..4 {
        ask(peer.addr(), b"hello");
    }
    let payload = panic::catch_unwind(AssertUnwindSafe(|| peer.finish())).expect_err("its panic");
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"the first one"));
}

#[test]
fn a_call_that_ended_without_an_exchange_leaves_no_permission_for_another_one() {
    for case in ["one exchange", "three exchanges"] {
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        let server = bound(patient().source(move |_: &Request| {
            counted.fetch_add(1, Ordering::SeqCst);
            "answer"
        }))
        .accept_timeout(Duration::from_millis(50));
        // They are accepted while the call waits for a request.
        let mut clients: Vec<_> = (0..3).map(|_| connect(server.local_addr())).collect();
        let error = match case {
            "one exchange" => server.serve_once().map(drop),
            _ => server.serve(3),
        };
        assert!(matches!(error, Err(Error::NoRequest { .. })), "{case}: {error:?}");
        let server = server.accept_timeout(FOREVER);
        for client in &mut clients {
            client.write_all(b"hello").expect("room for a small request");
            client.shutdown(Shutdown::Write).expect("an open socket");
        }
        for number in 1..=clients.len() {
            server.serve_once().expect("a client has asked");
            assert_eq!(asked.load(Ordering::SeqCst), number, "{case}");
        }
        for client in &mut clients {
            assert_eq!(read_all(client), b"answer", "{case}");
        }
    }
}

#[test]
fn a_client_that_left_before_the_end_is_not_taken_for_one_that_stayed() {
    for (case, expected) in [("closed", ClientEnd::Closed), ("reset", ClientEnd::Reset)] {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let ends = Arc::clone(&seen);
        let builder = patient().source("answer").on_event(move |event| {
            if let Event::Silent { client, end, .. } = event {
                ends.lock().expect("no panic").push((client.connection(), *end));
            }
        });
        let server: TcpServer = bound(builder);
        let silent = connect(server.local_addr());
        let client = connect_and_send(server.local_addr(), b"hello");
        server.serve_once().expect("the client that asks");
        if expected == ClientEnd::Reset {
            reset(silent);
        } else {
            drop(silent);
        }
        drop(client);
        drop(server);
        assert_eq!(*seen.lock().expect("no panic"), [(1, expected)], "{case}");
    }
}

#[test]
fn a_closure_of_one_connection_blocks_no_other_peer() {
    let other = spawned(patient().source("other"));
    let (held, block, entered) = blocking();
    let peer = spawned(patient().source(PerConnection::new([move |_: &Request| {
        block.until_released();
        "late"
    }])));
    let mut client = connect_and_send(peer.addr(), b"hello");
    entered.recv_timeout(PATIENCE).expect("it is asked");
    assert_eq!(ask(other.addr(), b"hello"), b"other");
    held.release();
    assert_eq!(read_all(&mut client), b"late");
    drop(client);
    finished(peer);
    finished(other);
}
