//! The program on a Unix socket, at a path or passed on by what has started it.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use fake_peer_test_support::programs::{
    Folder, PATIENCE, RESPONSE, Running, assert_bytes, program_path, tcpserver, text,
};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: daemon\r\n\r\n";

/// The program at a path, when it listens.
struct AtPath {
    running: Running,
    path: PathBuf,
}

impl AtPath {
    #[track_caller]
    fn start(folder: &Folder, arguments: &[&str]) -> Self {
        let path = folder.path().join("socket");
        let listen = format!("unix:{}", path.display());
        let mut command = tcpserver(folder);
        command.args(["--lang", "en", "--listen", &listen]).args(arguments);
        let mut running = Running::start(&mut command);
        while running.stdout_line() != "=== Waiting for a client to connect ===\n" {}
        AtPath { running, path }
    }

    fn url_arguments(&self) -> [&str; 3] {
        ["--unix-socket", self.path.to_str().expect("text"), "http://localhost/"]
    }

    /// It has served all, and left no file.
    #[track_caller]
    fn served(self, case: &str) -> String {
        let ended = self.running.end();
        assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{case}");
        assert!(!self.path.exists(), "{case}");
        ended.stdout
    }
}

#[track_caller]
fn ask(path: &Path) -> Vec<u8> {
    let mut client = UnixStream::connect(path).expect("a listening program");
    client.set_read_timeout(Some(PATIENCE)).expect("an open socket");
    client.write_all(GET).expect("room for a small request");
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).expect("end-of-file");
    answer
}

#[track_caller]
fn ended(command: &mut Command) -> (Option<i32>, String) {
    let ended = Running::start(command).end();
    (ended.code, ended.stderr)
}

#[test]
fn one_exchange_over_a_unix_socket() {
    let folder = Folder::new();
    let program = AtPath::start(&folder, &[]);
    assert_bytes(&ask(&program.path), RESPONSE, "the response");
    let lines = program.served("one exchange");
    assert_eq!(
        lines,
        "=== Starting the server ===\n\
         === Waiting for a client to connect ===\n\
         === A client has connected remote_address: unix:(unnamed) ===\n\
         === Stopping the server ===\n"
    );
    assert_bytes(&folder.request(), GET, "the request");
}

#[test]
fn a_path_that_cannot_be_listened_at_is_one_line_and_its_exit_code() {
    let folder = Folder::new();
    fs::write(folder.path().join("file"), "precious").expect("room");
    let _live = UnixListener::bind(folder.path().join("live")).expect("a free path");
    drop(UnixListener::bind(folder.path().join("dead")).expect("a free path"));
    let long = "x".repeat(200);
    for (path, code, cause) in [
        ("file", 1, "what is there is no socket, so it is not replaced"),
        ("live", 1, "a server is listening there"),
        ("", 2, "a Unix socket needs a path"),
        (&long, 2, "the path of a Unix socket has at most"),
    ] {
        let listen = format!("unix:{path}");
        let (actual, stderr) = ended(tcpserver(&folder).args(["--listen", &listen]));
        let expected = format!("tcpserver: failed to listen on {listen}: {cause}");
        assert!(stderr.starts_with(&expected), "{stderr}");
        assert_eq!((actual, stderr.lines().count()), (Some(code), 1), "{path}");
    }
    assert_eq!(fs::read(folder.path().join("file")).expect("it is there"), b"precious");
    let mut command = tcpserver(&folder);
    let mut running = Running::start(command.args(["--lang", "en", "--listen", "unix:dead"]));
    while running.stdout_line() != "=== Waiting for a client to connect ===\n" {}
    assert_bytes(&ask(&folder.path().join("dead")), RESPONSE, "in the place of a dead one");
    assert_eq!(running.end().code, Some(0));
}

