//! How HTTP clients react to faults: a table of real clients, each with each fault, as Markdown. The one in the
//! documentation of `fake_peer::faults` was made with it.
//!
//! ```sh
//! cargo run -p fake-peer-clients --example clients_and_faults > src/faults/clients.md    # a minute
//! cargo run -p fake-peer-clients --example clients_and_faults Hold 'cut(41'   # the faults whose names have one of these in them
//! ```
//!
//! Programs that are not installed are left out, and named on stderr.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::convert::Infallible;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::io::Read;
use std::pin::Pin;
use std::process::{Command, Stdio};
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use fake_peer::faults::{self, Unserved};
use fake_peer::{Ending, Journal, Response, TcpServer, garbage, http};
use hyper::body::{Bytes, Frame};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::rt::TokioExecutor;

/// How long a client waits for anything.
const PATIENCE: Duration = Duration::from_secs(1);

/// For a client that waits longer than its timeout.
const NO_PATIENCE: Duration = Duration::from_secs(8);

const UPLOAD: usize = 4 << 20;

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let is_wanted = |scene: &Scene| {
        wanted.is_empty() || wanted.iter().any(|part| scene.name.contains(part.as_str()))
    };
    print!("{}", table(scenes().into_iter().filter(is_wanted)));
}

fn table(scenes: impl Iterator<Item = Scene>) -> String {
    let clients: Vec<_> = clients()
        .into_iter()
        .filter_map(|client| {
            let version = (client.version)();
            if version.is_none() {
                eprintln!("{} is not installed", client.name);
            }
            version.map(|version| (client, version))
        })
        .collect();
    let mut table = String::from(INTRODUCTION);
    let names: Vec<_> =
        clients.iter().map(|(client, version)| format!("{} {version}", client.name)).collect();
    let _ = writeln!(table, "\n| fault | {} |", names.join(" | "));
    let _ = writeln!(table, "|---|{}", "---|".repeat(names.len()));
    for scene in scenes {
        // Clients spend their time waiting: all run at once, each with a peer of its own.
        let cells: Vec<String> = thread::scope(|scope| {
            let outcomes: Vec<_> =
                clients.iter().map(|(client, _)| scope.spawn(|| scene.play(client))).collect();
            outcomes.into_iter().map(|outcome| outcome.join().expect("no panic")).collect()
        });
        let _ = writeln!(table, "| {} | {} |", scene.name, cells.join(" | "));
    }
    table
}

const INTRODUCTION: &str = "\
# How clients react

Each client asks once, for a body of `hello`, with its default settings and a timeout of one second. *whole* means status 200 and
the body. **part** means that the client took a part of the body for all of it. Other cells show a status and the body that the
client read, or how it failed. The number of connections is given where a client tried again; wget was allowed to try once more.

The table is written by `tests/clients/examples/clients_and_faults.rs`. Other versions of the clients may differ. After
`reset_on_accept()` a client sees the reset while it connects, sends or reads, and may report a refused connection, a reset or
another error. Node's failures also differ between runs where a connection is closed or reset early.
";

/// One fault, and the request that a client makes.
struct Scene {
    name: String,
    method: Method,
    place: Place,
}

#[derive(Clone, Copy, PartialEq)]
enum Method {
    Get,
    Put,
}

enum Place {
    Peer(Box<Response>),
    Unserved(fn() -> std::io::Result<Unserved>),
}

impl Scene {
    fn get(name: &str, response: impl Into<Response>) -> Self {
        Scene {
            name: format!("`{name}`"),
            method: Method::Get,
            place: Place::Peer(Box::new(response.into())),
        }
    }

    fn put(name: &str, response: impl Into<Response>) -> Self {
        let name = format!("`{name}`, to a `PUT` of 4 MiB");
        Scene { name, method: Method::Put, place: Place::Peer(Box::new(response.into())) }
    }

    fn unserved(name: &str, unserved: fn() -> std::io::Result<Unserved>) -> Self {
        let name = format!("`Unserved::{name}()`");
        Scene { name, method: Method::Get, place: Place::Unserved(unserved) }
    }

    /// The result of a client, in a few words.
    fn play(&self, client: &Client) -> String {
        match &self.place {
            Place::Unserved(unserved) => match unserved() {
                Ok(unserved) => (client.ask)(&unserved.url("/"), self.method).to_string(),
                Err(error) => format!("({error})"),
            },
            Place::Peer(response) => {
                let peer = TcpServer::builder()
                    .timeout(NO_PATIENCE)
                    .linger(Duration::from_millis(200))
                    .source(Response::clone(response))
                    .spawn()
                    .expect("a free port");
                let outcome = (client.ask)(&peer.url("/"), self.method);
                let connections = connections(&peer.journal());
                // Faults make exchanges fail: that is expected.
                let _ = peer.finish();
                if connections > 1 {
                    format!("{outcome}, {connections} connections")
                } else {
                    outcome.to_string()
                }
            }
        }
    }
}

