//! Conversations that are written down: what is said and expected in turn, and what is reported if a client says something else.

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::panic::{self, AssertUnwindSafe};
use std::time::Duration;

use fake_peer::conversation::{exact, glob, line_starting, matching};
use fake_peer::{
    Conversation, Ending, Error, Framing, Gate, PerConnection, Request, Response, faults,
};
use fake_peer_test_support::{
    PATIENCE, ask, assert_has, connect, end_of_file, expect_bytes, failure, finished, patient,
    playing, read_all, spawned, try_connect,
};

/// The client sends text, and reads an answer of known length.
#[track_caller]
fn turn(client: &mut TcpStream, said: &str, heard: &str) {
    client.write_all(said.as_bytes()).expect("room for a small request");
    expect_bytes(client, heard.as_bytes(), &format!("after {said:?}"));
}

fn mail() -> Conversation {
    Conversation::new()
        .say("220 mail\r\n")
        .expect("EHLO client\r\n")
        .say("250-mail\r\n")
        .say("250 SIZE 1000\r\n")
        .expect(line_starting("MAIL FROM:"))
        .say("250 ok\r\n")
        .expect(glob("RCPT TO:<*>\r\n"))
        .say("250 ok\r\n")
        .expect("DATA\r\n")
        .say("354 go ahead\r\n")
        .expect(Framing::until("\r\n.\r\n"))
        .say("250 queued\r\n")
        .expect("QUIT\r\n")
        .say("221 bye\r\n")
}

const MAIL: [&str; 6] = [
    "EHLO client\r\n",
    "MAIL FROM:<a@client>\r\n",
    "RCPT TO:<b@mail>\r\n",
    "DATA\r\n",
    "hello\r\n.\r\n",
    "QUIT\r\n",
];

const ANSWERS: &str = "220 mail\r\n250-mail\r\n250 SIZE 1000\r\n250 ok\r\n250 ok\r\n354 go ahead\r\n\
                       250 queued\r\n221 bye\r\n";

#[test]
fn each_connection_plays_it_anew_however_its_bytes_are_cut() {
    let peer = playing(mail());
    let whole = MAIL.concat();
    for cut in 0..=whole.len() {
        let mut client = connect(&peer);
        client.write_all(&whole.as_bytes()[..cut]).expect("room for a small request");
        client.write_all(&whole.as_bytes()[cut..]).expect("room for a small request");
        let answers = read_all(&mut client);
        assert_eq!(answers.escape_ascii().to_string(), ANSWERS.escape_default().to_string());
    }
    let journal = finished(peer);
    assert_eq!(journal.connections().len(), whole.len() + 1);
    for record in journal.connections() {
        let requests: Vec<_> =
            record.exchanges().iter().skip(1).map(|exchange| exchange.request().bytes()).collect();
        assert_eq!(requests, MAIL.map(str::as_bytes), "{record}");
    }
}

#[test]
fn a_wrong_byte_is_a_mismatch_without_the_rest() {
    let peer = playing(mail());
    let mut client = connect(&peer);
    // A text without its end: the rest is not waited for.
    turn(&mut client, "EHLO clap", "220 mail\r\n");
    end_of_file(&mut client, "after the mismatch");
    drop(client);
    let error = peer.take(PATIENCE).map(drop).and_then(|()| peer.take(PATIENCE).map(drop));
    let error = error.expect_err("the second exchange has failed");
    assert!(matches!(error, Error::Respond { .. }), "{error}");
    error.exchange().expect("an exchange").request().assert_bytes("EHLO clap");
    assert!(
        error.report().to_string().ends_with(
            "turn 1 of the conversation differs from what was expected at byte 7\n  \
             expected 13 bytes: \"EHLO cl»ient\\r\\n\"\n    actual  9 bytes: \"EHLO cl»ap\""
        ),
        "{}",
        error.report()
    );
    // It was reported.
    finished(peer);
}

