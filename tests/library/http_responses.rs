//! Plain HTTP responses that the library builds, as the client's socket sees them.

use std::io::{self, ErrorKind, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use fake_peer::{
    Ending, Error, Framing, Gate, Peer, PerConnection, Proxy, Request, Response, ResponseSource,
    Sequence, faults, http,
};
use fake_peer_test_support::programs::Folder;
use fake_peer_test_support::{
    PATIENCE, ask, connect, end_of_file, expect_bytes, finished, patient, read_to_its_end, spawned,
};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: peer\r\n\r\n";

/// What a client gets from a peer that answers with this.
#[track_caller]
fn sent(source: impl ResponseSource + 'static) -> String {
    let peer = Peer::answer(source);
    let answer = ask(peer.addr(), GET);
    finished(peer);
    text(answer)
}

#[track_caller]
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("text")
}

/// What a client gets, and how the connection ends.
#[track_caller]
fn sent_until_reset(response: Response) -> String {
    let peer = Peer::answer(response);
    let mut client = connect(peer.addr());
    client.write_all(GET).expect("room for a small request");
    let (bytes, error) = read_to_its_end(&mut client);
    assert_eq!(error, Some(ErrorKind::ConnectionReset), "{}", bytes.escape_ascii());
    finished(peer);
    text(bytes)
}

/// The message of the panic of a response that cannot be made.
#[track_caller]
fn refused(make: impl FnOnce() -> Response) -> String {
    let payload = catch_unwind(AssertUnwindSafe(make)).expect_err("no such response");
    payload.downcast_ref::<String>().cloned().unwrap_or_else(|| {
        payload.downcast_ref::<&str>().map(ToString::to_string).unwrap_or_default()
    })
}

