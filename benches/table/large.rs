//! 64 MiB each way through `serve_once`, beside loops with a buffer of 256 KiB.

use std::fs::File;
use std::hint::black_box;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use fake_peer::{Answered, FileSink, FileSource, Framing, MemorySink, TcpServer, TcpServerBuilder};
use fake_peer_benches::clients::{RunningClient, connect};
use fake_peer_benches::{ANSWER, REQUEST, by_hand, next_host};

use crate::rows::{Table, Unit, as_f64, seconds};

const LARGE: usize = 64 << 20;
const BUFFER: usize = 256 << 10;
const LOOP: &str = "256 KiB loop";

pub(crate) fn measure(table: &mut Table) {
    let folder = tempfile::tempdir().expect("a folder");
    let response = folder.path().join("response");
    let request = folder.path().join("request");
    let length = u64::try_from(LARGE).expect("64 bits");
    File::create(&response).and_then(|file| file.set_len(length)).expect("a response file");

    let client = RunningClient::start(download);
    let mut peer =
        || throughput(|| serve(&client, TcpServer::builder().source(FileSource::new(&response))));
    let send = |copy: Copy| throughput(|| send_by_hand(&client, &response, copy));
    table.compare(
        "64 MiB file response",
        Unit::Throughput,
        &mut peer,
        (LOOP, &mut || send(read_and_write)),
    );
    table.compare(
        "64 MiB file response, of sendfile",
        Unit::Throughput,
        &mut peer,
        ("sendfile loop", &mut || send(sendfile)),
    );

    let client = RunningClient::start(upload);
    let server = || TcpServer::builder().framing(Framing::exactly(length)).source(ANSWER);
    table.compare(
        "64 MiB upload to memory",
        Unit::Throughput,
        &mut || throughput(|| serve(&client, server().sink(MemorySink::new()))),
        (LOOP, &mut || throughput(|| receive_by_hand(&client, Vec::new()))),
    );
    table.compare(
        "64 MiB upload to a file",
        Unit::Throughput,
        &mut || throughput(|| serve(&client, server().sink(FileSink::new(&request)))),
        (LOOP, &mut || {
            throughput(|| receive_by_hand(&client, File::create(&request).expect("a file")))
        }),
    );
}

fn throughput(run: impl FnMut()) -> f64 {
    as_f64(LARGE) / seconds(1, run)
}

fn download(addr: SocketAddr) {
    let mut stream = connect(addr);
    stream.write_all(REQUEST).expect("sent");
    let mut buffer = vec![0; BUFFER];
    while stream.read(&mut buffer).expect("an answer") > 0 {}
}

fn upload(addr: SocketAddr) {
    let mut stream = connect(addr);
    let zeros = vec![0; BUFFER];
    (0..LARGE / BUFFER).for_each(|_| stream.write_all(&zeros).expect("sent"));
    stream.read_to_end(&mut Vec::new()).expect("an answer");
}

fn serve(client: &RunningClient, server: TcpServerBuilder<Answered>) {
    let server = server.addr(format!("{}:0", next_host())).bind().expect("bound");
    client.go(server.local_addr());
    black_box(server.serve_once()).expect("served");
    drop(server);
    client.wait();
}

type Copy = fn(&mut File, &mut TcpStream) -> io::Result<()>;

fn send_by_hand(client: &RunningClient, path: &Path, copy: Copy) {
    let (listener, addr) = by_hand::listen();
    client.go(addr);
    let (mut stream, _) = listener.accept().expect("a client");
    black_box(by_hand::read_request(&mut stream)).expect("a request");
    copy(&mut File::open(path).expect("a file"), &mut stream).expect("sent");
    drop(stream);
    client.wait();
}

fn receive_by_hand(client: &RunningClient, mut sink: impl Write) {
    let (listener, addr) = by_hand::listen();
    client.go(addr);
    let (mut stream, _) = listener.accept().expect("a client");
    let mut buffer = vec![0; BUFFER];
    let mut left = LARGE;
    while left > 0 {
        let length = stream.read(&mut buffer).expect("a request");
        assert!(length > 0, "the request is whole");
        sink.write_all(&buffer[..length]).expect("written");
        left -= length;
    }
    stream.write_all(ANSWER).expect("sent");
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
    let mut sent = 0;
    while let Some(left) = std::num::NonZeroUsize::new(LARGE - sent) {
        sent += socket2::SockRef::from(&*to).sendfile(&*from, sent, Some(left))?;
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn sendfile(from: &mut File, to: &mut TcpStream) -> io::Result<()> {
    read_and_write(from, to)
}