fn connections(journal: &Journal) -> usize {
    journal.connections().len()
}

fn scenes() -> Vec<Scene> {
    let hello = || http::ok("hello");
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n".len() as u64;
    let chunked = || {
        Response::from(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        )
    };
    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel".len() as u64;
    let mut scenes = vec![
        Scene::get("http::ok(\"hello\")", hello()),
        Scene::unserved("refused", Unserved::refused),
        Scene::unserved("full_backlog", Unserved::full_backlog),
        Scene::unserved("never_accepted", Unserved::never_accepted),
        Scene::get("close_on_accept()", faults::close_on_accept()),
        Scene::get("reset_on_accept()", faults::reset_on_accept()),
        Scene::put("never_read()", faults::never_read()),
        Scene::put(
            "stop_reading_after(1000, Ending::Close)",
            faults::stop_reading_after(1000, Ending::Close),
        ),
        Scene::put(
            "stop_reading_after(1000, Ending::Reset)",
            faults::stop_reading_after(1000, Ending::Reset),
        ),
        Scene::put("early(http::ok(\"hello\"))", faults::early(hello())),
        Scene::put("never_continue()", faults::never_continue()),
        Scene::get("no_answer(Ending::Close)", faults::no_answer(Ending::Close)),
        Scene::get("no_answer(Ending::Reset)", faults::no_answer(Ending::Reset)),
        Scene::get("no_answer(Ending::Hold)", faults::no_answer(Ending::Hold)),
    ];
    for ending in [Ending::Close, Ending::Reset, Ending::Hold] {
        let name = format!("cut(20, Ending::{ending:?})` in the head `");
        scenes.push(Scene::get(name.trim_end_matches(" `"), hello().cut(20, ending)));
    }
    for ending in [Ending::Close, Ending::Reset, Ending::HalfClose, Ending::Hold] {
        let name = format!("cut({}, Ending::{ending:?})", head + 3);
        scenes.push(Scene::get(&name, hello().cut(head + 3, ending)));
    }
    for ending in [Ending::Close, Ending::Reset] {
        let name = format!("cut({chunks}, Ending::{ending:?})` of a chunked body");
        scenes.push(Scene::get(&name, chunked().cut(chunks, ending)));
    }
    let no_length = || Response::from("HTTP/1.1 200 OK\r\n\r\nhello");
    for ending in [Ending::Close, Ending::Reset] {
        let name = format!("cut(22, Ending::{ending:?})` of a body without a length");
        scenes.push(Scene::get(&name, no_length().cut(22, ending)));
    }
    scenes.push(Scene::get(
        "in_pieces(1, Duration::from_millis(1))",
        hello().in_pieces(1, Duration::from_millis(1)),
    ));
    scenes.push(Scene::get(
        "pause(Duration::from_secs(2))` first",
        Response::new()
            .pause(2 * PATIENCE)
            .send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
    ));
    for case in garbage::all() {
        // The large ones, and those about other methods, show little here.
        if case.name().ends_with("(\"hello\")") && !case.name().contains("body_on") {
            let name = case.name().trim_start_matches("garbage::").to_owned();
            scenes.push(Scene::get(&format!("garbage::{name}"), case));
        }
    }
    for scene in &mut scenes {
        // A remark after the code has no closing mark of its own.
        if scene.name.matches('`').count() % 2 == 1 {
            scene.name.pop();
        }
    }
    scenes
}

/// How a client reacted.
enum Outcome {
    Answer { status: u16, body: Vec<u8> },
    Failure(String),
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Outcome::Answer { status: 200, body } if body == b"hello" => f.write_str("whole"),
            Outcome::Answer { status: 200, body } if b"hello".starts_with(body) => {
                write!(f, "**part**: {} of 5", body.len())
            }
            Outcome::Answer { status, body } if body.is_empty() => write!(f, "{status}, no body"),
            Outcome::Answer { status, body } => {
                let shown = body[..body.len().min(24)].escape_ascii().to_string();
                write!(f, "{status}: `{}`", shown.replace('|', "\\|").replace('`', "'"))
            }
            Outcome::Failure(text) => f.write_str(in_a_word(text)),
        }
    }
}

