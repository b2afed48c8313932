//! Runs programs: starts them in a folder of their own, reads what they print line by line, limits every wait, and kills
//! what still runs. What the lines must be is up to the tests.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

/// A limit for every wait: far more than anything here needs, also on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The response of the tutorial, as its web server sent it.
pub const RESPONSE: &[u8] = include_bytes!("../../../study/server_send.txt");

/// A folder to run a program in, with the tutorial's response in `server_send.txt`.
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        let folder = Folder(tempfile::tempdir().expect("a temporary folder can be made"));
        folder.write("server_send.txt", RESPONSE);
        folder
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    #[track_caller]
    pub fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.file(name), bytes).expect("a file in the folder can be written");
    }

    #[track_caller]
    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.file(name)).unwrap_or_else(|error| panic!("failed to read {name}: {error}"))
    }

    /// What the program captured.
    #[track_caller]
    pub fn request(&self) -> Vec<u8> {
        self.read("server_recv.txt")
    }

    /// Waits until the program has captured `bytes`, and nothing else.
    #[track_caller]
    pub fn wait_for_request(&self, bytes: &[u8]) {
        let path = self.file("server_recv.txt");
        wait_until(
            || fs::read(&path).is_ok_and(|read| read == bytes),
            || format!("server_recv.txt held {:?}", fs::read(&path).map(|read| text(&read))),
        );
    }
}

/// `tcpserver`, to be run in `folder`.
pub fn tcpserver(folder: &Folder) -> Command {
    let mut command = Command::new(program_path());
    command.current_dir(folder.path()).stdin(Stdio::null());
    command
}

/// A running program; killed when dropped.
pub struct Running {
    child: Child,
    stdout: Option<Lines>,
    stderr: Lines,
}

/// How a program ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Ended {
    /// All that it printed, the lines that were read before included.
    pub stdout: String,
    pub stderr: String,
    /// `None` if a signal ended it.
    pub code: Option<i32>,
}

impl Running {
    /// Starts `command` with both its outputs in pipes that are read.
    #[track_caller]
    pub fn start(command: &mut Command) -> Self {
        let mut running = Self::start_with_stdout(command, Stdio::piped());
        running.stdout = running.child.stdout.take().map(Lines::of);
        running
    }

    #[track_caller]
    pub fn start_with_stdout(command: &mut Command, stdout: Stdio) -> Self {
        let mut child = command
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("failed to start {command:?}: {error}"));
        let stderr = Lines::of(child.stderr.take().expect("stderr is piped"));
        Running { child, stdout: None, stderr }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The reading end of the pipe on stdout, if nothing reads from it yet.
    pub fn take_stdout(&mut self) -> ChildStdout {
        self.child.stdout.take().expect("stdout is piped, and not read yet")
    }

    /// The next line on stdout, its line end included.
    #[track_caller]
    pub fn stdout_line(&mut self) -> String {
        self.stdout.as_mut().expect("stdout is read").next().expect("another line on stdout")
    }

    /// The next line on stderr, its line end included; `None` at the end.
    #[track_caller]
    pub fn stderr_line(&mut self) -> Option<String> {
        self.stderr.next()
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("the program is ours").is_some()
    }

    #[track_caller]
    pub fn signal(&self, name: &str) {
        // Every Unix has the shell's own `kill`.
        let status = Command::new("sh")
            .args(["-c", "kill -s \"$0\" \"$1\"", name, &self.id().to_string()])
            .status()
            .expect("sh can be started");
        assert!(status.success(), "failed to send {name}: {status}");
    }