#[test]
fn a_signal_leaves_no_file() {
    for (signal, arguments, code) in
        [("INT", &[][..], 130), ("TERM", &[], 143), ("INT", &["--forever"], 130)]
    {
        let folder = Folder::new();
        let program = AtPath::start(&folder, arguments);
        program.running.signal(signal);
        let ended = program.running.end();
        assert_eq!((ended.code, &*ended.stderr), (Some(code), ""), "{signal} {arguments:?}");
        assert!(!program.path.exists(), "{signal} {arguments:?}");
    }
}

#[test]
fn a_listener_that_is_not_for_this_process_or_is_none_is_wrong_usage() {
    let folder = Folder::new();
    let program = program_path();
    let program = program.to_str().expect("text");
    for (script, cause) in [
        ("LISTEN_FDS=1 LISTEN_PID=1 exec \"$0\"", "LISTEN_PID is `1`, and this process is "),
        ("LISTEN_FDS=1 LISTEN_PID=me exec \"$0\"", "LISTEN_PID is `me`, and this process is "),
        ("LISTEN_FDS=1 exec \"$0\"", "LISTEN_FDS is set, and LISTEN_PID is not"),
        ("LISTEN_PID=$$ LISTEN_FDS=2 exec \"$0\"", "LISTEN_FDS is `2`, and one listener is served"),
        ("LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" 3<&-", "descriptor 3 of LISTEN_FDS is not open"),
        (
            "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" 3</dev/null",
            "descriptor 3 of LISTEN_FDS is no listener of TCP or Unix",
        ),
    ] {
        let mut command = Command::new("sh");
        command.args(["-c", script, program]).current_dir(folder.path());
        let (code, stderr) = ended(command.env_remove("LISTEN_PID"));
        let expected = format!("tcpserver: failed to understand the arguments: {cause}");
        assert!(stderr.starts_with(&expected), "{script}: {stderr}");
        assert_eq!((code, stderr.lines().count()), (Some(2), 1), "{script}");
    }
    // Help needs no listener.
    let help = Command::new("sh").args(["-c", "LISTEN_FDS=1 exec \"$0\" --help", program]).output();
    assert!(help.expect("a program").status.success());
}

/// Starts the program with a socket as descriptor 3, as systemd does, and asks it. Prints the answer, and whether a file is left.
const LAUNCHER: &str = r#"
import os, socket, subprocess, sys
kind, how, program, *arguments = sys.argv[1:]
family = socket.AF_UNIX if kind == "unix" else socket.AF_INET
listener = socket.socket(family, socket.SOCK_DGRAM if how == "datagram" else socket.SOCK_STREAM)
listener.bind("activated" if kind == "unix" else ("127.0.0.1", 0))
if how == "listens":
    listener.listen()
address = listener.getsockname()
def pass_on():
    os.dup2(listener.fileno(), 3)
    os.set_inheritable(3, True)
    os.environ["LISTEN_FDS"] = "1"
    os.environ["LISTEN_PID"] = str(os.getpid())
child = os.fork()
if child == 0:
    pass_on()
    os.execv(program, [program, "--lang", "en", *arguments])
listener.close()
if how == "listens" and not arguments:
    client = socket.create_connection(address, 10) if kind == "tcp" else socket.socket(family)
    client.settimeout(10)
    if kind == "unix":
        client.connect(address)
    client.sendall(b"GET / HTTP/1.1\r\nHost: daemon\r\n\r\n")
    answer = b""
    while piece := client.recv(4096):
        answer += piece
    client.close()
    sys.stderr.write("answer of %d bytes\n" % len(answer))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"#;

fn launched(folder: &Folder, arguments: &[&str]) -> Output {
    let program = program_path();
    Command::new("timeout")
        .args(["30", "python3", "-c", LAUNCHER])
        .args(&arguments[..2])
        .arg(program)
        .args(&arguments[2..])
        .current_dir(folder.path())
        .output()
        .expect("timeout can be started")
}

#[test]
#[ignore = "needs python3"]
fn a_listener_that_is_passed_on_is_served() {
    for kind in ["tcp", "unix"] {
        let folder = Folder::new();
        let output = launched(&folder, &[kind, "listens"]);
        let stderr = text(&output.stderr);
        assert!(output.status.success(), "{kind}: {stderr}");
        assert_eq!(output.stderr, format!("answer of {} bytes\n", RESPONSE.len()).as_bytes());
        assert_bytes(&folder.request(), GET, kind);
        assert_eq!(
            folder.path().join("activated").exists(),
            kind == "unix",
            "its file is not ours"
        );
    }
}

#[test]
#[ignore = "needs python3"]
fn a_socket_that_is_no_listener_is_wrong_usage_and_so_is_a_listener_beside_listen() {
    let no_listener = "descriptor 3 of LISTEN_FDS is no listener of TCP or Unix";
    let both = "--listen and a listener that was passed (LISTEN_FDS) exclude each other";
    for (arguments, cause) in [
        (&["tcp", "bound"][..], no_listener),
        (&["unix", "bound"], no_listener),
        (&["tcp", "datagram"], no_listener),
        (&["tcp", "listens", "--listen", "localhost:0"], both),
    ] {
        let output = launched(&Folder::new(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains(cause), "{arguments:?}: {stderr}");
    }
}

/// The output of a client that has succeeded.
#[track_caller]
fn said(program: &str, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("timeout").args(["30", program]).args(arguments).output();
    let output = output.expect("timeout can be started");
    assert!(output.status.success(), "{program}: {output:?}");
    output.stdout
}

#[test]
#[ignore = "needs curl"]
fn curl_asks_over_a_unix_socket() {
    let folder = Folder::new();
    let program = AtPath::start(&folder, &[]);
    let arguments = program.url_arguments();
    let mut all = vec!["--silent", "--show-error", "--include"];
    all.extend(arguments);
    assert_bytes(&said("curl", &all), RESPONSE, "with its head");
    program.served("curl");
    assert!(folder.request().starts_with(b"GET / HTTP/1.1\r\nHost: localhost\r\n"));
}

#[test]
#[ignore = "needs curl"]
fn curl_sees_a_reset_within_the_body() {
    let folder = Folder::new();
    let program = AtPath::start(&folder, &["--cut", "100:reset"]);
    let mut arguments = vec!["--silent", "--show-error"];
    arguments.extend(program.url_arguments());
    let output = Command::new("timeout").args(["30", "curl"]).args(arguments).output();
    let output = output.expect("timeout can be started");
    // CURLE_RECV_ERROR.
    assert_eq!(output.status.code(), Some(56), "{output:?}");
    assert!(text(&output.stderr).contains("reset by peer"), "{output:?}");
    program.served("curl");
}

#[test]
#[ignore = "needs python3"]
fn pythons_http_client_uses_one_connection_over_a_unix_socket() {
    const SCRIPT: &str = r#"
import http.client, socket, sys
class Connection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        self.sock.connect(sys.argv[1])
connection = Connection("localhost")
for _ in range(3):
    connection.request("GET", "/")
    sys.stdout.write(connection.getresponse().read().decode())
"#;
    let folder = Folder::new();
    let program = AtPath::start(&folder, &["--count", "3", "--keep-alive"]);
    let path = program.path.to_str().expect("text").to_owned();
    let body = RESPONSE.len() - said("python3", &["-c", SCRIPT, &path]).len() / 3;
    assert!(RESPONSE[..body].ends_with(b"\r\n\r\n"), "three bodies");
    let lines = program.served("http.client");
    assert_eq!(lines.matches("A client has connected").count(), 1);
}

#[test]
#[ignore = "needs socat"]
fn socat_connects_to_a_unix_socket() {
    let folder = Folder::new();
    let program = AtPath::start(&folder, &["--framing", "lines"]);
    let command = format!("echo hello | socat -t 20 - UNIX-CONNECT:'{}'", program.path.display());
    assert_bytes(&said("sh", &["-c", &command]), RESPONSE, "socat");
    program.served("socat");
    assert_bytes(&folder.request(), b"hello\n", "the request");
}
