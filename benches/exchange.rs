//! The time of one exchange, compared with the same thing hand-written with `std::net`.
//!
//! Criterion times each side on its own, and the machine may change in between. So the ratios are measured separately: both
//! sides in turn, and the median of the pairs' ratios is printed at the end.

#![allow(clippy::print_stdout)] // the ratios

use std::fs::File;
use std::hint::black_box;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use fake_peer_benches::{next_host, ratio};

use criterion::{Criterion, Throughput};
use fake_peer::{FileSink, FileSource, Framing, TcpServer};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi\n";
const LARGE: u64 = 64 << 20;
const BUFFER: usize = 256 * 1024;

/// One server from its bind to its end, with the client that it serves.
type Exchange<'a> = Box<dyn FnMut(&Client) + 'a>;

struct Case<'a> {
    name: &'static str,
    /// How many bytes one run moves, if that is what it measures.
    bytes: Option<u64>,
    task: Task,
    ours: Exchange<'a>,
    references: Vec<(&'static str, Exchange<'a>)>,
}

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let response = folder.path().join("response");
    let request = folder.path().join("request");
    File::create(&response).and_then(|file| file.set_len(LARGE)).expect("a response file");
    let quick = std::env::args().any(|argument| argument == "--test");

    let cases = [
        Case {
            name: "small",
            bytes: None,
            task: Task::Get,
            ours: Box::new(|client| exchange(client, TcpServer::builder().source(ANSWER))),
            references: vec![("hand-written server", Box::new(small_by_hand))],
        },
        Case {
            name: "64 MiB file response",
            bytes: Some(LARGE),
            task: Task::Get,
            ours: Box::new(|client| {
                exchange(client, TcpServer::builder().source(FileSource::new(&response)));
            }),
            references: vec![
                (
                    "256 KiB loop",
                    Box::new(|client| response_by_hand(client, &response, read_and_write)),
                ),
                ("sendfile loop", Box::new(|client| response_by_hand(client, &response, sendfile))),
            ],
        },
        Case {
            name: "64 MiB upload to a file",
            bytes: Some(LARGE),
            task: Task::Put,
            ours: Box::new(|client| {
                let server = TcpServer::builder()
                    .framing(Framing::exactly(LARGE))
                    .sink(FileSink::new(&request));
                exchange(client, server.source(ANSWER));
            }),
            references: vec![("256 KiB loop", Box::new(|client| upload_by_hand(client, &request)))],
        },
    ];

    let mut criterion = Criterion::default().configure_from_args();
    let mut ratios = Vec::new();
    for Case { name, bytes, task, mut ours, references } in cases {
        let client = Client::start(task);
        let mut group = criterion.benchmark_group(name);
        group.throughput(bytes.map_or(Throughput::Elements(1), Throughput::Bytes));
        if bytes.is_some() {
            group.sample_size(10);
        }
        group.bench_function("fake-peer", |bencher| bencher.iter(|| ours(&client)));
        for (reference, mut theirs) in references {
            group.bench_function(reference, |bencher| bencher.iter(|| theirs(&client)));
            let (pairs, each) = match (quick, bytes) {
                (true, _) => (1, 1),
                (false, None) => (101, 50),
                (false, Some(_)) => (41, 1),
            };
            let ratio = ratio(&mut || ours(&client), &mut || theirs(&client), pairs, each);
            ratios.push(format!(
                "{name}: {ratio:.2} × the time of the {reference} (median of {pairs} pairs)"
            ));
        }
        group.finish();
    }
    criterion.final_summary();
    for ratio in ratios {
        println!("{ratio}");
    }
}

fn exchange(client: &Client, server: fake_peer::TcpServerBuilder) {
    let server = server.addr(format!("{}:0", next_host())).bind().expect("bound");
    client.go(server.local_addr());
    black_box(server.serve_once()).expect("served");
    drop(server);
    client.wait();
}

