//! Lines, length-prefixed messages and TLS records over a real socket: they end at the same byte however the stream is split into
//! packets, and a length that cannot be is an error at once.

use std::io::Write;
use std::sync::mpsc;
use std::time::Duration;

use fake_peer::{Error, Event, Framing, LengthPrefix, MemorySink, RequestEnd, Response};
use fake_peer_test_support::{
    PATIENCE, bound, connect, connect_and_send, expect_bytes, finished, numbered, patient,
    read_all, spawned, taken,
};

use super::framing::{ends_there, ends_where_the_rule_says, shown};

// The closures of the examples; the rest of them is tested in `tests/program`.
#[allow(dead_code)]
#[path = "../../examples/mqtt.rs"]
mod mqtt;
#[allow(dead_code)]
#[path = "../../examples/redis.rs"]
mod redis;

/// `request` and `rest` are messages. As one request with trailing bytes, and as two requests of one connection, they end at
/// the same byte wherever the stream is cut.
#[track_caller]
fn each_ends_there(framing: &Framing, request: &[u8], rest: &[u8]) {
    ends_there(framing, request, rest, None);
    both_arrive(framing, request, rest);
}

/// Sends two requests on one connection, cut in two at every position: the second piece is sent when the first has arrived.
#[track_caller]
fn both_arrive(framing: &Framing, request: &[u8], rest: &[u8]) {
    let stream = [request, rest].concat();
    let (arrived, arrivals) = mpsc::channel();
    let builder = patient().framing(framing.clone()).on_event(move |event| {
        if let Event::Received { bytes, .. } = event {
            arrived.send(bytes.len()).expect("the test listens");
        }
    });
    let peer = spawned(builder.source(Response::from("ok").keep_open()));
    for cut in 1..stream.len() {
        let case = format!("{framing:?} of {} cut at {cut}", stream.escape_ascii());
        let mut client = connect(&peer);
        for piece in [&stream[..cut], &stream[cut..]] {
            client.write_all(piece).expect(&case);
            let mut missing = piece.len();
            while missing > 0 {
                missing -= arrivals.recv_timeout(PATIENCE).expect(&case);
            }
        }
        expect_bytes(&mut client, b"okok", &case);
        for expected in [request, rest] {
            let exchange = taken(&peer);
            assert_eq!(shown(exchange.request().bytes()), shown(expected), "{case}");
            assert_eq!(exchange.request().end(), RequestEnd::Complete, "{case}");
        }
    }
    finished(peer);
}

#[test]
fn lines_end_with_the_first_line_feed() {
    each_ends_there(&Framing::lines(), b"a\rb\r\n", b"next\n");
    each_ends_there(&Framing::lines(), b"\n", b"\r\n");
}

#[test]
fn a_length_before_its_message_counts_what_follows() {
    let framing = Framing::length_prefixed(LengthPrefix::big_endian(4));
    each_ends_there(&framing, b"\0\0\0\x05hello", b"\0\0\0\0");
    let framing = Framing::length_prefixed(LengthPrefix::little_endian(8));
    each_ends_there(&framing, b"\x02\0\0\0\0\0\0\0hi", b"\0\0\0\0\0\0\0\0");
    let framing = Framing::length_prefixed(LengthPrefix::big_endian(1));
    each_ends_there(&framing, b"\x01\x01", b"\0");
}

/// RFC 1035 section 4.2.2; a query for the addresses of `a`.
#[test]
fn dns_over_tcp_has_a_length_of_two_bytes() {
    let framing = Framing::length_prefixed(LengthPrefix::big_endian(2));
    let query = b"\0\x13\0\x01\x01\0\0\x01\0\0\0\0\0\0\x01a\0\0\x01\0\x01";
    each_ends_there(&framing, query, query);
}

#[test]
fn postgres_has_a_type_before_a_length_that_counts_itself() {
    let framing = Framing::length_prefixed(LengthPrefix::big_endian(4).at(1).counts_itself());
    each_ends_there(&framing, b"Q\0\0\0\x06;\0", b"X\0\0\0\x04");
}

