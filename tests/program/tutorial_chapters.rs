//! The tutorial after its chapter 8: each example answers as the book's own program does to the same request. Where ours differs on
//! purpose, both answers are in the table.
//!
//! What the book's programs answer was not read off their source: with the variable `TUTORIAL_BOOK` the same requests go to them, too,
//! and must get what the table says.
//!
//! ```sh
//! git clone https://github.com/bigen1925/introduction-to-web-application-with-python /tmp/book
//! cargo build --examples
//! TUTORIAL_BOOK=/tmp/book cargo test --test program tutorial_chapters
//! ```
//!
//! This passed with its commit c268ae6 (22 July 2023), with Python 3.11, 3.12 and 3.13. Without the variable no Python is needed.

use std::env;
use std::fs;
use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, UNIX_EPOCH};

use fake_peer_test_support::programs::{
    Folder, Running, connect, example_path, receive_all, send, text,
};

/// Its dates are tested here: an example has no tests of its own.
#[path = "../../examples/tutorial/henaserver.rs"]
mod henaserver;

#[test]
fn chapter_10_makes_its_response_when_the_request_arrives() {
    for program in programs("tutorial_10_response", "chapter10") {
        let answer = program.start().ask(&get("/"));
        answer.assert("200 OK", "text/html", &["<h1>It works!</h1>"], &program);
    }
}

#[test]
fn chapter_11_answers_with_the_file_at_the_path_or_404() {
    for program in programs("tutorial_11_static_files", "chapter11-2") {
        let html = program.book_or_ours("text/html", henaserver::HTML);
        for name in ["hello.html", "index.css", "logo.png"] {
            let answer = program.start().ask(&get(&format!("/{name}")));
            answer.assert_file("200 OK", html, &program.folder.file(&format!("static/{name}")));
        }
        for path in ["/nothing", "/nothing.html", "/"] {
            let answer = program.start().ask(&get(path));
            answer.assert("404 Not Found", html, &["<h1>404 Not Found</h1>"], &program);
        }
    }
}

#[test]
fn the_naive_way_of_chapter_11_leaves_its_folder_and_the_right_way_does_not() {
    let ours = programs("tutorial_11_static_files", "chapter11-2");
    let naive = programs("tutorial_11_static_files naive", "chapter11-2");
    for program in ours.into_iter().chain(naive) {
        let folder = &program.folder;
        fs::create_dir(folder.file("static/sub")).expect("a folder");
        let mut paths = vec!["/../server_send.txt", "/sub/../../server_send.txt"];
        if cfg!(unix) {
            #[cfg(unix)]
            std::os::unix::fs::symlink("../server_send.txt", folder.file("static/link.html"))
                .expect("a link");
            paths.push("/link.html");
        }
        for path in paths {
            let answer = program.start().ask(&get(path));
            if program.is_book() || program.arguments == ["naive"] {
                let html = program.book_or_ours("text/html", henaserver::HTML);
                answer.assert_file("200 OK", html, &folder.file("server_send.txt"));
            } else {
                let status = "404 Not Found";
                answer.assert(status, henaserver::HTML, &[status], &program);
            }
        }
        // An absolute path is one of the folder for both.
        let absolute = format!("/{}", folder.file("server_send.txt").display());
        assert_eq!(program.start().ask(&get(&absolute)).status, "HTTP/1.1 404 Not Found");
    }
}

