//! Both READMEs: the commands that stand for `nc`, `socat` and `http.server` do what their row says, and links lead to files. The uses of
//! the program are in `readme_uses`.

use std::path::Path;

pub(crate) const ENGLISH: &str = include_str!("../../README.md");
pub(crate) const JAPANESE: &str = include_str!("../../README.ja.md");

#[test]
fn the_two_tables_of_nc_socat_and_http_server_have_the_same_commands() {
    let mut japanese = rows(JAPANESE);
    for (so_far, _) in &mut japanese {
        *so_far = so_far.replace('、', ", ");
    }
    assert_eq!(rows(ENGLISH), japanese);
}

#[test]
fn links_of_the_readmes_lead_to_files() {
    for readme in [ENGLISH, JAPANESE] {
        let targets = readme.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        let files = targets
            .map(|(target, _)| target)
            .filter(|target| !target.contains("://") && !target.starts_with('#'));
        for file in files {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
            assert!(path.exists(), "{file} is not there");
        }
    }
}

/// The commands of the table: with the other program, and with ours.
#[track_caller]
fn rows(readme: &str) -> Vec<(String, String)> {
    let (_, table) = readme
        .split_once("\n### From `nc`")
        .or_else(|| readme.split_once("\n### `nc`"))
        .expect("the heading of the table");
    let rows: Vec<_> = table
        .lines()
        .skip_while(|line| !line.starts_with("|---"))
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            // A `|` within a cell is escaped.
            let line = line.replace(r"\|", "\0");
            let mut cells = line.split('|').skip(1).map(|cell| cell.trim().replace('\0', "|"));
            let (so_far, ours) = (cells.next(), cells.next());
            let ours = ours.as_deref().and_then(|ours| ours.strip_prefix('`')?.strip_suffix('`'));
            (so_far.expect("a cell"), ours.expect("one command").to_owned())
        })
        .collect();
    assert!(rows.len() >= 10, "{rows:?}");
    rows
}

#[cfg(unix)]
mod commands {
    use std::os::unix::fs::PermissionsExt;
    use std::process::{Command, Stdio};

    use fake_peer::Peer;
    use fake_peer_test_support::programs::{
        Folder, RESPONSE, Tcpserver, assert_bytes, program_path, receive_all, send,
    };

    const REQUEST: &[u8] = b"GET /page HTTP/1.1\r\nHost: peer\r\n\r\n";

    #[test]
    fn each_command_for_nc_socat_and_http_server_does_what_its_row_says() {
        for (_, command) in super::rows(super::ENGLISH) {
            run(&command);
        }
    }

    fn run(command: &str) {
        let folder = Folder::new();
        folder.write("response.http", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
        folder.write("page.http", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npage");
        folder.write("page", b"by path");
        folder.write("reply.sh", b"#!/bin/sh\nprintf 'HTTP/1.1 204 No Content\\r\\n\\r\\n'\n");
        let reply = folder.file("reply.sh");
        std::fs::set_permissions(&reply, PermissionsExt::from_mode(0o755)).expect("our file");
        let upstream = Peer::answer("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nupstream");

        let has = |option: &str| command.split(' ').any(|word| word == option);
        let sent = command.split_once("--send ").map(|(_, rest)| rest.split(' ').next());
        let expected: Vec<u8> = match sent.flatten() {
            _ if has("--record") => b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nupstream".into(),
            _ if has("--exec") => b"HTTP/1.1 204 No Content\r\n\r\n".into(),
            _ if has("--dir") => b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 7\r\n\r\nby path".into(),
            Some("/dev/null") => Vec::new(),
            Some("-") => b"HTTP/1.1 204 No Content\r\n\r\n".into(),
            Some(file) => folder.read(file),
            None => RESPONSE.into(),
        };

        let server = Tcpserver::run(&mut shell(&folder, command, &upstream));
        for _ in 0..if has("--forever") { 2 } else { 1 } {
            let client = server.connect();
            send(&client, REQUEST);
            client.shutdown(std::net::Shutdown::Write).expect("it is connected");
            assert_bytes(&receive_all(&client), &expected, command);
        }
        if has("--forever") {
            server.running.signal("INT");
        }
        let ended = server.end();
        assert_eq!(
            ended.code,
            Some(if has("--forever") { 130 } else { 0 }),
            "{command}: {ended:?}"
        );

        let captured = if has("--recv") { "received.bin" } else { "server_recv.txt" };
        assert_bytes(&folder.read(captured), REQUEST, command);
        if has("--hex") {
            assert!(ended.stderr.contains("47 45 54 20 2f 70"), "{command}: {ended:?}");
        }
        if has("--transcript") {
            for line in ["> GET /page HTTP/1.1", "< upstream"] {
                assert!(ended.stderr.contains(line), "{command}: {ended:?}");
            }
        }
        if has("--record") {
            assert_bytes(&folder.read("page.http"), &expected, command);
        }
        drop(upstream);
    }

    /// The command as it is typed, but at a free port, and with a server of ours for the one at port 80. `exec` makes the program the
    /// process that is started, so that signals reach it.
    fn shell(folder: &Folder, command: &str, upstream: &Peer) -> Command {
        let command = command.replace("localhost:80", &upstream.addr().to_string());
        let script = format!(
            "tcpserver() {{ exec '{}' \"$@\" --listen 127.0.0.1:0; }}\n{command}",
            program_path().display()
        );
        let mut shell = Command::new("sh");
        shell.args(["-c", &script]).current_dir(folder.path()).stdin(Stdio::null());
        shell
    }
}
