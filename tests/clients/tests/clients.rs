//! Real HTTP clients: what they send is recorded as they meant it, and they receive what the source gives. Hand-written clients
//! are in `tests/library/peer.rs`.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fs;
use std::future::poll_fn;
use std::io::Cursor;
use std::pin::Pin;
use std::process::{Command, Stdio};
use std::task::{Context, Poll};

use fake_peer::{Framing, Request, RequestEnd, Response, Sequence};
use fake_peer_test_support::{PATIENCE, finished, numbered, patient, same_bytes, spawned, taken};
use hyper::body::{Body as _, Bytes, Frame, SizeHint};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// The answer to a HEAD request: a length, and no body.
const HEAD_ONLY: &str = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";

/// What a client is asked to do.
struct Call<'a> {
    method: &'static str,
    url: String,
    body: Body<'a>,
}

enum Body<'a> {
    None,
    Sized(&'a [u8]),
    Chunked(&'a [u8]),
}

/// Status and body.
type Answer = (u16, Vec<u8>);

/// A program or library that sends requests, one after another, over kept connections if it does that. Returns the status and
/// the body of each answer.
struct HttpClient {
    name: &'static str,
    call: fn(&[Call<'_>]) -> Vec<Answer>,
    /// The name that it sends as its own.
    user_agent: Option<&'static str>,
}

/// Clients that are Rust libraries.
fn libraries() -> Vec<HttpClient> {
    vec![
        HttpClient { name: "ureq", call: by_ureq, user_agent: Some("ureq/") },
        HttpClient { name: "hyper", call: by_hyper, user_agent: None },
    ]
}

/// Clients that are programs.
fn programs() -> Vec<HttpClient> {
    vec![
        HttpClient { name: "curl", call: by_curl, user_agent: Some("curl/") },
        HttpClient { name: "python", call: by_python, user_agent: None },
    ]
}

/// Runs each of these functions with both kinds of clients.
macro_rules! tests {
    ($($name:ident,)*) => {
        mod libraries {$(
            #[test]
            fn $name() {
                super::$name(&super::libraries());
            }
        )*}

        mod programs {$(
            #[test]
            #[ignore = "needs curl and python3"]
            fn $name() {
                super::$name(&super::programs());
            }
        )*}
    };
}

tests! {
    a_get_is_seen_as_it_was_meant,
    a_posted_body_is_seen_whole,
    a_chunked_body_is_decoded,
    a_connection_is_used_again,
    a_connection_that_was_closed_is_not_used_again,
    an_answer_that_ends_with_its_connection_is_whole,
    a_head_is_answered_without_a_body,
    a_large_answer_arrives_whole_while_part_of_the_request_is_unread,
    several_clients_ask_the_same_peer_at_once,
}

fn get(url: String) -> Call<'static> {
    Call { method: "GET", url, body: Body::None }
}

fn by_ureq(calls: &[Call<'_>]) -> Vec<Answer> {
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        .http_status_as_error(false)
        .proxy(None)
        .build();
    let agent = ureq::Agent::new_with_config(config);
    calls
        .iter()
        .map(|call| {
            let request = ureq::http::Request::builder()
                .method(call.method)
                .uri(&call.url)
                .header("X-Test", "a b");
            let answered = match call.body {
                Body::None => agent.run(request.body(()).expect("a request")),
                Body::Sized(body) => agent.run(request.body(body).expect("a request")),
                Body::Chunked(body) => {
                    let body = ureq::SendBody::from_owned_reader(Cursor::new(body.to_vec()));
                    agent.run(request.body(body).expect("a request"))
                }
            };
            let mut answer = answered.unwrap_or_else(|error| panic!("ureq: {error}"));
            let body = answer.body_mut().with_config().limit(1 << 30).read_to_vec();
            let body = body.unwrap_or_else(|error| panic!("ureq: the body: {error}"));
            (answer.status().as_u16(), body)
        })
        .collect()
}

fn by_hyper(calls: &[Call<'_>]) -> Vec<Answer> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let mut answers = Vec::new();
        for call in calls {
            let body = match call.body {
                Body::None => Pieces { pieces: VecDeque::new(), size: Some(0) },
                Body::Sized(body) => Pieces::of(body, Some(body.len() as u64)),
                Body::Chunked(body) => Pieces::of(body, None),
            };
            let request = hyper::Request::builder()
                .method(call.method)
                .uri(&call.url)
                .header("X-Test", "a b")
                .body(body)
                .expect("a request");
            let answered = tokio::time::timeout(PATIENCE, async {
                let mut answer = client.request(request).await.expect("hyper: an answer");
                let mut body = Vec::new();
                while let Some(frame) =
                    poll_fn(|context| Pin::new(answer.body_mut()).poll_frame(context)).await
                {
                    let frame = frame.expect("hyper: more of the body");
                    body.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
                }
                (answer.status().as_u16(), body)
            });
            answers.push(answered.await.expect("hyper: an answer in time"));
        }
        answers
    })
}

/// A body of known or unknown size, which hyper sends in chunks.
struct Pieces {
    pieces: VecDeque<Bytes>,
    size: Option<u64>,
}

impl Pieces {
    fn of(body: &[u8], size: Option<u64>) -> Self {
        Pieces { pieces: body.chunks(1000).map(Bytes::copy_from_slice).collect(), size }
    }
}

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.pieces.pop_front().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.size == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.size.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

fn by_curl(calls: &[Call<'_>]) -> Vec<Answer> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut command = Command::new("curl");
    command.arg("-q");
    for (index, call) in calls.iter().enumerate() {
        if index > 0 {
            command.arg("--next");
        }
        let (sent, received) =
            (folder.path().join(format!("sent{index}")), folder.path().join(format!("{index}")));
        command.args(["-sS", "--noproxy", "*", "--max-time", "10", "-H", "X-Test: a b"]);
        command.args(["-w", "%{http_code}\n", "-o"]).arg(&received);
        match call.method {
            "HEAD" => command.arg("--head"),
            method => command.args(["-X", method]),
        };
        if let Body::Sized(body) | Body::Chunked(body) = call.body {
            fs::write(&sent, body).expect("a file in the folder");
            command.arg("--data-binary").arg(format!("@{}", sent.display()));
        }
        if let Body::Chunked(_) = call.body {
            command.args(["-H", "Transfer-Encoding: chunked"]);
        }
        command.arg(&call.url);
    }
    let statuses = output_of(command);
    let answered = calls.iter().zip(statuses.lines()).enumerate().map(|(index, (call, status))| {
        let body = match call.method {
            // For HEAD, curl writes the head.
            "HEAD" => Vec::new(),
            _ => fs::read(folder.path().join(index.to_string())).unwrap_or_default(),
        };
        (status.parse().expect("a status"), body)
    });
    answered.collect()
}

const PYTHON: &str = r#"
import http.client, sys, urllib.parse
connection, arguments = None, sys.argv[1:]
while arguments:
    method, url, kind, sent, received, *arguments = arguments
    parts = urllib.parse.urlsplit(url)
    connection = connection or http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    body = None if kind == "none" else open(sent, "rb").read()
    if kind == "chunked":
        body = iter([body[at:at + 1000] for at in range(0, len(body), 1000)])
    target = parts.path + ("?" + parts.query if parts.query else "")
    connection.request(method, target, body, {"X-Test": "a b"}, encode_chunked=True)
    answer = connection.getresponse()
    open(received, "wb").write(answer.read())
    print(answer.status)
"#;

fn by_python(calls: &[Call<'_>]) -> Vec<Answer> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut command = Command::new("python3");
    command.args(["-I", "-c", PYTHON]);
    for (index, call) in calls.iter().enumerate() {
        let (sent, received) =
            (folder.path().join(format!("sent{index}")), folder.path().join(format!("{index}")));
        let (kind, body) = match call.body {
            Body::None => ("none", &[][..]),
            Body::Sized(body) => ("sized", body),
            Body::Chunked(body) => ("chunked", body),
        };
        fs::write(&sent, body).expect("a file in the folder");
        command.args([call.method, &call.url, kind]).arg(sent).arg(received);
    }
    let statuses = output_of(command);
    let answered = statuses.lines().enumerate().map(|(index, status)| {
        let body = fs::read(folder.path().join(index.to_string())).expect("what was written");
        (status.parse().expect("a status"), body)
    });
    answered.collect()
}

/// The output of a program, which must succeed.
#[track_caller]
fn output_of(mut command: Command) -> String {
    let output = command.stdin(Stdio::null()).output().expect("it is installed");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}, {errors}", output.status);
    String::from_utf8(output.stdout).expect("statuses")
}

#[track_caller]
fn assert_answers(case: &str, answers: &[Answer], expected: &[&[u8]]) {
    assert_eq!(answers.len(), expected.len(), "{case}: an answer to each call");
    for ((status, body), expected) in answers.iter().zip(expected) {
        assert_eq!(*status, 200, "{case}");
        same_bytes(body, expected, case);
    }
}

fn a_get_is_seen_as_it_was_meant(clients: &[HttpClient]) {
    for client in clients {
        let case = client.name;
        let peer = spawned(patient().source(HELLO)).expect(1);
        let answers = (client.call)(&[get(peer.url("/path?a=b%20c"))]);
        assert_answers(case, &answers, &[b"hello"]);
        let request = peer.take_request();
        assert_eq!(request.method(), Some("GET"), "{case}: {request:?}");
        assert_eq!(request.target(), Some("/path?a=b%20c"), "{case}: {request:?}");
        assert_eq!(request.version(), Some("HTTP/1.1"), "{case}: {request:?}");
        assert_eq!(request.header("host"), Some(&*peer.addr().to_string()), "{case}: {request:?}");
        assert_eq!(request.header("X-TEST"), Some("a b"), "{case}: {request:?}");
        assert_eq!(request.body(), Some(&b""[..]), "{case}: {request:?}");
        assert_eq!(request.end(), RequestEnd::Complete, "{case}: {request:?}");
        if let Some(name) = client.user_agent {
            let agent = request.header("user-agent").unwrap_or_default();
            assert!(agent.starts_with(name), "{case}: {agent}");
        }
        finished(peer);
    }
}

fn a_posted_body_is_seen_whole(clients: &[HttpClient]) {
    let large = numbered(300_000);
    for (size, body) in [("empty", &b""[..]), ("small", b"a=b\r\n\0\xff"), ("large", &large)] {
        for client in clients {
            let case = format!("{}, {size}", client.name);
            let peer = spawned(patient().source(HELLO)).expect(1);
            let url = peer.url("/form");
            let answers = (client.call)(&[Call { method: "POST", url, body: Body::Sized(body) }]);
            assert_answers(&case, &answers, &[b"hello"]);
            let request = peer.take_request();
            assert_eq!(request.method(), Some("POST"), "{case}");
            // hyper leaves out the length of an empty body.
            let length = request.header("content-length").unwrap_or("0");
            assert_eq!(length, body.len().to_string(), "{case}");
            same_bytes(request.body().expect("HTTP"), body, &case);
            same_bytes(&request.decoded_body().expect("HTTP"), body, &case);
            finished(peer);
        }
    }
}

fn a_chunked_body_is_decoded(clients: &[HttpClient]) {
    let large = numbered(300_000);
    for (size, body) in [("small", &b"a=b\r\n\0\xff"[..]), ("large", &large)] {
        for client in clients {
            let case = format!("{}, {size}", client.name);
            let peer = spawned(patient().source(HELLO)).expect(1);
            let url = peer.url("/form");
            let answers = (client.call)(&[Call { method: "POST", url, body: Body::Chunked(body) }]);
            assert_answers(&case, &answers, &[b"hello"]);
            let request = peer.take_request();
            assert_eq!(request.header("transfer-encoding"), Some("chunked"), "{case}");
            assert_eq!(request.header("content-length"), None, "{case}");
            assert_eq!(request.end(), RequestEnd::Complete, "{case}");
            assert!(request.body().expect("HTTP").ends_with(b"\r\n0\r\n\r\n"), "{case}");
            same_bytes(&request.decoded_body().expect("HTTP"), body, &case);
            finished(peer);
        }
    }
}

fn a_connection_is_used_again(clients: &[HttpClient]) {
    for client in clients {
        let case = client.name;
        let peer = spawned(patient().source(|request: &Request| {
            let target = request.target().unwrap_or("?");
            let length = target.len();
            Response::from(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{target}"))
                .keep_open()
        }))
        .expect(3);
        let answers = (client.call)(&[
            get(peer.url("/1")),
            Call { method: "POST", url: peer.url("/2"), body: Body::Chunked(b"body") },
            get(peer.url("/3")),
        ]);
        assert_answers(case, &answers, &[b"/1", b"/2", b"/3"]);
        let connections: Vec<_> = (0..3).map(|_| taken(&peer).client().connection()).collect();
        let journal = finished(peer);
        assert_eq!(connections, [1, 1, 1], "{case}: {journal}");
    }
}

fn a_connection_that_was_closed_is_not_used_again(clients: &[HttpClient]) {
    for client in clients {
        let case = client.name;
        let closing = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello";
        let peer = spawned(patient().source(Sequence::new([closing; 3]))).expect(3);
        let calls: Vec<_> = (0..3).map(|_| get(peer.url("/"))).collect();
        assert_answers(case, &(client.call)(&calls), &[&b"hello"[..]; 3]);
        assert_eq!(finished(peer).connections().len(), 3, "{case}");
    }
}

fn an_answer_that_ends_with_its_connection_is_whole(clients: &[HttpClient]) {
    let body = numbered(1 << 20);
    for client in clients {
        let case = client.name;
        let answer = Response::from("HTTP/1.1 200 OK\r\n\r\n").send(&body);
        let peer = spawned(patient().source(answer));
        assert_answers(case, &(client.call)(&[get(peer.url("/"))]), &[&body]);
        finished(peer);
    }
}

fn a_head_is_answered_without_a_body(clients: &[HttpClient]) {
    for client in clients {
        let case = client.name;
        let peer = spawned(patient().source(HEAD_ONLY)).expect(1);
        let url = peer.url("/");
        let answers = (client.call)(&[Call { method: "HEAD", url, body: Body::None }]);
        assert_answers(case, &answers, &[b""]);
        let exchange = taken(&peer);
        assert_eq!(exchange.request().method(), Some("HEAD"), "{case}");
        assert_eq!(exchange.sent(), HEAD_ONLY.len() as u64, "{case}");
        finished(peer);
    }
}

fn a_large_answer_arrives_whole_while_part_of_the_request_is_unread(clients: &[HttpClient]) {
    let answer = numbered(1 << 20);
    let response = [
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", answer.len()).as_bytes(),
        &answer,
    ]
    .concat();
    // The body is never read. The larger one does not fit into the buffers between the two.
    for length in [2_000, 500_000] {
        let body = numbered(length);
        for client in clients {
            let case = format!("{}, {length} bytes", client.name);
            let framing = Framing::until("\r\n\r\n");
            let peer = spawned(patient().framing(framing).source(response.clone())).expect(1);
            let url = peer.url("/");
            let answers = (client.call)(&[Call { method: "POST", url, body: Body::Sized(&body) }]);
            assert_answers(&case, &answers, &[&answer]);
            let journal = finished(peer);
            let exchange = journal.exchanges().next().expect("one was expected");
            assert!(exchange.request().bytes().ends_with(b"\r\n\r\n"), "{case}");
            same_bytes(exchange.trailing(), &body, &case);
        }
    }
}

fn several_clients_ask_the_same_peer_at_once(clients: &[HttpClient]) {
    let peer = spawned(patient().source(HELLO));
    std::thread::scope(|scope| {
        for client in clients {
            let calls: Vec<_> = (0..3).map(|_| get(peer.url("/"))).collect();
            scope.spawn(move || {
                for call in calls {
                    assert_answers(client.name, &(client.call)(&[call]), &[b"hello"]);
                }
            });
        }
    });
    assert_eq!(finished(peer).exchanges().count(), 3 * clients.len());
}

/// How many peers a client meets, one after another.
const PEERS: usize = 300;

/// A peer whose answer is its number, and which keeps its connections.
fn numbered_peer(number: usize) -> fake_peer::Peer {
    spawned(patient().source(fake_peer::http::ok(number.to_string()).keep_alive()))
}

#[test]
fn a_pooled_agent_of_ureq_never_meets_an_earlier_peer() {
    let agent = ureq::Agent::new_with_defaults();
    for number in 0..PEERS {
        let peer = numbered_peer(number);
        for _ in 0..2 {
            let mut answer = agent.get(peer.url("/")).call().expect("an answer");
            let body = answer.body_mut().read_to_string().expect("a body");
            assert_eq!(body, number.to_string());
        }
        assert_eq!(finished(peer).exchanges_per_connection(), [2], "peer {number}: it is kept");
    }
}

/// The pool is the one of reqwest.
#[tokio::test]
async fn a_pooled_client_of_hyper_never_meets_an_earlier_peer() {
    let client = Client::builder(TokioExecutor::new()).build_http::<String>();
    for number in 0..PEERS {
        let peer = numbered_peer(number);
        for _ in 0..2 {
            let uri = peer.url("/").parse().expect("a URL");
            let mut body = client.get(uri).await.expect("an answer").into_body();
            let mut text = Vec::new();
            while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await
            {
                text.extend(frame.expect("a body").into_data().expect("no trailers"));
            }
            assert_eq!(String::from_utf8_lossy(&text), number.to_string());
        }
        let journal = peer.finish_async().await.expect("nothing is wrong");
        assert_eq!(journal.exchanges().count(), 2, "peer {number}");
    }
}
