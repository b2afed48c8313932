//! The program `tcpserver` with the HTTP clients that people have: each gets what the file says. Tests with a client that may
//! not be installed are ignored by default.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use fake_peer_test_support::programs::{
    Folder, RESPONSE, Tcpserver, assert_bytes, receive_all, send, text,
};

/// What follows the head of the tutorial's response.
const BODY: &str = "<html><body><h1>It works!</h1></body></html>\n";

/// A limit for every client.
const LIMIT: &str = "30";

/// Runs a client to its end.
#[track_caller]
fn run(program: &str, arguments: &[&str], stdin: Stdio) -> Output {
    Command::new("timeout")
        .args([LIMIT, program])
        .args(arguments)
        .stdin(stdin)
        .env_remove("http_proxy")
        .env("NO_PROXY", "*")
        .output()
        .unwrap_or_else(|error| panic!("failed to start {program}: {error}"))
}

/// The output of a client that has succeeded.
#[track_caller]
fn said(program: &str, arguments: &[&str]) -> String {
    let output = run(program, arguments, Stdio::null());
    assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
    String::from_utf8(output.stdout).expect("text")
}

fn url(program: &Tcpserver, path: &str) -> String {
    format!("http://{}{path}", program.addr)
}

#[track_caller]
fn assert_served(program: Tcpserver, case: &str) {
    let ended = program.end();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{case}: {}", ended.stdout);
}

/// How many connections the program reported.
#[track_caller]
fn connections(program: Tcpserver, case: &str) -> usize {
    let ended = program.end();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{case}: {}", ended.stdout);
    ended.stdout.matches("A client has connected").count()
}

#[test]
#[ignore = "needs curl"]
fn curl_uses_one_connection_for_three_requests() {
    let folder = Folder::new();
    let program = Tcpserver::start(&folder, ["--count", "3", "--keep-alive", "--lang", "en"]);
    let urls = ["/1", "/2", "/3"].map(|path| url(&program, path));
    let answer = said("curl", &["-sS", &urls[0], &urls[1], &urls[2]]);
    assert_eq!(answer, BODY.repeat(3));
    assert_eq!(connections(program, "curl"), 1);
}

#[test]
#[ignore = "needs curl"]
fn curl_posts_100_megabytes_and_every_byte_is_captured() {
    const LENGTH: u64 = 100_000_000;
    let folder = Folder::new();
    let block: Vec<u8> = (0..=u8::MAX).cycle().take(1_000_003).collect();
    let mut upload = File::create(folder.file("upload")).expect("a file");
    let mut left = usize::try_from(LENGTH).expect("small enough");
    while left > 0 {
        let length = left.min(block.len());
        upload.write_all(&block[..length]).expect("room for 100 MB");
        left -= length;
    }
    let program = Tcpserver::start(&folder, ["-q"]);
    let file = format!("@{}", folder.file("upload").display());
    // curl waits a second for a `100 Continue`, which is never sent, and goes on.
    let arguments = ["-sS", "-H", "Expect: 100-continue", "--data-binary", &file];
    let answer = said("curl", &[&arguments[..], &[&url(&program, "/")]].concat());
    assert_eq!(answer, BODY);
    assert_served(program, "100 MB");
    let mut head = Vec::new();
    let mut captured = std::io::BufReader::new(
        File::open(folder.file("server_recv.txt")).expect("a captured request"),
    );
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        captured.read_exact(&mut byte).expect("a whole head");
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"POST / HTTP/1.1\r\n"), "{}", text(&head));
    let needle = b"\r\nExpect: 100-continue\r\n";
    assert!(head.windows(needle.len()).any(|part| part == needle), "{}", text(&head));
    let mut body = Vec::new();
    captured.read_to_end(&mut body).expect("the body");
    let sent = std::fs::read(folder.file("upload")).expect("what was sent");
    assert!(body == sent, "{} bytes instead of {LENGTH}, or others", body.len());
}

#[test]
#[ignore = "needs curl"]
fn head_requests_keep_their_connection_when_the_file_has_no_body() {
    let folder = Folder::new();
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 45\r\n\r\n";
    folder.write("head", head.as_bytes());
    let arguments = ["--send", "head", "--count", "2", "--keep-alive", "--lang", "en"];
    let program = Tcpserver::start(&folder, arguments);
    let url = url(&program, "/");
    assert_eq!(said("curl", &["-sS", "--head", &url, &url]), head.repeat(2));
    let ended = program.end();
    assert_eq!(ended.code, Some(0));
    assert_eq!(ended.stdout.matches("A client has connected").count(), 1, "{}", ended.stdout);
    assert!(ended.stderr.contains("Content-Length says 45 bytes, but the body has 0"));
}

