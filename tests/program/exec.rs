//! The program `tcpserver` where another program answers: `--exec`. All tests need a Unix and its `sh`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread;
use std::time::{Duration, Instant};

use fake_peer_test_support::programs::{
    Ended, Folder, Running, Tcpserver, assert_bytes, receive_all, send, tcpserver, text, wait_until,
};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: peer\r\n\r\n";

/// What one request gets from a program that runs this, and how it ends.
#[track_caller]
fn exchange(folder: &Folder, arguments: &[&str], request: &[u8]) -> (Vec<u8>, Ended) {
    let program = Tcpserver::start(folder, arguments);
    let client = program.connect();
    send(&client, request);
    let answer = receive_all(&client);
    drop(client);
    (answer, program.end())
}

/// The line on stderr of an exchange that failed before its first byte.
#[track_caller]
fn failure(folder: &Folder, arguments: &[&str]) -> String {
    let (answer, ended) = exchange(folder, arguments, GET);
    assert_eq!(
        (text(&answer).as_str(), ended.code),
        ("0 bytes: ", Some(1)),
        "{arguments:?}: {ended:?}"
    );
    ended.stderr
}

/// Whether this process is alive.
fn runs(id: &str) -> bool {
    let state = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    // A zombie has ended, and is not waited for yet.
    state.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
}

/// The id that a program has written to this file.
#[track_caller]
fn id_in(folder: &Folder, name: &str) -> String {
    let path = folder.file(name);
    wait_until(
        || fs::read_to_string(&path).is_ok_and(|id| id.ends_with('\n')),
        || format!("no id in {name}"),
    );
    fs::read_to_string(path).expect("it is there").trim().into()
}

#[track_caller]
fn wait_for_end_of(id: &str) {
    wait_until(|| !runs(id), || format!("process {id} still runs"));
}

#[test]
fn the_answer_is_what_the_program_prints_and_its_input_is_the_request() {
    let folder = Folder::new();
    let request: Vec<u8> = [
        &b"POST / HTTP/1.1\r\nContent-Length: 2000000\r\n\r\n"[..],
        &(0..=u8::MAX).cycle().take(2_000_000).collect::<Vec<u8>>(),
    ]
    .concat();
    let (answer, ended) = exchange(&folder, &["--exec", "cat"], &request);
    assert_bytes(&answer, &request, "through cat");
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
}

#[test]
fn arguments_reach_the_program_as_they_are_and_no_shell_reads_them() {
    let folder = Folder::new();
    folder.write("reply", b"#!/bin/sh\nprintf '%s|' \"$@\"\n");
    fs::set_permissions(folder.file("reply"), PermissionsExt::from_mode(0o755)).expect("our file");
    let arguments = ["--exec", "./reply", "--", "a b", "$HOME;`id`", "--send", "-x", "*", ""];
    let (answer, ended) = exchange(&folder, &arguments, GET);
    assert_bytes(&answer, b"a b|$HOME;`id`|--send|-x|*||", "the arguments");
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
}

#[test]
fn what_the_program_complains_about_is_shown_line_by_line_without_control_characters() {
    let folder = Folder::new();
    let script = r"printf 'one\033[31m\r\ntwo' >&2; printf hi";
    let (answer, ended) = exchange(&folder, &["--exec", "sh", "--", "-c", script], GET);
    assert_bytes(&answer, b"hi", "the answer");
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), "one\\u{1b}[31m\\r\ntwo\n"));
}

#[test]
fn a_program_that_fails_or_prints_nothing_is_a_failure_and_nothing_of_it_is_sent() {
    let folder = Folder::new();
    for (script, reason) in [
        ("printf half; exit 3", "`sh` has failed: exit status: 3\n"),
        ("printf half; kill -9 $$", "`sh` has failed: signal: 9 (SIGKILL)\n"),
        ("cat > /dev/null", "`sh` has printed nothing\n"),
        ("exec >&-; exit 0", "`sh` has printed nothing\n"),
    ] {
        let line = failure(&folder, &["--exec", "sh", "--", "-c", script]);
        assert!(
            line.starts_with("tcpserver: failed to answer the request ") && line.ends_with(reason),
            "{line}"
        );
    }
}

#[test]
fn a_program_that_ignores_its_input_answers_all_the_same() {
    let folder = Folder::new();
    let request =
        [&b"POST / HTTP/1.1\r\nContent-Length: 3000000\r\n\r\n"[..], &vec![b'x'; 3_000_000]]
            .concat();
    let (answer, ended) = exchange(&folder, &["--exec", "printf", "--", "hi"], &request);
    assert_bytes(&answer, b"hi", "without reading");
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
}

#[test]
fn a_program_that_never_ends_is_killed_with_all_that_it_has_started() {
    let folder = Folder::new();
    for (script, case) in [
        ("echo $$ > id; sleep 1000 & echo $! > child; wait", "silent"),
        // It has ended, and what it has started keeps its output open.
        ("echo $$ > id; sleep 1000 & echo $! > child; printf hi", "left alone"),
        ("echo $$ > id; sleep 1000 >&- 2>&- & echo $! > child; exec >&-; wait", "without output"),
        (
            "trap '' TERM INT; echo $$ > id; sleep 1000 & echo $! > child; while :; do printf x; sleep 0.05; done",
            "talkative",
        ),
    ] {
        let started = Instant::now();
        let line = failure(&folder, &["--timeout", "1500ms", "--exec", "sh", "--", "-c", script]);
        assert!(
            line.ends_with("`sh` has not answered within 1.5s, and was killed\n"),
            "{case}: {line}"
        );
        assert!(started.elapsed() >= Duration::from_millis(1_500), "{case}");
        for name in ["id", "child"] {
            wait_for_end_of(&id_in(&folder, name));
        }
        fs::remove_file(folder.file("child")).expect("it was there");
    }
}

