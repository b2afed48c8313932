//! Conversations as text: what the lines of a file mean, and what is said of those that mean nothing.

use std::fs;
use std::path::Path;

use fake_peer::conversation::ParseConversationError;
use fake_peer::{Conversation, Peer};
use fake_peer_test_support::{ask, connect, end_of_file, expect_bytes, finished, patient, spawned};

#[track_caller]
fn playing(text: &str) -> Peer {
    match text.parse::<Conversation>() {
        Ok(conversation) => spawned(patient().source(conversation)),
        Err(error) => panic!("{error} in {text}"),
    }
}

#[test]
fn lines_bytes_stars_and_escapes_are_what_they_look_like() {
    let peer = playing(concat!(
        "\u{feff}# A comment.\r\n",
        "\t < two  spaces and a space at the end \r\n",
        "  <- \\x00\\xFF\\r\\n\\t\\0\\\\\\*\n",
        "<\n",
        "> a*b\\*\n",
        "\n",
        ">- exact * \\x01\n",
        "< ü\n",
        "   > last",
    ));
    let said = b"a, then b*\r\nexact * \x01last\r\n";
    let heard = ask(peer.addr(), said);
    let expected = b"two  spaces and a space at the end \r\n\x00\xff\r\n\t\0\\*\r\n\xc3\xbc\r\n";
    assert_eq!(heard.escape_ascii().to_string(), expected.escape_ascii().to_string());
    finished(peer);
}

const SMTP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/smtp.script");

#[test]
fn the_example_takes_a_mail() {
    let script = Conversation::from_file(SMTP).expect("a conversation");
    let peer = spawned(patient().source(script));
    for said in [
        b"ehlo me\r\nmail FROM:<a@b> size=3\r\nrcpt TO:<c@d>\r\ndata\r\nhi\r\n.\r\nquit\r\n",
        b"EHLO me\r\nMAIL From:<a@b> SIZE=3\r\nRCPT To:<c@d>\r\nDATA\r\nhi\r\n.\r\nQUIT\r\n",
    ] {
        let heard = String::from_utf8(ask(peer.addr(), said)).expect("text");
        let codes: Vec<_> = heard.lines().map(|line| &line[..4]).collect();
        assert_eq!(codes, ["220 ", "250-", "250 ", "250 ", "250 ", "354 ", "250 ", "221 "]);
    }
    finished(peer);
}

#[test]
fn a_mark_ignores_case_and_another_does_not() {
    let peer = playing(
        "forever
           either
             >~ noop
             < ok
           or
             >~ Echo *, \\*
             < *
           or
             > QUIT
             < bye
             close
           end
         end",
    );
    let said = b"NOOP\r\nnoop\r\neCHO what ever, *\r\nQUIT\r\n";
    assert_eq!(ask(peer.addr(), said), b"ok\r\nok\r\n*\r\nbye\r\n");
    finished(peer);
    let peer = playing("> QUIT");
    assert!(ask(peer.addr(), b"quit\r\n").is_empty());
    peer.finish().expect_err("not this case");
}

#[test]
fn an_endless_block_has_branches_and_an_end() {
    let peer = playing(
        "repeat 2
           > again
           < yes
         end
         forever
           either
             > ping *
             < pong
           or
             > quit
             <- bye
             half-close
           end
         end",
    );
    let again = b"again\r\nagain\r\nping 1\r\nping 2\r\nquit\r\n";
    assert_eq!(ask(peer.addr(), again), b"yes\r\nyes\r\npong\r\npong\r\nbye");
    let mut client = connect(&peer);
    std::io::Write::write_all(&mut client, &again[..22]).expect("room for a small request");
    expect_bytes(&mut client, b"yes\r\nyes\r\npong\r\n", "three turns");
    drop(client);
    finished(peer);
}

#[test]
fn files_are_sent_from_the_folder_of_the_conversation_and_pauses_are_made() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("page"), "from a file").expect("a file");
    let path = folder.path().join("talk.script");
    fs::write(&path, "receive http\nsend page\npause 1ms\n<- !\nhold").expect("a file");
    let peer = spawned(patient().source(Conversation::from_file(&path).expect("a conversation")));
    let mut client = connect(&peer);
    std::io::Write::write_all(&mut client, b"GET / HTTP/1.1\r\n\r\n").expect("room");
    expect_bytes(&mut client, b"from a file!", "the file");
    client.shutdown(std::net::Shutdown::Write).expect("an open socket");
    end_of_file(&mut client, "after the hold");
    drop(client);
    finished(peer);
}

