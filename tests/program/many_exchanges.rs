//! The program `tcpserver` with several exchanges, and where their bytes come from and go to: `--count`, `--forever`,
//! `--keep-alive`, several files, stdin and stdout, `--record`.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;

use assert_cmd::cargo::cargo_bin_cmd;
use fake_peer_test_support::programs::{
    Folder, PATIENCE, RESPONSE, Running, Tcpserver, assert_bytes, connect, receive_all, send,
    tcpserver,
};
use predicates::prelude::*;

const GET: &[u8] = b"GET / HTTP/1.1\r\n\r\n";
const KEPT: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

#[track_caller]
fn ask(program: &Tcpserver, request: &[u8]) -> Vec<u8> {
    let client = program.connect();
    send(&client, request);
    receive_all(&client)
}

#[track_caller]
fn expect(mut client: &TcpStream, expected: &[u8], case: &str) {
    let mut bytes = vec![0; expected.len()];
    client.read_exact(&mut bytes).unwrap_or_else(|error| panic!("{case}: {error}"));
    assert_bytes(&bytes, expected, case);
}

fn folder_with(files: &[(&str, &[u8])]) -> Folder {
    let folder = Folder::new();
    for (name, bytes) in files {
        folder.write(name, bytes);
    }
    folder
}

#[test]
fn the_kth_exchange_has_the_kth_file_and_the_last_one_repeats() {
    let folder = folder_with(&[("a", b"first"), ("b", b"second")]);
    let program = Tcpserver::start(&folder, ["--count", "3", "--send", "a", "--send", "b", "-q"]);
    for expected in ["first", "second", "second"] {
        assert_bytes(&ask(&program, GET), expected.as_bytes(), expected);
    }
    let ended = program.end();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
}

#[test]
fn each_request_can_have_a_file_of_its_own() {
    let folder = Folder::new();
    let program = Tcpserver::start(&folder, ["--count", "2", "--recv", "{n}-of-{n}.http", "-q"]);
    ask(&program, b"GET /1 HTTP/1.1\r\n\r\n");
    ask(&program, b"GET /2 HTTP/1.1\r\n\r\n");
    assert_eq!(program.end().code, Some(0));
    assert_bytes(&folder.read("1-of-1.http"), b"GET /1 HTTP/1.1\r\n\r\n", "the first");
    assert_bytes(&folder.read("2-of-2.http"), b"GET /2 HTTP/1.1\r\n\r\n", "the second");
}

#[test]
fn requests_on_stdout_have_it_for_themselves() {
    let folder = Folder::new();
    let mut running = Running::start(tcpserver(&folder).args([
        "--listen",
        "127.0.0.1:0",
        "--recv",
        "-",
        "--count",
        "2",
        "--lang",
        "en",
    ]));
    let line = running.stderr_line();
    assert_eq!(line.as_deref(), Some("=== Starting the server ===\n"));
    let program = Tcpserver::listening(running);
    ask(&program, b"GET /1 HTTP/1.1\r\n\r\n");
    ask(&program, b"GET /2 HTTP/1.1\r\n\r\n");
    let ended = program.running.end();
    assert_eq!(ended.stdout, "GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n");
    assert!(ended.stderr.starts_with("=== Starting the server ===\ntcpserver: listening on "));
    assert!(ended.stderr.ends_with("=== Stopping the server ===\n"), "{:?}", ended.stderr);
    assert_eq!(ended.code, Some(0));
    assert!(!folder.file("-").exists() && !folder.file("server_recv.txt").exists());
}

#[test]
fn a_request_on_stdout_can_be_read_before_the_next_one_comes() {
    let folder = Folder::new();
    let arguments = "--listen 127.0.0.1:0 --count 2 --framing exactly:4 --recv - --quiet";
    let mut running =
        Running::start_with_stdout(tcpserver(&folder).args(arguments.split(' ')), Stdio::piped());
    let mut stdout = running.take_stdout();
    let (read, is_read) = mpsc::channel();
    thread::spawn(move || {
        let mut request = [0; 4];
        while stdout.read_exact(&mut request).is_ok() && read.send(request).is_ok() {}
    });
    let program = Tcpserver::listening(running);
    for request in [b"ping", b"pong"] {
        assert_bytes(&ask(&program, request), RESPONSE, "the response");
        // It has no line end.
        assert_eq!(is_read.recv_timeout(PATIENCE).as_ref(), Ok(request));
    }
    assert_eq!(program.end().code, Some(0));
}

