//! The program `tcpserver` where one answer breaks and the next one does not: `--send FILE,FAULT`; and how long it waits: `--linger`,
//! `--timeout`.

use std::io::{ErrorKind, Read};
use std::process::Command;
use std::time::{Duration, Instant};

use fake_peer_test_support::programs::{
    Folder, RESPONSE, Running, Tcpserver, assert_bytes, receive_all, send, tcpserver,
};

const GET: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

const PAGE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npage";

fn folder() -> Folder {
    let folder = Folder::new();
    for name in ["a.http", "b.http", "a,b.http", "a,hold", "a,cut=1", "a,x=1"] {
        folder.write(name, PAGE);
    }
    folder
}

/// What a new client gets, and whether a reset ended it.
#[track_caller]
fn received(program: &Tcpserver) -> (Vec<u8>, bool) {
    let client = program.connect();
    send(&client, GET);
    let mut bytes = Vec::new();
    match (&client).read_to_end(&mut bytes) {
        Ok(_) => (bytes, false),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => (bytes, true),
        Err(error) => panic!("neither an end nor a reset: {error}"),
    }
}

#[track_caller]
fn assert_ends_well(program: Tcpserver, case: &str) {
    let ended = program.end();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{case}");
}

#[test]
fn the_first_connection_breaks_and_the_second_is_good() {
    let folder = folder();
    for (first, options, expected) in [
        ("a.http,cut=20:reset", &[][..], (20, true)),
        ("a.http,cut=20", &[], (20, false)),
        ("a.http,reset", &[], (PAGE.len(), true)),
        #[cfg(unix)]
        ("/dev/null,reset", &[], (0, true)),
        ("a.http,delay=20ms,pieces=9:1ms,throttle=1M,cut=20:reset", &[], (20, true)),
        ("a.http,cut=20:reset", &["--keep-alive"], (20, true)),
        // What stands beside the file counts, and not the option.
        ("a.http,cut=20:reset", &["--delay", "1ms"], (20, true)),
    ] {
        let program = Tcpserver::start(
            &folder,
            ["--count", "3", "-q", "--send", first, "--send", "b.http"].iter().chain(options),
        );
        assert_eq!(
            {
                let (bytes, is_reset) = received(&program);
                (bytes.len(), is_reset)
            },
            expected,
            "{first}"
        );
        for _ in 0..2 {
            let client = program.connect();
            send(&client, b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n");
            assert_bytes(&receive_all(&client), PAGE, first);
        }
        assert_ends_well(program, first);
    }
}

#[test]
fn what_stands_beside_a_file_counts_instead_of_the_option() {
    let folder = folder();
    let arguments =
        ["--count", "2", "-q", "--cut", "9:reset", "--send", "a.http,close", "--send", "b.http"];
    let program = Tcpserver::start(&folder, arguments);
    assert_eq!(received(&program), (PAGE.to_vec(), false));
    assert_eq!(received(&program), (PAGE[..9].to_vec(), true));
    assert_ends_well(program, "close beside cut");
}

#[test]
fn a_single_file_and_stdin_have_faults_too() {
    let folder = folder();
    let program = Tcpserver::start(&folder, ["--send", "a.http,cut=20:reset"]);
    assert_eq!(received(&program), (PAGE[..20].to_vec(), true));
    assert_ends_well(program, "one file");
    let input = std::fs::File::open(folder.file("a.http")).expect("it was just written");
    let mut command = tcpserver(&folder);
    command.args(["--listen", "127.0.0.1:0", "--send=-,cut=20:reset"]).stdin(input);
    let program = Tcpserver::run(&mut command);
    assert_eq!(received(&program), (PAGE[..20].to_vec(), true));
    assert_ends_well(program, "stdin");
}

#[test]
fn a_record_is_whole_and_the_answer_is_cut() {
    let folder = folder();
    let upstream = fake_peer::Peer::answer(PAGE);
    let addr = upstream.addr().to_string();
    let program = Tcpserver::start(&folder, ["--record", &addr, "--send", "new.http,cut=20:reset"]);
    assert_eq!(received(&program), (PAGE[..20].to_vec(), true));
    assert_ends_well(program, "--record");
    assert_bytes(&folder.read("new.http"), PAGE, "the record");
}

#[test]
fn a_comma_of_a_name_is_written_twice_only_where_it_would_be_taken_for_a_fault() {
    let folder = folder();
    for file in [
        "a,b.http",
        "a,,hold",
        "a,,cut=1",
        "a,,x=1",
        "a,,hold,delay=1ms",
        "./a,,cut=1,delay=1ms,pieces=50:1ms",
    ] {
        let program = Tcpserver::start(&folder, ["--send", file]);
        assert_eq!(received(&program), (PAGE.to_vec(), false), "{file}");
        assert_ends_well(program, file);
    }
}

#[test]
fn wrong_faults_are_told_with_right_ones_before_anything_listens() {
    let folder = folder();
    let right = "is none of cut=N[:ENDING], delay=TIME, pieces=SIZE:PAUSE, throttle=RATE, close, hold or reset; if it is part of the file's name, write its comma twice";
    for (file, reason) in [
        ("a.http,ctu=40", format!("`ctu=40` {right}")),
        ("a,x=1", format!("`x=1` {right}")),
        ("a.http,cut", format!("`cut` {right}")),
        ("a.http,hold=1s", format!("`hold=1s` {right}")),
        ("a.http,cut=x", "cut: `x` is not N, N:close, N:reset, N:half-close or N:hold, with a number of bytes such as 1500 or 64k".into()),
        ("a.http,delay=5", "delay: `5` is not a time, such as 250ms, 1.5s or 2m".into()),
        ("a.http,cut=1,hold", "`cut=1` stands beside another of its kind: give one".into()),
        ("a.http,delay=1s,delay=2s", "`delay=1s` stands beside another of its kind: give one".into()),
        (",reset", "the name of a file comes first".into()),
    ] {
        let ended = Running::start(tcpserver(&folder).args(["--send", file])).end();
        let expected = format!(
            "tcpserver: failed to understand the arguments: --send {file}: {reason}; `tcpserver --help` lists all options\n"
        );
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(2), &*expected));
        assert!(!folder.file("server_recv.txt").exists(), "{file}");
    }
}

