//! Where requests end under each rule, however their bytes are cut.

use super::rule::Framing;
use crate::http1::problem::Problem;
use crate::http1::verdict::{TooMuch, Verdict};

/// Feeds `stream` in two pieces, cut at `cut`; the request's length, or `None` if it is not over.
fn length(framing: &Framing, stream: &[u8], cut: usize) -> Option<usize> {
    let mut framer = framing.start(1 << 20);
    let mut before = 0;
    for end in [cut, stream.len()] {
        if end == before {
            continue;
        }
        match framer.feed(&stream[before..end]).expect("below the limit") {
            Verdict::Done(length) => return Some(before + length),
            Verdict::More => before = end,
            Verdict::Hold => {}
        }
    }
    None
}

#[track_caller]
fn ends_after(framing: &Framing, request: &[u8], rest: &[u8]) {
    let stream = [request, rest].concat();
    for cut in 0..=stream.len() {
        assert_eq!(
            length(framing, &stream, cut),
            Some(request.len()),
            "{framing:?} of {} cut at {cut}",
            stream.escape_ascii()
        );
    }
}

#[test]
fn http_ends_where_rfc_9112_says() {
    for framing in [Framing::http(), Framing::auto()] {
        for request in [
            &b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..],
            b"GET / HTTP/1.0\n\n",
            b"GET /simple\r\n",
            b"POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\nhello",
            b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5, 5\r\n\r\nhello",
            b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n3\r\nabc\r\n0\r\nT: 1\r\n\r\n",
            b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
            b"POST / HTTP/1.1\r\nContent-Length: 5,\r\n\r\nhello",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked,\r\n\r\n0\r\n\r\n",
            b"GET HTTP/1.1\r\nHost: no target\r\n\r\n",
            b"GET /\tHTTP/1.1\r\n\r\n",
            b"POST / HTTP/1.1\r\nContent-Length:\r\n\r\n",
            b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        ] {
            ends_after(&framing, request, b"Zzz\n\nnext");
        }
    }
    ends_after(&Framing::head(), b"PUT / HTTP/1.1\r\nContent-Length: 4\r\n\r\n", b"body");
    ends_after(&Framing::http(), b"\r\n\nGET / HTTP/1.1\r\n\r\n", b"next");
    ends_after(&Framing::http(), b"PURGE / HTTP/1.1\r\nContent-Length: 1\r\n\r\nx", b"next");
}

#[test]
fn http_says_why_a_length_did_not_count() {
    for (head, problem) in [
        ("Content-Length: x\r\n", Problem::BadContentLength),
        ("Content-Length: 1, 2\r\n", Problem::ConflictingContentLengths),
        ("Transfer-Encoding: gzip\r\n", Problem::UnknownTransferCoding),
        ("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", Problem::ContentLengthOverridden),
    ] {
        let mut framer = Framing::http().start(1000);
        let _ = framer.feed(format!("GET / HTTP/1.1\r\n{head}\r\n").as_bytes());
        assert_eq!(framer.problem(), Some(&problem), "{head}");
    }
}

#[test]
fn auto_takes_what_is_not_http_after_the_first_read() {
    for (request, over) in [
        (&b"hello"[..], Some(5)),
        (b"\x16\x03\x01", Some(3)),
        (b"\r\n", Some(2)),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Some(24)),
        (b"PURGE / HTTP/1.1\r\n\r\nmore", Some(20)),
        (b"PURGE / HTTP/1.1", Some(16)),
        (b"GE", None),
        (b"GET ", None),
    ] {
        assert_eq!(length(&Framing::auto(), request, 0), over, "{}", request.escape_ascii());
    }
    assert_eq!(length(&Framing::auto(), b"GEhello", 2), Some(7), "no method after all");
}

#[test]
fn plain_rules_end_where_they_say_however_the_bytes_are_cut() {
    ends_after(&Framing::until("\r\n"), b"a\rb\nc\r\r\n", b"next\r\n");
    ends_after(&Framing::until("aab"), b"aaaab", b"aab");
    ends_after(&Framing::until("abcabd"), b"abcabcabd", b"abcabd");
    ends_after(&Framing::exactly(4), b"1234", b"5678");
    ends_after(
        &Framing::from_fn(|bytes| Some(1 + usize::from(*bytes.first()?))),
        b"\x03abc",
        b"\x01",
    );
    let before_semicolons = |bytes: &[u8]| bytes.windows(2).position(|two| two == b";;");
    ends_after(&Framing::from_fn(before_semicolons), b"abc", b";;");
    assert_eq!(length(&Framing::read_once(3), b"12345", 0), Some(3));
    assert_eq!(length(&Framing::read_once(3), b"12345", 2), Some(2));
    assert_eq!(length(&Framing::eof(), b"12345", 2), None);
}

#[test]
fn buffering_stops_at_the_limit() {
    for framing in [Framing::http(), Framing::auto()] {
        let mut framer = framing.start(8);
        assert_eq!(framer.feed(b"GET /567"), Ok(Verdict::More), "{framing:?}");
        assert_eq!(framer.feed(b"8"), Err(TooMuch { limit: 8, within: 0 }), "{framing:?}");
        let mut framer = framing.start(8);
        let whole = framer.feed(b"GET / HTTP/1.1\r\n\r\n");
        assert_eq!(whole, Err(TooMuch { limit: 8, within: 8 }), "{framing:?}: uncut");
    }
    let mut framer = Framing::from_fn(|_| None).start(8);
    assert_eq!(framer.feed(b"12345678"), Ok(Verdict::Hold));
    assert_eq!(framer.feed(b"123456789"), Err(TooMuch { limit: 8, within: 8 }));
}
