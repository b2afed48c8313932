//! The uses of the program in both READMEs: each command is run as it is typed, and does with curl, or for SMTP with
//! Python, what its comment says.

use super::readme::{ENGLISH, JAPANESE};

/// The commands of the section about the program, in their order.
#[track_caller]
fn uses(readme: &str, heading: &str) -> Vec<String> {
    let (_, section) = readme.split_once(&format!("\n## {heading}\n")).expect("the section");
    let (section, _) = section.split_once("\n| ").expect("the table of options");
    let blocks = section.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let commands = blocks.flat_map(str::lines).filter(|line| {
        let is_command = !line.is_empty() && !line.starts_with('#');
        is_command && !line.starts_with("cargo ") && *line != "tcpserver --help"
    });
    commands.map(ToOwned::to_owned).collect()
}

#[test]
fn both_readmes_have_the_same_numbered_uses() {
    let commands = uses(ENGLISH, "The program");
    assert_eq!(commands, uses(JAPANESE, "プログラムの使い方"));
    assert!(commands.len() > 20, "{commands:?}");
    for readme in [ENGLISH, JAPANESE] {
        let numbers: Vec<_> = readme
            .lines()
            .filter_map(|line| line.strip_prefix("# ")?.split_once(". ")?.0.parse::<usize>().ok())
            .collect();
        assert_eq!(numbers, (1..=22).collect::<Vec<_>>());
    }
}

#[cfg(unix)]
mod commands {
    use std::os::unix::fs::PermissionsExt;
    use std::process::{Command, Output, Stdio};
    use std::thread;
    use std::time::{Duration, Instant};

    use fake_peer::Peer;
    use fake_peer_test_support::programs::{
        Ended, Folder, RESPONSE, Running, Tcpserver, assert_bytes, program_path,
    };

    use super::*;

    const PAGE: &[u8] =
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 9\r\n\r\n<p>a page";

    const REPLY: &[u8] =
        b"#!/bin/sh\nread -r line\nprintf 'HTTP/1.0 200 OK\\r\\n\\r\\n%s: %s' \"$1\" \"$line\"\n";

    /// A command that runs in a folder with all files that the commands name.
    struct Use {
        command: String,
        folder: Folder,
        program: Tcpserver,
    }

    impl Use {
        /// Runs a command as it is typed, but on a free port, and with a server of ours for the one at port 80.
        #[track_caller]
        fn run(command: &str, upstream: &Peer) -> Self {
            let folder = Folder::new();
            folder.write("response.http", PAGE);
            folder.write("page.http", PAGE);
            folder.write("200.http", PAGE);
            folder.write(
                "503.http",
                b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
            );
            folder.write("user.json", b"{\"name\": \"me\"}");
            folder.write("reply.sh", REPLY);
            std::fs::create_dir(folder.file("public")).expect("a folder of ours");
            folder.write("public/index.html", b"<p>public");
            folder.write("public/style.css", b"p {}");
            let executable = PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(folder.file("reply.sh"), executable).expect("our file");
            if command.contains("--throttle") {
                folder
                    .write("server_send.txt", &[RESPONSE, vec![b'x'; 100_000].as_slice()].concat());
            }
            let typed = command
                .replace("localhost:8000", "127.0.0.1:0")
                .replace("localhost:80", &upstream.addr().to_string())
                .replace("examples/", concat!(env!("CARGO_MANIFEST_DIR"), "/examples/"));
            // The first line on stderr names the port, unless the program's own lines go there.
            let quiet = if command.contains("--recv -") { "-q" } else { "" };
            // A pipeline has a process of its own for it, and all else becomes the program, so that signals reach it.
            let script = format!(
                "tcpserver() {{ exec '{}' --listen 127.0.0.1:0 {quiet} \"$@\"; }}\n{typed}",
                program_path().display()
            );
            let mut shell = Command::new("sh");
            shell.args(["-c", &script]).current_dir(folder.path()).stdin(Stdio::null());
            Use { command: command.into(), folder, program: Tcpserver::run(&mut shell) }
        }

        fn url(&self, path: &str) -> String {
            let scheme = if self.command.contains("--tls") { "https" } else { "http" };
            format!("{scheme}://{}{path}", self.program.addr)
        }

        /// curl with these arguments, and the path last.
        #[track_caller]
        fn curl(&self, arguments: &[&str], path: &str) -> Output {
            curl(&[arguments, &[&self.url(path)]].concat())
        }

        /// What curl prints when it succeeds.
        #[track_caller]
        fn said(&self, arguments: &[&str], path: &str) -> String {
            let output = self.curl(arguments, path);
            assert!(output.status.success(), "{}: {output:?}", self.command);
            String::from_utf8(output.stdout).expect("text")
        }

