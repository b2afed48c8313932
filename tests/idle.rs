//! What idle connections cost: no thread, no wake-up, and no time when the peer finishes. Alone in its file, one test after another: it
//! counts the threads of the process, how often they wake, and how long they run.

// Linux counts the switches of a thread.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use fake_peer::{ClientEnd, Conversation, Ending, Event, Peer, Request, Response};
use fake_peer_test_support::{
    PATIENCE, blocking, connect, end_of_file, expect_bytes, finished, over_within, patient,
    raise_descriptor_limit, spawned,
};

const CONNECTIONS: usize = 1_000;

/// More than any constant number of threads that a process needs for its peers.
const FEW_THREADS: usize = 4;

/// Wake-ups in a second: of all threads, whatever their number.
const FEW_WAKE_UPS: u64 = 20;

type Start = fn() -> Peer;

const GET: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

#[track_caller]
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn kept(peer: &Peer) -> TcpStream {
    let mut client = connect(peer.addr());
    client.write_all(GET).expect("room for a small request");
    expect_bytes(&mut client, b"kept", "an answer");
    client
}

#[test]
fn idle_connections_have_no_thread_and_no_wake_up_and_are_closed_at_once() {
    let _alone = alone();
    raise_descriptor_limit(2 * CONNECTIONS as u64 + 100);
    let peers: [(&str, Start); 4] = [
        ("a fixed answer", || spawned(patient().source(Response::from("kept").keep_open()))),
        ("a closure", || {
            spawned(patient().source(|_: &Request| Response::from("kept").keep_open()))
        }),
        ("a conversation", || {
            let round = Conversation::new().expect(GET).say("kept");
            spawned(patient().source(Conversation::new().forever(round)))
        }),
        ("an observer", || {
            spawned(patient().source(Response::from("kept").keep_open()).on_event(|_| {}))
        }),
    ];
    for (case, peer) in peers {
        let before = threads().len();
        let peer = peer();
        let mut clients: Vec<_> = (0..CONNECTIONS).map(|_| kept(&peer)).collect();
        let started = threads().len().saturating_sub(before);
        assert!(started <= FEW_THREADS, "{case}: {started} threads for {CONNECTIONS} connections");
        let woken = wake_ups_in_a_second();
        assert!(woken < FEW_WAKE_UPS, "{case}: {woken} wake-ups in a second");

        let start = Instant::now();
        let journal = over_within(Duration::from_secs(60), case, move || finished(peer));
        let took = start.elapsed();
        // Ten times as wide as it should be.
        assert!(took < Duration::from_secs(1), "{case}: finish took {took:?}");
        assert_eq!(journal.connections().len(), CONNECTIONS, "{case}");
        for record in journal.connections() {
            assert_eq!(record.client_end(), ClientEnd::ClosedByUs, "{case}");
        }
        for client in &mut clients {
            end_of_file(client, case);
        }
    }
}

#[test]
fn half_requests_and_silent_clients_have_no_thread_and_no_wake_up() {
    let _alone = alone();
    raise_descriptor_limit(2 * CONNECTIONS as u64 + 100);
    let before = threads().len();
    let peer = spawned(
        patient().linger(Duration::from_millis(100)).clients_may_leave_early().source("answer"),
    );
    let mut clients: Vec<_> = (0..CONNECTIONS / 2).map(|_| connect(peer.addr())).collect();
    for client in clients.iter_mut().step_by(2) {
        client.write_all(b"GET / HT").expect("room for half a request");
    }
    fake_peer_test_support::eventually("all are there", || {
        peer.journal().connections().len() == clients.len()
    });
    let started = threads().len().saturating_sub(before);
    assert!(started <= FEW_THREADS, "{started} threads for {} connections", clients.len());
    let woken = wake_ups_in_a_second();
    assert!(woken < FEW_WAKE_UPS, "{woken} wake-ups in a second");
    drop(clients);
    over_within(Duration::from_secs(60), "finish", move || finished(peer));
}

/// A client that has read its answer acknowledges it only after 40 ms, if it sends nothing.
#[test]
fn an_idle_connection_of_a_pooled_client_costs_finish_nothing() {
    let _alone = alone();
    for (case, closure) in [("a fixed answer", false), ("a closure", true)] {
        let rounds = (0..20).map(|_| {
            let answer = Response::from("kept").keep_open();
            let peer = spawned(if closure {
                patient().source(move |_: &Request| Response::from("kept").keep_open())
            } else {
                patient().source(answer)
            });
            let client = kept(&peer);
            let start = Instant::now();
            finished(peer);
            let took = start.elapsed();
            drop(client);
            took
        });
        // The best of many: other programs run, too.
        let best = rounds.min().expect("rounds");
        assert!(best < Duration::from_millis(10), "{case}: finish took {best:?} at best");
    }
}

