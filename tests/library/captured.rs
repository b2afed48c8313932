//! What a test prints is captured by the thread that starts other threads: the panic of a closure, and the journal of a peer whose
//! test fails, are printed by the test that they belong to. This program runs itself for that, with tests that fail on purpose.

use std::hint;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use fake_peer::{Client, Event, Peer, Request, RequestSink, Response, http};
use fake_peer_test_support::programs::{Ended, Running};
use fake_peer_test_support::{
    PATIENCE, connect, connect_and_send, expect_bytes, patient, read_to_its_end, spawned,
};

/// Set for the tests that fail on purpose: what panics in them.
const WHAT: &str = "FAKE_PEER_TEST_FAILS";

/// How many tests of one kind fail side by side.
const SIDE_BY_SIDE: usize = 2;

const GET: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

static BOTH: Barrier = Barrier::new(SIDE_BY_SIDE);

fn what_fails() -> Option<String> {
    std::env::var(WHAT).ok()
}

struct PanickingSink(&'static str);

impl RequestSink for PanickingSink {
    fn open(&mut self, _: &Client) -> io::Result<Box<dyn Write + Send>> {
        panic!("the sink of the {} test", self.0)
    }
}

fn panicking(what: &str, name: &'static str) -> Peer {
    match what {
        "source" => spawned(
            patient()
                .source(move |_: &Request| -> Response { panic!("the source of the {name} test") }),
        ),
        "sink" => spawned(patient().source("answer").sink(PanickingSink(name))),
        "observer" => spawned(patient().source("answer").on_event(move |event| {
            assert!(!matches!(event, Event::Received { .. }), "the observer of the {name} test");
        })),
        "reader" => spawned(patient().source(Response::new().send_from(PanickingReader(name)))),
        other => panic!("no such failure: {other}"),
    }
}

struct PanickingReader(&'static str);

impl io::Read for PanickingReader {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        panic!("the reader of the {} test", self.0)
    }
}

fn fails(name: &'static str) {
    let Some(what) = what_fails() else { return };
    // Both peers are there before the first client is: neither has the process to itself.
    BOTH.wait();
    let peer = panicking(&what, name);
    BOTH.wait();
    let mut client = connect_and_send(peer.addr(), GET);
    let _ = read_to_its_end(&mut client);
    BOTH.wait();
    let ended = catch_unwind(AssertUnwindSafe(|| peer.finish()));
    BOTH.wait();
    assert!(ended.is_ok(), "the {name} test has failed");
}

#[test]
#[ignore = "fails on purpose, run by another test"]
fn on_purpose_first() {
    fails("first");
}

#[test]
#[ignore = "fails on purpose, run by another test"]
fn on_purpose_second() {
    fails("second");
}

/// Runs these tests of this program, side by side.
#[track_caller]
fn output_of(tests: &str, what: &str) -> String {
    let mut command = Command::new(std::env::current_exe().expect("this test is a file"));
    command
        .args([tests, "--ignored", "--test-threads=2"])
        .env(WHAT, what)
        .env("RUST_BACKTRACE", "0");
    let Ended { stdout, code, .. } = Running::start(&mut command).end();
    assert_ne!(code, Some(0), "{what}: they fail:\n{stdout}");
    stdout
}

/// What the test of this name has printed.
#[track_caller]
fn section<'a>(stdout: &'a str, test: &str) -> &'a str {
    let title = format!("---- captured::{test} stdout ----\n");
    let (_, rest) = stdout.split_once(&title).unwrap_or_else(|| panic!("no {test} in:\n{stdout}"));
    rest.split("\n---- ").next().and_then(|rest| rest.split("\nfailures:\n").next()).unwrap_or(rest)
}

#[test]
fn a_panic_of_user_code_is_printed_by_its_own_test() {
    for what in ["source", "sink", "observer", "reader"] {
        let stdout = output_of("captured::on_purpose_", what);
        for (name, other) in [("first", "second"), ("second", "first")] {
            let printed = section(&stdout, &format!("on_purpose_{name}"));
            let of = |name: &str| format!("the {what} of the {name} test");
            assert!(printed.contains(&of(name)), "{what}, {name}: not its own panic:\n{stdout}");
            assert!(!printed.contains(&of(other)), "{what}, {name}: another's panic:\n{stdout}");
        }
    }
}

const JOURNALS: usize = 100;

const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

#[test]
#[ignore = "fails on purpose, run by another test"]
fn failing_with_journals() {
    if what_fails().as_deref() != Some("journals") {
        return;
    }
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let start = Instant::now();
                while !over.load(Ordering::Relaxed) && start.elapsed() < 3 * PATIENCE {
                    hint::spin_loop();
                }
            });
        }
        for number in 0..JOURNALS {
            let peer = if number % 2 == 0 {
                spawned(patient().source(Response::from(ANSWER)))
            } else {
                spawned(patient().source(|_: &Request| http::ok("hi")))
            };
            let failed = catch_unwind(AssertUnwindSafe(|| {
                let peer = peer;
                let mut client = connect(peer.addr());
                client.write_all(GET).expect("room for a small request");
                expect_bytes(&mut client, ANSWER.as_bytes(), "the answer");
                panic!("as planned");
            }));
            assert!(failed.is_err(), "it has panicked");
        }
        over.store(true, Ordering::Relaxed);
    });
    panic!("all have failed");
}

#[test]
fn the_journal_that_a_failing_test_prints_has_what_its_client_has_read() {
    let stdout = output_of("captured::failing_with_journals", "journals");
    let printed = section(&stdout, "failing_with_journals");
    let journals = printed.matches("; its journal:\n").count();
    assert_eq!(journals, JOURNALS, "a journal for each test that fails");
    let finished = "exchange 1: 18 bytes of request, complete; 40 of 40 bytes of response";
    let complete = printed.matches(finished).count();
    assert_eq!(complete, JOURNALS, "journals with the exchange whose answer was read to its end");
}

/// Whether the loop has accepted a client by the time that its test fails is a matter of luck.
#[test]
#[ignore = "fails on purpose, run by another test"]
fn failing_with_new_clients() {
    if what_fails().as_deref() != Some("new clients") {
        return;
    }
    for _ in 0..JOURNALS {
        let peer = spawned(patient().source(Response::from(ANSWER)));
        let failed = catch_unwind(AssertUnwindSafe(|| {
            let peer = peer;
            let _client = connect(peer.addr());
            panic!("as planned");
        }));
        assert!(failed.is_err(), "it has panicked");
    }
    panic!("all have failed");
}

#[test]
fn the_journal_that_a_failing_test_prints_has_a_client_that_has_just_connected() {
    let stdout = output_of("captured::failing_with_new_clients", "new clients");
    let printed = section(&stdout, "failing_with_new_clients");
    let journals = printed.matches("; its journal:\nconnection 1 from ").count();
    assert_eq!(journals, JOURNALS, "journals with the client of their test");
}
