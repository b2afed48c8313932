//! A peer at the other end of a hand-written HTTP client: what the client sends is compared byte by byte, and it gets
//! answers that a real server gives when something is wrong. In your own project each function that `main` calls is
//! a `#[test]`.
//!
//! ```sh
//! cargo run --example fake_peer_in_a_test
//! ```
#![allow(clippy::print_stdout)]

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use fake_peer::{Peer, RequestEnd, Sequence};

fn main() {
    sends_one_request_with_a_host();
    reports_a_body_that_is_cut_short();
    reports_an_answer_that_is_not_http();
    asks_again_when_the_server_is_busy();
    println!("all passed");
}

fn sends_one_request_with_a_host() {
    let peer = Peer::answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");

    let body = get(peer.addr(), "/greeting").expect("an answer");
    assert_eq!(String::from_utf8_lossy(&body), "hello");

    let request = peer.take_request();
    let expected = format!("GET /greeting HTTP/1.1\r\nHost: {}\r\n\r\n", peer.addr());
    request.assert_bytes(&expected);
    assert_eq!(request.target(), Some("/greeting"));
    assert_eq!(request.end(), RequestEnd::Complete);
    // A drop of the peer would do; `finish` also returns the journal.
    let journal = peer.finish().expect("no exchange failed");
    assert_eq!(journal.exchanges().count(), 1);
}

fn reports_a_body_that_is_cut_short() {
    let peer = Peer::answer("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello");

    let error = get(peer.addr(), "/").expect_err("95 bytes are missing");
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

fn reports_an_answer_that_is_not_http() {
    let peer = Peer::answer(b"\xff\x00\r\n\r\n");

    let error = get(peer.addr(), "/").expect_err("this is no status line");
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
}

fn asks_again_when_the_server_is_busy() {
    let peer = Peer::answer(Sequence::new([
        "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    ]));

    assert_eq!(get(peer.addr(), "/").expect("the second answer"), b"ok");
    // Fails if one of the two answers was not fetched.
    peer.finish().expect("both answers were fetched");
}

/// The client under test: one GET on a connection of its own, repeated while the server answers 503, at most three
/// times.
fn get(server: SocketAddr, target: &str) -> io::Result<Vec<u8>> {
    for _ in 0..3 {
        let (status, body) = get_once(server, target)?;
        match status {
            200 => return Ok(body),
            503 => {}
            other => return Err(io::Error::other(format!("status {other}"))),
        }
    }
    Err(io::Error::other("the server stays busy"))
}

fn get_once(server: SocketAddr, target: &str) -> io::Result<(u16, Vec<u8>)> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(format!("GET {target} HTTP/1.1\r\nHost: {server}\r\n\r\n").as_bytes())?;

    let mut reader = BufReader::new(stream);
    let status_line = read_line(&mut reader)?;
    let status = status_line.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| invalid("no status in the status line"))?;
    let mut length = 0;
    loop {
        let line = read_line(&mut reader)?;
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("Content-Length: ") {
            length = value.parse().map_err(|_| invalid("Content-Length is no number"))?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok((status, body))
}

/// A line without its line end.
fn read_line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line)?;
    let line = line.strip_suffix(b"\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    String::from_utf8(line.to_vec()).map_err(|_| invalid("a line is not UTF-8"))
}

fn invalid(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}