#[test]
fn stdin_is_the_response_and_is_kept_for_the_next_exchange() {
    for (count, repeats) in [("1", 1), ("3", 3)] {
        let folder = Folder::new();
        std::fs::write(folder.file("stdin"), KEPT).expect("a file");
        let stdin = std::fs::File::open(folder.file("stdin")).expect("a file");
        let program = Tcpserver::run(
            tcpserver(&folder)
                .args(["--listen", "127.0.0.1:0", "--send", "-", "--count", count])
                .stdin(stdin),
        );
        for _ in 0..repeats {
            assert_bytes(&ask(&program, GET), KEPT, count);
        }
        assert_eq!(program.end().code, Some(0), "{count}");
    }
}

#[test]
fn stdin_leaves_as_it_comes_where_it_is_needed_once() {
    let folder = Folder::new();
    let mut cat = Command::new("cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("cat can be started");
    let mut pipe = cat.stdin.take().expect("it is piped");
    let program = Tcpserver::run(
        tcpserver(&folder)
            .args(["--listen", "127.0.0.1:0", "--send", "-"])
            .stdin(cat.stdout.take().expect("it is piped")),
    );
    let client = program.connect();
    send(&client, GET);
    for piece in [b"one ", b"two "] {
        pipe.write_all(piece).expect("room");
        expect(&client, piece, "while stdin is open");
    }
    drop(pipe);
    assert_bytes(&receive_all(&client), b"", "the end of stdin");
    drop(client);
    cat.wait().expect("cat ends");
    assert_eq!(program.end().code, Some(0));
}

#[test]
fn a_connection_is_kept_open_whatever_the_response_says() {
    // Neither response says where it ends, so with --keep-alive the connection would end after the first one.
    let folder = folder_with(&[("line", b"250 ok\r\n")]);
    let program = Tcpserver::start(
        &folder,
        ["--count", "2", "--keep-open", "--framing", "until:\\r\\n", "--send", "line"],
    );
    let client = program.connect();
    for _ in 0..2 {
        send(&client, b"NOOP\r\n");
        expect(&client, b"250 ok\r\n", "kept open");
    }
    drop(client);
    assert_eq!(program.end().code, Some(0));
}

#[test]
fn a_kept_connection_has_one_exchange_after_another() {
    let folder = folder_with(&[("kept", KEPT)]);
    let program = Tcpserver::start(
        &folder,
        ["--count", "4", "--keep-alive", "--send", "kept", "--lang", "en"],
    );
    let client = program.connect();
    for _ in 0..2 {
        send(&client, GET);
        expect(&client, KEPT, "kept");
    }
    // It closes before everything is served: the next connection goes on.
    drop(client);
    let client = program.connect();
    send(&client, b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n");
    assert_bytes(&receive_all(&client), KEPT, "closed when asked to");
    let last = program.connect();
    send(&last, GET);
    // The last exchange ends its connection, also with --keep-alive.
    assert_bytes(&receive_all(&last), KEPT, "the last one");
    let ended = program.end();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert_eq!(ended.stdout.matches("A client has connected").count(), 3, "{}", ended.stdout);
}

#[test]
fn a_response_without_a_length_is_followed_by_the_close() {
    let folder = folder_with(&[("none", b"HTTP/1.1 200 OK\r\n\r\nall of it")]);
    let program = Tcpserver::start(&folder, ["--count", "2", "--keep-alive", "--send", "none"]);
    for _ in 0..2 {
        assert_bytes(&ask(&program, GET), b"HTTP/1.1 200 OK\r\n\r\nall of it", "closed");
    }
    assert_eq!(program.end().code, Some(0));
}

#[test]
fn idle_and_draining_connections_block_nobody() {
    let folder = folder_with(&[("kept", KEPT)]);
    let program = Tcpserver::start(&folder, ["--count", "40", "--keep-alive", "--send", "kept"]);
    let _silent: Vec<_> = (0..5).map(|_| program.connect()).collect();
    let kept: Vec<_> = (0..20).map(|_| program.connect()).collect();
    for _ in 0..2 {
        for client in &kept {
            send(client, GET);
        }
        for client in &kept {
            expect(client, KEPT, "side by side");
        }
    }
    for client in &kept {
        assert_bytes(&receive_all(client), b"", "everything is drained");
    }
    assert_eq!(program.end().code, Some(0));
}

#[test]
fn a_failed_exchange_is_told_at_once_and_makes_the_exit_code_1() {
    let folder = Folder::new();
    let mut program = Tcpserver::start(
        &folder,
        ["--count", "2", "--send", "missing", "--send", "server_send.txt"],
    );
    let note = program.running.stderr_line().expect("a note");
    assert!(note.contains("`missing`がまだありません"), "{note}");
    assert_bytes(&ask(&program, GET), b"", "no answer");
    let told = program.running.stderr_line().expect("an error");
    assert!(told.starts_with("tcpserver: failed to ") && told.contains("`missing`"), "{told}");
    assert_bytes(&ask(&program, GET), RESPONSE, "the next one");
    let ended = program.running.end();
    assert_eq!(ended.code, Some(1));
    assert_eq!(ended.stderr.lines().count(), 3, "told once: {}", ended.stderr);
}

#[cfg(unix)]
#[test]
fn ctrl_c_lets_the_exchange_in_flight_end() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let folder = Folder::new();
        let program = Tcpserver::start(&folder, ["--forever", "-q"]);
        assert_bytes(&ask(&program, GET), RESPONSE, "the first");
        let client = program.connect();
        send(&client, &GET[..5]);
        folder.wait_for_request(&GET[..5]);
        let _idle = program.connect();
        program.running.signal(signal);
        send(&client, &GET[5..]);
        assert_bytes(&receive_all(&client), RESPONSE, signal);
        drop(client);
        assert_eq!(program.end().code, Some(code));
        assert_bytes(&folder.request(), GET, "the captured request");
    }
}