#[test]
fn a_mismatch_shows_what_was_expected_instead() {
    let message = || {
        matching("a message with a subject", Framing::until("\r\n.\r\n"), |request: &Request| {
            request.bytes().starts_with(b"Subject: ")
        })
    };
    for (conversation, said, expected) in [
        (
            Conversation::new().expect(line_starting("MAIL FROM:")),
            "RCPT TO:\r\n",
            "turn 1 of the conversation differs from what was expected\n  \
             expected a line that starts with \"MAIL FROM:\"\n    actual \"RCPT TO:\\r\\n\"",
        ),
        (
            Conversation::new().expect(glob("MAIL FROM:<*>\r\n")),
            "MAIL FROM:<a>\n",
            "expected a line like \"MAIL FROM:<*>\\r\\n\"\n    actual \"MAIL FROM:<a>\\n\"",
        ),
        (Conversation::new().expect(message()), "\r\n.\r\n", "expected a message with a subject\n"),
        (
            Conversation::new().expect("a").one_of([
                (line_starting("MAIL"), Conversation::new()),
                (exact("QUIT\r\n"), Conversation::new()),
            ]),
            "aNOOP\r\n",
            "turn 2 of the conversation differs from what was expected\n  \
             expected a line that starts with \"MAIL\", or \"QUIT\\r\\n\"\n    actual \"NOOP\\r\\n\"",
        ),
    ] {
        let peer = playing(conversation);
        assert!(ask(&peer, said.as_bytes()).is_empty(), "{said:?}");
        assert_has(&failure(peer), expected);
    }
}

#[test]
fn the_connection_ends_after_a_mismatch_as_it_was_chosen() {
    let peer = playing(Conversation::new().expect("right").on_mismatch(Ending::Reset));
    let mut client = connect(&peer);
    client.write_all(b"wrong").expect("room for a small request");
    let error = std::io::Read::read(&mut client, &mut [0]).expect_err("a reset");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    assert_has(&failure(peer), "at byte 0");
}

#[test]
fn branches_go_on_with_what_comes_after_them_unless_they_end() {
    let conversation = || {
        Conversation::new()
            .one_of([
                ("GET", Conversation::new().say("got ")),
                ("PUT", Conversation::new().expect("!").say("put ")),
                ("QUIT", Conversation::new().say("bye").ending(Ending::Close)),
            ])
            .say("and ")
            .expect("then")
            .say("over")
    };
    let peer = playing(conversation());
    for (said, heard) in
        [("GETthen", "got and over"), ("PUT!then", "put and over"), ("QUIT", "bye")]
    {
        assert_eq!(ask(&peer, said.as_bytes()), heard.as_bytes(), "{said}");
    }
    finished(peer);
}

#[test]
fn a_text_that_is_a_line_stands_beside_other_lines() {
    let peer = playing(Conversation::new().forever(Conversation::new().one_of([
        (exact("PING\r\n"), Conversation::new().say("+PONG\r\n")),
        (line_starting("SET "), Conversation::new().say("+OK\r\n")),
    ])));
    let mut client = connect(&peer);
    turn(&mut client, "PING\r\nSET a\r\n", "+PONG\r\n+OK\r\n");
    drop(client);
    finished(peer);
}

#[test]
fn rounds_are_counted_and_a_client_may_leave_between_two_of_an_endless_block() {
    let round = || Conversation::new().expect("a").say("1").expect("b").say("2");
    let peer = playing(Conversation::new().repeat(2, round()).say("!"));
    assert_eq!(ask(&peer, b"abab"), b"1212!");
    finished(peer);

    let peer = playing(Conversation::new().forever(round()));
    let mut client = connect(&peer);
    turn(&mut client, "abab", "1212");
    drop(client);
    finished(peer);

    let peer = playing(Conversation::new().forever(round()));
    let mut client = connect(&peer);
    turn(&mut client, "aba", "121");
    drop(client);
    assert_has(
        &failure(peer),
        "connection 1 stopped after turn 3 of the conversation: its client should have said \"b\" next",
    );
}

#[test]
fn ten_thousand_turns_that_were_said_at_once_get_their_answers_in_order() {
    let turn = Conversation::new().expect("a").say("1").expect("b").say("2");
    let peer = playing(Conversation::new().repeat(5_000, turn));
    let answers = ask(&peer, &b"ab".repeat(5_000));
    assert!(answers == b"12".repeat(5_000), "{} bytes", answers.len());
    assert_eq!(finished(peer).exchanges_per_connection(), [10_000]);
}

#[test]
fn the_rest_is_answered_by_a_closure() {
    let peer = playing(Conversation::new().expect("hello\n").say("hi\n").rest(
        Framing::until("\n"),
        |request: &Request| match request.bytes() {
            b"bye\n" => Response::from("bye\n"),
            line => Response::from(line).keep_open(),
        },
    ));
    assert_eq!(ask(&peer, b"hello\none\ntwo\nbye\n"), b"hi\none\ntwo\nbye\n");
    let mut client = connect(&peer);
    turn(&mut client, "hello\none\n", "hi\none\n");
    drop(client);
    finished(peer);
}