#[test]
fn a_status_has_its_usual_reason_and_an_empty_body() {
    for (status, expected) in [
        (200, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        (404, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
        (413, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n"),
        (429, "HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n"),
        (505, "HTTP/1.1 505 HTTP Version Not Supported\r\nContent-Length: 0\r\n\r\n"),
        // No reason is known; the space before it stays (RFC 9112 section 4).
        (299, "HTTP/1.1 299 \r\nContent-Length: 0\r\n\r\n"),
        (1000, "HTTP/1.1 1000 \r\nContent-Length: 0\r\n\r\n"),
        (100, "HTTP/1.1 100 Continue\r\n\r\n"),
        (103, "HTTP/1.1 103 Early Hints\r\n\r\n"),
        (204, "HTTP/1.1 204 No Content\r\n\r\n"),
        (304, "HTTP/1.1 304 Not Modified\r\n\r\n"),
    ] {
        assert_eq!(sent(http::status(status)), expected, "{status}");
    }
}

#[test]
fn a_status_is_a_code_or_text_that_is_sent_as_it_is() {
    for (response, expected) in [
        (http::response(404, "gone"), "404 Not Found\r\nContent-Length: 4\r\n\r\ngone"),
        (http::response("404 Gone Fishing", "a"), "404 Gone Fishing\r\nContent-Length: 1\r\n\r\na"),
        (http::response(String::from("2xx"), ""), "2xx\r\nContent-Length: 0\r\n\r\n"),
        (http::status("204"), "204\r\n\r\n"),
        // A body that there should not be.
        (http::response(204, "body"), "204 No Content\r\n\r\nbody"),
    ] {
        assert_eq!(sent(response), format!("HTTP/1.1 {expected}"));
    }
}

#[test]
fn fields_are_sent_in_their_order_and_as_they_are() {
    let (name, value) = (String::from("B"), String::from("2"));
    let response = http::ok("hi")
        .header("a", "1")
        .header(&name, &value)
        .header(name, value)
        .header("Content-Length", "3")
        .header("Split", "one\r\nTwo: two\nthree")
        .header("", "")
        .header("Bytes", [b'x', b'\t']);
    assert_eq!(
        sent(response),
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\na: 1\r\nB: 2\r\nB: 2\r\nContent-Length: 3\r\n\
         Split: one\r\nTwo: two\nthree\r\n: \r\nBytes: x\t\r\n\r\nhi"
    );
}

#[test]
fn a_field_goes_to_the_head_whatever_steps_there_are() {
    let response = http::ok("hi").delay(Duration::from_millis(1)).send(" and more").keep_alive();
    let expected = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nA: b\r\n\r\nhi and more";
    assert_eq!(sent(response.header("A", "b").ending(Ending::Close)), expected);
}

#[test]
fn bytes_that_a_user_wrote_get_no_field() {
    for response in [Response::new(), Response::from("HTTP/1.1 200 OK\r\n\r\n")] {
        let message = refused(|| response.header("a", "b"));
        assert!(message.contains("write the field into the bytes"), "{message}");
    }
}

#[test]
fn json_is_sent_as_it_is() {
    for body in ["{\"a\": 1}", "", "{malformed"] {
        let expected = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nContent-Type: application/json\r\n\r\n{body}",
            body.len()
        );
        assert_eq!(sent(http::json(body)), expected);
        assert_eq!(sent(http::json(body.as_bytes())), expected);
    }
}

#[test]
fn a_built_response_stands_where_any_response_does() {
    let expected = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\na: b\r\n\r\nx";
    let built = || http::ok("x").header("a", "b");
    assert_eq!(sent(built()), expected);
    assert_eq!(sent(|_: &Request| http::ok("x").header("a", "b")), expected);
    assert_eq!(sent(Sequence::new([built()])), expected);
    assert_eq!(sent(PerConnection::new([built()])), expected);
    assert_eq!(sent(FnSource(built)), expected);

    let peer = Peer::answer(built().keep_open());
    let mut client = connect(peer.addr());
    for _ in 0..2 {
        client.write_all(GET).expect("an open connection");
        expect_bytes(&mut client, expected.as_bytes(), "kept open");
    }
    drop(client);
    finished(peer);
}

/// A source of a user's own.
struct FnSource<F>(F);

impl<F: Fn() -> Response + Send> ResponseSource for FnSource<F> {
    fn respond(&mut self, _: &Request) -> io::Result<Response> {
        Ok(self.0())
    }
}

#[test]
fn each_item_is_one_chunk_and_the_last_chunk_follows() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (response, body) in [
        (http::chunked(["hello, ", "world"]), "7\r\nhello, \r\n5\r\nworld\r\n0\r\n\r\n"),
        (http::chunked([String::from("0123456789abcdef")]), "10\r\n0123456789abcdef\r\n0\r\n\r\n"),
        (http::chunked([Vec::new()]), "0\r\n\r\n0\r\n\r\n"),
        (http::chunked([""; 0]), "0\r\n\r\n"),
        (http::chunked([Response::from("a").repeat("bc", 3).send("d")]), "5\r\nabcbd\r\n0\r\n\r\n"),
    ] {
        assert_eq!(sent(response), format!("{head}{body}"));
    }
}

#[test]
fn a_chunked_response_takes_fields_and_keeps_its_connection() {
    let peer = Peer::answer(http::chunked(["a"]).header("Trailer", "none").keep_alive());
    let mut client = connect(peer.addr());
    for _ in 0..2 {
        client.write_all(GET).expect("an open connection");
        let expected = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: none\r\n\r\n1\r\na\r\n0\r\n\r\n";
        expect_bytes(&mut client, expected.as_bytes(), "chunked");
    }
    drop(client);
    finished(peer);
}

#[test]
fn gates_of_chunks_are_between_chunks_and_within_them() {
    let (between, within) = (Gate::new(), Gate::new());
    let peer = spawned(patient().source(http::chunked([
        Response::from("one"),
        Response::new().gate(&between).send("tw").gate(&within).send("o"),
        Response::from("three"),
    ])));
    let mut client = connect(peer.addr());
    client.write_all(GET).expect("room for a small request");
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n";
    expect_bytes(&mut client, head, "before the gate");
    assert!(between.wait_until_reached(PATIENCE));
    hears_nothing(&mut client);
    between.open();
    expect_bytes(&mut client, b"3\r\ntw", "up to the gate within the chunk");
    assert!(within.wait_until_reached(PATIENCE));
    hears_nothing(&mut client);
    within.open();
    expect_bytes(&mut client, b"o\r\n5\r\nthree\r\n0\r\n\r\n", "the rest");
    end_of_file(&mut client, "after the last chunk");
    drop(client);
    finished(peer);
}

/// Nothing arrives for a while.
#[track_caller]
fn hears_nothing(client: &mut std::net::TcpStream) {
    client.set_read_timeout(Some(Duration::from_millis(30))).expect("an open socket");
    let silence = client.read(&mut [0]).expect_err("neither bytes nor an end").kind();
    assert!(matches!(silence, ErrorKind::WouldBlock | ErrorKind::TimedOut), "{silence}");
    client.set_read_timeout(Some(PATIENCE)).expect("an open socket");
}

#[test]
fn a_chunk_of_unknown_size_is_refused() {
    for chunk in [Response::file("any"), Response::new().send_from(&b"any"[..])] {
        let message = refused(|| http::chunked([chunk]));
        assert!(message.contains("a chunk begins with its size"), "{message}");
    }
}

#[test]
fn events_are_followed_by_an_empty_line_each() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
    for (response, body) in [
        (http::sse(["data: one", "id: 2\ndata: two"]), "data: one\n\nid: 2\ndata: two\n\n"),
        (http::sse([""; 0]), ""),
        (http::sse(["data: one"]).send("data: two\n\n"), "data: one\n\ndata: two\n\n"),
    ] {
        assert_eq!(sent(response), format!("{head}{body}"));
    }
}