#[test]
fn chapter_12_goes_on_after_a_request_and_names_the_type_of_its_file() {
    // The path, and the types in the book and in ours.
    const TYPES: [(&str, &str, &str); 5] = [
        ("index.html", "text/html", henaserver::HTML),
        ("index.css", "text/css", "text/css"),
        ("logo.png", "image/png", "image/png"),
        // `image/jpg` is no registered type; browsers show the picture all the same.
        ("photo.jpg", "image/jpg", "image/jpeg"),
        ("data.bin", "application/octet-stream", "application/octet-stream"),
    ];
    // The book's 404 has the type of the file that is missing: a browser takes it for a download, or for a style.
    const MISSING: [(&str, &str); 2] =
        [("/nothing", "application/octet-stream"), ("/nothing.css", "text/css")];

    for program in programs("tutorial_12_loop", "chapter12-2") {
        program.folder.write("static/photo.jpg", b"\xff\xd8");
        program.folder.write("static/data.bin", b"\0\n\r\n");
        let server = program.start();
        for (name, book, ours) in TYPES {
            let answer = server.ask(&get(&format!("/{name}")));
            let file = program.folder.file(&format!("static/{name}"));
            answer.assert_file("200 OK", program.book_or_ours(book, ours), &file);
        }
        for (path, book) in MISSING {
            let answer = server.ask(&get(path));
            let content_type = program.book_or_ours(book, henaserver::HTML);
            answer.assert("404 Not Found", content_type, &["<h1>404 Not Found</h1>"], &program);
        }
        // A client that leaves within its request does not end the server.
        drop(server.connect());
        assert_eq!(server.ask(&get("/index.html")).status, "HTTP/1.1 200 OK");
    }
}

#[test]
fn chapter_13_answers_two_tabs_while_a_third_one_has_not_sent_its_request() {
    for program in programs("tutorial_13_side_by_side", "chapter13-2") {
        let server = program.start();
        let silent = server.connect();
        let slow = server.connect();
        if !program.is_book() {
            send(&slow, &get("/slow"));
        }
        let start = Instant::now();
        for _ in 0..2 {
            let answer = server.ask(&get("/index.html"));
            let html = program.book_or_ours("text/html", henaserver::HTML);
            answer.assert_file("200 OK", html, &program.folder.file("static/index.html"));
        }
        if !program.is_book() {
            // Unless the two tabs took longer than `/slow` on a very busy machine.
            let is_waiting = has_nothing_to_read(&slow);
            assert!(is_waiting || start.elapsed() > Duration::from_secs(4), "/slow did not wait");
        }
        send(&silent, &get("/logo.png"));
        let file = program.folder.file("static/logo.png");
        Answer::of(&receive_all(&silent)).assert_file("200 OK", "image/png", &file);
        if !program.is_book() {
            let answer = Answer::of(&receive_all(&slow));
            answer.assert("200 OK", henaserver::HTML, &["<h1>slow</h1>"], &program);
        }
    }
}

#[test]
fn chapter_15_shows_the_parameters_of_a_form() {
    let form = "name=%E3%81%B8%E3%81%AA+server&like=tea&like=cake&text=1%2B1%3D2&empty=";
    for program in programs("tutorial_15_form", "chapter15-2") {
        let server = program.start();
        let file = program.folder.file("static/form.html");
        server.ask(&get("/form.html")).assert_file("200 OK", henaserver::HTML, &file);

        let answer = server.ask(&post("/parameters", form));
        let parts = ["<h1>Parameters:</h1>", "へな server", "tea", "cake", "1+1=2"];
        answer.assert("200 OK", henaserver::HTML, &parts, &program);
        assert!(!answer.body_text().contains("empty"), "{program:?}: {answer:?}");

        let answer = server.ask(&get("/parameters"));
        let status = "405 Method Not Allowed";
        answer.assert(status, henaserver::HTML, &[&format!("<h1>{status}</h1>")], &program);

        // The book puts what it gets into its page as it is.
        let answer = server.ask(&post("/parameters", "text=%3Cscript%3E"));
        let shown = program.book_or_ours("<script>", "&lt;script>");
        answer.assert("200 OK", henaserver::HTML, &[shown], &program);
    }
}

