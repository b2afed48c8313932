//! What scripts and other languages use: the journal as JSON lines, the ready file, the pid file, exit codes after signals.

use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};

use assert_cmd::cargo::cargo_bin_cmd;
use fake_peer_test_support::over_within;
use fake_peer_test_support::programs::{
    Ended, Folder, PATIENCE, RESPONSE, Running, Tcpserver, assert_bytes, connect, receive_all,
    send, tcpserver, wait_until,
};
use serde_json::Value;

const GET: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

/// The lines of a journal.
#[track_caller]
fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
        .collect()
}

#[track_caller]
fn journal(folder: &Folder) -> Vec<Value> {
    lines(&String::from_utf8(folder.read("journal")).expect("UTF-8"))
}

fn events(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["event"].as_str().expect("a text")).collect()
}

/// Asks, and receives everything.
#[track_caller]
fn ask(program: &Tcpserver, request: &[u8]) -> Vec<u8> {
    let client = program.connect();
    send(&client, request);
    receive_all(&client)
}

// The journal

#[test]
fn the_journal_has_one_exchange_from_its_start_to_its_end() {
    let folder = Folder::new();
    let program = Tcpserver::start(&folder, ["--journal", "journal"]);
    let port = program.addr.port();
    assert_bytes(&ask(&program, GET), RESPONSE, "the answer");
    assert_eq!(program.end().code, Some(0));
    let lines = journal(&folder);
    assert_eq!(
        events(&lines),
        [
            "journal",
            "listening",
            "connection",
            "request",
            "response",
            "ending",
            "closed",
            "exchange",
            "end"
        ]
    );
    assert_eq!(lines[0]["version"], 1);
    assert_eq!((&lines[1]["host"], &lines[1]["port"]), (&"127.0.0.1".into(), &port.into()));
    let request = &lines[3];
    assert_eq!(request["text"].as_str().map(str::as_bytes), Some(GET));
    assert_eq!(
        (&request["end"], &request["record"]),
        (&"complete".into(), &"server_recv.txt".into())
    );
    assert_eq!((&request["method"], &request["target"]), (&"GET".into(), &"/".into()));
    assert_eq!(lines[4]["offered"], RESPONSE.len());
    assert_eq!((&lines[5]["ending"], &lines[6]["client_end"]), (&"close".into(), &"closed".into()));
    let exchange = &lines[7];
    assert_eq!(exchange["sent"], RESPONSE.len());
    assert_eq!(exchange["text"].as_str().map(str::as_bytes), Some(RESPONSE));
    #[cfg(target_os = "linux")]
    assert_eq!(exchange["acknowledged"], RESPONSE.len());
    assert_eq!(lines[8]["exit_code"], 0);
}

#[test]
fn a_line_is_in_the_journal_when_it_happens() {
    let folder = Folder::new();
    let program = Tcpserver::start(&folder, ["--journal", "journal", "--hold"]);
    let client = program.connect();
    send(&client, b"\xff\x00");
    let holds = || String::from_utf8_lossy(&folder.read("journal")).contains("\"hold\"");
    wait_until(holds, || format!("{:?}", journal(&folder)));
    let lines = journal(&folder);
    assert_eq!(lines[3]["base64"], "/wA=");
    assert_eq!(lines[3].get("text"), None);
    drop(client);
    assert_eq!(program.end().code, Some(0));
}

#[test]
fn the_journal_on_stdout_has_it_for_itself() {
    let folder = Folder::new();
    let mut program = Running::start(tcpserver(&folder).args([
        "--listen",
        "127.0.0.1:0",
        "--journal",
        "-",
        "--lang=en",
    ]));
    program.stdout_line();
    let listening = lines(&program.stdout_line()).remove(0);
    let address = listening["address"].as_str().expect("an address");
    let client = connect(address.parse().expect("an address"));
    send(&client, GET);
    assert_bytes(&receive_all(&client), RESPONSE, "the answer");
    drop(client);
    let ended = program.end();
    assert_eq!(events(&lines(&ended.stdout)).last(), Some(&"end"));
    assert!(ended.stderr.contains("=== Stopping the server ===\n"), "{ended:?}");
}

