//! The files of a folder by their path, asked for by clients that write their requests themselves: what is found, and what is not.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;

use fake_peer::{Ending, Error, FolderSource, Peer, ResponseSource};
use fake_peer_test_support::{ask, connect, finished, numbered, read_all};

/// A folder with some files, and a file beside it that no request may reach.
fn site() -> tempfile::TempDir {
    let outer = tempfile::tempdir().expect("a temporary folder");
    let site = outer.path().join("site");
    for folder in ["site", "site/sub", "site/empty", "site2"] {
        fs::create_dir(outer.path().join(folder)).expect("a folder of ours");
    }
    for (name, content) in [
        ("index.html", "<p>root"),
        ("sub/index.html", "<p>sub"),
        ("sub/a b.TXT", "spaces"),
        ("sub/あ.css", "p {}"),
        ("nothing.js", ""),
        ("unknown", "bytes"),
        ("../secret", "SECRET"),
        ("../site2/secret", "SECRET"),
    ] {
        fs::write(site.join(name), content).expect("a file of ours");
    }
    outer
}

/// The answer to these bytes.
#[track_caller]
fn answer_to(folder: &Path, request: &[u8]) -> String {
    let peer = Peer::answer(FolderSource::new(folder));
    let answer = ask(peer.addr(), request);
    finished(peer);
    String::from_utf8(answer).expect("text")
}

fn get(target: &[u8]) -> Vec<u8> {
    [b"GET ", target, b" HTTP/1.1\r\nHost: peer\r\n\r\n"].concat()
}

const NOT_FOUND: &str = "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 14\r\n\r\n404 Not Found\n";

#[test]
fn a_path_leads_to_its_file_and_a_folder_to_its_index() {
    let outer = site();
    let site = outer.path().join("site");
    for (target, media_type, body) in [
        ("/", "text/html; charset=utf-8", "<p>root"),
        ("/index.html?x=1#y", "text/html; charset=utf-8", "<p>root"),
        ("/sub/", "text/html; charset=utf-8", "<p>sub"),
        ("/sub/a%20b.TXT", "text/plain; charset=utf-8", "spaces"),
        ("/sub/%E3%81%82.css", "text/css; charset=utf-8", "p {}"),
        ("/sub/あ.css", "text/css; charset=utf-8", "p {}"),
        ("//sub///%69ndex.html", "text/html; charset=utf-8", "<p>sub"),
        ("http://peer/sub/", "text/html; charset=utf-8", "<p>sub"),
        ("/nothing.js", "text/javascript; charset=utf-8", ""),
        ("/unknown", "application/octet-stream", "bytes"),
    ] {
        let expected = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let answer = answer_to(&site, &get(target.as_bytes()));
        assert_eq!(answer, format!("{expected}{body}"), "{target}");
        let head = answer_to(&site, format!("HEAD {target} HTTP/1.1\r\n\r\n").as_bytes());
        assert_eq!(head, expected, "HEAD {target}");
    }
}

#[test]
fn a_folder_without_its_slash_is_redirected_within_this_host() {
    let outer = site();
    for (target, location) in [
        ("/sub", "/sub/"),
        ("/sub?x=%0a&y", "/sub/?x=%0a&y"),
        // Two slashes would name a host.
        ("//sub", "/sub/"),
        ("//sub?http://elsewhere", "/sub/?http://elsewhere"),
        ("http://elsewhere/sub", "/sub/"),
    ] {
        let answer = answer_to(&outer.path().join("site"), &get(target.as_bytes()));
        assert!(answer.starts_with("HTTP/1.1 301 Moved Permanently\r\n"), "{target}: {answer}");
        assert!(answer.contains(&format!("\r\nLocation: {location}\r\n")), "{target}: {answer}");
    }
}

#[test]
fn other_methods_are_named_those_that_there_are() {
    let outer = site();
    let site = outer.path().join("site");
    let allow = "Allow: GET, HEAD, OPTIONS\r\n";
    for (request, status) in [
        ("OPTIONS / HTTP/1.1\r\n\r\n", "204 No Content"),
        ("OPTIONS * HTTP/1.1\r\n\r\n", "204 No Content"),
        ("POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\nx", "405 Method Not Allowed"),
        ("DELETE /index.html HTTP/1.1\r\n\r\n", "405 Method Not Allowed"),
        ("get / HTTP/1.1\r\n\r\n", "405 Method Not Allowed"),
    ] {
        let answer = answer_to(&site, request.as_bytes());
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{request}: {answer}");
        assert!(answer.contains(allow), "{request}: {answer}");
    }
    let answer = answer_to(&site, b"hello\n");
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
}

