//! How long a server waits for a request whatever clients come without one, and what becomes of connections that are closing when a
//! peer ends.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use fake_peer::{ClientEnd, Error, Framing, Peer, Request, Response, Stop, TcpServer};
use fake_peer_test_support::{
    Crowd, EARLY, GoesOn, PATIENCE, bound, connect, connect_and_send, connect_with_little_room,
    end_of_file, expect_bytes, finished, numbered, over_within, patient, read_all, reset,
    same_bytes, spawned, try_connect, unshared_addr,
};

const ACCEPT: Duration = Duration::from_millis(if cfg!(windows) { 1000 } else { 300 });

/// Ten times the accept timeout.
const LIMIT: Duration = ACCEPT.saturating_mul(10);

/// Clients that send no byte: each stays, or leaves at once.
#[derive(Clone, Copy, Debug)]
enum Silent {
    Stays,
    Leaves,
    Resets,
}

fn come_silently(addr: SocketAddr, goes_on: &GoesOn, how: Silent) {
    let mut clients = Vec::new();
    // A bound for the descriptors.
    while goes_on.yes() && clients.len() < 500 {
        let Ok(client) = TcpStream::connect_timeout(&addr, PATIENCE) else { return };
        match how {
            Silent::Stays => clients.push(client),
            Silent::Leaves => drop(client),
            Silent::Resets => reset(client),
        }
        // A pause that sets the pace; the order does not depend on it.
        thread::sleep(Duration::from_millis(20));
    }
    while goes_on.yes() {
        thread::sleep(Duration::from_millis(5));
    }
}

/// A server whose accept timeout is short, and clients that do not ask for anything.
fn without_requests(how: Silent) -> (TcpServer, Crowd) {
    let server = bound(patient().addr(unshared_addr()).source("answer")).accept_timeout(ACCEPT);
    let addr = server.local_addr();
    let clients = Crowd::of(2, move |_, goes_on| come_silently(addr, goes_on, how));
    (server, clients)
}

#[track_caller]
fn ends_in_time<T: Send + 'static>(
    case: &str,
    server: TcpServer,
    serve: impl FnOnce(&TcpServer) -> Result<T, Error> + Send + 'static,
) {
    let start = Instant::now();
    let result = over_within(LIMIT, case, move || serve(&server));
    let took = start.elapsed();
    let Err(error) = result else { panic!("{case}: no request came") };
    assert!(matches!(error, Error::NoRequest { .. }), "{case}: {error:?}");
    assert!(took + EARLY >= ACCEPT, "{case}: not before its time: {took:?}");
}

const ALL: [Silent; 3] = [Silent::Stays, Silent::Leaves, Silent::Resets];

#[test]
fn the_accept_timeout_of_serve_once_holds_though_silent_clients_never_stop_coming() {
    for how in ALL {
        let (server, clients) = without_requests(how);
        ends_in_time(&format!("{how:?}"), server, TcpServer::serve_once);
        drop(clients);
    }
}

#[test]
fn the_accept_timeout_of_serve_holds_though_silent_clients_never_stop_coming() {
    for how in ALL {
        let (server, clients) = without_requests(how);
        ends_in_time(&format!("{how:?}"), server, |server| server.serve(1));
        drop(clients);
    }
}

#[test]
fn the_accept_timeout_of_serve_until_holds_though_silent_clients_never_stop_coming() {
    for how in ALL {
        let (server, clients) = without_requests(how);
        ends_in_time(&format!("{how:?}"), server, |server| server.serve_until(&Stop::new()));
        drop(clients);
    }
}

#[test]
fn the_accept_timeout_begins_again_with_each_exchange() {
    let server = bound(patient().addr(unshared_addr()).source("answer")).accept_timeout(ACCEPT);
    let addr = server.local_addr();
    let last_asked = Arc::new(Mutex::new(Instant::now()));
    let asked = Arc::clone(&last_asked);
    // On a busy machine the client may be too late for its second request, or for a later one.
    let asking = Crowd::of(1, move |_, goes_on| {
        for _ in 0..4 {
            thread::sleep(ACCEPT / 2);
            let now = Instant::now();
            let Some(mut client) = goes_on.yes().then(|| try_connect(addr).ok()).flatten() else {
                return;
            };
            let sent = client.write_all(b"request").and_then(|()| client.shutdown(Shutdown::Write));
            let mut answer = Vec::new();
            if sent.is_err() || client.read_to_end(&mut answer).is_err() || answer.is_empty() {
                return;
            }
            *asked.lock().expect("no panic") = now;
        }
    });
    let error = over_within(PATIENCE, "serve", move || server.serve(10)).expect_err("4 came");
    assert!(matches!(error, Error::NoRequest { .. }), "{error:?}");
    let since = last_asked.lock().expect("no panic").elapsed();
    assert!(since + EARLY >= ACCEPT, "{since:?} after the last request");
    drop(asking);
}

