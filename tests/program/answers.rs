//! The program `tcpserver` where it answers without a response file: `--status`, `--header`, `--body`, `--echo`, `--dir`. What the files
//! of a folder are answered with is in the library's tests.

use std::io::Read;
use std::net::{Shutdown, TcpStream};
use std::process::{Command, Stdio};
use std::thread;

use fake_peer_test_support::programs::{
    Folder, Running, Tcpserver, assert_bytes, receive_all, send, tcpserver,
};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: peer\r\n\r\n";

/// What one request gets from a program with these arguments, which ends without a word.
#[track_caller]
fn answer(folder: &Folder, arguments: &[&str], request: &[u8]) -> String {
    let program = Tcpserver::start(folder, arguments);
    let client = program.connect();
    send(&client, request);
    let answer = receive_all(&client);
    drop(client);
    let ended = program.end();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{arguments:?}");
    String::from_utf8(answer).expect("text")
}

#[track_caller]
fn expect(mut client: &TcpStream, expected: &str, case: &str) {
    let mut bytes = vec![0; expected.len()];
    client.read_exact(&mut bytes).unwrap_or_else(|error| panic!("{case}: {error}"));
    assert_bytes(&bytes, expected.as_bytes(), case);
}

#[test]
fn a_status_fields_and_a_body_are_enough_alone_and_together() {
    let folder = Folder::new();
    folder.write("page.json", b"{\"a\": 1}");
    folder.write("page", b"\0\xe3\x81\x82".repeat(3).as_slice());
    let text = "Content-Type: text/plain; charset=utf-8\r\n";
    for (arguments, expected) in [
        (
            &["--status", "503", "--header", "Retry-After: 1", "--body", "no"][..],
            format!("503 Service Unavailable\r\n{text}Content-Length: 2\r\nRetry-After: 1\r\n\r\nno"),
        ),
        (&["--status", "503"], "503 Service Unavailable\r\nContent-Length: 0\r\n\r\n".into()),
        (&["--status", "204"], "204 No Content\r\n\r\n".into()),
        (&["--status", "418 I Am Tired"], "418 I Am Tired\r\nContent-Length: 0\r\n\r\n".into()),
        (&["--header", "X-A:b"], "200 OK\r\nContent-Length: 0\r\nX-A: b\r\n\r\n".into()),
        (&["--body", "あ"], format!("200 OK\r\n{text}Content-Length: 3\r\n\r\nあ")),
        (&["--body", ""], "200 OK\r\nContent-Length: 0\r\n\r\n".into()),
        (&["--body", "-1"], format!("200 OK\r\n{text}Content-Length: 2\r\n\r\n-1")),
        (&["--body", "@@home"], format!("200 OK\r\n{text}Content-Length: 5\r\n\r\n@home")),
        (
            &["--body", "@page.json", "--status", "422"],
            "422 Unprocessable Content\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\n{\"a\": 1}".into(),
        ),
        // A field that is given replaces the program's, and may be there several times.
        (
            &["--body", "{}", "--header", "content-type: application/json"],
            "200 OK\r\nContent-Length: 2\r\ncontent-type: application/json\r\n\r\n{}".into(),
        ),
        (
            &["--header", "Set-Cookie: a=1", "--header", "Set-Cookie:  b=2 "],
            "200 OK\r\nContent-Length: 0\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\n".into(),
        ),
        (
            &["--body", "hi", "--header", "Content-Length: 99"],
            format!("200 OK\r\n{text}Content-Length: 99\r\n\r\nhi"),
        ),
        (
            &["--body", "@page.json", "--header", "Content-Length: 99"],
            "200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{\"a\": 1}".into(),
        ),
        (&["--header", "X-Empty:"], "200 OK\r\nContent-Length: 0\r\nX-Empty: \r\n\r\n".into()),
    ] {
        assert_eq!(answer(&folder, arguments, GET), format!("HTTP/1.1 {expected}"), "{arguments:?}");
    }
}

#[test]
fn head_is_answered_without_the_body() {
    let folder = Folder::new();
    folder.write("page.html", b"<p>");
    let head = b"HEAD / HTTP/1.1\r\nHost: peer\r\n\r\n";
    for arguments in [&["--body", "hi"][..], &["--body", "@page.html"], &["--echo"]] {
        let of_get = answer(&folder, arguments, GET);
        let of_head = answer(&folder, arguments, head);
        assert!(
            of_head.ends_with("\r\n\r\n") && of_head.contains("\r\nContent-Length: "),
            "{of_head}"
        );
        if arguments != ["--echo"] {
            assert!(of_get.starts_with(&of_head), "{of_get} after {of_head}");
        }
    }
}