#[test]
fn mistakes_are_named_with_their_place_and_what_would_be_right() {
    for (text, place, reason) in [
        ("< 220\\q", (1, 6), "`\\q` is no escape"),
        ("> ü\\x4", (1, 4), "two hexadecimal digits"),
        ("< a\n\n  < \\", (3, 5), "a backslash is written `\\\\`"),
        ("<220", (1, 1), "a space comes after the mark: `< 220`"),
        (">~220", (1, 1), "a space comes after the mark: `>~ 220`"),
        (">~ a*\\n", (1, 4), "a line with a star"),
        ("say hi", (1, 1), "`say` is no step: a step is `< text`"),
        ("<-", (1, 3), "no bytes to say"),
        (">- ", (1, 1), "an empty text is never said"),
        ("> a*\\n", (1, 3), "a line with a star"),
        ("receive  what", (1, 10), "`what` is not one of auto, http"),
        ("receive nothing", (1, 1), "the client says nothing"),
        ("receive until:", (1, 9), "`until:` is not one of"),
        ("pause 3", (1, 7), "`3` is not a time, such as 250ms"),
        ("send ", (1, 6), "the name of a file is missing"),
        ("repeat 0\n> a\nend", (1, 8), "`0` is not a number of rounds"),
        ("repeat 9999999999\npause 0ms\nend", (1, 1), "there is nothing to repeat"),
        ("close now", (1, 7), "nothing comes after `close`"),
        ("< a\nclose\n< b", (3, 1), "the conversation has ended before this"),
        (" forever\n< a\nend", (1, 2), "nothing is expected in what goes on for ever"),
        ("> a\nforever\n> b", (2, 1), "this block has no `end`"),
        ("> a\nend", (2, 1), "there is no block that this could end"),
        ("> a\nor", (2, 1), "`or` stands only within `either`"),
        ("either\n< a\nend", (2, 1), "begin with what the client says"),
        ("either\n> a\nor\nend", (4, 1), "nothing is expected before this `end`"),
        ("either\n> a\nor\nreceive http\nend", (1, 1), "has to be exactly one request by"),
        ("either\n> a*\nor\nreceive http\nend", (1, 1), "end by different framings"),
        ("either\nreceive lines\nor\n> a\nend", (1, 1), "is never chosen"),
        ("either\n>- a\nor\n>- ab\nend", (1, 1), "another of the texts begins \"ab\""),
        ("# nothing", (1, 1), "nothing is said and nothing expected"),
        (&"forever\n".repeat(33), (33, 1), "more than 32 blocks"),
    ] {
        let error = text.parse::<Conversation>().expect_err(text);
        assert_eq!((error.line(), error.column()), place, "{text:?}: {error}");
        assert!(error.to_string().contains(reason), "{text:?}: {error}");
    }
}

#[test]
fn of_a_long_line_that_is_no_step_the_message_has_the_beginning() {
    let long = "x".repeat(1_000_000);
    for line in
        [long.clone(), format!("<{long}"), format!("pause {long}"), format!("repeat {long}")]
    {
        let error = line.parse::<Conversation>().expect_err("no step").to_string();
        assert!(error.len() < 500, "{} bytes", error.len());
        assert!(error.contains("xxx…`"), "{error}");
    }
}

#[test]
fn the_error_of_a_file_has_its_path() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let report = |path: &Path| {
        let error = Conversation::from_file(path).expect_err("no conversation");
        let cause = error.get_ref().and_then(|error| error.source()).map(ToString::to_string);
        (error.to_string(), cause.unwrap_or_default())
    };
    let path = folder.path().join("talk.script");
    let failed = format!("failed to read conversation file `{}`", path.display());
    assert_eq!(report(&path).0, failed);
    fs::write(&path, b"< ok\n< \xff").expect("a file");
    let reason = "line 2, column 3: this is not UTF-8: write bytes as \\xHH";
    assert_eq!(report(&path), (failed, reason.to_owned()));
}

/// It is not read to its end, if it has one.
#[cfg(unix)]
#[test]
fn a_file_that_is_too_long_is_no_conversation() {
    let error = Conversation::from_file("/dev/zero").expect_err("no conversation");
    assert_eq!(error.kind(), std::io::ErrorKind::FileTooLarge);
    let cause = error.get_ref().and_then(|error| error.source()).expect("a cause").to_string();
    assert_eq!(cause, "it is longer than 4194304 bytes: that is no conversation");
}

/// Words of the language and other bytes in any order never panic, nest too deep, or take long.
#[test]
fn no_text_makes_the_parser_panic() {
    const WORDS: [&str; 27] = [
        "<",
        "<-",
        ">",
        ">-",
        ">~",
        " ",
        "\n",
        "\n",
        "\n",
        "*",
        "\\",
        "\\x",
        "\\r",
        "ü",
        "\u{feff}",
        "#",
        "receive ",
        "until:",
        "exactly:3",
        "send ",
        "pause ",
        "9ms",
        "repeat 9999999999",
        "forever",
        "either",
        "or",
        "end",
    ];
    let mut state = 17_u64;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).expect("31 bits")
    };
    let mut parsed = 0;
    for _ in 0..20_000 {
        let mut bytes = Vec::new();
        for _ in 0..next() % 24 {
            match next() % 8 {
                0 => bytes.push(u8::try_from(next() % 256).expect("a byte")),
                _ => bytes.extend_from_slice(WORDS[next() % WORDS.len()].as_bytes()),
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        let result: Result<_, ParseConversationError> = text.parse::<Conversation>();
        if let Err(error) = &result {
            assert!(error.line() > 0 && error.column() > 0, "{text:?}: {error}");
        }
        parsed += usize::from(result.is_ok());
    }
    assert!(parsed > 0, "some are conversations");
}