#[test]
fn a_form_of_10_kb_arrives_whole_where_one_recv_gets_its_first_4096_bytes() {
    let request = post("/parameters", &format!("text={}", "x".repeat(10_000)));
    let head = request.len() - 10_000;
    for program in programs("tutorial_15_form", "chapter15-2") {
        let answer = program.start().ask(&request);
        answer.assert("200 OK", henaserver::HTML, &["<h1>Parameters:</h1>"], &program);
        let arrived = if program.is_book() { 4096 } else { request.len() };
        let body = answer.body_text();
        let shown = body.split(|letter| letter != 'x').map(str::len).max();
        assert_eq!(shown, Some(arrived - head), "{program:?}");
        let captured = program.folder.request();
        assert!(captured == request[..arrived], "{program:?}: {}", text(&captured));
    }
}

#[test]
fn dates_are_those_of_rfc_9110() {
    for (seconds, date) in [
        (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
        (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
        (951_782_399, "Mon, 28 Feb 2000 23:59:59 GMT"),
        (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
        (1_735_689_599, "Tue, 31 Dec 2024 23:59:59 GMT"),
        (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
    ] {
        assert_eq!(henaserver::date(UNIX_EPOCH + Duration::from_secs(seconds)), date);
    }
}

/// An example, or a program of the book, with the folder that it runs in.
struct Program {
    command: PathBuf,
    arguments: Vec<String>,
    folder: Folder,
}

/// Our example (with its further arguments), and the book's program if there is a checkout of the book.
#[track_caller]
fn programs(example: &str, chapter: &str) -> Vec<Program> {
    let mut words = example.split(' ');
    let name = words.next().expect("a name");
    let arguments = words.map(String::from).collect();
    let ours = Program { command: example_path(name), arguments, folder: folder() };
    let book = env::var_os("TUTORIAL_BOOK").map(|book| {
        let folder = folder();
        copy(&Path::new(&book).join("codes").join(chapter), folder.path());
        Program { command: "python3".into(), arguments: Vec::new(), folder }
    });
    [ours].into_iter().chain(book).collect()
}

/// With `static/` as it is in `study/`.
fn folder() -> Folder {
    let folder = Folder::new();
    let to = folder.file("static");
    fs::create_dir(&to).expect("a folder");
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("study/static"), &to);
    folder
}

/// Copies the files of a folder, without its folders.
#[track_caller]
fn copy(from: &Path, to: &Path) {
    let entries = fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    for path in entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_file()) {
        fs::copy(&path, to.join(path.file_name().expect("a name"))).expect("a copy");
    }
}

/// Runs the book's program, whose port is 8080, at a free port, which it prints on stderr.
const AT_FREE_PORT: &str = r#"
import runpy, socket, sys
class FreePort(socket.socket):
    def bind(self, address):
        super().bind((address[0], 0))
    def listen(self, backlog):
        super().listen(backlog)
        print("port", self.getsockname()[1], file=sys.stderr, flush=True)
socket.socket = FreePort
sys.path.insert(0, ".")
runpy.run_path("webserver.py", run_name="__main__")
"#;

impl Program {
    fn is_book(&self) -> bool {
        self.command == Path::new("python3")
    }

    fn book_or_ours<'a>(&self, book: &'a str, ours: &'a str) -> &'a str {
        if self.is_book() { book } else { ours }
    }

    /// Starts it at a free port.
    #[track_caller]
    fn start(&self) -> Server {
        let mut command = Command::new(&self.command);
        if self.is_book() {
            command.args(["-W", "ignore", "-c", AT_FREE_PORT]);
        } else {
            command.arg("127.0.0.1:0").args(&self.arguments);
        }
        let mut running = Running::start(command.current_dir(self.folder.path()));
        let port = if self.is_book() {
            running.stderr_line().expect("a port").strip_prefix("port ").map(String::from)
        } else {
            assert_eq!(running.stdout_line(), "=== サーバーを起動します ===\n");
            let line = running.stdout_line();
            let start = "=== クライアントからの接続を待ちます http://127.0.0.1:";
            let rest = line.strip_prefix(start).and_then(|rest| rest.split_once('/'));
            rest.map(|(port, _)| port.into())
        };
        let port = port.and_then(|port| port.trim_end().parse().ok()).expect("it prints its port");
        Server { _running: running, addr: SocketAddr::from(([127, 0, 0, 1], port)) }
    }
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.command.display(), self.arguments.join(" "))
    }
}

