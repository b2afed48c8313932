//! The program `tcpserver` with one exchange: what it prints, what it captures, what it answers, how it ends.
//! Its default port is tested in `tutorial`, its memory in `tests/memory.rs`.

use std::io::Read;
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::time::Duration;

use assert_cmd::cargo::cargo_bin_cmd;
use fake_peer_test_support::programs::{
    Ended, Folder, PATIENCE, RESPONSE, Running, Tcpserver, assert_bytes, own_addr, program_path,
    receive_all, send, tcpserver, text,
};
use predicates::prelude::*;

const STARTING: &str = "=== サーバーを起動します ===\n";
const WAITING: &str = "=== クライアントからの接続を待ちます ===\n";
const STOPPING: &str = "=== サーバーを停止します。 ===\n";

const GET: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

fn connected(addr: SocketAddr) -> String {
    format!(
        "=== クライアントとの接続が完了しました remote_address: ('{}', {}) ===\n",
        addr.ip(),
        addr.port()
    )
}

/// Everything that stdout must hold after these clients have connected.
fn lines(clients: &[SocketAddr]) -> String {
    let connected: String = clients.iter().copied().map(connected).collect();
    format!("{STARTING}{WAITING}{connected}{STOPPING}")
}

/// An exchange without notes.
fn served(client: SocketAddr) -> Ended {
    Ended { stdout: lines(&[client]), stderr: String::new(), code: Some(0) }
}

fn remark(client: SocketAddr, stderr: &str) -> Ended {
    Ended { stdout: lines(&[client]), stderr: format!("tcpserver: {stderr}\n"), code: Some(0) }
}

fn failed(client: SocketAddr, stderr: &str) -> Ended {
    Ended { stdout: lines(&[client]), stderr: format!("tcpserver: {stderr}\n"), code: Some(1) }
}

/// How a program ended that noted at its start that a file or folder is not there: `first_mistakes` has these notes.
#[track_caller]
fn end_after_a_note(program: Tcpserver) -> Ended {
    let mut ended = program.end();
    let (note, rest) = ended.stderr.split_once('\n').expect("a note");
    assert!(note.contains("がまだ"), "{note}");
    ended.stderr = rest.into();
    ended
}

const NO_ARGUMENTS: [&str; 0] = [];

/// 5 MB in which no piece equals another.
fn five_megabytes() -> Vec<u8> {
    let mut state = 1_u32;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    })
    .take(5_000_000)
    .collect()
}

// What is printed

#[test]
fn prints_the_tutorials_four_lines() {
    let folder = Folder::new();
    let program = Tcpserver::start(&folder, NO_ARGUMENTS);
    let client = program.connect();
    let addr = own_addr(&client);
    send(&client, GET);
    assert_bytes(&receive_all(&client), RESPONSE, "the answer");
    drop(client);
    assert_eq!(
        program.end(),
        Ended {
            stdout: format!(
                "=== サーバーを起動します ===\n\
                 === クライアントからの接続を待ちます ===\n\
                 === クライアントとの接続が完了しました remote_address: ('127.0.0.1', {}) ===\n\
                 === サーバーを停止します。 ===\n",
                addr.port()
            ),
            stderr: String::new(),
            code: Some(0)
        }
    );
    assert_bytes(&folder.request(), GET, "the captured request");
}

#[test]
fn prints_each_line_when_it_happens_into_a_pipe_too() {
    let folder = Folder::new();
    let mut program = Tcpserver::start(&folder, NO_ARGUMENTS);
    assert_eq!(program.running.stdout_line(), STARTING);
    assert_eq!(program.running.stdout_line(), WAITING);
    let client = program.connect();
    let addr = own_addr(&client);
    assert_eq!(program.running.stdout_line(), connected(addr), "before a byte was sent");
    send(&client, GET);
    assert_bytes(&receive_all(&client), RESPONSE, "the answer");
    drop(client);
    assert_eq!(program.running.stdout_line(), STOPPING);
    assert_eq!(program.end(), served(addr));
}

#[test]
fn prints_english_lines_when_asked() {
    let folder = Folder::new();
    let program = Tcpserver::start(&folder, ["--lang", "en"]);
    let client = program.connect();
    let port = own_addr(&client).port();
    send(&client, GET);
    assert_bytes(&receive_all(&client), RESPONSE, "the answer");
    drop(client);
    assert_eq!(
        program.end(),
        Ended {
            stdout: format!(
                "=== Starting the server ===\n\
                 === Waiting for a client to connect ===\n\
                 === A client has connected remote_address: ('127.0.0.1', {port}) ===\n\
                 === Stopping the server ===\n"
            ),
            stderr: String::new(),
            code: Some(0)
        }
    );
}

#[test]
fn japanese_can_be_asked_for_by_name() {
    let folder = Folder::new();
    let program = Tcpserver::start(&folder, ["--lang", "ja"]);
    let client = program.connect();
    let addr = own_addr(&client);
    send(&client, GET);
    receive_all(&client);
    drop(client);
    assert_eq!(program.end(), served(addr));
}

#[test]
fn quiet_prints_no_lines_and_no_remarks() {
    for option in ["--quiet", "-q"] {
        let folder = Folder::new();
        let program = Tcpserver::start(&folder, [option]);
        let client = program.connect();
        send(&client, b"GET / HT");
        client.shutdown(Shutdown::Write).expect("the client can end its sending side");
        assert_bytes(&receive_all(&client), RESPONSE, option);
        drop(client);
        assert_eq!(
            program.end(),
            Ended { stdout: String::new(), stderr: String::new(), code: Some(0) },
            "{option}"
        );
    }
}

#[test]
fn quiet_still_tells_errors() {
    let folder = Folder::new();
    let program = Tcpserver::start(&folder, ["--quiet", "--send", "missing.txt"]);
    let client = program.connect();
    send(&client, GET);
    receive_all(&client);
    drop(client);
    let ended = program.end();
    assert_eq!((ended.stdout.as_str(), ended.code), ("", Some(1)));
    assert!(ended.stderr.contains("missing.txt"), "{:?}", ended.stderr);
}

