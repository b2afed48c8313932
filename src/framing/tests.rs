//! Where requests end under each rule, however their bytes are cut.

use super::length_prefix::LengthPrefix;
use super::letter_case::LetterCase;
use super::no_end::NoEnd;
use super::rule::Framing;
use super::texts::Text;
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

/// Each message with the other one after it: at the same bytes wherever the stream is cut in three.
#[track_caller]
fn both_end(framing: &Framing, one: &[u8], other: &[u8]) {
    for (first, second) in [(one, other), (other, one)] {
        let stream = [first, second].concat();
        for cut in 0..=stream.len() {
            for later in cut..=stream.len() {
                assert_eq!(
                    lengths(framing, &stream, [cut, later]),
                    [first.len(), second.len()],
                    "{framing:?} of {} cut at {cut} and {later}",
                    stream.escape_ascii()
                );
            }
        }
    }
}

/// Frames a connection on which `stream` arrives in three pieces, cut at `cuts`.
fn lengths(framing: &Framing, stream: &[u8], cuts: [usize; 2]) -> Vec<usize> {
    let mut lengths = Vec::new();
    // Where the message begins, and how much of the stream the framer is done with.
    let (mut start, mut seen) = (0, 0);
    let mut framer = framing.start(1 << 20);
    for end in [cuts[0], cuts[1], stream.len()] {
        while seen < end {
            match framer.feed(&stream[seen..end]).expect("possible lengths") {
                Verdict::Done(length) => {
                    seen += length;
                    lengths.push(seen - start);
                    start = seen;
                    framer = framing.start(1 << 20);
                }
                Verdict::More => seen = end,
                Verdict::Hold => break,
            }
        }
    }
    assert_eq!(start, stream.len(), "each byte belongs to a message");
    lengths
}

#[test]
fn lines_end_after_their_line_feed() {
    both_end(&Framing::lines(), b"PING\r\n", b"a\rb\n");
    both_end(&Framing::lines(), b"\n", b"\r\n");
}

#[test]
fn a_message_ends_after_what_its_length_counts() {
    for (prefix, one, other) in [
        (LengthPrefix::big_endian(1), &b"\x03abc"[..], &b"\0"[..]),
        (LengthPrefix::big_endian(2), b"\0\x02\0\x02", b"\0\0"),
        (LengthPrefix::big_endian(4), b"\0\0\0\x05hello", b"\0\0\0\x01\0"),
        (LengthPrefix::little_endian(4), b"\x05\0\0\0hello", b"\x01\0\0\0\x01"),
        (LengthPrefix::big_endian(8), b"\0\0\0\0\0\0\0\x02ab", b"\0\0\0\0\0\0\0\0"),
        (LengthPrefix::little_endian(8), b"\x02\0\0\0\0\0\0\0ab", b"\0\0\0\0\0\0\0\0"),
        // PostgreSQL.
        (LengthPrefix::big_endian(4).counts_itself(), b"\0\0\0\x08\x04\xd2\x16/", b"\0\0\0\x04"),
        (LengthPrefix::big_endian(4).at(1).counts_itself(), b"Q\0\0\0\x06;\0", b"X\0\0\0\x04"),
        // MySQL.
        (LengthPrefix::little_endian(3).counts_all_but(4), b"\x01\0\0\0\x0e", b"\0\0\0\x01"),
        // BGP, without the 16 bytes before it.
        (LengthPrefix::big_endian(2).counts_all(), b"\0\x03\x04", b"\0\x05\x03\x06\x02"),
        // HTTP/2.
        (
            LengthPrefix::big_endian(3).counts_all_but(9),
            b"\0\0\0\x04\x01\0\0\0\0",
            b"\0\0\x04\x08\0\0\0\0\0\0\0\0\x01",
        ),
        // AMQP.
        (
            LengthPrefix::big_endian(4).at(3).counts_all_but(8),
            b"\x08\0\0\0\0\0\0\xce",
            b"\x01\0\x01\0\0\0\x02ab\xce",
        ),
    ] {
        both_end(&Framing::length_prefixed(prefix), one, other);
    }
    let mut long = vec![7; 0x1234];
    long.splice(..0, *b"\0\x34\x12");
    let framing = Framing::length_prefixed(LengthPrefix::little_endian(2).at(1));
    for cut in 0..4 {
        assert_eq!(length(&framing, &long, cut), Some(long.len()), "cut at {cut}");
    }
}

#[test]
fn a_tls_record_ends_after_its_fragment() {
    both_end(&Framing::tls_record(), b"\x16\x03\x01\0\x04\x01\0\0\0", b"\x15\x03\x03\0\x02\x01\0");
    both_end(&Framing::tls_record(), b"\x17\x03\x03\0\0", b"\x17\x03\x03\0\x01\0");
    let mut largest = vec![0; 5 + 16_640];
    largest[..5].copy_from_slice(b"\x17\x03\x03\x41\0");
    assert_eq!(length(&Framing::tls_record(), &largest, 3), Some(largest.len()));
}