#[test]
fn events_wait_for_gates_and_pauses() {
    let gate = Gate::new();
    let pause = Duration::from_millis(20);
    let peer = spawned(patient().source(http::sse([
        Response::from("data: one"),
        Response::new().gate(&gate).send("data: two"),
        Response::new().pause(pause).send("data: three").pause(pause),
    ])));
    let mut client = connect(peer.addr());
    client.write_all(GET).expect("room for a small request");
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: one\n\n";
    expect_bytes(&mut client, head.as_bytes(), "before the gate");
    assert!(gate.wait_until_reached(PATIENCE));
    hears_nothing(&mut client);
    let opened = Instant::now();
    gate.open();
    expect_bytes(&mut client, b"data: two\n\n", "after the gate");
    expect_bytes(&mut client, b"data: three\n\n", "after the pause");
    assert!(opened.elapsed() >= pause);
    end_of_file(&mut client, "after the last event");
    assert!(opened.elapsed() >= 2 * pause);
    drop(client);
    finished(peer);
}

#[test]
fn an_event_stream_can_stay_open() {
    let peer = Peer::answer(http::sse(["data: one"]).ending(Ending::Hold));
    let mut client = connect(peer.addr());
    client.write_all(GET).expect("room for a small request");
    let expected = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: one\n\n";
    expect_bytes(&mut client, expected.as_bytes(), "the event");
    hears_nothing(&mut client);
    drop(client);
    finished(peer);
}

#[test]
fn a_web_socket_is_accepted_and_exchanges_frames() {
    // Key and answer are those of RFC 6455 section 1.3.
    let peer = Peer::answer_with(|request| match request.header("sec-websocket-key") {
        Some(key) => http::websocket_accept(key)
            .header("Sec-WebSocket-Protocol", "chat")
            .send(b"\x81\x02hi")
            .then(Framing::exactly(6)),
        None => Response::from(b"\x88\x00"),
    });
    let mut client = connect(peer.addr());
    let handshake = "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    client.write_all(handshake.as_bytes()).expect("room for a small request");
    let answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n\x81\x02hi";
    expect_bytes(&mut client, answer, "the handshake's answer and a frame");
    client.write_all(b"\x88\x80\x01\x02\x03\x04").expect("an open connection");
    expect_bytes(&mut client, b"\x88\x00", "the closing frame");
    end_of_file(&mut client, "after the closing frame");
    drop(client);
    finished(peer);
}