#[test]
#[ignore = "needs ::1"]
fn names_an_ipv6_client_with_four_fields() {
    let folder = Folder::new();
    let program = Tcpserver::run(tcpserver(&folder).args(["--listen", "[::1]:0"]));
    let client = program.connect();
    let port = own_addr(&client).port();
    send(&client, GET);
    assert_bytes(&receive_all(&client), RESPONSE, "the answer");
    drop(client);
    assert_eq!(
        program.end(),
        Ended {
            stdout: format!(
                "{STARTING}{WAITING}=== クライアントとの接続が完了しました \
                 remote_address: ('::1', {port}, 0, 0) ===\n{STOPPING}"
            ),
            stderr: String::new(),
            code: Some(0)
        }
    );
}

#[test]
fn localhost_is_the_ipv4_loopback() {
    let folder = Folder::new();
    let program = Tcpserver::run(tcpserver(&folder).args(["--listen", "localhost:0"]));
    assert_eq!(program.addr.ip().to_string(), "127.0.0.1");
}

#[test]
fn help_lists_every_option() {
    for option in ["--help", "-h"] {
        cargo_bin_cmd!("tcpserver")
            .timeout(PATIENCE)
            .arg(option)
            .assert()
            .code(0)
            .stderr("")
            .stdout(predicate::str::contains("Usage: tcpserver [OPTIONS] [-- ARGS...]\n"))
            .stdout(predicate::str::ends_with("\n"))
            .stdout(predicate::function(|help: &str| {
                let options = [
                    "--listen <ADDR>",
                    "--send <FILE>",
                    "--recv <FILE>",
                    "--framing <RULE>",
                    "--lang <LANG>",
                    "--completions <SHELL>",
                    "--man",
                    "-q, --quiet",
                    "-h, --help",
                    "-V, --version",
                    "{n} in the name",
                ];
                let rules = [
                    "auto",
                    "http",
                    "read-once",
                    "until:",
                    "lines",
                    "exactly:",
                    "length:",
                    "tls-record",
                    "eof",
                    "nothing",
                ];
                options.iter().chain(&rules).all(|option| help.contains(option))
            }));
    }
}

#[test]
fn version_is_the_crates() {
    for option in ["--version", "-V"] {
        cargo_bin_cmd!("tcpserver")
            .timeout(PATIENCE)
            .arg(option)
            .assert()
            .code(0)
            .stderr("")
            .stdout(concat!("tcpserver ", env!("CARGO_PKG_VERSION"), "\n"));
    }
}

// Wrong usage

/// Only one line on stderr, and exit code 2.
#[track_caller]
fn assert_wrong_usage(arguments: &[&str], reason: &str) {
    cargo_bin_cmd!("tcpserver")
        .timeout(PATIENCE)
        .args(arguments)
        .assert()
        .append_context("arguments", format!("{arguments:?}"))
        .code(2)
        .stdout("")
        .stderr(format!(
            "tcpserver: failed to understand the arguments: {reason}; `tcpserver --help` lists all options\n"
        ));
}

#[test]
fn wrong_usage_is_one_line_on_stderr_and_nothing_on_stdout() {
    assert_wrong_usage(&["--nope"], "unknown option `--nope`");
    assert_wrong_usage(&["-x"], "unknown option `-x`");
    assert_wrong_usage(&["--quiet=yes"], "--quiet takes no value, and `yes` is one");
    for (option, value) in [
        ("--listen", "ADDR"),
        ("--send", "FILE"),
        ("--recv", "FILE"),
        ("--framing", "RULE"),
        ("--lang", "LANG"),
    ] {
        assert_wrong_usage(&[option], &format!("{option} needs a value: {option} {value}"));
    }
    assert_wrong_usage(&["--lang", "fr"], "--lang: `fr` is not one of ja, en");
    for option in ["--send", "--recv", "--check"] {
        assert_wrong_usage(&[option, ""], &format!("{option} needs a value: {option} FILE"));
    }
}

#[test]
fn a_wrong_option_is_answered_with_the_right_one() {
    for (arguments, wrong, right) in [
        (&["--port", "80"][..], "--port", "--listen ADDR"),
        (&["-p", "80"], "-p", "--listen ADDR"),
        (&["--lissten", "localhost:80"], "--lissten", "--listen ADDR"),
        (&["--output", "file"], "--output", "--recv FILE"),
        (&["--proxy", "localhost:80"], "--proxy", "--record HOST:PORT"),
        (&["--keepalive"], "--keepalive", "--keep-alive"),
        (&["--data", "x"], "--data", "--body TEXT"),
        (&["-H", "x: y"], "-H", "--header FIELD"),
        (&["--directory", "."], "--directory", "--dir FOLDER"),
        (&["--verbose"], "--verbose", "--transcript"),
    ] {
        let reason = format!("unknown option `{wrong}` (did you mean `{right}`?)");
        assert_wrong_usage(arguments, &reason);
    }
    for file in ["page.http", "-"] {
        let reason =
            format!("unexpected argument `{file}` (a response file is given with --send {file})");
        assert_wrong_usage(&[file], &reason);
    }
}

#[test]
fn wrong_values_are_told_with_right_ones() {
    for cut in ["x", "-1", "1:", "1:now", "x:reset", "1:reset:1", "1kB", "99999999999G"] {
        let right = "is not N, N:close, N:reset, N:half-close or N:hold, with a number of bytes such as 1500 or 64k";
        assert_wrong_usage(&["--cut", cut], &format!("--cut: `{cut}` {right}"));
    }
    for pieces in ["1", "-1:1ms", "1:", ":1ms", "0:1ms", "1:1", "1:1h"] {
        let right = "is not SIZE:PAUSE, such as 1:10ms or 4k:1s";
        assert_wrong_usage(&["--pieces", pieces], &format!("--pieces: `{pieces}` {right}"));
    }
    for rate in ["0", "-1", "fast", "1k/s", "1.5k"] {
        let right = "is not a number of bytes per second, such as 1500, 64k or 10M";
        assert_wrong_usage(&["--throttle", rate], &format!("--throttle: `{rate}` {right}"));
    }
    for time in ["5", "1.s.", "ms", "-1s", "1h", "1e9s"] {
        let right = "is not a time, such as 250ms, 1.5s or 2m";
        assert_wrong_usage(&["--delay", time], &format!("--delay: `{time}` {right}"));
    }
    for count in ["0", "-1", "+1", "many"] {
        let right = "is not a number of exchanges, 1 or more";
        assert_wrong_usage(&["--count", count], &format!("--count: `{count}` {right}"));
    }
    for upstream in ["localhost", ":80", "localhost:", "localhost:http"] {
        let right = "is not HOST:PORT, such as localhost:80";
        assert_wrong_usage(&["--record", upstream], &format!("--record: `{upstream}` {right}"));
    }
    for upstream in ["localhost:80800", "localhost:0"] {
        let port = upstream.trim_start_matches("localhost:");
        let reason = format!("--record: `{upstream}`: port {port} is out of range (1 to 65535)");
        assert_wrong_usage(&["--record", upstream], &reason);
    }
    assert_wrong_usage(
        &["--completions", "tcsh"],
        "--completions: `tcsh` is not one of bash, zsh, fish",
    );
}