#[test]
fn what_is_said_together_is_one_answer_where_it_can_be() {
    let gate = Gate::new();
    let peer = playing(
        Conversation::new()
            .say("one ")
            .gate(&gate)
            .say("two ")
            .pause(Duration::from_millis(1))
            .say(Response::from("pieces ").in_pieces(2, Duration::ZERO))
            .say("and ")
            .say("more")
            .expect("?")
            .say("last"),
    );
    let mut client = connect(&peer);
    expect_bytes(&mut client, b"one ", "before the gate");
    gate.open();
    turn(&mut client, "?", "two pieces and morelast");
    drop(client);
    let journal = finished(peer);
    let sent: Vec<_> = journal.exchanges().map(fake_peer::Exchange::sent).collect();
    assert_eq!(sent, [8, 7, 8, 4], "{journal}");
}

#[test]
fn a_conversation_ends_with_the_ending_or_the_cut_of_a_response() {
    let peer = playing(
        Conversation::new().say("hi").expect("?").say(Response::from("last").cut(2, Ending::Close)),
    );
    assert_eq!(ask(&peer, b"?"), b"hila");
    finished(peer);
    let peer = playing(Conversation::new().expect("?").say("yes").ending(Ending::HalfClose));
    let mut client = connect(&peer);
    turn(&mut client, "?", "yes");
    end_of_file(&mut client, "after a half-close");
    client.write_all(b"what a peer that closes would report").expect("an open connection");
    drop(client);
    finished(peer);
}

#[test]
fn a_client_that_stops_early_fails_the_peer() {
    let peer = playing(mail());
    let mut client = connect(&peer);
    turn(&mut client, MAIL[0], "220 mail\r\n250-mail\r\n250 SIZE 1000\r\n");
    client.shutdown(Shutdown::Write).expect("an open socket");
    read_all(&mut client);
    drop(client);
    let text = failure(peer);
    assert_has(&text, "connection 1 stopped after turn 1 of the conversation");
    assert_has(&text, "its client should have said a line that starts with \"MAIL FROM:\" next");
}

#[test]
fn a_connection_without_a_byte_does_not_count() {
    let peer = playing(Conversation::new().say("hi\n").expect("bye\n"));
    for _ in 0..2 {
        let mut client = connect(&peer);
        expect_bytes(&mut client, b"hi\n", "the greeting");
        drop(client);
    }
    assert_eq!(ask(&peer, b"bye\n"), b"hi\n");
    finished(peer);

    let peer = playing(Conversation::new().say("hi\n").expect("bye\n"));
    let mut client = connect(&peer);
    expect_bytes(&mut client, b"hi\n", "the greeting");
    drop(client);
    assert_has(&failure(peer), "no connection has played the conversation to its end");
}

#[test]
fn bytes_after_the_last_turn_fail_the_peer() {
    let peer = playing(Conversation::new().expect("?").say("!"));
    assert_eq!(ask(&peer, b"?and more"), b"!");
    assert_has(
        &failure(peer),
        "the client sent 8 bytes after the last turn of the conversation: \"and more\"",
    );
}

#[test]
fn a_request_that_was_cut_short_fails_the_peer() {
    for conversation in
        [Conversation::new().expect("whole\n"), Conversation::new().expect(line_starting("who"))]
    {
        let peer = playing(conversation);
        let mut client = connect(&peer);
        client.write_all(b"who").expect("room for a small request");
        client.shutdown(Shutdown::Write).expect("an open socket");
        assert!(read_all(&mut client).is_empty());
        drop(client);
        assert_has(
            &failure(peer),
            "the client ended its side within turn 1 of the conversation, in which it should have said",
        );
    }
}

#[test]
fn a_request_of_which_too_little_was_kept_is_not_taken_for_what_was_expected() {
    for (expected, fails) in [
        (exact("0123456789"), true),
        (line_starting("0123"), false),
        (Framing::exactly(10).into(), false),
    ] {
        let conversation = Conversation::new().expect(expected).say("!");
        let peer = spawned(patient().retain(4).source(conversation));
        let said = if fails { "0123456789" } else { "012345678\n" };
        assert_eq!(ask(&peer, said.as_bytes()).is_empty(), fails, "{said:?}");
        if fails {
            assert_has(&failure(peer), "only 4 of the request's 10 bytes were kept");
        } else {
            finished(peer);
        }
    }
}

