//! What a test prints when it fails because of its peer: ten broken tests and their messages, as a document in Markdown.
//!
//! `cargo run --example broken_tests > docs/failing-tests.md` writes it anew. Each test runs in a process of its own.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // as tests are written, and a program prints

use std::collections::HashMap;
use std::env;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use fake_peer::{Peer, Sequence, http};

const TESTS: [(&str, &str, fn()); 10] = [
    ("never_comes", "The client never comes", never_comes),
    ("asks_something_else", "The client asks something else", asks_something_else),
    ("closes_half_way", "The client sends half a request and closes", closes_half_way),
    ("stays_half_way", "The client sends half a request and stays", stays_half_way),
    ("resets_half_way", "The client sends half a request and resets", resets_half_way),
    ("body_differs_late", "The body differs late", body_differs_late),
    ("one_answer_unfetched", "One answer is not fetched", one_answer_unfetched),
    ("one_request_too_many", "One request too many", one_request_too_many),
    ("live_peer", "An assertion fails beside a live peer", live_peer),
    ("two_peers", "Two peers in one test", two_peers),
];

fn never_comes() {
    let peer = Peer::answer(http::ok("hi")).expect(1);
    // The client under test finds the answer in its cache.
    peer.finish().unwrap();
}

fn asks_something_else() {
    let peer = Peer::answer(http::ok("hi"));
    get(peer.addr(), "/price?of=tee");
    peer.take_request().assert_head("GET /price?of=tea HTTP/1.1\nHost: shop");
}

fn closes_half_way() {
    let peer = Peer::answer(http::ok("hi"));
    let mut client = TcpStream::connect(peer.addr()).unwrap();
    client.write_all(b"GET /a HT").unwrap();
    drop(client);
    peer.finish().unwrap();
}

fn stays_half_way() {
    let timeout = Duration::from_millis(100);
    let peer = Peer::builder().source(http::ok("hi")).timeout(timeout).spawn().unwrap();
    let mut client = TcpStream::connect(peer.addr()).unwrap();
    client.write_all(b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhel").unwrap();
    peer.take_request();
}

fn resets_half_way() {
    let peer = Peer::answer(http::ok("hi"));
    let mut client = TcpStream::connect(peer.addr()).unwrap();
    client.write_all(b"GET /a HT").unwrap();
    reset(&client);
    drop(client);
    // The end of the test drops the peer.
}

fn body_differs_late() {
    let peer = Peer::answer(http::status(204));
    post(peer.addr(), &format!("{{\"items\":[{}],\"total\":10}}", "1,".repeat(200)));
    let expected = format!("{{\"items\":[{}],\"total\":11}}", "1,".repeat(200));
    peer.take_request().assert_body(expected);
}

fn one_answer_unfetched() {
    let peer = Peer::answer(Sequence::new([http::ok("1"), http::ok("2"), http::ok("3")]));
    get(peer.addr(), "/1");
    get(peer.addr(), "/2");
    peer.finish().unwrap();
}

fn one_request_too_many() {
    let peer = Peer::answer(Sequence::new([http::ok("1")]));
    get(peer.addr(), "/1");
    get(peer.addr(), "/again");
    peer.finish().unwrap();
}

fn live_peer() {
    let peer = Peer::answer(http::status(503).header("Retry-After", "1"));
    let answer = get(peer.addr(), "/");
    assert!(answer.contains("200 OK"), "the client gave up");
}

fn two_peers() {
    let shop = Peer::answer(http::ok("tea"));
    let bank = Peer::answer(http::ok("paid")).expect(1);
    get(shop.addr(), "/tea");
    shop.finish().unwrap();
    bank.finish().unwrap();
}

fn get(addr: SocketAddr, target: &str) -> String {
    exchange(addr, &format!("GET {target} HTTP/1.1\r\nHost: shop\r\n\r\n"))
}

fn post(addr: SocketAddr, body: &str) -> String {
    let length = body.len();
    exchange(addr, &format!("POST / HTTP/1.1\r\nContent-Length: {length}\r\n\r\n{body}"))
}

fn exchange(addr: SocketAddr, request: &str) -> String {
    let mut client = TcpStream::connect(addr).unwrap();
    client.write_all(request.as_bytes()).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    answer
}

fn reset(client: &TcpStream) {
    socket2::SockRef::from(client).set_linger(Some(Duration::ZERO)).unwrap();
}

fn main() {
    if let Some(wanted) = env::args().nth(1) {
        let test = TESTS.iter().find(|(name, _, _)| *name == wanted).expect("a test of this name");
        return (test.2)();
    }
    println!("# What a failing test prints\n");
    println!(
        "Ten tests that fail because of their peer, and what each of them prints. `cargo run --example broken_tests` has made this; \
         what differs from run to run is made the same: ports, and how and when connections ended."
    );
    for (name, title, _) in TESTS {
        println!(
            "\n## {title}\n\n```rust\n{}```\n\n```text\n{}```",
            body_of(name),
            message_of(name)
        );
    }
}

/// The body of a function of this file.
fn body_of(name: &str) -> String {
    let source = include_str!("broken_tests.rs");
    let start = source.find(&format!("\nfn {name}() {{\n")).expect("a function of this name");
    let lines = source[start..].lines().skip(2).take_while(|line| *line != "}");
    let lines = lines.map(|line| format!("{}\n", line.strip_prefix("    ").unwrap_or(line)));
    lines.collect::<Vec<_>>().concat()
}

/// What the test prints, the same in every run.
fn message_of(name: &str) -> String {
    let program = env::current_exe().expect("this program");
    let output = Command::new(program).arg(name).env("RUST_BACKTRACE", "0").output();
    let output = output.expect("this program runs");
    assert!(!output.status.success(), "{name} must fail");
    let text = String::from_utf8(output.stderr).expect("text");
    let text = text.lines().filter(|line| !line.starts_with("note: ") && !line.is_empty());
    let text: Vec<_> = text.map(|line| format!("{}\n", same_place(&same_end(line)))).collect();
    same_ports(&text.concat())
}

/// Ports in the order of their appearance.
fn same_ports(text: &str) -> String {
    const HOST: &str = "127.0.0.1:";
    let mut known = HashMap::new();
    let mut parts = text.split(HOST);
    let mut result = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.find(|char: char| !char.is_ascii_digit()).unwrap_or(part.len());
        let number = 40_001 + known.len();
        let port = *known.entry(&part[..digits]).or_insert(number);
        result = format!("{result}{HOST}{port}{}", &part[digits..]);
    }
    result
}

/// Without how a connection has ended, and when: it may just be ending.
fn same_end(line: &str) -> String {
    match line.split_once(", ") {
        Some((client, _)) if line.starts_with("connection ") => format!("{client}, …"),
        _ => line.to_owned(),
    }
}

/// Without the number of the thread, and without the line of the library.
fn same_place(line: &str) -> String {
    let Some((_, place)) = line.split_once(" panicked at ") else { return line.to_owned() };
    let place = if place.starts_with("src") { "fake-peer/src/server/peer.rs:" } else { place };
    format!("thread 'main' panicked at {place}")
}
