//! A peer that goes down and up again on the same port, and one whose port closes after some exchanges.

// Only Linux lets a server keep its port without listening.
#![cfg(target_os = "linux")]

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv6Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use fake_peer::{Ending, Error, FileSource, Framing, Peer, Request, Response, TcpServer};
use fake_peer_test_support::{
    Crowd, PATIENCE, ask, bound, connect, end_of_file, eventually, expect_bytes, finished,
    in_lines, over_within, patient, place, read_all, read_to_its_end, refuses, serve_with, spawned,
    try_connect,
};
use socket2::{Domain, Socket, Type};

#[track_caller]
fn down(peer: &Peer) {
    if let Err(error) = peer.down() {
        panic!("down, not: {}", error.report());
    }
}

#[track_caller]
fn up(peer: &Peer) {
    if let Err(error) = peer.up() {
        panic!("up, not: {}", error.report());
    }
}

#[test]
fn a_peer_that_is_down_refuses_and_serves_on_the_same_port_when_it_is_up() {
    let peer = in_lines();
    let addr = place(&peer);
    for round in 0..5 {
        assert_eq!(ask(addr, b"request\n"), b"answer", "round {round}");
        down(&peer);
        for attempt in 0..3 {
            refuses(addr, &format!("round {round}, attempt {attempt}"));
        }
        up(&peer);
    }
    assert_eq!(ask(addr, b"request\n"), b"answer");
    assert_eq!(place(&peer), addr);
    assert_eq!(finished(peer).exchanges().count(), 6);
}

#[test]
fn down_and_up_twice_are_harmless() {
    let peer = in_lines();
    up(&peer);
    for _ in 0..2 {
        down(&peer);
    }
    refuses(&peer, "down twice");
    for _ in 0..2 {
        up(&peer);
    }
    assert_eq!(ask(&peer, b"request\n"), b"answer");
    finished(peer);
}

#[test]
fn connections_that_are_open_when_it_goes_down_go_on() {
    let peer = in_lines();
    let mut kept = connect(&peer);
    kept.write_all(b"keep\n").expect("room");
    expect_bytes(&mut kept, b"kept", "before");
    let mut half = connect(&peer);
    half.write_all(b"requ").expect("room");
    for _ in 0..3 {
        down(&peer);
        kept.write_all(b"keep\n").expect("room");
        expect_bytes(&mut kept, b"kept", "while it is down");
        up(&peer);
        kept.write_all(b"keep\n").expect("room");
        expect_bytes(&mut kept, b"kept", "when it is up");
    }
    down(&peer);
    half.write_all(b"est\n").expect("room");
    assert_eq!(read_all(&mut half), b"answer");
    finished(peer);
    end_of_file(&mut kept, "finish closes it");
}

#[test]
fn connections_in_the_backlog_are_served() {
    let peer = spawned(patient().framing(Framing::until("\n")).source("answer"));
    for round in 0..20 {
        let mut clients: Vec<_> = (0..20).map(|_| connect(&peer)).collect();
        down(&peer);
        refuses(&peer, "down");
        for client in &mut clients {
            client.write_all(b"request\n").expect("room");
            assert_eq!(read_all(client), b"answer", "round {round}");
        }
        up(&peer);
    }
    finished(peer);
}

#[test]
fn going_down_ends_though_clients_never_stop_coming() {
    let peer = Arc::new(spawned(patient().backlog(16).source("answer")));
    let addr = place(&peer);
    let crowd = Crowd::of(4, move |_, goes_on| {
        while goes_on.yes() {
            // Refused or reset in between.
            if let Ok(mut client) = try_connect(addr) {
                let _ = client.write_all(b"hello");
                let _ = client.read(&mut [0; 16]);
            }
        }
    });
    let restarting = Arc::clone(&peer);
    over_within(PATIENCE, "down and up", move || {
        for _ in 0..50 {
            down(&restarting);
            thread::yield_now();
            up(&restarting);
        }
    });
    drop(crowd);
    assert_eq!(ask(addr, b"hello"), b"answer");
    // A client that was reset is a failure of its exchange, perhaps.
    let _ = Arc::into_inner(peer).expect("the only one").finish();
}

