//! A port never comes back within a process, as long as there are others: a pooled client of an earlier peer never meets a later one.

use std::collections::HashSet;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use fake_peer::faults::{self, Unserved};
use fake_peer::{Framing, Peer, Response, TcpServer};
use fake_peer_test_support::{PATIENCE, connect, finished, read_to_its_end, spawned};

/// The system gives a port again within some dozens of binds. Under Wine a peer takes some 7 ms.
const MANY: usize = if cfg!(windows) { 600 } else { 6000 };

/// A peer whose one connection ends with a reset, after which the system has nothing that keeps the port from being given again.
fn one_reset() -> u16 {
    let peer = Peer::answer(faults::reset_on_accept());
    let port = peer.port();
    // The reset may come while it connects.
    if let Ok(mut client) = TcpStream::connect_timeout(&peer.addr(), PATIENCE) {
        // It may have come before this call, too.
        let _ = client.set_read_timeout(Some(PATIENCE));
        read_to_its_end(&mut client);
    }
    finished(peer);
    port
}

#[test]
fn no_peer_gets_the_port_of_an_earlier_one() {
    let start = Instant::now();
    let peers = || (0..MANY / 3).map(|_| one_reset()).collect::<Vec<_>>();
    let threads: Vec<_> = (0..3).map(|_| thread::spawn(peers)).collect();
    let mut seen = HashSet::new();
    for thread in threads {
        for port in thread.join().expect("no panic") {
            assert!(seen.insert(port), "port {port} came back after {} peers", seen.len());
        }
    }
    assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
}

/// Ports of servers that are gone at once, on each of these addresses in turn.
fn ports_of(addrs: &[SocketAddr], rounds: usize) -> Vec<u16> {
    let port = |addr: &SocketAddr| {
        let server = TcpServer::builder().addr(addr).bind().expect("a free port");
        server.local_addr().port()
    };
    (0..rounds).flat_map(|_| addrs.iter().map(port)).collect()
}

#[test]
fn servers_on_several_addresses_have_different_ports_too() {
    let mut addrs: Vec<SocketAddr> = vec![(Ipv4Addr::LOCALHOST, 0).into()];
    // Other systems have only one address of the loopback.
    if cfg!(target_os = "linux") {
        addrs.push((Ipv4Addr::new(127, 0, 0, 2), 0).into());
    }
    // A machine may have no IPv6.
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
        addrs.push((Ipv6Addr::LOCALHOST, 0).into());
    }
    let ports = ports_of(&addrs, 400);
    let different: HashSet<_> = ports.iter().collect();
    assert_eq!(different.len(), ports.len());
}

#[test]
fn an_address_without_a_server_has_a_port_of_its_own() {
    let unserved = || Unserved::refused().expect("a free port").port();
    let ports: Vec<_> =
        (0..400).flat_map(|_| [unserved(), ports_of(&[localhost(0)], 1)[0]]).collect();
    let different: HashSet<_> = ports.iter().collect();
    assert_eq!(different.len(), ports.len());
}

fn localhost(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

#[test]
fn a_port_that_is_asked_for_by_number_may_come_back() {
    let port = one_reset();
    for round in 0..3 {
        let server = TcpServer::builder().addr(localhost(port)).framing(Framing::nothing());
        let peer = spawned(server.source("again"));
        assert_eq!(read_to_its_end(&mut connect(peer.addr())).0, b"again", "round {round}");
        finished(peer);
    }
    assert!(!ports_of(&[localhost(0)], 400).contains(&port));
}

#[test]
fn the_port_of_a_listener_that_the_user_bound_is_known_too() {
    let listener = TcpListener::bind(localhost(0)).expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    finished(spawned(TcpServer::builder().listener(listener).source(Response::new())));
    assert!(!ports_of(&[localhost(0)], 400).contains(&port));
}

#[test]
fn a_server_listens_on_its_new_port_as_on_any_other() {
    // More than the system chooses without repeating itself: some of these are found in another way.
    for round in 0..200 {
        let peer = Peer::answer(Response::from("hi").after(Framing::nothing()));
        let mut client = connect(peer.addr());
        client.set_read_timeout(Some(Duration::from_secs(10))).expect("an open socket");
        assert_eq!(read_to_its_end(&mut client), (b"hi".to_vec(), None), "round {round}");
        // Closed by the peer first: the port is the one of a connection that has ended, and can be asked for at once.
        drop(client);
        let addr = peer.addr();
        finished(peer);
        drop(TcpServer::builder().addr(addr).bind().expect("by number"));
    }
}
