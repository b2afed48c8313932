//! Mistakes of beginners, which the program names before the first request, in the chosen language; and what never reaches a terminal.

use std::process::{Command, Stdio};

use assert_cmd::cargo::cargo_bin_cmd;
use fake_peer_test_support::programs::{
    Folder, PATIENCE, RESPONSE, Running, Tcpserver, assert_bytes, connect, receive_all, send,
};

const GET: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

#[track_caller]
fn ask(program: &Tcpserver) -> Vec<u8> {
    let client = program.connect();
    send(&client, GET);
    receive_all(&client)
}

/// The first line on stderr after the one with the port.
#[track_caller]
fn note(program: &mut Tcpserver) -> String {
    program.running.stderr_line().expect("a note")
}

#[test]
fn a_response_file_that_is_not_there_is_named_at_the_start_and_served_if_it_comes_in_time() {
    for (lang, words) in [("ja", "`page.http`がまだありません"), ("en", "`page.http` is not there")]
    {
        let folder = Folder::new();
        let mut program = Tcpserver::start(&folder, ["--send", "page.http", "--lang", lang]);
        let note = note(&mut program);
        assert!(note.contains(words), "{note}");
        folder.write("page.http", RESPONSE);
        assert_bytes(&ask(&program), RESPONSE, "it came in time");
        assert_eq!(program.end().code, Some(0));
    }
}

#[test]
fn the_note_says_where_the_file_is() {
    let folder = Folder::new();
    std::fs::create_dir(folder.file("study")).expect("a folder");
    folder.write("study/page.http", RESPONSE);
    for (send, place) in [
        // In the root of the repository instead of study/.
        ("page.http", "study/page.http"),
        // The other way round.
        ("study/server_send.txt", "server_send.txt"),
    ] {
        let mut program = Tcpserver::start(&folder, ["--send", send, "--lang", "en"]);
        let note = note(&mut program);
        assert!(note.contains(&format!("there is `{place}`: give --send {place},")), "{note}");
    }
}

#[test]
fn a_folder_that_is_not_there_is_named_at_the_start() {
    let folder = Folder::new();
    for (arguments, words) in [
        (&["--recv", "records/1.http"][..], "folder `records` is not there"),
        (
            &["--record", "127.0.0.1:9", "--send", "pages/1.http"],
            "folder `pages` is not there, so `pages/1.http` cannot be written",
        ),
        (&["--send", "."], "response file `.` is a folder"),
    ] {
        let arguments = arguments.iter().copied().chain(["--lang", "en"]);
        let mut program = Tcpserver::start(&folder, arguments);
        let note = note(&mut program);
        assert!(note.contains(words), "{note}");
    }
}

#[test]
fn quiet_hides_notes_on_files() {
    let folder = Folder::new();
    let program = Tcpserver::start(&folder, ["-q", "--send", "missing", "--recv", "a/b"]);
    ask(&program);
    let ended = program.end();
    assert_eq!(ended.stderr.lines().count(), 1, "the error alone: {ended:?}");
}

#[test]
fn a_url_to_record_from_that_is_more_than_a_server_is_refused_with_what_would_be_right() {
    for (url, right) in [
        ("http://example.com:8000/page?x=1", "`http://example.com:8000`"),
        ("http://user:word@example.com/", "`http://example.com`"),
        ("https://example.com/page", "`https://example.com`"),
        ("HTTP://[::1]/page", "`http://[::1]`"),
        ("http://", "`http://HOST:PORT`"),
        (
            "ftp://example.com",
            "a URL of `ftp`: what can be recorded is a server that speaks HTTP, as HOST:PORT or https://HOST",
        ),
    ] {
        let assert = cargo_bin_cmd!("tcpserver").timeout(PATIENCE).args(["--record", url]).assert();
        let output = assert.code(2).stdout("").get_output().clone();
        let stderr = String::from_utf8(output.stderr).expect("text");
        assert!(
            stderr.contains(&format!("--record: `{url}` ")) && stderr.contains(right),
            "{stderr}"
        );
    }
}