        /// Ends it with Ctrl-C if it would go on; its folder, and what it printed.
        #[track_caller]
        fn end(self) -> (Folder, Ended) {
            let goes_on = self.command.contains("--forever");
            if goes_on {
                self.program.running.signal("INT");
            }
            let ended = self.program.end();
            assert_eq!(
                ended.code,
                Some(if goes_on { 130 } else { 0 }),
                "{}: {ended:?}",
                self.command
            );
            (self.folder, ended)
        }
    }

    #[track_caller]
    fn curl(arguments: &[&str]) -> Output {
        Command::new("curl")
            .args(["-sS", "--max-time", "30"])
            .args(arguments)
            .env("NO_PROXY", "*")
            .output()
            .expect("curl can be started")
    }

    #[test]
    #[ignore = "needs curl and python3"]
    fn each_use_does_with_a_real_client_what_its_comment_says() {
        let upstream = Peer::answer("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nupstream");
        for command in uses(ENGLISH, "The program") {
            if command == "tcpserver --check response.http" {
                check(&command);
            } else if command.contains("--tls") && !cfg!(feature = "tls") {
                is_refused_and_names_the_feature(&command);
            } else {
                let running = Use::run(&command, &upstream);
                try_out(&command, running);
            }
        }
    }

    /// Uses one command as its comment says.
    #[track_caller]
    fn try_out(command: &str, it: Use) {
        let unknown = answers_from_a_file(command, it)
            .and_then(|it| answers_that_are_built(command, it))
            .and_then(|it| breaks_and_waits(command, it))
            .and_then(|it| shows_and_records(command, it));
        assert!(unknown.is_none(), "nothing checks `{command}`");
    }

    /// The response is in a file. Returns a use of another part of the section.
    #[track_caller]
    fn answers_from_a_file(command: &str, it: Use) -> Option<Use> {
        match command {
            "tcpserver" => {
                assert!(it.said(&[], "/").contains("It works!"));
                let (folder, ended) = it.end();
                assert!(folder.request().starts_with(b"GET / HTTP/1.1\r\n"));
                assert_eq!(ended.stdout.lines().count(), 4, "{ended:?}");
            }
            "tcpserver --listen localhost:8000 --send response.http --recv request.http" => {
                assert_eq!(it.said(&[], "/x"), "<p>a page");
                assert!(it.end().0.read("request.http").starts_with(b"GET /x HTTP/1.1\r\n"));
            }
            "tcpserver --forever --keep-alive --send page.http" => {
                let connections = ["-w", "%{num_connects}", &it.url("/1"), "-w", "%{num_connects}"];
                assert_eq!(it.said(&connections, "/2"), "<p>a page1<p>a page0");
                let url = &it.url("/");
                thread::scope(|scope| {
                    for _ in 0..8 {
                        scope.spawn(move || assert_eq!(curl(&[url]).stdout, b"<p>a page"));
                    }
                });
                it.end();
            }
            "tcpserver --count 3 --send 503.http --send 503.http --send 200.http --recv 'request-{n}.http'" =>
            {
                for (path, code) in [("/1", "503"), ("/2", "503"), ("/3", "200")] {
                    assert_eq!(it.said(&["-o", "/dev/null", "-w", "%{http_code}"], path), code);
                }
                let (folder, _) = it.end();
                for number in 1..=3 {
                    let request = folder.read(&format!("request-{number}.http"));
                    assert!(request.starts_with(format!("GET /{number} HTTP/1.1\r\n").as_bytes()));
                }
            }
            "printf 'HTTP/1.1 204 No Content\\r\\n\\r\\n' | tcpserver --send - --recv - | head -1" =>
            {
                assert_eq!(it.said(&["-w", "%{http_code}"], "/"), "204");
                assert_eq!(it.end().1.stdout, "GET / HTTP/1.1\r\n");
            }
            _ => return Some(it),
        }
        None
    }

