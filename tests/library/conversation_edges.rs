//! Conversations at their edges: blocks in blocks, closures that block, requests of which too little was kept, several failures at once,
//! and what a family of faults finds in them.

use std::io::{self, ErrorKind, Write};
use std::net::Shutdown;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fake_peer::conversation::{exact, glob, line_starting, matching};
use fake_peer::{Conversation, Ending, Event, Framing, Request, Response, ResponseSource, faults};
use fake_peer_test_support::{
    PATIENCE, ask, assert_has, blocking, connect, expect_bytes, failure, finished, patient,
    playing, read_all, read_to_its_end, spawned,
};

#[track_caller]
fn parsed(text: &str) -> Conversation {
    text.parse().unwrap_or_else(|error| panic!("{error} in {text}"))
}

fn new() -> Conversation {
    Conversation::new()
}

#[test]
fn a_block_that_begins_with_a_block_waits_for_its_client() {
    let peer = playing(new().repeat(2, new().repeat(2, new().expect("a").say("b"))).say("!"));
    assert_eq!(ask(peer.addr(), b"aaaa"), b"bbbb!");
    let journal = finished(peer);
    assert_eq!(journal.exchanges_per_connection(), [4], "no exchange before the first request");
    assert_eq!(ask(playing(new().repeat(0, new().say("x")).say("y")).addr(), b""), b"y");
    let peer = playing(new().repeat(2, new().repeat(2, new().say("x"))));
    assert_eq!(ask(peer.addr(), b""), b"xxxx");
    finished(peer);
}

#[test]
fn a_client_that_leaves_in_a_block_has_not_left_between_the_rounds_around_it() {
    let peer = playing(new().forever(new().repeat(2, new().expect("a").say("b"))));
    for (said, heard) in [("aa", "bb"), ("a", "b")] {
        let mut client = connect(&peer);
        client.write_all(said.as_bytes()).expect("room for a small request");
        expect_bytes(&mut client, heard.as_bytes(), said);
    }
    assert_has(&failure(peer), "connection 2 stopped after turn 1 of the conversation");
}

#[test]
fn of_several_connections_that_stopped_the_first_is_reported() {
    for _ in 0..4 {
        let peer = playing(new().expect("a").say("b").expect("c"));
        for _ in 0..6 {
            let mut client = connect(&peer);
            client.write_all(b"a").expect("room for a small request");
            expect_bytes(&mut client, b"b", "an answer");
        }
        assert_has(&failure(peer), "connection 1 stopped after turn 1");
    }
}

#[test]
fn a_greeted_client_without_a_byte_has_not_played_an_endless_block() {
    let peer = playing(new().say("hi").forever(new().expect("a").say("b")));
    let mut client = connect(&peer);
    expect_bytes(&mut client, b"hi", "the greeting");
    drop(client);
    assert_has(&failure(peer), "no connection has played the conversation to its end");
}

#[test]
fn answers_that_are_not_one_follow_each_other_after_a_request() {
    let pieces = Response::from("pieces ").in_pieces(3, Duration::ZERO);
    let peer = playing(new().expect("?").say(pieces).say("and more ").expect("!").say("end"));
    assert_eq!(ask(peer.addr(), b"?!"), b"pieces and more end");
    finished(peer);
    // Of a long block not all is in memory at once.
    let peer = playing(new().repeat(5_000, new().say("0123456789")));
    assert_eq!(ask(peer.addr(), b""), b"0123456789".repeat(5_000));
    assert!(finished(peer).exchanges().count() > 1);
}

#[test]
fn a_failure_that_was_taken_is_not_reported_again() {
    for expected in [new().expect("0123456789"), new().expect(glob("0123*\n"))] {
        let peer = spawned(patient().retain(4).source(expected));
        ask(peer.addr(), b"012345678\n");
        let error = peer.take(PATIENCE).expect_err("it can't be compared, or differs");
        drop(error);
        finished(peer);
    }
}

#[test]
fn requests_of_which_too_little_was_kept_are_not_compared() {
    let one_of = new().one_of([("0123456789", new()), ("abcdefghij", new())]);
    for conversation in [new().expect(glob("0123*9\n")), one_of] {
        let peer = spawned(patient().retain(4).source(conversation));
        ask(peer.addr(), b"0123456789\n");
        assert_has(&failure(peer), "only 4 of the request's 1");
    }
}

#[test]
fn pieces_of_a_pattern_do_not_overlap() {
    let peer = playing(new().forever(new().expect(glob("*aa*aa*\n")).say("!")));
    assert_eq!(ask(peer.addr(), b"aaaa\nbaacaab\naaa\n"), b"!!");
    assert_has(&failure(peer), "actual \"aaa\\n\"");
}

