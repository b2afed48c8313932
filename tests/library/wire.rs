//! Bytes over a real socket: what the client sends is what is recorded, and what the source gives is what the client
//! receives, however long, however slow, and whichever side leaves first.

use std::fs;
use std::io::{self, Cursor, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use fake_peer::{
    ClientEnd, Ending, Error, FileSink, FileSource, Framing, MemorySink, Request, RequestEnd,
    Response,
};
use fake_peer_test_support::{
    Listens, Tee, all_bytes, bound, connect, connect_and_send, connect_with_little_room,
    expect_bytes, finished, next_piece, numbered, patient, place, read_all, reporting, reset,
    same_bytes, serve_with, spawned,
};
use tempfile::TempDir;

/// Larger than all buffers between the two.
const LONG: usize = 3 << 20;

const LINE_ENDS: &[u8] = b"CRLF\r\nLF\nCR\rLFCR\n\rCRCRLF\r\r\n";

/// How a client sends its request.
#[derive(Clone, Copy, PartialEq)]
enum Sending {
    AtOnce,
    ByteByByte,
    ThenHalfClose,
}

#[test]
fn exchanges_one_byte() {
    exchanges(&Framing::exactly(1), b"\x80", Sending::AtOnce);
}

#[test]
fn exchanges_all_byte_values() {
    exchanges(&Framing::exactly(256), &all_bytes(), Sending::AtOnce);
}

#[test]
fn exchanges_line_ends_unchanged() {
    exchanges(&Framing::until("\r\r\n"), LINE_ENDS, Sending::AtOnce);
}

#[test]
fn exchanges_nul_bytes() {
    exchanges(&Framing::exactly(4096), &[0; 4096], Sending::AtOnce);
}

#[test]
fn exchanges_a_request_larger_than_any_buffer() {
    exchanges(&Framing::exactly(LONG as u64), &numbered(LONG), Sending::AtOnce);
}

#[test]
fn exchanges_a_request_sent_one_byte_at_a_time() {
    exchanges(&Framing::until("\r\r\n"), LINE_ENDS, Sending::ByteByByte);
}

#[test]
fn exchanges_a_request_ended_by_a_half_close() {
    exchanges(&Framing::eof(), b"all\r\nthere\0is", Sending::ThenHalfClose);
}

#[test]
fn exchanges_an_http_get() {
    exchanges(&Framing::auto(), b"GET /a?b HTTP/1.1\r\nHost: peer\r\n\r\n", Sending::AtOnce);
}

#[test]
fn exchanges_an_http_post_with_content_length() {
    let head = b"POST / HTTP/1.1\r\nHost: peer\r\nContent-Length: 256\r\n\r\n";
    exchanges(&Framing::auto(), &[head, &all_bytes()[..]].concat(), Sending::AtOnce);
}

#[test]
fn exchanges_an_http_post_in_chunks_with_trailers() {
    let request =
        b"POST / HTTP/1.1\r\nHost: peer\r\nTransfer-Encoding: chunked\r\nTrailer: Sum\r\n\r\n\
        5;ext=1\r\nhello\r\n2\r\n\r\n\r\n0\r\nSum: 1\r\nLast: x\r\n\r\n";
    exchanges(&Framing::auto(), request, Sending::ByteByByte);
}

#[test]
fn exchanges_a_header_field_of_100_kilobytes() {
    let request = format!("GET / HTTP/1.1\r\nCookie: {}\r\n\r\n", "x".repeat(100_000));
    exchanges(&Framing::auto(), request.as_bytes(), Sending::AtOnce);
}

/// Exchanges one request with each kind of response.
#[track_caller]
fn exchanges(framing: &Framing, request: &[u8], sending: Sending) {
    let folder = folder();
    for (name, response, expected) in responses(folder.path()) {
        exchange(framing.clone(), request, sending, folder.path(), name, response, &expected);
    }
}

#[track_caller]
fn exchange(
    framing: Framing,
    request: &[u8],
    sending: Sending,
    folder: &Path,
    name: &str,
    response: Response,
    expected: &[u8],
) {
    let path = folder.join("request.bin");
    let memory = MemorySink::new();
    let sink = Tee(vec![Box::new(memory.clone()), Box::new(FileSink::new(&path))]);
    let server = bound(patient().framing(framing).sink(sink).source(response));
    let addr = place(&server);

    let (outcome, answer) = serve_with(&server, || {
        let mut client = connect(addr);
        match sending {
            Sending::ByteByByte => request.iter().try_for_each(|&byte| client.write_all(&[byte])),
            Sending::AtOnce | Sending::ThenHalfClose => client.write_all(request),
        }
        .expect("a server that reads");
        if sending == Sending::ThenHalfClose {
            client.shutdown(Shutdown::Write).expect("an open socket");
        }
        read_all(&mut client)
    });

    let exchange = outcome.expect(name);
    same_bytes(exchange.request().bytes(), request, &format!("{name}: the request"));
    assert_eq!(exchange.request().len(), request.len() as u64, "{name}: its length");
    assert_eq!(exchange.request().end(), RequestEnd::Complete, "{name}");
    assert!(!exchange.request().is_truncated(), "{name}");
    assert_eq!(exchange.request().problem(), None, "{name}");
    let recorded = memory.requests();
    assert_eq!(recorded.len(), 1, "{name}: records in memory");
    same_bytes(&recorded[0], request, &format!("{name}: the record in memory"));
    same_bytes(&read_file(&path), request, &format!("{name}: the record in the file"));
    same_bytes(&answer, expected, &format!("{name}: the answer"));
    assert_eq!(exchange.sent(), expected.len() as u64, "{name}: sent");
    assert_eq!(exchange.offered(), expected.len() as u64, "{name}: offered");
    assert_eq!(exchange.trailing(), b"", "{name}");
    assert_eq!(exchange.client_end(), ClientEnd::Closed, "{name}");
}

/// The kinds of response, each with the bytes that the client must receive.
fn responses(folder: &Path) -> Vec<(&'static str, Response, Vec<u8>)> {
    let file = folder.join("response.bin");
    let in_file = numbered(300_000);
    fs::write(&file, &in_file).expect("a folder of our own");
    let composed = Response::new()
        .send("head\r\n\r\n")
        .send_file(&file)
        .send("\0")
        .send_from(Cursor::new(b"from a reader\n").take(6))
        .send_from(io::empty())
        .send_file(&file)
        .send([0xff]);
    let composed_bytes =
        [b"head\r\n\r\n", &in_file[..], b"\0", b"from a", &in_file[..], b"\xff"].concat();
    vec![
        ("empty", Response::new(), Vec::new()),
        ("one byte", b"\0".into(), vec![0]),
        ("all byte values", all_bytes().into(), all_bytes()),
        ("line ends", LINE_ENDS.into(), LINE_ENDS.into()),
        ("long", numbered(LONG).into(), numbered(LONG)),
        ("file", Response::file(&file), in_file),
        ("steps of all kinds", composed, composed_bytes),
    ]
}

#[test]
fn an_empty_file_is_an_empty_response() {
    let folder = folder();
    let path = folder.path().join("empty");
    fs::write(&path, b"").expect("a folder of our own");
    let server = bound(patient().source(FileSource::new(&path)));
    let mut client = connect_and_send(&server, b"request");
    let exchange = server.serve_once().expect("an empty file is no error");
    assert_eq!(read_all(&mut client), b"");
    assert_eq!((exchange.sent(), exchange.offered()), (0, 0));
}

#[test]
fn a_long_answer_arrives_whole_though_request_bytes_were_left_unread() {
    let request = numbered(100_000);
    for framing in [Framing::read_once(1000), Framing::exactly(1000), Framing::nothing()] {
        let case = format!("{framing:?}");
        let server = bound(patient().framing(framing).source(numbered(LONG)));
        let addr = place(&server);

        let (outcome, answer) = serve_with(&server, || {
            let mut client = connect(addr);
            client.write_all(&request).expect("a server that reads");
            read_all(&mut client)
        });

        same_bytes(&answer, &numbered(LONG), &case);
        let exchange = outcome.expect(&case);
        let received = [exchange.request().bytes(), exchange.trailing()].concat();
        same_bytes(&received, &request, &format!("{case}: request and trailing bytes"));
        assert_eq!(exchange.trailing_len(), exchange.trailing().len() as u64, "{case}");
        assert!(exchange.trailing_len() >= 99_000, "{case}: {exchange:?}");
        assert_eq!(exchange.client_end(), ClientEnd::Closed, "{case}");
    }
}

/// Answers as hand-written servers do: one read, one write, and a close with unread input.
fn naive_server(answer: Vec<u8>) -> (SocketAddr, mpsc::Receiver<()>, thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("a bound listener");
    let (closed, has_closed) = mpsc::channel();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let mut request = [0; 1000];
        let _ = stream.read(&mut request).expect("the start of the request");
        // It may fail: the client gives up as soon as something is lost.
        let _ = stream.write_all(&answer);
        drop(stream);
        let _ = closed.send(());
    });
    (addr, has_closed, server)
}