#[test]
fn a_body_comes_from_stdin_and_stays_for_the_next_request() {
    let folder = Folder::new();
    folder.write("input", b"from stdin");
    let input = std::fs::File::open(folder.file("input")).expect("it was just written");
    let program = Tcpserver::run(
        tcpserver(&folder)
            .args(["--listen", "127.0.0.1:0", "--count", "2", "--body", "@-"])
            .stdin(Stdio::from(input)),
    );
    for _ in 0..2 {
        let client = program.connect();
        send(&client, GET);
        assert!(receive_all(&client).ends_with(b"Content-Length: 10\r\n\r\nfrom stdin"));
    }
    assert_eq!(program.end().code, Some(0));
}

#[test]
fn a_body_file_is_read_for_each_request() {
    let folder = Folder::new();
    folder.write("body.txt", b"one");
    let program =
        Tcpserver::start(&folder, ["--count", "2", "--keep-alive", "--body", "@body.txt"]);
    let client = program.connect();
    for body in ["one", "three"] {
        folder.write("body.txt", body.as_bytes());
        send(&client, GET);
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n";
        expect(&client, &format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()), body);
    }
    drop(client);
    assert_eq!(program.end().code, Some(0));
}

#[test]
fn the_echo_has_every_byte_of_the_request() {
    let folder = Folder::new();
    let all: Vec<u8> = (0..=u8::MAX).cycle().take(3_000_000).collect();
    let request = [
        format!("POST /x?y HTTP/1.1\r\nhOST:  peer \r\nContent-Length: {}\r\n\r\n", all.len())
            .as_bytes(),
        &all,
    ]
    .concat();
    let program =
        Tcpserver::start(&folder, ["--echo", "--header", "Access-Control-Allow-Origin: *"]);
    let client = program.connect();
    send(&client, &request);
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nAccess-Control-Allow-Origin: *\r\n\r\n",
        request.len()
    );
    assert_bytes(&receive_all(&client), &[head.as_bytes(), &request].concat(), "the echo");
    drop(client);
    assert_bytes(&folder.request(), &request, "the request");
    assert_eq!(program.end().code, Some(0));
}

