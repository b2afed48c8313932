//! One exchange at a time: which client gets it, what silent clients must not do, how panics are raised again, what
//! observers are called with, and how a server ends.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use fake_peer::{
    ClientEnd, Ending, Error, Event, FnSink, Framing, MemorySink, Request, Response, TcpServer,
    TcpServerBuilder,
};
use fake_peer_test_support::{
    PATIENCE, bound, connect, connect_and_send, goes_on_serving, next_piece, over_within, patient,
    read_all, reporting, reset, serve_with,
};

/// Describes each event in a few words.
fn with_events<A>(builder: TcpServerBuilder<A>) -> (TcpServerBuilder<A>, Receiver<String>) {
    let (told, events) = mpsc::channel();
    let builder = builder.on_event(move |event| {
        let text = match event {
            Event::Listening { addr, .. } => format!("listening on {addr}"),
            Event::Accepted { client, .. } => format!("accepted {}", client.connection()),
            Event::Silent { client, end, .. } => format!("silent {} {end:?}", client.connection()),
            Event::Served { exchange, .. } => format!("served {}", exchange.client().connection()),
            Event::Failed { error, .. } => format!("failed: {error}"),
            // These have a test of their own, in `serve`.
            Event::Received { .. }
            | Event::Requested { .. }
            | Event::Responding { .. }
            | Event::Sent { .. }
            | Event::Ending { .. }
            | Event::Closed { .. } => return,
            _ => "an event that this test does not know".to_owned(),
        };
        // Idle clients may leave when the test has seen enough.
        let _ = told.send(text);
    });
    (builder, events)
}

#[track_caller]
fn next_event(events: &Receiver<String>) -> String {
    events.recv_timeout(PATIENCE).expect("another event")
}

#[track_caller]
fn panic_of_serve_once(server: &TcpServer) -> String {
    let payload = catch_unwind(AssertUnwindSafe(|| server.serve_once()))
        .expect_err("the panic of what was plugged in");
    *payload.downcast::<String>().expect("the payload as it was thrown")
}

/// Answers all requests except `panic`.
fn panicking(request: &Request) -> &'static str {
    // A `String`: the payload of a `panic!` with arguments.
    assert!(request.bytes() != b"panic", "no answer to {}", request.bytes().escape_ascii());
    "answer"
}

