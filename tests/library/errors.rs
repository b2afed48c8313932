//! Each kind of error: its exact text, what had been exchanged before it, and that the server goes on
//! afterwards.

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::mpsc;
use std::time::Duration;

use fake_peer::{
    Client, ClientEnd, Error, Event, Exchange, FileSink, FileSource, FnSink, Framing, MemorySink,
    Request, RequestEnd, RequestSink, Response, ResponseSource, TcpServer, TcpServerBuilder,
};
use fake_peer_test_support::{
    PATIENCE, bound, connect, connect_and_send, connect_with_little_room, goes_on_serving,
    next_piece, numbered, patient, read_all, reporting, reset, serve_with,
};

/// More than all buffers between a server and a client with small buffers hold.
const ENDLESS: u64 = 32 << 20;

/// The error's own text, and its report with the cause.
#[track_caller]
fn says(error: &Error, text: &str, cause: &str) {
    assert_eq!(error.to_string(), text);
    assert_eq!(error.report().to_string(), format!("{text}: {cause}"));
    assert!(!error.to_string().contains(cause), "the text repeats its cause: {error}");
}

/// The exchange that an error is about. Checks what else the error says about it.
#[track_caller]
fn exchange_of(error: &Error, client: SocketAddr, kind: ErrorKind) -> &Exchange {
    assert_eq!(error.io_error().map(io::Error::kind), Some(kind), "{}", error.report());
    assert_eq!(
        error.client().and_then(|client| client.addr().socket_addr()),
        Some(client),
        "{error}"
    );
    error.exchange().expect("the error is about an exchange")
}

#[track_caller]
fn fails(server: &TcpServer) -> Error {
    server.serve_once().expect_err("an exchange that fails")
}

/// For servers that should give up on a client.
fn impatient(framing: Framing) -> TcpServerBuilder {
    patient().framing(framing).timeout(Duration::from_millis(100)).linger(Duration::ZERO)
}

#[test]
fn a_port_in_use_is_named() {
    let first = bound(patient());
    let addr = first.local_addr();
    let cause = TcpListener::bind(addr).expect_err("a port in use");
    for text in [addr.to_string(), format!("localhost:{}", addr.port())] {
        let error = TcpServer::builder().addr(&text).bind().expect_err("a port in use");
        assert!(matches!(error, Error::Listen { .. }), "{error:?}");
        says(&error, &format!("failed to listen on {text}"), &cause.to_string());
        assert_eq!(error.io_error().map(io::Error::kind), Some(ErrorKind::AddrInUse));
        assert!(error.exchange().is_none() && error.client().is_none(), "{error:?}");
    }
    goes_on_serving(&first, "the server that has the port");
}

#[test]
fn what_is_no_address_is_refused_with_an_example() {
    for text in ["", "8080", ":8080", "localhost", "localhost:http", "::1"] {
        let error = TcpServer::builder().addr(text).bind().expect_err(text);
        assert!(matches!(error, Error::Listen { .. }), "{error:?}");
        assert_eq!(
            error.report().to_string(),
            format!(
                "failed to listen on {text}: an address is `host:port`, such as 127.0.0.1:8080 or [::1]:8080"
            )
        );
        assert_eq!(error.io_error().map(io::Error::kind), Some(ErrorKind::InvalidInput), "{text}");
    }
}

#[test]
fn a_name_that_cannot_be_resolved_is_named() {
    // Longer than a label may be: no resolver sends a query for it.
    let text = format!("{}.invalid:80", "x".repeat(64));
    let cause = text.to_socket_addrs().expect_err("too long a label");
    let error = TcpServer::builder().addr(&text).bind().expect_err("too long a label");
    assert!(matches!(error, Error::Listen { .. }), "{error:?}");
    says(&error, &format!("failed to listen on {text}"), &cause.to_string());
    assert_eq!(error.io_error().map(io::Error::kind), Some(cause.kind()));
}