#[test]
fn a_request_cut_short_ends_as_a_mismatch_does_and_names_its_turn() {
    let rest = |_: &Request| Response::from("yes").keep_open();
    let peer = playing(
        new().expect("a").say("b").rest(Framing::until("\n"), rest).on_mismatch(Ending::Reset),
    );
    let mut client = connect(&peer);
    client.write_all(b"aone\nhal").expect("room for a small request");
    client.shutdown(Shutdown::Write).expect("an open socket");
    assert_eq!(read_to_its_end(&mut client), (b"byes".to_vec(), Some(ErrorKind::ConnectionReset)));
    drop(client);
    assert_has(&failure(peer), "within turn 3 of the conversation");
}

#[test]
fn a_response_without_a_step_may_end_a_conversation() {
    let peer = playing(new().expect("?").say(Response::new().ending(Ending::Reset)));
    let mut client = connect(&peer);
    client.write_all(b"?").expect("room for a small request");
    assert_eq!(read_to_its_end(&mut client), (Vec::new(), Some(ErrorKind::ConnectionReset)));
    drop(client);
    finished(peer);
}

/// Forwards no `hints`.
struct Wrapped(Conversation);

impl ResponseSource for Wrapped {
    fn respond(&mut self, request: &Request) -> io::Result<Response> {
        self.0.respond(request)
    }
}

#[test]
fn a_source_around_a_greeting_that_does_not_forward_its_hints_is_told_so() {
    let peer = spawned(patient().source(Wrapped(new().say("hi").expect("a"))));
    assert_eq!(ask(peer.addr(), b"GET / HTTP/1.1\r\n\r\n"), b"");
    assert_has(&failure(peer), "a source that wraps it has to forward its `hints`");
}

#[test]
fn a_closure_that_blocks_holds_up_no_other_peer_wherever_it_stands() {
    type Written = fn(Box<dyn Fn() + Send + Sync>) -> Conversation;
    let cases: [(&str, Written); 6] = [
        ("what is expected", |block| new().expect(question(block))),
        ("the rest", |block| {
            new().rest(Framing::exactly(1), move |_: &Request| {
                block();
                Response::new()
            })
        }),
        ("a framing", |block| {
            new().expect(Framing::from_fn(move |bytes| {
                block();
                Some(bytes.len())
            }))
        }),
        ("a branch", |block| new().one_of([(question(block), new())])),
        ("within a branch", |block| {
            let inside = new().expect(question(block));
            new().one_of([(exact("?"), inside)])
        }),
        ("a block", |block| new().repeat(1, new().expect(question(block)))),
    ];
    let other = spawned(patient().source("other"));
    for (case, conversation) in cases {
        let (held, block, entered) = blocking();
        // Also a user's function may be called by several threads.
        let block = Mutex::new(block);
        let block = Box::new(move || block.lock().expect("no panic").until_released());
        let peer = playing(conversation(block));
        let mut client = connect(&peer);
        client.write_all(b"??").expect("room for a small request");
        entered.recv_timeout(PATIENCE).expect(case);
        assert_eq!(ask(other.addr(), b"hello"), b"other", "{case}");
        held.release();
        drop(client);
        // A client that leaves before its answer may be a failure here.
        drop(peer.finish());
    }
    finished(other);
}

fn question(block: Box<dyn Fn() + Send + Sync>) -> fake_peer::conversation::Expect {
    matching("a question", Framing::exactly(1), move |_: &Request| {
        block();
        true
    })
}

type Script = fn() -> Conversation;

#[test]
fn what_ends_or_keeps_open_within_a_block_panics_where_it_is_written() {
    let cases: [(&str, Script); 5] = [
        ("the conversation has ended before this", || {
            new().repeat(2, new().expect("a").ending(Ending::Close)).say("x")
        }),
        ("an empty text is never said", || new().one_of([("a", new()), ("", new())])),
        ("leave out its `after`", || new().say(Response::from("x").after(Framing::eof()))),
        ("so it ends no conversation", || new().ending(Ending::KeepOpen)),
        ("so it ends no conversation", || new().on_mismatch(Ending::KeepAlive)),
    ];
    for (reason, write) in cases {
        let panicked = panic::catch_unwind(AssertUnwindSafe(write)).expect_err(reason);
        assert_has(panicked.downcast_ref::<String>().expect("a panic in words"), reason);
    }
}

#[test]
fn faults_find_what_is_said_in_blocks_and_branches_and_together() {
    let names = |conversation: Conversation| -> Vec<String> {
        let cases = faults::truncations(conversation).endings([Ending::Close]);
        cases.map(|case| case.to_string()).collect()
    };
    assert_eq!(names(new().say("ab").say("cd"))[3], "answer 1: cut(3, Ending::Close)");
    let branches = new().one_of([("a", new().say("1")), ("b", new().say("22"))]);
    let both = names(new().expect("?").say("xyz").repeat(2, branches));
    assert_eq!(both.len(), 3 + 1 + 2, "{both:?}");
    assert_eq!(both[5], "answer 3: cut(1, Ending::Close)");
}