#[test]
fn a_file_gets_the_length_that_it_has_when_it_is_sent() {
    let folder = Folder::new();
    let peer =
        Peer::answer(http::file(folder.file("page.html")).header("Content-Type", "text/html"));
    for body in ["<p>", "", &"x".repeat(100_000)] {
        folder.write("page.html", body.as_bytes());
        let expected = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        assert_eq!(text(ask(peer.addr(), GET)), expected);
    }
    finished(peer);
}

#[test]
fn a_file_keeps_its_connection_where_http_does() {
    let folder = Folder::new();
    folder.write("page", b"hello");
    let peer = Peer::answer(http::file(folder.file("page")).keep_alive());
    let mut client = connect(peer.addr());
    for _ in 0..2 {
        client.write_all(GET).expect("an open connection");
        expect_bytes(&mut client, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "kept");
    }
    drop(client);
    finished(peer);
}

#[test]
fn a_file_that_is_missing_is_an_error_before_the_first_byte() {
    let folder = Folder::new();
    let peer = Peer::answer(http::file(folder.file("missing")));
    assert_eq!(ask(peer.addr(), GET), b"");
    let error = peer.finish().expect_err("no file").report().to_string();
    assert!(error.contains("failed to open response file"), "{error}");
    assert!(error.contains("missing"), "{error}");
}

