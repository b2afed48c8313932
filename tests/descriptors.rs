//! A peer in a process that has no descriptor left: no connection is lost. Alone in its file, one test after another: the limit is the
//! process's.

#![cfg(unix)]

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use fake_peer::{ClientEnd, Error, Journal, Peer, Request};
use fake_peer_test_support::{
    PATIENCE, eventually, over_within, patient, read_all, set_descriptor_limit, spawned,
    unshared_addr,
};
use socket2::{Domain, Socket, Type};

/// Of the process: more than what is open at the beginning.
const DESCRIPTORS: u64 = 100;

const GET: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

#[track_caller]
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    set_descriptor_limit(DESCRIPTORS);
    alone
}

/// Everything that is left, until this is dropped.
struct Descriptors(#[allow(dead_code)] Vec<File>);

impl Descriptors {
    fn all() -> Self {
        let mut all = Vec::new();
        loop {
            match File::open("/dev/null") {
                Ok(file) => all.push(file),
                Err(error) => {
                    assert!(all.len() < 1_000, "no limit");
                    assert_eq!(error.raw_os_error(), Some(libc::EMFILE), "{error}");
                    return Descriptors(all);
                }
            }
        }
    }
}

/// Clients that have their descriptors already.
fn sockets(count: usize) -> Vec<Socket> {
    let socket = |_| Socket::new(Domain::IPV4, Type::STREAM, None).expect("a descriptor");
    (0..count).map(socket).collect()
}

fn connect_and_ask(socket: Socket, addr: SocketAddr) -> TcpStream {
    socket.connect(&addr.into()).expect("a listening peer");
    let mut client = TcpStream::from(socket);
    client.set_read_timeout(Some(PATIENCE)).expect("an open socket");
    client.write_all(GET).expect("room for a small request");
    client
}

/// The same answer from both kinds of source.
fn peers() -> [(&'static str, Peer); 2] {
    let builder = || patient().addr(unshared_addr());
    [
        ("a fixed answer", spawned(builder().source("answer"))),
        ("a closure", spawned(builder().source(|_: &Request| "answer"))),
    ]
}

/// Serving has succeeded, or has reported that nothing could be accepted for a while.
#[track_caller]
fn nothing_else_is_wrong(result: Result<Journal, Error>, case: &str) {
    match result {
        Ok(_) | Err(Error::Accept { .. }) => {}
        Err(error) => panic!("{case}: {}", error.report()),
    }
}

#[test]
fn a_connection_that_comes_without_a_descriptor_is_served_when_there_is_one() {
    let _alone = alone();
    for (case, peer) in peers() {
        let sockets = sockets(3);
        let descriptors = Descriptors::all();
        let mut clients: Vec<_> =
            sockets.into_iter().map(|socket| connect_and_ask(socket, peer.addr())).collect();
        // Time to fail in; the order does not depend on it.
        thread::sleep(Duration::from_millis(50));
        drop(descriptors);
        for (number, client) in clients.iter_mut().enumerate() {
            assert_eq!(read_all(client), b"answer", "{case}: client {number}");
        }
        assert_eq!(peer.journal().exchanges().count(), 3, "{case}");
        let mut later = connect_and_ask(sockets_of_one(), peer.addr());
        assert_eq!(read_all(&mut later), b"answer", "{case}: a later client");
        drop((clients, later));
        let result = over_within(2 * PATIENCE, case, move || peer.finish());
        nothing_else_is_wrong(result, case);
    }
}

/// The process has one in reserve from the start of a peer on.
#[test]
fn clients_that_come_one_after_another_are_served_without_a_descriptor() {
    let _alone = alone();
    for _ in 0..3 {
        let peer = spawned(patient().addr(unshared_addr()).source("answer"));
        let sockets = sockets(3);
        let descriptors = Descriptors::all();
        // Kept, since a client that is dropped would give back its own.
        let mut clients = Vec::new();
        for socket in sockets {
            let mut client = connect_and_ask(socket, peer.addr());
            assert_eq!(read_all(&mut client), b"answer");
            client.shutdown(Shutdown::Write).expect("an open socket");
            eventually("the peer has closed, too", || {
                peer.journal().connections().iter().all(|c| c.client_end() == ClientEnd::Closed)
            });
            clients.push(client);
        }
        // The last connection may still have its descriptor, without which a finish could accept no other.
        drop(descriptors);
        let result = over_within(2 * PATIENCE, "finish", move || peer.finish());
        assert_eq!(result.expect("nothing is wrong").exchanges().count(), 3);
    }
}

fn sockets_of_one() -> Socket {
    sockets(1).pop().expect("one")
}

#[test]
fn a_connection_that_waits_without_a_descriptor_when_the_peer_finishes_is_served_or_reported() {
    let _alone = alone();
    for round in 0..30 {
        for (case, peer) in peers() {
            let case = format!("{case}, round {round}");
            let sockets = sockets(3);
            let descriptors = Descriptors::all();
            let mut clients: Vec<_> =
                sockets.into_iter().map(|socket| connect_and_ask(socket, peer.addr())).collect();
            let result = over_within(2 * PATIENCE, &case, move || peer.finish());
            drop(descriptors);
            match result {
                Ok(journal) => {
                    assert_eq!(journal.exchanges().count(), 3, "{case}: lost\n{journal}");
                    for client in &mut clients {
                        assert_eq!(read_all(client), b"answer", "{case}");
                    }
                }
                Err(Error::Accept { .. }) => {}
                Err(error) => panic!("{case}: {}", error.report()),
            }
        }
    }
}

#[test]
fn the_drop_serves_or_reports_a_connection_that_waits_without_a_descriptor() {
    let _alone = alone();
    for (case, peer) in peers() {
        let sockets = sockets(2);
        let descriptors = Descriptors::all();
        let addr = peer.addr();
        let clients: Vec<_> =
            sockets.into_iter().map(|socket| connect_and_ask(socket, addr)).collect();
        let dropped = over_within(2 * PATIENCE, case, move || {
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(peer)))
        });
        drop(descriptors);
        if let Err(payload) = dropped {
            let text = payload.downcast_ref::<String>().expect("the report of an error");
            let expected =
                format!("when the peer was dropped: failed to accept a connection on {addr}");
            assert!(text.starts_with(&expected), "{case}: {text}");
        } else {
            for mut client in clients {
                assert_eq!(read_all(&mut client), b"answer", "{case}");
            }
        }
        let error = TcpStream::connect(addr).expect_err("the port is closed");
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{case}");
    }
}

