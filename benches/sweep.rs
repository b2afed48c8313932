//! The time of a client for every truncation of a response, with a close and with a reset, over one peer.

#![allow(clippy::print_stdout)] // the figure

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use fake_peer::{faults, http};

const LENGTH: usize = 300;

fn main() {
    let quick = std::env::args().any(|argument| argument == "--test");
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("every truncation of 300 bytes, close and reset");
    group.throughput(Throughput::Elements(2 * LENGTH as u64)).sample_size(10);
    group.bench_function("sweep", |bencher| bencher.iter(sweep));
    group.finish();
    criterion.final_summary();

    let rounds = if quick { 1 } else { 15 };
    let mut times: Vec<Duration> = (0..rounds)
        .map(|_| {
            let start = Instant::now();
            sweep();
            start.elapsed()
        })
        .collect();
    times.sort();
    println!(
        "{} cases: {:.0?} (median of {rounds}, longest {:.0?}); less than a second is the aim",
        2 * LENGTH,
        times[times.len() / 2],
        times[times.len() - 1]
    );
}

fn sweep() {
    let head =
        http::ok("x".repeat(LENGTH - "HTTP/1.1 200 OK\r\nContent-Length: 260\r\n\r\n".len()));
    let cases = faults::truncations(head);
    let mut seen = 0;
    faults::sweep(cases, |case, peer| {
        let mut client = TcpStream::connect(peer.addr()).expect("a peer");
        client.write_all(b"GET / HTTP/1.1\r\nHost: peer\r\n\r\n").expect("room");
        let mut answer = Vec::new();
        let _ = client.read_to_end(&mut answer);
        assert_eq!(answer.len(), seen / 2, "{case}");
        seen += 1;
    })
    .expect("a sweep");
    assert_eq!(seen, 2 * LENGTH);
}
