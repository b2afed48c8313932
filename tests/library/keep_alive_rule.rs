//! `KeepAlive`: which connections are kept by HTTP's own rule. Each of these ends with a client that leaves, or with end-of-file.

use std::io::Write;
use std::net::TcpStream;

use fake_peer::{Framing, Peer, Response, Sequence};
use fake_peer_test_support::{
    connect, end_of_file, expect_bytes, finished, patient, same_bytes, spawned,
};

const CONNECT: &[u8] = b"CONNECT example.test:80 HTTP/1.1\r\nHost: example.test:80\r\n\r\n";
const ESTABLISHED: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";
const GET: &[u8] = b"GET / HTTP/1.1\r\n\r\n";
const UPGRADE: &[u8] = b"GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: lines\r\n\r\n";
const SWITCHING: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: lines\r\n\r\n";
const HI: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

/// Answers each request with the next of these.
#[track_caller]
fn answering<const COUNT: usize>(answers: [&[u8]; COUNT]) -> Peer {
    let answers = answers.map(|answer| Response::from(answer).keep_alive());
    spawned(patient().source(Sequence::new(answers)))
}

#[track_caller]
fn ask(client: &mut TcpStream, request: &[u8], answer: &[u8], case: &str) {
    client.write_all(request).expect("room for a small request");
    expect_bytes(client, answer, case);
}

/// The client leaves; there was one connection, with these requests.
#[track_caller]
fn had_one_connection(peer: Peer, client: TcpStream, requests: &[&[u8]], case: &str) {
    drop(client);
    let journal = finished(peer);
    let [connection] = journal.connections() else {
        panic!("{case}: one connection, not {}", journal.connections().len());
    };
    let exchanges = connection.exchanges();
    assert_eq!(exchanges.len(), requests.len(), "{case}");
    for (exchange, request) in exchanges.iter().zip(requests) {
        same_bytes(exchange.request().bytes(), request, case);
    }
}

#[test]
fn what_follows_a_connect_is_the_next_request() {
    let through = [ESTABLISHED, b"through the tunnel"].concat();
    for (answer, case) in [
        (ESTABLISHED, "its head alone"),
        (&through, "bytes of the tunnel behind the head"),
        (
            b"HTTP/1.0 200 OK\r\nConnection: close\r\nContent-Length: 7\r\n\r\n",
            "fields without a meaning",
        ),
    ] {
        let peer = answering([answer, HI]);
        let mut client = connect(&peer);
        ask(&mut client, CONNECT, answer, case);
        ask(&mut client, GET, HI, case);
        had_one_connection(peer, client, &[CONNECT, GET], case);
    }
}

#[test]
fn what_follows_a_101_has_the_framing_of_the_server() {
    let answers = [SWITCHING, b"220 hello\r\n", b"250 ok\r\n"];
    let [switching, hello, ok] = answers.map(Response::from);
    let source = Sequence::new([switching.keep_alive(), hello.keep_open(), ok]);
    let peer = spawned(patient().framing(Framing::until("\r\n\r\n")).source(source));
    let mut client = connect(&peer);
    ask(&mut client, UPGRADE, SWITCHING, "a 101");
    ask(&mut client, b"two\r\nlines\r\n\r\n", b"220 hello\r\n", "the other protocol");
    ask(&mut client, b"one more\r\n\r\n", b"250 ok\r\n", "the other protocol");
    end_of_file(&mut client, "the last answer");
    let requests = [UPGRADE, b"two\r\nlines\r\n\r\n", b"one more\r\n\r\n"];
    had_one_connection(peer, client, &requests, "a 101");
}

#[test]
fn a_refused_connect_is_kept_by_its_length() {
    let refused = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 2\r\n\r\nno";
    let peer = answering([refused, ESTABLISHED, HI]);
    let mut client = connect(&peer);
    ask(&mut client, CONNECT, refused, "refused");
    ask(&mut client, CONNECT, ESTABLISHED, "established");
    ask(&mut client, GET, HI, "through the tunnel");
    had_one_connection(peer, client, &[CONNECT, CONNECT, GET], "refused once");

    let refused = b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\nno";
    let peer = answering([refused]);
    let mut client = connect(&peer);
    ask(&mut client, CONNECT, refused, "refused without a length");
    end_of_file(&mut client, "refused without a length");
    finished(peer);
}

#[test]
fn http_1_0_is_kept_where_each_side_says_keep_alive() {
    let old_get = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    let to_proxy = b"GET http://a/ HTTP/1.1\r\nProxy-Connection: Keep-Alive\r\n\r\n";
    // What curl sends to a proxy whose last response was HTTP/1.0.
    let old_to_proxy = b"GET http://a/ HTTP/1.0\r\nProxy-Connection: Keep-Alive\r\n\r\n";
    let kept = b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n";
    let kept_by_proxy =
        b"HTTP/1.0 200 OK\r\nProxy-Connection: keep-alive\r\nContent-Length: 0\r\n\r\n";
    let requests: [(&[u8], &[u8]); 5] = [
        (GET, kept),
        (old_get, kept),
        (to_proxy, kept_by_proxy),
        (old_to_proxy, kept_by_proxy),
        (old_to_proxy, kept),
    ];
    for (request, answer) in requests {
        let case = format!("{} to {}", answer.escape_ascii(), request.escape_ascii());
        let peer = answering([answer, HI]);
        let mut client = connect(&peer);
        ask(&mut client, request, answer, &case);
        ask(&mut client, GET, HI, &case);
        had_one_connection(peer, client, &[request, GET], &case);
    }
    let requests: [(&[u8], &[u8]); 5] = [
        // A client that does not talk to a proxy does not look at the field.
        (GET, kept_by_proxy),
        (b"GET / HTTP/1.0\r\n\r\n", kept),
        (old_get, b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"),
        (old_get, HI),
        (to_proxy, b"HTTP/1.1 200 OK\r\nProxy-Connection: close\r\nContent-Length: 0\r\n\r\n"),
    ];
    for (request, answer) in requests {
        let case = format!("{} to {}", answer.escape_ascii(), request.escape_ascii());
        let peer = answering([answer]);
        let mut client = connect(&peer);
        ask(&mut client, request, answer, &case);
        end_of_file(&mut client, &case);
        finished(peer);
    }
}

#[test]
fn a_response_is_kept_however_large_it_is_and_whatever_comes_before_it() {
    const LENGTH: usize = 17 << 20;
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n");
    let body = vec![b'x'; LENGTH];
    let in_memory = [head.as_bytes(), &body].concat();
    let interim = b"HTTP/1.1 100 Continue\r\n\r\n".repeat((1 << 20) / 25);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("large");
    std::fs::write(&file, &in_memory).expect("room for a file");
    for (response, answer, case) in [
        (Response::from(&in_memory[..]), in_memory.clone(), "in memory"),
        (Response::file(&file), in_memory, "from a file"),
        (Response::from(&interim[..]).send(HI), [&interim, HI].concat(), "interim responses"),
    ] {
        let source = Sequence::new([response, Response::from(HI)].map(Response::keep_alive));
        let peer = spawned(patient().source(source));
        let mut client = connect(&peer);
        ask(&mut client, GET, &answer, case);
        ask(&mut client, GET, HI, case);
        had_one_connection(peer, client, &[GET, GET], case);
    }
}