/// Panics when it is dropped.
struct Fragile(&'static [u8]);

impl Read for Fragile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Drop for Fragile {
    fn drop(&mut self) {
        panic!("{}", "dropped".to_owned());
    }
}

#[test]
fn a_reader_that_panics_when_it_is_dropped_ends_the_call_and_the_next_one_serves() {
    for (case, ending) in [
        ("close", Ending::Close),
        ("keep open", Ending::KeepOpen),
        ("reset", Ending::Reset),
        ("a cut", Ending::StopReading),
    ] {
        let mut readers = 0;
        let server = bound(patient().source(move |_: &Request| {
            readers += 1;
            if readers > 1 {
                return Response::from("answer");
            }
            let response = Response::from("begun").send_from(Fragile(b" and gone on"));
            match ending {
                Ending::StopReading => response.cut(3, Ending::Close),
                _ => response.send(" to the end").ending(ending.clone()),
            }
        }));
        let client = connect_and_send(server.local_addr(), b"request");
        let (panicked, server) =
            over_within(PATIENCE, case, move || (panic_of_serve_once(&server), server));
        assert_eq!(panicked, "dropped", "{case}");
        drop(client);
        goes_on_serving(&server, case);
    }
}

#[test]
fn clients_that_leave_without_a_byte_are_told_and_not_counted() {
    let (builder, events) = with_events(patient().source("answer"));
    let server = bound(builder);
    drop(connect(server.local_addr()));
    reset(connect(server.local_addr()));
    let mut half_closed = connect_and_send(server.local_addr(), b"");
    let mut client = connect_and_send(server.local_addr(), b"request");

    let exchange = server.serve_once().expect("the fourth client's exchange");

    assert_eq!(exchange.request().bytes(), b"request");
    assert_eq!(exchange.client().connection(), 4);
    assert_eq!(exchange.client().exchange(), 1);
    assert_eq!(*exchange.client().addr(), client.local_addr().expect("a connected socket"));
    assert_eq!(read_all(&mut client), b"answer");
    assert_eq!(read_all(&mut half_closed), b"", "who asks nothing gets no answer");
    let told: Vec<_> = events.try_iter().collect();
    assert_eq!(
        told,
        [
            &*format!("listening on {}", server.local_addr()),
            "accepted 1",
            "silent 1 Closed",
            "accepted 2",
            "silent 2 Reset",
            "accepted 3",
            "silent 3 Closed",
            "accepted 4",
            "served 4",
        ]
    );
}

#[test]
fn a_silent_client_is_no_request_for_sinks_and_sources() {
    let memory = MemorySink::new();
    let mut asked = 0;
    let server = bound(patient().sink(memory.clone()).source(move |_: &Request| {
        asked += 1;
        format!("answer {asked}")
    }));
    drop(connect(server.local_addr()));
    let _idle = connect(server.local_addr());
    let mut client = connect_and_send(server.local_addr(), b"request");
    server.serve_once().expect("an exchange");
    assert_eq!(read_all(&mut client), b"answer 1");
    assert_eq!(memory.requests(), [b"request"]);
}

#[test]
fn an_idle_client_does_not_keep_a_busy_one_waiting_and_may_be_next() {
    let server = bound(patient().source("answer"));
    let mut idle = connect(server.local_addr());
    let mut busy = connect_and_send(server.local_addr(), b"busy");

    let exchange = server.serve_once().expect("the busy client's exchange");
    assert_eq!(exchange.request().bytes(), b"busy");
    assert_eq!(exchange.client().connection(), 2);
    assert_eq!(exchange.client().exchange(), 1);
    assert_eq!(read_all(&mut busy), b"answer");

    idle.write_all(b"idle no more").expect("a connection that is still open");
    idle.shutdown(std::net::Shutdown::Write).expect("an open socket");
    let exchange = server.serve_once().expect("the idle client's exchange");
    assert_eq!(exchange.request().bytes(), b"idle no more");
    assert_eq!(exchange.client().connection(), 1);
    assert_eq!(exchange.client().exchange(), 2);
    assert_eq!(read_all(&mut idle), b"answer");
}

#[test]
fn an_idle_client_that_speaks_first_after_all_is_served() {
    let (builder, events) = with_events(patient().framing(Framing::until("\n")).source("answer"));
    let server = bound(builder);
    let addr = server.local_addr();
    let (outcome, answer) = serve_with(&server, || {
        let mut idle = connect(addr);
        let _another = connect(addr);
        // A server accepts a second one only after it has set the first one aside.
        while next_event(&events) != "accepted 2" {}
        idle.write_all(b"after all\n").expect("an open socket");
        read_all(&mut idle)
    });
    let exchange = outcome.expect("the idle client's exchange");
    assert_eq!(exchange.client().connection(), 1);
    assert_eq!(answer, b"answer");
}

#[test]
fn several_idle_clients_are_each_served_when_they_speak() {
    let server = bound(patient().source("answer"));
    let mut idle: Vec<_> = (0..5).map(|_| connect(server.local_addr())).collect();
    let mut busy = connect_and_send(server.local_addr(), b"busy");
    let exchange = server.serve_once().expect("the busy client's exchange");
    assert_eq!(exchange.client().connection(), 6);
    assert_eq!(read_all(&mut busy), b"answer");

    // The last one first: the order in which they leave does not matter.
    while let Some(mut client) = idle.pop() {
        let number = idle.len() as u64 + 1;
        let case = format!("client {number}");
        client.write_all(case.as_bytes()).expect(&case);
        client.shutdown(std::net::Shutdown::Write).expect(&case);
        let exchange = server.serve_once().expect(&case);
        assert_eq!(exchange.request().bytes(), case.as_bytes());
        assert_eq!(exchange.client().connection(), number, "{case}");
        assert_eq!(read_all(&mut client), b"answer", "{case}");
        goes_on_serving(&server, &case);
    }
}

#[test]
fn one_call_serves_one_exchange_though_several_clients_speak() {
    let (asked, is_asked) = mpsc::channel();
    let server = bound(patient().source(move |request: &Request| {
        asked.send(request.bytes().to_vec()).expect("a test that listens");
        "answer"
    }));
    // Behind an idle client, threads other than the calling one accept, and could serve more.
    let _idle = connect(server.local_addr());
    let mut clients: Vec<_> = (0..4)
        .map(|number| connect_and_send(server.local_addr(), format!("{number}").as_bytes()))
        .collect();
    let mut requests = Vec::new();
    for number in 1..=clients.len() {
        let exchange = server.serve_once().expect("an exchange");
        requests.push(exchange.request().bytes().to_vec());
        assert_eq!(is_asked.try_iter().count(), 1, "after call {number}");
    }
    requests.sort();
    assert_eq!(requests, [b"0", b"1", b"2", b"3"], "each client once");
    for client in &mut clients {
        assert_eq!(read_all(client), b"answer");
    }
}

#[test]
fn clients_that_came_before_serving_are_served_in_their_order() {
    let server = bound(patient().source(|request: &Request| request.bytes().to_vec()));
    let mut clients: Vec<_> =
        (1..=50u8).map(|number| connect_and_send(server.local_addr(), &[number])).collect();
    for (client, number) in clients.iter_mut().zip(1..) {
        let exchange = server.serve_once().expect("an exchange");
        assert_eq!(exchange.request().bytes(), [number]);
        assert_eq!(*exchange.client().addr(), client.local_addr().expect("a connected socket"));
        assert_eq!(read_all(client), [number]);
    }
}

#[test]
fn two_hundred_exchanges_in_a_row() {
    let server = bound(patient().source(|request: &Request| request.bytes().to_vec()));
    for number in 1..=200 {
        let text = format!("GET /{number} HTTP/1.1\r\n\r\n");
        let mut client = connect(server.local_addr());
        client.write_all(text.as_bytes()).expect("an open socket");
        client.shutdown(std::net::Shutdown::Write).expect("an open socket");
        let exchange = server.serve_once().expect(&text);
        assert_eq!(exchange.request().bytes(), text.as_bytes());
        assert_eq!(exchange.client().connection(), number);
        assert_eq!(exchange.client().exchange(), number);
        assert_eq!(read_all(&mut client), text.as_bytes());
    }
}

#[test]
fn several_threads_may_serve_the_same_server() {
    let server = bound(patient().source(|request: &Request| request.bytes().to_vec()));
    let addr = server.local_addr();
    let mut numbers: Vec<_> = thread::scope(|scope| {
        let serving: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| server.serve_once().expect("an exchange").client().exchange()))
            .collect();
        let clients: Vec<_> = (0..8)
            .map(|number| {
                scope.spawn(move || {
                    let request = [number; 10];
                    let mut client = connect_and_send(addr, &request);
                    assert_eq!(read_all(&mut client), request);
                })
            })
            .collect();
        for client in clients {
            client.join().expect("an answer");
        }
        serving.into_iter().map(|serving| serving.join().expect("no panic")).collect()
    });
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=8).collect::<Vec<_>>());
}

