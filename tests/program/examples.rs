//! The examples succeed, and print what their documentation says.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use fake_peer_test_support::programs::{example_path, printed_by_example};

#[test]
fn a_fake_peer_in_a_test_passes() {
    assert_eq!(printed_by_example("fake_peer_in_a_test", &[]), "all passed\n");
}

/// Chapter 8 of the tutorial, without the library.
#[test]
fn the_tutorial_in_std_alone_answers_from_a_file_and_writes_the_request_to_another() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let response = include_bytes!("../../study/server_send.txt");
    std::fs::write(folder.path().join("server_send.txt"), response).expect("a file");
    // The system chooses the port. If another process takes it before the example listens, another port is tried.
    let (mut client, mut server) = (0..10)
        .find_map(|_| {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
            let addr = listener.local_addr().expect("bound");
            drop(listener);
            let mut server = Command::new(example_path("tutorial_std"))
                .arg(addr.to_string())
                .current_dir(folder.path())
                .stdout(Stdio::piped())
                .spawn()
                .expect("a program");
            let client = (0..100).find_map(|_| {
                thread::sleep(Duration::from_millis(20));
                TcpStream::connect(addr).ok()
            });
            if client.is_none() {
                server.kill().expect("it is ours");
                server.wait().expect("it is ours");
            }
            client.map(|client| (client, server))
        })
        .expect("it listens");
    client.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    let addr = client.local_addr().expect("connected");
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("sent");
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).expect("an answer");
    assert_eq!(answer, response);
    let mut lines = String::new();
    let mut stdout = server.stdout.take().expect("piped");
    stdout.read_to_string(&mut lines).expect("text");
    assert!(server.wait().expect("it ends").success());
    assert_eq!(
        lines,
        format!(
            "=== サーバーを起動します ===\n\
             === クライアントからの接続を待ちます ===\n\
             === クライアントとの接続が完了しました remote_address: {addr} ===\n\
             === サーバーを停止します。 ===\n"
        )
    );
    let request = std::fs::read(folder.path().join("server_recv.txt")).expect("a file");
    assert_eq!(request, b"GET / HTTP/1.1\r\n\r\n");
}

#[test]
fn the_smtp_conversation_ends() {
    printed_by_example("smtp", &[]);
}

#[test]
fn the_redis_conversation_ends() {
    printed_by_example("redis", &[]);
}

#[test]
fn the_websocket_conversation_ends() {
    printed_by_example("websocket", &[]);
}

#[test]
fn the_mqtt_conversation_ends() {
    printed_by_example("mqtt", &[]);
}

#[test]
fn a_recorded_page_is_replayed_as_it_was() {
    printed_by_example("recorded_page", &[]);
}

#[test]
fn the_fault_sweep_ends_and_finds_no_part_that_is_taken_for_a_whole() {
    let told = printed_by_example("fault_sweep", &[]);
    let lines: Vec<_> = told.lines().collect();
    assert_eq!(
        lines[..2],
        ["http::ok: 86 truncations, all refused", "chunked: 134 truncations, all refused"]
    );
    assert!(lines[2].starts_with("garbage: "), "{told}");
}

#[test]
fn the_table_in_the_documentation_has_all_faults() {
    let table = include_str!("../../src/faults/clients.md");
    for case in fake_peer::garbage::all() {
        if case.name().ends_with("(\"hello\")") && !case.name().contains("body_on") {
            assert!(table.contains(case.name()), "{case} is new: make the table again");
        }
    }
}