#[test]
fn no_path_leads_out_of_the_folder() {
    let outer = site();
    let site = outer.path().join("site");
    let long = format!("/{}", "a".repeat(100_000));
    let deep = "/sub/..".repeat(3_000);
    let absolute = outer.path().join("secret").display().to_string();
    for target in [
        "/../secret",
        "/sub/../../secret",
        "/%2e%2e/secret",
        "/%2E%2e/secret",
        "/.%2e/secret",
        "/sub/%2e%2e/%2e%2e/secret",
        "/..%2fsecret",
        "/%2e%2e%2fsecret",
        "/%252e%252e/secret",
        "/../site2/secret",
        "/%00",
        "/index.html%00.txt",
        "/..\\secret",
        "/..%5csecret",
        "../secret",
        "secret",
        "*",
        "http:///../secret",
        "ftp://peer/index.html",
        "/index.html/",
        "/index.html/../../secret",
        "/empty/",
        "/%",
        "/%zz",
        &absolute,
        &format!("/{absolute}"),
        &format!("//{absolute}"),
        &long,
        &deep,
    ] {
        let answer = answer_to(&site, &get(target.as_bytes()));
        let shown = &target[..target.len().min(80)];
        assert_eq!(answer, NOT_FOUND, "{shown}");
    }
    assert_eq!(answer_to(&site, &get(b"/index.html\0")), NOT_FOUND);
    assert_eq!(answer_to(&site, &get(b"/\xff\xfe")), NOT_FOUND);
}

#[cfg(unix)]
mod links {
    use std::os::unix::fs::symlink;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn links_are_followed_within_the_folder_and_not_out_of_it() {
        let outer = site();
        let site = outer.path().join("site");
        for (target, link) in [
            ("../secret", "out"),
            ("..", "up"),
            ("/", "root"),
            ("loop", "loop"),
            ("gone", "dangling"),
            ("sub/../../secret", "roundabout"),
            ("sub", "within"),
        ] {
            symlink(target, site.join(link)).expect("a link of ours");
        }
        symlink(outer.path().join("secret"), site.join("absolute")).expect("a link of ours");
        symlink(site.join("unknown"), site.join("inner.html")).expect("a link of ours");
        symlink(outer.path().join("site2"), site.join("sub/beside")).expect("a link of ours");
        for target in [
            "/out",
            "/up",
            "/up/",
            "/up/secret",
            "/root/etc/passwd",
            "/loop",
            "/dangling",
            "/roundabout",
            "/absolute",
            "/sub/beside",
            "/sub/beside/secret",
            "/within/beside/secret",
        ] {
            assert_eq!(answer_to(&site, &get(target.as_bytes())), NOT_FOUND, "{target}");
        }
        let within = answer_to(&site, &get(b"/within/a%20b.TXT"));
        assert!(within.ends_with("\r\n\r\nspaces"), "{within}");
        // The type is that of the name that was asked for.
        let inner = answer_to(&site, &get(b"/inner.html"));
        assert!(inner.contains("text/html") && inner.ends_with("\r\n\r\nbytes"), "{inner}");
        // The folder itself may be a link.
        symlink(&site, outer.path().join("link")).expect("a link of ours");
        let through = answer_to(&outer.path().join("link"), &get(b"/unknown"));
        assert!(through.ends_with("\r\n\r\nbytes"), "{through}");
    }