#[test]
fn a_panic_of_the_source_reaches_the_caller() {
    let server = bound(patient().source(panicking));
    let mut client = connect_and_send(server.local_addr(), b"panic");
    assert_eq!(panic_of_serve_once(&server), "no answer to panic");
    assert_eq!(read_all(&mut client), b"");
    goes_on_serving(&server, "after a panic");
}

#[test]
fn a_panic_of_the_source_reaches_the_caller_behind_an_idle_client() {
    let server = bound(patient().source(panicking));
    let _idle = connect(server.local_addr());
    goes_on_serving(&server, "an idle client");
    for _ in 0..3 {
        let mut client = connect_and_send(server.local_addr(), b"panic");
        assert_eq!(panic_of_serve_once(&server), "no answer to panic");
        assert_eq!(read_all(&mut client), b"");
        goes_on_serving(&server, "after a panic");
    }
}

#[test]
fn a_panic_of_the_source_for_a_client_that_was_idle_reaches_the_caller() {
    let server = bound(patient().source(panicking));
    let mut idle = connect(server.local_addr());
    goes_on_serving(&server, "an idle client");
    idle.write_all(b"panic").expect("an open socket");
    idle.shutdown(std::net::Shutdown::Write).expect("an open socket");
    assert_eq!(panic_of_serve_once(&server), "no answer to panic");
    goes_on_serving(&server, "after a panic");
}

