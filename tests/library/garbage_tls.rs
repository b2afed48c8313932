//! Answers that end a TLS handshake arrive as documented, after the whole `ClientHello`, however it comes; the journal shows it in words.

use std::collections::HashSet;
use std::io::{ErrorKind, Write};
use std::sync::mpsc;
use std::time::Duration;

use fake_peer::garbage::tls::{self, Alert};
use fake_peer::{Ending, Event, Framing, Peer, Response, TcpServerBuilder};
use fake_peer_test_support::{
    PATIENCE, answers, ask, connect, connect_and_send, expect_bytes, finished, patient, read_all,
    read_to_its_end, same_bytes, spawned, taken,
};

/// The fields of a `ClientHello` for `localhost` with two protocols and two versions, in no record yet.
fn hello() -> Vec<u8> {
    let extensions = [
        &b"\0\0\0\x0e\0\x0c\0\0\x09localhost"[..],
        b"\0\x10\0\x0e\0\x0c\x02h2\x08http/1.1",
        b"\0\x2b\0\x05\x04\x03\x04\x03\x03",
    ]
    .concat();
    let fields = [
        &b"\x03\x03"[..],
        &[7; 32],
        b"\0\0\x04\x13\x01\xc0\x2f\x01\0",
        &length_of(&extensions),
        &extensions,
    ]
    .concat();
    [b"\x01\0", &length_of(&fields)[..], &fields].concat()
}

fn length_of(bytes: &[u8]) -> [u8; 2] {
    u16::try_from(bytes.len()).expect("short").to_be_bytes()
}

/// These handshake bytes in records of at most `size`.
fn in_records(message: &[u8], size: usize) -> Vec<u8> {
    let record = |fragment: &[u8]| [b"\x16\x03\x01", &length_of(fragment)[..], fragment].concat();
    message.chunks(size).flat_map(record).collect()
}

fn whole() -> Vec<u8> {
    in_records(&hello(), 1 << 14)
}

const WORDS: &str = "ClientHello for localhost; ALPN h2, http/1.1; TLS 1.3, TLS 1.2";

#[test]
fn each_sends_the_bytes_that_are_documented() {
    let random = b"fake-peer fake-peer fake-peer no";
    let server_hello = |version: &[u8], random: &[u8], suite: &[u8]| {
        [b"\x16", version, b"\0*\x02\0\0&", version, random, b"\0", suite, b"\0"].concat()
    };
    let downgrade = b"fake-peer fake-peer fakeDOWNGRD\x01";
    let oversized = [&b"\x16\x03\x03\x48\x01"[..], &vec![0; 18_433]].concat();
    let http = b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\nContent-Type: text/html\r\nContent-Length: 52\r\nConnection: close\r\n\r\n<html><body><h1>400 Bad Request</h1></body></html>\r\n";
    let documented = [
        ("alert(Alert::CloseNotify)", b"\x15\x03\x03\0\x02\x01\0".to_vec()),
        ("alert(Alert::HandshakeFailure)", b"\x15\x03\x03\0\x02\x02\x28".to_vec()),
        ("alert(Alert::NoCertificate)", b"\x15\x03\x03\0\x02\x01\x29".to_vec()),
        ("alert(Alert::UnknownCa)", b"\x15\x03\x03\0\x02\x02\x30".to_vec()),
        ("alert(Alert::UserCanceled)", b"\x15\x03\x03\0\x02\x01\x5a".to_vec()),
        ("alert(Alert::NoRenegotiation)", b"\x15\x03\x03\0\x02\x01\x64".to_vec()),
        ("alert(Alert::NoApplicationProtocol)", b"\x15\x03\x03\0\x02\x02\x78".to_vec()),
        ("unrecognized_name_warning()", b"\x15\x03\x03\0\x02\x01p".to_vec()),
        ("unknown_alert()", b"\x15\x03\x03\0\x02\x01\xff".to_vec()),
        ("half_alert()", b"\x15\x03\x03\0\x01\x02".to_vec()),
        ("plain_http()", http.to_vec()),
        ("close()", Vec::new()),
        ("ssl_3_0()", server_hello(b"\x03\0", random, b"\0/")),
        ("tls_1_0()", server_hello(b"\x03\x01", random, b"\0/")),
        ("tls_1_1()", server_hello(b"\x03\x02", random, b"\0/")),
        ("downgrade()", server_hello(b"\x03\x03", downgrade, b"\xc0/")),
        ("cipher_suite_not_offered()", server_hello(b"\x03\x03", random, b"\0\0")),
        ("server_hello_stops()", b"\x16\x03\x03\0\x15\x02\0\0&\x03\x03fake-peer fake-".to_vec()),
        ("half_record()", b"\x16\x03\x03\0*\x02\0\0&\x03\x03fake-peer fake-".to_vec()),
        ("half_header()", b"\x16\x03\x03".to_vec()),
        ("oversized_record()", oversized),
        ("empty_record()", b"\x16\x03\x03\0\0".to_vec()),
        ("unknown_record_type()", b"c\x03\x03\0\x05hello".to_vec()),
        ("application_data()", b"\x17\x03\x03\0\x05hello".to_vec()),
        ("finished_first()", [&b"\x16\x03\x03\0\x10\x14\0\0\x0c"[..], &[0; 12]].concat()),
    ];
    for case in tls::all() {
        let name = case.name().to_owned();
        let peer = answers(case);
        let mut client = connect(&peer);
        client.write_all(&whole()).expect(&name);
        let (received, error) = read_to_its_end(&mut client);
        assert_eq!(error.is_some(), name == "garbage::tls::reset()", "{name}: {error:?}");
        let short = name.strip_prefix("garbage::tls::").expect("the call that makes it");
        match documented.iter().find(|(call, _)| *call == short) {
            Some((_, expected)) => same_bytes(&received, expected, &name),
            None if short == "reset()" => assert_eq!(received, b""),
            None => assert_eq!(received[..6], *b"\x15\x03\x03\0\x02\x02", "{name}"),
        }
        drop(client);
        finished(peer);
    }
}

