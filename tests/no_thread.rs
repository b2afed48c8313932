//! The common case of `serve_once` starts no thread. Alone in its file: the threads of other tests would count.

// Linux lists the threads of a process there.
#![cfg(target_os = "linux")]

use std::fs;
use std::sync::mpsc;

use fake_peer::Request;
use fake_peer_test_support::{bound, connect_and_send, patient, read_all};

#[test]
fn a_client_that_speaks_at_once_is_served_in_the_calling_thread() {
    let (seen, threads_seen) = mpsc::channel();
    let server = bound(patient().source(move |_: &Request| {
        seen.send((threads(), std::thread::current().id())).expect("a test that listens");
        "answer"
    }));
    let before = threads();
    for number in 1..=10 {
        let mut client = connect_and_send(server.local_addr(), b"request");
        server.serve_once().expect("an exchange");
        assert_eq!(read_all(&mut client), b"answer");
        let (during, thread) = threads_seen.try_recv().expect("the source was asked");
        assert_eq!(thread, std::thread::current().id(), "exchange {number}");
        assert_eq!(during, before, "exchange {number}: threads while it is answered");
        assert_eq!(threads(), before, "exchange {number}: threads when it is over");
    }
    drop(server);
    assert_eq!(threads(), before);
}

fn threads() -> usize {
    fs::read_dir("/proc/self/task").expect("the process's threads").count()
}