    #[test]
    fn a_file_that_becomes_a_link_while_it_is_asked_for_leads_nowhere_else() {
        const REQUESTS: usize = 300;
        let outer = site();
        let site = outer.path().join("site");
        let (name, folder) = (site.join("flips"), site.join("folder"));
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                // Each of these may find nothing there.
                while !is_over.load(Ordering::Relaxed) {
                    let _ = fs::write(&name, "inside");
                    let _ = fs::remove_file(&name);
                    let _ = symlink("../secret", &name);
                    let _ = fs::remove_file(&name);
                    let _ = fs::create_dir(&folder);
                    let _ = fs::write(folder.join("secret"), "inside");
                    let _ = fs::remove_dir_all(&folder);
                    let _ = symlink("..", &folder);
                    let _ = fs::remove_file(&folder);
                }
            });
            let peer = Peer::answer(FolderSource::new(&site));
            for number in 0..REQUESTS {
                let target: &[u8] = if number % 2 == 0 { b"/flips" } else { b"/folder/secret" };
                let answer = ask(peer.addr(), &get(target));
                let answer = String::from_utf8(answer).expect("text");
                assert!(!answer.contains("SECRET"), "{answer}");
            }
            is_over.store(true, Ordering::Relaxed);
            // A file may have been emptied just after it was opened: then the peer reports that.
            let _ = peer.finish();
        });
    }

    #[test]
    fn what_is_no_regular_file_is_not_there_and_blocks_nobody() {
        let outer = site();
        let site = outer.path().join("site");
        let made = std::process::Command::new("mkfifo").arg(site.join("fifo")).status();
        assert!(made.expect("mkfifo is part of every Unix").success());
        symlink("/dev/zero", site.join("zero")).expect("a link of ours");
        for target in ["/fifo", "/zero"] {
            assert_eq!(answer_to(&site, &get(target.as_bytes())), NOT_FOUND, "{target}");
        }
    }
}

#[test]
fn a_large_file_arrives_whole_over_a_connection_that_is_kept() {
    let outer = site();
    let site = outer.path().join("site");
    let bytes = numbered(3_000_000);
    fs::write(site.join("large"), &bytes).expect("a file of ours");
    let peer =
        Peer::answer(FolderSource::new(&site).map_response(|response| {
            response.header("Access-Control-Allow-Origin", "*").keep_alive()
        }));
    let mut client = connect(peer.addr());
    for _ in 0..2 {
        client.write_all(&get(b"/large")).expect("room for a small request");
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 3000000\r\nAccess-Control-Allow-Origin: *\r\n\r\n";
        let mut answer = vec![0; head.len() + bytes.len()];
        client.read_exact(&mut answer).expect("all of it");
        assert!(answer.starts_with(head.as_bytes()), "{}", answer[..200].escape_ascii());
        assert!(answer[head.len()..] == bytes, "the file differs");
    }
    drop(client);
    assert_eq!(finished(peer).connections().len(), 1);
}

#[test]
fn an_answer_breaks_off_where_a_fault_says() {
    let outer = site();
    let cut = |response: fake_peer::Response| response.cut(20, Ending::Close);
    let peer = Peer::answer(FolderSource::new(outer.path().join("site")).map_response(cut));
    assert_eq!(ask(peer.addr(), &get(b"/")), b"HTTP/1.1 200 OK\r\nCon");
    finished(peer);
}

#[test]
fn a_file_that_changes_while_it_is_sent_has_the_length_that_was_said_or_is_an_error() {
    let outer = site();
    let site = outer.path().join("site");
    let changed = |content: &'static str| {
        let (path, source) = (site.join("unknown"), FolderSource::new(&site));
        fs::write(&path, "bytes").expect("a file of ours");
        // It is open by now, and its length is in the head.
        Peer::answer(source.map_response(move |response| {
            fs::write(&path, content).expect("a file of ours");
            response
        }))
    };
    let longer = changed("bytes and more");
    let answer = ask(longer.addr(), &get(b"/unknown"));
    assert!(answer.ends_with(b"Content-Length: 5\r\n\r\nbytes"), "{}", answer.escape_ascii());
    finished(longer);

    let shorter = changed("by");
    let mut client = connect(shorter.addr());
    client.write_all(&get(b"/unknown")).expect("room for a small request");
    let answer = read_all(&mut client);
    assert!(answer.ends_with(b"Content-Length: 5\r\n\r\nby"), "{}", answer.escape_ascii());
    drop(client);
    let error = shorter.finish().expect_err("a file that has shrunk").report().to_string();
    assert!(error.contains("it had 5 bytes when it was opened, and ends after 2"), "{error}");
}

#[test]
fn a_folder_that_is_not_there_fails_its_exchange() {
    let outer = site();
    let peer = Peer::answer(FolderSource::new(outer.path().join("elsewhere")));
    let mut client = connect(peer.addr());
    client.write_all(&get(b"/")).expect("room for a small request");
    assert_eq!(read_all(&mut client), b"");
    drop(client);
    let error = match peer.finish() {
        Err(error @ Error::Respond { .. }) => error.report().to_string(),
        other => panic!("an error of the source, not {other:?}"),
    };
    assert!(error.contains("failed to open folder `") && error.contains("elsewhere`"), "{error}");
}
