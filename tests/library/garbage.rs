//! Garbage arrives as documented, byte by byte, and real clients come to an end with it.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::Instant;

use fake_peer::{Peer, garbage};
use fake_peer_test_support::{
    PATIENCE, answers, ask, connect, finished, read_all, same_bytes, taken,
};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: peer\r\nConnection: close\r\n\r\n";

/// The small ones, written out: the name of each, and what a client must receive.
const SMALL: &[(&str, &[u8])] = &[
    ("nothing()", b""),
    ("random(1, 0)", b"\xaf"),
    ("smtp_greeting()", b"220 mail.example ESMTP ready\r\n"),
    ("ssh_greeting()", b"SSH-2.0-OpenSSH_9.6\r\n"),
    ("tls_alert()", b"\x15\x03\x01\x00\x02\x02\x28"),
    // The status line.
    ("empty_head()", b"\r\n\r\n"),
    ("http_0_9(\"hello\")", b"hello"),
    (
        "wrong_version(\"HTTP/1.2\", \"hello\")",
        b"HTTP/1.2 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    ),
    (
        "wrong_version(\"HTTP/2.0\", \"hello\")",
        b"HTTP/2.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    ),
    (
        "wrong_version(\"HTTP/3.7\", \"hello\")",
        b"HTTP/3.7 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    ),
    (
        "wrong_version(\"HTTPS/1.1\", \"hello\")",
        b"HTTPS/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    ),
    (
        "wrong_version(\"http/1.1\", \"hello\")",
        b"http/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    ),
    ("wrong_version(\"HTTP/1\", \"hello\")", b"HTTP/1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
    (
        "wrong_version(\"HTTP/1.10\", \"hello\")",
        b"HTTP/1.10 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    ),
    ("wrong_version(\"HTTP/11\", \"hello\")", b"HTTP/11 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
    ("status_code_missing(\"hello\")", b"HTTP/1.1 OK\r\nContent-Length: 5\r\n\r\nhello"),
    ("status_code_not_a_number(\"hello\")", b"HTTP/1.1 2OO OK\r\nContent-Length: 5\r\n\r\nhello"),
    ("status_code_negative(\"hello\")", b"HTTP/1.1 -200 OK\r\nContent-Length: 5\r\n\r\nhello"),
    ("status_code_two_digits(\"hello\")", b"HTTP/1.1 20 OK\r\nContent-Length: 5\r\n\r\nhello"),
    ("status_code_four_digits(\"hello\")", b"HTTP/1.1 2000 OK\r\nContent-Length: 5\r\n\r\nhello"),
    ("status_code_out_of_range(\"hello\")", b"HTTP/1.1 999 Odd\r\nContent-Length: 5\r\n\r\nhello"),
    ("reason_phrase_empty(\"hello\")", b"HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\nhello"),
    ("reason_phrase_missing(\"hello\")", b"HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello"),
    (
        "status_line_extra_spaces(\"hello\")",
        b"HTTP/1.1  200   OK\r\nContent-Length: 5\r\n\r\nhello",
    ),
    ("nul_in_status_line(\"hello\")", b"HTTP/1.1 200 O\0K\r\nContent-Length: 5\r\n\r\nhello"),
    ("bare_cr_in_status_line(\"hello\")", b"HTTP/1.1 200 O\rK\r\nContent-Length: 5\r\n\r\nhello"),
    // The fields.
    ("lf_only(\"hello\")", b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello"),
    ("cr_only(\"hello\")", b"HTTP/1.1 200 OK\rContent-Length: 5\r\rhello"),
    (
        "space_before_colon(\"hello\")",
        b"HTTP/1.1 200 OK\r\nX-Note : odd\r\nContent-Length: 5\r\n\r\nhello",
    ),
    (
        "colon_missing(\"hello\")",
        b"HTTP/1.1 200 OK\r\nX-Note odd\r\nContent-Length: 5\r\n\r\nhello",
    ),
    ("field_name_empty(\"hello\")", b"HTTP/1.1 200 OK\r\n: odd\r\nContent-Length: 5\r\n\r\nhello"),
    (
        "non_ascii_field_name(\"hello\")",
        b"HTTP/1.1 200 OK\r\nX-Caf\xc3\xa9: odd\r\nContent-Length: 5\r\n\r\nhello",
    ),
    (
        "whitespace_before_first_field(\"hello\")",
        b"HTTP/1.1 200 OK\r\n X-Note: odd\r\nContent-Length: 5\r\n\r\nhello",
    ),
    (
        "bare_cr_in_field(\"hello\")",
        b"HTTP/1.1 200 OK\r\nX-Note: one\rX-Two: two\r\nContent-Length: 5\r\n\r\nhello",
    ),
    (
        "nul_in_field(\"hello\")",
        b"HTTP/1.1 200 OK\r\nX-Note: one\0two\r\nContent-Length: 5\r\n\r\nhello",
    ),
    (
        "obs_fold(\"hello\")",
        b"HTTP/1.1 200 OK\r\nX-Note: one\r\n two\r\nContent-Length: 5\r\n\r\nhello",
    ),
    (
        "non_ascii_field_value(\"hello\")",
        b"HTTP/1.1 200 OK\r\nX-Note: caf\xe9\r\nContent-Length: 5\r\n\r\nhello",
    ),
    // Where the body ends.
    ("content_length_too_long(\"hello\")", b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello"),
    (
        "content_length_too_short(\"hello\")",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhellosurplus",
    ),
    ("content_length_negative(\"hello\")", b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello"),
    ("content_length_plus(\"hello\")", b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello"),
    (
        "content_length_not_a_number(\"hello\")",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\nhello",
    ),
    ("content_length_empty(\"hello\")", b"HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\nhello"),
    (
        "content_length_overflow(\"hello\")",
        b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551621\r\n\r\nhello",
    ),
    (
        "content_lengths_conflicting(\"hello\")",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    ),
    (
        "content_length_list_conflicting(\"hello\")",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\nhello",
    ),
    (
        "content_lengths_equal(\"hello\")",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    ),
    ("content_length_list(\"hello\")", b"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello"),
    (
        "content_length_and_chunked(\"hello\")",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n\
          5\r\nhello\r\n0\r\n\r\n",
    ),
    (
        "transfer_encoding_unknown(\"hello\")",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: unheard-of\r\n\r\nhello",
    ),
    (
        "chunked_twice(\"hello\")",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ),
    (
        "chunked_in_http_1_0(\"hello\")",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ),
    // Chunks.
    (
        "chunk_size_not_hex(\"hello\")",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nmany\r\nhello\r\n0\r\n\r\n",
    ),
    (
        "chunk_size_empty(\"hello\")",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\nhello\r\n0\r\n\r\n",
    ),
    (
        "chunk_size_negative(\"hello\")",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
    ),
    (
        "chunk_size_plus(\"hello\")",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n",
    ),
    (
        "chunk_size_0x(\"hello\")",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
    ),
    (
        "chunk_size_then_space(\"hello\")",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n",
    ),
    (
        "chunk_size_overflow(\"hello\")",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
          10000000000000005\r\nhello\r\n0\r\n\r\n",
    ),
    (
        "chunk_size_huge(\"hello\")",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
          ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    ),
    (
        "chunk_longer_than_size(\"hello\")",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n0\r\n\r\n",
    ),
    (
        "chunk_shorter_than_size(\"hello\")",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nhello\r\n0\r\n\r\n",
    ),
    (
        "chunk_without_crlf(\"hello\")",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello0\r\n\r\n",
    ),
    (
        "chunk_lines_lf_only(\"hello\")",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\n0\n\n",
    ),
    (
        "chunk_extension(\"hello\")",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
          5;note=\"a;b=0\"\r\nhello\r\n0\r\n\r\n",
    ),
    (
        "chunk_extension_malformed(\"hello\")",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;=\"a\r\nhello\r\n0\r\n\r\n",
    ),
    (
        "chunk_cut_off(\"hello\")",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nhello",
    ),
    (
        "last_chunk_missing(\"hello\")",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ),
    (
        "last_line_missing(\"hello\")",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
    ),
    (
        "trailer_cut_off(\"hello\")",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
          5\r\nhello\r\n0\r\nX-Checksum: 5d4",
    ),
    // Surplus bytes.
    (
        "second_response(\"hello\")",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello\
          HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nunsolicited",
    ),
    (
        "surplus_after_last_chunk(\"hello\")",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nsurplus",
    ),
    (
        "unexpected_101(\"hello\")",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: unheard-of\r\n\r\n\
          hello",
    ),
    ("body_on_head(\"hello\")", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
    ("body_on_204(\"hello\")", b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello"),
    ("body_on_304(\"hello\")", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello"),
    (
        "body_on_100(\"hello\")",
        b"HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\nhello\
          HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    ),
    ("endless_head(10)", b"HTTP/1.1 2"),
    (
        "informational(1)",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    ),
];

/// The large ones: the bytes before the filler, the filler and its number, the bytes after it.
const LARGE: &[(&str, &str, &str, usize, &str)] = &[
    (
        "endless_head(65536)",
        "HTTP/1.1 200 OK\r\n",
        "X-Filler: 0123456789abcdef\r\n",
        2339,
        "X-Filler: 0123456789abcdef\r",
    ),
    (
        "long_field(65000)",
        "HTTP/1.1 200 OK\r\nX-Filler: ",
        "x",
        65000,
        "\r\nContent-Length: 5\r\n\r\nhello",
    ),
    (
        "many_fields(1000)",
        "HTTP/1.1 200 OK\r\n",
        "X-Filler: x\r\n",
        1000,
        "Content-Length: 5\r\n\r\nhello",
    ),
    (
        "long_reason_phrase(65000)",
        "HTTP/1.1 200 ",
        "x",
        65000,
        "\r\nContent-Length: 5\r\n\r\nhello",
    ),
    (
        "long_chunk_extension(65000)",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;",
        "x",
        65000,
        "\r\nhello\r\n0\r\n\r\n",
    ),
    (
        "informational(100)",
        "",
        "HTTP/1.1 100 Continue\r\n\r\n",
        100,
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    ),
];

/// Random bytes: the first and the last eight, computed by another program with the same algorithm.
const RANDOM: &[(&str, usize, [u8; 8], [u8; 8])] = &[
    (
        "random(1000, 1)",
        1000,
        *b"\xc1\x5c\x02\x89\xec\x2d\x0a\x91",
        *b"\x70\x6b\xd2\xdc\x08\xf6\x82\x37",
    ),
    (
        "random(1000, 2)",
        1000,
        *b"\xce\x56\x97\x1c\xde\x35\x58\x97",
        *b"\xe6\x47\x02\xdc\x5b\xd8\x7f\xe1",
    ),
];

/// The same for all three tables.
#[track_caller]
fn assert_is_as_written(name: &str, answer: &[u8]) {
    let name = name.strip_prefix("garbage::").expect("a path");
    if let Some((_, expected)) = SMALL.iter().find(|(other, _)| *other == name) {
        same_bytes(answer, expected, name);
    } else if let Some((_, front, filler, count, back)) =
        LARGE.iter().find(|(other, ..)| *other == name)
    {
        let expected = [front, &*filler.repeat(*count), back].concat();
        same_bytes(answer, expected.as_bytes(), name);
    } else if let Some((_, len, first, last)) = RANDOM.iter().find(|(other, ..)| *other == name) {
        assert_eq!(answer.len(), *len, "{name}");
        assert_eq!((&answer[..8], &answer[len - 8..]), (&first[..], &last[..]), "{name}");
    } else {
        panic!("{name} is in no table of this test");
    }
}

#[test]
fn each_arrives_as_it_is_written_down_here() {
    let cases = garbage::all();
    assert_eq!(cases.len(), SMALL.len() + LARGE.len() + RANDOM.len());
    for case in cases {
        let name = case.name();
        let peer = answers(case.clone());
        let mut client = connect(&peer);
        client.write_all(REQUEST).expect("room for a small request");
        // Before it closes, the client reads everything.
        let answer = read_all(&mut client);
        client.shutdown(Shutdown::Write).expect("an open socket");
        assert_is_as_written(name, &answer);

        let exchange = taken(&peer);
        let length = answer.len() as u64;
        assert_eq!((exchange.offered(), exchange.sent()), (length, length), "{name}");
        assert_eq!(exchange.failure(), None, "{name}");
        assert_eq!(exchange.request().bytes(), REQUEST, "{name}");
        finished(peer);
    }
}

#[test]
fn each_name_is_there_once_and_is_a_call() {
    let mut names = HashSet::new();
    for case in garbage::all() {
        let name = case.name();
        assert!(name.starts_with("garbage::") && name.ends_with(')'), "{name}");
        assert!(names.insert(name.to_owned()), "{name} is there twice");
    }
    assert!(names.contains("garbage::lf_only(\"hello\")"));
    assert!(names.contains("garbage::wrong_version(\"HTTP/2.0\", \"hello\")"));
}

#[test]
fn the_documentation_shows_the_bytes_that_arrive() {
    let sources = [
        include_str!("../../src/faults/garbage/chunks.rs"),
        include_str!("../../src/faults/garbage/fields.rs"),
        include_str!("../../src/faults/garbage/length.rs"),
        include_str!("../../src/faults/garbage/noise.rs"),
        include_str!("../../src/faults/garbage/status.rs"),
        include_str!("../../src/faults/garbage/surplus.rs"),
    ]
    .concat();
    let mut documented = 0;
    // The lines of each constructor: those since the end of the previous one.
    for item in sources.split("\n}\n") {
        let Some((docs, rest)) = item.split_once("\npub fn ") else { continue };
        let shown = docs
            .lines()
            .filter(|line| !line.contains("```"))
            .find_map(|line| line.strip_prefix("/// `")?.strip_suffix('`'));
        let name = rest.split('(').next().expect("a name");
        let cases: Vec<_> = SMALL
            .iter()
            .filter(|(case, _)| case.split('(').next() == Some(name))
            .map(|(_, bytes)| bytes.escape_ascii().to_string().replace("\\\"", "\""))
            .collect();
        match shown {
            Some(shown) => {
                assert!(cases.iter().any(|case| case == shown), "{name}: {shown} is not {cases:?}");
                documented += 1;
            }
            None => assert!(["nothing", "random"].contains(&name), "{name} shows no bytes"),
        }
    }
    assert!(documented > 60, "only {documented} were found");
}

#[test]
fn the_body_is_the_one_that_was_given_and_its_length_is_counted() {
    let body = [0xFF; 300];
    let tail = |head: &str, end: &str| [head.as_bytes(), &body, end.as_bytes()].concat();
    for (case, response, expected) in [
        (
            "content_length_too_long",
            garbage::content_length_too_long(body),
            tail("HTTP/1.1 200 OK\r\nContent-Length: 301\r\n\r\n", ""),
        ),
        (
            "chunk_shorter_than_size",
            garbage::chunk_shorter_than_size(body),
            tail("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n12d\r\n", "\r\n0\r\n\r\n"),
        ),
        (
            "chunk_size_overflow",
            garbage::chunk_size_overflow(body),
            tail(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1000000000000012c\r\n",
                "\r\n0\r\n\r\n",
            ),
        ),
        ("http_0_9", garbage::http_0_9(body), tail("", "")),
    ] {
        let peer = answers(response);
        same_bytes(&ask(&peer, REQUEST), &expected, case);
        finished(peer);
    }
}

#[test]
fn a_seed_gives_the_same_bytes_and_a_larger_length_more_of_them() {
    let bytes = |len, seed| {
        let peer = answers(garbage::random(len, seed));
        let bytes = ask(&peer, REQUEST);
        finished(peer);
        bytes
    };
    let long = bytes(100_003, 42);
    assert_eq!(long.len(), 100_003);
    assert_eq!(bytes(1001, 42), long[..1001]);
    assert_ne!(bytes(1001, 43), long[..1001]);
    assert_eq!(bytes(0, 42), b"");
}

#[test]
fn a_head_of_any_size_has_that_size() {
    for total in [0, 1, 16, 17, 18, 46, 1_000_000] {
        let peer = answers(garbage::endless_head(total));
        let head = ask(&peer, REQUEST);
        assert_eq!(head.len() as u64, total);
        assert!(!head.windows(4).any(|four| four == b"\r\n\r\n"), "{total}: a head that ends");
        finished(peer);
    }
}

#[test]
fn a_client_that_hangs_up_ends_a_head_without_end() {
    let peer = answers(garbage::endless_head(u64::MAX));
    let mut client = connect(&peer);
    client.write_all(REQUEST).expect("room for a small request");
    let mut head = vec![0; 1 << 20];
    client.read_exact(&mut head).expect("more of it");
    drop(client);
    let exchange = taken(&peer);
    assert_eq!(exchange.offered(), u64::MAX);
    assert!(exchange.sent() >= 1 << 20, "{}", exchange.sent());
    finished(peer);
}

#[test]
fn a_second_response_waits_for_the_next_request_on_a_connection_that_is_kept() {
    let peer = answers(garbage::second_response("hello").keep_open());
    let mut client = connect(&peer);
    client.write_all(REQUEST).expect("room");
    client.shutdown(Shutdown::Write).expect("an open socket");
    assert!(read_all(&mut client).ends_with(b"unsolicited"));
    finished(peer);
}

/// What a client reports: the body, or why there is none.
type Outcome = Result<Vec<u8>, String>;

fn by_ureq(peer: &Peer) -> Outcome {
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        .http_status_as_error(false)
        .proxy(None)
        .build();
    let agent = ureq::Agent::new_with_config(config);
    let mut answer = agent.get(peer.url("/")).call().map_err(|error| error.to_string())?;
    answer.body_mut().read_to_vec().map_err(|error| error.to_string())
}

#[test]
fn a_client_of_other_people_comes_to_an_end_with_each_and_the_peer_fails_with_none() {
    // Where the RFC leaves a client no choice. In the other cases it may refuse the response or not.
    let right = [
        "reason_phrase_empty",
        "non_ascii_field_value",
        "content_length_too_short",
        "chunk_extension",
        "second_response",
        "surplus_after_last_chunk",
        "informational",
    ];
    let broken = [
        "nothing",
        "content_length_too_long",
        "content_length_negative",
        "content_length_not_a_number",
        "content_length_overflow",
        "content_lengths_conflicting",
        "content_length_list_conflicting",
        "chunk_size_not_hex",
        "chunk_size_negative",
        "chunk_size_overflow",
        "chunk_size_huge",
        "chunk_longer_than_size",
        "chunk_shorter_than_size",
        "chunk_without_crlf",
        "chunk_cut_off",
        "last_chunk_missing",
        "endless_head",
    ];
    let mut judged = 0;
    for case in garbage::all() {
        let name = case.name();
        let peer = answers(case.clone());
        let start = Instant::now();
        let outcome = by_ureq(&peer);
        assert!(start.elapsed() < PATIENCE, "{name}: no end but by the clock: {outcome:?}");
        let constructor = name.split(&[':', '('][..]).nth(2).expect("a call");
        if right.contains(&constructor) {
            assert_eq!(outcome.as_deref(), Ok(&b"hello"[..]), "{name}");
            judged += 1;
        } else if broken.contains(&constructor) {
            assert!(outcome.is_err(), "{name}: {outcome:?}");
            judged += 1;
        }
        // It is no failure either if a client hangs up before it has all of a large one.
        finished(peer);
    }
    // Two of them occur twice.
    assert_eq!(judged, right.len() + broken.len() + 2);
}