/// A running program; ended when dropped.
struct Server {
    _running: Running,
    addr: SocketAddr,
}

impl Server {
    #[track_caller]
    fn connect(&self) -> TcpStream {
        connect(self.addr)
    }

    #[track_caller]
    fn ask(&self, request: &[u8]) -> Answer {
        let mut client = self.connect();
        send(&client, request);
        // The book closes with a part of a long request unread, which may reset the connection after the answer.
        let mut bytes = Vec::new();
        if let Err(error) = client.read_to_end(&mut bytes) {
            assert!(error.kind() == ErrorKind::ConnectionReset && request.len() > 4096, "{error}");
        }
        Answer::of(&bytes)
    }
}

fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost:8080\r\nAccept: */*\r\n\r\n").into_bytes()
}

fn post(path: &str, form: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost:8080\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{form}",
        form.len()
    )
    .into_bytes()
}

fn has_nothing_to_read(client: &TcpStream) -> bool {
    client.set_nonblocking(true).expect("it is a socket");
    let peeked = client.peek(&mut [0]);
    client.set_nonblocking(false).expect("it is a socket");
    peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

/// A response whose head has what all of them have, in this order: see `of`.
#[derive(Debug)]
struct Answer {
    status: String,
    content_type: String,
    body: Vec<u8>,
}

impl Answer {
    #[track_caller]
    fn of(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|end| end == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no head in {}", text(bytes)));
        let head = str::from_utf8(&bytes[..end]).expect("text");
        let body = bytes[end + 4..].to_vec();
        let mut lines = head.split("\r\n");
        let mut value = |name: &str| {
            let line = lines.next().unwrap_or_default();
            let value = line.strip_prefix(name);
            value.unwrap_or_else(|| panic!("{line:?} is not {name:?} in {head:?}")).to_owned()
        };
        let status = value("");
        let date = value("Date: ");
        let day = date.split_once(", ").filter(|(day, _)| day.len() == 3).map(|(_, rest)| rest);
        let digits = |text: &str| text.replace(|letter: char| letter.is_ascii_digit(), "0");
        let day = digits(day.unwrap_or_default());
        assert!(day.starts_with("00 ") && day.ends_with(" 0000 00:00:00 GMT"), "{date:?}");
        // The book says `Host`, which is a field of requests.
        let is_book = head.contains("\r\nHost: ");
        assert_eq!(value(if is_book { "Host: " } else { "Server: " }), "HenaServer/0.1");
        assert_eq!(value("Content-Length: "), body.len().to_string(), "{head}");
        assert_eq!(value("Connection: "), "Close");
        let content_type = value("Content-Type: ");
        assert_eq!(lines.next(), None, "{head}");
        Answer { status, content_type, body }
    }

    fn body_text(&self) -> &str {
        str::from_utf8(&self.body).expect("text")
    }

    /// With a page in which all of `parts` are.
    #[track_caller]
    fn assert(&self, status: &str, content_type: &str, parts: &[&str], program: &Program) {
        assert_eq!(self.status, format!("HTTP/1.1 {status}"), "{program:?}");
        assert_eq!(self.content_type, content_type, "{program:?}");
        for part in parts {
            assert!(self.body_text().contains(part), "{program:?}: no {part:?} in {self:?}");
        }
    }

    /// With the bytes of a file as its body.
    #[track_caller]
    fn assert_file(&self, status: &str, content_type: &str, file: &Path) {
        let name = file.display();
        let got = (self.status.as_str(), self.content_type.as_str());
        assert_eq!(got, (format!("HTTP/1.1 {status}").as_str(), content_type), "{name}");
        assert!(self.body == fs::read(file).expect("a file"), "{name}: {}", text(&self.body));
    }
}
