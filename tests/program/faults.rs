//! The program `tcpserver` where it breaks or delays responses, and where it shows what happens: `--cut` and the
//! other faults, `--transcript`, the progress on a terminal.

use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fake_peer_test_support::programs::{
    Folder, RESPONSE, Running, Tcpserver, assert_bytes, connect, own_addr, receive_all, send,
    tcpserver, text,
};

const GET: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

/// How the server's side of a connection ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Closed,
    Reset,
    /// It stayed open for a while.
    Held,
}

/// What arrives, and how the connection ends.
fn received(mut client: &TcpStream) -> (Vec<u8>, End) {
    client.set_read_timeout(Some(Duration::from_millis(500))).expect("an open socket");
    let mut bytes = Vec::new();
    let end = match client.read_to_end(&mut bytes) {
        Ok(_) => End::Closed,
        Err(error) if error.kind() == ErrorKind::ConnectionReset => End::Reset,
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            End::Held
        }
        Err(error) => panic!("neither an end nor a reset: {error}"),
    };
    (bytes, end)
}

#[test]
fn a_cut_beyond_the_end_of_the_response_is_an_error() {
    let folder = Folder::new();
    let program = Tcpserver::start(&folder, ["--cut", "1k"]);
    let client = program.connect();
    send(&client, GET);
    assert_eq!(received(&client), (RESPONSE.to_vec(), End::Closed));
    drop(client);
    let ended = program.end();
    assert_eq!(ended.code, Some(1));
    let expected = "the response was to be cut after byte 1024, and has only 389 bytes\n";
    assert!(ended.stderr.ends_with(expected), "{}", ended.stderr);
}

