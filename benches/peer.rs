//! The time of a peer in the background, compared with servers that tests write by hand with `std::net`.
//!
//! The *floor* is the least that a user would write: an accept loop that serves in one background thread, reads to the empty
//! line, and just closes. It closes in the wrong way and has no timeouts; a peer does both right.

#![allow(clippy::print_stdout)] // the ratios

use std::hint::black_box;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use fake_peer::{Peer, Response, TcpServer};

use fake_peer_benches::{next_host, ratio};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi\n";

fn main() {
    let quick = std::env::args().any(|argument| argument == "--test");
    let mut criterion = Criterion::default().configure_from_args();
    let mut ratios = Vec::new();

    // Ratios come first: criterion's samples leave as many connections in `TIME_WAIT` as the kernel keeps, and after that each
    // connection takes a different time.
    let (pairs, each) = if quick { (1, 1) } else { (101, 50) };
    let start = ratio(&mut peer_once, &mut floor_once, pairs, each);
    ratios.push(format!(
        "start, one exchange, stop: {start:.2} × the floor's time (median of {pairs} pairs)"
    ));

    let new = Load {
        name: "a connection per request",
        answer: ANSWER.into(),
        reference: ("floor", Serving::Inline),
        requests: 2000,
        run: new_connections,
    };
    let kept = Load {
        name: "kept connections",
        answer: Response::from(ANSWER).keep_open(),
        reference: ("thread per connection", Serving::ThreadPerConnection),
        requests: 20_000,
        run: kept_connections,
    };
    let loads = [(&new, 1), (&new, 8), (&kept, 1), (&kept, 8)];
    for (load, clients) in loads {
        ratios.push(load.measure_ratio(clients, quick));
    }
    ratios.push(new.measure_fairness(8, if quick { 10 } else { 1000 }));

    let mut group = criterion.benchmark_group("start, one exchange, stop");
    group.bench_function("peer", |bencher| bencher.iter(peer_once));
    group.bench_function("floor", |bencher| bencher.iter(floor_once));
    group.finish();
    for (load, clients) in loads {
        load.sample(&mut criterion, clients, quick);
    }
    criterion.final_summary();
    for ratio in ratios {
        println!("{ratio}");
    }
}

/// Clients that send requests as fast as they can.
struct Load {
    name: &'static str,
    answer: Response,
    reference: (&'static str, Serving),
    /// Of all clients together.
    requests: usize,
    run: fn(SocketAddr, usize, usize),
}

impl Load {
    /// The line that is printed at the end.
    fn measure_ratio(&self, clients: usize, quick: bool) -> String {
        let pairs = if quick { 1 } else { 21 };
        let throughput = self
            .beside_reference(clients, quick, |ours, theirs| 1.0 / ratio(ours, theirs, pairs, 1));
        format!(
            "{}, clients: {clients}: {throughput:.2} × the throughput of the {} (median of {pairs} pairs)",
            self.name, self.reference.0
        )
    }

    /// The name that criterion prints.
    fn sample(&self, criterion: &mut Criterion, clients: usize, quick: bool) {
        let requests = (clients * self.requests_of_each(clients, quick)) as u64;
        let mut group = criterion.benchmark_group(format!("{}, clients: {clients}", self.name));
        group.throughput(Throughput::Elements(requests)).sample_size(10);
        self.beside_reference(clients, quick, |ours, theirs| {
            group.bench_function("peer", |bencher| bencher.iter(&mut *ours));
            group.bench_function(self.reference.0, |bencher| bencher.iter(&mut *theirs));
        });
        group.finish();
    }

    fn requests_of_each(&self, clients: usize, quick: bool) -> usize {
        if quick { 2 } else { self.requests / clients }
    }

    /// Calls `measure` with this load on a peer, and on the reference.
    fn beside_reference<T>(
        &self,
        clients: usize,
        quick: bool,
        measure: impl FnOnce(&mut dyn FnMut(), &mut dyn FnMut()) -> T,
    ) -> T {
        let requests = self.requests_of_each(clients, quick);
        let peer = listening(self.answer.clone());
        let floor = Floor::start(self.reference.1);
        let mut ours = || (self.run)(peer.addr(), clients, requests);
        let mut theirs = || (self.run)(floor.addr, clients, requests);
        let measured = measure(&mut ours, &mut theirs);
        finish(peer);
        measured
    }

    /// The line that says how many requests the slowest of several clients completed while all of them sent requests.
    fn measure_fairness(&self, clients: usize, millis: u64) -> String {
        let peer = listening(self.answer.clone());
        let floor = Floor::start(self.reference.1);
        let time = Duration::from_millis(millis);
        // In turn; the worst result counts.
        let rounds = (0..5).map(|_| {
            (slowest_share(peer.addr(), clients, time), slowest_share(floor.addr, clients, time))
        });
        let (ours, theirs) = rounds
            .reduce(|worst, round| (worst.0.min(round.0), worst.1.min(round.1)))
            .expect("some rounds");
        finish(peer);
        format!(
            "{}, clients: {clients}: the slowest one has {ours:.2} of the mean (at the {}: {theirs:.2})",
            self.name, self.reference.0
        )
    }
}

/// The fewest requests of one client in this time, as a part of the mean: 1 is fair, 0 is starved.
#[allow(clippy::cast_precision_loss)] // a few thousand
fn slowest_share(addr: SocketAddr, clients: usize, time: Duration) -> f64 {
    let counts = Mutex::new(Vec::new());
    at_once(clients, || {
        let start = Instant::now();
        let mut count = 0_u32;
        while start.elapsed() < time {
            get(addr);
            count += 1;
        }
        counts.lock().expect("no client panics").push(count);
    });
    let counts = counts.into_inner().expect("no client panics");
    let sum: u32 = counts.iter().sum();
    let fewest = counts.into_iter().min().expect("some clients");
    f64::from(fewest) * clients as f64 / f64::from(sum)
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

/// Runs `client` in several threads.
fn at_once(clients: usize, client: impl Fn() + Sync) {
    thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(&client);
        }
    });
}

#[derive(Clone, Copy)]
enum Serving {
    Inline,
    ThreadPerConnection,
}

/// A server as people write it in tests.
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
