//! A server that serves more than one exchange: a given number, or until it is stopped.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use fake_peer::{
    Answered, ClientEnd, Ending, Error, Event, Framing, Gate, NumberedFileSink, Request, Response,
    Sequence, Stop, TcpServer, TcpServerBuilder,
};
use fake_peer_test_support::{
    PATIENCE, ask, bound, connect, connect_with_little_room, expect_bytes, numbered, patient,
    place, read_all, reset, same_bytes,
};

/// Serves in a thread of its own, for the clients in this thread.
#[track_caller]
fn serve_with<T>(
    server: &TcpServer,
    stop: &Stop,
    clients: impl FnOnce() -> T,
) -> (Result<(), Error>, T) {
    thread::scope(|scope| {
        let serving = scope.spawn(|| server.serve_until(stop));
        let said = clients();
        match serving.join() {
            Ok(outcome) => (outcome, said),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

fn echo() -> TcpServerBuilder<Answered> {
    patient()
        .framing(Framing::until("\n"))
        .source(|request: &Request| Response::from(request.bytes()))
}

#[test]
fn serves_so_many_exchanges_and_returns() {
    let server = bound(echo());
    let (outcome, ()) = serve_with(&server, &Stop::after(3), || {
        for line in [b"1\n", b"2\n", b"3\n"] {
            assert_eq!(ask(&server, line), line);
        }
    });
    outcome.expect("served");
    let (outcome, answer) = thread::scope(|scope| {
        let serving = scope.spawn(|| server.serve(1));
        let answer = ask(&server, b"and one more\n");
        (serving.join().expect("no panic"), answer)
    });
    outcome.expect("served");
    assert_eq!(answer, b"and one more\n");
    server.serve(0).expect("nothing to wait for");
}

#[test]
fn several_exchanges_may_come_over_one_connection() {
    let folder = tempfile::tempdir().expect("a folder");
    let source = |request: &Request| Response::from(request.bytes()).keep_open();
    let sink = NumberedFileSink::new(folder.path().join("{n}"));
    let server = bound(echo().source(source).sink(sink));
    let (outcome, ()) = serve_with(&server, &Stop::after(3), || {
        let mut kept = connect(&server);
        for line in ["1\n", "2\n"] {
            kept.write_all(line.as_bytes()).expect("room");
            expect_bytes(&mut kept, line.as_bytes(), "kept");
        }
        // It closes before the third exchange: the next connection gets that.
        drop(kept);
        let mut next = connect(&server);
        next.write_all(b"3\n").expect("room");
        expect_bytes(&mut next, b"3\n", "next");
    });
    outcome.expect("served");
    for number in 1..=3 {
        let record = std::fs::read(folder.path().join(number.to_string())).expect("a record");
        assert_eq!(record, format!("{number}\n").as_bytes());
    }
}

#[test]
fn a_kept_connection_is_closed_in_order_when_the_server_is_dropped() {
    let answer = numbered(1_000_000);
    let source = Response::from(answer.clone()).keep_open();
    let server = bound(patient().linger(Duration::from_secs(2)).source(source));
    let addr = place(&server);
    thread::scope(|scope| {
        scope.spawn(move || {
            server.serve(1).expect("served");
            drop(server);
        });
        let mut client = connect(addr);
        // What follows the request is never read as a request; to close with it unread would reset the answer.
        client.write_all(b"hello, and more of it").expect("room");
        client.write_all(&[b'x'; 2000]).expect("room");
        same_bytes(&read_all(&mut client), &answer, "the whole answer");
    });
}

#[test]
fn silent_and_draining_connections_keep_nobody_waiting() {
    let server = bound(echo());
    let (outcome, idle) = serve_with(&server, &Stop::after(2), || {
        let silent = connect(&server);
        let mut first = connect(&server);
        first.write_all(b"1\n").expect("room");
        assert_eq!(read_all(&mut first), b"1\n");
        // `first` is still open: the server waits for its close.
        let mut second = connect(&server);
        second.write_all(b"2\n").expect("room");
        assert_eq!(read_all(&mut second), b"2\n");
        drop((first, second));
        silent
    });
    outcome.expect("served");
    drop(idle);
}

#[test]
fn stop_lets_an_exchange_in_flight_end_and_no_other_begin() {
    let gate = Gate::new();
    let server = bound(echo().source(Response::from("begun, ").gate(&gate).send("done")));
    let stop = Stop::new();
    let (outcome, mut late) = serve_with(&server, &stop, || {
        let mut client = connect(&server);
        client.write_all(b"hello\n").expect("room");
        assert!(gate.wait_until_reached(PATIENCE));
        stop.stop();
        let mut late = connect(&server);
        late.write_all(b"too late\n").expect("room");
        gate.open();
        assert_eq!(read_all(&mut client), b"begun, done");
        late
    });
    outcome.expect("served");
    drop(server);
    let mut answer = Vec::new();
    let _ = late.read_to_end(&mut answer);
    assert_eq!(answer, b"", "no exchange begins after the stop");
}

#[test]
fn stop_returns_at_once_when_nobody_ever_came() {
    let server = bound(patient());
    let stop = Stop::new();
    let (outcome, ()) = serve_with(&server, &stop, || stop.stop());
    outcome.expect("nothing went wrong");
    let said_before = Stop::new();
    said_before.stop();
    server.serve_until(&said_before).expect("nothing went wrong");
}

#[test]
fn a_failed_exchange_counts_and_the_first_error_is_returned_in_the_end() {
    let (failed, failures) = mpsc::channel();
    let observer = move |event: &Event<'_>| {
        if let Event::Failed { error, .. } = event {
            let _ = failed.send(error.to_string());
        }
    };
    let server = bound(echo().source(Sequence::new(["one"])).on_event(observer));
    let (outcome, ()) = serve_with(&server, &Stop::after(3), || {
        let mut leaving = connect(&server);
        leaving.write_all(b"half a line").expect("room");
        reset(leaving);
        failures.recv_timeout(PATIENCE).expect("told when it happens");
        assert_eq!(ask(&server, b"1\n"), b"one");
        assert_eq!(ask(&server, b"2\n"), b"");
    });
    let error = outcome.expect_err("two failures");
    assert!(matches!(error, Error::Receive { .. }), "the first one: {}", error.report());
    drop(server);
    assert_eq!(failures.iter().count(), 1, "the second one");
}

#[test]
fn without_clients_it_ends_with_the_accept_timeout() {
    let server = bound(echo()).accept_timeout(Duration::from_millis(50));
    let (outcome, ()) = serve_with(&server, &Stop::after(2), || {
        assert_eq!(ask(&server, b"only one\n"), b"only one\n");
    });
    assert!(matches!(outcome, Err(Error::NoRequest { .. })), "{outcome:?}");
}

#[test]
fn a_panic_of_the_source_comes_out() {
    let server = bound(echo().source(|_: &Request| -> Response { panic!("no such thing") }));
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _ = serve_with(&server, &Stop::new(), || ask(&server, b"hello\n"));
    }));
    assert_eq!(panic.expect_err("a panic").downcast_ref::<&str>(), Some(&"no such thing"));
}