/// Sends more than the server will read, then reads slowly for as long as the server is busy with the answer.
fn slow_client(to: impl Listens, server_closed: &mpsc::Receiver<()>) -> io::Result<Vec<u8>> {
    let mut client = connect_with_little_room(to);
    client.write_all(&numbered(50_000))?;
    let mut answer = Vec::new();
    let mut piece = vec![0; 128 << 10];
    loop {
        let length = client.read(&mut piece)?;
        answer.extend_from_slice(&piece[..length]);
        if length == 0 {
            return Ok(answer);
        }
        match server_closed.recv_timeout(Duration::from_millis(1)) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    client.read_to_end(&mut answer)?;
    Ok(answer)
}

#[test]
fn a_naive_close_destroys_an_answer_that_ours_delivers() {
    let answer = numbered(LONG);
    let mut lost = 0;
    for _ in 0..5 {
        let (addr, closed, server) = naive_server(answer.clone());
        let received = slow_client(addr, &closed);
        server.join().expect("a server that ends");
        lost += usize::from(received.is_err());
    }
    assert!(lost > 0, "the naive server delivered each answer: the comparison compares nothing");

    let server = bound(patient().framing(Framing::read_once(1000)).source(answer.clone()));
    let addr = place(&server);
    for attempt in 0..5 {
        let case = format!("attempt {attempt}");
        // Nothing tells the client that the server has closed: the test waits for it.
        let (_open, never) = mpsc::channel();
        let (outcome, received) = serve_with(&server, || slow_client(addr, &never));
        same_bytes(&received.expect(&case), &answer, &case);
        assert_eq!(outcome.expect(&case).client_end(), ClientEnd::Closed, "{case}");
    }
}

#[test]
fn an_upload_and_an_answer_of_several_megabytes_do_not_block_each_other() {
    let upload = numbered(8 << 20);
    let answer = numbered(8 << 20);
    let server = bound(patient().framing(Framing::read_once(100)).source(answer.clone()));
    let addr = place(&server);

    let (outcome, received) = serve_with(&server, || {
        let mut client = connect_with_little_room(addr);
        // Only then is the first byte read.
        client.write_all(&upload).expect("a server that goes on reading");
        read_all(&mut client)
    });

    same_bytes(&received, &answer, "the answer");
    let exchange = outcome.expect("an upload during the answer");
    let arrived = [exchange.request().bytes(), exchange.trailing()].concat();
    same_bytes(&arrived, &upload, "the upload");
    assert_eq!(exchange.sent(), answer.len() as u64);
}

#[test]
fn what_is_not_retained_is_said_and_still_in_the_file() {
    let folder = folder();
    let path = folder.path().join("request.bin");
    let request = numbered(LONG);
    for retain in [0, 1, 1000, LONG - 1, LONG, LONG + 1] {
        let case = format!("retain({retain})");
        let framing = Framing::exactly(LONG as u64);
        let server = bound(
            patient().framing(framing).retain(retain).sink(FileSink::new(&path)).source("ok"),
        );
        let addr = place(&server);

        let (outcome, answer) = serve_with(&server, || {
            let mut client = connect(addr);
            client.write_all(&request).expect("a server that reads");
            client.write_all(&request[..2000]).expect("a server that reads");
            client.shutdown(Shutdown::Write).expect("an open socket");
            read_all(&mut client)
        });

        assert_eq!(answer, b"ok", "{case}");
        let exchange = outcome.expect(&case);
        let kept = retain.min(LONG);
        same_bytes(exchange.request().bytes(), &request[..kept], &case);
        assert_eq!(exchange.request().len(), LONG as u64, "{case}: the true length");
        assert_eq!(exchange.request().is_truncated(), kept < LONG, "{case}");
        assert!(exchange.request().is_complete(), "{case}");
        same_bytes(exchange.trailing(), &request[..retain.min(2000)], &format!("{case}: trailing"));
        assert_eq!(exchange.trailing_len(), 2000, "{case}");
        same_bytes(&read_file(&path), &request, &format!("{case}: the file"));
    }
}

#[test]
fn two_requests_served_side_by_side_never_mix_in_one_file() {
    let folder = folder();
    let path = folder.path().join("request.bin");
    let (sink, pieces) = reporting(FileSink::new(&path));
    let server = bound(patient().framing(Framing::until("\n")).sink(sink).source("ok"));
    let addr = place(&server);

    thread::scope(|scope| {
        let mut first = connect(addr);
        let serving_first = scope.spawn(|| server.serve_once().expect("the first exchange"));
        first.write_all(b"the first, ").expect("an open socket");
        assert_eq!(next_piece(&pieces, "first").bytes, b"the first, ");

        let mut second = connect(addr);
        let serving_second = scope.spawn(|| server.serve_once().expect("the second exchange"));
        second.write_all(b"the second, ").expect("an open socket");
        assert_eq!(next_piece(&pieces, "second").bytes, b"the second, ");
        first.write_all(b"once more\n").expect("an open socket");
        assert_eq!(next_piece(&pieces, "the first again").bytes, b"once more\n");
        second.write_all(b"as well\n").expect("an open socket");
        for mut client in [first, second] {
            assert_eq!(read_all(&mut client), b"ok");
        }

        let mut requests: Vec<_> = [serving_first, serving_second]
            .map(|serving| serving.join().expect("no panic").request().bytes().to_vec())
            .into();
        requests.sort();
        assert_eq!(requests, [&b"the first, once more\n"[..], b"the second, as well\n"]);
    });
    assert_eq!(read_file(&path).escape_ascii().to_string(), "the second, as well\\n");
}

#[test]
fn a_second_request_replaces_the_first_in_the_file_and_follows_it_in_memory() {
    let folder = folder();
    let path = folder.path().join("request.bin");
    fs::write(&path, numbered(10_000)).expect("a folder of our own");
    let memory = MemorySink::new();
    let sink = Tee(vec![Box::new(memory.clone()), Box::new(FileSink::new(&path))]);
    let server = bound(patient().framing(Framing::eof()).sink(sink));
    let requests = [&b"a long first request"[..], b"short", b"", b"the last"];
    // A connection that ends without a byte is not a request.
    let recorded = [requests[0], requests[1], requests[3]];

    assert_eq!(read_file(&path).len(), 10_000, "nothing is opened before a request arrives");
    let _clients = requests.map(|request| connect_and_send(&server, request));
    for request in recorded {
        let exchange = server.serve_once().expect("an exchange");
        assert_eq!(exchange.request().bytes(), request);
        assert_eq!(read_file(&path), request, "an older and longer record leaves nothing behind");
    }
    assert_eq!(memory.requests(), recorded);
}

#[test]
fn a_source_file_may_be_edited_between_two_requests() {
    let folder = folder();
    let path = folder.path().join("response.bin");
    let server = bound(patient().source(FileSource::new(&path)));
    for content in [&b"first, and longer"[..], b"second", b"", b"last\r\n\0"] {
        fs::write(&path, content).expect("a folder of our own");
        let mut client = connect_and_send(&server, b"request");
        let exchange = server.serve_once().expect("an exchange");
        assert_eq!(read_all(&mut client), content);
        assert_eq!(exchange.offered(), content.len() as u64);
    }
}

#[test]
fn a_source_file_is_opened_only_when_a_request_has_arrived() {
    let folder = folder();
    let path = folder.path().join("response.bin");
    let (sink, pieces) = reporting(MemorySink::new());
    let source = FileSource::new(&path);
    let server = bound(patient().framing(Framing::until("\n")).sink(sink).source(source));
    let addr = place(&server);

    let (outcome, answer) = serve_with(&server, || {
        let mut client = connect(addr);
        client.write_all(b"half a li").expect("an open socket");
        next_piece(&pieces, "half a line");
        fs::write(&path, b"just in time").expect("a folder of our own");
        client.write_all(b"ne\n").expect("an open socket");
        read_all(&mut client)
    });

    outcome.expect("a file that came in time");
    assert_eq!(answer, b"just in time");
}

#[test]
fn a_reader_is_sent_once_and_named_in_the_error_of_the_second_time() {
    let response = Response::new().send_from(Cursor::new(numbered(LONG)));
    let server = bound(patient().source(response));
    let addr = place(&server);

    let (outcome, answer) = serve_with(&server, || {
        let mut client = connect_and_send(addr, b"first");
        read_all(&mut client)
    });
    let exchange = outcome.expect("a fresh reader");
    same_bytes(&answer, &numbered(LONG), "the reader's bytes");
    assert_eq!(exchange.offered(), LONG as u64, "known once its end was reached");

    let mut client = connect_and_send(addr, b"second");
    let error = server.serve_once().expect_err("a used reader");
    assert!(matches!(error, Error::Respond { .. }), "{error:?}");
    assert!(error.report().to_string().contains("`send_from`"), "{}", error.report());
    assert_eq!(read_all(&mut client), b"", "no half an answer");
}

#[test]
fn a_reset_in_the_middle_of_a_request_leaves_what_arrived() {
    let memory = MemorySink::new();
    let (sink, pieces) = reporting(memory.clone());
    let server = bound(patient().framing(Framing::exactly(100)).sink(sink).source("never sent"));
    let addr = place(&server);

    let (outcome, ()) = serve_with(&server, || {
        let mut client = connect(addr);
        client.write_all(b"half a requ").expect("an open socket");
        next_piece(&pieces, "the first half");
        reset(client);
    });

    let error = outcome.expect_err("half a request");
    assert!(matches!(error, Error::Receive { .. }), "{error:?}");
    let exchange = error.exchange().expect("what was exchanged so far");
    assert_eq!(exchange.request().bytes(), b"half a requ");
    assert_eq!(exchange.request().end(), RequestEnd::Reset);
    assert_eq!(exchange.client_end(), ClientEnd::Reset);
    assert_eq!((exchange.sent(), exchange.offered()), (0, 0));
    assert_eq!(memory.requests(), [b"half a requ"]);
}

#[test]
fn a_half_close_in_the_middle_of_a_request_is_answered_and_said() {
    let server = bound(patient().framing(Framing::exactly(100)).source("too short, but thanks"));
    let mut client = connect_and_send(&server, b"half a requ");
    let exchange = server.serve_once().expect("a half-close ends a request");
    assert_eq!(exchange.request().bytes(), b"half a requ");
    assert_eq!(exchange.request().end(), RequestEnd::ClientClosed);
    assert!(!exchange.request().is_complete());
    assert_eq!(read_all(&mut client), b"too short, but thanks");
}

#[test]
fn a_reset_in_the_middle_of_a_long_response_is_an_exchange_cut_short() {
    const OFFERED: usize = 32 << 20;
    let server = bound(patient().source(vec![b'x'; OFFERED]));
    let addr = place(&server);

    let (outcome, ()) = serve_with(&server, || {
        let mut client = connect_with_little_room(addr);
        client.write_all(b"request").expect("an open socket");
        client.read_exact(&mut vec![0; 100_000]).expect("the start of the answer");
        reset(client);
    });

    let exchange = outcome.expect("the client has had what it wanted");
    assert_eq!(exchange.offered(), OFFERED as u64);
    assert!((100_000..OFFERED as u64).contains(&exchange.sent()), "sent {}", exchange.sent());
    assert_eq!(exchange.client_end(), ClientEnd::Reset);
    assert_eq!(exchange.request().bytes(), b"request");
    assert!(exchange.request().is_complete());
}

#[test]
fn bytes_that_the_source_makes_of_the_request_come_back() {
    let server = bound(
        patient().framing(Framing::eof()).source(|request: &Request| request.bytes().to_vec()),
    );
    let addr = place(&server);
    let request = numbered(LONG);
    let (outcome, answer) = serve_with(&server, || {
        let mut client = connect(addr);
        client.write_all(&request).expect("a server that reads");
        client.shutdown(Shutdown::Write).expect("an open socket");
        read_all(&mut client)
    });
    outcome.expect("an echo");
    same_bytes(&answer, &request, "the echo");
}

#[test]
fn a_client_that_stays_after_the_answer_is_left_at_the_end_of_the_linger_time() {
    let server = bound(patient().linger(Duration::from_millis(50)).source("answer"));
    let mut client: TcpStream = connect(&server);
    client.write_all(b"request").expect("an open socket");
    let exchange = server.serve_once().expect("an exchange");
    assert_eq!(exchange.client_end(), ClientEnd::ClosedByUs);
    assert_eq!(read_all(&mut client), b"answer");
}

#[track_caller]
fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder for temporary files")
}