#[test]
fn a_hundred_clients_get_each_their_own_echo_at_once() {
    const CLIENTS: usize = 100;
    let folder = Folder::new();
    let count = CLIENTS.to_string();
    let program =
        Tcpserver::start(&folder, ["--echo", "-q", "--count", &count, "--recv", "{n}.http"]);
    let clients: Vec<_> = (0..CLIENTS).map(|_| program.connect()).collect();
    thread::scope(|scope| {
        for (number, client) in clients.iter().enumerate() {
            scope.spawn(move || {
                let body = format!("{number:04}").repeat(5_000);
                let request = format!(
                    "POST /{number} HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                );
                send(client, request.as_bytes());
                let answer = receive_all(client);
                assert!(answer.ends_with(format!("\r\n\r\n{request}").as_bytes()), "{number}");
            });
        }
    });
    drop(clients);
    let ended = program.end();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
}

#[test]
fn connections_are_kept_open_with_every_kind_of_answer() {
    let folder = Folder::new();
    folder.write("index.html", b"<p>");
    folder.write("b.http", b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nb");
    let closes = "Connection: close";
    for arguments in [
        &["--body", "hi", "--header", closes][..],
        &["--status", "503", "--header", closes],
        &["--echo", "--header", closes],
        &["--dir", ".", "--header", closes],
        &["--send", "b.http,delay=1ms", "--send", "b.http"],
        #[cfg(unix)]
        &["--exec", "cat", "--", "b.http"],
    ] {
        // `ARGS` come last.
        let options =
            ["--count", "3", "--keep-open", "--linger", "100ms", "--timeout", "20s", "-q"];
        let program = Tcpserver::start(&folder, options.iter().chain(arguments));
        let client = program.connect();
        let mut first = Vec::new();
        for number in 0..3 {
            send(&client, GET);
            let answer = one_answer(&client);
            if number == 0 {
                first.clone_from(&answer);
            }
            assert_bytes(&answer, &first, &format!("{arguments:?}"));
        }
        drop(client);
        let ended = program.end();
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

/// A head, and as many bytes as its Content-Length says.
#[track_caller]
fn one_answer(mut client: &TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).expect("a whole head");
        bytes.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&bytes).into_owned();
    let (_, length) = head.split_once("Content-Length: ").expect("a length");
    let length = length.split("\r\n").next().and_then(|length| length.parse().ok());
    let mut body = vec![0; length.expect("a number")];
    client.read_exact(&mut body).expect("a whole body");
    bytes.extend(body);
    bytes
}

#[test]
fn faults_and_times_are_those_of_every_answer() {
    let folder = Folder::new();
    folder.write("index.html", b"<p>");
    for arguments in [&["--body", "hi"][..], &["--echo"], &["--dir", "."]] {
        let arguments =
            [arguments, &["--cut", "20", "--delay", "1ms", "--pieces", "7:1ms"]].concat();
        let answer = answer(&folder, &arguments, GET);
        assert_eq!(answer, "HTTP/1.1 200 OK\r\nCon", "{arguments:?}");
    }
}

#[test]
fn no_path_of_a_client_leads_out_of_the_folder() {
    let folder = Folder::new();
    std::fs::create_dir(folder.file("site")).expect("a folder of ours");
    folder.write("site/index.html", b"<p>");
    folder.write("secret", b"SECRET");
    #[cfg(unix)]
    for (target, link) in [("../secret", "site/link"), ("..", "site/up"), ("/etc", "site/etc")] {
        std::os::unix::fs::symlink(target, folder.file(link)).expect("a link of ours");
    }
    let long = format!("/{}", "a/".repeat(30_000));
    let targets: [&[u8]; 13] = [
        b"/../secret",
        b"/%2e%2e/secret",
        b"/%2e%2e%2fsecret",
        b"//etc/passwd",
        b"///etc/passwd",
        b"/etc/passwd",
        b"/index.html\0",
        b"/%00",
        b"/..\\secret",
        b"/..%5csecret",
        b"/link",
        b"/up/secret",
        long.as_bytes(),
    ];
    let count = targets.len().to_string();
    let program = Tcpserver::start(&folder, ["--dir", "site", "--count", &count, "-q"]);
    for target in targets {
        let client = program.connect();
        send(&client, &[b"GET ", target, b" HTTP/1.1\r\nHost: peer\r\n\r\n"].concat());
        let answer = receive_all(&client);
        let shown = target[..target.len().min(40)].escape_ascii();
        assert!(
            answer.starts_with(b"HTTP/1.1 404 Not Found\r\n"),
            "{shown}: {}",
            answer.escape_ascii()
        );
    }
    let ended = program.end();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
}

/// The one line that says what is wrong, before anything is opened: exit code 2.
#[track_caller]
fn wrong_usage(folder: &Folder, arguments: &[&str]) -> String {
    let ended = Running::start(tcpserver(folder).args(arguments)).end();
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (Some(2), ""),
        "{arguments:?}: {}",
        ended.stderr
    );
    let reason = ended
        .stderr
        .strip_prefix("tcpserver: failed to understand the arguments: ")
        .and_then(|rest| rest.strip_suffix("; `tcpserver --help` lists all options\n"));
    assert!(!folder.file("server_recv.txt").exists(), "{arguments:?}");
    reason.unwrap_or_else(|| panic!("{arguments:?}: {}", ended.stderr)).to_owned()
}

#[test]
fn wrong_values_are_told_with_right_ones() {
    let folder = Folder::new();
    folder.write("file", b"");
    std::fs::create_dir(folder.file("folder")).expect("a folder of ours");
    for status in ["", "x", "99", "2000", "-1", "+20", "503\r\nX: y", "503\u{1b}", " 503", "50 3"] {
        let reason = wrong_usage(&folder, &["--status", status]);
        let right = "is not a status from 100 to 999, such as 503 or '503 Come Back Later'";
        assert!(reason.starts_with("--status: `") && reason.ends_with(right), "{reason}");
    }
    for field in [
        "",
        "Retry-After 1",
        ": 1",
        "Retry After: 1",
        "X: a\r\nY: b",
        "X\n: a",
        "X: \u{1b}[31m",
        "あ: 1",
    ] {
        let reason = wrong_usage(&folder, &["--header", field]);
        let right = "is not one field of a header, 'Name: value', such as 'Retry-After: 1'";
        assert!(reason.starts_with("--header: `") && reason.ends_with(right), "{reason}");
    }
    for (arguments, start, right) in [
        (
            &["--body", "@nowhere"][..],
            "--body: `nowhere` is no file that can be read: ",
            "(text that begins with @ is written @@)",
        ),
        (
            &["--body", "@folder"],
            "--body: `folder` is a folder",
            "(--dir answers with the files of one)",
        ),
        (&["--body", "@"], "--body: `@` names no file", "(the text @ is @@)"),
        (
            &["--status", "204", "--body", "x"],
            "--body: a response with status 204 has no body ",
            "write it to a file for --send)",
        ),
        (&["--dir", "nowhere"], "--dir: `nowhere` is no folder that can be read: ", ""),
        (
            &["--dir", "file"],
            "--dir: `file` is no folder ",
            "(a single file is --body @FILE, or with its own head --send FILE)",
        ),
        (&["--dir", ""], "--dir needs a value: --dir FOLDER", ""),
        (&["--dir"], "--dir needs a value: --dir FOLDER", ""),
        (&["--body"], "--body needs a value: --body TEXT", ""),
        (&["--linger", "5"], "--linger: `5` is not a time, such as 250ms, 1.5s or 2m", ""),
        (
            &["--timeout", "0s"],
            "--timeout: `0s` is not a time of more than 0, such as 250ms, 1.5s or 2m",
            "",
        ),
    ] {
        let reason = wrong_usage(&folder, arguments);
        assert!(reason.starts_with(start) && reason.ends_with(right), "{arguments:?}: {reason}");
    }
}

#[test]
fn one_kind_of_answer_excludes_the_others_and_bytes_of_a_user_get_no_field() {
    let folder = Folder::new();
    folder.write("a.script", b"< hi");
    let own = "each is an answer of its own, give one";
    for (arguments, one, other) in [
        (&["--echo", "--body", "x"][..], "--body", "--echo"),
        (&["--echo", "--dir", "."], "--echo", "--dir"),
        (&["--status", "200", "--dir", "."], "--status", "--dir"),
        (&["--send", "server_send.txt", "--body", "x"], "--send", "--body"),
        (&["--record", "localhost:80", "--echo"], "--record", "--echo"),
        (&["--script", "a.script", "--status", "200"], "--script", "--status"),
        (&["--dir", ".", "--exec", "cat"], "--dir", "--exec"),
    ] {
        let expected = format!("{one} and {other} exclude each other: {own}");
        assert_eq!(wrong_usage(&folder, arguments), expected);
    }
    for arguments in [
        &["--send", "server_send.txt"][..],
        &["--exec", "cat"],
        &["--record", "localhost:80"],
        &["--script", "a.script"],
    ] {
        let reason = wrong_usage(&folder, &[arguments, &["--header", "X: y"]].concat());
        let option = arguments[0];
        let expected =
            format!("--header has no place beside {option}, whose bytes are never changed: ");
        assert!(reason.starts_with(&expected), "{reason}");
    }
}

#[test]
#[ignore = "needs curl, wget, python3 and nc"]
fn other_peoples_clients_get_files_echoes_and_statuses() {
    let folder = Folder::new();
    folder.write("index.html", b"<p>hi");
    std::fs::create_dir(folder.file("sub")).expect("a folder of ours");
    folder.write("sub/index.html", b"<p>sub");
    let python = "import sys, urllib.request, urllib.error\n\
        try: print(urllib.request.urlopen(sys.argv[1], timeout=30).read())\n\
        except urllib.error.HTTPError as error: print(error.code, error.headers['Retry-After'], error.read())";
    for (arguments, client, path, expected) in [
        (&["--dir", "."][..], &["curl", "-sS", "--max-time", "30"][..], "/", "<p>hi"),
        (&["--dir", ".", "--count", "2"], &["curl", "-sSL", "--max-time", "30"], "/sub", "<p>sub"),
        (&["--dir", ".", "--count", "2"], &["wget", "-qO-", "-T30", "-t1"], "/sub", "<p>sub"),
        (
            &["--dir", "."],
            &["curl", "-sS", "--path-as-is", "--max-time", "30"],
            "/../secret",
            "404 Not Found\n",
        ),
        (
            &["--status", "503", "--header", "Retry-After: 1", "--body", "no"],
            &["python3", "-c", python],
            "/",
            "503 1 b'no'\n",
        ),
        (
            &["--echo"],
            &[
                "curl",
                "-sS",
                "-d",
                "a=1",
                "-A",
                "",
                "-H",
                "Accept:",
                "-H",
                "Host: h",
                "--max-time",
                "30",
            ],
            "/x",
            "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\na=1",
        ),
    ] {
        let program = Tcpserver::start(&folder, arguments);
        let output = Command::new(client[0])
            .args(&client[1..])
            .arg(format!("http://{}{path}", program.addr))
            .env("NO_PROXY", "*")
            .output()
            .expect("the client can be started");
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{client:?}: {output:?}");
        assert_eq!(program.end().code, Some(0), "{client:?}");
    }
    let program = Tcpserver::start(&folder, ["--echo"]);
    let script = "printf hello | timeout 30 nc -N \"$0\" \"$1\"";
    let (host, port) = (program.addr.ip().to_string(), program.addr.port().to_string());
    let output = Command::new("sh").args(["-c", script, &host, &port]).output().expect("sh");
    assert!(output.stdout.ends_with(b"\r\n\r\nhello"), "{output:?}");
    assert_eq!(program.end().code, Some(0));
}

#[test]
fn a_client_that_ends_its_side_gets_the_echo_of_what_there_is() {
    let folder = Folder::new();
    let program = Tcpserver::start(&folder, ["--echo", "--framing", "eof"]);
    let client = program.connect();
    send(&client, b"\0\xffraw");
    client.shutdown(Shutdown::Write).expect("it is connected");
    assert!(receive_all(&client).ends_with(b"Content-Length: 5\r\n\r\n\0\xffraw"));
    drop(client);
    assert_eq!(program.end().code, Some(0));
}