#[test]
fn an_observer_that_panics_ends_the_call_and_not_the_server() {
    for which in ["accepted", "received", "responding", "sent", "ending", "closed", "served"] {
        let mut panicked = false;
        let observer = move |event: &Event<'_>| {
            let name = match event {
                Event::Accepted { .. } => "accepted",
                Event::Received { .. } => "received",
                Event::Responding { .. } => "responding",
                Event::Sent { .. } => "sent",
                Event::Ending { .. } => "ending",
                Event::Closed { .. } => "closed",
                Event::Served { .. } => "served",
                _ => return,
            };
            if name == which && !panicked {
                panicked = true;
                panic!("the observer's own");
            }
        };
        let server = bound(echo().on_event(observer));
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _ = serve_with(&server, &Stop::after(1), || {
                let mut client = connect(&server);
                client.write_all(b"hello\n").expect("room");
                // Answered or not, its connection ends.
                let _ = client.read_to_end(&mut Vec::new());
            });
        }));
        let payload = panic.expect_err(which);
        assert_eq!(payload.downcast_ref::<&str>(), Some(&"the observer's own"), "{which}");
        // The first client may not have been answered before the panic; then it is one of this call.
        let stop = Stop::new();
        let (outcome, answer) = serve_with(&server, &stop, || {
            let answer = ask(&server, b"again\n");
            stop.stop();
            answer
        });
        outcome.expect(which);
        assert_eq!(answer, b"again\n", "{which}");
    }
}

#[test]
fn no_exchange_begins_after_stop_has_returned() {
    for _ in 0..50 {
        let server = bound(echo());
        let stop = Stop::new();
        let (outcome, mut client) = serve_with(&server, &stop, || {
            let mut client = connect(&server);
            stop.stop();
            client.write_all(b"too late\n").expect("room");
            client
        });
        outcome.expect("nothing went wrong");
        drop(server);
        let mut answer = Vec::new();
        let _ = client.read_to_end(&mut answer);
        assert_eq!(answer, b"");
    }
}

#[test]
fn calls_from_two_threads_take_turns() {
    let server = bound(echo());
    let outcomes = thread::scope(|scope| {
        let calls = [2, 3].map(|exchanges| {
            let server = &server;
            scope.spawn(move || server.serve(exchanges))
        });
        for _ in 0..5 {
            assert_eq!(ask(&server, b"hello\n"), b"hello\n");
        }
        calls.map(|call| call.join().expect("no panic"))
    });
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
}

