//! The response of a real web server, replayed: curl cannot tell the program `tcpserver`, or a proxy that recorded it, from
//! the Apache whose bytes they serve.

use std::fs::{self, File, Permissions};
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use fake_peer::{FileSource, Peer, Proxy};
use fake_peer_test_support::programs::{
    Folder, Running, Tcpserver, assert_bytes, connect, send, text, wait_until,
};

const APACHE: &str = "/usr/sbin/apache2";
const MODULES: &str = "/usr/lib/apache2/modules";

/// The page of a newly installed Apache, as in the tutorial.
const PAGE: &[u8] = b"<html><body><h1>It works!</h1></body></html>\n";

#[test]
#[ignore = "needs apache2 and curl"]
fn curl_gets_the_same_from_apache_and_from_its_recorded_bytes() {
    let apache = Apache::start();
    let recorded = apache.fetch_raw();
    assert!(recorded.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", text(&recorded));
    assert!(recorded.ends_with(PAGE), "{}", text(&recorded));

    for arguments in [&[][..], &["--include"], &["--head"], &["--http1.0", "--include"]] {
        let folder = Folder::new();
        folder.write("server_send.txt", &recorded);
        let program = Tcpserver::start(&folder, ["--quiet"]);
        let replayed = curl(program.addr, arguments);
        let ended = program.end();
        assert_eq!((ended.stderr.as_str(), ended.code), ("", Some(0)), "{arguments:?}");

        // Except for the port, curl sends what it sends to Apache, and gets the same bytes.
        let original = curl(apache.addr, arguments);
        if arguments == ["--http1.0", "--include"] {
            // Apache sends it `Connection: close`; only the body can be compared.
            assert!(original.ends_with(PAGE), "{arguments:?}: {}", text(&original));
            assert!(replayed.ends_with(PAGE), "{arguments:?}: {}", text(&replayed));
        } else {
            let case = format!("curl with {arguments:?}");
            assert_bytes(&without_date(&replayed), &without_date(&original), &case);
        }
    }
}

#[test]
#[ignore = "needs apache2 and curl"]
fn a_proxy_records_what_apache_says_and_the_record_is_replayed() {
    let apache = Apache::start();
    let folder = Folder::new();
    for arguments in [&["--include"][..], &["--head"]] {
        let proxy = Peer::answer(Proxy::to(apache.addr).record(folder.file("page")));
        // Apache keeps its connection open: the proxy must find the end of the response.
        let relayed = curl(proxy.addr(), arguments);
        proxy.finish().expect("a whole response");
        let direct = curl(apache.addr, arguments);
        let case = format!("curl with {arguments:?}");
        assert_bytes(&without_date(&relayed), &without_date(&direct), &case);

        assert_bytes(&folder.read("page"), &relayed, &case);
        let replay = Peer::answer(FileSource::new(folder.file("page")));
        assert_bytes(&curl(replay.addr(), arguments), &relayed, &case);
    }
}

/// A header field holds the second in which Apache answered; everything else must be equal.
fn without_date(bytes: &[u8]) -> Vec<u8> {
    let date = |line: &&[u8]| line.starts_with(b"Date: ");
    bytes
        .split_inclusive(|&byte| byte == b'\n')
        .filter(|line| !date(line))
        .flatten()
        .copied()
        .collect()
}

#[track_caller]
fn curl(addr: SocketAddr, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("curl")
        .args(["-q", "--silent", "--show-error", "--noproxy", "*", "--max-time", "30"])
        .args(arguments)
        .arg(format!("http://{addr}/"))
        .output()
        .expect("curl can be started");
    assert!(output.status.success(), "curl with {arguments:?}: {output:?}");
    output.stdout
}

/// An Apache on a loopback port, which is killed when this is dropped.
struct Apache {
    addr: SocketAddr,
    _running: Running,
    _folder: Folder,
}

impl Apache {
    /// Apache does not support port 0. If another process takes the port first, the next one is tried.
    #[track_caller]
    fn start() -> Self {
        let folder = Folder::new();
        let readable = Permissions::from_mode(0o755);
        // As root, Apache would run its workers as another user.
        fs::set_permissions(folder.path(), readable).expect("our folder's mode can be set");
        fs::create_dir(folder.file("pages")).expect("a folder can be made in ours");
        folder.write("pages/index.html", PAGE);
        // While a page is less than a second old, its ETag is a weak one.
        File::options()
            .write(true)
            .open(folder.file("pages/index.html"))
            .and_then(|page| page.set_modified(SystemTime::now() - Duration::from_secs(60)))
            .expect("our file's time can be set");
        for _ in 0..5 {
            let addr = free_addr();
            folder.write("httpd.conf", configuration(folder.path(), addr).as_bytes());
            let mut running = Running::start(
                Command::new(APACHE)
                    // In the foreground, in one process: nothing is left when that is killed.
                    .args(["-X", "-d"])
                    .arg(folder.path())
                    .arg("-f")
                    .arg(folder.file("httpd.conf")),
            );
            let pid = folder.file("httpd.pid");
            // Apache writes this when it has bound its port.
            wait_until(
                || running.has_ended() || fs::read(&pid).is_ok_and(|id| !id.is_empty()),
                || "Apache neither started nor ended".into(),
            );
            if !running.has_ended() {
                return Apache { addr, _running: running, _folder: folder };
            }
            let ended = running.end();
            assert!(ended.stderr.contains("could not bind"), "Apache did not start: {ended:?}");
        }
        panic!("Apache got none of five ports");
    }

    /// The bytes of one answer, on a connection that would stay open.
    #[track_caller]
    fn fetch_raw(&self) -> Vec<u8> {
        let mut client = connect(self.addr);
        send(&client, format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", self.addr).as_bytes());
        let mut answer = Vec::new();
        while !answer.ends_with(PAGE) {
            let mut piece = [0; 4096];
            let length = client.read(&mut piece).expect("more of the answer in time");
            assert!(length > 0, "the end before the page: {}", text(&answer));
            answer.extend_from_slice(&piece[..length]);
        }
        answer
    }
}

fn free_addr() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .expect("the system has a free port")
}

/// The smallest configuration that Apache starts with. The folders of Debian's configuration are not used.
fn configuration(folder: &Path, addr: SocketAddr) -> String {
    let folder = folder.display();
    let process_model = ["event", "worker", "prefork"]
        .iter()
        .find(|name| Path::new(&format!("{MODULES}/mod_mpm_{name}.so")).exists());
    let mut modules: Vec<String> = process_model
        .map(|name| format!("LoadModule mpm_{name}_module {MODULES}/mod_mpm_{name}.so"))
        .into_iter()
        .collect();
    for name in ["authz_core", "dir", "mime"] {
        modules.push(format!("LoadModule {name}_module {MODULES}/mod_{name}.so"));
    }
    let modules = modules.join("\n");
    format!(
        r#"{modules}
ServerName localhost
Listen {addr}
DefaultRuntimeDir "{folder}"
PidFile "{folder}/httpd.pid"
Mutex file:{folder} default
ErrorLog /dev/stderr
DocumentRoot "{folder}/pages"
DirectoryIndex index.html
TypesConfig /dev/null
AddType text/html .html
<IfModule unixd_module>
User www-data
Group www-data
</IfModule>
"#
    )
}