#[test]
fn a_program_that_prints_100_megabytes_is_killed_before_they_are_in_memory() {
    let folder = Folder::new();
    let script = "echo $$ > id; exec head -c 100000000 /dev/zero";
    let line = failure(&folder, &["--exec", "sh", "--", "-c", script]);
    assert!(line.ends_with("`sh` prints more than 64 MiB, and was killed\n"), "{line}");
    wait_for_end_of(&id_in(&folder, "id"));
    let arguments = ["--exec", "head", "--", "-c", "67108864", "/dev/zero"];
    let (answer, ended) = exchange(&folder, &arguments, GET);
    assert_eq!((answer.len(), ended.code), (67_108_864, Some(0)), "{}", ended.stderr);
}

#[test]
fn programs_run_side_by_side_and_a_hanging_one_holds_up_no_other() {
    let folder = Folder::new();
    let script = "read -r line; case $line in *slow*) echo $$ > id; exec sleep 1000;; esac; printf '%s' \"$line\"";
    let arguments = ["--forever", "--exec", "sh", "--", "-c", script];
    let mut program = Tcpserver::start(&folder, arguments);
    let slow = program.connect();
    send(&slow, b"GET /slow HTTP/1.1\r\n\r\n");
    let id = id_in(&folder, "id");
    thread::scope(|scope| {
        for number in 0..20 {
            let client = program.connect();
            scope.spawn(move || {
                send(&client, format!("GET /{number} HTTP/1.1\r\n\r\n").as_bytes());
                let expected = format!("GET /{number} HTTP/1.1\r");
                assert_bytes(&receive_all(&client), expected.as_bytes(), "beside the slow one");
            });
        }
    });
    // The second signal does not wait for the exchange in progress.
    program.running.signal("TERM");
    let waits = program.running.stderr_line().expect("a note");
    assert!(waits.contains("waiting for exchanges in progress"), "{waits}");
    assert!(runs(&id), "the first signal waits");
    program.running.signal("TERM");
    wait_for_end_of(&id);
    assert_eq!(program.end().code, Some(143));
}

#[test]
fn a_signal_that_ends_a_single_exchange_ends_its_program_too() {
    let folder = Folder::new();
    let script = "echo $$ > id; sleep 1000 & echo $! > child; wait";
    let program = Tcpserver::start(&folder, ["--exec", "sh", "--", "-c", script]);
    let client = program.connect();
    send(&client, GET);
    let ids = [id_in(&folder, "id"), id_in(&folder, "child")];
    program.running.signal("INT");
    assert_eq!(program.end().code, Some(130));
    for id in &ids {
        wait_for_end_of(id);
    }
}

#[test]
fn a_program_that_cannot_be_run_is_wrong_usage_before_anything_listens() {
    let folder = Folder::new();
    folder.write("data", b"no program");
    for (arguments, reason) in [
        (
            &["--exec", "no-such-program"][..],
            "--exec: `no-such-program` is no program that can be run: it is in no folder of PATH; one in this folder is ./PROGRAM",
        ),
        (
            &["--exec", "./nowhere"],
            "--exec: `./nowhere` is no program that can be run: give the path of a file that can be executed",
        ),
        (
            &["--exec", "./data"],
            "--exec: `./data` is no program that can be run: give the path of a file that can be executed",
        ),
        (
            &["--exec", "cat -n"],
            "--exec: `cat -n` is no program that can be run: the arguments of a program come after --, as in --exec PROGRAM -- ARGS",
        ),
        (&["--exec", ""], "--exec needs a value: --exec PROGRAM"),
        (&["--exec"], "--exec needs a value: --exec PROGRAM"),
        (&["--", "cat"], "what comes after -- are the arguments of a program: give --exec PROGRAM"),
    ] {
        let ended = Running::start(tcpserver(&folder).args(arguments)).end();
        let expected = format!(
            "tcpserver: failed to understand the arguments: {reason}; `tcpserver --help` lists all options\n"
        );
        assert_eq!(
            (ended.code, ended.stderr.as_str(), ended.stdout.as_str()),
            (Some(2), &*expected, "")
        );
    }
}

#[test]
fn a_program_that_is_gone_by_then_fails_its_exchange() {
    let folder = Folder::new();
    folder.write("reply", b"#!/bin/sh\necho hi\n");
    fs::set_permissions(folder.file("reply"), PermissionsExt::from_mode(0o755)).expect("our file");
    let program = Tcpserver::start(&folder, ["--exec", "./reply"]);
    fs::remove_file(folder.file("reply")).expect("it was there");
    let client = program.connect();
    send(&client, GET);
    assert_bytes(&receive_all(&client), b"", "nothing");
    drop(client);
    let ended = program.end();
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.stderr.contains(": failed to run `./reply`: No such file or directory"),
        "{}",
        ended.stderr
    );
}