#[test]
fn names_are_unique_and_alerts_are_all_there() {
    let names: Vec<_> = tls::all().map(|case| case.name().to_owned()).collect();
    let unique: HashSet<_> = names.iter().collect();
    assert_eq!(unique.len(), names.len());
    // The numbers of RFC 8446 section 6, and those of appendix B.2 that are reserved.
    let codes: Vec<_> = Alert::ALL.iter().map(|alert| alert.code()).collect();
    let standard = [
        0, 10, 20, 21, 22, 30, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 60, 70, 71, 80, 86,
        90, 100, 109, 110, 111, 112, 113, 114, 115, 116, 120,
    ];
    assert_eq!(codes, standard);
    assert!(!names.iter().any(|name| name.contains("silence")), "a client would wait for it");
}

#[test]
fn silence_lasts_until_the_client_leaves() {
    let peer = answers(tls::silence());
    let mut client = connect(&peer);
    client.write_all(&whole()).expect("room");
    taken(&peer).request().assert_bytes(whole());
    client.set_read_timeout(Some(Duration::from_millis(50))).expect("an open socket");
    let (received, error) = read_to_its_end(&mut client);
    assert_eq!(received, b"");
    let is_timeout = matches!(error, Some(ErrorKind::WouldBlock | ErrorKind::TimedOut));
    assert!(is_timeout, "{error:?}");
    drop(client);
    finished(peer);
}

/// Sends `pieces`, each when the peer has received the one before; then reads the alert.
#[track_caller]
fn is_answered(
    builder: TcpServerBuilder,
    response: Response,
    pieces: &[&[u8]],
    case: &str,
) -> Peer {
    let (arrived, arrivals) = mpsc::channel();
    let builder = builder.on_event(move |event| {
        if let Event::Received { bytes, .. } = event {
            arrived.send(bytes.len()).expect("the test listens");
        }
    });
    let peer = spawned(builder.source(response));
    let mut client = connect(&peer);
    for piece in pieces {
        client.write_all(piece).expect(case);
        let mut missing = piece.len();
        while missing > 0 {
            missing -= arrivals.recv_timeout(PATIENCE).expect(case);
        }
    }
    assert_eq!(read_all(&mut client), b"\x15\x03\x03\0\x02\x02\x30", "{case}");
    peer
}

#[test]
fn the_whole_client_hello_is_the_request_however_it_is_split() {
    let unknown_ca = || tls::alert(Alert::UnknownCa);
    for size in [1 << 14, 100, 7, 1] {
        let records = in_records(&hello(), size);
        for cut in [1, 3, 5, 6, 9, 60, records.len() - 1] {
            let case = format!("records of {size}, cut at {cut}");
            let pieces = [&records[..cut], &records[cut..]];
            let peer = is_answered(patient(), unknown_ca(), &pieces, &case);
            let exchange = taken(&peer);
            exchange.request().assert_bytes(&records);
            let hello = exchange.request().client_hello().expect(&case);
            assert_eq!(hello.to_string(), WORDS, "{case}");
            finished(peer);
        }
    }
}

