//! Requests that a client sends while its answers wait to be read: they are kept up to the buffer limit, above it the client is stuck,
//! and in the end all are answered.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use fake_peer::{Framing, Request, Response};
use fake_peer_test_support::{
    PATIENCE, connect, expect_bytes, finished, over_within, patient, read_all, same_bytes, spawned,
};

const LINE: usize = 64 << 10;

const LIMIT: usize = 256 << 10;

/// More than what the kernels of both sides keep.
const MUCH: usize = 64 << 20;

const LONG: usize = 20 << 20;

/// Writes `bytes` again and again until nothing more is taken for a second. How many bytes were taken.
fn write_until_stuck(client: &mut TcpStream, bytes: &[u8]) -> usize {
    client.set_write_timeout(Some(Duration::from_secs(1))).expect("an open socket");
    let mut written = 0;
    while written < MUCH {
        match client.write(&bytes[written % bytes.len()..]) {
            Ok(length) => written += length,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                break;
            }
            Err(error) => panic!("an open connection, not `{error}` after {written} bytes"),
        }
    }
    client.set_write_timeout(Some(PATIENCE)).expect("an open socket");
    written
}

fn line() -> Vec<u8> {
    let mut line = vec![b'x'; LINE];
    line[LINE - 1] = b'\n';
    line
}

#[test]
fn requests_above_the_buffer_limit_are_not_read_while_an_answer_waits() {
    let source = |request: &Request| match request.bytes() {
        b"long\n" => Response::from(vec![b'y'; LONG]).keep_open(),
        _ => Response::from("ok").keep_open(),
    };
    let builder = patient().framing(Framing::until("\n")).retain(16).buffer_limit(LIMIT);
    let peer = spawned(builder.source(source));
    let mut client = connect(&peer);
    client.write_all(b"long\n").expect("room for a small request");
    expect_bytes(&mut client, b"y", "the answer has begun");

    let line = line();
    let written = write_until_stuck(&mut client, &line);
    assert!(written < MUCH / 2, "the peer has read {written} bytes that it cannot answer yet");

    let mut reading = client.try_clone().expect("a descriptor");
    let reader = thread::spawn(move || {
        let mut rest = vec![0; LONG - 1];
        reading.read_exact(&mut rest).expect("the rest of the long answer");
        assert!(rest.iter().all(|&byte| byte == b'y'), "the long answer");
        read_all(&mut reading)
    });
    // The rest of a line that was cut, and one more.
    client.write_all(&line[written % LINE..]).expect("somebody who reads");
    client.write_all(&line).expect("somebody who reads");
    client.shutdown(std::net::Shutdown::Write).expect("an open socket");
    let lines = written / LINE + 2;
    let answers = over_within(3 * PATIENCE, "all answers", move || reader.join());
    same_bytes(&answers.expect("no panic"), &b"ok".repeat(lines), "the short answers");
    drop(client);
    let journal = finished(peer);
    assert_eq!(journal.exchanges().count(), lines + 1);
}

#[test]
fn many_small_requests_are_answered_in_the_end_though_no_answer_is_read_at_first() {
    // Each answer is longer than its request: both directions are stuck.
    let answer = vec![b'y'; 4096];
    let expected = answer.clone();
    let builder = patient().framing(Framing::until("\n")).retain(16).buffer_limit(LIMIT);
    let peer = spawned(builder.source(Response::from(answer).keep_open()));
    let mut client = connect(&peer);
    let written = write_until_stuck(&mut client, &[b'\n'; 1000]);
    assert!(written < MUCH / 2, "the peer has read {written} requests whose answers nobody reads");

    let mut reading = client.try_clone().expect("a descriptor");
    // The first answers only: enough to show that it goes on.
    let count = written.min(5_000);
    let reader = thread::spawn(move || {
        let mut seen = vec![0; count * 4096];
        reading.read_exact(&mut seen).expect("the answers");
        assert!(seen.chunks(4096).all(|chunk| chunk == expected), "each answer");
    });
    over_within(3 * PATIENCE, "the answers", move || reader.join()).expect("no panic");
    drop(client);
    // The client has left with answers unread.
    let _ = over_within(3 * PATIENCE, "finish", move || peer.finish());
}

#[test]
fn the_bytes_after_a_last_answer_are_read_beyond_the_buffer_limit() {
    let peer = spawned(
        patient()
            .framing(Framing::until("\n"))
            .retain(16)
            .buffer_limit(LIMIT)
            .source(vec![b'y'; LONG]),
    );
    let mut client = connect(&peer);
    client.write_all(b"request\n").expect("room for a small request");
    expect_bytes(&mut client, b"y", "the answer has begun");
    // No request follows, so there is no limit: an upload that goes on is not blocked.
    client.write_all(&vec![b'x'; MUCH / 2]).expect("somebody who reads");
    assert_eq!(read_all(&mut client).len(), LONG - 1);
    drop(client);
    let journal = over_within(3 * PATIENCE, "finish", move || finished(peer));
    assert_eq!(journal.connections()[0].trailing_len(), (MUCH / 2) as u64);
}
