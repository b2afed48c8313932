//! The usual hand-written ways to break off lose bytes that the named faults deliver. These tests show that they
//! lose them; `faults`, `steps` and `wire` show that this crate does not.
#![cfg(target_os = "linux")] // what is lost depends on the kernel

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use fake_peer::{Ending, Framing, Peer, Response, TcpServer};
use fake_peer_test_support::{connect, connect_with_little_room, finished, read_to_its_end};
use socket2::SockRef;

const ANSWER: usize = 3_000_000;

/// A server that writes what the kernel takes at once, then does something to the socket and drops it. Returns how much
/// was taken. The client has not read anything by then.
fn break_off(
    connect: impl FnOnce(std::net::SocketAddr) -> TcpStream,
    request: &[u8],
    with: impl FnOnce(&TcpStream),
) -> (TcpStream, usize) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let mut client = connect(listener.local_addr().expect("bound"));
    client.write_all(request).expect("room");
    let (server, _) = listener.accept().expect("a client");
    server.set_nonblocking(true).expect("an open socket");
    let mut sent = 0;
    while sent < ANSWER {
        match (&server).write(&vec![b'x'; ANSWER - sent]) {
            Ok(taken) => sent += taken,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => panic!("{error}"),
        }
    }
    with(&server);
    drop(server);
    (client, sent)
}

/// How many bytes a client reads, and how the reading ends.
fn length_to_its_end(client: &mut TcpStream) -> (usize, Option<ErrorKind>) {
    let (bytes, error) = read_to_its_end(client);
    (bytes.len(), error)
}

#[test]
fn a_reset_right_after_writing_loses_what_was_written_and_the_named_one_does_not() {
    let (mut client, sent) = break_off(connect_with_little_room, b"", |server| {
        SockRef::from(server).set_linger(Some(Duration::ZERO)).expect("an open socket");
    });
    let (read, error) = length_to_its_end(&mut client);
    assert_eq!(error, Some(ErrorKind::ConnectionReset));
    assert!(read < sent, "the kernel took {sent} bytes, and the client read {read}");

    let response = Response::new().repeat("x", ANSWER as u64).ending(Ending::Reset);
    let peer = Peer::answer(response.after(Framing::nothing()));
    let mut client = connect_with_little_room(peer.addr());
    assert_eq!(length_to_its_end(&mut client), (ANSWER, Some(ErrorKind::ConnectionReset)));
    finished(peer);
}

#[test]
fn a_close_with_unread_input_loses_the_answer_and_the_default_one_does_not() {
    let request = vec![b'r'; 2000];
    let (mut client, sent) = break_off(connect_with_little_room, &request, |_| ());
    let (read, error) = length_to_its_end(&mut client);
    assert_eq!(error, Some(ErrorKind::ConnectionReset));
    assert!(read < sent, "the kernel took {sent} bytes, and the client read {read}");

    let response = Response::new().repeat("x", ANSWER as u64);
    let peer = TcpServer::builder().framing(Framing::exactly(1)).source(response).spawn();
    let peer = peer.expect("a peer");
    let mut client = connect(peer.addr());
    client.write_all(&request).expect("room");
    assert_eq!(length_to_its_end(&mut client), (ANSWER, None));
    drop(client);
    assert_eq!(finished(peer).connections()[0].trailing_len(), 1999);
}

#[test]
fn one_read_is_not_a_request_and_a_framing_is() {
    // A server that takes one read for a request answers before this client has sent all of it.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let mut client = connect(listener.local_addr().expect("bound"));
    let (mut server, _) = listener.accept().expect("a client");
    client.write_all(b"GE").expect("room");
    let mut first = [0; 4096];
    assert_eq!(server.read(&mut first).expect("bytes"), 2, "a part of the request");

    let peer = Peer::answer(|request: &fake_peer::Request| Response::from(request.bytes()));
    let mut client = connect(peer.addr());
    client.write_all(b"GE").expect("room");
    client.write_all(b"T / HTTP/1.1\r\n\r\n").expect("room");
    assert_eq!(fake_peer_test_support::read_all(&mut client), b"GET / HTTP/1.1\r\n\r\n");
    finished(peer);
}