#[test]
fn mysql_does_not_count_its_sequence_byte() {
    let framing = Framing::length_prefixed(LengthPrefix::little_endian(3).counts_all_but(4));
    each_ends_there(&framing, b"\x03\0\0\0\x03hi", b"\x01\0\0\0\x0e");
}

#[test]
fn mongodb_counts_the_whole_message() {
    let framing = Framing::length_prefixed(LengthPrefix::little_endian(4).counts_all());
    each_ends_there(&framing, b"\x06\0\0\0hi", b"\x04\0\0\0");
}

#[test]
fn a_tls_record_ends_with_its_fragment() {
    each_ends_there(
        &Framing::tls_record(),
        b"\x16\x03\x01\0\x04\x01\0\0\0",
        b"\x15\x03\x03\0\x02\x01\0",
    );
    each_ends_there(&Framing::tls_record(), b"\x17\x03\x03\0\0", b"\x17\x03\x03\0\x01\0");
}

#[track_caller]
fn each_ends_where_the_rule_says(rule: fn(&[u8]) -> Option<usize>, request: &[u8], rest: &[u8]) {
    ends_where_the_rule_says(rule, request, rest);
    both_arrive(&Framing::from_fn(rule), request, rest);
}

#[test]
fn the_closure_for_redis_knows_nested_arrays_and_nulls() {
    let get = b"*2\r\n$3\r\nGET\r\n$2\r\n\r\n\r\n";
    each_ends_where_the_rule_says(redis::value_length, get, b"PING\r\n");
    let nested = b"*3\r\n*1\r\n:1\r\n$-1\r\n$0\r\n\r\n";
    each_ends_where_the_rule_says(redis::value_length, nested, b"*0\r\n");
    // What is no number ends the command, and a huge one is no panic.
    assert_eq!(redis::value_length(b"$x\r\nmore"), Some(4));
    let huge = usize::MAX;
    assert_eq!(redis::value_length(format!("${huge}\r\n").as_bytes()), Some(huge));
    assert_eq!(redis::value_length(format!("*2\r\n${huge}\r\n").as_bytes()), None);
    assert_eq!(redis::value_length(format!("*2\r\n*{huge}\r\n").as_bytes()), None);
}

#[test]
fn the_closure_for_mqtt_knows_lengths_of_one_to_four_bytes() {
    let rule = mqtt::packet_length;
    each_ends_where_the_rule_says(rule, b"\x40\x02\0\x07", b"\xc0\0");
    let publish = [&b"\x30\x80\x01"[..], &[b'x'; 128]].concat();
    each_ends_where_the_rule_says(rule, &publish, b"\xe0\0");
    assert_eq!(rule(b"\x30\x7f"), Some(2 + 127));
    assert_eq!(rule(b"\x30\xff\x7f"), Some(3 + 16_383));
    assert_eq!(rule(b"\x30\x80\x80\x01"), Some(4 + 16_384));
    assert_eq!(rule(b"\x30\xff\xff\xff\x7f"), Some(5 + 268_435_455));
    // No fifth byte: the packet ends with what is wrong.
    assert_eq!(rule(b"\x30\xff\xff\xff"), None);
    assert_eq!(rule(b"\x30\xff\xff\xff\xff\x7f"), Some(5));
}

#[test]
fn the_largest_tls_record_arrives_whole() {
    let record = [&b"\x17\x03\x03\x41\0"[..], &numbered(16_640)].concat();
    let server = bound(patient().framing(Framing::tls_record()).source("answer"));
    let mut client = connect_and_send(&server, &record);
    let exchange = server.serve_once().expect("as large as RFC 8446 allows");
    exchange.request().assert_bytes(&record);
    assert_eq!(read_all(&mut client), b"answer");
}

