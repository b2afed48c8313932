//! `Ending::CloseAtOnce` destroys what the naive server's close destroys: that server receives once, sends everything and closes, with
//! the rest of the request unread.
#![cfg(target_os = "linux")] // what is lost depends on the kernel

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use fake_peer::{ClientEnd, Ending, Error, Framing, Peer, Response};
use fake_peer_test_support::{
    PATIENCE, connect, connect_with_little_room, eventually, finished, over_within, patient,
    read_all, read_to_its_end, spawned, taken, unshared_addr,
};

const TRIES: usize = 40;

/// What the naive server receives, and what its clients send.
const FIRST_READ: usize = 4096;
const REQUEST: usize = 6000;

const BODY: usize = 1_000_000;

fn answer() -> Vec<u8> {
    let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {BODY}\r\n\r\n").into_bytes();
    answer.resize(answer.len() + BODY, b'x');
    answer
}

/// Serves so many clients, one after another.
fn naive_server(clients: usize) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind(unshared_addr()).expect("a free port");
    let addr = listener.local_addr().expect("bound");
    let answer = answer();
    let serving = thread::spawn(move || {
        for _ in 0..clients {
            let (mut stream, _) = listener.accept().expect("a client");
            let received = stream.read(&mut [0; FIRST_READ]).expect("a request");
            assert!(received > 0, "the beginning of a request");
            // The client may be gone.
            let _ = stream.write_all(&answer);
        }
    });
    (addr, serving)
}

fn naive_peer(framing: Framing) -> Peer {
    let response = Response::from(answer()).ending(Ending::CloseAtOnce);
    spawned(patient().addr(unshared_addr()).framing(framing).source(response))
}

fn request() -> Vec<u8> {
    let head = |body: usize| format!("POST / HTTP/1.1\r\nContent-Length: {body}\r\n\r\n");
    let mut request = head(REQUEST - head(REQUEST).len()).into_bytes();
    request.resize(REQUEST, b'r');
    request
}

/// Whether a client that sends its request in one piece loses the answer, or a part of it.
fn loses(mut client: TcpStream) -> bool {
    client.write_all(&request()).expect("room for a request");
    read_to_its_end(&mut client).0.len() < answer().len()
}

fn curl_loses(addr: SocketAddr, body: &Path) -> bool {
    let curl = Command::new("curl")
        .args(["--silent", "--max-time", "30", "--noproxy", "*", "--data-binary"])
        .arg(format!("@{}", body.display()))
        .arg(format!("http://{addr}/"))
        .stdin(Stdio::null())
        .output()
        .expect("curl");
    !curl.status.success() || curl.stdout.len() < BODY
}

fn is_curl_installed() -> bool {
    let curl = Command::new("curl").arg("--version").stdout(Stdio::null()).status();
    curl.is_ok_and(|status| status.success())
}

/// How many of the clients of the naive server, and of the peer, lose their answers. They take turns, so that a busy machine is one for
/// both.
fn losses(loses: impl Fn(SocketAddr) -> bool) -> (usize, usize) {
    let (naive_addr, serving) = naive_server(TRIES);
    let peer = naive_peer(Framing::read_once(FIRST_READ));
    let (mut naive, mut ours) = (0, 0);
    for _ in 0..TRIES {
        naive += usize::from(loses(naive_addr));
        ours += usize::from(loses(peer.addr()));
    }
    serving.join().expect("no panic");
    finished(peer);
    (naive, ours)
}

/// Whether a client has read everything by the time of the close is up to the scheduler.
const FEW: usize = TRIES / 10;

#[test]
fn a_client_loses_as_many_answers_as_with_a_naive_server() {
    let (naive, ours) = losses(|addr| loses(connect(addr)));
    assert!(ours + FEW >= naive, "{ours} of {TRIES}; the naive server {naive}");
}

#[test]
fn a_client_that_has_not_read_everything_by_the_close_loses_its_answer() {
    let (naive, ours) = losses(|addr| loses(connect_with_little_room(addr)));
    assert!(ours + FEW >= TRIES, "{ours} of {TRIES}; the naive server {naive}");
}

