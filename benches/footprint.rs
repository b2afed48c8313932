//! What peers and their journals cost in memory, measured in a process of its own. The table runs it:
//!
//! - `footprint alive peers` and `footprint alive by-hand` print threads, descriptors and resident KiB of each of 200 idle
//!   servers, from `/proc/self`.
//! - `footprint journal kept` and `footprint journal new` print the bytes that one more exchange adds to the heap, on a kept
//!   connection, and on a connection of its own. An allocator counts what is allocated and not freed, with what `malloc` adds.

#![allow(clippy::print_stdout)] // the figures
#![allow(unsafe_code)] // a global allocator has no other form
#![allow(clippy::cast_precision_loss)] // a few million bytes

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use fake_peer::{Peer, Response, TcpServer};
use fake_peer_benches::by_hand::{AcceptLoop, Serving};
use fake_peer_benches::clients::{KeptConnection, new_connections};
use fake_peer_benches::{ANSWER, next_host};

const SERVERS: usize = 200;
const EXCHANGES: usize = 2048;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["alive", "peers"] => alive(|| spawn(ANSWER.into())),
        ["alive", "by-hand"] => alive(|| AcceptLoop::start(Serving::Inline)),
        ["journal", "kept"] => journal_kept(),
        ["journal", "new"] => journal_new(),
        _ => panic!("the first lines of footprint.rs list the arguments"),
    }
}

fn spawn(answer: Response) -> Peer {
    TcpServer::builder().addr(format!("{}:0", next_host())).source(answer).spawn().expect("a peer")
}

fn alive<S>(start: impl Fn() -> S) {
    // What the first server of a process starts for all of them is not counted.
    let _first = start();
    let mut servers = Vec::with_capacity(SERVERS);
    let before = Usage::now();
    servers.extend((0..SERVERS).map(|_| start()));
    let after = Usage::now();
    let each = |after: usize, before: usize| (after as f64 - before as f64) / SERVERS as f64;
    println!("{}", each(after.threads, before.threads));
    println!("{}", each(after.descriptors, before.descriptors));
    println!("{}", each(after.resident, before.resident));
}

/// Of this process.
struct Usage {
    threads: usize,
    descriptors: usize,
    /// In KiB. `smaps_rollup` counts pages; the figure in `status` may be late by some for each thread.
    resident: usize,
}

impl Usage {
    fn now() -> Self {
        Usage {
            threads: number("/proc/self/status", "Threads:"),
            descriptors: fs::read_dir("/proc/self/fd").expect("Linux").count(),
            resident: number("/proc/self/smaps_rollup", "Rss:"),
        }
    }
}

/// The number in the line that begins with `name`.
fn number(path: &str, name: &str) -> usize {
    let text = fs::read_to_string(path).expect("Linux");
    let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("such a line");
    line.split_whitespace().next().expect("a number").parse().expect("a number")
}

fn journal_kept() {
    let peer = spawn(Response::from(ANSWER).keep_open());
    let mut client = KeptConnection::open(peer.addr());
    print_growth(|| client.exchange(EXCHANGES));
}

fn journal_new() {
    let peer = spawn(ANSWER.into());
    print_growth(|| {
        new_connections(peer.addr(), 1, EXCHANGES);
        wait_for_closes(&peer);
    });
}

/// The first exchanges are not counted: buffers and threads that later ones use again come with them.
fn print_growth(mut exchanges: impl FnMut()) {
    exchanges();
    let before = ALLOCATED.load(Ordering::SeqCst);
    exchanges();
    let after = ALLOCATED.load(Ordering::SeqCst);
    println!("{}", (after as f64 - before as f64) / EXCHANGES as f64);
}

/// A connection in flight holds buffers that its record does not.
fn wait_for_closes(peer: &Peer) {
    while peer.journal().connections().iter().any(|connection| connection.closed_at().is_none()) {
        thread::sleep(Duration::from_millis(1));
    }
}

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

/// What glibc takes for it on a 64-bit machine: 8 bytes more, a multiple of 16, no less than 32.
fn with_overhead(layout: Layout) -> usize {
    (layout.size() + 8).next_multiple_of(16).max(32)
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: everything is passed on to the system's allocator. `realloc` and `alloc_zeroed` have a default that calls these two.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(with_overhead(layout), Ordering::Relaxed);
        // SAFETY: the caller's promise is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(with_overhead(layout), Ordering::Relaxed);
        // SAFETY: the caller's promise is the same.
        unsafe { System.dealloc(pointer, layout) }
    }
}
