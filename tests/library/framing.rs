//! Where a request ends, over a real socket: at the same byte however the stream is split into packets, and with the
//! bytes after it as trailing bytes.

use std::io::{Read, Write};

use fake_peer::{ClientEnd, Framing, LengthPrefix, MemorySink, Problem, RequestEnd};
use fake_peer_test_support::{
    bound, connect, connect_and_send, next_piece, patient, place, read_all, reporting, serve_with,
};

/// Sends `request` and `rest`, split in two at every position: the second piece is sent when the first is in the sink.
/// The request must always be `request`, and `rest` be trailing bytes.
#[track_caller]
pub(super) fn ends_there(
    framing: &Framing,
    request: &[u8],
    rest: &[u8],
    problem: Option<&Problem>,
) {
    let stream = [request, rest].concat();
    let memory = MemorySink::new();
    let (sink, pieces) = reporting(memory.clone());
    let server = bound(patient().framing(framing.clone()).sink(sink).source("answer"));
    let addr = place(&server);
    for cut in 0..stream.len() {
        let case = format!("{framing:?} of {} cut at {cut}", stream.escape_ascii());
        let (first, second) = stream.split_at(cut);

        let (outcome, answer) = serve_with(&server, || {
            let mut client = connect(addr);
            if !first.is_empty() {
                client.write_all(first).expect(&case);
                let piece = next_piece(&pieces, &case);
                let in_request = cut.min(request.len());
                assert_eq!(shown(&piece.bytes), shown(&request[..in_request]), "{case}");
            }
            client.write_all(second).expect(&case);
            // So that the server does not have to linger. A rule that is not yet satisfied would show as `ClientClosed`.
            client.shutdown(std::net::Shutdown::Write).expect(&case);
            read_all(&mut client)
        });

        let exchange = outcome.expect(&case);
        assert_eq!(shown(exchange.request().bytes()), shown(request), "{case}");
        assert_eq!(exchange.request().end(), RequestEnd::Complete, "{case}");
        assert_eq!(exchange.request().problem(), problem, "{case}");
        assert_eq!(shown(exchange.trailing()), shown(rest), "{case}: trailing");
        assert_eq!(exchange.trailing_len(), rest.len() as u64, "{case}: trailing");
        assert_eq!(exchange.client_end(), ClientEnd::Closed, "{case}");
        assert_eq!(answer, b"answer", "{case}");
        let recorded = memory.requests().pop().expect(&case);
        assert_eq!(shown(&recorded), shown(request), "{case}: the record");
        // The bytes of the second piece were reported, too.
        while pieces.try_recv().is_ok() {}
    }
    assert_eq!(memory.requests().len(), stream.len(), "{framing:?}: one record per exchange");
}

/// For both `auto` and `http`.
#[track_caller]
fn http_ends_there(request: &[u8], rest: &[u8], problem: Option<&Problem>) {
    for framing in [Framing::auto(), Framing::http()] {
        ends_there(&framing, request, rest, problem);
    }
}