/// On a Unix socket nothing reports that the client has sent more beside the byte that is left unread for the reset.
#[test]
fn a_reset_over_a_unix_socket_is_looked_at_less_and_less_often_while_the_client_reads_nothing() {
    let _alone = alone();
    let body = vec![b'x'; 4 << 20];
    let answer = Response::from(body.clone()).ending(Ending::Reset);
    let peer = spawned(patient().source(answer).unix_in_temporary_folder());
    let mut client = UnixStream::connect(peer.path()).expect("a listening peer");
    client.set_read_timeout(Some(PATIENCE)).expect("an open socket");
    client.write_all(GET).expect("room for a small request");
    client.read_exact(&mut [0; 1]).expect("the response has begun");
    let woken = wake_ups_in_a_second();
    // Ten of them in each second, after some that come earlier.
    assert!(woken < FEW_WAKE_UPS, "{woken} wake-ups in a second");

    let mut rest = Vec::new();
    let error = client.read_to_end(&mut rest).expect_err("a reset");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(rest.len() + 1, body.len(), "everything came before the reset");
    finished(peer);
}

/// An observer that is slow holds up what is sent by hand, without a loop that asks again and again.
#[test]
fn bytes_that_wait_for_the_observer_take_no_time_of_a_processor() {
    let _alone = alone();
    let (held, block, entered) = blocking();
    let observer = move |event: &Event<'_>| {
        if matches!(event, Event::Sent { .. }) {
            block.until_released();
        }
    };
    let peer = patient().on_event(observer).by_hand().expect("a free port of the loopback");
    let mut client = connect(peer.addr());
    let connection = peer.accept(PATIENCE).expect("a connection");
    let (_reader, sender) = connection.split();
    let sending = thread::spawn(move || (0..200).try_for_each(|_| sender.send("piece\n")));
    entered.recv_timeout(PATIENCE).expect("the observer is called");
    expect_bytes(&mut client, &b"piece\n".repeat(50), "what is sent before the observer is late");
    let used = processor_time_in_a_second();
    held.release();
    assert!(used < Duration::from_millis(250), "{used:?} of a second");
    expect_bytes(&mut client, &b"piece\n".repeat(150), "the rest");
    sending.join().expect("no panic").expect("open");
    drop(client);
    peer.finish().expect("nothing is wrong");
}

/// How long the processors have worked for this process in a second.
fn processor_time_in_a_second() -> Duration {
    let used = || {
        let stat = fs::read_to_string("/proc/self/stat").expect("the process's times");
        // After the name, which may have anything in it: proc_pid_stat(5).
        let (_, fields) = stat.rsplit_once(')').expect("a name");
        let fields: Vec<_> = fields.split_whitespace().collect();
        let ticks = [11, 12].map(|field| fields[field].parse::<u64>().expect("a number"));
        // A hundred ticks are a second on every platform.
        Duration::from_millis(10 * ticks.iter().sum::<u64>())
    };
    let before = used();
    thread::sleep(Duration::from_secs(1));
    used().saturating_sub(before)
}

/// The threads of this process, with how often each has waited.
fn threads() -> BTreeMap<String, u64> {
    let tasks = fs::read_dir("/proc/self/task").expect("the process's threads");
    let waits = tasks.filter_map(|task| {
        let task = task.ok()?;
        // A thread may end meanwhile.
        let status = fs::read_to_string(task.path().join("status")).ok()?;
        let count =
            status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
        Some((task.file_name().into_string().ok()?, count.trim().parse().ok()?))
    });
    waits.collect()
}

/// How often all threads but this one have woken up.
fn wake_ups_in_a_second() -> u64 {
    let own = fs::read_link("/proc/thread-self").expect("this thread");
    let own = own.file_name().and_then(|name| name.to_str()).expect("a number").to_owned();
    let before = threads();
    // This is the second.
    thread::sleep(Duration::from_secs(1));
    let after = threads();
    let others = after.into_iter().filter(|(thread, _)| *thread != own);
    others.map(|(thread, count)| count - before.get(&thread).copied().unwrap_or(0)).sum()
}
