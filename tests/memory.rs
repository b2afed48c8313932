//! The memory of the program `tcpserver` while gigabytes pass through it: it stays flat. The tests of its bytes are in
//! `tests/program`, but here they must arrive complete, too.
#![cfg(target_os = "linux")]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;

use fake_peer_test_support::programs::{
    Folder, RESPONSE, Tcpserver, assert_bytes, receive_all, send, text,
};

const GIBIBYTE: u64 = 1 << 30;

/// How far the peak may rise above that of the idle program.
const ALLOWED_KIB: u64 = 4 * 1024;

/// Not a divisor of a buffer's size, so that exchanged pieces are noticed.
const BLOCK: usize = 1_000_003;

/// The peak of a running program's resident memory, in KiB.
#[track_caller]
fn peak(program: &Tcpserver) -> u64 {
    let path = format!("/proc/{}/status", program.running.id());
    let status = fs::read_to_string(path).expect("the program runs");
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|value| value.trim().strip_suffix(" kB"))
        .and_then(|value| value.parse().ok())
        .unwrap_or_else(|| panic!("no peak in {status}"))
}

#[track_caller]
fn assert_flat(idle: u64, busy: u64) {
    assert!(
        busy < idle + ALLOWED_KIB,
        "the peak rose from {idle} KiB by {} KiB, more than {ALLOWED_KIB} KiB",
        busy - idle
    );
}

#[test]
fn a_response_of_one_gibibyte_takes_no_memory() {
    let folder = Folder::new();
    // A sparse file takes no space on the disk.
    File::create(folder.file("server_send.txt"))
        .and_then(|file| file.set_len(GIBIBYTE))
        .expect("a file with a hole can be made");
    let program = Tcpserver::start(&folder, ["--quiet"]);
    let idle = peak(&program);

    let client = program.connect();
    send(&client, b"GET / HTTP/1.1\r\n\r\n");
    assert_eq!(receive_zeros(&client), GIBIBYTE);
    // The program waits for the client to close.
    let busy = peak(&program);
    drop(client);

    let ended = program.end();
    assert_eq!((ended.stderr.as_str(), ended.code), ("", Some(0)));
    assert_flat(idle, busy);
}

#[test]
fn a_request_of_exactly_one_gibibyte_takes_no_memory() {
    assert_upload_is_flat(&format!("exactly:{GIBIBYTE}"), b"");
}

#[test]
fn an_http_request_of_one_gibibyte_takes_no_memory() {
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {GIBIBYTE}\r\n\r\n");
    assert_upload_is_flat("auto", head.as_bytes());
}

#[track_caller]
fn assert_upload_is_flat(framing: &str, head: &[u8]) {
    let folder = Folder::new();
    let program = Tcpserver::start(&folder, ["--quiet", "--framing", framing]);
    let idle = peak(&program);

    let mut client = program.connect();
    send(&client, head);
    let block = block();
    let mut left = GIBIBYTE;
    while left > 0 {
        let piece = first_of(&block, left);
        client.write_all(piece).unwrap_or_else(|error| panic!("{left} bytes left: {error}"));
        left -= piece.len() as u64;
    }
    // The answer is complete, and the program waits for the client to close.
    assert_bytes(&receive_all(&client), RESPONSE, "the answer");
    let busy = peak(&program);
    drop(client);

    let ended = program.end();
    assert_eq!((ended.stderr.as_str(), ended.code), ("", Some(0)), "{framing}");
    assert_captured(&folder, head, &block);
    assert_flat(idle, busy);
}

#[track_caller]
fn assert_captured(folder: &Folder, head: &[u8], block: &[u8]) {
    let mut file = File::open(folder.file("server_recv.txt")).expect("the captured request");
    let length = file.metadata().expect("an open file has a length").len();
    assert_eq!(length, head.len() as u64 + GIBIBYTE);
    let mut captured = vec![0; head.len()];
    file.read_exact(&mut captured).expect("it is long enough");
    assert_bytes(&captured, head, "the captured head");
    captured.resize(block.len(), 0);
    let mut left = GIBIBYTE;
    while left > 0 {
        let piece = first_of(block, left);
        let captured = &mut captured[..piece.len()];
        file.read_exact(captured).expect("it is long enough");
        assert_bytes(captured, piece, &format!("captured with {left} bytes left"));
        left -= piece.len() as u64;
    }
}

/// Bytes that repeat only after a long distance.
fn block() -> Vec<u8> {
    let mut state = 1_u32;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    })
    .take(BLOCK)
    .collect()
}

fn first_of(block: &[u8], at_most: u64) -> &[u8] {
    &block[..usize::try_from(at_most).map_or(block.len(), |at_most| at_most.min(block.len()))]
}

/// How many bytes arrived, all of them zero, until the peer shut down its sending side.
#[track_caller]
fn receive_zeros(mut client: &TcpStream) -> u64 {
    let zeros = vec![0; 1 << 20];
    let mut buffer = zeros.clone();
    let mut received = 0;
    loop {
        match client.read(&mut buffer) {
            Ok(0) => return received,
            Ok(length) => {
                let piece = &buffer[..length];
                assert!(piece == &zeros[..length], "after {received} bytes came {}", text(piece));
                received += length as u64;
            }
            Err(error) => panic!("failed to receive after {received} bytes: {error}"),
        }
    }
}
