//! What may stand side by side in a turn with branches: texts, requests with one framing, and any other request.

use std::io::Write;
use std::panic::{self, AssertUnwindSafe};

use fake_peer::conversation::{Expect, exact, glob, line_starting, matching};
use fake_peer::{Conversation, Ending, Framing, LengthPrefix, Request};
use fake_peer_test_support::{ask, assert_has, connect, finished, playing, read_all};

fn new() -> Conversation {
    Conversation::new()
}

/// What panics in words, and these words.
#[track_caller]
fn panic_of(branches: Vec<Expect>) -> String {
    let write = || new().one_of(branches.into_iter().map(|branch| (branch, new())));
    let panicked = panic::catch_unwind(AssertUnwindSafe(write)).expect_err("it is not clear");
    panicked.downcast_ref::<String>().expect("words").clone()
}

/// Commands of Redis: `*COUNT`, then the length and the bytes of each string.
fn command_length(bytes: &[u8]) -> Option<usize> {
    let number = |at: usize| {
        let end = bytes.get(at..)?.iter().position(|&byte| byte == b'\n')?;
        let number = std::str::from_utf8(&bytes[at + 1..at + end]).ok()?.trim_end();
        Some((number.parse::<usize>().ok()?, at + end + 1))
    };
    let (count, mut at) = number(0)?;
    for _ in 0..count {
        let (length, start) = number(at)?;
        at = start.saturating_add(length).saturating_add(2);
    }
    Some(at)
}

fn command(words: &[&str]) -> String {
    let strings = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len()));
    format!("*{}\r\n{}", words.len(), strings.collect::<String>())
}

#[test]
fn commands_of_redis_are_told_apart_and_all_others_get_an_error() {
    let any = Framing::from_fn(command_length);
    let starts_with = |start: &'static str| {
        move |request: &Request| request.bytes().starts_with(start.as_bytes())
    };
    let peer = playing(new().forever(new().one_of([
        (exact(command(&["PING"])), new().say("+PONG\r\n")),
        (exact(command(&["QUIT"])), new().say("+OK\r\n").ending(Ending::Close)),
        (matching("a SET", any.clone(), starts_with("*3\r\n$3\r\nSET\r\n")), {
            new().say("+OK\r\n")
        }),
        (any.into(), new().say("-ERR unknown command\r\n")),
    ])));
    let said = [
        command(&["SET", "key", "two\r\nlines"]),
        command(&["PING"]),
        command(&["PING", "hello"]),
        command(&["TIME"]),
        command(&["QUIT"]),
    ];
    let unknown = "-ERR unknown command\r\n";
    let heard = ["+OK\r\n", "+PONG\r\n", unknown, unknown, "+OK\r\n"].concat();
    assert_eq!(ask(&peer, said.concat().as_bytes()), heard.as_bytes());
    assert_eq!(finished(peer).exchanges_per_connection(), [5], "each command is one request");
}

#[test]
fn packets_of_mqtt_are_told_apart_and_two_of_them_are_texts() {
    let packet = Framing::length_prefixed(LengthPrefix::big_endian(1).at(1));
    let publish = matching("a PUBLISH", packet, |request| request.bytes()[0] == 0x32);
    let peer = playing(new().forever(new().one_of([
        (publish, new().say_with(|request| [b"\x40\x02", &request.bytes()[5..7]].concat())),
        (exact(b"\xc0\0"), new().say(b"\xd0\0")),
        (exact(b"\xe0\0"), new().ending(Ending::Close)),
    ])));
    let said = b"\xc0\0\x32\x06\0\x01t\0\x07x\xc0\0\xe0\0";
    assert_eq!(ask(&peer, said), b"\xd0\0\x40\x02\0\x07\xd0\0");
    let mut client = connect(&peer);
    client.write_all(b"\x10\x02ab").expect("an open connection");
    assert!(read_all(&mut client).is_empty());
    drop(client);
    let text = peer.finish().expect_err("another packet").report().to_string();
    assert_has(
        &text,
        "expected a PUBLISH, or \"\\xc0\\x00\", or \"\\xe0\\x00\"\n    actual \"\\x10\\x02ab\"",
    );
}

#[test]
fn all_that_ends_as_lines_do_stands_beside_lines() {
    for lines in [Framing::lines(), Framing::until("\n")] {
        let peer = playing(new().repeat(
            5,
            new().one_of([
                (exact("NOOP\r\n"), new().say("1")),
                (line_starting("HELO "), new().say("2")),
                (glob("MAIL <*>\n"), new().say("3")),
                (matching("a question", lines.clone(), |line| line.bytes().contains(&b'?')), {
                    new().say("4")
                }),
                (lines.into(), new().say("5")),
            ]),
        ));
        assert_eq!(ask(&peer, b"what?\nMAIL <a>\nNOOP\r\nNOOP\nHELO ?\n"), b"43152");
        finished(peer);
    }
    let script = "either\n>~ noop\n< ok\nor\nreceive lines\n< what\nend".parse::<Conversation>();
    let peer = playing(script.expect("a conversation").expect("end").say("over"));
    assert_eq!(ask(&peer, b"noop\nend"), b"what\r\nover");
    assert_eq!(ask(&peer, b"NOOP\r\nend"), b"ok\r\nover");
    finished(peer);
}

#[test]
fn a_text_that_is_not_one_request_has_no_place_beside_a_framing() {
    let four = || Framing::exactly(4);
    for text in ["PIN", "PINGS", "PINGPING"] {
        let reason = panic_of(vec![text.into(), four().into()]);
        assert_has(&reason, &format!("\"{text}\" stands beside a request by framing `exactly:4`"));
    }
    for unclear in [Framing::eof(), Framing::read_once(9), Framing::auto()] {
        assert_has(
            &panic_of(vec!["PING".into(), unclear.into()]),
            "has to be exactly one request by its framing",
        );
    }
    let peer =
        playing(new().one_of([
            ("PING".into(), new().say("pong")),
            (Expect::from(four()), new().say("what")),
        ]));
    assert_eq!(ask(&peer, b"PING"), b"pong");
    assert_eq!(ask(&peer, b"PONG"), b"what");
    finished(peer);
}

#[test]
fn two_closures_are_named_by_the_places_where_they_were_made() {
    let at = line!() + 1;
    let first = Framing::from_fn(|_| Some(1));
    let second = Framing::from_fn(|_| Some(1));
    let get = || matching("a GET", first.clone(), |_| true);
    let reason = panic_of(vec![get(), matching("a SET", second, |_| true)]);
    assert_has(&reason, "a GET and a SET end by different framings, the closure made at ");
    for line in [at, at + 1] {
        assert_has(&reason, &format!("made at {}:{line}:", file!()));
    }
    let reason = panic_of(vec!["ab".into(), get()]);
    assert_has(
        &reason,
        "\"ab\" stands beside a GET, so it has to be exactly one request by its framing, the closure made at ",
    );
}

#[test]
fn nothing_comes_after_any_request() {
    let lines = Framing::lines;
    let reason = panic_of(vec![lines().into(), "QUIT\r\n".into()]);
    assert_has(&reason, "\"QUIT\\r\\n\" is never chosen after a request by framing `lines`");
    assert_has(&panic_of(vec![lines().into(), lines().into()]), "is never chosen");
}