#[cfg_attr(not(target_os = "linux"), ignore = "elsewhere no listener fails so easily")]
#[test]
fn a_listener_that_cannot_accept_is_named_and_told() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let handle = listener.try_clone().expect("a second handle");
    let (told, events) = mpsc::channel();
    let server = bound(patient().listener(listener).on_event(move |event| {
        if let Event::Failed { error, .. } = event {
            told.send(error.to_string()).expect("a test that listens");
        }
    }));
    socket2::SockRef::from(&handle).shutdown(std::net::Shutdown::Both).expect("a listener");

    let error = fails(&server);
    assert!(matches!(error, Error::Accept { .. }), "{error:?}");
    let text = format!("failed to accept a connection on {}", server.local_addr());
    says(&error, &text, "Invalid argument (os error 22)");
    assert_eq!(error.io_error().map(io::Error::kind), Some(ErrorKind::InvalidInput));
    assert!(error.exchange().is_none() && error.client().is_none(), "{error:?}");
    assert_eq!(events.try_recv().as_deref(), Ok(&*text), "the observer");
}

#[test]
fn no_client_came_within_the_accept_timeout() {
    let server = bound(patient()).accept_timeout(Duration::from_millis(20));
    let error = fails(&server);
    assert!(matches!(error, Error::NoRequest { .. }), "{error:?}");
    let text = format!("no request began on {} within 20ms", server.local_addr());
    assert_eq!(error.to_string(), text);
    assert_eq!(error.report().to_string(), text, "there is no cause");
    assert!(error.io_error().is_none(), "{error:?}");
    assert!(error.exchange().is_none() && error.client().is_none(), "{error:?}");

    let mut client = connect_and_send(server.local_addr(), b"late");
    let exchange = server.serve_once().expect("the server goes on");
    assert_eq!(exchange.request().bytes(), b"late");
    assert_eq!(read_all(&mut client), b"");
}

#[test]
fn only_silent_clients_came_within_the_accept_timeout() {
    let server = bound(patient()).accept_timeout(Duration::from_millis(100));
    // One client that stays, and one that leaves without a byte.
    let _idle = connect(server.local_addr());
    drop(connect(server.local_addr()));
    let error = fails(&server);
    assert!(matches!(error, Error::NoRequest { .. }), "{error:?}");
    assert_eq!(
        error.report().to_string(),
        format!("no request began on {} within 100ms", server.local_addr())
    );
}

#[test]
fn a_reset_within_a_request_says_after_which_bytes() {
    let memory = MemorySink::new();
    let (sink, pieces) = reporting(memory.clone());
    let server = bound(patient().framing(Framing::http()).sink(sink));
    let addr = server.local_addr();
    let (outcome, client) = serve_with(&server, || {
        let mut client = connect(addr);
        client.write_all(b"GET / HTTP/1.1\r\nHo").expect("an open socket");
        next_piece(&pieces, "half a head");
        let client_addr = client.local_addr().expect("a connected socket");
        reset(client);
        client_addr
    });
    let error = outcome.expect_err("half a head");
    assert!(matches!(error, Error::Receive { .. }), "{error:?}");
    let exchange = exchange_of(&error, client, ErrorKind::ConnectionReset);
    assert_eq!(exchange.request().end(), RequestEnd::Reset);
    assert_eq!(exchange.client_end(), ClientEnd::Reset);
    let cause = error.io_error().expect("the system's error").to_string();
    says(
        &error,
        &format!(
            "failed to receive a complete request from {client} (connection 1, exchange 1) after 18 bytes \"GET / HTTP/1.1\\r\\nHo\""
        ),
        &cause,
    );
    assert_eq!(memory.requests(), [b"GET / HTTP/1.1\r\nHo"]);
    goes_on_serving(&server, "after a reset");
}

#[test]
fn a_client_that_falls_silent_within_a_request_is_given_up() {
    for (request, shown) in [
        (&b"x"[..], "1 byte \"x\"".to_owned()),
        (b"\0\xff\"\r\n", "5 bytes \"\\x00\\xff\\\"\\r\\n\"".to_owned()),
        (&[b'.'; 48], format!("48 bytes \"{}\"", ".".repeat(48))),
        (&[&[b'.'; 49][..], b"end"].concat(), format!("52 bytes …\"{}end\"", ".".repeat(45))),
    ] {
        let memory = MemorySink::new();
        let server = bound(
            impatient(Framing::exactly(1000)).sink(memory.clone()).source("for whole requests"),
        );
        let mut client = connect(server.local_addr());
        client.write_all(request).expect("an open socket");
        let addr = client.local_addr().expect("a connected socket");

        let error = fails(&server);

        assert!(matches!(error, Error::Receive { .. }), "{error:?}");
        let exchange = exchange_of(&error, addr, ErrorKind::TimedOut);
        assert_eq!(exchange.request().end(), RequestEnd::TimedOut, "{shown}");
        assert_eq!(exchange.request().bytes(), request, "{shown}");
        assert_eq!(exchange.client_end(), ClientEnd::ClosedByUs, "{shown}");
        says(
            &error,
            &format!(
                "failed to receive a complete request from {addr} (connection 1, exchange 1) after {shown}"
            ),
            &format!(
                "nothing arrived for 100ms, and the request is not complete by framing `exactly:1000`: {} bytes are missing",
                1000 - request.len()
            ),
        );
        assert_eq!(memory.requests(), [request], "{shown}");
        assert_eq!(read_all(&mut client), b"", "{shown}: half a request has no answer");
        goes_on_serving(&server, &shown);
    }
}