#[cfg(unix)]
#[test]
fn a_second_ctrl_c_ends_at_once() {
    let folder = Folder::new();
    let mut program = Tcpserver::start(&folder, ["--count", "3", "--lang", "en"]);
    let client = program.connect();
    send(&client, &GET[..5]);
    folder.wait_for_request(&GET[..5]);
    program.running.signal("INT");
    let note = program.running.stderr_line().expect("a note");
    assert_eq!(note, "tcpserver: waiting for exchanges in progress; Ctrl-C ends them at once\n");
    program.running.signal("INT");
    let ended = program.running.end();
    assert_eq!(ended.code, Some(130));
    assert!(ended.stdout.ends_with("=== Stopping the server ===\n"), "{}", ended.stdout);
}

#[cfg(unix)]
#[test]
fn ctrl_c_while_nothing_happens_ends_at_once() {
    let folder = Folder::new();
    let program = Tcpserver::start(&folder, ["--forever", "--keep-alive"]);
    let client = program.connect();
    send(&client, GET);
    expect(&client, RESPONSE, "kept");
    program.running.signal("INT");
    assert_bytes(&receive_all(&client), b"", "the kept connection is closed");
    let ended = program.end();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(130), ""));
}

#[test]
fn a_real_servers_response_is_recorded_as_it_is_and_replayed() {
    // `apache` has the same test with a real server.
    let folder = folder_with(&[("page", b"HTTP/1.0 200 Fine\nServer: odd\n\n\x00\xff")]);
    let upstream = Tcpserver::start(&folder, ["--send", "page", "--recv", "forwarded", "-q"]);
    let record = format!("--record={}", upstream.addr);
    let program = Tcpserver::start(&folder, [&record, "--send", "record"]);
    let page = folder.read("page");
    let upload =
        [&b"POST /x HTTP/1.1\r\nContent-Length: 3000000\r\n\r\n"[..], &vec![b'u'; 3_000_000]]
            .concat();
    assert_bytes(&ask(&program, &upload), &page, "relayed");
    assert_eq!(program.end().code, Some(0));
    assert_eq!(upstream.end().code, Some(0));
    assert_bytes(&folder.read("record"), &page, "recorded");
    assert_bytes(&folder.read("forwarded"), &upload, "forwarded unchanged");
    assert_bytes(&folder.request(), &upload, "and captured");
    let replay = Tcpserver::start(&folder, ["--send", "record", "-q"]);
    assert_bytes(&ask(&replay, GET), &page, "replayed");
    assert_eq!(replay.end().code, Some(0));
}

