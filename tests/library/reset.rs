//! `Ending::Reset`: the reset comes after the client has acknowledged everything, however slowly it reads. A client that does not
//! read is reset after the timeout, and is an error of the peer.

// Other systems do not report what a client has acknowledged.
#![cfg(target_os = "linux")]

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, Instant};

use fake_peer::{Ending, Peer, Response, TcpServer};
use fake_peer_test_support::{
    EARLY, PATIENCE, connect, connect_with_little_room, eventually, finished, numbered,
    over_within, patient, read_to_its_end, same_bytes, spawned, taken,
};

const GET: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

const TIMEOUT: Duration = Duration::from_millis(300);

/// Many times the pause of a client that reads slowly, and less than the time that it takes.
const TIMEOUT_OF_READER: Duration = Duration::from_secs(1);

/// What the kernel takes at once, whether or not the client reads.
const MEDIUM: usize = 1_000_000;

fn resetting(bytes: Vec<u8>) -> Response {
    Response::from(bytes).ending(Ending::Reset)
}

fn asks(peer: &Peer) -> TcpStream {
    let mut client = connect_with_little_room(peer);
    client.write_all(GET).expect("room for a small request");
    client
}

/// Reads 64 kB each 50 ms until the reset.
fn reads_slowly(client: &mut TcpStream) -> (Vec<u8>, Option<ErrorKind>) {
    let (mut seen, mut piece) = (Vec::new(), vec![0; 64 << 10]);
    let start = Instant::now();
    while start.elapsed() < 6 * PATIENCE {
        match client.read(&mut piece) {
            Ok(0) => return (seen, None),
            Ok(length) => seen.extend_from_slice(&piece[..length]),
            Err(error) => return (seen, Some(error.kind())),
        }
        // The pace of the client: its timeout must begin again with each piece.
        thread::sleep(Duration::from_millis(50));
    }
    panic!("no end after {} bytes", seen.len());
}

#[test]
fn a_client_that_reads_more_slowly_than_the_timeout_gets_everything_before_the_reset() {
    let long = numbered(2_500_000);
    let peer = spawned(patient().timeout(TIMEOUT_OF_READER).source(resetting(long.clone())));
    let mut client = asks(&peer);
    let (seen, end) = reads_slowly(&mut client);
    same_bytes(&seen, &long, "all that was sent");
    assert_eq!(end, Some(ErrorKind::ConnectionReset));
    let exchange = taken(&peer);
    assert_eq!(exchange.sent(), long.len() as u64);
    eventually("the connection has ended", || exchange.closed_at().is_some());
    assert_eq!(exchange.acknowledged(), Some(long.len() as u64));
    finished(peer);
}

#[test]
fn finish_waits_for_a_client_that_reads_slowly_before_its_reset() {
    let long = numbered(2_500_000);
    let peer = spawned(patient().timeout(TIMEOUT_OF_READER).source(resetting(long.clone())));
    let mut client = asks(&peer);
    client.read_exact(&mut [0]).expect("it has begun");
    let reading = thread::spawn(move || reads_slowly(&mut client));
    let journal = over_within(2 * PATIENCE, "finish", move || finished(peer));
    let (seen, end) = reading.join().expect("no panic");
    same_bytes(&seen, &long[1..], "all that was sent");
    assert_eq!(end, Some(ErrorKind::ConnectionReset));
    assert_eq!(journal.exchanges().count(), 1);
}

/// A client that does not read has been reset by the peer, not before its time.
#[track_caller]
fn is_reset_in_time(peer: &Peer, start: Instant) {
    eventually("the reset", || {
        peer.journal().connections().first().is_some_and(|record| record.closed_at().is_some())
    });
    let took = start.elapsed();
    assert!(took + EARLY >= TIMEOUT, "not before its time: {took:?}");
    assert!(took < 10 * TIMEOUT, "{took:?}");
}

#[test]
fn a_client_that_does_not_read_is_reset_after_the_timeout_and_named_by_finish() {
    let peer = spawned(patient().timeout(TIMEOUT).source(resetting(numbered(MEDIUM))));
    let start = Instant::now();
    let mut client = asks(&peer);
    is_reset_in_time(&peer, start);
    // The journal knows a moment before the socket is closed; when the peer has finished, it is.
    let error = over_within(PATIENCE, "finish", move || peer.finish()).expect_err("a loss");
    let text = error.report().to_string();
    assert!(text.contains("connection 1"), "{text}");
    let (seen, end) = read_to_its_end(&mut client);
    assert!(seen.len() < MEDIUM, "it has not read: {}", seen.len());
    assert_eq!(end, Some(ErrorKind::ConnectionReset));
}

#[test]
fn a_client_that_does_not_read_before_its_reset_is_named_though_its_exchange_was_taken() {
    let peer = spawned(patient().timeout(TIMEOUT).source(resetting(numbered(MEDIUM))));
    let start = Instant::now();
    let client = asks(&peer);
    assert_eq!(taken(&peer).sent(), MEDIUM as u64);
    is_reset_in_time(&peer, start);
    let error = over_within(PATIENCE, "finish", move || peer.finish()).expect_err("a loss");
    let text = error.report().to_string();
    assert!(text.contains("connection 1"), "{text}");
    drop(client);
}

#[test]
fn a_client_that_does_not_read_before_its_reset_is_named_by_the_drop() {
    let peer = spawned(patient().timeout(TIMEOUT).source(resetting(numbered(MEDIUM))));
    let start = Instant::now();
    let client = asks(&peer);
    is_reset_in_time(&peer, start);
    let dropped =
        over_within(PATIENCE, "the drop", move || catch_unwind(AssertUnwindSafe(|| drop(peer))));
    let payload = dropped.expect_err("a loss");
    let text = payload.downcast_ref::<String>().expect("the report of an error");
    assert!(text.contains("connection 1"), "{text}");
    drop(client);
}

#[test]
fn the_finish_timeout_ends_the_wait_before_a_reset() {
    let peer = spawned(patient().finish_timeout(TIMEOUT).source(resetting(numbered(MEDIUM))));
    let mut client = asks(&peer);
    assert_eq!(taken(&peer).sent(), MEDIUM as u64);
    let error = over_within(10 * TIMEOUT, "finish", move || peer.finish()).expect_err("a loss");
    let text = error.report().to_string();
    assert!(text.contains("connection 1"), "{text}");
    assert_eq!(read_to_its_end(&mut client).1, Some(ErrorKind::ConnectionReset));
}

#[test]
fn a_client_that_goes_on_sending_before_its_reset_gets_everything_too() {
    let long = numbered(2_500_000);
    let server = TcpServer::builder().framing(fake_peer::Framing::until("\n"));
    let peer = spawned(server.timeout(10 * TIMEOUT).source(resetting(long.clone())));
    let mut client = connect(&peer);
    client.write_all(b"request\n").expect("room for a small request");
    let mut sending = client.try_clone().expect("a descriptor");
    let sender = thread::spawn(move || {
        let mut left = 100 << 20_u32;
        // Until the reset; a bound if there is none.
        while left > 0 {
            if let Err(error) = sending.write_all(&[b'x'; 4096]) {
                return Some(error.kind());
            }
            left -= 4096;
        }
        None
    });
    let (seen, end) = read_to_its_end(&mut client);
    same_bytes(&seen, &long, "all that was sent");
    // Linux reports a reset to one of the two calls; the other one sees an end.
    let ends = [end, sender.join().expect("no panic")];
    assert!(ends.contains(&Some(ErrorKind::ConnectionReset)), "{ends:?}");
    over_within(2 * PATIENCE, "finish", move || finished(peer));
}
