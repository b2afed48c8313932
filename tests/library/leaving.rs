//! Clients that have their answer and stay connected while others connect, as a peer sees them: their connections are drained
//! whatever else the peer serves, and no client waits for another.

use std::io::Write;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use fake_peer::{ClientEnd, Framing, Peer, Response, TcpServer};
use fake_peer_test_support::{
    PATIENCE, ask, connect, eventually, expect_bytes, finished, patient, read_all, reset, spawned,
};

/// What needs no waiting takes less than this, also on a busy machine.
const QUICK: Duration = Duration::from_secs(5);

/// A short linger time.
const SHORT: Duration = Duration::from_millis(100);

/// A client that has its answer, on a connection that is not the peer's first.
fn answered(peer: &Peer) -> TcpStream {
    assert_eq!(ask(peer, b"first\n"), b"answer");
    stays(peer)
}

fn stays(peer: &Peer) -> TcpStream {
    let mut client = connect(peer);
    client.write_all(b"stays\n").expect("room for a small request");
    assert_eq!(read_all(&mut client), b"answer", "the whole answer, to its end");
    client
}

/// How the connection ended, if it has ended.
fn end_of(peer: &Peer, connection: usize) -> Option<ClientEnd> {
    let journal = peer.journal();
    let record = &journal.connections()[connection - 1];
    record.closed_at().map(|_| record.client_end())
}

#[test]
fn a_client_that_closes_after_its_answer_is_seen_to_close_though_nobody_else_comes() {
    let peer = spawned(patient().source("answer"));
    drop(answered(&peer));
    eventually("seen", || end_of(&peer, 2).is_some());
    assert_eq!(end_of(&peer, 2), Some(ClientEnd::Closed));
    finished(peer);
}

#[test]
fn a_client_that_resets_after_its_answer_is_seen_to_reset() {
    let peer = spawned(patient().source("answer"));
    reset(answered(&peer));
    eventually("seen", || end_of(&peer, 2).is_some());
    assert_eq!(end_of(&peer, 2), Some(ClientEnd::Reset));
    finished(peer);
}

#[test]
fn a_client_that_stays_after_its_answer_is_closed_after_the_linger_time() {
    let peer = spawned(patient().linger(SHORT).source("answer"));
    let client = answered(&peer);
    let start = Instant::now();
    eventually("closed", || end_of(&peer, 2).is_some());
    assert!(start.elapsed() >= SHORT / 2, "not before its time: {:?}", start.elapsed());
    assert_eq!(end_of(&peer, 2), Some(ClientEnd::ClosedByUs));
    drop(client);
    finished(peer);
}

#[test]
fn a_client_that_stays_is_looked_at_though_others_never_stop_coming() {
    let peer = spawned(patient().linger(SHORT).source("answer"));
    let client = answered(&peer);
    eventually("closed", || {
        assert_eq!(ask(&peer, b"another\n"), b"answer");
        end_of(&peer, 2).is_some()
    });
    assert_eq!(end_of(&peer, 2), Some(ClientEnd::ClosedByUs));
    drop(client);
    finished(peer);
}

#[test]
fn a_client_that_stays_is_looked_at_though_the_next_one_is_slow() {
    let peer = spawned(patient().linger(SHORT).framing(Framing::until("\n")).source("answer"));
    let client = answered(&peer);
    let mut slow = connect(&peer);
    slow.write_all(b"half").expect("room for half a request");
    eventually("closed", || end_of(&peer, 2).is_some());
    drop(client);
    slow.write_all(b" and half\n").expect("room for the other half");
    assert_eq!(read_all(&mut slow), b"answer");
    finished(peer);
}