#[test]
fn a_request_that_would_have_to_be_buffered_beyond_the_limit_is_given_up() {
    let head = format!("GET / HTTP/1.1\r\nCookie: {}", "x".repeat(200));
    for framing in [Framing::auto(), Framing::http(), Framing::from_fn(|_| None)] {
        let case = format!("{framing:?}");
        let memory = MemorySink::new();
        let server = bound(patient().framing(framing).buffer_limit(100).sink(memory.clone()));
        let mut client = connect_and_send(server.local_addr(), head.as_bytes());
        let addr = client.local_addr().expect("a connected socket");

        let error = fails(&server);

        assert!(matches!(error, Error::Receive { .. }), "{case}: {error:?}");
        let exchange = exchange_of(&error, addr, ErrorKind::InvalidData);
        assert_eq!(exchange.request().end(), RequestEnd::TooLarge, "{case}");
        assert_eq!(exchange.client_end(), ClientEnd::Closed, "{case}");
        says(
            &error,
            &format!(
                "failed to receive a complete request from {addr} (connection 1, exchange 1) after 100 bytes …\"{}\"",
                "x".repeat(48)
            ),
            "its end was not found within the 100 bytes that may be buffered",
        );
        let (within, beyond) = head.as_bytes().split_at(100);
        assert_eq!(memory.requests(), [within], "{case}: what arrived is not lost");
        assert_eq!(exchange.trailing(), beyond, "{case}: what arrived is not lost");
        assert_eq!(read_all(&mut client), b"", "{case}");
        goes_on_serving(&server, &case);
    }
}

#[test]
fn rules_that_need_no_buffer_know_no_limit() {
    let request = numbered(100_000);
    for framing in [Framing::exactly(100_000), Framing::eof(), Framing::from_fn(|_| Some(100_000))]
    {
        let case = format!("{framing:?}");
        let server = bound(patient().framing(framing).buffer_limit(10));
        let _client = connect_and_send(server.local_addr(), &request);
        let exchange = server.serve_once().expect(&case);
        assert_eq!(exchange.request().len(), 100_000, "{case}");
    }
}

#[test]
fn a_file_sink_without_its_folder_is_named() {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let path = folder.path().join("missing").join("request.bin");
    let cause = fs::File::create(&path).expect_err("no folder");
    let server = bound(patient().sink(FileSink::new(&path)).source("never sent"));
    let mut client = connect_and_send(server.local_addr(), b"hello");
    let addr = client.local_addr().expect("a connected socket");

    let error = fails(&server);

    assert!(matches!(error, Error::Record { .. }), "{error:?}");
    let exchange = exchange_of(&error, addr, ErrorKind::NotFound);
    assert_eq!(exchange.request().bytes(), b"hello", "still in memory");
    assert_eq!(exchange.request().end(), RequestEnd::Failed);
    assert_eq!((exchange.sent(), exchange.offered()), (0, 0));
    says(
        &error,
        &format!(
            "failed to record the request from {addr} (connection 1, exchange 1) after 5 bytes \"hello\""
        ),
        &format!("failed to open request file `{}`: {cause}", path.display()),
    );
    assert_eq!(read_all(&mut client), b"", "what is not recorded is not answered");

    fs::create_dir(folder.path().join("missing")).expect("a folder of our own");
    goes_on_serving(&server, "with its folder");
    assert_eq!(fs::read(&path).expect("a record"), b"once more");
}

