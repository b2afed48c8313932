//! The program `tcpserver` with `--script`: it plays a conversation, and says what its client should have said instead.

use std::io::{BufRead, BufReader};
use std::process::Command;

use fake_peer_test_support::programs::{
    Folder, Running, Tcpserver, assert_bytes, receive_all, send, tcpserver,
};

const SMTP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/smtp.script");

const MAIL: &[u8] = b"EHLO me\r\nmail FROM:<a@b>\r\nrcpt to:<c@d>\r\nDATA\r\nhi\r\n.\r\nquit\r\n";

fn folder_with(script: &str) -> Folder {
    let folder = Folder::new();
    folder.write("talk.script", script.as_bytes());
    folder
}

#[test]
fn one_conversation_is_played_then_the_program_ends() {
    let folder = Folder::new();
    let program = Tcpserver::start(&folder, ["--script", SMTP, "--lang", "en"]);
    // A look without a byte is no conversation.
    let mut greeting = String::new();
    BufReader::new(program.connect()).read_line(&mut greeting).expect("a greeting");
    assert_eq!(greeting, "220 peer.example ESMTP\r\n");
    let client = program.connect();
    send(&client, MAIL);
    let answers = receive_all(&client);
    assert!(answers.ends_with(b"250 queued\r\n221 bye\r\n"), "{}", answers.escape_ascii());
    drop(client);
    let ended = program.end();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{}", ended.stdout);
    assert!(ended.stdout.ends_with("=== Stopping the server ===\n"), "{}", ended.stdout);
    assert_bytes(&folder.request(), b"quit\r\n", "the last turn");
}

#[test]
fn count_is_of_conversations_and_each_begins_anew() {
    let folder = folder_with("> a\n< 1\n> b\n< 2");
    let program = Tcpserver::start(&folder, ["--script", "talk.script", "--count", "3", "-q"]);
    for _ in 0..3 {
        let client = program.connect();
        send(&client, b"a\r\nb\r\n");
        assert_bytes(&receive_all(&client), b"1\r\n2\r\n", "a conversation");
    }
    let ended = program.end();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
}

#[test]
fn a_mismatch_is_one_line_on_stderr_and_exit_code_1() {
    let folder = folder_with("> right\n< ok");
    let program = Tcpserver::start(&folder, ["--script", "talk.script", "-q"]);
    let client = program.connect();
    send(&client, b"ri\r\n");
    assert!(receive_all(&client).is_empty());
    drop(client);
    let ended = program.end();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let line = "turn 1 of the conversation differs from what was expected at byte 2; \
                expected 7 bytes: \"ri»ght\\r\\n\"; actual 4 bytes: \"ri»\\r\\n\"\n";
    assert!(ended.stderr.ends_with(line), "{}", ended.stderr);
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
}

#[test]
fn a_client_that_stops_early_or_says_more_is_an_error() {
    for (said, reason) in [
        (
            "a\r\n",
            "connection 1 stopped after turn 1 of the conversation: its client should have said \"b\\r\\n\" next",
        ),
        ("a\r\nb\r\nc", "the client sent 1 byte after the last turn of the conversation: \"c\""),
    ] {
        let folder = folder_with("> a\n> b\n< over");
        let program = Tcpserver::start(&folder, ["--script", "talk.script", "-q"]);
        let client = program.connect();
        send(&client, said.as_bytes());
        client.shutdown(std::net::Shutdown::Write).expect("an open socket");
        receive_all(&client);
        drop(client);
        let ended = program.end();
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        assert!(ended.stderr.contains(reason), "{}", ended.stderr);
    }
}

#[cfg(unix)]
#[test]
fn forever_plays_until_it_is_stopped() {
    use std::io::Write as _;

    let folder = folder_with("forever\n> ping\n< pong\nend");
    let program = Tcpserver::start(&folder, ["--script", "talk.script", "--forever", "-q"]);
    for _ in 0..2 {
        let mut client = BufReader::new(program.connect());
        client.get_mut().write_all(b"ping\r\n").expect("room for a small request");
        let mut answer = String::new();
        client.read_line(&mut answer).expect("an answer");
        assert_eq!(answer, "pong\r\n");
    }
    program.running.signal("INT");
    let ended = program.end();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(130), ""));
}

