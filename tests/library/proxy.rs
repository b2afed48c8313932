//! A proxy between a client and an upstream: the client reads, and the record holds, exactly what the upstream sends.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use fake_peer::{
    ClientEnd, Ending, Error, FileSource, Framing, Gate, Peer, Proxy, RequestEnd, Response,
    ResponseSource, Sequence, http,
};
use fake_peer_test_support::{
    PATIENCE, ask, connect, connect_and_send, eventually, expect_bytes, finished, numbered,
    patient, read_all, reset, same_bytes, spawned, taken,
};
use socket2::SockRef;

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: peer\r\nConnection: keep-alive\r\n\r\n";

/// An upstream that serves one connection by hand-written code.
struct Upstream<T> {
    addr: SocketAddr,
    serving: JoinHandle<T>,
}

impl<T: Send + 'static> Upstream<T> {
    #[track_caller]
    fn serve(by_hand: impl FnOnce(TcpStream) -> T + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        // On Linux this timeout applies to `accept`, too.
        SockRef::from(&listener).set_read_timeout(Some(PATIENCE)).expect("an open socket");
        let addr = listener.local_addr().expect("bound");
        let serving = thread::spawn(move || {
            let (stream, _) = listener.accept().expect("a connection of the proxy in time");
            stream.set_read_timeout(Some(PATIENCE)).expect("an open socket");
            stream.set_write_timeout(Some(PATIENCE)).expect("an open socket");
            stream.set_nodelay(true).expect("an open socket");
            by_hand(stream)
        });
        Upstream { addr, serving }
    }

    #[track_caller]
    fn join(self) -> T {
        self.serving.join().expect("an upstream that met what it expected")
    }
}

/// A folder for a record, and the path of the record.
struct Folder {
    folder: tempfile::TempDir,
}