#[test]
fn a_closure_that_cannot_record_fails_the_exchange_in_its_words() {
    let (pieces, arrived) = mpsc::channel();
    let mut room = 2;
    let sink = FnSink::new(move |_, piece| {
        pieces.send(piece.to_vec()).map_err(io::Error::other)?;
        room -= 1;
        if room == 0 {
            return Err(io::Error::new(ErrorKind::StorageFull, "the tape is full"));
        }
        Ok(())
    });
    let server = bound(patient().framing(Framing::until("\n")).sink(sink).source("never sent"));
    let addr = server.local_addr();
    let (outcome, client) = serve_with(&server, || {
        let mut client = connect(addr);
        client.write_all(b"one, ").expect("an open socket");
        assert_eq!(arrived.recv_timeout(PATIENCE).as_deref(), Ok(&b"one, "[..]));
        client.write_all(b"two, ").expect("an open socket");
        assert_eq!(arrived.recv_timeout(PATIENCE).as_deref(), Ok(&b"two, "[..]));
        client.write_all(b"three\n").expect("an open socket");
        assert_eq!(read_all(&mut client), b"");
        client.local_addr().expect("a connected socket")
    });

    let error = outcome.expect_err("a full tape");
    assert!(matches!(error, Error::Record { .. }), "{error:?}");
    let exchange = exchange_of(&error, client, ErrorKind::StorageFull);
    assert_eq!(exchange.request().bytes(), b"one, two, ");
    assert_eq!(exchange.trailing(), b"three\n");
    says(
        &error,
        &format!(
            "failed to record the request from {client} (connection 1, exchange 1) after 10 bytes \"one, two, \""
        ),
        "the tape is full",
    );
    goes_on_serving(&server, "after a full tape");
}

/// A sink whose records cannot be finished.
struct Unfinished;

impl RequestSink for Unfinished {
    fn open(&mut self, _: &Client) -> io::Result<Box<dyn Write + Send>> {
        Ok(Box::new(UnfinishedRecord))
    }
}

struct UnfinishedRecord;

impl Write for UnfinishedRecord {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(io::Error::other("the disk has gone"))
    }
}

#[test]
fn a_record_that_cannot_be_flushed_fails_the_exchange() {
    let server = bound(patient().framing(Framing::eof()).sink(Unfinished).source("never sent"));
    let mut client = connect_and_send(server.local_addr(), b"hello");
    let addr = client.local_addr().expect("a connected socket");
    let error = fails(&server);
    assert!(matches!(error, Error::Record { .. }), "{error:?}");
    let exchange = exchange_of(&error, addr, ErrorKind::Other);
    assert_eq!(exchange.request().end(), RequestEnd::Complete, "it was, before the flush");
    assert!(error.report().to_string().ends_with("\"hello\": the disk has gone"), "{error:?}");
    assert_eq!(read_all(&mut client), b"");
}

#[test]
fn a_missing_response_file_is_named_before_half_an_answer_has_left() {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let path = folder.path().join("response.bin");
    let cause = fs::read(&path).expect_err("no file");
    let memory = MemorySink::new();
    let response = Response::new().send("head").send_file(&path);
    let server = bound(patient().sink(memory.clone()).source(response));
    let mut client = connect_and_send(server.local_addr(), b"hello");
    let addr = client.local_addr().expect("a connected socket");

    let error = fails(&server);

    assert!(matches!(error, Error::Respond { .. }), "{error:?}");
    let exchange = exchange_of(&error, addr, ErrorKind::NotFound);
    assert_eq!((exchange.sent(), exchange.offered()), (0, 0));
    assert_eq!(exchange.client_end(), ClientEnd::Closed);
    says(
        &error,
        &format!(
            "failed to answer the request from {addr} (connection 1, exchange 1) after 5 bytes \"hello\""
        ),
        &format!("failed to open response file `{}`: {cause}", path.display()),
    );
    assert_eq!(read_all(&mut client), b"");
    assert_eq!(memory.requests(), [b"hello"]);

    fs::write(&path, b"there now").expect("a folder of our own");
    goes_on_serving(&server, "with its file");
}