#[test]
fn a_length_that_cannot_be_fails_the_exchange_at_once() {
    let prefixed = Framing::length_prefixed;
    for (framing, header, reason, possible) in [
        (
            prefixed(LengthPrefix::big_endian(4).at(1).counts_itself()),
            &b"Q\0\0\0\x03"[..],
            "its length is given as 3, which is less than 4, the least that is possible",
            &b"Q\0\0\0\x04"[..],
        ),
        (
            prefixed(LengthPrefix::big_endian(8)),
            &[0xff; 8],
            "its length is given as 18446744073709551615, which is more than 18446744073709551607, the most that is possible",
            &[0; 8],
        ),
        (
            Framing::tls_record(),
            b"\x16\x03\x01\x41\x01",
            "its length is given as 16641, which is more than 16640, the most that is possible",
            b"\x16\x03\x01\0\0",
        ),
    ] {
        let case = format!("{framing:?}");
        let memory = MemorySink::new();
        let server = bound(patient().framing(framing).sink(memory.clone()).source("answer"));
        let stream = [header, b"what follows"].concat();
        let mut client = connect_and_send(&server, &stream);

        let error = server.serve_once().expect_err(&case);

        assert!(matches!(error, Error::Receive { .. }), "{case}: {error:?}");
        assert!(error.report().to_string().ends_with(reason), "{}", error.report());
        let exchange = error.exchange().expect("the error is about an exchange");
        assert_eq!(exchange.request().end(), RequestEnd::BadLength, "{case}");
        assert_eq!(shown(exchange.request().bytes()), shown(header), "{case}");
        assert_eq!(shown(exchange.trailing()), "what follows", "{case}: what arrived is not lost");
        assert_eq!(memory.requests(), [header], "{case}: what arrived is not lost");
        assert_eq!(read_all(&mut client), b"", "{case}: it is not answered");

        let mut client = connect_and_send(&server, possible);
        server.serve_once().expect("the server goes on");
        assert_eq!(read_all(&mut client), b"answer", "{case}");
    }
}

/// Nothing is allocated for what has not arrived: a peer that tried would abort.
#[test]
fn a_huge_length_is_waited_for_until_the_timeout() {
    let timeout = Duration::from_millis(100);
    for (prefix, header, missing) in [
        (
            LengthPrefix::big_endian(8),
            &b"\x7f\xff\xff\xff\xff\xff\xff\xff"[..],
            "9223372036854775802 bytes are missing",
        ),
        // As from a client that writes 5 in the wrong byte order.
        (LengthPrefix::little_endian(4), b"\0\0\0\x05", "83886075 bytes are missing"),
    ] {
        let framing = Framing::length_prefixed(prefix);
        let builder = patient().framing(framing).buffer_limit(16).linger(Duration::ZERO);
        let server = bound(builder.timeout(timeout).source("answer"));
        let mut client = connect(&server);
        client.write_all(&[header, b"hello"].concat()).expect("room for a small request");

        let error = server.serve_once().expect_err("most of it is missing");

        let exchange = error.exchange().expect("the error is about an exchange");
        assert_eq!(exchange.request().end(), RequestEnd::TimedOut);
        assert_eq!(shown(exchange.request().bytes()), shown(&[header, b"hello"].concat()));
        let reason = format!(
            "nothing arrived for 100ms, and the request is not complete by framing `{}`: {missing}",
            Framing::length_prefixed(prefix)
        );
        assert!(error.report().to_string().ends_with(&reason), "{}", error.report());
    }
}

#[test]
fn a_message_may_be_longer_than_the_buffer_limit() {
    let message = [&b"\0\x01\x86\xa0"[..], &numbered(100_000)].concat();
    let framing = Framing::length_prefixed(LengthPrefix::big_endian(4));
    let memory = MemorySink::new();
    let server = bound(patient().framing(framing).buffer_limit(10).sink(memory.clone()));
    let _client = connect_and_send(&server, &message);
    let exchange = server.serve_once().expect("it is not buffered");
    exchange.request().assert_bytes(&message);
    assert_eq!(memory.requests(), [message]);
}