pub(super) fn shown(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

#[test]
fn http_without_a_body_ends_after_its_head() {
    http_ends_there(b"GET /a?b HTTP/1.1\r\nHost: a\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", None);
    http_ends_there(b"DELETE / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", b"x", None);
}

#[test]
fn http_with_content_length_ends_after_as_many_bytes() {
    http_ends_there(b"POST / HTTP/1.1\r\ncontent-LENGTH:  6 \r\n\r\n\r\n\r\n\0\xff", b"\r\n", None);
    http_ends_there(b"PUT / HTTP/1.1\r\nContent-Length: 2, 2\r\n\r\nhi", b"hi", None);
}

#[test]
fn http_in_chunks_ends_after_its_trailers() {
    http_ends_there(
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\
        5;ext=\"1\"\r\nhello\r\nA\r\n0\r\n\r\n0\r\n\r\n\r\n0\r\nSum: 1\r\nT: \r\n\r\n",
        b"0\r\n\r\n",
        None,
    );
    http_ends_there(
        b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n0\r\n\r\n",
        b"\r\n",
        None,
    );
}

#[test]
fn http_1_0_and_lone_line_feeds_count() {
    http_ends_there(b"GET / HTTP/1.0\r\n\r\n", b"more", None);
    http_ends_there(b"POST / HTTP/1.0\nContent-Length: 3\n\na\nb", b"\n", None);
    http_ends_there(
        b"POST / HTTP/1.1\nTransfer-Encoding: chunked\n\n2\nab\n0\nT: 1\n\n",
        b"\n",
        None,
    );
}

#[test]
fn http_0_9_is_one_line() {
    http_ends_there(b"GET /x\r\n", b"\r\nGET /y\r\n", None);
    http_ends_there(b"GET /x\n", b"more", None);
}

#[test]
fn http_takes_any_method_and_skips_empty_lines_before_it() {
    ends_there(&Framing::http(), b"PURGE / HTTP/1.1\r\nContent-Length: 1\r\n\r\nx", b"next", None);
    ends_there(&Framing::http(), b"\r\n\nGET / HTTP/1.1\r\n\r\n", b"next", None);
}

#[test]
fn http_with_a_wrong_length_ends_after_its_head_and_says_why() {
    for length in ["-1", "+1", "x", "1x", "", "99999999999999999999", "0x10"] {
        let head = format!("POST / HTTP/1.1\r\nContent-Length: {length}\r\n\r\n");
        http_ends_there(head.as_bytes(), b"x", Some(&Problem::BadContentLength));
    }
    // An empty member of a list does not count: RFC 9110 section 5.6.1.
    http_ends_there(b"POST / HTTP/1.1\r\nContent-Length: 1,\r\n\r\nx", b"next", None);
}

#[test]
fn http_with_conflicting_lengths_ends_after_its_head_and_says_why() {
    http_ends_there(
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"xx",
        Some(&Problem::ConflictingContentLengths),
    );
    http_ends_there(
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
        b"0\r\n\r\n",
        Some(&Problem::UnknownTransferCoding),
    );
}

#[test]
fn chunks_outrank_a_content_length_and_that_is_said() {
    http_ends_there(
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
        b"more",
        Some(&Problem::ContentLengthOverridden),
    );
}

#[test]
fn a_broken_chunk_ends_the_request_before_it_and_is_said() {
    let request = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
    let server = bound(patient().source("answer"));
    let stream = [&request[..], b"Zzz"].concat();
    let mut client = connect_and_send(&server, &stream);
    let exchange = server.serve_once().expect("a broken chunk is no error");
    assert_eq!(read_all(&mut client), b"answer");
    let problem = exchange.request().problem().expect("a broken chunk");
    assert!(matches!(problem, Problem::BadChunk { offset: 8, .. }), "{problem:?}");

    // This helper cannot construct the variant, but it must be the same at each split.
    http_ends_there(request, b"Zzz", Some(problem));
}

#[test]
fn problems_are_sentences_that_name_the_rule() {
    for (head, text) in [
        (
            "Content-Length: x",
            "Content-Length is not a number of bytes (RFC 9112 section 6.3): the request ends after its head",
        ),
        (
            "Content-Length: 1, 2",
            "Content-Length values contradict each other (RFC 9112 section 6.3): the request ends after its head",
        ),
        (
            "Transfer-Encoding: gzip",
            "Transfer-Encoding does not end in `chunked` (RFC 9112 section 6.3): the request ends after its head",
        ),
        (
            "Content-Length: 1\r\nTransfer-Encoding: chunked",
            "Content-Length and Transfer-Encoding are both present (RFC 9112 section 6.3): the chunks decide where the request ends",
        ),
        (
            "Transfer-Encoding: chunked",
            "byte 0 of the body breaks the chunked coding (RFC 9112 section 7.1): the request ends before it",
        ),
    ] {
        let server = bound(patient());
        // A body that breaks the chunked coding, unless the fields are the problem.
        let body = if head.starts_with("Content-Length") { "0\r\n\r\n" } else { "~" };
        let stream = format!("POST / HTTP/1.1\r\n{head}\r\n\r\n{body}");
        let _client = connect_and_send(&server, stream.as_bytes());
        let exchange = server.serve_once().expect(head);
        let problem = exchange.request().problem().expect(head);
        assert_eq!(problem.to_string(), text, "{head}");
    }
}

#[test]
fn auto_takes_what_is_not_http_after_the_first_read() {
    for request in
        [&b"hello"[..], b"\r\n", b"\x16\x03\x01\0", b"get / http/1.1\n", b"\0", b"GETX", b"G ET /"]
    {
        let case = shown(request);
        let (sink, pieces) = reporting(MemorySink::new());
        let server = bound(patient().sink(sink).source("answer"));
        let addr = place(&server);
        let (outcome, answer) = serve_with(&server, || {
            let mut client = connect(addr);
            client.write_all(request).expect(&case);
            assert_eq!(shown(&next_piece(&pieces, &case).bytes), case);
            client.write_all(b"what follows").expect(&case);
            read_all(&mut client)
        });
        let exchange = outcome.expect(&case);
        assert_eq!(shown(exchange.request().bytes()), case);
        assert_eq!(exchange.request().end(), RequestEnd::Complete, "{case}");
        assert_eq!(shown(exchange.trailing()), "what follows", "{case}");
        assert_eq!(answer, b"answer", "{case}");
    }
}

#[test]
fn auto_waits_for_more_of_what_could_become_a_method() {
    let (sink, pieces) = reporting(MemorySink::new());
    let server = bound(patient().sink(sink).source("answer"));
    let addr = place(&server);
    let (outcome, answer) = serve_with(&server, || {
        let mut client = connect(addr);
        for piece in ["G", "E", "T", "hello"] {
            client.write_all(piece.as_bytes()).expect(piece);
            assert_eq!(shown(&next_piece(&pieces, piece).bytes), piece);
        }
        read_all(&mut client)
    });
    assert_eq!(answer, b"answer");
    assert_eq!(shown(outcome.expect("no method after all").request().bytes()), "GEThello");
}

#[test]
fn until_ends_with_the_first_delimiter() {
    ends_there(&Framing::until("\r\n"), b"a\rb\nc\r\r\n", b"next\r\n", None);
    ends_there(&Framing::until("aab"), b"aaaab", b"aab", None);
    ends_there(&Framing::until("abcabd"), b"abcabcabd", b"abcabd", None);
    ends_there(&Framing::until([0]), b"\0", b"\0\0", None);
    ends_there(&Framing::until(b"\xff\x00"), b"\xff\xff\xff\0", b"", None);
}

#[test]
fn exactly_ends_after_as_many_bytes() {
    ends_there(&Framing::exactly(1), b"\0", b"\0\0\0", None);
    ends_there(&Framing::exactly(12), b"GET /\r\n\r\nabc", b"more", None);
}

#[test]
fn eof_ends_where_the_client_does() {
    ends_there(&Framing::eof(), b"GET / HTTP/1.1\r\n\r\n\0 and all the rest", b"", None);
}

/// With a rule from a closure the server keeps the bytes until the rule has decided, since only the rule knows where they end.
#[track_caller]
pub(super) fn ends_where_the_rule_says(
    rule: fn(&[u8]) -> Option<usize>,
    request: &[u8],
    rest: &[u8],
) {
    let stream = [request, rest].concat();
    let (calls, called) = std::sync::mpsc::channel();
    let framing = Framing::from_fn(move |bytes| {
        calls.send(bytes.len()).expect("the test listens");
        rule(bytes)
    });
    let memory = MemorySink::new();
    let server = bound(patient().framing(framing).sink(memory.clone()).source("answer"));
    let addr = place(&server);
    for cut in 1..stream.len() {
        let case = format!("{} cut at {cut}", stream.escape_ascii());
        let (outcome, answer) = serve_with(&server, || {
            let mut client = connect(addr);
            client.write_all(&stream[..cut]).expect(&case);
            let seen = called.recv_timeout(std::time::Duration::from_secs(10));
            assert_eq!(seen, Ok(cut), "{case}");
            client.write_all(&stream[cut..]).expect(&case);
            client.shutdown(std::net::Shutdown::Write).expect(&case);
            read_all(&mut client)
        });
        let exchange = outcome.expect(&case);
        assert_eq!(shown(exchange.request().bytes()), shown(request), "{case}");
        assert_eq!(exchange.request().end(), RequestEnd::Complete, "{case}");
        assert_eq!(shown(exchange.trailing()), shown(rest), "{case}: trailing");
        assert_eq!(answer, b"answer", "{case}");
        let recorded = memory.requests().pop().expect(&case);
        assert_eq!(shown(&recorded), shown(request), "{case}: the record");
        while called.try_recv().is_ok() {}
    }
}

#[test]
fn a_rule_of_ones_own_ends_where_it_says() {
    let length_byte = |bytes: &[u8]| Some(1 + usize::from(*bytes.first()?));
    ends_where_the_rule_says(length_byte, b"\x05hello", b"\x01x");
    ends_where_the_rule_says(length_byte, b"\0", b"\x01x");
    let delimiter = |bytes: &[u8]| Some(2 + bytes.windows(2).position(|two| two == b";;")?);
    ends_where_the_rule_says(delimiter, b";a delimiter;;", b";;");
    let before_delimiter = |bytes: &[u8]| bytes.windows(2).position(|two| two == b";;");
    ends_where_the_rule_says(before_delimiter, b"without its delimiter", b";;");
}

#[test]
fn what_a_rule_held_back_is_recorded_when_the_client_ends_without_more() {
    let memory = MemorySink::new();
    let server = bound(patient().framing(Framing::from_fn(|_| None)).sink(memory.clone()));
    let mut client = connect(&server);
    client.write_all(b"1234").expect("an open socket");
    client.shutdown(std::net::Shutdown::Write).expect("an open socket");
    let exchange = server.serve_once().expect("an exchange");
    assert_eq!(shown(exchange.request().bytes()), "1234");
    assert_eq!(exchange.request().end(), RequestEnd::ClientClosed);
    assert_eq!(memory.requests(), [b"1234"]);
}

#[test]
fn read_once_ends_with_the_first_read_wherever_that_was_cut() {
    let stream = b"GET / HTTP/1.1\r\n\r\n";
    let (sink, pieces) = reporting(MemorySink::new());
    let server = bound(patient().framing(Framing::read_once(10)).sink(sink).source("answer"));
    let addr = place(&server);
    for cut in 1..=stream.len() {
        let case = format!("cut at {cut}");
        let (outcome, answer) = serve_with(&server, || {
            let mut client = connect(addr);
            client.write_all(&stream[..cut]).expect(&case);
            next_piece(&pieces, &case);
            client.write_all(&stream[cut..]).expect(&case);
            read_all(&mut client)
        });
        let exchange = outcome.expect(&case);
        let (request, rest) = stream.split_at(cut.min(10));
        assert_eq!(shown(exchange.request().bytes()), shown(request), "{case}");
        assert_eq!(exchange.request().end(), RequestEnd::Complete, "{case}");
        assert_eq!(shown(exchange.trailing()), shown(rest), "{case}");
        assert_eq!(answer, b"answer", "{case}");
    }
}

#[test]
fn nothing_lets_the_peer_speak_first() {
    for framing in [Framing::nothing(), Framing::exactly(0)] {
        let case = format!("{framing:?}");
        let memory = MemorySink::new();
        let server =
            bound(patient().framing(framing).sink(memory.clone()).source("220 peer ready\r\n"));
        let addr = place(&server);
        let (outcome, rest) = serve_with(&server, || {
            let mut client = connect(addr);
            let mut banner = [0; 16];
            client.read_exact(&mut banner).expect(&case);
            assert_eq!(&banner, b"220 peer ready\r\n", "{case}");
            client.write_all(b"EHLO me\r\n").expect(&case);
            read_all(&mut client)
        });
        let exchange = outcome.expect(&case);
        assert_eq!(rest, b"", "{case}: each byte of the banner once");
        assert_eq!(exchange.request().bytes(), b"", "{case}");
        assert_eq!(exchange.request().end(), RequestEnd::Complete, "{case}");
        assert_eq!(shown(exchange.trailing()), "EHLO me\\r\\n", "{case}");
        assert_eq!(memory.requests(), [b""], "{case}: an empty record");
    }
}

#[test]
fn a_half_close_ends_a_request_under_every_rule_and_is_answered() {
    for (framing, request, end) in [
        (Framing::auto(), "GET / HT", RequestEnd::ClientClosed),
        (Framing::auto(), "G", RequestEnd::ClientClosed),
        (Framing::http(), "whatever", RequestEnd::ClientClosed),
        (
            Framing::http(),
            "PUT / HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf",
            RequestEnd::ClientClosed,
        ),
        (
            Framing::http(),
            "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
            RequestEnd::ClientClosed,
        ),
        (Framing::until("\n"), "a line", RequestEnd::ClientClosed),
        (Framing::lines(), "a line\r", RequestEnd::ClientClosed),
        (Framing::exactly(9), "half", RequestEnd::ClientClosed),
        (
            Framing::length_prefixed(LengthPrefix::big_endian(2)),
            "\0\x05half",
            RequestEnd::ClientClosed,
        ),
        (Framing::tls_record(), "\x16\x03\x01\0", RequestEnd::ClientClosed),
        (Framing::from_fn(|_| None), "half", RequestEnd::ClientClosed),
        (Framing::from_fn(|_| Some(9)), "half", RequestEnd::ClientClosed),
        (Framing::eof(), "all", RequestEnd::Complete),
        (Framing::read_once(9), "all", RequestEnd::Complete),
    ] {
        let case = format!("{framing:?} of {}", request.escape_debug());
        let server = bound(patient().framing(framing).source("answer"));
        let mut client = connect_and_send(&server, request.as_bytes());
        let exchange = server.serve_once().expect(&case);
        assert_eq!(shown(exchange.request().bytes()), shown(request.as_bytes()), "{case}");
        assert_eq!(exchange.request().end(), end, "{case}");
        assert_eq!(exchange.request().is_complete(), end == RequestEnd::Complete, "{case}");
        assert_eq!(read_all(&mut client), b"answer", "{case}");
    }
}

#[test]
fn expect_100_continue_gets_not_one_unscripted_byte() {
    let head = b"PUT / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";
    let (sink, pieces) = reporting(MemorySink::new());
    let server = bound(patient().sink(sink).source("answer"));
    let addr = place(&server);
    let (outcome, answer) = serve_with(&server, || {
        let mut client = connect(addr);
        client.write_all(head).expect("an open socket");
        assert_eq!(shown(&next_piece(&pieces, "the head").bytes), shown(head));
        client.write_all(b"body").expect("an open socket");
        read_all(&mut client)
    });
    assert_eq!(answer, b"answer");
    assert_eq!(outcome.expect("an exchange").request().body(), Some(&b"body"[..]));
}

#[test]
fn the_http_view_shows_what_was_framed() {
    let server = bound(patient());
    let _client = connect_and_send(
        server.local_addr(),
        b"POST /a?b HTTP/1.1\r\nX: 1\r\nTransfer-Encoding: chunked\r\nx: 2\r\n\r\n\
        3\r\na\r\n\r\n1\r\nb\r\n0\r\nX: 3\r\n\r\n",
    );
    let exchange = server.serve_once().expect("an exchange");
    let request = exchange.request();
    assert_eq!(request.method(), Some("POST"));
    assert_eq!(request.target(), Some("/a?b"));
    assert_eq!(request.version(), Some("HTTP/1.1"));
    assert_eq!(request.header("X"), Some("1"));
    assert_eq!(request.headers().count(), 3);
    assert_eq!(request.body().map(<[u8]>::len), Some(3 + 5 + 6 + 3 + 6 + 2));
    assert_eq!(request.decoded_body().as_deref(), Ok(&b"a\r\nb"[..]));
}