// On other systems a directory cannot be opened at all.
#[cfg(unix)]
#[test]
fn a_directory_in_place_of_a_response_file_is_named() {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let server = bound(patient().source(FileSource::new(folder.path())));
    let mut client = connect_and_send(server.local_addr(), b"hello");
    let addr = client.local_addr().expect("a connected socket");
    let error = fails(&server);
    assert!(matches!(error, Error::Respond { .. }), "{error:?}");
    exchange_of(&error, addr, ErrorKind::IsADirectory);
    says(
        &error,
        &format!(
            "failed to answer the request from {addr} (connection 1, exchange 1) after 5 bytes \"hello\""
        ),
        &format!("failed to open response file `{}`: is a directory", folder.path().display()),
    );
    assert_eq!(read_all(&mut client), b"");
}

#[test]
fn a_reader_that_was_sent_before_is_named() {
    let server = bound(patient().source(Response::new().send("head ").send_from(&b"tail"[..])));
    let mut client = connect_and_send(server.local_addr(), b"first");
    server.serve_once().expect("a fresh reader");
    assert_eq!(read_all(&mut client), b"head tail");

    let mut client = connect_and_send(server.local_addr(), b"second");
    let addr = client.local_addr().expect("a connected socket");
    let error = fails(&server);
    assert!(matches!(error, Error::Respond { .. }), "{error:?}");
    let exchange = exchange_of(&error, addr, ErrorKind::InvalidInput);
    assert_eq!(exchange.client().connection(), 2);
    assert_eq!(exchange.client().exchange(), 2);
    says(
        &error,
        &format!(
            "failed to answer the request from {addr} (connection 2, exchange 2) after 6 bytes \"second\""
        ),
        "the reader given to `send_from` has been sent before",
    );
    assert_eq!(read_all(&mut client), b"");
}

/// Returns three bytes, then fails.
struct Torn(bool);

impl Read for Torn {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0 {
            return Err(io::Error::new(ErrorKind::InvalidData, "the tape is torn"));
        }
        self.0 = true;
        buffer[..3].copy_from_slice(b"abc");
        Ok(3)
    }
}

#[test]
fn a_reader_that_fails_within_the_answer_leaves_what_was_sent() {
    let server = bound(patient().source(Response::new().send("12").send_from(Torn(false))));
    let mut client = connect_and_send(server.local_addr(), b"hello");
    let addr = client.local_addr().expect("a connected socket");
    let error = fails(&server);
    assert!(matches!(error, Error::Respond { .. }), "{error:?}");
    let exchange = exchange_of(&error, addr, ErrorKind::InvalidData);
    assert_eq!((exchange.sent(), exchange.offered()), (5, 5));
    says(
        &error,
        &format!(
            "failed to answer the request from {addr} (connection 1, exchange 1) after 5 bytes \"hello\""
        ),
        "the tape is torn",
    );
    assert_eq!(read_all(&mut client), b"12abc");
}

/// Has no answer to the first request.
struct Reluctant(bool);

impl ResponseSource for Reluctant {
    fn respond(&mut self, request: &Request) -> io::Result<Response> {
        if std::mem::replace(&mut self.0, true) {
            return Ok(request.bytes().into());
        }
        Err(io::Error::new(ErrorKind::NotFound, "no answer to that"))
    }
}

#[test]
fn a_source_without_an_answer_fails_the_exchange_in_its_words() {
    let server = bound(patient().source(Reluctant(false)));
    let mut client = connect_and_send(server.local_addr(), b"hello");
    let addr = client.local_addr().expect("a connected socket");
    let error = fails(&server);
    assert!(matches!(error, Error::Respond { .. }), "{error:?}");
    exchange_of(&error, addr, ErrorKind::NotFound);
    says(
        &error,
        &format!(
            "failed to answer the request from {addr} (connection 1, exchange 1) after 5 bytes \"hello\""
        ),
        "no answer to that",
    );
    assert_eq!(read_all(&mut client), b"");
    goes_on_serving(&server, "after a source without an answer");
}