#[test]
fn curl_loses_as_many_answers_as_with_a_naive_server() {
    if !is_curl_installed() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let body = folder.path().join("body");
    std::fs::write(&body, vec![b'r'; REQUEST]).expect("written");
    let (naive, ours) = losses(|addr| curl_loses(addr, &body));
    assert!(ours + FEW >= naive, "{ours} of {TRIES}; the naive server {naive}");
}

#[test]
fn nothing_is_read_while_an_answer_waits_for_room() {
    const LONG: usize = 10_000_000;
    let response = Response::from(vec![b'x'; LONG]).ending(Ending::CloseAtOnce);
    let peer = spawned(patient().framing(Framing::read_once(FIRST_READ)).source(response));
    let mut client = connect_with_little_room(peer.addr());
    client.write_all(&request()).expect("room for a request");
    // Time for a peer that would read meanwhile; this one just waits.
    thread::sleep(Duration::from_millis(50));
    let (bytes, end) = read_to_its_end(&mut client);
    assert_eq!(end, Some(ErrorKind::ConnectionReset), "after {} bytes", bytes.len());
    assert!(bytes.len() < LONG);
    let exchange = taken(&peer);
    assert_eq!(exchange.request().len(), FIRST_READ as u64);
    assert_eq!(exchange.trailing(), b"", "nothing was read after the request");
    finished(peer);
}

#[test]
fn bytes_past_the_request_that_were_read_with_it_destroy_the_answer_too() {
    // One read takes all of it, and the request is its first line.
    let peer = naive_peer(Framing::until("\n"));
    let mut client = connect_with_little_room(peer.addr());
    client.write_all(b"request\nmore").expect("room for a request");
    let exchange = taken(&peer);
    eventually("the close", || exchange.client_end() != ClientEnd::StillOpen);
    let (bytes, end) = read_to_its_end(&mut client);
    assert_eq!(end, Some(ErrorKind::ConnectionReset));
    assert!(bytes.len() < answer().len());
    assert_eq!(exchange.trailing(), b"more");
    finished(peer);
}

#[test]
fn a_client_that_sent_one_whole_request_loses_nothing() {
    let peer = naive_peer(Framing::http());
    for _ in 0..TRIES {
        let mut client = connect(peer.addr());
        client.write_all(&request()).expect("room for a request");
        assert_eq!(read_all(&mut client).len(), answer().len());
    }
    finished(peer);
}

#[test]
fn where_both_sides_only_send_the_timeout_ends_it() {
    const TIMEOUT: Duration = Duration::from_millis(300);
    let response = Response::new().repeat("x", 100 << 20).ending(Ending::CloseAtOnce);
    let server = patient().framing(Framing::read_once(FIRST_READ)).timeout(TIMEOUT);
    let peer = spawned(server.linger(TIMEOUT).source(response));
    let mut client = connect(peer.addr());
    let mut reader = client.try_clone().expect("a descriptor");
    let sender = thread::spawn(move || {
        let start = Instant::now();
        // Until the connection ends; its write timeout is the bound.
        while client.write_all(&[b'r'; 4096]).is_ok() && start.elapsed() < PATIENCE {}
        // Whether or not the peer has ended it.
        let _ = client.shutdown(Shutdown::Both);
    });
    let error = peer.take(PATIENCE).expect_err("stuck");
    let journal = over_within(PATIENCE, "finish", move || finished(peer)).to_string();
    assert!(matches!(error, Error::Send { .. }), "{error:?}");
    assert!(error.report().to_string().contains("acknowledged nothing for 300ms"), "{error:?}");
    assert!(journal.contains("acknowledged nothing"), "{journal}");
    let _ = read_to_its_end(&mut reader);
    sender.join().expect("no panic");
    let exchange = error.exchange().expect("an exchange");
    assert!(exchange.sent() > 0 && exchange.sent() < 100 << 20, "{}", exchange.sent());
}