#[test]
fn panics_of_sinks_and_observers_reach_the_caller() {
    let panic = |text: &str| panic!("{text}, says {}", "the plug");
    let sink = FnSink::new(move |_, piece| {
        if piece == b"sink" {
            panic("a sink");
        }
        Ok(())
    });
    let server = bound(patient().sink(sink).on_event(move |event| {
        if matches!(event, Event::Served { exchange, .. } if exchange.request().bytes() == b"observer") {
            panic("an observer");
        }
    }));
    for idle in [false, true] {
        let _idle = idle.then(|| connect(server.local_addr()));
        let case = format!("idle client: {idle}");
        goes_on_serving(&server, &case);
        for plug in ["sink", "observer"] {
            let _client = connect_and_send(server.local_addr(), plug.as_bytes());
            let article = if plug == "sink" { "a" } else { "an" };
            let text = format!("{article} {plug}, says the plug");
            assert_eq!(panic_of_serve_once(&server), text, "{case}");
            goes_on_serving(&server, &case);
        }
    }
}

#[test]
fn a_call_that_ended_in_a_panic_leaves_no_exchange_to_be_served_uncalled() {
    let (builder, pieces) = reporting(MemorySink::new());
    let server = bound(patient().sink(builder).source("answer").on_event(|event| {
        assert!(!matches!(event, Event::Silent { .. }), "silent");
    }));
    let idle = connect(server.local_addr());
    goes_on_serving(&server, "an idle client");
    next_piece(&pieces, "the busy client");
    thread::scope(|scope| {
        let serving = scope.spawn(|| catch_unwind(AssertUnwindSafe(|| server.serve_once())));
        drop(idle);
        assert!(serving.join().expect("caught").is_err(), "the observer's panic");
    });

    goes_on_serving(&server, "after a panic");
    next_piece(&pieces, "the client after a panic");
    let _uncalled = connect_and_send(server.local_addr(), b"nobody serves");
    // The only way to see that nothing happens: to wait for a while.
    let piece = pieces.recv_timeout(Duration::from_millis(300));
    assert!(piece.is_err(), "served though nobody called: {piece:?}");
}

#[test]
fn observers_are_told_in_the_order_of_things() {
    let (builder, events) = with_events(patient().framing(Framing::exactly(3)).source("answer"));
    let server = bound(builder);
    assert_eq!(next_event(&events), format!("listening on {}", server.local_addr()));

    let _client = connect_and_send(server.local_addr(), b"abc");
    server.serve_once().expect("an exchange");
    assert_eq!(events.try_iter().collect::<Vec<_>>(), ["accepted 1", "served 1"]);

    let _idle = connect(server.local_addr());
    let _client = connect_and_send(server.local_addr(), b"abc");
    server.serve_once().expect("an exchange");
    assert_eq!(
        events.try_iter().collect::<Vec<_>>(),
        ["accepted 2", "accepted 3", "served 3"],
        "behind an idle client"
    );
}

#[test]
fn observers_are_told_the_failure_that_the_caller_gets() {
    let (builder, events) = with_events(
        patient()
            .framing(Framing::exactly(3))
            .timeout(Duration::from_millis(50))
            .linger(Duration::ZERO),
    );
    let server = bound(builder);
    for behind_an_idle_client in [false, true] {
        let _idle = behind_an_idle_client.then(|| connect(server.local_addr()));
        let mut client = connect(server.local_addr());
        client.write_all(b"ab").expect("an open socket");
        let error = server.serve_once().expect_err("too short a request");
        let told: Vec<_> = events.try_iter().collect();
        assert_eq!(told.last(), Some(&format!("failed: {error}")), "{told:?}");
    }
}

