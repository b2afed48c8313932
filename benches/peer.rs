//! What a peer in the background costs, beside the servers that tests write by hand with `std::net`.
//!
//! The *floor* is the least that can be written: an accept loop that serves inline in one background thread, reads to
//! the empty line, and just closes. Its closing is wrong and it has no deadlines; a peer has both right.

#![allow(clippy::print_stdout)] // the ratios

mod pairs;

use std::hint::black_box;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use fake_peer::{Peer, Response, TcpServer};

use pairs::{next_host, ratio};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi\n";

fn main() {
    let quick = std::env::args().any(|argument| argument == "--test");
    let mut criterion = Criterion::default().configure_from_args();
    let mut ratios = Vec::new();

    let mut group = criterion.benchmark_group("start, one exchange, stop");
    group.bench_function("peer", |bencher| bencher.iter(peer_once));
    group.bench_function("floor", |bencher| bencher.iter(floor_once));
    group.finish();
    let (pairs, each) = if quick { (1, 1) } else { (101, 50) };
    let start = ratio(&mut peer_once, &mut floor_once, pairs, each);
    ratios.push(format!(
        "start, one exchange, stop: {start:.2} × the floor's time (median of {pairs} pairs)"
    ));

    for clients in [1, 8] {
        let requests = if quick { 2 } else { 2000 / clients };
        let mut group =
            criterion.benchmark_group(format!("a connection per request, {clients} clients"));
        group.throughput(Throughput::Elements((clients * requests) as u64)).sample_size(10);
        let peer = listening(ANSWER.into());
        let floor = Floor::start(Serving::Inline);
        let mut ours = || new_connections(peer.addr(), clients, requests);
        let mut theirs = || new_connections(floor.addr, clients, requests);
        group.bench_function("peer", |bencher| bencher.iter(&mut ours));
        group.bench_function("floor", |bencher| bencher.iter(&mut theirs));
        group.finish();
        let pairs = if quick { 1 } else { 21 };
        let throughput = 1.0 / ratio(&mut || ours(), &mut || theirs(), pairs, 1);
        ratios.push(format!(
            "a connection per request, {clients} clients: {throughput:.2} × the floor's throughput (median of {pairs} pairs)"
        ));
        finish(peer);
    }

    for clients in [1, 8] {
        let requests = if quick { 2 } else { 20_000 / clients };
        let mut group = criterion.benchmark_group(format!("{clients} kept connections"));
        group.throughput(Throughput::Elements((clients * requests) as u64)).sample_size(10);
        let peer = listening(Response::from(ANSWER).keep_alive());
        let floor = Floor::start(Serving::ThreadPerConnection);
        let mut ours = || kept_connections(peer.addr(), clients, requests);
        let mut theirs = || kept_connections(floor.addr, clients, requests);
        group.bench_function("peer", |bencher| bencher.iter(&mut ours));
        group.bench_function("thread per connection", |bencher| bencher.iter(&mut theirs));
        group.finish();
        let pairs = if quick { 1 } else { 21 };
        let throughput = 1.0 / ratio(&mut || ours(), &mut || theirs(), pairs, 1);
        ratios.push(format!(
            "{clients} kept connections: {throughput:.2} × the throughput of a thread per connection (median of {pairs} pairs)"
        ));
        finish(peer);
    }

    criterion.final_summary();
    for ratio in ratios {
        println!("{ratio}");
    }
}

fn listening(answer: Response) -> Peer {
    TcpServer::builder().addr(format!("{}:0", next_host())).source(answer).spawn().expect("a peer")
}

fn finish(peer: Peer) {
    black_box(peer.finish()).expect("finished");
}

fn peer_once() {
    let peer = listening(ANSWER.into());
    get(peer.addr());
    finish(peer);
}

fn floor_once() {
    let floor = Floor::start(Serving::Inline);
    get(floor.addr);
    drop(floor);
}

fn get(addr: SocketAddr) {
    let mut stream = connect(addr);
    stream.write_all(REQUEST).expect("sent");
    let mut answer = Vec::with_capacity(ANSWER.len() + 1);
    stream.read_to_end(&mut answer).expect("an answer");
    assert_eq!(answer, ANSWER);
}

fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).expect("connected");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("set");
    stream
}

fn new_connections(addr: SocketAddr, clients: usize, requests: usize) {
    at_once(clients, || {
        for _ in 0..requests {
            get(addr);
        }
    });
}

fn kept_connections(addr: SocketAddr, clients: usize, requests: usize) {
    at_once(clients, || {
        let mut stream = connect(addr);
        stream.set_nodelay(true).expect("set");
        let mut answer = [0; ANSWER.len()];
        for _ in 0..requests {
            stream.write_all(REQUEST).expect("sent");
            stream.read_exact(&mut answer).expect("an answer");
        }
    });
}

/// Runs `client` in several threads, and sees to it that none is starved.
fn at_once(clients: usize, client: impl Fn() + Sync) {
    let start = Instant::now();
    let mut times: Vec<Duration> = thread::scope(|scope| {
        let threads: Vec<_> = (0..clients)
            .map(|_| {
                scope.spawn(|| {
                    client();
                    start.elapsed()
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("a client that does not panic"))
            .collect()
    });
    times.sort();
    black_box(times);
}

#[derive(Clone, Copy)]
enum Serving {
    Inline,
    ThreadPerConnection,
}

/// A server as tests write it by hand.
struct Floor {
    addr: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Floor {
    fn start(serving: Serving) -> Self {
        let listener = TcpListener::bind((next_host(), 0)).expect("bound");
        let addr = listener.local_addr().expect("an address");
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if stopping.load(Ordering::Acquire) {
                    return;
                }
                let stream = stream.expect("a client");
                match serving {
                    Serving::Inline => serve_by_hand(stream),
                    Serving::ThreadPerConnection => {
                        stream.set_nodelay(true).expect("set");
                        thread::spawn(move || serve_all_by_hand(stream));
                    }
                }
            }
        });
        Floor { addr, stop, thread: Some(thread) }
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        let _ = TcpStream::connect(self.addr);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("a server that does not panic");
        }
    }
}

fn serve_by_hand(mut stream: TcpStream) {
    if read_by_hand(&mut stream) {
        stream.write_all(ANSWER).expect("sent");
    }
}

fn serve_all_by_hand(mut stream: TcpStream) {
    while read_by_hand(&mut stream) {
        stream.write_all(ANSWER).expect("sent");
    }
}

/// False at the end.
fn read_by_hand(stream: &mut TcpStream) -> bool {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !request.ends_with(b"\r\n\r\n") {
        let length = stream.read(&mut buffer).expect("a request");
        if length == 0 {
            return false;
        }
        request.extend_from_slice(&buffer[..length]);
    }
    black_box(request);
    true
}