impl Folder {
    fn new() -> Self {
        Folder { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    fn page(&self) -> PathBuf {
        self.folder.path().join("page")
    }

    #[track_caller]
    fn recorded(&self) -> Vec<u8> {
        fs::read(self.page()).expect("a record")
    }
}

#[track_caller]
fn receive(stream: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).expect("that many bytes in time");
    bytes
}

/// The error of a peer whose only exchange failed while it was answered.
#[track_caller]
fn failure(peer: Peer) -> (ErrorKind, String) {
    match peer.finish() {
        Err(Error::Respond { source, .. }) => {
            let cause = std::error::Error::source(&source).map(ToString::to_string);
            (source.kind(), format!("{source}: {}", cause.unwrap_or_default()))
        }
        other => panic!("a response that failed, not {other:?}"),
    }
}

#[test]
fn each_kind_of_response_comes_through_to_its_end_and_no_byte_is_changed() {
    let get = GET;
    let head = &b"HEAD / HTTP/1.1\r\n\r\n"[..];
    let connect_to = &b"CONNECT a:1 HTTP/1.1\r\n\r\n"[..];
    for (request, response, keeps_open) in [
        (get, &b"HTTP/1.1 200 OK\r\ncontent-LENGTH:  2\r\n\r\nhi"[..], true),
        (get, b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", true),
        (
            get,
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\na\0b\r\n0\r\nT: 1\r\n\r\n",
            true,
        ),
        (get, b"HTTP/1.1 204 No Content\r\n\r\n", true),
        (get, b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", true),
        (head, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true),
        (
            get,
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n!",
            true,
        ),
        (get, b"HTTP/1.0 200 OK\r\n\r\nto the close", false),
        (get, b"HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\nto the close", false),
        (get, b"HTTP/1.1 101 Switching Protocols\r\n\r\nanything", false),
        (connect_to, b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nanything", false),
        (get, b"<html>no head", false),
        (b"PING\r\n", b"+PONG\r\n", false),
        (b"PING\r\n", b"", false),
    ] {
        let case = format!("{} to {}", response.escape_ascii(), request.escape_ascii());
        let upstream = Upstream::serve(move |mut stream| {
            let forwarded = receive(&mut stream, request.len());
            stream.write_all(response).expect("room");
            // An upstream that keeps its connection open: the proxy closes it when it has the response.
            if keeps_open {
                assert_eq!(read_all(&mut stream), b"", "behind the request");
            }
            forwarded
        });
        let folder = Folder::new();
        let proxy = Proxy::to(upstream.addr).record(folder.page());
        let peer = spawned(patient().source(proxy));
        same_bytes(&ask(peer.addr(), request), response, &case);
        assert_eq!(finished(peer).exchanges().count(), 1, "{case}");
        same_bytes(&upstream.join(), request, &case);
        same_bytes(&folder.recorded(), response, &case);

        let replay = Peer::answer(FileSource::new(folder.page()));
        same_bytes(&ask(replay.addr(), request), response, &case);
    }
}

#[test]
fn a_fake_peer_is_an_upstream_and_a_proxy_of_a_proxy_too() {
    let upstream = Peer::answer(http::ok("hello"));
    let first = Peer::answer(Proxy::to(format!("localhost:{}", upstream.addr().port())));
    let second = Peer::answer(Proxy::to(first.addr()));
    for _ in 0..3 {
        assert!(ask(second.addr(), GET).ends_with(b"\r\n\r\nhello"));
    }
    finished(second);
    finished(first);
    let journal = finished(upstream);
    assert_eq!(journal.exchanges().count(), 3);
    for exchange in journal.exchanges() {
        exchange.request().assert_bytes(GET);
    }
}

#[test]
fn bytes_past_the_end_are_neither_relayed_nor_recorded() {
    let response = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    let upstream = Peer::answer([&response[..], b"surplus"].concat());
    let folder = Folder::new();
    let peer = Peer::answer(Proxy::to(upstream.addr()).record(folder.page()));
    same_bytes(&ask(peer.addr(), GET), response, "relayed");
    same_bytes(&folder.recorded(), response, "recorded");
}

#[test]
fn a_connection_stays_open_for_the_next_request_if_the_response_says_so() {
    let upstream = Peer::answer(Sequence::new([http::ok("one"), http::ok("two")]));
    let peer = Peer::answer(Proxy::to(upstream.addr()).map_response(Response::keep_open));
    let mut client = connect(peer.addr());
    for body in ["one", "two"] {
        client.write_all(GET).expect("room");
        let expected = format!("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{body}");
        expect_bytes(&mut client, expected.as_bytes(), body);
    }
    drop(client);
    finished(peer);
    finished(upstream);
}

#[test]
fn bytes_are_relayed_and_recorded_as_they_arrive() {
    let (go_on, may_go_on) = mpsc::channel();
    let upstream = Upstream::serve(move |mut stream| {
        receive(&mut stream, GET.len());
        stream.write_all(b"HTTP/1.1 200 OK\r\nConte").expect("room");
        may_go_on.recv_timeout(PATIENCE).expect("a client that has the first part");
        stream.write_all(b"nt-Length: 2\r\n\r\nhi").expect("room");
        read_all(&mut stream);
    });
    let folder = Folder::new();
    let peer = spawned(patient().source(Proxy::to(upstream.addr).record(folder.page())));
    let mut client = connect(peer.addr());
    client.write_all(GET).expect("room");
    expect_bytes(&mut client, b"HTTP/1.1 200 OK\r\nConte", "the first part");
    same_bytes(&folder.recorded(), b"HTTP/1.1 200 OK\r\nConte", "recorded before it is relayed");
    go_on.send(()).expect("a waiting upstream");
    assert_eq!(read_all(&mut client), b"nt-Length: 2\r\n\r\nhi");
    drop(client);
    finished(peer);
    upstream.join();
}

#[test]
fn the_end_of_a_request_is_forwarded_if_the_client_ended_it() {
    // Ended where the framing says, and before its Content-Length.
    let short = &b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf"[..];
    for (framing, request) in [(Framing::eof(), &b"anything"[..]), (Framing::http(), short)] {
        let upstream = spawned(patient().framing(Framing::eof()).source("+OK\r\n"));
        let builder = patient().framing(framing).clients_may_leave_early();
        let proxy = spawned(builder.source(Proxy::to(upstream.addr())));
        let mut client = connect_and_send(proxy.addr(), request);
        assert_eq!(read_all(&mut client), b"+OK\r\n");
        let exchange = taken(&upstream);
        exchange.request().assert_bytes(request);
        assert_eq!(exchange.request().end(), RequestEnd::Complete);
    }
}

#[test]
fn the_end_of_a_request_is_not_forwarded_otherwise() {
    let upstream = Upstream::serve(|mut stream| {
        receive(&mut stream, 4);
        stream.set_read_timeout(Some(Duration::from_millis(100))).expect("an open socket");
        let error = stream.read(&mut [0; 1]).expect_err("an open sending side");
        // `WouldBlock` on Unix, `TimedOut` on Windows.
        assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error:?}");
        stream.write_all(b"+OK\r\n").expect("room");
    });
    let proxy = spawned(patient().framing(Framing::exactly(4)).source(Proxy::to(upstream.addr)));
    let mut client = connect_and_send(proxy.addr(), b"PING");
    assert_eq!(read_all(&mut client), b"+OK\r\n");
    upstream.join();
}

#[test]
fn many_bytes_both_ways_at_once_do_not_lock_up() {
    const LONG: usize = 24 << 20;
    let body = numbered(LONG);
    let head = format!("POST / HTTP/1.1\r\nContent-Length: {LONG}\r\n\r\n");
    let answer_head = format!("HTTP/1.1 200 OK\r\nContent-Length: {LONG}\r\n\r\n");
    let (request_head, response_head) = (head.clone(), answer_head.clone());
    // Reads no byte before it has sent the previous one back.
    let upstream = Upstream::serve(move |mut stream| {
        receive(&mut stream, request_head.len());
        stream.write_all(response_head.as_bytes()).expect("room");
        let mut piece = vec![0; 64 << 10];
        let mut left = LONG;
        while left > 0 {
            let length = stream.read(&mut piece).expect("more of the request in time");
            stream.write_all(&piece[..length]).expect("a proxy that reads");
            left -= length;
        }
        read_all(&mut stream);
    });
    let folder = Folder::new();
    let proxy = Proxy::to(upstream.addr).record(folder.page());
    let peer = spawned(patient().retain(LONG + 1000).source(proxy));
    let mut client = connect(peer.addr());
    client.write_all(head.as_bytes()).expect("room");
    client.write_all(&body).expect("a peer that reads");
    let answer = read_all(&mut client);
    drop(client);
    let expected = [answer_head.as_bytes(), &body].concat();
    same_bytes(&answer, &expected, "relayed");
    same_bytes(&folder.recorded(), &expected, "recorded");
    finished(peer);
    upstream.join();
}

#[test]
fn an_upstream_that_answers_early_gets_the_rest_of_the_request() {
    const LONG: usize = 32 << 20;
    let head = format!("POST / HTTP/1.1\r\nContent-Length: {LONG}\r\n\r\n");
    let request = [head.as_bytes(), &numbered(LONG)].concat();
    let length = request.len();
    let (answered, has_answer) = mpsc::channel();
    let upstream = Upstream::serve(move |mut stream| {
        let mut forwarded = receive(&mut stream, 10);
        stream.write_all(b"HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n").expect("room");
        has_answer.recv_timeout(PATIENCE).expect("a client with an answer");
        forwarded.extend(receive(&mut stream, length - 10));
        forwarded
    });
    let peer = spawned(patient().retain(length).source(Proxy::to(upstream.addr)));
    let mut client = connect(peer.addr());
    client.write_all(&request).expect("a peer that reads");
    assert_eq!(read_all(&mut client), b"HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n");
    answered.send(()).expect("a waiting upstream");
    drop(client);
    finished(peer);
    same_bytes(&upstream.join(), &request, "forwarded");
}

#[test]
fn a_refusing_upstream_is_named_and_costs_no_older_record() {
    let addr = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.local_addr().expect("bound")
    };
    let folder = Folder::new();
    fs::write(folder.page(), "of an earlier exchange").expect("a file");
    let peer = Peer::answer(Proxy::to(addr).record(folder.page()));
    assert_eq!(ask(peer.addr(), GET), b"");
    let (kind, text) = failure(peer);
    assert_eq!(kind, ErrorKind::ConnectionRefused, "{text}");
    assert!(text.starts_with(&format!("failed to connect to upstream `{addr}`: ")), "{text}");
    assert_eq!(folder.recorded(), b"of an earlier exchange");
}

#[test]
fn what_is_no_address_is_named() {
    let peer = Peer::answer(Proxy::to("nowhere"));
    assert_eq!(ask(peer.addr(), GET), b"");
    let (kind, text) = failure(peer);
    assert_eq!(kind, ErrorKind::InvalidInput, "{text}");
    assert!(text.starts_with("failed to connect to upstream `nowhere`: an address is"), "{text}");
}

#[test]
fn a_silent_upstream_has_a_timeout() {
    for said in [&b""[..], b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nh"] {
        let upstream = Upstream::serve(move |mut stream| {
            receive(&mut stream, GET.len());
            stream.write_all(said).expect("room");
            // Until the proxy gives up.
            read_all(&mut stream);
        });
        let folder = Folder::new();
        let addr = upstream.addr;
        let proxy = Proxy::to(addr).record(folder.page()).timeout(Duration::from_secs(1));
        let peer = Peer::answer(proxy);
        assert_eq!(ask(peer.addr(), GET), said);
        let (kind, text) = failure(peer);
        assert_eq!(kind, ErrorKind::TimedOut, "{text}");
        let expected = format!(
            "failed to receive the response of upstream `{addr}` after {} bytes: nothing arrived for 1s",
            said.len()
        );
        assert_eq!(text, expected);
        assert_eq!(folder.recorded(), said);
        upstream.join();
    }
}

#[test]
fn an_upstream_that_takes_no_request_has_a_timeout() {
    let (gave_up, has_given_up) = mpsc::channel::<()>();
    let upstream = Upstream::serve(move |_stream| has_given_up.recv_timeout(PATIENCE));
    let proxy = Proxy::to(upstream.addr).timeout(Duration::from_millis(200));
    let peer = spawned(patient().retain(64 << 20).framing(Framing::eof()).source(proxy));
    let mut client = connect_and_send(peer.addr(), &numbered(32 << 20));
    assert_eq!(read_all(&mut client), b"");
    let (kind, text) = failure(peer);
    assert_eq!(kind, ErrorKind::TimedOut, "{text}");
    let start = format!("failed to send the request to upstream `{}` after ", upstream.addr);
    assert!(text.starts_with(&start), "{text}");
    assert!(text.contains(" of 33554432 bytes: nothing arrived for "), "{text}");
    gave_up.send(()).expect("a waiting upstream");
    upstream.join().expect("told");
}

#[test]
fn a_reset_within_a_response_is_told_and_what_came_before_it_is_kept() {
    let said = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf";
    let (read, has_been_read) = mpsc::channel();
    let upstream = Upstream::serve(move |mut stream| {
        receive(&mut stream, GET.len());
        stream.write_all(said).expect("room");
        has_been_read.recv_timeout(PATIENCE).expect("a client that has it");
        reset(stream);
    });
    let folder = Folder::new();
    let peer = Peer::answer(Proxy::to(upstream.addr).record(folder.page()));
    let mut client = connect(peer.addr());
    client.write_all(GET).expect("room");
    expect_bytes(&mut client, said, "what came before the reset");
    read.send(()).expect("a waiting upstream");
    assert_eq!(read_all(&mut client), b"", "a close, not a reset");
    let (kind, text) = failure(peer);
    assert_eq!(kind, ErrorKind::ConnectionReset, "{text}");
    let start =
        format!("failed to receive the response of upstream `{}` after 44 bytes: ", upstream.addr);
    assert!(text.starts_with(&start), "{text}");
    assert_eq!(folder.recorded(), said);
    upstream.join();
}

#[test]
fn a_close_before_the_end_is_told_if_the_response_names_an_end() {
    for (response, missing) in [
        (&b""[..], "it closed the connection without a response"),
        (b"HTTP/1.1 200 OK\r\n", "it closed the connection within the head of its response"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi",
            "it closed the connection 3 bytes before the end that Content-Length says",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhi",
            "it closed the connection before the last chunk of the body",
        ),
    ] {
        let upstream = Peer::answer(response);
        let folder = Folder::new();
        let peer = Peer::answer(Proxy::to(upstream.addr()).record(folder.page()));
        assert_eq!(ask(peer.addr(), GET), response, "{missing}");
        let (kind, text) = failure(peer);
        assert_eq!(kind, ErrorKind::UnexpectedEof, "{text}");
        let after = format!(" after {} bytes: {missing}", response.len());
        assert!(text.ends_with(&after), "{text}");
        assert_eq!(folder.recorded(), response, "{missing}");
    }
}

#[test]
fn a_cut_on_top_leaves_the_record_whole() {
    let body = numbered(4 << 20);
    let whole = [b"HTTP/1.1 200 OK\r\nContent-Length: 4194304\r\n\r\n", &body[..]].concat();
    for cut in [0, 1, 137, 1 << 20, whole.len() - 1, whole.len()] {
        for ending in [Ending::Close, Ending::Reset] {
            let is_reset = matches!(ending, Ending::Reset);
            let case = format!("{cut} bytes, then {ending:?}");
            let upstream = Peer::answer(http::ok(&body));
            let folder = Folder::new();
            let proxy = Proxy::to(upstream.addr()).record(folder.page());
            let cut_short = move |response: Response| response.cut(cut as u64, ending.clone());
            let peer = Peer::answer(proxy.map_response(cut_short));
            let mut client = connect(peer.addr());
            client.write_all(GET).expect("room");
            let mut answer = Vec::new();
            let error = client.read_to_end(&mut answer).err().map(|error| error.kind());
            assert_eq!(error, is_reset.then_some(ErrorKind::ConnectionReset), "{case}");
            drop(client);
            same_bytes(&answer, &whole[..cut], &case);
            finished(peer);
            same_bytes(&folder.recorded(), &whole, &case);
        }
    }
}

#[test]
fn a_client_that_leaves_does_not_keep_the_record_from_becoming_whole() {
    let gate = Gate::new();
    let body = numbered(8 << 20);
    let (first, second) = body.split_at(1 << 20);
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    let response = Response::from(head.as_str()).send(first).gate(&gate).send(second);
    let upstream = spawned(patient().source(response));
    let folder = Folder::new();
    let peer = spawned(patient().source(Proxy::to(upstream.addr()).record(folder.page())));
    let mut client = connect(peer.addr());
    client.write_all(GET).expect("room");
    expect_bytes(&mut client, head.as_bytes(), "the head");
    reset(client);
    gate.open();
    let journal = finished(peer);
    let exchange = journal.exchanges().next().expect("an exchange");
    assert_eq!(exchange.client_end(), ClientEnd::Reset);
    assert!(exchange.sent() < body.len() as u64, "{}", exchange.sent());
    same_bytes(&folder.recorded(), &[head.as_bytes(), &body].concat(), "recorded");
    finished(upstream);
}

#[test]
fn a_record_that_cannot_become_whole_is_told_in_the_end() {
    let upstream = Upstream::serve(|mut stream| {
        // Endless, and never silent.
        while stream.write_all(b"tick\n").is_ok() {}
    });
    let folder = Folder::new();
    let addr = upstream.addr;
    let proxy = Proxy::to(addr).record(folder.page()).timeout(Duration::from_millis(100));
    let peer = Peer::answer(proxy.map_response(|response| response.cut(7, Ending::Close)));
    assert_eq!(ask(peer.addr(), GET), b"tick\nti");
    let error = peer.finish().expect_err("no end");
    let text = error.report().to_string();
    assert!(matches!(error, Error::LeftOver { .. }), "{text}");
    let part = format!("failed to complete response file `{}`: ", folder.page().display());
    assert!(text.contains(&part), "{text}");
    let end = ": it did not end within 100ms after the client's connection";
    assert!(text.ends_with(end) && text.contains(&format!("upstream `{addr}`")), "{text}");
    upstream.join();
}

#[test]
fn a_response_without_a_record_is_not_read_when_nobody_wants_it() {
    let upstream = Upstream::serve(|mut stream| {
        receive(&mut stream, GET.len());
        while stream.write_all(b"tick\n").is_ok() {}
    });
    let proxy = Proxy::to(upstream.addr);
    let peer = Peer::answer(proxy.map_response(|response| response.cut(7, Ending::Close)));
    assert_eq!(ask(peer.addr(), GET), b"tick\nti");
    // Its connection to the proxy ends at once.
    upstream.join();
    finished(peer);
}

#[test]
fn two_clients_are_served_at_once_when_one_waits_for_a_slow_upstream() {
    let gate = Gate::new();
    let upstream = spawned(patient().source({
        let gate = gate.clone();
        move |request: &fake_peer::Request| match request.target() {
            Some("/slow") => Response::from("HTTP/1.1 200 OK\r\n").gate(&gate).send("\r\nslow"),
            _ => http::ok("fast"),
        }
    }));
    let folder = Folder::new();
    let peer = spawned(patient().source(Proxy::to(upstream.addr()).record(folder.page())));
    let mut waiting = connect(peer.addr());
    waiting.write_all(b"GET /slow HTTP/1.1\r\n\r\n").expect("room");
    assert!(gate.wait_until_reached(PATIENCE), "the slow request came through");
    // The upstream may reach its gate before the record exists.
    eventually("the slow record begins", || {
        fs::read(folder.page()).is_ok_and(|record| record == b"HTTP/1.1 200 OK\r\n")
    });

    let fast = ask(peer.addr(), GET);
    assert_eq!(fast, b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfast");
    gate.open();
    assert_eq!(read_all(&mut waiting), b"HTTP/1.1 200 OK\r\n\r\nslow");
    drop(waiting);
    finished(peer);
    // The response that began last; the slow one is not mixed into it.
    same_bytes(&folder.recorded(), &fast, "recorded");
}

#[test]
fn a_request_that_was_not_kept_cannot_be_forwarded() {
    let upstream = Peer::answer(http::ok("never asked"));
    let proxy = Proxy::to(upstream.addr());
    let peer = spawned(patient().retain(10).framing(Framing::eof()).source(proxy));
    let mut client = connect_and_send(peer.addr(), b"eleven bytes");
    assert_eq!(read_all(&mut client), b"");
    let (kind, text) = failure(peer);
    assert_eq!(kind, ErrorKind::InvalidInput, "{text}");
    let expected = format!(
        "failed to forward the request to upstream `{}`: only the first 10 of its 12 bytes were kept: raise `TcpServerBuilder::retain`",
        upstream.addr()
    );
    assert_eq!(text, expected);
    assert_eq!(finished(upstream).connections().len(), 0);
}

#[test]
fn a_server_in_the_foreground_leaves_a_whole_record_when_it_is_dropped() {
    let body = numbered(4 << 20);
    let upstream = Peer::answer(http::ok(&body));
    let folder = Folder::new();
    let proxy = Proxy::to(upstream.addr()).record(folder.page());
    let source = proxy.map_response(|response| response.cut(5, Ending::Close));
    let server = fake_peer_test_support::bound(patient().source(source));
    let mut client = connect_and_send(server.local_addr(), GET);
    let client = thread::spawn(move || read_all(&mut client));
    server.serve_once().expect("served");
    drop(server);
    assert_eq!(client.join().expect("a client that reads"), b"HTTP/");
    assert!(folder.recorded().ends_with(&body), "{} bytes", folder.recorded().len());
}

#[test]
fn a_changed_source_is_asked_in_the_end_what_it_has_left() {
    let answers = Sequence::new(["one", "two"]).map_response(|response| response.send("!"));
    let peer = Peer::answer(answers);
    assert_eq!(ask(peer.addr(), b"hello"), b"one!");
    assert!(matches!(peer.finish(), Err(Error::LeftOver { .. })));
}
