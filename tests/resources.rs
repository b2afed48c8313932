//! What peers use and give back: threads, descriptors, memory. One test, alone in its process, since it counts what
//! the whole process uses.
#![cfg(target_os = "linux")]

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Instant;

use fake_peer::{Framing, Peer, Request, Response};
use fake_peer_test_support::{
    ask, connect, eventually, expect_bytes, finished, patient, read_all, spawned,
};

const MANY_PEERS: u16 = 10_000;

const IDLE_PEERS: u16 = 200;

/// How much memory an idle peer may take.
const ALLOWED_KIB_EACH: u64 = 16;

/// How much more memory may be in use after many peers than after a few: what allocators keep.
const ALLOWED_KIB_LEFT: u64 = 4 * 1024;

const CONNECTIONS: usize = 2_000;

/// Both ends of all connections are in this process.
const DESCRIPTORS_NEEDED: u64 = 5_000;

#[test]
#[ignore = "needs 5000 descriptors"]
fn peers_take_little_and_give_it_back() {
    assert!(
        descriptor_limit() >= DESCRIPTORS_NEEDED,
        "fewer than {DESCRIPTORS_NEEDED} descriptors are allowed: see `ulimit -n`"
    );
    let idle = idle_peers_take_a_descriptor_each_and_no_thread();
    say(&format!("{IDLE_PEERS} idle peers: {idle} KiB"));
    many_peers_leave_nothing_behind();
    many_connections_are_open_at_once();
    assert!(
        idle <= ALLOWED_KIB_EACH * u64::from(IDLE_PEERS),
        "{IDLE_PEERS} idle peers take {idle} KiB, more than {ALLOWED_KIB_EACH} KiB each"
    );
}

#[allow(clippy::print_stdout)] // figures, for who runs this with `--nocapture`
fn say(text: &str) {
    println!("{text}");
}

/// What the process uses, apart from memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    threads: usize,
    descriptors: usize,
}

fn held() -> Held {
    let entries = |path| fs::read_dir(path).expect("/proc is mounted").count();
    // Reading the folder itself takes one descriptor.
    Held { threads: entries("/proc/self/task"), descriptors: entries("/proc/self/fd") }
}

/// A joined thread may stay on the list for a moment.
#[track_caller]
fn eventually_held(case: &str, expected: Held) {
    let mut last = held();
    eventually(&format!("{case}: {expected:?} in the end"), || {
        last = held();
        last == expected
    });
}

/// Counted page by page: the figure in `/proc/self/status` is updated only now and then.
fn resident_kib() -> u64 {
    let rollup = fs::read_to_string("/proc/self/smaps_rollup").expect("/proc is mounted");
    rollup
        .lines()
        .find_map(|line| line.strip_prefix("Rss:")?.trim().strip_suffix(" kB")?.parse().ok())
        .unwrap_or_else(|| panic!("no resident size in {rollup}"))
}

fn descriptor_limit() -> u64 {
    let limits = fs::read_to_string("/proc/self/limits").expect("/proc is mounted");
    limits
        .lines()
        .find_map(|line| {
            line.strip_prefix("Max open files")?.split_whitespace().next()?.parse().ok()
        })
        .unwrap_or(u64::MAX)
}

/// Whether all threads but this one wait for something.
fn all_others_wait() -> bool {
    let tasks = fs::read_dir("/proc/self/task").expect("/proc is mounted");
    let states = tasks.filter_map(|task| {
        let stat = fs::read_to_string(task.ok()?.path().join("stat")).ok()?;
        stat.rsplit(')').next()?.trim().chars().next()
    });
    states.filter(|&state| state != 'S').count() <= 1
}

/// Another address for each: ports that were just used stay in use for a while.
fn loopback(number: u16) -> SocketAddr {
    let [high, low] = number.to_be_bytes();
    (Ipv4Addr::new(127, 1, high, low), 0).into()
}

/// How many KiB they use.
fn idle_peers_take_a_descriptor_each_and_no_thread() -> u64 {
    // What the first peers allocate once is not theirs.
    for number in 0..50 {
        finished(spawned(patient().addr(loopback(number))));
    }
    let mut peers: Vec<Peer> = Vec::with_capacity(IDLE_PEERS.into());
    let before = held();
    let resident = resident_kib();

    peers.extend((0..IDLE_PEERS).map(|number| spawned(patient().addr(loopback(number)))));
    eventually("all of them wait for clients", all_others_wait);

    let growth = resident_kib().saturating_sub(resident);
    let expected = Held { threads: before.threads, descriptors: before.descriptors + peers.len() };
    assert_eq!(held(), expected, "a descriptor and no thread for each of {IDLE_PEERS} peers");
    drop(peers);
    eventually_held("idle peers", before);
    growth
}

fn many_peers_leave_nothing_behind() {
    let before = held();
    let start = Instant::now();
    let mut resident = 0;
    for number in 0..MANY_PEERS {
        let peer = spawned(patient().addr(loopback(number)).source("answer")).expect(1);
        assert_eq!(ask(peer.addr(), b"request"), b"answer", "peer {number}");
        finished(peer);
        if number == MANY_PEERS / 10 {
            resident = resident_kib();
        }
    }
    let left = resident_kib().saturating_sub(resident);
    say(&format!(
        "{MANY_PEERS} peers: {:?} each, {left} KiB left",
        start.elapsed() / u32::from(MANY_PEERS)
    ));
    assert!(left <= ALLOWED_KIB_LEFT, "{MANY_PEERS} peers left {left} KiB behind");
    eventually_held("many peers", before);
}

fn many_connections_are_open_at_once() {
    let before = held();
    let start = Instant::now();
    let resident = resident_kib();
    let peer = spawned(patient().addr(loopback(0)).framing(Framing::until("\n")).source(
        |request: &Request| match request.bytes() {
            b"keep\n" => Response::from("kept").keep_open(),
            _ => Response::from("answer"),
        },
    ));
    let mut clients: Vec<TcpStream> = Vec::with_capacity(CONNECTIONS);
    for number in 0..CONNECTIONS {
        let mut client = connect(peer.addr());
        if number % 2 == 0 {
            client.write_all(b"half").expect("room for half a request");
        } else {
            client.write_all(b"keep\n").expect("room for a small request");
            expect_bytes(&mut client, b"kept", &format!("connection {number}"));
        }
        clients.push(client);
    }
    eventually("all have begun", || {
        let journal = peer.journal();
        let begun = |half: bool| {
            journal.connections().iter().filter(|record| (record.unfinished() == 4) == half).count()
        };
        begun(true) == CONNECTIONS / 2 && journal.exchanges().count() == CONNECTIONS / 2
    });
    let each = resident_kib().saturating_sub(resident).div_ceil(CONNECTIONS as u64);
    say(&format!("{CONNECTIONS} connections: {each} KiB each, {:?} in all", start.elapsed()));

    for client in &mut clients {
        client.write_all(b" and half\n").expect("room for the other half");
    }
    for (number, client) in clients.iter_mut().enumerate() {
        assert_eq!(read_all(client), b"answer", "connection {number}");
    }
    let journal = finished(peer);
    assert_eq!(journal.connections().len(), CONNECTIONS);
    assert_eq!(journal.exchanges().count(), CONNECTIONS + CONNECTIONS / 2);
    let whole = journal.exchanges().filter(|exchange| exchange.request().is_complete()).count();
    assert_eq!(whole, CONNECTIONS + CONNECTIONS / 2, "all requests are whole");
    drop(clients);
    eventually_held("many connections", before);
    say(&format!("{CONNECTIONS} connections served after {:?}", start.elapsed()));
}