#[test]
fn calls_for_one_exchange_side_by_side_leave_no_client_waiting() {
    for _ in 0..10 {
        let server = bound(echo());
        let addr = place(&server);
        let outcomes = thread::scope(|scope| {
            let calls = [(); 2].map(|()| scope.spawn(|| server.serve_once().is_ok()));
            let _silent = connect(addr);
            drop(connect(addr));
            assert_eq!(ask(addr, b"1\n"), b"1\n");
            drop(connect(addr));
            assert_eq!(ask(addr, b"2\n"), b"2\n");
            calls.map(|call| call.join().expect("no panic"))
        });
        assert_eq!(outcomes, [true, true]);
    }
}

#[test]
fn the_observer_sees_every_byte_and_every_end() {
    let (tell, told) = mpsc::channel();
    let observer = move |event: &Event<'_>| {
        let line = match event {
            Event::Received { client, bytes, .. } => {
                format!("{} received {}", client.connection(), bytes.escape_ascii())
            }
            Event::Sent { client, bytes, .. } => {
                format!("{} sent {}", client.connection(), bytes.escape_ascii())
            }
            Event::Closed { client, end, .. } => format!("{} {end:?}", client.connection()),
            Event::Silent { client, end, .. } => format!("{} silent {end:?}", client.connection()),
            _ => return,
        };
        let _ = tell.send(line);
    };
    let server = bound(echo().on_event(observer));
    let (outcome, ()) = serve_with(&server, &Stop::after(1), || {
        drop(connect(&server));
        let mut client: TcpStream = connect(&server);
        client.write_all(b"a\nb").expect("room");
        assert_eq!(read_all(&mut client), b"a\n");
        client.write_all(b"c").expect("the peer goes on reading");
    });
    outcome.expect("served");
    drop(server);
    let lines: Vec<_> = told.iter().collect();
    assert!(lines.contains(&format!("1 silent {:?}", ClientEnd::Closed)), "{lines:?}");
    let received: String =
        lines.iter().filter_map(|line| line.strip_prefix("2 received ")).collect();
    assert_eq!(received, r"a\nbc", "{lines:?}");
    assert!(lines.contains(&r"2 sent a\n".to_owned()), "{lines:?}");
    let last = lines.iter().rfind(|line| line.starts_with("2 "));
    assert_eq!(last.expect("some"), "2 Closed", "{lines:?}");
}

#[test]
fn a_connection_persists_as_http_says() {
    const KEPT: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    let server = bound(patient().source(Response::from(KEPT).keep_alive()));
    let (outcome, ()) = serve_with(&server, &Stop::after(4), || {
        let mut kept = connect(&server);
        // Two requests at once, and one that asks for the close.
        kept.write_all(b"GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n").expect("room");
        expect_bytes(&mut kept, KEPT, "the first");
        expect_bytes(&mut kept, KEPT, "the second");
        kept.write_all(b"GET /3 HTTP/1.1\r\nConnection: close\r\n\r\n").expect("room");
        same_bytes(&read_all(&mut kept), KEPT, "the last one, and the end");
        same_bytes(&ask(&server, b"GET / HTTP/1.0\r\n\r\n"), KEPT, "HTTP/1.0");
    });
    outcome.expect("served");
}

#[test]
fn requests_that_come_while_a_large_answer_leaves_are_served() {
    let large = numbered(8 << 20);
    let answer = Response::from(&large[..]).keep_open();
    let server = bound(patient().framing(Framing::until("\n")).source(answer));
    let (outcome, ()) = serve_with(&server, &Stop::after(3), || {
        let mut client = connect_with_little_room(&server);
        client.write_all(b"1\n2\n").expect("room");
        client.read_exact(&mut [0]).expect("the answer has begun");
        // The server is blocked, and looks for bytes from the client.
        thread::sleep(Duration::from_millis(100));
        client.write_all(b"3\n").expect("room");
        expect_bytes(&mut client, &large[1..], "the first");
        expect_bytes(&mut client, &large, "the second");
        expect_bytes(&mut client, &large, "the third");
    });
    outcome.expect("served");
}

#[test]
fn the_observer_is_told_how_a_response_begins_and_how_its_connection_ends() {
    let (events, told) = mpsc::channel();
    let source = Sequence::new([
        Response::from("one").keep_open(),
        Response::from("two").cut(2, Ending::HalfClose),
    ]);
    let server = bound(echo().source(source).on_event(move |event| {
        let text = match event {
            Event::Responding { client, offered: bytes, .. } => {
                format!("{} {bytes:?}", client.exchange())
            }
            Event::Ending { client, ending, .. } => format!("{} {ending:?}", client.connection()),
            _ => return,
        };
        events.send(text).expect("somebody listens");
    }));
    let (outcome, ()) = serve_with(&server, &Stop::after(2), || {
        let mut client = connect(&server);
        client.write_all(b"1\n2\n").expect("room");
        assert_eq!(read_all(&mut client), b"onetw");
    });
    outcome.expect("served");
    drop(server);
    let told: Vec<_> = told.iter().collect();
    assert_eq!(told, ["1 Some(3)", "2 Some(2)", "1 HalfClose"]);
}