#[test]
fn an_observer_may_be_told_of_a_request_that_is_still_in_its_sink() {
    let (sink, pieces) = reporting(MemorySink::new());
    let (builder, events) = with_events(patient().framing(Framing::until("\n")).sink(sink));
    let server = bound(builder);
    let addr = server.local_addr();
    let (outcome, ()) = serve_with(&server, || {
        let mut client = connect(addr);
        client.write_all(b"half a").expect("an open socket");
        next_piece(&pieces, "half a line");
        next_event(&events);
        assert_eq!(next_event(&events), "accepted 1");
        assert!(events.try_recv().is_err(), "nothing is served yet");
        client.write_all(b" line\n").expect("an open socket");
        assert_eq!(read_all(&mut client), b"");
    });
    outcome.expect("an exchange");
    assert_eq!(next_event(&events), "served 1");
}

#[test]
fn a_server_that_goes_takes_its_idle_clients_along_at_once() {
    let (builder, events) = with_events(patient());
    let server = bound(builder);
    let addr = server.local_addr();
    let mut idle: Vec<_> = (0..3).map(|_| connect(addr)).collect();
    goes_on_serving(&server, "three idle clients");
    idle.extend((0..3).map(|_| connect(addr)));
    // Some of them are accepted, others are not.
    while next_event(&events) != "accepted 3" {}

    let start = Instant::now();
    drop(server);
    let took = start.elapsed();

    assert!(took < Duration::from_secs(5), "it took {took:?}");
    for (number, client) in idle.iter_mut().enumerate() {
        closed(client, &format!("idle client {number}"));
    }
    assert!(TcpStream::connect(addr).is_err(), "nobody listens any more");
}

#[test]
fn a_server_that_goes_ends_requests_that_nobody_asked_for() {
    let server = bound(patient().source("never sent"));
    let _idle = connect(server.local_addr());
    goes_on_serving(&server, "an idle client");
    let mut client = connect_and_send(server.local_addr(), b"request");
    let start = Instant::now();
    drop(server);
    assert!(start.elapsed() < Duration::from_secs(5), "it took {:?}", start.elapsed());
    closed(&mut client, "a client that was not served");
}

#[test]
fn a_server_that_never_served_goes_at_once() {
    let server = bound(patient());
    let addr = server.local_addr();
    let mut client = connect_and_send(addr, b"request");
    drop(server);
    closed(&mut client, "a client that was never accepted");
    TcpListener::bind(addr).expect("the port is free again");
}

/// End-of-file or a reset, without a byte.
#[track_caller]
fn closed(client: &mut TcpStream, case: &str) {
    match client.read(&mut [0]) {
        Ok(0) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        other => panic!("{case}: {other:?}"),
    }
}

#[test]
fn a_listener_made_elsewhere_is_served() {
    for nonblocking in [false, true] {
        let case = format!("nonblocking: {nonblocking}");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(nonblocking).expect("an open socket");
        let addr = listener.local_addr().expect("a bound listener");
        // It connected before serving began.
        let mut early = connect_and_send(addr, b"early");
        let server = bound(patient().listener(listener).source("answer"));
        assert_eq!(server.local_addr(), addr, "{case}");
        assert_eq!(server.url("/x"), format!("http://{addr}/x"), "{case}");
        assert_eq!(server.serve_once().expect(&case).request().bytes(), b"early", "{case}");
        assert_eq!(read_all(&mut early), b"answer", "{case}");

        // Nobody has connected when serving begins.
        let (outcome, answer) =
            serve_with(&server, || read_all(&mut connect_and_send(addr, b"late")));
        assert_eq!(outcome.expect(&case).request().bytes(), b"late", "{case}");
        assert_eq!(answer, b"answer", "{case}");
    }
}

#[test]
fn localhost_and_ipv6_addresses_are_served() {
    for (text, ip) in
        [("localhost:0", "127.0.0.1"), ("LocalHost:0", "127.0.0.1"), ("[::1]:0", "::1")]
    {
        let server = match patient().addr(text).source("answer").bind() {
            Ok(server) => server,
            // A machine without IPv6.
            Err(_) if ip == "::1" => continue,
            Err(error) => panic!("{text}: {}", error.report()),
        };
        assert_eq!(server.local_addr().ip().to_string(), ip, "{text}");
        let mut client = connect_and_send(server.local_addr(), b"request");
        let exchange = server.serve_once().expect(text);
        assert_eq!(*exchange.client().addr(), client.local_addr().expect("connected"), "{text}");
        assert_eq!(read_all(&mut client), b"answer", "{text}");
    }
}