#[test]
fn faults_go_with_a_record_which_is_whole_all_the_same() {
    let folder = Folder::new();
    let upstream = Tcpserver::start(&folder, ["-q", "--recv", "forwarded"]);
    let record = format!("--record={}", upstream.addr);
    let program = Tcpserver::start(&folder, [&record, "--send", "record", "--cut", "17"]);
    assert_bytes(&ask(&program, GET), &RESPONSE[..17], "cut");
    assert_eq!((program.end().code, upstream.end().code), (Some(0), Some(0)));
    assert_bytes(&folder.read("record"), RESPONSE, "recorded");
}

#[test]
fn a_server_that_is_not_there_fails_the_exchange_and_is_named() {
    let folder = Folder::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let upstream = free.local_addr().expect("a bound socket");
    drop(free);
    let program = Tcpserver::start(&folder, ["--record", &upstream.to_string(), "-q"]);
    assert_bytes(&ask(&program, GET), b"", "no answer");
    let ended = program.end();
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains(&format!("failed to connect to upstream `{upstream}`")));
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
}

#[test]
fn a_file_that_an_editor_changed_is_told_before_it_is_served_unchanged() {
    let edited = b"HTTP/1.1 200 OK\nContent-Length: 2\n\nhi\n";
    let folder = folder_with(&[("server_send.txt", edited)]);
    let program = Tcpserver::start(&folder, ["--count", "2", "--lang", "en"]);
    assert_bytes(&ask(&program, GET), edited, "as it is");
    ask(&program, GET);
    assert_eq!(
        program.end().stderr,
        "tcpserver: server_send.txt: line 1 ends with LF alone (the line end of HTTP is CR LF); it is sent as it is, \
         and most browsers show the page; `tcpserver --check server_send.txt` says more, --quiet hides this note\n\
         tcpserver: server_send.txt: Content-Length says 2 bytes, but the body has 3; it is sent as it is, \
         and a browser does not show what is too much\n"
    );
    let quiet = Tcpserver::start(&folder, ["--quiet"]);
    ask(&quiet, GET);
    assert_eq!(quiet.end().stderr, "");
}

/// What `--check` prints, without what it says beyond one line for each problem: `first_mistakes` has that.
fn without_explanations(printed: &str) -> String {
    printed.split_inclusive('\n').filter(|line| !line.starts_with("  ")).collect()
}

#[test]
fn check_tells_what_is_odd_and_where_without_serving() {
    let folder = folder_with(&[("bad", b"HTTP/1.1 200 OK\nContent-Length: 2\r\n\r\nhi!")]);
    for (arguments, stdout, code) in [
        (&["--check", "server_send.txt"][..], "server_send.txt: no problems found\n", 0),
        (
            &["--check", "server_send.txt", "--check", "bad"],
            "server_send.txt: no problems found\n\
             bad: byte 15: a line ends with LF alone, without CR (RFC 9112 section 2.2)\n\
             bad: byte 39: Content-Length says 2 bytes, but the body has 3\n",
            1,
        ),
        (
            &["--check", "-"],
            "-: byte 15: a line ends with LF alone, without CR (RFC 9112 section 2.2)\n-: byte 39: Content-Length says 2 bytes, but the body has 3\n",
            1,
        ),
        (&["--check", "bad", "--quiet"], "", 1),
    ] {
        cargo_bin_cmd!("tcpserver")
            .timeout(PATIENCE)
            .current_dir(folder.path())
            .args(arguments)
            .write_stdin(folder.read("bad"))
            .assert()
            .append_context("arguments", format!("{arguments:?}"))
            .code(code)
            .stderr("")
            .stdout(predicate::function(|printed: &str| without_explanations(printed) == stdout));
    }
    cargo_bin_cmd!("tcpserver")
        .timeout(PATIENCE)
        .args(["--check", "not there"])
        .assert()
        .code(1)
        .stdout("")
        .stderr("tcpserver: failed to check `not there`: No such file or directory (os error 2)\n");
}

#[test]
fn a_client_that_shuts_down_its_sending_side_is_served_on() {
    let folder = folder_with(&[("kept", KEPT)]);
    let program = Tcpserver::start(&folder, ["--forever", "--keep-alive", "--send", "kept"]);
    let client = connect(program.addr);
    send(&client, &[GET, GET].concat());
    client.shutdown(Shutdown::Write).expect("an open socket");
    assert_bytes(&receive_all(&client), &[KEPT, KEPT].concat(), "both, and the end");
    drop::<Running>(program.running);
}