fn accept_by_hand(client: &Client) -> TcpStream {
    let listener = TcpListener::bind((next_host(), 0)).expect("bound");
    client.go(listener.local_addr().expect("an address"));
    listener.accept().expect("a client").0
}

fn read_request_by_hand(stream: &mut TcpStream) {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !request.ends_with(b"\r\n\r\n") {
        let length = stream.read(&mut buffer).expect("a request");
        assert!(length > 0, "the request is whole");
        request.extend_from_slice(&buffer[..length]);
    }
    black_box(request);
}

fn small_by_hand(client: &Client) {
    let mut stream = accept_by_hand(client);
    read_request_by_hand(&mut stream);
    stream.write_all(ANSWER).expect("sent");
    drop(stream);
    client.wait();
}

fn response_by_hand(
    client: &Client,
    path: &Path,
    copy: fn(&mut File, &mut TcpStream) -> io::Result<()>,
) {
    let mut stream = accept_by_hand(client);
    read_request_by_hand(&mut stream);
    copy(&mut File::open(path).expect("a file"), &mut stream).expect("sent");
    drop(stream);
    client.wait();
}

fn read_and_write(from: &mut File, to: &mut TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(()),
            length => to.write_all(&buffer[..length])?,
        }
    }
}

#[cfg(target_os = "linux")]
fn sendfile(from: &mut File, to: &mut TcpStream) -> io::Result<()> {
    let length = from.metadata()?.len();
    let mut sent = 0;
    while sent < length {
        let left = usize::try_from(length - sent).expect("64 bits");
        let left = std::num::NonZeroUsize::new(left).expect("more to send");
        sent += socket2::SockRef::from(&*to).sendfile(
            &*from,
            usize::try_from(sent).expect("64 bits"),
            Some(left),
        )? as u64;
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn sendfile(from: &mut File, to: &mut TcpStream) -> io::Result<()> {
    read_and_write(from, to)
}

fn upload_by_hand(client: &Client, path: &Path) {
    let mut stream = accept_by_hand(client);
    let mut file = File::create(path).expect("a file");
    let mut buffer = vec![0; BUFFER];
    let mut left = LARGE;
    while left > 0 {
        let length = stream.read(&mut buffer).expect("a request");
        assert!(length > 0, "the request is whole");
        file.write_all(&buffer[..length]).expect("written");
        left -= length as u64;
    }
    stream.write_all(ANSWER).expect("sent");
    drop(stream);
    client.wait();
}

#[derive(Clone, Copy)]
enum Task {
    /// Send the small request, read to the end.
    Get,
    /// Send 64 MiB, read to the end.
    Put,
}

/// A client in a thread of its own, used for each exchange.
struct Client {
    addrs: Sender<SocketAddr>,
    done: Receiver<()>,
}

impl Client {
    fn start(task: Task) -> Self {
        let (addrs, to_do) = mpsc::channel();
        let (finished, done) = mpsc::channel();
        thread::spawn(move || {
            let zeros = vec![0; BUFFER];
            let mut buffer = vec![0; BUFFER];
            for addr in to_do {
                let mut stream = TcpStream::connect(addr).expect("connected");
                stream.set_read_timeout(Some(Duration::from_secs(30))).expect("set");
                match task {
                    Task::Get => stream.write_all(REQUEST).expect("sent"),
                    Task::Put => (0..LARGE / BUFFER as u64)
                        .for_each(|_| stream.write_all(&zeros).expect("sent")),
                }
                while stream.read(&mut buffer).expect("an answer") > 0 {}
                let _ = stream.shutdown(Shutdown::Both);
                drop(stream);
                if finished.send(()).is_err() {
                    return;
                }
            }
        });
        Client { addrs, done }
    }

    fn go(&self, addr: SocketAddr) {
        self.addrs.send(addr).expect("the client runs");
    }

    fn wait(&self) {
        self.done.recv().expect("the client runs");
    }
}