#[test]
fn under_tls_record_the_request_is_the_first_record() {
    let response = Response::from(b"\x15\x03\x03\0\x02\x02\x30");
    let one = whole();
    for cut in [1, 5, 80] {
        let builder = patient().framing(Framing::tls_record());
        let case = format!("one record, cut at {cut}");
        let peer = is_answered(builder, response.clone(), &[&one[..cut], &one[cut..]], &case);
        let exchange = taken(&peer);
        assert_eq!(
            exchange.request().client_hello().expect(&case).server_name(),
            Some("localhost")
        );
        finished(peer);
    }
    let split = in_records(&hello(), 60);
    let builder = patient().framing(Framing::tls_record());
    let peer = is_answered(builder, response, &[&split[..]], "two records");
    let journal = finished(peer);
    let exchange = journal.exchanges().next().expect("an exchange");
    exchange.request().assert_bytes(&split[..65]);
    assert_eq!(exchange.request().client_hello(), None, "it is a part");
    assert_eq!(exchange.trailing(), &split[65..], "and is not lost");
}

#[test]
fn a_closure_may_look_at_the_client_hello() {
    let builder = patient().framing(Framing::client_hello());
    let peer = spawned(builder.source_with(|request| match request.client_hello() {
        Some(hello) if hello.server_name() == Some("localhost") => tls::tls_1_0(),
        Some(_) => tls::alert(Alert::UnrecognizedName),
        None => tls::plain_http(),
    }));
    assert_eq!(ask(&peer, &whole())[..3], *b"\x16\x03\x01");
    let unnamed =
        [&b"\x16\x03\x01\0\x2d\x01\0\0\x29\x03\x03"[..], &[7; 32], b"\0\0\x02\x13\x01\x01\0"];
    assert_eq!(ask(&peer, &unnamed.concat()), b"\x15\x03\x03\0\x02\x02p");
    // What is no TLS is framed as by `auto`.
    assert!(ask(&peer, b"GET / HTTP/1.1\r\n\r\n").starts_with(b"HTTP/1.1 400 "));
    finished(peer);
}

#[test]
fn it_may_come_at_a_later_turn() {
    let response = Response::from("220 go ahead\r\n").then(Framing::client_hello());
    let peer = answers(fake_peer::Sequence::new([response, tls::alert(Alert::UnknownCa)]));
    let mut client = connect(&peer);
    client.write_all(b"STARTTLS\r\n").expect("room");
    expect_bytes(&mut client, b"220 go ahead\r\n", "the first turn");
    client.write_all(&in_records(&hello(), 50)).expect("room");
    assert_eq!(read_all(&mut client), b"\x15\x03\x03\0\x02\x02\x30");
    drop(client);
    finished(peer);
}

#[test]
fn endings_and_cuts_work_as_with_any_response() {
    let peer = answers(tls::downgrade().cut(20, Ending::Reset));
    let mut client = connect(&peer);
    client.write_all(&whole()).expect("room");
    let (received, error) = read_to_its_end(&mut client);
    assert_eq!((received.len(), error), (20, Some(ErrorKind::ConnectionReset)));
    drop(client);
    finished(peer);
}

#[test]
fn the_journal_shows_a_client_hello_in_words() {
    let peer = answers(tls::alert(Alert::UnknownCa));
    let mut client = connect(&peer);
    client.write_all(&in_records(&hello(), 20)).expect("room");
    read_all(&mut client);
    drop(client);
    let journal = finished(peer);
    let text = format!("{journal:#}");
    let length = in_records(&hello(), 20).len();
    let expected = format!(
        "connection 1\n  exchange 1: {length} bytes of request, complete; 7 of 7 bytes of response\n    {WORDS}\n    > \\x16\\x03\\x01"
    );
    assert!(text.starts_with(&expected), "{text}");
    let request = journal.requests().next().expect("a request");
    let hello = request.client_hello().expect("a ClientHello");
    assert_eq!(hello.alpn(), [&b"h2"[..], b"http/1.1"]);
    assert_eq!(hello.versions(), [0x0304, 0x0303]);
    assert_eq!(hello.cipher_suites(), [0x1301, 0xc02f]);
}

/// A client that leaves within its `ClientHello` has not sent one.
#[test]
fn a_client_hello_that_is_cut_short_is_reported() {
    let peer = answers(tls::alert(Alert::UnknownCa));
    let mut client = connect_and_send(&peer, &whole()[..50]);
    assert_eq!(read_all(&mut client), b"\x15\x03\x03\0\x02\x02\x30", "it is answered");
    let error = peer.finish().expect_err("it was cut short");
    let report = error.report().to_string();
    assert!(report.contains("50 bytes"), "{report}");
}