    /// The program builds the response. Returns a use of another part of the section.
    #[track_caller]
    fn answers_that_are_built(command: &str, it: Use) -> Option<Use> {
        match command {
            "tcpserver --status 503 --header 'Retry-After: 1' --body 'try again'" => {
                let answer = it.said(&["-i"], "/");
                assert!(answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{answer}");
                assert!(answer.contains("\r\nRetry-After: 1\r\n"), "{answer}");
                assert!(
                    answer.ends_with("\r\nContent-Length: 9\r\nRetry-After: 1\r\n\r\ntry again"),
                    "{answer}"
                );
                it.end();
            }
            "tcpserver --forever --keep-alive --body @user.json" => {
                assert_eq!(
                    it.said(&["-w", "%{content_type}"], "/"),
                    "{\"name\": \"me\"}application/json"
                );
                it.folder.write("user.json", b"[]");
                assert_eq!(it.said(&[], "/"), "[]");
                it.end();
            }
            "tcpserver --echo" => {
                let answer = it.said(&["-d", "a=1", "-H", "X-Mine: yes"], "/x");
                assert!(answer.starts_with("POST /x HTTP/1.1\r\n"), "{answer}");
                assert!(
                    answer.contains("\r\nX-Mine: yes\r\n") && answer.ends_with("\r\n\r\na=1"),
                    "{answer}"
                );
                assert_bytes(&it.end().0.request(), answer.as_bytes(), "the echo");
            }
            "tcpserver --forever --keep-alive --dir public" => {
                assert_eq!(
                    it.said(&["-w", "%{content_type}"], "/"),
                    "<p>publictext/html; charset=utf-8"
                );
                assert_eq!(
                    it.said(&["-w", "%{content_type}"], "/style.css"),
                    "p {}text/css; charset=utf-8"
                );
                for path in ["/nothing", "/../page.http", "/%2e%2e/page.http"] {
                    let code = ["--path-as-is", "-o", "/dev/null", "-w", "%{http_code}"];
                    assert_eq!(it.said(&code, path), "404", "{path}");
                }
                it.end();
            }
            "tcpserver --forever --dir public --header 'Access-Control-Allow-Origin: *'" => {
                let preflight = ["-i", "-X", "OPTIONS", "-H", "Origin: http://other.example"];
                for (arguments, status, body) in [
                    (&["-i", "-H", "Origin: http://other.example"][..], "200 OK", "p {}"),
                    (&preflight, "204 No Content", ""),
                ] {
                    let answer = it.said(arguments, "/style.css");
                    assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{answer}");
                    assert!(answer.contains("\r\nAccess-Control-Allow-Origin: *\r\n"), "{answer}");
                    assert!(answer.ends_with(&format!("\r\n\r\n{body}")), "{answer}");
                }
                it.end();
            }
            "tcpserver --forever --exec ./reply.sh -- --verbose" => {
                for path in ["/1", "/2"] {
                    assert_eq!(it.said(&[], path), format!("--verbose: GET {path} HTTP/1.1\r"));
                }
                it.end();
            }
            _ => return Some(it),
        }
        None
    }

    /// The connection breaks, is slow, or hangs. Returns a use of another part of the section.
    #[track_caller]
    fn breaks_and_waits(command: &str, it: Use) -> Option<Use> {
        match command {
            "tcpserver --count 2 --send page.http,cut=40:reset --send page.http" => {
                assert_eq!(it.curl(&[], "/").status.code(), Some(56), "a reset");
                assert_eq!(it.said(&[], "/"), "<p>a page");
                it.end();
            }
            "tcpserver --cut 100:reset" => {
                let output = it.curl(&["-i"], "/");
                assert_eq!(output.status.code(), Some(56), "{output:?}");
                assert!(RESPONSE[..100].starts_with(&output.stdout), "{output:?}");
                it.end();
            }
            "tcpserver --delay 2s --pieces 1:10ms" | "tcpserver --throttle 64k" => {
                let start = Instant::now();
                let body = it.said(&["--ignore-content-length"], "/");
                let took = start.elapsed();
                let least = if command.contains("--delay") { 2_000 + 3_880 } else { 1_500 };
                assert!(took >= Duration::from_millis(least), "{command}: {took:?}");
                assert!(body.contains("It works!"), "{body}");
                it.end();
            }
            "tcpserver --send /dev/null --hold --timeout 1m" => {
                let output = it.curl(&["--max-time", "1"], "/");
                assert_eq!(
                    (output.status.code(), &output.stdout[..]),
                    (Some(28), &b""[..]),
                    "{output:?}"
                );
                assert!(it.end().0.request().starts_with(b"GET / HTTP/1.1\r\n"));
            }
            _ => return Some(it),
        }
        None
    }

    /// Look, record and check. Returns a use of another part of the section.
    #[track_caller]
    fn shows_and_records(command: &str, it: Use) -> Option<Use> {
        match command {
            "tcpserver --transcript" => {
                it.said(&[], "/");
                let stderr = it.end().1.stderr;
                let has = |line: &str| stderr.contains(line);
                assert!(has("> GET / HTTP/1.1") && has("It works!"), "{stderr}");
            }
            "tcpserver --hex" => {
                it.said(&["--data-binary", "\u{1}\u{7f}"], "/");
                let stderr = it.end().1.stderr;
                assert!(
                    stderr.contains("50 4f 53 54 20 2f") && stderr.contains("01 7f"),
                    "{stderr}"
                );
            }
            "tcpserver --recv form.http --status 303 --header 'Location: /thanks'" => {
                let form = format!("text={}", "x".repeat(10_000));
                let answer = it.said(&["-d", &form, "-w", "%{http_code} %{redirect_url}"], "/form");
                assert_eq!(answer, format!("303 {}", it.url("/thanks")));
                let request = it.end().0.read("form.http");
                assert!(request.ends_with(format!("\r\n\r\n{form}").as_bytes()));
            }
            "tcpserver --record localhost:80 --send page.http" => {
                assert_eq!(it.said(&[], "/"), "upstream");
                let expected = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nupstream";
                assert_bytes(&it.end().0.read("page.http"), expected, "the record");
            }
            "tcpserver --send page.http" => {
                assert_eq!(it.said(&[], "/"), "<p>a page");
                it.end();
            }
            "tcpserver --script examples/smtp.script" => {
                // curl writes its commands in upper case, and the script is in lower case.
                let script = "import smtplib, sys\n\
                    smtp = smtplib.SMTP('127.0.0.1', int(sys.argv[1]), timeout=30)\n\
                    smtp.sendmail('a@b.example', ['c@d.example'], 'Subject: hello\\r\\n\\r\\nhello\\r\\n')\n\
                    smtp.quit()\n";
                let port = it.program.addr.port().to_string();
                let output = Command::new("python3").args(["-c", script, &port]).output();
                let output = output.expect("python3 can be started");
                assert!(output.status.success(), "{output:?}");
                it.end();
            }
            "tcpserver --tls" => {
                // The line on stderr says what else than this makes curl trust it.
                assert!(it.said(&["--insecure"], "/").contains("It works!"));
                let (folder, ended) = it.end();
                assert!(
                    ended.stderr.contains(": curl --cacert FILE https://localhost:"),
                    "{ended:?}"
                );
                assert!(folder.request().starts_with(b"GET / HTTP/1.1\r\n"), "decrypted");
            }
            "tcpserver --forever --journal journal.jsonl" => {
                assert!(it.said(&[], "/x").contains("It works!"));
                let journal = String::from_utf8(it.end().0.read("journal.jsonl")).expect("UTF-8");
                let lines = journal.lines();
                let events: Vec<serde_json::Value> =
                    lines.map(|line| serde_json::from_str(line).expect("JSON")).collect();
                let request = events.iter().find(|line| line["event"] == "request");
                assert_eq!(request.expect("a request")["target"], "/x", "{journal}");
                assert_eq!(events.last().expect("the end")["exit_code"], 130, "{journal}");
            }
            _ => return Some(it),
        }
        None
    }

    /// Exit code 2, and one line that names the feature and the command with which the README installs it.
    #[track_caller]
    fn is_refused_and_names_the_feature(command: &str) {
        let folder = Folder::new();
        let script = format!("tcpserver() {{ '{}' \"$@\"; }}\n{command}", program_path().display());
        let mut shell = Command::new("sh");
        shell.args(["-c", &script]).current_dir(folder.path()).stdin(Stdio::null());
        let ended = Running::start(&mut shell).end();
        let install = "cargo install --path . --features tls";
        assert!(ENGLISH.contains(&format!("\n{install}\n{command}\n")), "{command}");
        assert_eq!(ended.code, Some(2), "{ended:?}");
        let names_it = ended.stderr.contains("the feature `tls`") && ended.stderr.contains(install);
        assert!(names_it, "{ended:?}");
    }

    #[track_caller]
    fn check(command: &str) {
        let folder = Folder::new();
        folder.write("response.http", PAGE);
        for (file, expected, code) in [
            (PAGE, "response.http: no problems found\n", 0),
            (
                &PAGE[..PAGE.len() - 1],
                "response.http: byte 71: Content-Length says 9 bytes, but the body has 8\n",
                1,
            ),
        ] {
            folder.write("response.http", file);
            let script =
                format!("tcpserver() {{ '{}' \"$@\"; }}\n{command}", program_path().display());
            let mut shell = Command::new("sh");
            shell.args(["-c", &script]).current_dir(folder.path()).stdin(Stdio::null());
            let ended = Running::start(&mut shell).end();
            // What follows the line of a problem explains it.
            let is_expected = ended.stdout.starts_with(expected) && ended.code == Some(code);
            assert!(is_expected, "{ended:?}");
        }
    }
}