#[test]
fn what_fails_is_in_the_journal_and_so_is_an_address_that_cannot_be_had() {
    let folder = Folder::new();
    let program = Tcpserver::start(&folder, ["--journal", "journal", "--send", "missing"]);
    assert_bytes(&ask(&program, GET), b"", "no answer");
    let ended = program.end();
    assert_eq!(ended.code, Some(1));
    let lines = journal(&folder);
    let failures: Vec<_> = lines.iter().filter(|line| line.get("failure").is_some()).collect();
    assert_eq!(failures.len(), 1, "{lines:?}");
    let failure = failures[0]["failure"].as_str().expect("a text");
    assert!(ended.stderr.ends_with(&format!("tcpserver: {failure}\n")), "{failure}: {ended:?}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = taken.local_addr().expect("bound").to_string();
    let ended =
        Running::start(tcpserver(&folder).args(["--listen", &addr, "--journal", "journal"])).end();
    assert_eq!(ended.code, Some(1));
    let lines = journal(&folder);
    assert_eq!(events(&lines), ["journal", "failed", "end"]);
    assert_eq!((&lines[1]["address"], &lines[2]["exit_code"]), (&addr.into(), &1.into()));
}

#[test]
fn a_journal_or_a_ready_file_that_cannot_be_written_is_a_failure_before_listening() {
    let folder = Folder::new();
    for (arguments, what) in [
        (["--journal", "missing/file"], "open journal file"),
        (["--ready-file", "missing/file"], "write ready file"),
        (["--pid-file", "missing/file"], "write pid file"),
    ] {
        cargo_bin_cmd!("tcpserver")
            .timeout(PATIENCE)
            .current_dir(folder.path())
            .args(["--listen", "127.0.0.1:0"])
            .args(arguments)
            .assert()
            .code(1)
            .stdout("")
            .stderr(format!(
                "tcpserver: failed to {what} `missing/file`: No such file or directory (os error 2)\n"
            ));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_under_the_journal_is_a_failure_and_the_answer_is_served() {
    let folder = Folder::new();
    let program = Tcpserver::start(&folder, ["--journal", "/dev/full"]);
    assert_bytes(&ask(&program, GET), RESPONSE, "the answer");
    let ended = program.end();
    assert_eq!(ended.code, Some(1));
    assert_eq!(
        ended.stderr,
        "tcpserver: failed to write to journal file `/dev/full`: No space left on device (os error 28)\n"
    );
}

/// What should read the journal does not, so that no more fits into the pipe.
#[cfg(unix)]
#[test]
fn a_signal_ends_a_program_whose_journal_nothing_reads() {
    let body = "x".repeat(1 << 18);
    let post = format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    for count in ["--count=1", "--forever"] {
        let folder = Folder::new();
        let mut command = tcpserver(&folder);
        command.args(["--listen", "127.0.0.1:0", "--quiet", "--journal", "-", count]);
        command.args(["--ready-file", "ready"]);
        let mut program =
            Tcpserver::listening(Running::start_with_stdout(&mut command, Stdio::piped()));
        let mut unread = program.running.take_stdout();
        send(&program.connect(), post.as_bytes());
        // The line of the request has begun.
        let _unread = over_within(PATIENCE, count, move || {
            let mut read = Vec::new();
            while !read.ends_with(b"POST / HTTP/1.1") {
                let mut byte = [0];
                unread.read_exact(&mut byte).expect("more of the journal");
                read.extend(byte);
            }
            unread
        });
        // Several: the first one lets it complete what it has begun.
        let ends = || {
            let has_ended = program.running.has_ended();
            if !has_ended {
                program.running.signal("TERM");
            }
            has_ended
        };
        wait_until(ends, || format!("{count}: it still runs"));
        assert!(!folder.file("ready").exists(), "{count}");
        assert_eq!(program.end().code, Some(143), "{count}");
    }
}

/// Python's JSON reads every line, and compares it with the tables of the documentation.
#[test]
#[ignore = "needs python3"]
fn every_line_follows_the_documented_schema() {
    let folder = Folder::new();
    let arguments = ["--journal", "journal", "--ready-file", "ready", "--count", "4"];
    let program = Tcpserver::start(&folder, arguments);
    assert_schema(&folder.read("ready"), &["--ready"]);
    drop(program.connect());
    ask(&program, b"\x00\xff\x1b[2J");
    ask(&program, b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\nmore");
    let client = program.connect();
    send(&client, b"GET / HT");
    client.shutdown(std::net::Shutdown::Write).expect("connected");
    receive_all(&client);
    ask(&program, "GET /\u{202e}日本 HTTP/1.1\r\n\r\n".as_bytes());
    assert_eq!(program.end().code, Some(0));
    let text = folder.read("journal");
    let seen = assert_schema(&text, &[]);
    for event in ["silent", "request", "response", "ending", "closed", "exchange", "end"] {
        assert!(seen.contains(event), "{event} in {seen}");
    }
    let text = String::from_utf8(text).expect("UTF-8");
    assert!(text.contains("/\\u202e日本"), "{text}");
    // What failed, and what was kept in part.
    let arguments = ["--journal", "journal", "--send", "missing", "--send", "large", "--count=2"];
    folder.write("large", &[0xff; 5000]);
    let program = Tcpserver::start(&folder, arguments);
    ask(&program, GET);
    ask(&program, GET);
    assert_eq!(program.end().code, Some(1));
    assert_schema(&folder.read("journal"), &[]);
    assert!(journal(&folder).iter().any(|line| line["truncated"] == true));
}

/// The journal of a library's peer.
#[test]
#[ignore = "needs python3"]
fn a_journal_of_the_library_follows_the_schema_too() {
    let peer = fake_peer::Peer::answer(fake_peer::http::ok("hi").keep_alive());
    let client = connect(peer.addr());
    send(&client, b"GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\nConnection: close\r\n\r\n");
    receive_all(&client);
    drop(client);
    drop(connect(peer.addr()));
    let journal = peer.finish().expect("all was served");
    let seen = assert_schema(journal.to_json_lines().as_bytes(), &[]);
    assert_eq!(
        seen.trim(),
        "journal connection request exchange request exchange closed connection silent"
    );
}

/// The events that were seen.
#[track_caller]
pub(crate) fn assert_schema(text: &[u8], arguments: &[&str]) -> String {
    let root = env!("CARGO_MANIFEST_DIR");
    let mut checker = assert_cmd::Command::new("python3");
    checker
        .arg(format!("{root}/tests/program/journal_schema.py"))
        .arg(format!("{root}/docs/journal.md"))
        .args(arguments)
        .write_stdin(text)
        .timeout(PATIENCE);
    let output = checker.output().expect("python3");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}\n{}", String::from_utf8_lossy(text));
    String::from_utf8(output.stdout).expect("text")
}

// The files

/// As `/dev/null` is not, which a root would have no more.
#[cfg(unix)]
#[test]
fn what_is_no_regular_file_is_not_replaced_by_a_ready_file_or_a_pid_file() {
    let folder = Folder::new();
    let _listener = std::os::unix::net::UnixListener::bind(folder.file("place")).expect("a path");
    for (option, what) in [("--ready-file", "ready file"), ("--pid-file", "pid file")] {
        let ended = Running::start(tcpserver(&folder).args([option, "place"])).end();
        let stderr = format!("tcpserver: failed to write {what} `place`: it is no regular file\n");
        assert_eq!((ended.code, ended.stderr), (Some(1), stderr));
        assert!(folder.file("place").exists(), "{option}");
    }
}

#[test]
fn the_ready_file_and_the_pid_file_are_there_while_it_listens() {
    let folder = Folder::new();
    // Of a run that was killed.
    folder.write("ready", b"old");
    let program = Tcpserver::start(&folder, ["--ready-file", "ready", "--pid-file", "pid"]);
    let wait = || folder.file("ready").exists() && folder.read("ready") != b"old";
    wait_until(wait, || "no ready file".into());
    let ready: Value = serde_json::from_slice(&folder.read("ready")).expect("JSON, at once whole");
    let (addr, pid) = (program.addr, program.running.id());
    assert_eq!(ready["url"], format!("http://{addr}"));
    assert_eq!((&ready["port"], &ready["pid"]), (&addr.port().into(), &pid.into()));
    assert_eq!(folder.read("pid"), format!("{pid}\n").as_bytes());
    let names: Vec<_> = fs::read_dir(folder.path()).expect("a folder").collect();
    assert_eq!(names.len(), 3, "no other file: {names:?}");
    ask(&program, GET);
    assert_eq!(program.end().code, Some(0));
    assert!(!folder.file("ready").exists() && !folder.file("pid").exists());
}

#[cfg(unix)]
#[test]
fn the_files_are_gone_after_a_signal() {
    for (signal, options) in [("TERM", &[][..]), ("INT", &[]), ("TERM", &["--forever"])] {
        let folder = Folder::new();
        let files = ["--ready-file=ready", "--pid-file=pid"];
        let program = Tcpserver::start(&folder, files.iter().chain(options));
        wait_until(|| folder.file("ready").exists(), || "no ready file".into());
        program.running.signal(signal);
        program.end();
        let names: Vec<_> = fs::read_dir(folder.path()).expect("a folder").collect();
        assert_eq!(names.len(), 1, "{signal} {options:?}: {names:?}");
    }
}

#[test]
fn the_file_of_another_run_is_left_alone() {
    let folder = Folder::new();
    let program = Tcpserver::start(&folder, ["--ready-file", "ready"]);
    wait_until(|| folder.file("ready").exists(), || "no ready file".into());
    folder.write("ready", b"{\"pid\":1}\n");
    ask(&program, GET);
    assert_eq!(program.end().code, Some(0));
    assert_eq!(folder.read("ready"), b"{\"pid\":1}\n");
}

// Exit codes

/// Starts it for ever, lets it serve one request, and sends a signal.
#[cfg(unix)]
#[track_caller]
fn signalled(signal: &str, arguments: &[&str]) -> Ended {
    let folder = Folder::new();
    let program = Tcpserver::start(&folder, ["--forever"].iter().chain(arguments));
    ask(&program, GET);
    program.running.signal(signal);
    program.end()
}

#[cfg(unix)]
#[test]
fn what_failed_before_a_signal_counts_more_than_the_signal() {
    for (signal, arguments, code) in [
        ("TERM", &[][..], 143),
        ("INT", &[], 130),
        ("TERM", &["--sigterm-ok"], 0),
        ("INT", &["--sigterm-ok"], 130),
        ("TERM", &["--send", "missing"], 1),
        ("INT", &["--send", "missing"], 1),
        ("TERM", &["--send", "missing", "--sigterm-ok"], 1),
    ] {
        let ended = signalled(signal, arguments);
        assert_eq!(ended.code, Some(code), "{signal} {arguments:?}: {ended:?}");
    }
}

#[cfg(unix)]
#[test]
fn what_is_over_is_not_lost_with_a_signal_though_its_client_stays() {
    const MISSING: &str = "failed to open response file `missing`";
    for (signals, arguments, code, failure) in [
        (&["TERM"][..], &[][..], 143, ""),
        (&["INT"], &["--sigterm-ok"], 130, ""),
        (&["TERM"], &["--sigterm-ok"], 0, ""),
        (&["TERM"], &["--send", "missing", "--sigterm-ok"], 1, MISSING),
        (&["INT"], &["--send", "missing"], 1, MISSING),
        // With several exchanges the first one lets those in progress complete, and the second one does not.
        (&["INT", "TERM"], &["--forever"], 143, ""),
        (&["INT", "TERM"], &["--forever", "--send", "missing"], 1, MISSING),
        (&["INT", "TERM"], &["--forever", "--hold"], 143, ""),
    ] {
        let case = format!("{signals:?} {arguments:?}");
        let folder = Folder::new();
        let program = Tcpserver::start(
            &folder,
            ["--journal", "journal", "--linger", "1m"].iter().chain(arguments),
        );
        let client = program.connect();
        send(&client, GET);
        let seen = || String::from_utf8_lossy(&folder.read("journal")).contains("\"ending\"");
        wait_until(seen, || case.clone());
        for signal in signals {
            program.running.signal(signal);
        }
        let ended = program.end();
        assert_eq!(ended.code, Some(code), "{case}: {ended:?}");
        assert!(ended.stderr.contains(failure), "{case}: {ended:?}");
        assert_eq!(ended.stderr.is_empty(), failure.is_empty(), "{case}: {ended:?}");
        let lines = journal(&folder);
        assert_eq!(
            events(&lines)[events(&lines).len() - 3..],
            ["closed", "exchange", "end"],
            "{case}"
        );
        drop(client);
    }
}

#[cfg(unix)]
#[test]
fn an_exchange_that_sigterm_cuts_is_no_success() {
    let folder = Folder::new();
    for (speaks, code) in [(false, 0), (true, 143)] {
        let program = Tcpserver::start(&folder, ["--sigterm-ok", "--journal", "journal"]);
        let client = program.connect();
        let expected = if speaks {
            send(&client, b"GET / HTTP/1.1\r\n");
            folder.wait_for_request(b"GET / HTTP/1.1\r\n");
            "\"connection\""
        } else {
            "\"listening\""
        };
        let seen = || String::from_utf8_lossy(&folder.read("journal")).contains(expected);
        wait_until(seen, || format!("{:?}", journal(&folder)));
        program.running.signal("TERM");
        assert_eq!(program.end().code, Some(code), "speaks: {speaks}");
        assert_eq!(journal(&folder).last().expect("lines")["exit_code"], code);
    }
}

#[test]
fn options_for_scripts_that_contradict_each_other_are_wrong_usage() {
    for (arguments, reason) in [
        (&["--journal", "-", "--recv", "-"][..], "--recv - and --journal - both write to stdout"),
        (&["--ready-file", "-"], "--ready-file takes a file, and not -"),
        (&["--pid-file", "-"], "--pid-file takes a file, and not -"),
        (&["--pid-file", "a", "--ready-file", "a"], "--ready-file needs a file of its own"),
        (&["--journal", "a", "--ready-file", "a"], "--ready-file needs a file of its own"),
        (&["--journal", "a", "--pid-file", "a"], "--pid-file needs a file of its own"),
        (&["--journal"], "--journal needs a value: --journal FILE"),
        (&["--log", "a"], "unknown option `--log` (did you mean `--journal FILE`?)"),
    ] {
        let assert = cargo_bin_cmd!("tcpserver").timeout(PATIENCE).args(arguments).assert();
        let output = assert.code(2).stdout("").get_output().clone();
        let stderr = String::from_utf8(output.stderr).expect("text");
        assert!(stderr.contains(reason), "{arguments:?}: {stderr}");
    }
}

// Other languages

#[test]
fn the_command_of_both_readmes_says_where_it_listens_and_what_it_was_asked() {
    let command = "tcpserver --listen localhost:0 --forever --sigterm-ok --quiet --journal -";
    for readme in [super::readme::ENGLISH, super::readme::JAPANESE] {
        assert!(readme.contains(&format!("```sh\n{command}\n```\n")));
    }
    let folder = Folder::new();
    let mut program = Running::start(tcpserver(&folder).args(command.split(' ').skip(1)));
    program.stdout_line();
    let listening = lines(&program.stdout_line()).remove(0);
    let address = listening["address"].as_str().and_then(|text| text.parse().ok());
    let client = connect(address.expect("an address"));
    send(&client, b"GET /x HTTP/1.1\r\n\r\n");
    assert_bytes(&receive_all(&client), RESPONSE, "the answer");
    drop(client);
    program.stdout_line();
    let request = lines(&program.stdout_line()).remove(0);
    assert_eq!((&request["event"], &request["target"]), (&"request".into(), &"/x".into()));
}

/// Runs one of the examples with the program.
#[track_caller]
fn run_example(command: &[&str]) {
    let output = Command::new("timeout")
        .args(["100"])
        .args(command)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("TCPSERVER", fake_peer_test_support::programs::program_path())
        .env("NO_PROXY", "*")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env_remove("http_proxy")
        .output()
        .expect("timeout");
    let (stdout, stderr) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{stdout}\n{stderr}", output.status);
}

#[test]
#[ignore = "needs python3 with pytest and requests"]
fn the_pytest_fixture_works_with_requests_and_http_client() {
    // Another Python than the system's may come first.
    let has_both = |python: &&str| {
        let import = Command::new(python).args(["-c", "import pytest, requests"]).output();
        import.is_ok_and(|output| output.status.success())
    };
    let python = ["python3", "/usr/bin/python3"].into_iter().find(has_both);
    let python = python.expect("python3 with pytest and requests");
    run_example(&[python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "examples/python"]);
}

#[test]
#[ignore = "needs node with fetch"]
fn the_helper_for_node_test_works_with_fetch() {
    run_example(&["node", "--test", "examples/node"]);
}

#[test]
#[ignore = "needs curl"]
fn curl_tries_again_in_the_shell_example() {
    run_example(&["sh", "examples/shell/retry.sh"]);
}

#[test]
fn the_fixture_and_the_helper_have_at_most_40_lines() {
    for file in ["examples/python/conftest.py", "examples/node/tcpserver.mjs"] {
        let text = fs::read_to_string(format!("{}/{file}", env!("CARGO_MANIFEST_DIR")));
        let lines = text.expect("a file").lines().count();
        assert!(lines <= 40, "{file} has {lines} lines");
    }
}