#[test]
fn a_peer_without_a_descriptor_waits_and_does_not_spin() {
    let _alone = alone();
    for (case, peer) in peers() {
        let sockets = sockets(3);
        let descriptors = Descriptors::all();
        let clients: Vec<_> =
            sockets.into_iter().map(|socket| connect_and_ask(socket, peer.addr())).collect();
        let before = processor_time();
        // The time in which it is measured.
        thread::sleep(Duration::from_secs(1));
        let used = processor_time().saturating_sub(before);
        drop(descriptors);
        assert!(used < Duration::from_millis(300), "{case}: {used:?} of a second");
        drop(clients);
        let result = over_within(2 * PATIENCE, case, move || peer.finish());
        nothing_else_is_wrong(result, case);
    }
}

/// What all threads of this process have used.
#[allow(unsafe_code)] // std has no such clock
fn processor_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a timespec that the call may write.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    assert_eq!(result, 0, "a clock of the process");
    let seconds = u64::try_from(time.tv_sec).expect("a time that has passed");
    Duration::new(seconds, u32::try_from(time.tv_nsec).expect("less than a second"))
}

#[cfg(target_os = "linux")] // elsewhere no peer goes down
#[test]
fn a_peer_that_cannot_go_down_says_so_and_goes_on_serving() {
    let _alone = alone();
    for (case, peer) in peers() {
        let mut holding = Vec::new();
        let mut clients = sockets(1);
        // The process has a descriptor in reserve, and a peer that is down gives one back.
        let error = loop {
            holding.push(Descriptors::all());
            match peer.down() {
                Ok(()) => peer.up().expect("no descriptor is needed"),
                Err(error) => break error,
            }
            assert!(holding.len() < 10, "{case}: always a descriptor");
        };
        assert!(matches!(error, Error::Refuse { .. }), "{case}: {error:?}");
        let cause = error.io_error().and_then(std::io::Error::raw_os_error);
        assert_eq!(cause, Some(libc::EMFILE), "{case}: {error:?}");
        let client = clients.pop().expect("one");
        let mut client = connect_and_ask(client, peer.addr());
        drop(holding);
        assert_eq!(read_all(&mut client), b"answer", "{case}");
        peer.down().expect("descriptors");
        peer.up().expect("up");
        let mut later = connect_and_ask(sockets_of_one(), peer.addr());
        assert_eq!(read_all(&mut later), b"answer", "{case}: a later client");
        drop((client, later));
        nothing_else_is_wrong(over_within(2 * PATIENCE, case, move || peer.finish()), case);
    }
}