#[test]
fn a_body_is_cut_at_every_byte() {
    let folder = Folder::new();
    folder.write("body", b"hello");
    folder.write("whole", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    let raw = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    for (case, response) in [
        ("built", http::ok("hello")),
        ("bytes", Response::from(raw)),
        ("bytes in two steps", Response::from(&raw[..20]).send(&raw[20..])),
        ("a pattern", Response::from(&raw[..38]).repeat("hello", 5)),
        ("a file after a head", http::file(folder.file("body"))),
        ("a file with a head", Response::file(folder.file("whole"))),
        ("a reader after the head", Response::from(&raw[..38]).send_from(&b"hello"[..])),
        ("late", http::ok("hello").delay(Duration::from_millis(1))),
    ] {
        for cut in 0..=5 {
            // A reader can be sent once.
            if case == "a reader after the head" && cut > 0 {
                continue;
            }
            let answer = sent(response.clone().cut_body(cut, Ending::Close));
            let expected = &raw[..38 + usize::try_from(cut).expect("few")];
            assert_eq!(answer, expected, "{case}, {cut}");
        }
    }
    let peer = Peer::answer(http::ok("hello").cut_body(100, Ending::Close));
    assert_eq!(ask(peer.addr(), GET), raw.as_bytes(), "a shorter body");
    let error = peer.finish().expect_err("nothing was cut");
    assert!(matches!(error, Error::Respond { .. }), "{error:?}");
    assert_eq!(sent_until_reset(http::ok("hello").cut_body(2, Ending::Reset)), raw[..40]);
}

#[test]
fn a_cut_of_the_body_moves_with_the_head_and_a_cut_at_a_byte_does_not() {
    let response = || http::ok("hello").header("a", "b");
    let expected = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\na: b\r\n\r\nhe";
    assert_eq!(sent(response().cut_body(2, Ending::Close)), expected);
    assert_eq!(sent(http::ok("hello").cut_body(2, Ending::Close).header("a", "b")), expected);
    let at_a_byte = http::ok("hello").cut_body(2, Ending::Close).cut(40, Ending::Close);
    assert_eq!(sent(at_a_byte.header("a", "b")), expected[..40]);
}

#[test]
fn interim_responses_are_no_body() {
    let raw = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\n\r\nhello";
    let expected = raw.strip_suffix("llo").expect("a body");
    assert_eq!(sent(Response::from(raw).cut_body(2, Ending::Close)), expected);
    let early = http::status(103).send("HTTP/1.1 200 OK\r\n\r\nhello").cut_body(0, Ending::Close);
    assert_eq!(sent(early), "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\n");
}

#[test]
fn the_body_of_a_reader_is_cut_however_its_bytes_come() {
    let raw = "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\nhello";
    for size in 1..=raw.len() {
        let pieces = raw.as_bytes().chunks(size);
        let reader = pieces.fold(Box::new(io::empty()) as Box<dyn Read + Send>, |before, piece| {
            Box::new(before.chain(piece))
        });
        let response = Response::new().pause(Duration::ZERO).send_from(reader).send("never sent");
        let answer = sent(response.cut_body(2, Ending::Close));
        assert_eq!(answer, raw[..raw.len() - 3], "pieces of {size} bytes");
    }
    let whole = Response::new().send_from(raw.as_bytes()).cut_body(100, Ending::Close);
    assert_eq!(sent(whole), raw, "a shorter body");

    let peer = Peer::answer(
        Response::new().send_from(&b"220 hello\r\n\r\n"[..]).cut_body(1, Ending::Close),
    );
    assert_eq!(ask(peer.addr(), GET), b"");
    let error = peer.finish().expect_err("no HTTP").report().to_string();
    assert!(error.contains("does not begin with a status line"), "{error}");
}

#[test]
fn the_body_of_a_real_server_is_cut() {
    let upstream = Peer::answer(http::ok("hello").header("a", "b"));
    let proxy = Proxy::to(upstream.addr());
    let peer = Peer::answer(proxy.map_response(|response| response.cut_body(2, Ending::Reset)));
    let mut client = connect(peer.addr());
    client.write_all(GET).expect("room for a small request");
    let (answer, error) = read_to_its_end(&mut client);
    assert_eq!(text(answer), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\na: b\r\n\r\nhe");
    assert_eq!(error, Some(ErrorKind::ConnectionReset));
    finished(peer);
    finished(upstream);
}

#[test]
fn families_of_faults_know_the_length_of_a_file_with_its_head() {
    let folder = Folder::new();
    folder.write("body", b"hello");
    let whole = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    let cases: Vec<_> =
        faults::truncations(http::file(folder.file("body"))).endings([Ending::Close]).collect();
    assert_eq!(cases.len(), whole.len());
    for (cut, case) in cases.into_iter().enumerate() {
        assert_eq!(sent(case), whole[..cut], "{cut}");
    }
}

#[test]
fn a_chunk_is_cut_at_every_byte_of_its_data() {
    let whole =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n5\r\nthree\r\n0\r\n\r\n";
    let by_hand = || Response::from(whole);
    let built = || http::chunked(["one", "three"]);
    for (chunk, data) in [(1, "one"), (2, "three"), (3, "")] {
        let start = whole.find(&format!("{}\r\n{data}", data.len())).expect("a chunk") + 3;
        for cut in 0..=data.len() {
            for (case, response) in [("built", built()), ("by hand", by_hand())] {
                let answer = sent(response.cut_chunk(chunk, cut as u64, Ending::Close));
                assert_eq!(answer, whole[..start + cut], "{case}: chunk {chunk}, {cut} bytes");
            }
        }
    }
    let answer = sent_until_reset(built().cut_chunk(2, 1, Ending::Reset).header("a", "b"));
    assert!(answer.ends_with("a: b\r\n\r\n3\r\none\r\n5\r\nt"), "{answer}");
    // Sizes with extensions, and chunks in a pattern.
    let many = Response::from("HTTP/1.1 200 OK\r\n\r\n").repeat("2;a=b\r\nxy\r\n", 11 * 5000);
    let answer = sent(many.cut_chunk(4000, 1, Ending::Close));
    assert_eq!(answer.len(), 19 + 11 * 3999 + 8, "{}", &answer[answer.len() - 20..]);
}

#[test]
fn a_response_may_have_very_many_chunks() {
    let response = http::chunked((0..50_000).map(|_| "x"));
    let answer = sent(response.cut_chunk(40_000, 1, Ending::Close));
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(answer.len(), head.len() + 39_999 * "1\r\nx\r\n".len() + "1\r\nx".len());
}

#[test]
fn a_cut_without_its_place_is_refused_with_the_reason() {
    let folder = Folder::new();
    let missing = folder.file("missing");
    let close = || Ending::Close;
    let no_body = |response: Response| refused(|| response.cut_body(1, close()));
    let no_chunk = |response: Response, chunk| refused(|| response.cut_chunk(chunk, 2, close()));
    for (message, expected) in [
        (no_body(Response::new()), "no complete HTTP head"),
        (no_body("HTTP/1.1 200 OK\r\nA: b\r\n".into()), "no complete HTTP head"),
        (no_body("220 hello\r\n\r\n".into()), "does not begin with a status line"),
        (no_body(Response::from("HTTP/1.1 200 OK\r\n").send_from(&b"\r\n"[..])), "no complete"),
        (no_body(Response::file(missing)), "failed to open response file"),
        (
            no_chunk(http::chunked(["one"]), 3),
            "there is no chunk 3 to cut: chunk 2 is the last one",
        ),
        (no_chunk(http::chunked(["one"]), 0), "there is no chunk 0 to cut"),
        (no_chunk(http::chunked(["1"]), 1), "chunk 1 has 1 bytes, not 2"),
        (no_chunk(http::ok("hello"), 1), "chunk 1 does not begin with a size"),
    ] {
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn a_closure_needs_no_type() {
    let peer = Peer::answer_with(|request| if request.target() == Some("/") { "a" } else { "b" });
    assert_eq!(ask(peer.addr(), GET), b"a");
    assert_eq!(ask(peer.addr(), b"GET /other HTTP/1.1\r\n\r\n"), b"b");
    finished(peer);

    let mut asked = 0;
    let peer = spawned(patient().framing(Framing::until("\n")).source_with(move |request| {
        asked += 1;
        format!("{asked}: {}", request.len())
    }));
    assert_eq!(ask(peer.addr(), b"hello\n"), b"1: 6");
    assert_eq!(ask(peer.addr(), b"\n"), b"2: 1");
    finished(peer);
}

#[test]
fn a_sequence_takes_answers_of_several_types() {
    let answers = Sequence::new(["raw"]).and(http::ok("x")).and(b"bytes").and(String::from("text"));
    let peer = Peer::answer(answers);
    for expected in ["raw", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", "bytes", "text"] {
        assert_eq!(text(ask(peer.addr(), GET)), expected);
    }
    finished(peer);
}

#[test]
fn a_sequence_keeps_its_connection_for_answers_that_were_added_later() {
    let peer = Peer::answer(Sequence::new(["one"]).keep_open().and("two").and("three"));
    let mut client = connect(peer.addr());
    for expected in ["one", "two", "three"] {
        client.write_all(GET).expect("an open connection");
        expect_bytes(&mut client, expected.as_bytes(), expected);
    }
    end_of_file(&mut client, "after the last answer");
    drop(client);
    finished(peer);
}

#[test]
fn steps_are_repeated_as_often_as_said() {
    for times in [0, 1, 3] {
        let mut number = 0;
        let response = Response::from("<").repeat_steps(times, |response| {
            number += 1;
            response.send(number.to_string()).pause(Duration::from_millis(10))
        });
        let start = Instant::now();
        let answer = sent(response.send(">"));
        assert_eq!(answer, format!("<{}>", &"123"[..times]), "{times}");
        let pauses = Duration::from_millis(10) * u32::try_from(times).expect("few");
        assert!(start.elapsed() >= pauses, "{times}");
    }
}
