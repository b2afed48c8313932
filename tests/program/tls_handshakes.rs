//! The program `tcpserver` that ends TLS handshakes: `--send @tls:NAME`.

use std::io::{ErrorKind, Read};
use std::time::Duration;

use fake_peer::garbage::tls;
use fake_peer_test_support::programs::{
    Folder, Running, Tcpserver, assert_bytes, receive_all, send, tcpserver, text,
};

/// A `ClientHello` for `localhost` that offers TLS 1.2, in two records.
fn hello() -> Vec<u8> {
    let fields = [
        &b"\x01\0\0\x3d\x03\x03"[..],
        &[7; 32],
        b"\0\0\x02\xc0\x2f\x01\0\0\x12\0\0\0\x0e\0\x0c\0\0\x09localhost",
    ]
    .concat();
    let (one, other) = fields.split_at(40);
    [b"\x16\x03\x01\0\x28", one, b"\x16\x03\x01\0\x19", other].concat()
}

const NOTE: &str = "tcpserver: the client speaks TLS: ClientHello for localhost; TLS 1.2\n";

#[test]
fn each_name_is_in_the_help_and_answers_a_client_hello() {
    let help = Running::start(tcpserver(&Folder::new()).arg("--help")).end().stdout;
    let names = tls::Alert::ALL.iter().map(|alert| alert.name().to_owned());
    let others = tls::all().filter_map(|case| {
        let call = case.name().strip_prefix("garbage::tls::")?.strip_suffix("()")?;
        Some(call.to_owned())
    });
    for name in names.chain(others).chain(["silence".to_owned()]) {
        let is_there = help.split([',', ' ', '\n']).any(|word| word == name);
        assert!(is_there, "{name} is not in the help");
    }
    for (name, answer) in [
        ("unknown_ca", &b"\x15\x03\x03\0\x02\x02\x30"[..]),
        ("close", b""),
        ("half_header", b"\x16\x03\x03"),
    ] {
        let folder = Folder::new();
        let program = Tcpserver::start(&folder, ["--send", &format!("@tls:{name}")]);
        let client = program.connect();
        let hello = hello();
        send(&client, &hello[..50]);
        send(&client, &hello[50..]);
        assert_bytes(&receive_all(&client), answer, name);
        drop(client);
        let ended = program.end();
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), NOTE), "{name}");
        assert_bytes(&folder.request(), &hello, "the request");
    }
}

#[test]
fn the_other_options_work_with_it() {
    let folder = Folder::new();
    folder.write("@tls:close", b"a file");
    let arguments = ["--count", "3", "--send", "@tls:unknown_ca", "--send", "./@tls:close"];
    let program = Tcpserver::start(&folder, arguments);
    for answer in [&b"\x15\x03\x03\0\x02\x02\x30"[..], b"a file", b"a file"] {
        let client = program.connect();
        send(&client, &hello());
        assert_bytes(&receive_all(&client), answer, "in order");
    }
    assert_eq!(program.end().code, Some(0));

    // The faults of one answer.
    let program = Tcpserver::start(&folder, ["--send", "@tls:unknown_ca,cut=3"]);
    let client = program.connect();
    send(&client, &hello());
    assert_bytes(&receive_all(&client), b"\x15\x03\x03", "cut");
    drop(client);
    assert_eq!(program.end().code, Some(0));

    // Another framing counts, and an ending replaces the one that the response has.
    let program = Tcpserver::start(
        &folder,
        ["--framing", "tls-record", "--cut", "3:reset", "--send", "@tls:unknown_ca"],
    );
    let mut client = program.connect();
    send(&client, &hello()[..45]);
    let mut bytes = [0; 3];
    client.read_exact(&mut bytes).expect("three bytes");
    assert_eq!(bytes, *b"\x15\x03\x03");
    let error = client.read(&mut [0]).expect_err("a reset");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    drop(client);
    assert_eq!(program.end().code, Some(0));
    assert_bytes(&folder.request(), &hello()[..45], "the first record");
}

#[test]
fn the_journal_as_json_has_the_client_hello_in_words() {
    let folder = Folder::new();
    let arguments = ["--send", "@tls:close", "--journal", "journal"];
    let program = Tcpserver::start(&folder, arguments);
    let client = program.connect();
    send(&client, &hello());
    receive_all(&client);
    drop(client);
    assert_eq!(program.end().code, Some(0));
    let journal = String::from_utf8(folder.read("journal")).expect("JSON");
    let expected = r#""client_hello":"ClientHello for localhost; TLS 1.2""#;
    assert!(journal.contains(expected), "{journal}");
}

#[test]
fn a_client_that_speaks_no_tls_is_answered_at_once() {
    let folder = Folder::new();
    let program = Tcpserver::start(&folder, ["--send", "@tls:plain_http"]);
    let client = program.connect();
    send(&client, b"GET / HTTP/1.1\r\n\r\n");
    let answer = receive_all(&client);
    assert!(answer.starts_with(b"HTTP/1.1 400 "), "{}", text(&answer));
    drop(client);
    let ended = program.end();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
}

#[test]
fn silence_lasts_until_the_client_leaves() {
    let folder = Folder::new();
    let program = Tcpserver::start(&folder, ["--send", "@tls:silence"]);
    let mut client = program.connect();
    send(&client, &hello());
    folder.wait_for_request(&hello());
    client.set_read_timeout(Some(Duration::from_millis(50))).expect("an open socket");
    let error = client.read(&mut [0]).expect_err("nothing comes");
    assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
    drop(client);
    assert_eq!(program.end().code, Some(0));
}

#[test]
fn a_name_that_is_not_known_is_wrong_usage_and_the_nearest_is_named() {
    for (name, hint) in [
        ("unknow_ca", "did you mean `@tls:unknown_ca`?"),
        ("plain-http", "did you mean `@tls:plain_http`?"),
        ("xyzzy", "the help lists all names"),
        ("", "the help lists all names"),
    ] {
        let folder = Folder::new();
        let ended =
            Running::start(tcpserver(&folder).args(["--send", &format!("@tls:{name}")])).end();
        let expected = format!(
            "tcpserver: failed to understand the arguments: --send: `@tls:{name}` is no way to end a TLS handshake ({hint}); a file of this name is ./@tls:{name}; `tcpserver --help` lists all options\n"
        );
        assert_eq!((ended.code, ended.stderr), (Some(2), expected));
    }
    let folder = Folder::new();
    let recorded = ["--record", "localhost:1", "--send", "@tls:close"];
    let ended = Running::start(tcpserver(&folder).args(recorded)).end();
    assert_eq!(ended.code, Some(2), "it is no file to write to: {}", ended.stderr);
}
