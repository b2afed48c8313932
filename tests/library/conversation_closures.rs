//! Answers of closures in the middle of a conversation.

use std::io::Write;
use std::panic::{self, AssertUnwindSafe};
use std::time::Duration;

use fake_peer::conversation::{exact, matching};
use fake_peer::{
    Conversation, Ending, Framing, LengthPrefix, Peer, PerConnection, Request, Response, faults,
};
use fake_peer_test_support::{
    ask, assert_has, connect, expect_bytes, failure, finished, patient, playing, read_all, spawned,
};

fn new() -> Conversation {
    Conversation::new()
}

fn line() -> Framing {
    Framing::until("\n")
}

fn echoed(request: &Request) -> Vec<u8> {
    request.bytes().to_ascii_uppercase()
}

#[test]
fn an_answer_depends_on_the_request_and_the_conversation_goes_on() {
    let peer = playing(
        new()
            .say("hello\n")
            .expect(line())
            .say("you said ")
            .say_with(|request| request.bytes().to_vec())
            .say_with(|request| format!("{} bytes\n", request.len()))
            .expect("bye\n")
            .say("bye\n"),
    );
    for name in ["a", "bcd"] {
        let said = format!("{name}\nbye\n");
        let heard = format!("hello\nyou said {name}\n{} bytes\nbye\n", name.len() + 1);
        assert_eq!(ask(&peer, said.as_bytes()), heard.as_bytes());
    }
    // What is said together is one exchange.
    assert_eq!(finished(peer).exchanges_per_connection(), [3, 3]);
}

#[test]
fn answers_with_a_pace_of_their_own_get_the_same_request_and_are_made_once() {
    let mut calls = 0;
    let peer = playing(
        new()
            .expect(line())
            .say(Response::from("one ").in_pieces(1, Duration::ZERO))
            .say_with(move |request| {
                calls += 1;
                format!("{calls} {}", request.bytes().escape_ascii())
            })
            .say(Response::from(" two ").in_pieces(1, Duration::ZERO))
            .say_with(|request| Response::from(request.bytes()).in_pieces(1, Duration::ZERO))
            .expect("end"),
    );
    assert_eq!(ask(&peer, b"me\nend"), b"one 1 me\\n two me\n");
    finished(peer);
}

#[test]
fn a_round_and_a_branch_answer_what_was_said_before_them() {
    let peer = playing(new().expect("first\n").forever(new().say_with(echoed).one_of([
        (matching("a question", line(), |request| request.bytes().ends_with(b"?\n")), {
            new().say_with(|request| format!("{}! ", request.bytes().len()))
        }),
        (exact("QUIT\n"), new().say("bye").ending(Ending::Close)),
    ])));
    assert_eq!(ask(&peer, b"first\na?\nQUIT\n"), b"FIRST\n3! A?\nbye");
    finished(peer);
}

#[test]
fn each_packet_is_acknowledged_with_its_own_identifier() {
    // MQTT: PUBLISH packets of quality 1, with a topic of one byte; the identifier comes after it.
    let packet = Framing::length_prefixed(LengthPrefix::big_endian(1).at(1));
    let publish = matching("a PUBLISH", packet, |request| request.bytes()[0] == 0x32);
    let peer = playing(new().repeat(
        2,
        new().expect(publish).say_with(|request| {
            let id = &request.bytes()[5..7];
            [b"\x40\x02", id].concat()
        }),
    ));
    let said = b"\x32\x06\0\x01t\0\x07x\x32\x06\0\x01t\x12\x34x";
    assert_eq!(ask(&peer, said), b"\x40\x02\0\x07\x40\x02\x12\x34");
    finished(peer);
}

#[test]
fn an_answer_may_end_the_conversation() {
    let peer = playing(
        new()
            .expect(line())
            .say_with(|request| match request.bytes() {
                b"cut\n" => Response::from("cut off").cut(3, Ending::Close),
                _ => Response::from("whole "),
            })
            .expect("more\n")
            .say("more"),
    );
    assert_eq!(ask(&peer, b"cut\n"), b"cut");
    assert_eq!(ask(&peer, b"go\nmore\n"), b"whole more");
    finished(peer);
}

#[test]
fn an_answer_that_keeps_the_connection_open_fails_with_its_place() {
    let said = line!() + 1;
    let wrong = new().expect(line()).say_with(|_| Response::from("x").keep_open()).say("y");
    let peer = playing(wrong);
    assert!(ask(&peer, b"a\n").is_empty());
    let text = failure(peer);
    assert_has(&text, "leave out what keeps the connection open");
    assert_has(&text, &format!("the `say_with` at {}:{said}:", file!()));
}