#[test]
#[ignore = "needs curl"]
fn curl_with_http_1_0_gets_its_close() {
    let folder = Folder::new();
    // The tutorial's response says that its connection is kept: curl would believe that, and try to use it.
    folder.write("old", b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi");
    let arguments = ["--send", "old", "--count", "2", "--keep-alive", "--lang", "en"];
    let program = Tcpserver::start(&folder, arguments);
    let url = url(&program, "/");
    assert_eq!(said("curl", &["-sS", "--http1.0", &url, &url]), "hihi");
    assert_eq!(connections(program, "HTTP/1.0"), 2);
}

#[test]
#[ignore = "needs curl"]
fn curl_goes_through_a_tunnel() {
    let folder = Folder::new();
    folder.write("established", b"HTTP/1.1 200 Connection established\r\n\r\n");
    folder.write("page", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
    let arguments = [
        "--send=established",
        "--send=page",
        "--count=2",
        "--keep-alive",
        "--recv={n}",
        "--lang=en",
    ];
    let program = Tcpserver::start(&folder, arguments);
    let proxy = url(&program, "");
    let answer =
        said("curl", &["-sS", "--noproxy", "", "-p", "-x", &proxy, "http://example.test/"]);
    assert_eq!(answer, "hi");
    assert_eq!(connections(program, "a tunnel"), 1);
    assert!(folder.read("1").starts_with(b"CONNECT example.test:80 HTTP/1.1\r\n"));
    assert!(folder.read("2").starts_with(b"GET / HTTP/1.1\r\n"));
}

#[test]
#[ignore = "needs curl"]
fn curl_uses_its_connection_to_an_http_1_0_proxy_again() {
    let folder = Folder::new();
    folder.write(
        "page",
        b"HTTP/1.0 200 OK\r\nProxy-Connection: keep-alive\r\nContent-Length: 2\r\n\r\nhi",
    );
    let arguments = ["--send=page", "--count=3", "--keep-alive", "--lang=en"];
    let program = Tcpserver::start(&folder, arguments);
    let (proxy, page) = (url(&program, ""), "http://example.test/");
    let answer = said("curl", &["-sS", "--noproxy", "", "-x", &proxy, page, page, page]);
    assert_eq!(answer, "hihihi");
    assert_eq!(connections(program, "HTTP/1.0"), 1);
}

#[test]
#[ignore = "needs curl"]
fn curl_takes_no_part_for_a_whole() {
    for (fault, code) in [("--cut=370", 18), ("--cut=370:reset", 56), ("--cut=0", 52)] {
        let folder = Folder::new();
        let program = Tcpserver::start(&folder, [fault, "-q"]);
        let output = run("curl", &["-sS", &url(&program, "/")], Stdio::null());
        assert_eq!(output.status.code(), Some(code), "{fault}: {output:?}");
        assert_served(program, fault);
    }
}

#[test]
#[ignore = "needs wget"]
fn wget_downloads_the_page() {
    let folder = Folder::new();
    let program = Tcpserver::start(&folder, ["--count", "2", "--keep-alive", "--lang", "en"]);
    let url = url(&program, "/");
    assert_eq!(said("wget", &["-qO-", "--no-proxy", &url, &url]), BODY.repeat(2));
    assert_eq!(connections(program, "wget"), 1);
}

#[test]
#[ignore = "needs python3"]
fn python_http_client_uses_a_connection_again() {
    const SCRIPT: &str = "
import http.client, sys
connection = http.client.HTTPConnection(sys.argv[1], timeout=20)
for number in range(3):
    connection.request('POST', f'/{number}', body=b'x' * number)
    response = connection.getresponse()
    assert response.status == 200 and response.getheader('ETag') == '\"2d-5913a76187bc0\"', response
    sys.stdout.write(response.read().decode())
";
    let folder = Folder::new();
    let program = Tcpserver::start(&folder, ["--count", "3", "--keep-alive", "--lang", "en"]);
    let answer = said("python3", &["-c", SCRIPT, &program.addr.to_string()]);
    assert_eq!(answer, BODY.repeat(3));
    assert_eq!(connections(program, "http.client"), 1);
}

#[test]
#[ignore = "needs python3 with requests"]
fn python_requests_gets_a_page_within_a_session_and_without() {
    const SCRIPT: &str = "
import requests, sys
session = requests.Session()
session.trust_env = False
for _ in range(2):
    sys.stdout.write(session.get(sys.argv[1], timeout=20).text)
session.close()
sys.stdout.write(requests.post(sys.argv[1], data={'a': 'b'}, timeout=20).text)
";
    let folder = Folder::new();
    let program = Tcpserver::start(&folder, ["--count", "3", "--keep-alive", "--lang", "en"]);
    assert_eq!(said("python3", &["-c", SCRIPT, &url(&program, "/")]), BODY.repeat(3));
    assert_eq!(connections(program, "requests"), 2);
    assert!(folder.request().ends_with(b"\r\n\r\na=b"), "{}", text(&folder.request()));
}

#[test]
#[ignore = "needs node with fetch"]
fn node_fetches_pages_side_by_side() {
    const SCRIPT: &str = "
Promise.all([1, 2, 3, 4].map(number => fetch(process.argv[1] + number).then(response => response.text())))
    .then(texts => process.stdout.write(texts.join('')));
";
    let folder = Folder::new();
    let program = Tcpserver::start(&folder, ["--count", "4", "--keep-alive", "-q"]);
    assert_eq!(said("node", &["-e", SCRIPT, &url(&program, "/")]), BODY.repeat(4));
    assert_served(program, "node");
}

#[test]
#[ignore = "needs ab"]
fn ab_is_served_with_kept_connections_and_without() {
    // Not with `--count`: ab may send more requests than it reports.
    for (kept, arguments) in [(0, &["-c", "8"][..]), (400, &["-k", "-c", "8"])] {
        let folder = Folder::new();
        let program = Tcpserver::start(&folder, ["--forever", "--keep-alive", "-q"]);
        let url = url(&program, "/");
        let report = said("ab", &[arguments, &["-q", "-n", "400", &url]].concat());
        let figure = |name: &str| {
            let line = report.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line[name.len()..].trim().parse().ok())
        };
        assert_eq!(figure("Complete requests:"), Some(400), "{report}");
        assert_eq!(figure("Failed requests:"), Some(0), "{report}");
        assert_eq!(figure("Keep-Alive requests:").unwrap_or(0), kept, "{report}");
        #[cfg(unix)]
        program.running.signal("INT");
        #[cfg(unix)]
        assert_eq!(program.end().code, Some(130));
    }
}

#[test]
#[ignore = "needs nc, ncat and socat"]
fn hello_from_nc_is_answered_though_it_has_no_line_end() {
    for client in ["nc", "ncat", "socat"] {
        let folder = Folder::new();
        folder.write("hello", b"hello");
        folder.write("hi", b"hi\n");
        let program = Tcpserver::start(&folder, ["--send", "hi", "-q"]);
        let (host, port) = (program.addr.ip().to_string(), program.addr.port().to_string());
        let peer = format!("TCP:{host}:{port}");
        let arguments = if client == "socat" { vec!["-", &peer] } else { vec![&*host, &*port] };
        let stdin = File::open(folder.file("hello")).expect("a file");
        let output = run(client, &arguments, stdin.into());
        assert_eq!(String::from_utf8_lossy(&output.stdout), "hi\n", "{client}: {output:?}");
        assert_served(program, client);
        assert_bytes(&folder.request(), b"hello", client);
    }
}

#[test]
fn a_client_that_sends_byte_by_byte_is_served_on_a_kept_connection() {
    let folder = Folder::new();
    let program = Tcpserver::start(&folder, ["--count", "2", "--keep-alive", "-q"]);
    let client = program.connect();
    for request in
        [&b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi"[..], b"GET / HTTP/1.1\r\n\r\n"]
    {
        for byte in request {
            send(&client, &[*byte]);
            // Long enough for a segment of its own.
            std::thread::sleep(Duration::from_micros(200));
        }
        let mut answer = vec![0; RESPONSE.len()];
        (&client).read_exact(&mut answer).expect("an answer");
        assert_bytes(&answer, RESPONSE, "byte by byte");
        assert_bytes(&folder.request(), request, "captured whole");
    }
    assert_bytes(&receive_all(&client), b"", "the end");
    drop(client);
    assert_served(program, "byte by byte");
}

#[test]
#[ignore = "needs curl"]
fn a_recorded_server_keeps_the_connection_of_curl() {
    let folder = Folder::new();
    let upstream = Tcpserver::start(&folder, ["--count", "2", "--keep-alive", "-q"]);
    let record = format!("--record={}", upstream.addr);
    let arguments = [&record, "--send", "page", "--count", "2", "--keep-alive", "--lang", "en"];
    let program = Tcpserver::start(&folder, arguments);
    let url = url(&program, "/");
    assert_eq!(said("curl", &["-sS", &url, &url]), BODY.repeat(2));
    assert_eq!(connections(program, "recorded"), 1, "what is relayed keeps its connection, too");
    assert_served(upstream, "upstream");
    assert_bytes(&folder.read("page"), RESPONSE, "recorded");
}