#[test]
fn the_note_on_line_ends_says_what_it_means_and_check_says_more() {
    let folder = Folder::new();
    folder.write("server_send.txt", b"HTTP/1.1 200 OK\nContent-Length: 2\n\nhi\n");
    let mut program = Tcpserver::start(&folder, [""; 0]);
    assert_eq!(
        note(&mut program),
        "tcpserver: server_send.txt: 1行目の改行がLFだけです（HTTPの正式な改行はCRLF）。このまま送ります。\
         たいていのブラウザでは表示できます。詳しくは：tcpserver --check server_send.txt（この注意を消すには --quiet）\n"
    );
    for (lang, words) in [
        ("ja", &["ヘッダーの3行のうち3行の改行がLFだけです", "直すには"][..]),
        ("en", &["3 of 3 lines of the head end with LF alone", "to mend it", "Content-Length: 3"]),
    ] {
        let check = ["--check", "server_send.txt", "--lang", lang];
        let assert = cargo_bin_cmd!("tcpserver").current_dir(folder.path()).args(check).assert();
        let output = assert.code(1).get_output().clone();
        let stdout = String::from_utf8(output.stdout).expect("text");
        assert!(
            stdout.starts_with("server_send.txt: byte 15: a line ends with LF alone"),
            "{stdout}"
        );
        for words in words {
            assert!(stdout.contains(words), "{words} in {stdout}");
        }
    }
}

#[cfg(unix)]
#[test]
#[ignore = "needs sed with \\r"]
fn what_check_says_mends_the_file() {
    let folder = Folder::new();
    folder.write("page", b"HTTP/1.1 200 OK\nContent-Length: 3\n\nhi\n");
    let check = ["--check", "page", "--lang", "en"];
    let output = cargo_bin_cmd!("tcpserver").current_dir(folder.path()).args(check).output();
    let stdout = String::from_utf8(output.expect("it runs").stdout).expect("text");
    let (_, command) = stdout.split_once("GNU sed: ").expect("a command");
    let command = command.lines().next().expect("a line");
    let status = Command::new("sh").args(["-c", command]).current_dir(folder.path()).status();
    assert!(status.expect("sh").success());
    assert_bytes(
        &folder.read("fixed.http"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi\n",
        command,
    );
}

/// Runs the program on a terminal, which `script` provides, for one request. Returns what was on the terminal.
#[track_caller]
fn on_a_terminal(folder: &Folder, arguments: &str, request: &[u8]) -> String {
    let program = fake_peer_test_support::programs::program_path();
    let command = format!(
        "'{}' --lang en --listen 127.0.0.1:0 --ready-file ready {arguments}",
        program.display()
    );
    let mut script = Command::new("script");
    script
        .current_dir(folder.path())
        .env("TERM", "xterm")
        .env("NO_COLOR", "1")
        .args(["-qefc", &command, "/dev/null"])
        .stdin(Stdio::null());
    let mut running = Running::start(&mut script);
    while !running.stdout_line().contains("Waiting") {}
    let ready = String::from_utf8(folder.read("ready")).expect("text");
    let ready: serde_json::Value = serde_json::from_str(&ready).expect("JSON");
    let address = ready["address"].as_str().and_then(|text| text.parse().ok());
    let client = connect(address.expect("an address"));
    send(&client, request);
    receive_all(&client);
    drop(client);
    running.end().stdout
}

#[test]
#[ignore = "needs script"]
fn nothing_that_a_terminal_acts_on_reaches_it_from_file_names_and_clients() {
    let folder = Folder::new();
    let name = "a\u{202e}b\u{9b}2J\u{1b}[2J\u{7f}\u{2066}";
    let request = format!("GET /{name} HTTP/1.1\r\n{name}: {name}\r\n\r\n");
    for arguments in [
        format!("--send '{name}' --recv '{name}/x'"),
        format!("--send '{name}' --transcript --journal journal"),
        format!("--send '{name}' --count 1 --hex"),
        format!(
            "--check '{name}'; '{}' --listen 127.0.0.1:0 --lang en --ready-file ready --journal '{name}'",
            fake_peer_test_support::programs::program_path().display()
        ),
    ] {
        let shown = on_a_terminal(&folder, &arguments, request.as_bytes());
        let is_bad = |char: char| {
            (char.is_control() && !matches!(char, '\r' | '\n'))
                || matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        assert!(!shown.contains(is_bad), "{arguments:?}: {shown:?}");
    }
}

#[test]
#[ignore = "needs script"]
fn raw_requests_on_a_terminal_are_warned_of() {
    let folder = Folder::new();
    let shown = on_a_terminal(&folder, "--recv -", GET);
    assert!(shown.contains("requests go to this terminal as they are"), "{shown:?}");
    let program = Tcpserver::start(&folder, ["--recv", "-", "--quiet"]);
    ask(&program);
    assert_eq!(program.end().stderr, "", "stdout is a pipe");
}