#[test]
fn a_panic_of_an_answer_is_that_of_the_peer() {
    let peer = playing(new().expect("?").say_with(|_| -> Response { panic!("no answer") }));
    assert!(ask(&peer, b"?").is_empty());
    let panicked = panic::catch_unwind(AssertUnwindSafe(|| peer.finish())).expect_err("a panic");
    assert_eq!(panicked.downcast_ref::<&str>(), Some(&"no answer"));
}

#[test]
fn an_answer_before_a_request_panics_where_the_peer_is_made_and_names_its_place() {
    let at = line!() + 1;
    let early = || new().say("hello").repeat(2, new().say_with(echoed).expect("a"));
    let expected = format!("before the `say_with` at {}:{at}:", file!());
    let start = [
        AssertUnwindSafe(Box::new(move || Peer::answer(early())) as Box<dyn FnOnce() -> Peer>),
        AssertUnwindSafe(Box::new(move || {
            Peer::answer(PerConnection::new([new().say("x"), early()]))
        })),
    ];
    for start in start {
        let panicked = panic::catch_unwind(start).expect_err("nothing to answer");
        assert_has(panicked.downcast_ref::<String>().expect("words"), &expected);
    }
    // Where only the client finds it, it is an error.
    let case = faults::byte_by_byte(early(), Duration::ZERO);
    let error = faults::sweep([case], |_, peer| drop(ask(peer, b""))).expect_err("no request");
    assert_has(&error.report().to_string(), &expected);
}

#[test]
fn connections_share_the_closure() {
    let mut number = 0;
    let peer = playing(new().expect("?").say_with(move |_| {
        number += 1;
        number.to_string()
    }));
    for expected in [b"1", b"2", b"3"] {
        assert_eq!(ask(&peer, b"?"), expected);
    }
    finished(peer);
}

#[test]
fn a_client_that_stops_at_an_answer_is_reported_with_what_comes_next() {
    let peer = playing(new().expect(line()).say_with(echoed).expect("more\n"));
    let mut client = connect(&peer);
    client.write_all(b"a\n").expect("an open connection");
    expect_bytes(&mut client, b"A\n", "the answer");
    drop(client);
    assert_has(&failure(peer), "stopped after turn 1 of the conversation: its client should have");
}

#[test]
fn faults_cut_what_is_known_and_count_and_play_what_is_not() {
    let conversation =
        || new().say("hi ").expect("?").say_with(|_| "unknown ").expect("!").say("end");
    let names: Vec<_> = faults::truncations(conversation())
        .endings([Ending::Close])
        .map(|case| case.to_string())
        .collect();
    assert_eq!(names.len(), 6);
    assert_eq!(names[2..4], ["answer 1: cut(2, Ending::Close)", "answer 3: cut(0, Ending::Close)"]);

    let mut heard = Vec::new();
    let cases = faults::truncations(conversation()).endings([Ending::Close]);
    faults::sweep(cases, |_, peer| heard.push(ask(peer, b"?!").len())).expect("no mismatch");
    assert_eq!(heard, [0, 1, 2, 11, 12, 13]);

    let pause = Duration::from_millis(1);
    let cases =
        faults::splits(conversation(), pause).chain([faults::byte_by_byte(conversation(), pause)]);
    let mut count = 0;
    faults::sweep(cases, |case, peer| {
        assert_eq!(ask(peer, b"?!"), b"hi unknown end", "{case}");
        count += 1;
    })
    .expect("no mismatch");
    assert_eq!(count, 2 + 2 + 1);
}

#[test]
fn what_closures_say_comes_byte_by_byte_too() {
    let pause = Duration::from_millis(20);
    let conversation = new().expect("?").say_with(|_| "ab").rest(line(), |_| "cd");
    let peer = spawned(patient().source(faults::byte_by_byte(conversation, pause)));
    let mut client = connect(&peer);
    let start = std::time::Instant::now();
    client.write_all(b"?\n").expect("an open connection");
    assert_eq!(read_all(&mut client), b"abcd");
    assert!(start.elapsed() >= 2 * pause, "one pause in each answer");
    drop(client);
    finished(peer);
}

#[test]
fn a_conversation_of_closures_alone_has_nothing_to_cut() {
    let only = || new().expect("?").say_with(echoed);
    for make in [
        AssertUnwindSafe(Box::new(move || drop(faults::truncations(only()))) as Box<dyn Fn()>),
        AssertUnwindSafe(Box::new(move || drop(faults::splits(only(), Duration::ZERO)))),
    ] {
        let panicked = panic::catch_unwind(make).expect_err("no length");
        let text = panicked.downcast_ref::<&str>().expect("words");
        assert_has(text, "closures say everything");
    }
}
