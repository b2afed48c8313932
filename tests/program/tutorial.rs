//! The program without options is the tutorial's: port 8080, its file names, its lines; compared with that program
//! itself. There is one port 8080, so these tests and concurrent runs take turns.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Command;

use fake_peer_test_support::programs::{
    Ended, Folder, RESPONSE, Running, connect, own_addr, receive_all, send, tcpserver,
};

const PORT: u16 = 8080;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\n\
    Host: localhost:8080\r\n\
    User-Agent: a browser\r\n\
    Accept: text/html,*/*;q=0.8\r\n\
    Accept-Language: ja\r\n\
    \r\n";

/// What the tutorial's program does, in order. Here its port is an argument, and is printed on stderr.
const TUTORIAL: &str = r#"
import socket
import sys

print("=== サーバーを起動します ===", flush=True)
try:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("localhost", int(sys.argv[1])))
    listener.listen(10)
    print(listener.getsockname()[1], file=sys.stderr, flush=True)
    print("=== クライアントからの接続を待ちます ===", flush=True)
    (client, address) = listener.accept()
    print(f"=== クライアントとの接続が完了しました remote_address: {address} ===", flush=True)
    request = client.recv(4096)
    with open("server_recv.txt", "wb") as file:
        file.write(request)
    with open("server_send.txt", "rb") as file:
        client.send(file.read())
    client.close()
finally:
    print("=== サーバーを停止します。 ===", flush=True)
"#;

/// What one exchange leaves.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    /// With the client's port as `PORT`.
    stdout: String,
    code: Option<i32>,
    /// As text, so that its line ends can be seen.
    captured: String,
    answer: String,
}

#[test]
#[ignore = "needs port 8080"]
fn without_options_it_is_the_tutorials_program_twice_in_a_row() {
    let _turn = turn_with_the_port();
    let folder = Folder::new();
    let first = serve_on_default_port(&folder).expect("the port is free");
    assert_eq!(
        first,
        Outcome {
            stdout: "=== サーバーを起動します ===\n\
                     === クライアントからの接続を待ちます ===\n\
                     === クライアントとの接続が完了しました remote_address: ('127.0.0.1', PORT) ===\n\
                     === サーバーを停止します。 ===\n"
                .into(),
            code: Some(0),
            captured: REQUEST.escape_ascii().to_string(),
            answer: RESPONSE.escape_ascii().to_string(),
        }
    );
    assert_port_is_not_free_yet();
    let second = serve_on_default_port(&folder).expect("the port can be taken again at once");
    assert_eq!(second, first, "the second run");
}

#[test]
#[ignore = "needs python3 and port 8080"]
fn without_options_it_does_what_the_tutorials_program_does() {
    let _turn = turn_with_the_port();
    let first = serve_on_default_port(&Folder::new()).expect("the port is free");
    assert_eq!(first, serve_with_python(&Folder::new()));
}

/// Waits until no other run of these tests on this machine uses the port. Others may use it when this is dropped.
#[cfg(target_os = "linux")]
#[track_caller]
fn turn_with_the_port() -> std::os::unix::net::UnixListener {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixListener};
    use std::thread;
    use std::time::{Duration, Instant};

    use fake_peer_test_support::programs::PATIENCE;

    let name = format!("the tests of fake-peer have port {PORT}");
    let addr = SocketAddr::from_abstract_name(name).expect("short enough");
    let start = Instant::now();
    loop {
        match UnixListener::bind_addr(&addr) {
            Ok(turn) => return turn,
            Err(error) => assert!(start.elapsed() < PATIENCE, "another run has the port: {error}"),
        }
        thread::sleep(Duration::from_millis(10));
    }
}

#[cfg(not(target_os = "linux"))]
fn turn_with_the_port() {}

/// One run of the program, directly after the previous one; `None` if another process has the port.
#[track_caller]
fn serve_on_default_port(folder: &Folder) -> Option<Outcome> {
    let mut program = Running::start(&mut tcpserver(folder));
    let mut lines = program.stdout_line();
    lines += &program.stdout_line();
    if !lines.contains("接続を待ちます") {
        let ended = program.end();
        match TcpListener::bind((Ipv4Addr::LOCALHOST, PORT)) {
            Err(error) if error.kind() == ErrorKind::AddrInUse => {
                let line = format!("tcpserver: failed to listen on localhost:{PORT}: {error}\n");
                assert_eq!((ended.stderr, ended.code), (line, Some(1)));
                return None;
            }
            _ => panic!("port {PORT} is free, and the program said {ended:?}"),
        }
    }
    let (outcome, stderr) = exchange(program, folder, PORT);
    assert_eq!(stderr, "");
    Some(outcome)
}

/// A second run shows something only if the server's side of the last connection still holds the port.
#[track_caller]
fn assert_port_is_not_free_yet() {
    if cfg!(target_os = "linux") {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)
            .expect("a socket");
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
        let error = socket.bind(&addr.into()).expect_err("the last connection is in TIME_WAIT");
        assert_eq!(error.kind(), ErrorKind::AddrInUse, "{error}");
    }
}

#[track_caller]
fn serve_with_python(folder: &Folder) -> Outcome {
    let mut command = Command::new("python3");
    command.args(["-c", TUTORIAL, "0"]).env("PYTHONIOENCODING", "utf-8").current_dir(folder.path());
    let mut program = Running::start(&mut command);
    let port = program.stderr_line().expect("the line with its port");
    let port = port.trim_end().parse().unwrap_or_else(|_| panic!("{port:?} is no port"));
    exchange(program, folder, port).0
}

/// Sends one request to a program that listens on `port` or is about to end. Returns also what is on stderr.
#[track_caller]
fn exchange(program: Running, folder: &Folder, port: u16) -> (Outcome, String) {
    let client = connect((Ipv4Addr::LOCALHOST, port).into());
    let own_port = own_addr(&client).port();
    send(&client, REQUEST);
    let answer = receive_all(&client);
    drop(client);
    let Ended { stdout, stderr, code } = program.end();
    let outcome = Outcome {
        stdout: stdout.replace(&format!("', {own_port})"), "', PORT)"),
        code,
        captured: folder.request().escape_ascii().to_string(),
        answer: answer.escape_ascii().to_string(),
    };
    (outcome, stderr)
}