#[test]
fn a_client_that_never_reads_is_given_up() {
    let reader = || Response::new().send_from(io::repeat(b'x').take(ENDLESS));
    for (case, response, of) in [
        ("bytes", Response::from(vec![b'x'; 32 << 20]), format!(" of {ENDLESS}")),
        ("a reader", reader(), String::new()),
    ] {
        let server = bound(impatient(Framing::read_once(100)).source(response));
        let mut client = connect_with_little_room(server.local_addr());
        client.write_all(b"hello").expect("an open socket");
        let addr = client.local_addr().expect("a connected socket");

        let error = fails(&server);

        assert!(matches!(error, Error::Send { .. }), "{case}: {error:?}");
        let exchange = exchange_of(&error, addr, ErrorKind::TimedOut);
        let sent = exchange.sent();
        assert!((1..ENDLESS).contains(&sent), "{case}: sent {sent}");
        assert_eq!(exchange.offered(), if of.is_empty() { sent } else { ENDLESS }, "{case}");
        assert_eq!(exchange.client_end(), ClientEnd::ClosedByUs, "{case}");
        assert_eq!(exchange.request().bytes(), b"hello", "{case}");
        says(
            &error,
            &format!(
                "failed to send the response to {addr} (connection 1, exchange 1) after {sent}{of} bytes"
            ),
            "the client acknowledged nothing for 100ms",
        );
    }
}

#[test]
fn a_server_goes_on_after_a_client_that_never_reads() {
    let mut answers = vec![b"short".to_vec(), vec![b'x'; 32 << 20]];
    let source = move |_: &Request| answers.pop().unwrap_or_default();
    let server = bound(impatient(Framing::read_once(100)).source(source));
    let mut client = connect_with_little_room(server.local_addr());
    client.write_all(b"hello").expect("an open socket");
    let error = fails(&server);
    assert!(matches!(error, Error::Send { .. }), "{error:?}");
    goes_on_serving(&server, "after a client that never reads");
}

#[test]
fn a_client_that_left_before_its_answer_is_an_error() {
    // A reset may be seen before or after the first write: on loopback it is rarely late.
    for _ in 0..20 {
        let (left, has_left) = mpsc::channel();
        let (asked, is_asked) = mpsc::channel();
        let source = move |_: &Request| {
            asked.send(()).expect("a test that listens");
            has_left.recv_timeout(PATIENCE).expect("a client that leaves");
            "answer"
        };
        let server = bound(patient().source(source));
        let addr = server.local_addr();
        let (outcome, client) = serve_with(&server, || {
            let mut client = connect(addr);
            client.write_all(b"hello").expect("an open socket");
            is_asked.recv_timeout(PATIENCE).expect("a request that is over");
            let addr = client.local_addr().expect("a connected socket");
            reset(client);
            left.send(()).expect("a source that waits");
            addr
        });
        let Err(error) = outcome else { continue };

        assert!(matches!(error, Error::Send { .. }), "{error:?}");
        let exchange = error.exchange().expect("what was exchanged so far");
        assert_eq!((exchange.sent(), exchange.offered()), (0, 6));
        assert_eq!(exchange.client_end(), ClientEnd::Reset);
        assert_eq!(exchange.request().bytes(), b"hello");
        assert!(exchange.request().is_complete());
        let cause = error.io_error().expect("the system's error");
        assert!(
            matches!(cause.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe),
            "{cause:?}"
        );
        says(
            &error,
            &format!(
                "failed to send the response to {client} (connection 1, exchange 1) after 0 of 6 bytes"
            ),
            &cause.to_string(),
        );
        return;
    }
    panic!("each of 20 clients that had left was answered");
}

#[test]
fn errors_travel_as_boxed_errors_with_their_cause() {
    fn serve(server: &TcpServer) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        server.serve_once()?;
        Ok(())
    }
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let server = bound(patient().source(FileSource::new(folder.path().join("missing"))));
    let _client = connect_and_send(server.local_addr(), b"hello");
    let error = serve(&server).expect_err("no file");
    let causes = std::iter::successors(error.source(), |cause| cause.source()).count();
    assert_eq!(causes, 2, "the path's error, then the system's");
    assert!(error.downcast_ref::<Error>().is_some_and(|error| error.exchange().is_some()));
}

// The socket was created before the server's settings.
#[test]
fn a_client_that_was_connected_before_the_listener_was_handed_in_has_a_deadline_too() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let client = connect_and_send(listener.local_addr().expect("bound"), b"hello");
    let server = TcpServer::builder()
        .listener(listener)
        .timeout(Duration::from_millis(100))
        .linger(Duration::from_millis(100))
        .source(vec![0; 32 << 20]);
    let server = server.bind().expect("listening");
    let error = fails(&server);
    assert!(matches!(error, Error::Send { .. }), "{error:?}");
    drop(client);
}