#[test]
fn options_that_contradict_each_other_are_wrong_usage() {
    let none_is_kept = "a connection is kept only with --count N or --forever: no request follows a single exchange";
    let exclude =
        |one: &str, other: &str| format!("{one} and {other} exclude each other: give one");
    let one_file =
        "--record writes the response to one file: give --send FILE once, and not - or @tls:NAME";
    let only_quiet = "--check serves nothing: only --quiet and --lang may stand beside it";
    for (arguments, reason) in [
        (&["--keep-alive"][..], none_is_kept.to_owned()),
        (&["--keep-open"], none_is_kept.to_owned()),
        (&["--forever", "--count", "2"], exclude("--forever", "--count N")),
        (&["--hold", "--reset"], exclude("--hold", "--reset")),
        (&["--cut", "1", "--reset"], exclude("--cut N[:ENDING]", "--reset")),
        (&["--forever", "--keep-alive", "--cut", "1"], exclude("--keep-alive", "--cut N[:ENDING]")),
        (&["--forever", "--keep-open", "--keep-alive"], exclude("--keep-open", "--keep-alive")),
        (&["--record", "a:1", "--send", "a", "--send", "b"], one_file.to_owned()),
        (&["--record", "a:1", "--send", "-"], one_file.to_owned()),
        (&["--check", "a", "--forever"], only_quiet.to_owned()),
        (&["--check", "a", "--listen", "localhost:0"], only_quiet.to_owned()),
    ] {
        assert_wrong_usage(arguments, &reason);
    }
}

#[test]
fn an_unknown_framing_rule_is_wrong_usage() {
    for rule in [
        "frobnicate",
        "HTTP",
        "auto:1",
        "read-once:0",
        "read-once:-1",
        "until",
        "until:",
        r"until:\q",
        "exactly",
        "exactly:many",
        "eof:1",
        "lines:2",
        "length",
    ] {
        assert_wrong_usage(
            &["--framing", rule],
            &format!(
                "--framing: `{rule}` is not one of auto, http, head, read-once[:N], until:TEXT, lines, exactly:N, length:LENGTH, tls-record, client-hello, eof, nothing"
            ),
        );
    }
}

#[test]
fn what_is_wrong_with_a_length_is_said() {
    for (rule, wrong) in [
        ("length:9be", "a length has 1 to 8 bytes, and is be or le, such as length:4be"),
        (
            "length:4be,at=x",
            "`at=x` is not one of at=N, counts=itself, counts=all, counts=all-but-N",
        ),
    ] {
        assert_wrong_usage(&["--framing", rule], &format!("--framing: `{rule}`: {wrong}"));
    }
}

#[test]
fn wrong_usage_stays_one_line_whatever_was_typed() {
    for arguments in
        [&["--framing", "a\nb"][..], &["--lang", "a\nb"], &["a\nb"], &["--a\nb"], &["--quiet=a\nb"]]
    {
        cargo_bin_cmd!("tcpserver")
            .timeout(PATIENCE)
            .args(arguments)
            .assert()
            .append_context("arguments", format!("{arguments:?}"))
            .code(2)
            .stdout("")
            .stderr(predicate::str::ends_with("\n").and(predicate::str::contains("\n").count(1)));
    }
}

#[cfg(unix)]
#[test]
fn an_argument_that_is_not_text_is_wrong_usage() {
    use std::os::unix::ffi::OsStrExt;
    let not_text = std::ffi::OsStr::from_bytes(b"\xff");
    for option in ["--listen", "--framing", "--lang", "--count"] {
        cargo_bin_cmd!("tcpserver")
            .timeout(PATIENCE)
            .arg(option)
            .arg(not_text)
            .assert()
            .append_context("option", option)
            .code(2)
            .stdout("")
            .stderr(predicate::str::contains("\n").count(1));
    }
}

#[test]
fn what_is_no_address_is_wrong_usage_found_when_binding() {
    for addr in ["8080", ":8080", "localhost", "localhost:http", "::1"] {
        cargo_bin_cmd!("tcpserver")
            .timeout(PATIENCE)
            .args(["--listen", addr])
            .assert()
            .append_context("address", addr)
            .code(2)
            .stdout(format!("{STARTING}{STOPPING}"))
            .stderr(format!(
                "tcpserver: failed to listen on {addr}: \
                 an address is `host:port`, such as 127.0.0.1:8080 or [::1]:8080\n"
            ));
    }
}

#[test]
fn a_port_out_of_range_is_wrong_usage_and_named() {
    cargo_bin_cmd!("tcpserver")
        .timeout(PATIENCE)
        .args(["--listen", "localhost:80800"])
        .assert()
        .code(2)
        .stdout(format!("{STARTING}{STOPPING}"))
        .stderr(
            "tcpserver: failed to listen on localhost:80800: port 80800 is out of range (0 to 65535)\n",
        );
}

// Failures

#[test]
fn a_port_in_use_is_told_and_the_last_line_printed() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = taken.local_addr().expect("a bound listener has an address");
    let cause = TcpListener::bind(addr).expect_err("the port is taken");
    cargo_bin_cmd!("tcpserver")
        .timeout(PATIENCE)
        .args(["--listen", &addr.to_string()])
        .assert()
        .code(1)
        .stdout(format!("{STARTING}{STOPPING}"))
        .stderr(format!("tcpserver: failed to listen on {addr}: {cause}\n"));
}

#[test]
fn an_address_of_another_machine_is_a_failure_and_no_wrong_usage() {
    // TEST-NET-1 (RFC 5737) is assigned to nobody.
    let cause = TcpListener::bind("192.0.2.1:0").expect_err("an address of nobody");
    cargo_bin_cmd!("tcpserver")
        .timeout(PATIENCE)
        .args(["--listen", "192.0.2.1:0"])
        .assert()
        .code(1)
        .stdout(format!("{STARTING}{STOPPING}"))
        .stderr(format!("tcpserver: failed to listen on 192.0.2.1:0: {cause}\n"));
}