#[test]
fn a_client_that_asks_among_silent_ones_is_served() {
    let (server, clients) = without_requests(Silent::Stays);
    let addr = server.local_addr();
    let asking = thread::spawn(move || read_all(&mut connect_and_send(addr, b"request")));
    let exchange =
        over_within(LIMIT, "serve_once", move || server.serve_once()).expect("a request");
    assert_eq!(exchange.request().bytes(), b"request");
    assert_eq!(asking.join().expect("no panic"), b"answer");
    drop(clients);
}

// Connections that are closing when a peer ends.

fn answering_lines(answer: impl Into<Vec<u8>>) -> Peer {
    let response = Response::from(answer.into());
    spawned(patient().framing(Framing::until("\n")).source(response))
}

#[test]
fn bytes_that_have_arrived_after_an_answer_are_in_the_journal_of_finish() {
    for round in 0..20 {
        let peer = answering_lines("answer");
        let mut clients: Vec<_> = (0..10)
            .map(|_| {
                let mut client = connect(peer.addr());
                client.write_all(b"request\n").expect("room for a small request");
                assert_eq!(read_all(&mut client), b"answer");
                client
            })
            .collect();
        for client in &mut clients {
            client.write_all(b"more").expect("an open socket");
        }
        let journal = over_within(LIMIT, "finish", move || finished(peer));
        let trailing: Vec<_> =
            journal.connections().iter().map(|record| record.trailing().to_vec()).collect();
        assert_eq!(trailing, vec![b"more".to_vec(); 10], "round {round}");
        for client in &mut clients {
            end_of_file(client, "no reset, since everything was read");
        }
    }
}

#[test]
fn clients_that_have_closed_before_finish_are_seen_to_have_closed() {
    for round in 0..20 {
        let peer = answering_lines("answer");
        let clients: Vec<_> = (0..10)
            .map(|_| {
                let mut client = connect(peer.addr());
                client.write_all(b"request\n").expect("room for a small request");
                assert_eq!(read_all(&mut client), b"answer");
                client
            })
            .collect();
        drop(clients);
        let journal = over_within(LIMIT, "finish", move || finished(peer));
        assert_eq!(journal.connections().len(), 10);
        for record in journal.connections() {
            assert_eq!(record.client_end(), ClientEnd::Closed, "round {round}:\n{journal}");
        }
    }
}

/// Reads everything, and sends a byte after each piece. A peer that has closed too early answers that with a reset, which destroys the
/// rest.
fn read_all_and_send(client: &mut TcpStream) -> Vec<u8> {
    let (mut seen, mut piece) = (Vec::new(), vec![0; 50_000]);
    while let Ok(length @ 1..) = client.read(&mut piece) {
        seen.extend_from_slice(&piece[..length]);
        // The peer may close once everything is acknowledged, which is earlier than it is read.
        let _ = client.write_all(b"x");
    }
    seen
}

#[test]
fn an_answer_that_is_in_flight_when_the_peer_finishes_arrives_whole() {
    // The kernel takes all of it, whether or not the client reads.
    let long = numbered(1_000_000);
    let answer = long.clone();
    let source = move |request: &Request| match request.bytes() {
        b"keep\n" => Response::from("kept").keep_open(),
        _ => Response::from(answer.clone()),
    };
    let peer = spawned(patient().framing(Framing::until("\n")).source(source));
    let mut bell = connect(peer.addr());
    bell.write_all(b"keep\n").expect("room for a small request");
    expect_bytes(&mut bell, b"kept", "a kept connection");
    let mut clients: Vec<_> = (0..5)
        .map(|_| {
            let mut client = connect_with_little_room(peer.addr());
            client.write_all(b"request\n").expect("room for a small request");
            expect_bytes(&mut client, &long[..10], "the beginning");
            client
        })
        .collect();
    for _ in 0..6 {
        peer.take(PATIENCE).expect("the kernel has taken it");
    }
    let finishing = thread::spawn(move || finished(peer));
    end_of_file(&mut bell, "finishing has begun");
    for client in &mut clients {
        same_bytes(&read_all_and_send(client), &long[10..], "the rest");
    }
    drop(clients);
    let journal = over_within(LIMIT, "finish", move || finishing.join()).expect("no panic");
    assert_eq!(journal.exchanges().count(), 6);
}

#[test]
fn connections_that_are_closing_do_not_outlive_the_peer() {
    let peer = answering_lines("answer");
    let mut clients: Vec<_> = (0..50)
        .map(|_| {
            let mut client = connect(peer.addr());
            client.write_all(b"request\n").expect("room for a small request");
            assert_eq!(read_all(&mut client), b"answer");
            client
        })
        .collect();
    let journal = over_within(LIMIT, "finish", move || finished(peer));
    for record in journal.connections() {
        assert!(record.closed_at().is_some(), "{journal}");
        assert_eq!(record.client_end(), ClientEnd::ClosedByUs, "{journal}");
    }
    for client in &mut clients {
        // The peer's socket is closed, not only shut down: what is sent now is answered with a reset.
        let refused = (0..1000).any(|_| {
            thread::yield_now();
            client.write_all(b"x").is_err()
        });
        assert!(refused, "the connection is still open");
    }
}