#[test]
fn an_accept_timeout_leaves_no_client_behind() {
    let server = bound(patient().source("answer")).accept_timeout(Duration::from_millis(100));
    for round in 1..=3 {
        let error = server.serve_once().expect_err("nobody came");
        assert!(matches!(error, Error::NoRequest { .. }), "round {round}: {error:?}");
    }
    let mut idle = connect(server.local_addr());
    for round in 1..=3 {
        let error = server.serve_once().expect_err("nobody spoke");
        assert!(matches!(error, Error::NoRequest { .. }), "round {round}: {error:?}");
    }
    idle.write_all(b"at last").expect("an open socket");
    idle.shutdown(std::net::Shutdown::Write).expect("an open socket");
    // The worker that has it may notice it late on a busy machine.
    let exchange = (0..100).find_map(|_| server.serve_once().ok()).expect("an exchange");
    assert_eq!(exchange.request().bytes(), b"at last");
    assert_eq!(read_all(&mut idle), b"answer");
}

#[test]
fn an_accept_timeout_does_not_end_an_exchange_that_has_begun() {
    const TIMEOUT: Duration = Duration::from_secs(1);
    for behind_an_idle_client in [false, true] {
        let case = format!("behind an idle client: {behind_an_idle_client}");
        let (sink, pieces) = reporting(MemorySink::new());
        let server = bound(patient().framing(Framing::until("\n")).sink(sink).source("answer"))
            .accept_timeout(TIMEOUT);
        let addr = server.local_addr();
        let _idle = behind_an_idle_client.then(|| connect(addr));
        let mut client = connect(addr);
        client.write_all(b"half a").expect("an open socket");
        thread::scope(|scope| {
            let (result, outcome) = mpsc::channel();
            let server = &server;
            scope.spawn(move || {
                result.send(server.serve_once()).expect("a test that listens");
            });
            next_piece(&pieces, &case);
            let early = outcome.recv_timeout(TIMEOUT + Duration::from_millis(200));
            assert!(early.is_err(), "{case}: {early:?}");
            client.write_all(b" line\n").expect("an open socket");
            assert_eq!(read_all(&mut client), b"answer", "{case}");
            drop(client);
            let exchange = outcome.recv_timeout(PATIENCE).expect(&case).expect(&case);
            assert_eq!(exchange.request().bytes(), b"half a line\n", "{case}");
        });
    }
}

#[test]
fn an_idle_client_is_closed_at_its_deadline_and_told() {
    let (builder, events) =
        with_events(patient().idle_timeout(Duration::from_millis(50)).source("answer"));
    let server = bound(builder);
    let addr = server.local_addr();
    let (outcome, ()) = serve_with(&server, || {
        let mut idle = connect(addr);
        next_event(&events);
        assert_eq!(next_event(&events), "accepted 1");
        assert_eq!(next_event(&events), format!("silent 1 {:?}", ClientEnd::ClosedByUs));
        assert_eq!(read_all(&mut idle), b"", "closed without a byte");
        let mut busy = connect_and_send(addr, b"busy");
        assert_eq!(read_all(&mut busy), b"answer");
    });
    let exchange = outcome.expect("the busy client's exchange");
    assert_eq!(exchange.client().connection(), 2);
    assert_eq!(exchange.client().exchange(), 1);
}

/// Linux passes a listener's receive timeout on to the sockets that it accepts.
#[test]
fn without_an_idle_timeout_clients_may_be_idle_for_longer_than_the_accept_timeout() {
    let (builder, events) = with_events(patient().idle_timeout(None).source("answer"));
    let server = bound(builder).accept_timeout(Duration::from_millis(100));
    let addr = server.local_addr();
    let (outcome, mut idle) = serve_with(&server, || {
        let first = connect(addr);
        // The accept timeout is set when the others connect.
        while next_event(&events) != "accepted 1" {}
        [first, connect(addr), connect(addr)]
    });
    outcome.expect_err("nobody spoke");
    for _ in 0..4 {
        server.serve_once().expect_err("nobody spoke");
    }
    let silent: Vec<_> = events.try_iter().filter(|event| event.starts_with("silent")).collect();
    assert_eq!(silent, [""; 0], "clients that are still there");
    for (number, client) in idle.iter_mut().enumerate() {
        client.write_all(b"at last").expect("an open socket");
        client.shutdown(std::net::Shutdown::Write).expect("an open socket");
        // The worker that has it may notice it late on a busy machine.
        let exchange = (0..100).find_map(|_| server.serve_once().ok()).expect("an exchange");
        assert_eq!(exchange.client().connection(), number as u64 + 1);
        assert_eq!(read_all(client), b"answer");
    }
}