#[test]
fn finish_and_the_drop_work_while_it_is_down() {
    let peer = in_lines();
    let addr = place(&peer);
    assert_eq!(ask(addr, b"request\n"), b"answer");
    down(&peer);
    let journal = over_within(PATIENCE, "finish", move || finished(peer));
    assert_eq!(journal.exchanges().count(), 1);
    refuses(addr, "finished");
    let peer = in_lines();
    down(&peer);
    over_within(PATIENCE, "the drop", move || drop(peer));
}

#[test]
fn nothing_else_gets_the_port_of_a_peer_that_is_down() {
    let peer = in_lines();
    let open = connect(&peer);
    down(&peer);
    let error = TcpServer::builder().addr(peer.addr()).bind().expect_err("in use");
    assert_eq!(error.io_error().map(std::io::Error::kind), Some(ErrorKind::AddrInUse));
    for reuses in [false, true] {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.set_reuse_address(reuses).expect("an open socket");
        let error = socket.bind(&peer.addr().into()).expect_err("in use");
        assert_eq!(error.kind(), ErrorKind::AddrInUse, "{reuses}");
    }
    drop(open);
    up(&peer);
    assert_eq!(ask(&peer, b"request\n"), b"answer");
    finished(peer);
}

#[test]
fn a_listener_of_the_user_goes_down_and_up_too() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let clone = listener.try_clone().expect("a descriptor");
    let peer = spawned(patient().listener(listener).source("answer"));
    down(&peer);
    refuses(&peer, "though a clone of it is open");
    up(&peer);
    assert_eq!(ask(&peer, b"hello"), b"answer");
    drop(clone);
    finished(peer);
}

#[test]
fn an_ipv6_address_goes_down_and_up_too() {
    // A machine may have no IPv6.
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        return;
    }
    for addr in ["[::1]:0", "[::]:0"] {
        let peer = spawned(patient().addr(addr).source("answer"));
        let addr = SocketAddr::from((Ipv6Addr::LOCALHOST, peer.port()));
        assert_eq!(ask(addr, b"hello"), b"answer");
        down(&peer);
        refuses(addr, "down");
        up(&peer);
        assert_eq!(ask(addr, b"hello"), b"answer");
        finished(peer);
    }
}

#[test]
fn user_code_can_take_its_peer_down() {
    let shared: Arc<Mutex<Option<Arc<Peer>>>> = Arc::default();
    let own = Arc::clone(&shared);
    let source = move |request: &Request| {
        let peer = own.lock().expect("no panic").clone().expect("it is there");
        if request.bytes() == b"die" {
            peer.down().expect("down");
        }
        Response::from("answer")
    };
    let peer = Arc::new(spawned(patient().source(source)));
    *shared.lock().expect("no panic") = Some(Arc::clone(&peer));
    assert_eq!(ask(&peer, b"live"), b"answer");
    assert_eq!(ask(&peer, b"die"), b"answer");
    refuses(&peer, "dead");
    up(&peer);
    assert_eq!(ask(&peer, b"live"), b"answer");
    shared.lock().expect("no panic").take();
    eventually("the source has let go of it", || Arc::strong_count(&peer) == 1);
    finished(Arc::into_inner(peer).expect("the only one"));
}

#[test]
fn the_port_closes_after_so_many_exchanges() {
    for exchanges in [1, 2, 5] {
        let peer = spawned(patient().source("answer").closes_after(exchanges));
        let addr = place(&peer);
        for number in 1..=exchanges {
            assert_eq!(ask(addr, b"hello"), b"answer", "{number} of {exchanges}");
        }
        for _ in 0..3 {
            refuses(addr, &format!("after {exchanges} exchanges"));
        }
        assert_eq!(finished(peer).exchanges().count() as u64, exchanges);
    }
}