#[track_caller]
fn read_file(path: &Path) -> Vec<u8> {
    fs::read(path).expect("a record")
}

/// One segment fewer, and the client is woken once for both.
#[cfg_attr(not(target_os = "linux"), ignore = "elsewhere the end has a segment of its own")]
#[test]
fn the_end_arrives_with_the_last_byte() {
    let file = tempfile::NamedTempFile::new().expect("a folder for it");
    std::fs::write(file.path(), "answer").expect("written");
    let responses = [
        ("bytes", Response::from("answer")),
        ("several steps", Response::from("ans").send("wer").send("")),
        ("a file", Response::file(file.path())),
        ("a pattern", Response::new().repeat("answer", 6)),
        ("a cut", Response::from("answer and more").send("unsent").cut(6, Ending::Close)),
        ("a cut file", Response::file(file.path()).send("unsent").cut(6, Ending::HalfClose)),
        ("a half-close", Response::from("answer").ending(Ending::HalfClose)),
    ];
    for (case, response) in responses {
        let peer = spawned(patient().source(response));
        let mut client = connect(&peer);
        client.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("room");
        expect_bytes(&mut client, b"answer", case);
        client.set_nonblocking(true).expect("an open socket");
        assert_eq!(client.read(&mut [0]).expect(case), 0, "{case}");
        drop(client);
        finished(peer);
    }
}