#[test]
fn clients_that_go_on_sending_after_their_answer_are_read_to_their_end() {
    const MUCH: usize = 8 << 20;
    let builder = patient().linger(Duration::from_secs(60)).framing(Framing::until("\n"));
    let peer = spawned(builder.source("answer"));
    let mut clients: Vec<_> = (0..3).map(|_| answered(&peer)).collect();
    std::thread::scope(|scope| {
        for client in &mut clients {
            scope.spawn(|| client.write_all(&vec![b'x'; MUCH]).expect("somebody who reads"));
        }
    });
    assert_eq!(ask(&peer, b"another\n"), b"answer");
    drop(clients);
    let journal = finished(peer);
    let trailing = journal.connections().iter().filter(|record| record.trailing_len() > 0);
    let lengths: Vec<_> = trailing.map(fake_peer::ConnectionRecord::trailing_len).collect();
    assert_eq!(lengths, [MUCH as u64; 3], "all that each of them sent");
}

#[test]
fn finish_does_not_wait_for_many_clients_one_after_another() {
    let peer = spawned(patient().linger(Duration::from_secs(60)).source("answer"));
    let clients: Vec<_> = (0..500).map(|_| stays(&peer)).collect();
    let start = Instant::now();
    let journal = finished(peer);
    assert!(start.elapsed() < QUICK, "finish took {:?}", start.elapsed());
    assert_eq!(journal.connections().len(), clients.len());
    let open = journal.connections().iter().filter(|record| record.closed_at().is_none());
    assert_eq!(open.count(), 0, "connections without an end");
}

#[test]
fn a_client_that_is_never_silent_does_not_keep_others_waiting() {
    let peer = spawned(patient().framing(Framing::until("\n")).source("answer"));
    assert_eq!(ask(&peer, b"first\n"), b"answer");
    let mut chatty = connect(&peer);
    let mut asked = connect(&peer);
    asked.write_all(b"behind it\n").expect("room for a small request");
    std::thread::scope(|scope| {
        let answered = scope.spawn(|| expect_bytes(&mut asked, b"answer", "behind a chatty one"));
        let start = Instant::now();
        while !answered.is_finished() {
            assert!(start.elapsed() < QUICK, "kept waiting");
            chatty.write_all(b"and ").expect("somebody who reads");
            // A pause that sets the pace; the order does not depend on it.
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    chatty.write_all(b"so on\n").expect("somebody who reads");
    assert_eq!(read_all(&mut chatty), b"answer");
    drop(asked);
    finished(peer);
}

#[test]
fn a_long_answer_that_is_taken_slowly_does_not_keep_others_waiting() {
    let long = Response::new().repeat("0123456789", 64 << 20);
    let peer = spawned(patient().framing(Framing::until("\n")).source(long));
    let mut clients: Vec<_> = (0..4).map(|_| connect(&peer)).collect();
    for client in &mut clients {
        client.write_all(b"all\n").expect("room for a small request");
    }
    for client in clients.iter_mut().rev() {
        expect_bytes(client, b"0123456789", "the beginning, while others have not read theirs");
    }
    for client in &mut clients {
        assert_eq!(read_all(client).len(), (64 << 20) - 10);
    }
    drop(clients);
    finished(peer);
}

#[test]
fn finish_does_not_wait_for_a_client_that_trickles_and_never_reads() {
    let response = Response::new().repeat("x", 50_000_000);
    let peer = TcpServer::builder()
        .timeout(Duration::from_millis(200))
        .linger(Duration::from_millis(200))
        .source(response)
        .spawn()
        .expect("a peer");
    let mut client = connect(&peer);
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("room");
    let (finished, is_finished) = std::sync::mpsc::channel::<()>();
    let trickling = thread::spawn(move || {
        // Bytes that would count if the peer were not finishing.
        while is_finished.try_recv().is_err() && client.write_all(b"x").is_ok() {
            thread::sleep(Duration::from_millis(50));
        }
    });
    let start = Instant::now();
    peer.finish().expect_err("a client that took nothing");
    assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
    let _ = finished.send(());
    trickling.join().expect("no panic");
}