/// The error for a message that begins with `start`, wherever that is cut, and whatever follows it.
#[track_caller]
fn is_refused(framing: &Framing, start: &[u8], error: &str) {
    for rest in ["", "what follows"] {
        let stream = [start, rest.as_bytes()].concat();
        for cut in 0..start.len() {
            let case = format!("{framing:?} of {} cut at {cut}", stream.escape_ascii());
            let mut framer = framing.start(8);
            if cut > 0 {
                assert_eq!(framer.feed(&stream[..cut]), Ok(Verdict::More), "{case}");
            }
            let no_end = framer.feed(&stream[cut..]).expect_err(&case);
            assert_eq!(no_end.within(), start.len() - cut, "{case}");
            assert_eq!(no_end.to_string(), error, "{case}");
        }
    }
}

#[test]
fn a_length_that_no_message_can_have_is_an_error() {
    let framing = |prefix| Framing::length_prefixed(prefix);
    is_refused(
        &framing(LengthPrefix::big_endian(4).at(1).counts_itself()),
        b"Q\0\0\0\x03",
        "its length is given as 3, which is less than 4, the least that is possible",
    );
    is_refused(
        &framing(LengthPrefix::little_endian(2).at(16).counts_all()),
        b"0123456789abcdef\x11\0",
        "its length is given as 17, which is less than 18, the least that is possible",
    );
    is_refused(
        &framing(LengthPrefix::big_endian(4).at(3).counts_all_but(6)),
        b"123\0\0\0\0",
        "its length is given as 0, which is less than 1, the least that is possible",
    );
    is_refused(
        &framing(LengthPrefix::little_endian(8)),
        &[0xff; 8],
        "its length is given as 18446744073709551615, which is more than 18446744073709551607, the most that is possible",
    );
    is_refused(
        &Framing::tls_record(),
        b"\x17\x03\x03\x41\x01",
        "its length is given as 16641, which is more than 16640, the most that is possible",
    );
}

#[test]
fn the_largest_lengths_are_only_numbers() {
    for (prefix, header, left) in [
        (LengthPrefix::big_endian(8), u64::MAX - 8, u64::MAX - 8),
        (LengthPrefix::big_endian(8).counts_itself(), u64::MAX, u64::MAX - 8),
        (LengthPrefix::big_endian(8).counts_all_but(u32::MAX), 1 << 63, (1 << 63) + 0xffff_fff7),
    ] {
        let framing = Framing::length_prefixed(prefix);
        let mut framer = framing.start(8);
        assert_eq!(framer.feed(&header.to_be_bytes()), Ok(Verdict::More), "{framing:?}");
        assert_eq!(framer.left(), Some(left), "{framing:?}");
    }
    // A length behind more bytes than arrive.
    let framing = Framing::length_prefixed(LengthPrefix::big_endian(8).at(u32::MAX));
    assert_eq!(length(&framing, &[0xff; 100], 50), None);
}

#[test]
fn a_length_has_1_to_8_bytes() {
    for size in [0, 9, 255] {
        for described in [LengthPrefix::big_endian, LengthPrefix::little_endian] {
            std::panic::catch_unwind(|| described(size)).expect_err("no such size");
        }
    }
}

fn too_much(within: usize) -> NoEnd {
    NoEnd::TooMuch(TooMuch { limit: 8, within })
}

#[test]
fn texts_end_with_their_last_byte_or_with_the_read_of_the_first_wrong_one() {
    let texts = |texts: &[&str]| {
        Framing::texts(
            texts
                .iter()
                .map(|text| Text { bytes: text.as_bytes().into(), case: LetterCase::Counts }),
        )
    };
    ends_after(&texts(&["PING\r\n"]), b"PING\r\n", b"PING\r\n");
    ends_after(&texts(&["GET a", "GET bc", "PUT"]), b"GET bc", b"GET a");
    assert_eq!(length(&texts(&["PING\r\n"]), b"PIXG and more", 0), Some(13));
    assert_eq!(length(&texts(&["GET a", "PUT b"]), b"GEP", 2), Some(3));
    assert_eq!(length(&texts(&["GET a", "PUT b"]), b"PUT ", 2), None);
}

#[test]
fn a_text_whose_case_is_ignored_stands_beside_one_in_which_it_counts() {
    let text = |(case, text): (LetterCase, &str)| Text { bytes: text.as_bytes().into(), case };
    let both = Framing::texts(
        [
            (LetterCase::Ignored, "getting"),
            (LetterCase::Ignored, "gone"),
            (LetterCase::Counts, "GET a"),
            (LetterCase::Counts, "get b"),
        ]
        .map(text),
    );
    for whole in [&b"GET a"[..], b"get b", b"gEtTiNg", b"GETTING", b"getting", b"GONE", b"gone"] {
        ends_after(&both, whole, b"GET a");
    }
    for wrong in [&b"get a"[..], b"GET b", b"Get a"] {
        // Known at its last byte; the byte after that is part of the read.
        assert_eq!(length(&both, &[wrong, b"!"].concat(), 0), Some(6), "{}", wrong.escape_ascii());
    }
}