#[test]
fn a_missing_response_file_fails_after_the_request_was_written() {
    let folder = Folder::new();
    let cause = std::fs::File::open(folder.file("missing.txt")).expect_err("it is missing");
    let program = Tcpserver::start(&folder, ["--send", "missing.txt"]);
    let client = program.connect();
    let addr = own_addr(&client);
    send(&client, GET);
    assert_bytes(&receive_all(&client), b"", "the answer");
    drop(client);
    assert_eq!(
        end_after_a_note(program),
        failed(
            addr,
            &format!(
                "failed to answer the request \"GET / HTTP/1.1\" from {addr} (connection 1, exchange 1): failed to open response file `missing.txt`: {cause}"
            )
        )
    );
    assert_bytes(&folder.request(), GET, "the captured request");
}

#[test]
fn a_response_file_that_is_a_folder_fails_after_the_request_was_written() {
    let folder = Folder::new();
    let program = Tcpserver::start(&folder, ["--send", "."]);
    let client = program.connect();
    let addr = own_addr(&client);
    send(&client, GET);
    assert_bytes(&receive_all(&client), b"", "the answer");
    drop(client);
    let ended = program.end();
    assert_eq!((ended.stdout, ended.code), (lines(&[addr]), Some(1)));
    assert!(ended.stderr.contains(" response file `.`: "), "{:?}", ended.stderr);
    assert_bytes(&folder.request(), GET, "the captured request");
}

#[test]
fn an_unwritable_request_file_fails_without_an_answer() {
    let folder = Folder::new();
    let cause = std::fs::File::create(folder.file("missing/recv.txt")).expect_err("no folder");
    let program = Tcpserver::start(&folder, ["--recv", "missing/recv.txt"]);
    let client = program.connect();
    let addr = own_addr(&client);
    send(&client, GET);
    assert_bytes(&receive_all(&client), b"", "the answer");
    drop(client);
    assert_eq!(
        end_after_a_note(program),
        failed(
            addr,
            &format!(
                "failed to record the request from {addr} (connection 1, exchange 1) after 18 bytes \
                 \"GET / HTTP/1.1\\r\\n\\r\\n\": failed to open request file `missing/recv.txt`: {cause}"
            )
        )
    );
}