#[test]
fn the_port_is_closed_when_the_last_byte_arrives_whatever_the_ending() {
    for ending in [Ending::Close, Ending::Reset, Ending::CloseAtOnce, Ending::KeepOpen] {
        for round in 0..20 {
            let response = Response::from("answer").ending(ending.clone());
            let peer = spawned(patient().source(response).closes_after(1));
            let mut client = connect(&peer);
            client.write_all(b"hello").expect("room");
            expect_bytes(&mut client, b"answer", "all of it");
            refuses(&peer, &format!("{ending:?}, round {round}"));
            drop(client);
            finished(peer);
        }
    }
    // Of responses without a byte, and of those that failed, the client sees the end.
    let missing = FileSource::new("no/such/file");
    let peer = spawned(patient().source(missing).closes_after(1));
    assert_eq!(ask(&peer, b"hello"), b"");
    refuses(&peer, "a failed exchange");
    peer.finish().expect_err("the failure");
    let peer = spawned(patient().source(Response::new()).closes_after(1));
    assert_eq!(ask(&peer, b"hello"), b"");
    refuses(&peer, "an empty response");
    finished(peer);
}

#[test]
fn connections_that_are_open_when_the_port_closes_go_on() {
    let source = |request: &Request| match request.bytes() {
        b"keep\n" => Response::from("kept").keep_open(),
        _ => Response::from("answer"),
    };
    let peer = spawned(patient().framing(Framing::until("\n")).source(source).closes_after(2));
    let mut kept = connect(&peer);
    for turn in 1..=4 {
        kept.write_all(b"keep\n").expect("room");
        expect_bytes(&mut kept, b"kept", &format!("turn {turn}"));
        if turn >= 2 {
            refuses(&peer, &format!("turn {turn}"));
        }
    }
    kept.write_all(b"enough\n").expect("room");
    assert_eq!(read_all(&mut kept), b"answer");
    assert_eq!(finished(peer).exchanges().count(), 5);
}

#[test]
fn clients_beyond_the_last_exchange_are_served_reset_or_refused_and_none_hangs() {
    let peer = spawned(patient().framing(Framing::until("\n")).source("answer").closes_after(1));
    let addr = place(&peer);
    let (ended, ends) = mpsc::channel();
    let clients: Vec<_> = (0..20)
        .map(|_| {
            let ended = ended.clone();
            thread::spawn(move || {
                let end = try_connect(addr).and_then(|mut client| {
                    client.set_read_timeout(Some(PATIENCE))?;
                    client.write_all(b"request\n")?;
                    let mut answer = Vec::new();
                    client.read_to_end(&mut answer)?;
                    Ok(answer)
                });
                ended.send(end.map_err(|error| error.kind())).expect("the test listens");
            })
        })
        .collect();
    drop(ended);
    let mut served = 0;
    for end in ends {
        use ErrorKind::{BrokenPipe, ConnectionRefused, ConnectionReset};
        match end {
            Ok(answer) if answer == b"answer" => served += 1,
            Err(ConnectionRefused | ConnectionReset | BrokenPipe) => {}
            other => panic!("{other:?}"),
        }
    }
    for client in clients {
        client.join().expect("no panic");
    }
    refuses(addr, "after the first exchange");
    assert!(served >= 1);
    finished(peer);
}

#[test]
fn up_opens_a_port_that_has_closed_for_as_many_exchanges_again() {
    let peer = spawned(patient().source("answer").closes_after(2));
    for round in 0..3 {
        for _ in 0..2 {
            assert_eq!(ask(&peer, b"hello"), b"answer", "round {round}");
        }
        refuses(&peer, &format!("round {round}"));
        up(&peer);
    }
    finished(peer);
}

#[test]
fn a_server_in_the_foreground_closes_its_port_too() {
    let server = bound(patient().source("answer").closes_after(1));
    let addr = place(&server);
    let (exchange, answer) = serve_with(&server, || {
        let mut client = connect(addr);
        client.write_all(b"hello").expect("room");
        read_to_its_end(&mut client)
    });
    exchange.expect("served");
    assert_eq!(answer, (b"answer".to_vec(), None));
    refuses(addr, "after its exchange");
    let server = server.accept_timeout(std::time::Duration::from_millis(20));
    assert!(matches!(server.serve_once(), Err(Error::NoRequest { .. })));
}