/// The kind of failure that a client's message describes.
fn in_a_word(text: &str) -> &'static str {
    let text = text.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if says(&["without a word"]) {
        "nothing"
    // Here curl says that it could not connect for no other reason.
    } else if says(&["refused", "couldn't connect"]) {
        "refused"
    } else if says(&[
        "timed out",
        "timeout",
        "elapsed",
        "time out",
        "stalled",
        "would block",
        "temporarily",
    ]) {
        "timeout"
    } else if says(&["reset", "broken pipe", "aborted", "send failure"]) {
        "reset"
    } else if says(&[
        "closed",
        "eof",
        "incomplete",
        "end of file",
        "empty reply",
        "no data",
        "remaining",
        "prematurely",
        "other side",
        "disconnect",
        "terminated",
        "unexpected end",
        "server closed",
        "(52)",
        "(18)",
    ]) {
        "early end"
    } else {
        "error"
    }
}

/// The whole chain of causes.
fn failure(error: &(dyn Error + 'static)) -> Outcome {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    Outcome::Failure(text)
}

struct Client {
    name: &'static str,
    /// `None` where it is not installed.
    version: fn() -> Option<String>,
    ask: fn(&str, Method) -> Outcome,
}

fn clients() -> Vec<Client> {
    vec![
        Client { name: "ureq", version: || locked("ureq"), ask: ureq },
        Client { name: "hyper-util", version: || locked("hyper-util"), ask: hyper_util },
        Client { name: "minreq", version: || locked("minreq"), ask: minreq },
        Client { name: "curl", version: || version("curl", &["--version"], 1), ask: curl },
        Client { name: "wget", version: || version("wget", &["--version"], 2), ask: wget },
        Client {
            name: "Python http.client",
            version: || version("python3", &["--version"], 1),
            ask: python,
        },
        Client { name: "Node fetch", version: || version("node", &["--version"], 0), ask: node },
    ]
}

fn ureq(url: &str, method: Method) -> Outcome {
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        .proxy(None)
        .http_status_as_error(false)
        .build();
    let agent = ureq::Agent::new_with_config(config);
    let answered = match method {
        Method::Get => agent.get(url).call(),
        Method::Put => agent.put(url).send(&vec![b'x'; UPLOAD][..]),
    };
    match answered {
        Ok(mut answer) => match answer.body_mut().read_to_vec() {
            Ok(body) => Outcome::Answer { status: answer.status().as_u16(), body },
            Err(error) => failure(&error),
        },
        Err(error) => failure(&error),
    }
}

fn minreq(url: &str, method: Method) -> Outcome {
    let request = match method {
        Method::Get => minreq::get(url),
        Method::Put => minreq::put(url).with_body(vec![b'x'; UPLOAD]),
    };
    match request.with_timeout(PATIENCE.as_secs()).send() {
        Ok(answer) => Outcome::Answer {
            status: u16::try_from(answer.status_code).unwrap_or(0),
            body: answer.as_bytes().to_vec(),
        },
        Err(error) => failure(&error),
    }
}

fn hyper_util(url: &str, method: Method) -> Outcome {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let asking = async {
        let client = HyperClient::builder(TokioExecutor::new()).build_http();
        let (method, body) = match method {
            Method::Get => ("GET", None),
            Method::Put => ("PUT", Some(Bytes::from(vec![b'x'; UPLOAD]))),
        };
        let request = hyper::Request::builder().method(method).uri(url).body(Whole(body));
        let mut answer = match client.request(request.expect("a request")).await {
            Ok(answer) => answer,
            Err(error) => return failure(&error),
        };
        let mut body = Vec::new();
        loop {
            let frame = std::future::poll_fn(|context| {
                hyper::body::Body::poll_frame(Pin::new(answer.body_mut()), context)
            });
            match frame.await {
                None => return Outcome::Answer { status: answer.status().as_u16(), body },
                Some(Ok(frame)) => {
                    body.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
                }
                Some(Err(error)) => return failure(&error),
            }
        }
    };
    let timeout = || Outcome::Failure("timeout".into());
    runtime.block_on(async {
        tokio::time::timeout(PATIENCE, asking).await.unwrap_or_else(|_| timeout())
    })
}

/// A body in one piece.
struct Whole(Option<Bytes>);

impl hyper::body::Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        hyper::body::SizeHint::with_exact(self.0.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

fn curl(url: &str, method: Method) -> Outcome {
    let mut command = Command::new("curl");
    command.args(["-q", "-sS", "--noproxy", "*", "--max-time", "1", "-w", "%{http_code}"]);
    if method == Method::Put {
        command.args(["-T", "-"]).arg("-H").arg(format!("Content-Length: {UPLOAD}"));
        command.args(["-H", "Transfer-Encoding:"]);
    }
    with_status(run(command.arg(url), method))
}

fn wget(url: &str, method: Method) -> Outcome {
    let upload = tempfile::NamedTempFile::new().expect("a temporary file");
    let mut command = Command::new("wget");
    command.args(["--no-config", "--no-proxy", "--tries=2", "--timeout=1", "--waitretry=0"]);
    command.args(["-S", "-nv", "-O", "-"]);
    if method == Method::Put {
        fs::write(upload.path(), vec![b'x'; UPLOAD]).expect("room");
        command.arg("--method=PUT").arg(format!("--body-file={}", upload.path().display()));
    }
    // This client reports everything but success as an error.
    match run(command.arg(url), Method::Get) {
        Ok(body) => Outcome::Answer { status: 200, body },
        Err(text) => Outcome::Failure(text),
    }
}

fn python(url: &str, method: Method) -> Outcome {
    const SCRIPT: &str = r#"
import http.client, sys, urllib.parse
url = urllib.parse.urlsplit(sys.argv[1])
connection = http.client.HTTPConnection(url.hostname, url.port, timeout=1)
body = b"x" * int(sys.argv[3]) if sys.argv[2] == "PUT" else None
connection.request(sys.argv[2], url.path, body=body)
answer = connection.getresponse()
sys.stdout.buffer.write(answer.read() + b"%03d" % answer.status)
"#;
    let mut command = Command::new("python3");
    let name = if method == Method::Put { "PUT" } else { "GET" };
    with_status(run(command.args(["-c", SCRIPT, url, name, &UPLOAD.to_string()]), Method::Get))
}

fn node(url: &str, method: Method) -> Outcome {
    const SCRIPT: &str = r#"
const [url, method, size] = process.argv.slice(1);
const body = method === "PUT" ? Buffer.alloc(Number(size), "x") : undefined;
fetch(url, { method, body, signal: AbortSignal.timeout(1000) })
    .then(async (answer) => {
        const bytes = Buffer.from(await answer.arrayBuffer());
        process.stdout.write(Buffer.concat([bytes, Buffer.from(String(answer.status))]));
    })
    .catch((error) => {
        console.error(String(error), String(error.cause), String(error.cause?.code));
        process.exitCode = 1;
    });
"#;
    let mut command = Command::new("node");
    let name = if method == Method::Put { "PUT" } else { "GET" };
    with_status(run(command.args(["-e", SCRIPT, url, name, &UPLOAD.to_string()]), Method::Get))
}

/// The output of a client that writes the body and three digits of status.
fn with_status(output: Result<Vec<u8>, String>) -> Outcome {
    match output {
        Ok(mut body) => {
            let digits = body.split_off(body.len().saturating_sub(3));
            let status = std::str::from_utf8(&digits).ok().and_then(|digits| digits.parse().ok());
            match status {
                Some(status) => Outcome::Answer { status, body },
                None => Outcome::Failure("it ended without a word".into()),
            }
        }
        Err(text) => Outcome::Failure(text),
    }
}

/// Runs a client. Returns what it wrote to stdout, or to stderr if it failed. With `PUT` it reads the body from stdin.
fn run(command: &mut Command, method: Method) -> Result<Vec<u8>, String> {
    let stdin = if method == Method::Put { Stdio::piped() } else { Stdio::null() };
    let spawned = command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = spawned.expect("it said its version");
    if let Some(mut stdin) = child.stdin.take() {
        thread::spawn(move || {
            // A client that has failed reads no more.
            let _ = std::io::Write::write_all(&mut stdin, &vec![b'x'; UPLOAD]);
        });
    }
    let mut errors = child.stderr.take().expect("piped");
    let said = thread::spawn(move || {
        let mut text = Vec::new();
        let _ = errors.read_to_end(&mut text);
        text
    });
    let mut output = child.stdout.take().expect("piped");
    let answered = thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = output.read_to_end(&mut bytes);
        bytes
    });
    let start = Instant::now();
    let status = loop {
        match child.try_wait().expect("a child") {
            Some(status) => break status,
            None if start.elapsed() > NO_PATIENCE => {
                let _ = child.kill();
            }
            None => thread::sleep(Duration::from_millis(5)),
        }
    };
    let (said, output) = (said.join().expect("no panic"), answered.join().expect("no panic"));
    if status.success() { Ok(output) } else { Err(String::from_utf8_lossy(&said).into_owned()) }
}

/// The version of a crate that this was built with.
fn locked(name: &str) -> Option<String> {
    let lock = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock");
    let lock = fs::read_to_string(lock).ok()?;
    let (_, package) = lock.split_once(&format!("name = \"{name}\"\nversion = \""))?;
    Some(package.split_once('"')?.0.to_owned())
}

/// One word of the version that a program prints.
fn version(program: &str, arguments: &[&str], word: usize) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.split_whitespace().nth(word)?.trim_start_matches('v').to_owned())
}