#[test]
fn an_error_stays_one_line_whatever_the_file_is_called() {
    let folder = Folder::new();
    let program = Tcpserver::start(&folder, ["--send", "a\nb"]);
    let client = program.connect();
    send(&client, GET);
    assert_bytes(&receive_all(&client), b"", "the answer");
    drop(client);
    let ended = end_after_a_note(program);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_eq!(ended.stderr.matches('\n').count(), 1, "{ended:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_fails_without_an_answer() {
    let folder = Folder::new();
    let program = Tcpserver::start(&folder, ["--recv", "/dev/full"]);
    let client = program.connect();
    let addr = own_addr(&client);
    send(&client, GET);
    assert_bytes(&receive_all(&client), b"", "the answer");
    drop(client);
    assert_eq!(
        program.end(),
        failed(
            addr,
            &format!(
                "failed to record the request from {addr} (connection 1, exchange 1) after 18 bytes \
                 \"GET / HTTP/1.1\\r\\n\\r\\n\": failed to write to request file `/dev/full`: \
                 No space left on device (os error 28)"
            )
        )
    );
}

#[test]
fn a_client_that_resets_within_its_request_is_a_failure_and_what_arrived_is_captured() {
    let reset = std::io::Error::from_raw_os_error(if cfg!(target_os = "linux") {
        104
    } else if cfg!(windows) {
        10054
    } else {
        54
    });
    let folder = Folder::new();
    let program = Tcpserver::start(&folder, NO_ARGUMENTS);
    let client = program.connect();
    let addr = own_addr(&client);
    send(&client, b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n1234");
    folder.wait_for_request(b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n1234");
    reset_by(client);
    assert_eq!(
        program.end(),
        failed(
            addr,
            &format!(
                "failed to receive a complete request from {addr} (connection 1, exchange 1) after 42 bytes \
                 \"POST / HTTP/1.1\\r\\nContent-Length: 9\\r\\n\\r\\n1234\": {reset}"
            )
        )
    );
    assert_bytes(
        &folder.request(),
        b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n1234",
        "the captured request",
    );
}

fn reset_by(client: std::net::TcpStream) {
    socket2::SockRef::from(&client)
        .set_linger(Some(Duration::ZERO))
        .expect("closing can be made a reset");
    drop(client);
}

// Ctrl-C

#[cfg(unix)]
#[test]
fn ctrl_c_before_a_connection_prints_the_last_line_once() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let folder = Folder::new();
        let mut program = Tcpserver::start(&folder, NO_ARGUMENTS);
        assert_eq!(program.running.stdout_line(), STARTING, "{signal}");
        assert_eq!(program.running.stdout_line(), WAITING, "{signal}");
        program.running.signal(signal);
        assert_eq!(
            program.end(),
            Ended { stdout: lines(&[]), stderr: String::new(), code: Some(code) },
            "{signal}"
        );
        assert!(!folder.file("server_recv.txt").exists(), "{signal}: no request, no file");
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_before_the_first_byte_of_a_connection_prints_the_last_line_once() {
    let folder = Folder::new();
    let mut program = Tcpserver::start(&folder, NO_ARGUMENTS);
    let client = program.connect();
    let addr = own_addr(&client);
    for line in [STARTING, WAITING, &connected(addr)] {
        assert_eq!(program.running.stdout_line(), line);
    }
    program.running.signal("INT");
    assert_eq!(
        program.end(),
        Ended { stdout: lines(&[addr]), stderr: String::new(), code: Some(130) }
    );
}

#[cfg(unix)]
#[test]
fn ctrl_c_within_a_request_prints_the_last_line_once_and_keeps_what_arrived() {
    let folder = Folder::new();
    let program = Tcpserver::start(&folder, NO_ARGUMENTS);
    let client = program.connect();
    let addr = own_addr(&client);
    send(&client, b"GET / HTTP/1.1\r\nHos");
    folder.wait_for_request(b"GET / HTTP/1.1\r\nHos");
    program.running.signal("INT");
    assert_eq!(
        program.end(),
        Ended { stdout: lines(&[addr]), stderr: String::new(), code: Some(130) }
    );
    assert_bytes(&folder.request(), b"GET / HTTP/1.1\r\nHos", "the captured request");
}

#[cfg(unix)]
#[test]
fn ctrl_c_while_the_answer_waits_for_the_client_prints_the_last_line_once() {
    let folder = Folder::new();
    folder.write("server_send.txt", &vec![b'x'; 64 << 20]);
    let program = Tcpserver::start(&folder, NO_ARGUMENTS);
    let mut client = program.connect();
    let addr = own_addr(&client);
    send(&client, GET);
    client.read_exact(&mut [0]).expect("the answer has begun");
    program.running.signal("INT");
    assert_eq!(
        program.end(),
        Ended { stdout: lines(&[addr]), stderr: String::new(), code: Some(130) }
    );
}

#[cfg(unix)]
#[test]
fn several_ctrl_c_print_the_last_line_once() {
    let folder = Folder::new();
    let mut program = Tcpserver::start(&folder, NO_ARGUMENTS);
    assert_eq!(program.running.stdout_line(), STARTING);
    assert_eq!(program.running.stdout_line(), WAITING);
    let id = program.running.id().to_string();
    let status = Command::new("sh")
        .args(["-c", "kill -s INT $0; kill -s INT $0; kill -s TERM $0; true", &id])
        .stderr(Stdio::null())
        .status()
        .expect("sh can be started");
    assert!(status.success(), "{status}");
    let ended = program.end();
    assert_eq!(ended.stdout, lines(&[]));
    assert!(matches!(ended.code, Some(130 | 143)), "{ended:?}");
}

// Files

#[test]
fn empties_an_old_request_file() {
    let folder = Folder::new();
    folder.write("server_recv.txt", &[b'o'; 10_000]);
    let program = Tcpserver::start(&folder, NO_ARGUMENTS);
    let client = program.connect();
    let addr = own_addr(&client);
    send(&client, b"hello");
    assert_bytes(&receive_all(&client), RESPONSE, "the answer");
    drop(client);
    assert_eq!(program.end(), served(addr));
    assert_bytes(&folder.request(), b"hello", "the captured request");
}

#[test]
fn an_old_request_file_stays_until_a_request_arrives() {
    let folder = Folder::new();
    folder.write("server_recv.txt", b"old");
    let mut program = Tcpserver::start(&folder, NO_ARGUMENTS);
    let silent = program.connect();
    for line in [STARTING, WAITING, &connected(own_addr(&silent))] {
        assert_eq!(program.running.stdout_line(), line);
    }
    assert_bytes(&folder.request(), b"old", "a connection is no request");
}

#[test]
fn the_response_file_is_opened_after_the_request_has_ended() {
    let folder = Folder::new();
    let program = Tcpserver::start(&folder, ["--send", "later.txt"]);
    let client = program.connect();
    let addr = own_addr(&client);
    send(&client, b"GET / HTTP/1.1\r\n");
    folder.wait_for_request(b"GET / HTTP/1.1\r\n");
    folder.write("later.txt", b"written while the request arrived");
    send(&client, b"\r\n");
    assert_bytes(&receive_all(&client), b"written while the request arrived", "the answer");
    drop(client);
    assert_eq!(end_after_a_note(program), served(addr));
}

#[test]
fn one_file_for_both_is_an_error() {
    let folder = Folder::new();
    let program = Tcpserver::start(&folder, ["--send", "both.txt", "--recv", "both.txt"]);
    let client = program.connect();
    let addr = own_addr(&client);
    send(&client, b"hello");
    assert_bytes(&receive_all(&client), b"", "the answer");
    drop(client);
    assert_eq!(
        end_after_a_note(program),
        failed(
            addr,
            &format!(
                "failed to answer the request from {addr} (connection 1, exchange 1) after 5 bytes \"hello\": \
                 the response file `both.txt` is the file that the request was written to"
            )
        )
    );
    assert_eq!(folder.read("both.txt"), b"hello");
}

#[test]
fn an_empty_response_file_closes_the_connection() {
    let folder = Folder::new();
    folder.write("server_send.txt", b"");
    let program = Tcpserver::start(&folder, NO_ARGUMENTS);
    let client = program.connect();
    let addr = own_addr(&client);
    send(&client, GET);
    assert_bytes(&receive_all(&client), b"", "the answer");
    drop(client);
    assert_eq!(program.end(), served(addr));
}

#[test]
fn every_byte_value_goes_both_ways_unchanged() {
    let folder = Folder::new();
    let all: Vec<u8> = (0..=255).chain([0, b'\r', b'\n', b'\n', b'\r', 0x1a]).collect();
    folder.write("server_send.txt", &all);
    let program = Tcpserver::start(&folder, ["--framing", "eof"]);
    let client = program.connect();
    let addr = own_addr(&client);
    send(&client, &all);
    client.shutdown(Shutdown::Write).expect("the client can end its sending side");
    assert_bytes(&receive_all(&client), &all, "the answer");
    drop(client);
    assert_eq!(program.end(), served(addr));
    assert_bytes(&folder.request(), &all, "the captured request");
}

// Not where the file system requires names in UTF-8.
#[cfg(target_os = "linux")]
#[test]
fn file_names_need_not_be_text() {
    use std::os::unix::ffi::OsStrExt;
    let folder = Folder::new();
    let sent = std::ffi::OsStr::from_bytes(b"send\xff");
    let received = std::ffi::OsStr::from_bytes(b"recv\xfe");
    std::fs::write(folder.path().join(sent), b"the answer").expect("any byte may be in a name");
    let program = Tcpserver::start(&folder, ["--send".as_ref(), sent, "--recv".as_ref(), received]);
    let client = program.connect();
    let addr = own_addr(&client);
    send(&client, b"hello");
    assert_bytes(&receive_all(&client), b"the answer", "the answer");
    drop(client);
    assert_eq!(program.end(), served(addr));
    assert_bytes(
        &std::fs::read(folder.path().join(received)).expect("the request file"),
        b"hello",
        "the captured request",
    );
}

// Clients

#[test]
fn a_client_that_leaves_without_a_byte_does_not_end_it() {
    let folder = Folder::new();
    let mut program = Tcpserver::start(&folder, NO_ARGUMENTS);
    let leaving = program.connect();
    let left = own_addr(&leaving);
    drop(leaving);
    let resetting = program.connect();
    let reset = own_addr(&resetting);
    for line in [STARTING, WAITING, &connected(left), &connected(reset)] {
        assert_eq!(program.running.stdout_line(), line);
    }
    reset_by(resetting);
    let client = program.connect();
    let addr = own_addr(&client);
    send(&client, GET);
    assert_bytes(&receive_all(&client), RESPONSE, "the answer");
    drop(client);
    assert_eq!(
        program.end(),
        Ended { stdout: lines(&[left, reset, addr]), stderr: String::new(), code: Some(0) }
    );
    assert_bytes(&folder.request(), GET, "the captured request");
}

#[test]
fn idle_clients_do_not_keep_the_next_one_waiting() {
    let folder = Folder::new();
    let mut program = Tcpserver::start(&folder, NO_ARGUMENTS);
    let idle = [(); 3].map(|()| program.connect());
    let idle_addrs = idle.each_ref().map(own_addr);
    assert_eq!(program.running.stdout_line(), STARTING);
    assert_eq!(program.running.stdout_line(), WAITING);
    for addr in idle_addrs {
        assert_eq!(program.running.stdout_line(), connected(addr));
    }
    let client = program.connect();
    let addr = own_addr(&client);
    send(&client, GET);
    assert_bytes(&receive_all(&client), RESPONSE, "the answer");
    drop(client);
    let mut all = idle_addrs.to_vec();
    all.push(addr);
    assert_eq!(
        program.end(),
        Ended { stdout: lines(&all), stderr: String::new(), code: Some(0) },
        "while three clients are still connected"
    );
    assert_bytes(&folder.request(), GET, "the captured request");
    drop(idle);
}

#[test]
fn an_idle_client_that_speaks_after_all_is_served() {
    let folder = Folder::new();
    let mut program = Tcpserver::start(&folder, NO_ARGUMENTS);
    let (first, second) = (program.connect(), program.connect());
    let addrs = [own_addr(&first), own_addr(&second)];
    // Both are accepted: the first one was idle for long enough to be set aside.
    for line in [STARTING, WAITING, &connected(addrs[0]), &connected(addrs[1])] {
        assert_eq!(program.running.stdout_line(), line);
    }
    send(&first, GET);
    assert_bytes(&receive_all(&first), RESPONSE, "the answer");
    drop(first);
    assert_eq!(
        program.end(),
        Ended { stdout: lines(&addrs), stderr: String::new(), code: Some(0) }
    );
    assert_bytes(&folder.request(), GET, "the captured request");
}

#[test]
fn a_greeting_without_a_line_end_is_answered_at_once() {
    let folder = Folder::new();
    let program = Tcpserver::start(&folder, NO_ARGUMENTS);
    let mut client = program.connect();
    let addr = own_addr(&client);
    send(&client, b"hello");
    let mut answer = vec![0; RESPONSE.len()];
    client.read_exact(&mut answer).expect("an answer while our sending side is open");
    assert_bytes(&answer, RESPONSE, "the answer");
    assert_bytes(&folder.request(), b"hello", "the captured request, while the client stays");
    assert_bytes(&receive_all(&client), b"", "nothing but the end follows");
    drop(client);
    assert_eq!(program.end(), served(addr));
}

#[test]
fn a_client_that_never_closes_does_not_keep_it_running() {
    let folder = Folder::new();
    let program = Tcpserver::start(&folder, NO_ARGUMENTS);
    let client = program.connect();
    let addr = own_addr(&client);
    send(&client, b"hello");
    assert_bytes(&receive_all(&client), RESPONSE, "the answer");
    assert_eq!(program.end(), served(addr), "while the client is still connected");
    drop(client);
}

#[test]
fn a_request_that_arrives_byte_by_byte_is_captured_whole() {
    let request = b"POST /form HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world";
    let folder = Folder::new();
    let program = Tcpserver::start(&folder, NO_ARGUMENTS);
    let client = program.connect();
    let addr = own_addr(&client);
    for (at, byte) in request.iter().enumerate() {
        send(&client, &[*byte]);
        // So that no two bytes arrive together.
        folder.wait_for_request(&request[..=at]);
    }
    assert_bytes(&receive_all(&client), RESPONSE, "the answer");
    drop(client);
    assert_eq!(program.end(), served(addr));
    assert_bytes(&folder.request(), request, "the captured request");
}

#[test]
fn a_client_that_ends_its_sending_side_within_a_request_is_answered() {
    for request in [
        &b"GET / HTTP/1.1\r\nHos"[..],
        b"GE",
        b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n12345",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
    ] {
        let case = text(request);
        let folder = Folder::new();
        let program = Tcpserver::start(&folder, NO_ARGUMENTS);
        let client = program.connect();
        let addr = own_addr(&client);
        send(&client, request);
        client.shutdown(Shutdown::Write).expect("the client can end its sending side");
        assert_bytes(&receive_all(&client), RESPONSE, &case);
        drop(client);
        let remarked =
            format!("the client closed within its request, after {} bytes", request.len());
        assert_eq!(program.end(), remark(addr, &remarked), "{case}");
        assert_bytes(&folder.request(), request, &case);
    }
}

#[test]
fn five_megabytes_are_captured_whole() {
    let mut request = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\n".to_vec();
    request.extend(five_megabytes());
    let folder = Folder::new();
    let program = Tcpserver::start(&folder, NO_ARGUMENTS);
    let client = program.connect();
    let addr = own_addr(&client);
    send(&client, &request);
    assert_bytes(&receive_all(&client), RESPONSE, "the answer");
    drop(client);
    assert_eq!(program.end(), served(addr));
    assert_bytes(&folder.request(), &request, "the captured request");
}

#[test]
fn a_large_answer_arrives_whole_while_the_client_still_sends() {
    // More than the sockets' buffers hold.
    let answer = five_megabytes().repeat(4);
    let folder = Folder::new();
    folder.write("server_send.txt", &answer);
    let program = Tcpserver::start(&folder, ["--framing", "exactly:4"]);
    let client = program.connect();
    let addr = own_addr(&client);
    // It reads nothing before it has sent everything: the server must receive while it answers.
    let mut request = b"send".to_vec();
    request.resize(20_000_000, b'x');
    send(&client, &request);
    assert_bytes(&receive_all(&client), &answer, "the answer");
    drop(client);
    assert_eq!(program.end(), remark(addr, "19999996 more bytes came after the request"));
    assert_bytes(&folder.request(), b"send", "the captured request");
}

#[test]
fn a_client_that_leaves_within_a_large_answer_was_served() {
    let folder = Folder::new();
    folder.write("server_send.txt", &vec![b'x'; 64 << 20]);
    let program = Tcpserver::start(&folder, NO_ARGUMENTS);
    let mut client = program.connect();
    let addr = own_addr(&client);
    send(&client, GET);
    client.read_exact(&mut [0; 1000]).expect("the answer has begun");
    drop(client);
    let ended = program.end();
    assert_eq!((ended.stdout, ended.code), (lines(&[addr]), Some(0)));
    let sent: u64 = ended
        .stderr
        .strip_prefix("tcpserver: the client left after ")
        .and_then(|rest| rest.strip_suffix(" of 67108864 response bytes\n"))
        .and_then(|sent| sent.parse().ok())
        .unwrap_or_else(|| panic!("{:?}", ended.stderr));
    assert!((1000..64 << 20).contains(&sent), "{sent}");
}

#[cfg(unix)]
#[test]
fn the_answer_is_served_when_nobody_reads_stdout() {
    let folder = Folder::new();
    // As `tcpserver | head -1` does. The shell makes the pipe, so that no program of another test holds its reading end open.
    let script = "{ \"$0\" --listen 127.0.0.1:0; echo \"code $?\" >&2; } | \
        { read -r line; echo \"$line\"; exec <&-; echo closed; }";
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(script).arg(program_path()).current_dir(folder.path());
    let mut running = Running::start(&mut shell);
    assert_eq!([running.stdout_line(), running.stdout_line()], [STARTING, "closed\n"]);
    let program = Tcpserver::listening(running);
    let client = program.connect();
    send(&client, GET);
    assert_bytes(&receive_all(&client), RESPONSE, "the answer");
    drop(client);
    let ended = program.end();
    assert_bytes(&folder.request(), GET, "the captured request");
    let expected = "tcpserver: failed to write to stdout: Broken pipe (os error 32)\ncode 1\n";
    assert_eq!(ended.stderr, expected);
}

#[cfg(target_os = "linux")]
#[test]
fn lines_that_cannot_be_printed_are_told_and_the_answer_is_served() {
    let folder = Folder::new();
    let full = std::fs::File::create("/dev/full").expect("a full device");
    let running = Running::start_with_stdout(
        tcpserver(&folder).args(["--listen", "127.0.0.1:0"]),
        full.into(),
    );
    let program = Tcpserver::listening(running);
    let client = program.connect();
    send(&client, GET);
    assert_bytes(&receive_all(&client), RESPONSE, "the answer");
    drop(client);
    let ended = program.end();
    assert_eq!(
        (ended.stderr.as_str(), ended.code),
        ("tcpserver: failed to write to stdout: No space left on device (os error 28)\n", Some(1))
    );
    assert_bytes(&folder.request(), GET, "the captured request");
}

// Framing

/// Sends `pieces`, each when the previous ones have been captured, and keeps the sending side open.
#[track_caller]
fn assert_framed(rule: &str, pieces: &[&[u8]], request: &[u8]) {
    let folder = Folder::new();
    let program = Tcpserver::start(&folder, ["--framing", rule]);
    let client = program.connect();
    let addr = own_addr(&client);
    let mut sent = 0;
    for piece in pieces {
        if sent > 0 {
            folder.wait_for_request(&request[..sent]);
        }
        send(&client, piece);
        sent += piece.len();
    }
    assert_bytes(&receive_all(&client), RESPONSE, rule);
    drop(client);
    let ended = program.end();
    let expected = match sent - request.len() {
        0 => served(addr),
        more => remark(addr, &format!("{more} more bytes came after the request")),
    };
    assert_eq!(ended, expected, "{rule}");
    assert_bytes(&folder.request(), request, rule);
}

#[test]
fn framing_auto_takes_http_whole_and_anything_else_after_the_first_read() {
    assert_framed("auto", &[b"GE", b"T / HTTP/1.1\r\n", b"\r\n"], GET);
    assert_framed("auto", &[b"hello\n"], b"hello\n");
}

#[test]
fn framing_http_ends_with_the_body() {
    assert_framed(
        "http",
        &[b"PUT / HTTP/1.1\r\nContent-Length: 4\r\n\r\nab", b"cdGET "],
        b"PUT / HTTP/1.1\r\nContent-Length: 4\r\n\r\nabcd",
    );
    assert_framed(
        "http",
        &[
            b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc",
            b"\r\n0\r\nTrailer: 1\r\n",
            b"\r\n",
        ],
        b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nTrailer: 1\r\n\r\n",
    );
}

#[test]
fn framing_read_once_ends_after_the_first_read() {
    assert_framed("read-once", &[b"GET / HT"], b"GET / HT");
    assert_framed("read-once", &[&[b'x'; 5000]], &[b'x'; 4096]);
    assert_framed("read-once:3", &[b"hello"], b"hel");
}

#[test]
fn framing_until_ends_with_the_delimiter() {
    assert_framed(r"until:\r\n", &[b"PI\n", b"NG\r", b"\nPONG"], b"PI\nNG\r\n");
    assert_framed(r"until:\x00", &[b"a", b"b\0"], b"ab\0");
    assert_framed("until:END", &[b"an EN", b"D"], b"an END");
}

#[test]
fn framing_exactly_ends_after_so_many_bytes() {
    assert_framed("exactly:6", &[b"GET ", b"/ more"], b"GET / ");
}

#[test]
fn framing_lines_ends_with_the_line_feed() {
    assert_framed("lines", &[b"PING\r", b"\nPONG"], b"PING\r\n");
}

#[test]
fn framing_length_ends_after_what_the_length_counts() {
    assert_framed("length:4be", &[b"\0\0", b"\0\x05he", b"llo\0"], b"\0\0\0\x05hello");
    assert_framed(
        "length:4be,at=1,counts=itself",
        &[b"Q\0\0", b"\0\x06;\0", b"X"],
        b"Q\0\0\0\x06;\0",
    );
}

#[test]
fn framing_tls_record_ends_after_the_record() {
    assert_framed("tls-record", &[b"\x16\x03\x01\0", b"\x02ab\x16"], b"\x16\x03\x01\0\x02ab");
}

#[test]
fn framing_nothing_answers_before_the_client_speaks() {
    assert_framed("nothing", &[], b"");
    assert_framed("exactly:0", &[], b"");
}

#[test]
fn framing_eof_ends_when_the_client_ends_its_sending_side() {
    let folder = Folder::new();
    let program = Tcpserver::start(&folder, ["--framing", "eof"]);
    let client = program.connect();
    let addr = own_addr(&client);
    send(&client, GET);
    folder.wait_for_request(GET);
    send(&client, b"and more");
    client.shutdown(Shutdown::Write).expect("the client can end its sending side");
    assert_bytes(&receive_all(&client), RESPONSE, "the answer");
    drop(client);
    assert_eq!(program.end(), served(addr), "this end is no accident");
    assert_bytes(&folder.request(), &[GET, b"and more"].concat(), "the captured request");
}

#[test]
fn a_wrong_length_is_remarked() {
    let request = b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n";
    let folder = Folder::new();
    let program = Tcpserver::start(&folder, NO_ARGUMENTS);
    let client = program.connect();
    let addr = own_addr(&client);
    send(&client, request);
    assert_bytes(&receive_all(&client), RESPONSE, "the answer");
    drop(client);
    assert_eq!(
        program.end(),
        remark(
            addr,
            "Content-Length is not a number of bytes (RFC 9112 section 6.3): \
             the request ends after its head"
        )
    );
    assert_bytes(&folder.request(), request, "the captured request");
}

// curl

/// Runs curl to its end, without the settings of the user who runs the tests.
#[track_caller]
fn curl(program: &Tcpserver, folder: &Folder, arguments: &[&str]) -> std::process::Output {
    Command::new("curl")
        .args(["-q", "--silent", "--show-error", "--noproxy", "*", "--max-time", "30"])
        .args(arguments)
        .arg(format!("http://{}/", program.addr))
        .current_dir(folder.path())
        .output()
        .expect("curl can be started")
}

#[test]
#[ignore = "needs curl"]
fn curl_gets_the_file_as_it_is() {
    let folder = Folder::new();
    let program = Tcpserver::start(&folder, NO_ARGUMENTS);
    let addr = program.addr;
    let output = curl(&program, &folder, &["--include"]);
    assert!(output.status.success(), "{output:?}");
    assert_bytes(&output.stdout, RESPONSE, "the answer");
    let ended = program.end();
    assert_eq!((ended.stderr.as_str(), ended.code), ("", Some(0)), "{ended:?}");
    let request = folder.request();
    assert!(request.starts_with(b"GET / HTTP/1.1\r\n"), "{}", text(&request));
    assert!(request.ends_with(b"\r\n\r\n"), "{}", text(&request));
    let host = format!("\r\nHost: {addr}\r\n");
    assert!(request.windows(host.len()).any(|part| part == host.as_bytes()), "{}", text(&request));
}

#[test]
#[ignore = "needs curl"]
fn five_megabytes_from_curl_are_captured_whole() {
    let body = five_megabytes();
    for (arguments, encoding) in [
        (&["--data-binary", "@body"][..], "Content-Length: 5000000"),
        (&["--data-binary", "@body", "--header", "Expect:"], "Content-Length: 5000000"),
        (&["--upload-file", "body"], "Content-Length: 5000000"),
    ] {
        let case = format!("{arguments:?}");
        let folder = Folder::new();
        folder.write("body", &body);
        let program = Tcpserver::start(&folder, NO_ARGUMENTS);
        let output = curl(&program, &folder, arguments);
        assert!(output.status.success(), "{case}: {output:?}");
        assert_bytes(&output.stdout, b"<html><body><h1>It works!</h1></body></html>\n", &case);
        let ended = program.end();
        assert_eq!((ended.stderr.as_str(), ended.code), ("", Some(0)), "{case}: {ended:?}");
        let request = folder.request();
        let end = request.windows(4).position(|end| end == b"\r\n\r\n").expect("a whole head") + 4;
        let (head, captured) = request.split_at(end);
        assert_bytes(captured, &body, &case);
        let head = String::from_utf8_lossy(head);
        assert!(head.contains(encoding), "{case}: {head}");
    }
}

#[test]
#[ignore = "needs curl"]
fn a_chunked_upload_from_curl_is_captured_whole() {
    let folder = Folder::new();
    folder.write("body", b"hello\n");
    let program = Tcpserver::start(&folder, NO_ARGUMENTS);
    let output = curl(
        &program,
        &folder,
        &["--data-binary", "@body", "--header", "Transfer-Encoding: chunked"],
    );
    assert!(output.status.success(), "{output:?}");
    let ended = program.end();
    assert_eq!((ended.stderr.as_str(), ended.code), ("", Some(0)), "{ended:?}");
    let request = folder.request();
    assert!(request.ends_with(b"\r\n\r\n6\r\nhello\n\r\n0\r\n\r\n"), "{}", text(&request));
}

#[test]
#[ignore = "needs curl"]
fn curl_may_leave_after_a_head_or_after_the_length_it_was_told() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    for (arguments, body_len, expected) in [
        (&["--head"][..], 5, head.to_owned()),
        (&["--head"], 8 << 20, head.to_owned()),
        (&["--include"], 6, format!("{head}xxxxx")),
        (&["--include"], 8 << 20, format!("{head}xxxxx")),
    ] {
        let case = format!("{arguments:?} of a body of {body_len} bytes");
        let folder = Folder::new();
        let mut response = head.as_bytes().to_vec();
        response.resize(head.len() + body_len, b'x');
        folder.write("server_send.txt", &response);
        let program = Tcpserver::start(&folder, NO_ARGUMENTS);
        let output = curl(&program, &folder, arguments);
        assert!(output.status.success(), "{case}: {output:?}");
        assert_bytes(&output.stdout, expected.as_bytes(), &case);
        let mut ended = program.end();
        assert_eq!(ended.code, Some(0), "{case}: {ended:?}");
        if body_len != 5 {
            // As `first_mistakes` tests it.
            let (notice, rest) = ended.stderr.split_once('\n').unwrap_or_default();
            assert!(notice.starts_with("tcpserver: server_send.txt: Content-Length"), "{case}");
            assert!(notice.contains(&body_len.to_string()), "{case}: {notice}");
            ended.stderr = rest.to_owned();
        }
        assert!(
            ended.stderr.is_empty()
                || ended.stderr.starts_with("tcpserver: the client left after ")
                    && ended.stderr.ends_with(&format!(" of {} response bytes\n", response.len())),
            "{case}: {ended:?}"
        );
    }
}