/// The same for a request that has begun.
#[test]
fn without_a_timeout_a_request_may_take_longer_than_the_accept_timeout() {
    const TIMEOUT: Duration = Duration::from_millis(500);
    for behind_an_idle_client in [false, true] {
        let case = format!("behind an idle client: {behind_an_idle_client}");
        let (sink, pieces) = reporting(MemorySink::new());
        let (builder, events) = with_events(
            patient()
                .timeout(None)
                .idle_timeout(None)
                .linger(Duration::ZERO)
                .framing(Framing::until("\n"))
                .sink(sink),
        );
        let server = bound(builder).accept_timeout(TIMEOUT);
        let addr = server.local_addr();
        let exchange = thread::scope(|scope| {
            let (result, outcome) = mpsc::channel();
            let server = &server;
            scope.spawn(move || {
                result.send(server.serve_once()).expect("a test that listens");
            });
            let _idle = behind_an_idle_client.then(|| {
                let idle = connect(addr);
                while next_event(&events) != "accepted 1" {}
                idle
            });
            let mut client = connect(addr);
            client.write_all(b"half a").expect("an open socket");
            next_piece(&pieces, &case);
            let early = outcome.recv_timeout(TIMEOUT + Duration::from_millis(200));
            assert!(early.is_err(), "{case}: {early:?}");
            client.write_all(b" line\n").expect("an open socket");
            client.shutdown(std::net::Shutdown::Write).expect("an open socket");
            outcome.recv_timeout(PATIENCE).expect(&case).expect(&case)
        });
        assert_eq!(exchange.request().bytes(), b"half a line\n", "{case}");
    }
}

#[test]
fn a_peer_that_speaks_first_does_not_wait_for_its_client() {
    let server = bound(patient().framing(Framing::nothing()).source("220 ready\r\n"));
    let addr = server.local_addr();
    for number in 1..=3 {
        let (outcome, banner) = serve_with(&server, || read_all(&mut connect(addr)));
        assert_eq!(banner, b"220 ready\r\n");
        assert_eq!(outcome.expect("an exchange").client().exchange(), number);
    }
}

#[test]
fn a_server_is_handed_to_other_threads_with_its_errors() {
    fn is_sendable<T: Send + 'static>() {}
    fn is_shareable<T: Send + Sync + 'static>() {}
    is_shareable::<TcpServer>();
    is_shareable::<Error>();
    is_sendable::<TcpServerBuilder>();
    is_shareable::<fake_peer::Exchange>();

    let server = bound(patient().source("answer"));
    let addr = server.local_addr();
    let serving = thread::spawn(move || -> io::Result<Vec<u8>> {
        let exchange = server.serve_once().map_err(io::Error::other)?;
        Ok(exchange.request().bytes().to_vec())
    });
    let mut client = connect_and_send(addr, b"request");
    assert_eq!(read_all(&mut client), b"answer");
    assert_eq!(serving.join().expect("no panic").expect("an exchange"), b"request");
}

#[test]
fn the_observer_has_seen_what_came_before_the_source_is_asked() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (told, asked) = (Arc::clone(&seen), Arc::clone(&seen));
    let server = bound(
        patient()
            .source(move |_: &Request| format!("{:?}", asked.lock().expect("no panic")))
            .on_event(move |event| match event {
                Event::Accepted { .. } => told.lock().expect("no panic").push("accepted"),
                Event::Received { .. } => told.lock().expect("no panic").push("received"),
                _ => {}
            }),
    );
    let mut client = connect_and_send(server.local_addr(), b"hello");
    server.serve_once().expect("an exchange");
    assert_eq!(read_all(&mut client), br#"["accepted", "received"]"#);
}
