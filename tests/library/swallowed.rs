//! What used to be swallowed: files that change or collide, a cut that cuts nothing, a length that is none.

use std::fs;
use std::io::Write;
use std::path::Path;

use fake_peer::{
    Ending, Error, FileSink, FileSource, Gate, NumberedFileSink, Peer, Problem, Request, Response,
};
use fake_peer_test_support::{
    ask, bound, connect, connect_and_send, finished, patient, read_all, spawned, taken,
};

const GET: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

#[track_caller]
fn failure_of_finish(peer: Peer) -> (Error, String) {
    let error = peer.finish().expect_err("a failure");
    let text = error.report().to_string();
    (error, text)
}

#[test]
fn a_response_file_that_shrinks_while_it_is_sent_is_reported() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("page.http");
    for (length, left) in [(4_000_000_u64, 1_000_000_u64), (1000, 0)] {
        fs::write(&path, vec![b'x'; usize::try_from(length).expect("small")]).expect("a file");
        let gate = Gate::new();
        // The file is open before the gate, and read behind it.
        let response = Response::from("head").gate(&gate).send_file(&path);
        let peer = spawned(patient().source(response));
        let mut client = connect_and_send(peer.addr(), GET);
        fake_peer_test_support::expect_bytes(&mut client, b"head", "before the gate");
        fs::OpenOptions::new().write(true).open(&path).expect("a file").set_len(left).expect("cut");
        gate.open();
        assert_eq!(read_all(&mut client).len() as u64, left, "what was left");
        drop(client);
        let (error, text) = failure_of_finish(peer);
        assert!(matches!(error, Error::Respond { .. }), "{text}");
        let expected = format!(
            "failed to read response file `{}`: it had {length} bytes when it was opened, and ends after {left}",
            path.display()
        );
        assert!(text.ends_with(&expected), "{text}");
    }
}

#[test]
fn a_response_file_that_grows_is_sent_as_it_is_in_the_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("page.http");
    fs::write(&path, "short").expect("a file");
    let gate = Gate::new();
    let peer = spawned(patient().source(Response::from("head").gate(&gate).send_file(&path)));
    let mut client = connect_and_send(peer.addr(), GET);
    fake_peer_test_support::expect_bytes(&mut client, b"head", "before the gate");
    let mut file = fs::OpenOptions::new().append(true).open(&path).expect("a file");
    file.write_all(b" and long").expect("room");
    gate.open();
    assert_eq!(read_all(&mut client), b"short and long");
    drop(client);
    finished(peer);
}

/// The same file by its path, by a symbolic link, and by a hard link.
fn names_of(path: &Path) -> Vec<std::path::PathBuf> {
    let names = vec![path.to_path_buf()];
    #[cfg(unix)]
    let names = {
        let (soft, hard) = (path.with_extension("soft"), path.with_extension("hard"));
        std::os::unix::fs::symlink(path, &soft).expect("a link");
        fs::hard_link(path, &hard).expect("a link");
        [names, vec![soft, hard]].concat()
    };
    names
}

#[test]
fn a_response_file_that_is_the_request_file_is_reported_and_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("page.http");
    fs::write(&path, "precious").expect("a file");
    for name in names_of(&path) {
        let peer = spawned(patient().sink(FileSink::new(&name)).source(FileSource::new(&path)));
        assert_eq!(ask(peer.addr(), GET), b"", "{}", name.display());
        let (error, text) = failure_of_finish(peer);
        assert!(matches!(error, Error::Record { .. }), "{text}");
        let expected = format!("the request file `{}` is the response file", name.display());
        assert!(text.ends_with(&expected), "{text}");
        assert_eq!(fs::read(&path).expect("a file"), b"precious");
        let server = bound(patient().sink(FileSink::new(&name)).source(FileSource::new(&path)));
        let client = connect_and_send(server.local_addr(), GET);
        server.serve_once().expect_err("the same file");
        drop(client);
    }
}

#[test]
fn a_closure_that_answers_with_the_request_file_is_reported() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("1.http");
    let answer = path.clone();
    let source = move |_: &Request| Response::file(&answer);
    let sink = NumberedFileSink::new(folder.path().join("{n}.http"));
    let peer = spawned(patient().sink(sink).source(source));
    assert_eq!(ask(peer.addr(), GET), b"");
    // The second request is written elsewhere, so that its response is the first request.
    assert_eq!(ask(peer.addr(), b"POST / HTTP/1.1\r\n\r\n"), GET);
    let (error, text) = failure_of_finish(peer);
    assert!(matches!(error, Error::Respond { .. }), "{text}");
    let expected = format!(
        "the response file `{}` is the file that the request was written to",
        path.display()
    );
    assert!(text.ends_with(&expected), "{text}");
}

#[test]
fn a_cut_beyond_the_end_of_its_response_is_sent_and_reported() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("page.http");
    fs::write(&path, "answer").expect("a file");
    let cases = [
        Response::from("answer"),
        Response::from("an").send("swer"),
        Response::file(&path),
        Response::new().send_from(&b"answer"[..]),
    ];
    for (case, response) in cases.into_iter().enumerate() {
        let peer = spawned(patient().source(response.cut(7, Ending::Close)));
        assert_eq!(ask(peer.addr(), GET), b"answer", "case {case}");
        let (error, text) = failure_of_finish(peer);
        assert!(matches!(error, Error::Respond { .. }), "{text}");
        let expected = "the response was to be cut after byte 7, and has only 6 bytes";
        assert!(text.ends_with(expected), "case {case}: {text}");
    }
    let server = bound(patient().source(Response::from("answer").cut(7, Ending::Close)));
    let mut client = connect_and_send(server.local_addr(), GET);
    let error = server.serve_once().expect_err("nothing was cut");
    assert!(matches!(error, Error::Respond { .. }), "{error:?}");
    assert_eq!(read_all(&mut client), b"answer");
    let peer = spawned(patient().source(Response::from("answer").cut(6, Ending::Close)));
    assert_eq!(ask(peer.addr(), GET), b"answer");
    finished(peer);
}

#[test]
fn a_content_length_without_a_number_is_a_problem() {
    for value in ["", ",", " , ,", ",\t,"] {
        let peer = spawned(patient().source("answer"));
        let mut client = connect(peer.addr());
        let request = format!("POST / HTTP/1.1\r\nContent-Length: {value}\r\n\r\n");
        client.write_all(request.as_bytes()).expect("an open connection");
        assert_eq!(read_all(&mut client), b"answer");
        let exchange = taken(&peer);
        assert_eq!(exchange.request().problem(), Some(&Problem::BadContentLength), "{value:?}");
    }
}
