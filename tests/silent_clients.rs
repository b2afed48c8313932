//! `serve_once` starts no thread, however many silent clients are connected. Alone in its file: the threads of other tests would
//! count.

// Linux lists the threads of a process there.
#![cfg(target_os = "linux")]

use std::fs;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use fake_peer::{Error, Request};
use fake_peer_test_support::{
    bound, connect, connect_and_send, patient, raise_descriptor_limit, read_all,
};

const SILENT: usize = 500;

/// Ten times what it may take to look at all of them.
const ACCEPT: Duration = Duration::from_millis(500);

#[test]
fn behind_many_silent_clients_an_exchange_is_served_in_the_calling_thread() {
    raise_descriptor_limit(2 * SILENT as u64 + 100);
    let (seen, threads_seen) = mpsc::channel();
    let server = bound(patient().source(move |_: &Request| {
        seen.send((threads(), thread::current().id())).expect("a test that listens");
        "answer"
    }));
    let before = threads();
    let silent: Vec<_> = (0..SILENT).map(|_| connect(server.local_addr())).collect();
    for number in 1..=10 {
        let case = format!("exchange {number}");
        let mut client = connect_and_send(server.local_addr(), b"request");
        let exchange = server.serve_once().expect("an exchange");
        assert_eq!(exchange.request().bytes(), b"request", "{case}");
        assert_eq!(read_all(&mut client), b"answer", "{case}");
        let (during, thread) = threads_seen.try_recv().expect("the source was asked");
        assert_eq!(thread, thread::current().id(), "{case}");
        assert_eq!(during, before, "{case}: threads while it is answered");
        assert_eq!(threads(), before, "{case}: threads when it is over");
    }
    let server = server.accept_timeout(ACCEPT);
    let error = server.serve_once().expect_err("nobody asks");
    assert!(matches!(error, Error::NoRequest { .. }), "{error:?}");
    assert_eq!(threads(), before, "threads after a call that served nobody");
    drop(silent);
    drop(server);
    assert_eq!(threads(), before, "threads in the end");
}

fn threads() -> usize {
    fs::read_dir("/proc/self/task").expect("the process's threads").count()
}