#[test]
fn the_client_gets_so_many_bytes_and_the_ending_that_was_asked_for() {
    for (arguments, length, end) in [
        (&["--cut", "20"][..], 20, End::Closed),
        (&["--cut", "20:close"], 20, End::Closed),
        (&["--cut", "20:half-close"], 20, End::Closed),
        (&["--cut", "20:reset"], 20, End::Reset),
        (&["--cut", "20:hold"], 20, End::Held),
        (&["--cut", "0:reset"], 0, End::Reset),
        (&["--hold"], RESPONSE.len(), End::Held),
        (&["--reset"], RESPONSE.len(), End::Reset),
    ] {
        let folder = Folder::new();
        let program = Tcpserver::start(&folder, arguments);
        let client = program.connect();
        send(&client, GET);
        let (bytes, ended) = received(&client);
        assert_bytes(&bytes, &RESPONSE[..length], &format!("{arguments:?}"));
        assert_eq!(ended, end, "{arguments:?}");
        drop(client);
        let ended = program.end();
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn a_response_that_is_slowed_down_takes_its_time_and_arrives_whole() {
    for (arguments, at_least) in [
        (&["--delay", "150ms"][..], 150),
        // 389 bytes: three pauses.
        (&["--pieces", "100:50ms"], 150),
        (&["--throttle", "2k"], 100),
        (&["--delay", "100ms", "--pieces", "200:50ms"], 150),
    ] {
        let folder = Folder::new();
        let program = Tcpserver::start(&folder, arguments);
        let client = program.connect();
        send(&client, GET);
        let start = Instant::now();
        assert_bytes(&receive_all(&client), RESPONSE, &format!("{arguments:?}"));
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(at_least), "{arguments:?}: {took:?}");
        drop(client);
        assert_eq!(program.end().code, Some(0), "{arguments:?}");
    }
}

#[test]
fn a_held_connection_of_many_blocks_nobody() {
    let folder = Folder::new();
    let program = Tcpserver::start(&folder, ["--count", "3", "--hold"]);
    let clients: Vec<_> = (0..3)
        .map(|_| {
            let client = program.connect();
            send(&client, GET);
            (&client).read_exact(&mut vec![0; RESPONSE.len()]).expect("all of it");
            client
        })
        .collect();
    drop(clients);
    assert_eq!(program.end().code, Some(0));
}

/// The lines of a transcript without their times.
#[track_caller]
fn without_times(stderr: &str) -> String {
    let without_time = |line: &str| {
        let at = line.find('.').unwrap_or_else(|| panic!("{line:?} has a time"));
        let (number, rest) = line.split_at(at);
        let number = number.trim_end_matches(|char: char| char.is_ascii_digit()).trim_end();
        let (millis, text) = rest[1..].split_at(3);
        assert!(millis.bytes().all(|byte| byte.is_ascii_digit()), "{line:?}");
        format!("{number}{text}\n")
    };
    stderr.lines().map(without_time).collect()
}

#[test]
fn the_transcript_has_both_directions_and_both_ends() {
    let folder = Folder::new();
    folder.write("server_send.txt", "HTTP/1.1 200 OK\r\n\r\nこん\\\x00\n".as_bytes());
    let program = Tcpserver::start(&folder, ["--transcript"]);
    let client = program.connect();
    let addr = own_addr(&client);
    send(&client, b"GET /\xff'\" HTTP/1.1\r\n\r\n");
    receive_all(&client);
    drop(client);
    assert_eq!(
        without_times(&program.end().stderr),
        format!(
            " * {addr} has connected\n \
             > GET /\\xff'\" HTTP/1.1\\r\\n\n \
             > \\r\\n\n \
             < HTTP/1.1 200 OK\\r\\n\n \
             < \\r\\n\n \
             < こん\\\\\\x00\\n\n \
             * ends its sending side\n \
             * the client has closed its side\n"
        )
    );
}

#[test]
fn the_transcript_in_hexadecimal_counts_each_direction() {
    let folder = Folder::new();
    folder.write("server_send.txt", b"0123456789abcdefg\n");
    let program = Tcpserver::start(&folder, ["--hex", "--pieces", "17:1ms", "--reset"]);
    let client = program.connect();
    let addr = own_addr(&client);
    send(&client, b"\x00\xff hi");
    received(&client);
    drop(client);
    assert_eq!(
        without_times(&program.end().stderr),
        format!(
            " * {addr} has connected\n \
             > 00000000  00 ff 20 68 69                                    |.. hi|\n \
             < 00000000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  |0123456789abcdef|\n \
             < 00000010  67                                                |g|\n \
             < 00000011  0a                                                |.|\n \
             * resets the connection, when the client has everything\n \
             * the client was still there in the end\n"
        )
    );
}

#[test]
fn the_transcript_of_many_says_which_connection() {
    let folder = Folder::new();
    folder.write("server_send.txt", b"ok");
    let program = Tcpserver::start(&folder, ["--transcript", "--count", "2", "-q"]);
    let silent = program.connect();
    let silent_addr = own_addr(&silent);
    let client = connect(program.addr);
    let addr = own_addr(&client);
    send(&client, b"one");
    receive_all(&client);
    drop(client);
    drop(silent);
    let client = connect(program.addr);
    let last = own_addr(&client);
    send(&client, b"two");
    receive_all(&client);
    drop(client);
    let told = without_times(&program.end().stderr);
    for line in [
        format!("#1 * {silent_addr} has connected\n"),
        "#1 * the client left without a byte\n".into(),
        format!("#2 * {addr} has connected\n"),
        "#2 > one\n".into(),
        "#2 < ok\n".into(),
        "#2 * the client has closed its side\n".into(),
        format!("#3 * {last} has connected\n"),
        "#3 > two\n".into(),
    ] {
        assert!(told.contains(&line), "{line:?} in {told}");
    }
}

/// Runs the program on a terminal, which `script` provides, for one request. Returns what was on the terminal.
fn on_a_terminal(arguments: &str, variables: &[(&str, &str)]) -> String {
    let folder = Folder::new();
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
    let addr = port.expect("a free port");
    let program = fake_peer_test_support::programs::program_path();
    let command = format!("'{}' --lang en --listen {addr} {arguments}", program.display());
    let mut script = Command::new("script");
    script
        .current_dir(folder.path())
        .env("TERM", "xterm")
        .env_remove("NO_COLOR")
        .envs(variables.iter().copied())
        .args(["-qefc", &command, "/dev/null"])
        .stdin(Stdio::null());
    let mut running = Running::start(&mut script);
    while !running.stdout_line().contains("Waiting") {}
    let client = connect(addr);
    send(&client, GET);
    assert_bytes(&receive_all(&client), RESPONSE, "the answer");
    drop(client);
    let ended = running.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended.stdout
}

#[test]
#[ignore = "needs script"]
fn a_transfer_longer_than_a_second_is_shown_in_one_line_that_is_taken_away() {
    let shown = on_a_terminal("--throttle 250", &[]);
    assert!(shown.contains("sending ") && shown.contains(" of 389 B ("), "{shown:?}");
    for part in shown.split("sending ").skip(1) {
        let (_, rest) = part.split_once("/s").unwrap_or_else(|| panic!("{part:?} has a rate"));
        assert!(rest.starts_with("\r\x1b[K"), "what follows replaces it: {part:?}");
    }
    assert!(shown.ends_with("\x1b[K=== Stopping the server ===\r\n"), "{shown:?}");
    for arguments in ["--throttle 250 --transcript", "--throttle 100k"] {
        let shown = on_a_terminal(arguments, &[]);
        assert!(!shown.contains("B/s"), "{arguments}: {shown:?}");
    }
}

#[test]
#[ignore = "needs script"]
fn the_transcript_is_coloured_on_a_terminal_unless_that_is_unwanted() {
    let shown = on_a_terminal("--transcript", &[]);
    assert!(shown.contains("\x1b[32m> GET / HTTP/1.1\\r\\n\x1b[0m\r\n"), "{shown:?}");
    for variable in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let shown = on_a_terminal("--transcript", &[variable]);
        assert!(shown.contains(" > GET / HTTP/1.1\\r\\n\r\n"), "{variable:?}: {shown:?}");
        assert!(!shown.contains('\x1b'), "{variable:?}: {shown:?}");
    }
}

#[test]
fn nothing_is_coloured_or_rewritten_in_a_pipe() {
    let folder = Folder::new();
    let mut command = tcpserver(&folder);
    command.args(["--listen", "127.0.0.1:0", "--throttle", "300"]).env("TERM", "xterm");
    let program = Tcpserver::run(&mut command);
    let client = program.connect();
    send(&client, GET);
    assert_bytes(&receive_all(&client), RESPONSE, "the answer");
    drop(client);
    let ended = program.end();
    assert_eq!(ended.stderr, "", "{}", text(ended.stderr.as_bytes()));
}