    /// Waits for the program to end on its own.
    #[track_caller]
    pub fn end(mut self) -> Ended {
        let stdout = self.stdout.as_mut().map(Lines::all).unwrap_or_default();
        let stderr = self.stderr.all();
        let mut status = None;
        wait_until(
            || {
                status = self.child.try_wait().expect("the program is ours");
                status.is_some()
            },
            || format!("the program still ran after {stdout:?}, {stderr:?}"),
        );
        Ended { stdout, stderr, code: status.and_then(|status| status.code()) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program under test, listening on a free port of the loopback interface.
pub struct Tcpserver {
    pub running: Running,
    pub addr: SocketAddr,
}

impl Tcpserver {
    /// Starts it in `folder`, on 127.0.0.1.
    #[track_caller]
    pub fn start<I>(folder: &Folder, arguments: I) -> Self
    where
        I: IntoIterator<Item: AsRef<OsStr>>,
    {
        Self::run(tcpserver(folder).args(["--listen", "127.0.0.1:0"]).args(arguments))
    }

    /// Runs a command that asks for port 0.
    #[track_caller]
    pub fn run(command: &mut Command) -> Self {
        Self::listening(Running::start(command))
    }

    /// Reads the port from the first line on stderr.
    #[track_caller]
    pub fn listening(mut running: Running) -> Self {
        let line = running.stderr_line().expect("a line on stderr that names the port");
        let addr = line
            .strip_prefix("tcpserver: listening on ")
            .and_then(|rest| rest.strip_suffix('\n'))
            .and_then(|addr| addr.parse().ok())
            .unwrap_or_else(|| panic!("{line:?} does not name an address"));
        Tcpserver { running, addr }
    }

    #[track_caller]
    pub fn connect(&self) -> TcpStream {
        connect(self.addr)
    }

    /// Waits for the program to end. What is on stderr leaves out the line that names the port.
    #[track_caller]
    pub fn end(self) -> Ended {
        let mut ended = self.running.end();
        let line = format!("tcpserver: listening on {}\n", self.addr);
        ended.stderr = ended
            .stderr
            .strip_prefix(&line)
            .unwrap_or_else(|| panic!("{:?} does not start with {line:?}", ended.stderr))
            .into();
        ended
    }
}

/// Connects with a timeout on everything.
#[track_caller]
pub fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&addr, PATIENCE)
        .unwrap_or_else(|error| panic!("failed to connect to {addr}: {error}"));
    stream.set_read_timeout(Some(PATIENCE)).expect("a read timeout can be set");
    stream.set_write_timeout(Some(PATIENCE)).expect("a write timeout can be set");
    stream.set_nodelay(true).expect("small writes can be sent at once");
    stream
}

/// The client's own address, as the program should name it.
#[track_caller]
pub fn own_addr(client: &TcpStream) -> SocketAddr {
    client.local_addr().expect("a connected socket has an address")
}

#[track_caller]
pub fn send(mut client: &TcpStream, bytes: &[u8]) {
    client
        .write_all(bytes)
        .unwrap_or_else(|error| panic!("failed to send {} bytes: {error}", bytes.len()));
}

/// Everything until the peer shuts down its sending side.
#[track_caller]
pub fn receive_all(mut client: &TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Err(error) = client.read_to_end(&mut bytes) {
        panic!("failed to receive to the end, after {:?}: {error}", text(&bytes));
    }
    bytes
}

/// Bytes in a form that an assertion can print.
pub fn text(bytes: &[u8]) -> String {
    const SHOWN: usize = 2000;
    let shown = &bytes[..bytes.len().min(SHOWN)];
    format!("{} bytes: {}", bytes.len(), shown.escape_ascii())
}

/// Compares bytes, and shows where they differ.
#[track_caller]
pub fn assert_bytes(actual: &[u8], expected: &[u8], case: &str) {
    if actual == expected {
        return;
    }
    let at =
        actual.iter().zip(expected).take_while(|(actual, expected)| actual == expected).count();
    panic!(
        "{case}: {} bytes instead of {}, different from byte {at} on: {} instead of {}",
        actual.len(),
        expected.len(),
        text(&actual[at..]),
        text(&expected[at..])
    );
}

/// Repeats until `condition` holds; on failure `seen` says what there was instead.
#[track_caller]
pub fn wait_until(mut condition: impl FnMut() -> bool, seen: impl Fn() -> String) {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < end, "waited for {PATIENCE:?} in vain: {}", seen());
        thread::sleep(Duration::from_millis(2));
    }
}

/// The lines of a pipe, read in a thread of their own so that each wait can have a limit.
struct Lines {
    coming: Receiver<String>,
    seen: String,
}

impl Lines {
    fn of(pipe: impl Read + Send + 'static) -> Self {
        let (sender, coming) = mpsc::channel();
        thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            loop {
                let mut line = Vec::new();
                match pipe.read_until(b'\n', &mut line) {
                    Ok(0) | Err(_) => return,
                    // The test has stopped listening.
                    Ok(_) => drop(sender.send(String::from_utf8_lossy(&line).into_owned())),
                }
            }
        });
        Lines { coming, seen: String::new() }
    }

    #[track_caller]
    fn next(&mut self) -> Option<String> {
        match self.coming.recv_timeout(PATIENCE) {
            Ok(line) => {
                self.seen.push_str(&line);
                Some(line)
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => None,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                panic!("no line within {PATIENCE:?} after {:?}", self.seen)
            }
        }
    }

    /// Everything to the end, the lines that were read before included.
    #[track_caller]
    fn all(&mut self) -> String {
        while self.next().is_some() {}
        self.seen.clone()
    }
}

/// The program, which cargo has built beside the test that runs.
pub fn program_path() -> PathBuf {
    beside_this_test("tcpserver")
}

/// An example that cargo has built beside the test that runs.
#[track_caller]
pub fn example_path(name: &str) -> PathBuf {
    let path = beside_this_test(&format!("examples/{name}"));
    assert!(path.exists(), "{name} is built with `cargo test`, and with `cargo build --examples`");
    path
}

/// The output of an example, which must succeed.
#[track_caller]
pub fn printed_by_example(name: &str, arguments: &[&str]) -> String {
    let output = Command::new(example_path(name)).args(arguments).output().expect("a program");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} ended with {}: {stderr}", output.status);
    String::from_utf8(output.stdout).expect("text")
}

fn beside_this_test(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("this test is a file");
    let profile = test.ancestors().nth(2).expect("it is in target/PROFILE/deps");
    profile.join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}