#[test]
fn a_script_with_a_mistake_is_not_served() {
    let folder = folder_with("< hi\n< \\q");
    for (file, line) in [
        (
            "talk.script",
            "tcpserver: failed to read conversation file `talk.script`: line 2, column 3: `\\q` is no escape: there are \
             \\r \\n \\t \\0 \\\\ \\xHH \\*\n",
        ),
        (
            "missing",
            "tcpserver: failed to read conversation file `missing`: No such file or directory (os error 2)\n",
        ),
    ] {
        let ended = Running::start(tcpserver(&folder).args(["--script", file])).end();
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(1), line));
        assert_eq!(ended.stdout, "");
    }
}

#[test]
fn what_a_script_says_itself_is_excluded() {
    let folder = folder_with("< hi");
    for (option, shown) in [
        (&["--send", "a"][..], "--send FILE"),
        (&["--record", "localhost:80"], "--record HOST:PORT"),
        (&["--framing", "http"], "--framing RULE"),
        (&["--cut", "3"], "--cut N[:ENDING]"),
        (&["--hold"], "--hold"),
        (&["--reset"], "--reset"),
        (&["--delay", "1s"], "--delay TIME"),
        (&["--pieces", "1:1s"], "--pieces SIZE:PAUSE"),
        (&["--throttle", "1k"], "--throttle RATE"),
        (&["--forever", "--keep-alive"], "--keep-alive"),
        (&["--forever", "--keep-open"], "--keep-open"),
    ] {
        let ended =
            Running::start(tcpserver(&folder).args(["--script", "talk.script"]).args(option)).end();
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        let stderr = &ended.stderr;
        assert!(
            stderr.contains("exclude each other: give one")
                && stderr.contains("--script FILE")
                && stderr.contains(shown),
            "{stderr}"
        );
    }
}

/// Starts the program, sends a mail with smtplib, and waits for the program's end.
const SMTPLIB: &str = r#"
import re, smtplib, subprocess, sys
program = subprocess.Popen([sys.argv[1], "--script", sys.argv[2], "--listen", "127.0.0.1:0", "-q"], stderr=subprocess.PIPE, text=True)
port = int(re.search(r":(\d+)$", program.stderr.readline())[1])
smtp = smtplib.SMTP("127.0.0.1", port, timeout=10)
smtp.sendmail("a@client.example", ["b@peer.example"], "Subject: hello\r\n\r\n.a dot\r\n")
smtp.quit()
rest = program.stderr.read()
sys.exit(rest or program.wait(10))
"#;

#[test]
#[ignore = "needs Python"]
fn pythons_smtplib_sends_its_mail_to_the_example() {
    let folder = Folder::new();
    let output = Command::new("timeout")
        .args(["30", "python3", "-c", SMTPLIB])
        .arg(fake_peer_test_support::programs::program_path())
        .arg(SMTP)
        .current_dir(folder.path())
        .output()
        .expect("python3 can be started");
    assert!(output.status.success(), "{output:?}");
    assert_bytes(&folder.request(), b"quit\r\n", "the last turn");
}

#[test]
#[ignore = "needs curl"]
fn curl_sends_its_mail_to_the_example() {
    let folder = Folder::new();
    folder.write("mail", b"Subject: hello\r\n\r\n.a dot\r\n");
    let program = Tcpserver::start(&folder, ["--script", SMTP, "-q"]);
    let url = format!("smtp://{}/client.example", program.addr);
    let output = Command::new("curl")
        .args(["-sS", "--max-time", "10", "--mail-from", "a@client.example"])
        .args(["--mail-rcpt", "b@peer.example", "-T", "mail", &url])
        .current_dir(folder.path())
        .output()
        .expect("curl can be started");
    assert!(output.status.success(), "{output:?}");
    let ended = program.end();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert_bytes(&folder.request(), b"QUIT\r\n", "the last turn");
}