#[test]
fn buffering_stops_at_the_limit() {
    for framing in [Framing::http(), Framing::auto()] {
        let mut framer = framing.start(8);
        assert_eq!(framer.feed(b"GET /567"), Ok(Verdict::More), "{framing:?}");
        assert_eq!(framer.feed(b"8"), Err(too_much(0)), "{framing:?}");
        let mut framer = framing.start(8);
        let whole = framer.feed(b"GET / HTTP/1.1\r\n\r\n");
        assert_eq!(whole, Err(too_much(8)), "{framing:?}: uncut");
    }
    let mut framer = Framing::from_fn(|_| None).start(8);
    assert_eq!(framer.feed(b"12345678"), Ok(Verdict::Hold));
    assert_eq!(framer.feed(b"123456789"), Err(too_much(8)));
}

#[test]
fn a_client_hello_ends_with_its_last_record_however_it_is_split() {
    let framing = Framing::client_hello();
    let record = |fragment: &[u8]| {
        let length = u16::try_from(fragment.len()).expect("a short record").to_be_bytes();
        [b"\x16\x03\x01", &length[..], fragment].concat()
    };
    let hello = b"\x01\0\0\x06sixsix";
    let next = record(b"\x01\0\0\0");
    ends_after(&framing, &record(hello), &next);
    for split in 0..=hello.len() {
        let (one, other) = hello.split_at(split);
        // The second record may be empty, and is then no part of it.
        let mut records = record(one);
        if split < hello.len() {
            records.extend_from_slice(&record(other));
        }
        ends_after(&framing, &records, &next);
    }
    let bytes: Vec<_> = hello.iter().flat_map(|&byte| record(&[byte])).collect();
    ends_after(&framing, &bytes, &next);
    // With more in its record than the message.
    ends_after(&framing, &record(b"\x01\0\0\x02himore"), &next);
    // A message that is no ClientHello, and a record that is no handshake after the beginning of one.
    ends_after(&framing, &record(b"\x0e\xff\xff\xff"), &next);
    ends_after(&framing, &[&record(b"\x01\0")[..], b"\x15\x03\x01\0\x02\x02\x28"].concat(), &next);
    // What is no TLS.
    ends_after(&framing, b"GET / HTTP/1.1\r\n\r\n", &next);
    assert_eq!(length(&framing, b"\x15\x03\x01", 0), Some(3));
    assert_eq!(length(&framing, b"EHLO me\r\n", 0), Some(9));
}

#[test]
fn a_client_hello_that_is_too_long_to_be_one_is_bad() {
    let bad = |bytes: &[u8]| match Framing::client_hello().start(1 << 20).feed(bytes) {
        Err(NoEnd::BadLength { within, .. }) => Some(within),
        Ok(_) => None,
        Err(other) => panic!("{other}"),
    };
    assert_eq!(bad(b"\x16\x03\x01\x41\0"), None);
    assert_eq!(bad(b"\x16\x03\x01\x41\x01more"), Some(5));
    assert_eq!(bad(b"\x16\x03\x01\0\x10\x01\x02\x01\x44"), None);
    assert_eq!(bad(b"\x16\x03\x01\0\x10\x01\x02\x01\x45more"), Some(9));
}

/// The records and the cuts are drawn from seeds.
#[test]
fn a_stream_that_may_be_a_client_hello_ends_at_the_same_byte_however_it_is_cut() {
    let framing = Framing::client_hello();
    let mut ends = 0;
    for seed in 0..20_000 {
        let mut state: u64 = seed;
        // A linear congruential generator: Knuth's numbers, of which the upper bits are the random ones.
        let mut below = |limit: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            u8::try_from((state >> 33) % limit).expect("a number below 256")
        };
        let mut message = vec![if below(8) == 0 { below(3) } else { 1 }, 0, 0, below(30)];
        message.resize(4 + usize::from(below(40)), b'x');
        let mut stream = Vec::new();
        while !message.is_empty() {
            let length = below(20).min(u8::try_from(message.len()).expect("short"));
            let kind = if below(16) == 0 { 21 } else { 22 };
            stream.extend_from_slice(&[kind, 3, 1, 0, length]);
            stream.extend(message.drain(..usize::from(length)));
        }
        if stream[0] != 22 {
            continue;
        }
        let whole = length(&framing, &stream, 0);
        for cut in 1..stream.len() {
            assert_eq!(length(&framing, &stream, cut), whole, "seed {seed}, cut at {cut}");
        }
        ends += u32::from(whole.is_some());
    }
    assert!((5_000..19_000).contains(&ends), "both happen: {ends}");
}