#[test]
#[ignore = "needs curl"]
fn curl_tries_again_and_gets_the_page() {
    let folder = folder();
    let arguments = ["--count", "2", "-q", "--send", "a.http,cut=38:reset", "--send", "b.http"];
    let program = Tcpserver::start(&folder, arguments);
    let output = Command::new("curl")
        .args([
            "-sS",
            "--max-time",
            "30",
            "--retry",
            "1",
            "--retry-all-errors",
            "--retry-delay",
            "1",
        ])
        .arg(format!("http://{}/", program.addr))
        .env("NO_PROXY", "*")
        .output()
        .expect("curl can be started");
    assert!(output.status.success() && output.stdout.ends_with(b"page"), "{output:?}");
    assert_ends_well(program, "curl");
}

#[test]
fn a_client_that_stays_is_left_after_the_linger_time() {
    let folder = folder();
    // Without the option it is 2 seconds.
    for (linger, at_least) in [("3s", 3_000), ("0s", 0)] {
        let program = Tcpserver::start(&folder, ["--linger", linger]);
        let client = program.connect();
        send(&client, GET);
        let start = Instant::now();
        assert_bytes(&receive_all(&client), RESPONSE, linger);
        // The client stays.
        let ended = program.end();
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{linger}");
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(at_least), "{linger}: {took:?}");
        drop(client);
    }
}

#[test]
fn a_client_that_stops_within_its_request_is_given_up_after_the_timeout() {
    let folder = folder();
    let program = Tcpserver::start(&folder, ["--timeout", "100ms"]);
    let client = program.connect();
    let start = Instant::now();
    send(&client, b"GET / HTT");
    assert_bytes(&receive_all(&client), b"", "a request that has no end");
    assert!(start.elapsed() >= Duration::from_millis(100));
    drop(client);
    let ended = program.end();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("9 bytes"), "{}", ended.stderr);
}

#[test]
fn a_silent_connection_is_closed_after_the_timeout() {
    let folder = folder();
    for arguments in
        [&["--timeout", "100ms", "--hold"][..], &["--timeout", "100ms", "--send", "a.http,hold"]]
    {
        let program = Tcpserver::start(&folder, arguments);
        let client = program.connect();
        let start = Instant::now();
        send(&client, GET);
        receive_all(&client);
        assert!(start.elapsed() >= Duration::from_millis(100), "{arguments:?}");
        drop(client);
        assert_ends_well(program, "--hold");
    }
}