#[test]
fn a_panic_of_a_closure_is_that_of_the_peer() {
    let peer = playing(
        Conversation::new()
            .expect("?")
            .say("!")
            .rest(Framing::exactly(1), |_: &Request| -> Response { panic!("no rest") }),
    );
    assert_eq!(ask(&peer, b"?x"), b"!");
    let panicked = panic::catch_unwind(AssertUnwindSafe(|| peer.finish())).expect_err("a panic");
    assert_eq!(panicked.downcast_ref::<&str>(), Some(&"no rest"));
}

#[test]
fn each_connection_of_a_list_has_its_own() {
    let peer = spawned(patient().source(PerConnection::new([
        Conversation::new().say("first").expect("1"),
        Conversation::new().say("second").expect("2"),
    ])));
    assert_eq!(ask(&peer, b"1"), b"first");
    assert_eq!(ask(&peer, b"2"), b"second");
    finished(peer);
}

type Script = Box<dyn Fn() -> Conversation>;

#[test]
fn what_can_never_be_played_panics_where_it_is_written() {
    let new = Conversation::new;
    let cases: [(&str, Script); 13] = [
        ("nothing is expected in what goes on for ever", Box::new(move || new().forever(new()))),
        (
            "nothing is expected in what goes on for ever",
            Box::new(move || new().forever(new().say("x"))),
        ),
        ("there is nothing to repeat", Box::new(move || new().repeat(2, new()))),
        ("an empty text is never said", Box::new(move || new().expect(""))),
        ("an empty delimiter", Box::new(move || new().expect(Framing::until("")))),
        ("the client says nothing", Box::new(move || new().expect(Framing::nothing()))),
        ("is not one line", Box::new(move || new().expect(glob("a*")))),
        ("line end", Box::new(move || new().expect(line_starting("a\n")))),
        ("there is none to choose", Box::new(move || new().one_of::<&str>([]))),
        (
            "begins \"PINGPONG\"",
            Box::new(move || new().one_of([("PING", new()), ("PINGPONG", new())])),
        ),
        (
            "end by different framings",
            Box::new(move || {
                new().one_of([(line_starting("a"), new()), (Framing::http().into(), new())])
            }),
        ),
        (
            "the conversation has ended before this",
            Box::new(move || new().say("x").ending(Ending::Reset).expect("y")),
        ),
        ("leave out what keeps", Box::new(move || new().say(Response::from("x").keep_open()))),
    ];
    for (reason, write) in cases {
        let panicked = panic::catch_unwind(AssertUnwindSafe(&write)).expect_err(reason);
        let text = panicked
            .downcast_ref::<String>()
            .map(String::as_str)
            .or(panicked.downcast_ref::<&str>().copied())
            .expect("a panic in words");
        assert_has(text, reason);
    }
}

#[test]
fn each_answer_is_cut_at_each_byte() {
    let conversation = || Conversation::new().say("hi\n").expect("?\n").say("yes\n");
    let names: Vec<_> = faults::truncations(conversation())
        .endings([Ending::Close])
        .map(|case| case.to_string())
        .collect();
    assert_eq!(names.len(), 7);
    assert_eq!(names[2..4], ["answer 1: cut(2, Ending::Close)", "answer 2: cut(0, Ending::Close)"]);
    let mut heard = Vec::new();
    faults::sweep(faults::truncations(conversation()), |_, peer| {
        // A reset may be there before connect returns.
        let Ok(mut client) = try_connect(peer) else { return heard.push(0) };
        // A client that is reset reads an error, and has read what came before.
        let _ = client.write_all(b"?\n");
        let mut answer = Vec::new();
        let _ = std::io::Read::read_to_end(&mut client, &mut answer);
        heard.push(answer.len());
    })
    .expect("no failure but that of clients");
    let closes: Vec<_> = heard.iter().copied().step_by(2).collect();
    assert_eq!(closes, [0, 1, 2, 3, 4, 5, 6], "{heard:?}");
}

#[test]
fn answers_come_in_parts_and_user_code_is_swept_too() {
    let conversation = || {
        Conversation::new()
            .say("hi\n")
            .expect(matching("a question", Framing::until("\n"), |request: &Request| {
                request.bytes().ends_with(b"?\n")
            }))
            .say("yes\n")
    };
    let pause = Duration::from_millis(1);
    let cases = faults::splits(conversation(), pause)
        .chain([faults::byte_by_byte(conversation(), pause)])
        .chain(faults::splits("hi\nyes\n", pause).take(1));
    let mut count = 0;
    faults::sweep(cases, |case, peer| {
        assert_eq!(ask(peer, b"?\n"), b"hi\nyes\n", "{case}");
        count += 1;
    })
    .expect("no failure");
    assert_eq!(count, 2 + 3 + 1 + 1);
}