#[test]
fn each_ending_of_a_file_is_that_ending() {
    let word = |ending: &Ending| format!("{ending:?}");
    for (text, ending) in [
        ("close", Ending::Close),
        ("reset", Ending::Reset),
        ("half-close", Ending::HalfClose),
        ("hold", Ending::Hold),
        ("stop-reading", Ending::StopReading),
        ("close-at-once", Ending::CloseAtOnce),
    ] {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let endings = Arc::clone(&seen);
        let observer = move |event: &Event<'_>| {
            if let Event::Ending { ending, .. } = event {
                endings.lock().expect("no panic").push(format!("{ending:?}"));
            }
        };
        let script = parsed(&format!(">- ?\n<- !\n{text}"));
        let peer = spawned(patient().source(script).on_event(observer));
        let mut client = connect(&peer);
        client.write_all(b"?").expect("room for a small request");
        expect_bytes(&mut client, b"!", text);
        drop(client);
        finished(peer);
        assert_eq!(*seen.lock().expect("no panic"), [word(&ending)], "{text}");
    }
}

#[test]
fn one_space_or_tab_separates_a_mark_from_its_text_and_a_star_is_shown_as_it_is_written() {
    let peer = playing(parsed("<  two\n<\ttab\n> a*\\*"));
    assert_eq!(ask(peer.addr(), b"b\r\n"), b" two\r\ntab\r\n");
    assert_has(&failure(peer), "expected a line like \"a*\\*\\r\\n\"");
    let error = "either\n>- \nor\n> a\nend".parse::<Conversation>().expect_err("an empty text");
    assert_eq!((error.line(), error.column()), (2, 1), "{error}");
}

#[test]
fn case_is_ignored_where_a_test_says_so_and_other_differences_count() {
    for (expected, said, wrong, message) in [
        (
            exact("EHLO ü\r\n").ignoring_case(),
            "eHLO ü\r\n",
            "ehlo Ü\r\n",
            "differs from what was expected, ignoring case, at byte 6",
        ),
        (
            line_starting("MAIL FROM:").ignoring_case(),
            "mail From:<a>\r\n",
            "mail to:<a>\r\n",
            "expected a line that starts with \"MAIL FROM:\" in any case",
        ),
        (
            glob("a[*]b*C\n").ignoring_case(),
            "A[..]B c C c\n",
            "A{..}B c C c\n",
            "expected a line like \"a[*]b*C\\n\" in any case",
        ),
    ] {
        let peer = playing(new().expect(expected.clone()).say("ok"));
        assert_eq!(ask(peer.addr(), said.as_bytes()), b"ok", "{expected:?}");
        finished(peer);
        let peer = playing(new().expect(expected).say("ok"));
        assert!(ask(peer.addr(), wrong.as_bytes()).is_empty());
        assert_has(&failure(peer), message);
    }
}

#[test]
fn a_byte_that_is_wrong_in_any_case_is_found_without_the_rest() {
    let peer = playing(new().one_of([
        (exact("PING\r\n").ignoring_case(), new().say("any")),
        (exact("PAUSE"), new().say("one")),
    ]));
    assert_eq!(ask(peer.addr(), b"ping\r\n"), b"any");
    assert_eq!(ask(peer.addr(), b"PAUSE"), b"one");
    let mut client = connect(&peer);
    client.write_all(b"pa").expect("room for a small request");
    assert!(read_all(&mut client).is_empty(), "no text begins so");
    drop(client);
    assert_has(&failure(peer), "expected \"PING\\r\\n\" in any case, or \"PAUSE\"");
}

#[test]
fn texts_that_differ_only_in_a_case_that_is_ignored_are_the_same() {
    for other in [exact("QUIT"), exact("QUIT").ignoring_case()] {
        let write =
            || new().one_of([(exact("quit").ignoring_case(), new()), (other.clone(), new())]);
        let panicked = panic::catch_unwind(AssertUnwindSafe(write)).expect_err("the same");
        assert_has(panicked.downcast_ref::<String>().expect("words"), "or is the same");
    }
    for without in [Framing::lines().into(), matching("a name", Framing::lines(), |_| true)] {
        let ignoring = || fake_peer::conversation::Expect::ignoring_case(without);
        let panicked = panic::catch_unwind(AssertUnwindSafe(ignoring)).expect_err("no text");
        assert_has(
            panicked.downcast_ref::<String>().expect("words"),
            "there is no text whose case",
        );
    }
}
