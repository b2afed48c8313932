//! Peers and servers on Unix sockets: the same bytes, and what is different: the file, the addresses, the reset.
#![cfg(unix)]

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use fake_peer::{
    Address, ClientEnd, Conversation, Ending, Error, Framing, Peer, Response, Sequence, TcpServer,
    conversation::matching, faults, garbage, http,
};
use fake_peer_test_support::{
    PATIENCE, eventually, finished, numbered, over_within, patient, same_bytes, spawned, taken,
};
use tempfile::TempDir;

const GET: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

#[track_caller]
fn connect(path: &Path) -> UnixStream {
    let client = UnixStream::connect(path).expect("a listening server");
    client.set_read_timeout(Some(PATIENCE)).expect("an open socket");
    client.set_write_timeout(Some(PATIENCE)).expect("an open socket");
    client
}

#[track_caller]
fn asks(path: &Path, request: &[u8]) -> UnixStream {
    let mut client = connect(path);
    client.write_all(request).expect("room for a small request");
    client
}

/// What a client reads, and how the reading ends.
fn read_to_its_end(mut client: UnixStream) -> (Vec<u8>, Option<ErrorKind>) {
    let mut bytes = Vec::new();
    let error = client.read_to_end(&mut bytes).err().map(|error| error.kind());
    (bytes, error)
}

#[track_caller]
fn refused(path: &Path) -> ErrorKind {
    UnixStream::connect(path).expect_err("nothing listens there").kind()
}

#[track_caller]
fn cause(error: &Error) -> &io::Error {
    error.io_error().expect("a cause")
}

#[track_caller]
fn panics_with(call: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(call)).expect_err("a panic");
    *payload.downcast::<String>().expect("a text")
}

fn at(path: &Path) -> Result<Peer, Error> {
    patient().unix(path).source("hi").spawn()
}

/// A socket file that nothing has open.
fn stale(path: &Path) {
    drop(UnixListener::bind(path).expect("a free path"));
}

#[test]
fn a_peer_in_a_temporary_folder_answers_byte_for_byte() {
    let peer = Peer::unix(&b"\0\r\n\xff"[..]);
    let (answer, end) = read_to_its_end(asks(peer.path(), b"GET /a HTTP/1.1\r\n\r\n"));
    assert_eq!((&answer[..], end), (&b"\0\r\n\xff"[..], None));
    assert_eq!(peer.take_request().target(), Some("/a"));
    finished(peer);
}

#[test]
fn the_folder_of_a_peer_is_private_and_gone_after_finish() {
    let peer = Peer::unix("hi");
    let path = peer.path().to_owned();
    let folder = path.parent().expect("a folder");
    assert_eq!(fs::metadata(folder).expect("a folder").permissions().mode() & 0o777, 0o700);
    assert!(fs::metadata(&path).expect("a socket").file_type().is_socket());
    assert!(folder.starts_with(std::env::temp_dir()));
    finished(peer);
    assert!(!folder.exists(), "{}", folder.display());
}

#[test]
fn two_peers_have_two_folders() {
    let (one, other) = (Peer::unix("one"), Peer::unix("other"));
    assert_ne!(one.path(), other.path());
    assert_eq!(read_to_its_end(asks(other.path(), GET)).0, b"other");
    assert_eq!(read_to_its_end(asks(one.path(), GET)).0, b"one");
}

#[test]
fn the_file_is_gone_after_a_drop_and_after_a_panic() {
    let folder = folder();
    let path = folder.path().join("peer");
    drop(at(&path).expect("a free path"));
    assert!(!path.exists(), "dropped");

    let text = panics_with(|| {
        let _peer = at(&path).expect("a free path");
        panic!("{}", "the test fails");
    });
    assert_eq!(text, "the test fails");
    assert!(!path.exists(), "unwound");
}

#[test]
fn the_file_of_a_server_in_the_foreground_is_gone_after_its_drop_and_its_finish() {
    let folder = folder();
    let path = folder.path().join("server");
    for finishes in [false, true] {
        let server = TcpServer::builder().unix(&path).source("hi").bind().expect("a free path");
        assert_eq!(server.path(), path);
        let client = asks(&path, GET);
        client.shutdown(Shutdown::Write).expect("open");
        let exchange = server.serve_once().expect("an exchange");
        exchange.request().assert_bytes(GET);
        assert_eq!(read_to_its_end(client), (b"hi".to_vec(), None));
        if finishes {
            server.finish().expect("nothing left");
        } else {
            drop(server);
        }
        assert!(!path.exists(), "finishes: {finishes}");
    }
}

#[test]
fn a_stale_file_is_replaced() {
    let folder = folder();
    let path = folder.path().join("peer");
    stale(&path);
    let peer = at(&path).expect("nothing is alive there");
    assert_eq!(read_to_its_end(asks(&path, GET)).0, b"hi");
    finished(peer);
}

#[test]
fn a_live_server_is_an_error_and_does_not_notice() {
    let folder = folder();
    let path = folder.path().join("peer");
    let live = at(&path).expect("a free path");
    let error = at(&path).expect_err("a server is there");
    assert_eq!(cause(&error).kind(), ErrorKind::AddrInUse);
    let text = error.report().to_string();
    let expected =
        format!("failed to listen on unix:{}: a server is listening there", path.display());
    assert_eq!(text, expected);
    assert!(path.exists(), "the other server's file stays");
    live.assert_never_contacted();
}

#[test]
fn of_servers_that_find_a_stale_file_at_once_one_replaces_it() {
    let folder = folder();
    for round in 0..100 {
        let path = folder.path().join(round.to_string());
        stale(&path);
        let start = Barrier::new(3);
        let started: Vec<_> = thread::scope(|scope| {
            let one = || {
                start.wait();
                at(&path)
            };
            let threads: Vec<_> = (0..3).map(|_| scope.spawn(one)).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        let (peers, errors): (Vec<_>, Vec<_>) = started.into_iter().partition(Result::is_ok);
        assert_eq!(peers.len(), 1, "round {round}: {errors:?}");
        for error in errors.into_iter().filter_map(Result::err) {
            assert_eq!(cause(&error).kind(), ErrorKind::AddrInUse, "round {round}: {error:?}");
        }
        connect(&path);
    }
}

#[test]
fn a_live_server_whose_backlog_is_full_is_not_taken_for_a_dead_one() {
    let folder = folder();
    let path = folder.path().join("peer");
    let listener = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None);
    let listener = listener.expect("a socket");
    listener.bind(&socket2::SockAddr::unix(&path).expect("short")).expect("a free path");
    let error = at(&path).expect_err("it is about to listen");
    assert_eq!(cause(&error).kind(), ErrorKind::AddrInUse);
    listener.listen(0).expect("bound");
    let _waits = connect(&path);
    let error = at(&path).expect_err("it listens");
    assert_eq!(cause(&error).kind(), ErrorKind::AddrInUse);
    let datagrams = folder.path().join("datagrams");
    let _socket = UnixDatagram::bind(&datagrams).expect("a free path");
    let error = at(&datagrams).expect_err("another kind of server");
    assert_eq!(cause(&error).kind(), ErrorKind::AddrInUse);
}

#[test]
fn what_is_no_socket_is_never_removed() {
    let folder = folder();
    let (file, link) = (folder.path().join("file"), folder.path().join("link"));
    fs::write(&file, "precious").expect("room");
    std::os::unix::fs::symlink(folder.path().join("nowhere"), &link).expect("room");
    for path in [&file, &link, &folder.path().to_owned()] {
        let error = at(path).expect_err("no socket");
        assert_eq!(cause(&error).kind(), ErrorKind::AlreadyExists, "{}", path.display());
        let text = error.report().to_string();
        assert!(text.ends_with("what is there is no socket, so it is not replaced"), "{text}");
    }
    assert_eq!(fs::read(&file).expect("it is there"), b"precious");
    assert!(fs::symlink_metadata(&link).is_ok());
}

#[test]
fn a_path_that_no_socket_can_have_is_a_clear_error() {
    let long = folder().path().join("x".repeat(120));
    let length = long.as_os_str().len();
    let most = if cfg!(target_os = "linux") { 107 } else { 103 };
    let too_long = format!("the path of a Unix socket has at most {most} bytes, not {length}");
    for (path, text) in [
        (&*long, &too_long[..]),
        (Path::new(""), "a Unix socket needs a path"),
        (Path::new("/tmp/a\0b"), "a path has no NUL byte"),
    ] {
        let error = at(path).expect_err(text);
        assert_eq!(cause(&error).kind(), ErrorKind::InvalidInput, "{text}");
        assert!(error.report().to_string().ends_with(text), "{}", error.report());
    }
    let error = at(Path::new("/nowhere/peer")).expect_err("no such folder");
    assert_eq!(cause(&error).kind(), ErrorKind::NotFound);
}

#[test]
fn the_longest_path_works() {
    let folder = folder();
    let most = if cfg!(target_os = "linux") { 107 } else { 103 };
    let name = "x".repeat(most - folder.path().as_os_str().len() - 1);
    let path = folder.path().join(name);
    let peer = at(&path).expect("it fits");
    assert_eq!(read_to_its_end(asks(&path, GET)).0, b"hi");
    finished(peer);
    assert!(!path.exists());
}

#[test]
fn the_file_of_another_server_is_not_removed() {
    let folder = folder();
    let path = folder.path().join("peer");
    let peer = at(&path).expect("a free path");
    fs::remove_file(&path).expect("a file");
    let other = UnixListener::bind(&path).expect("a free path");
    let inode = fs::metadata(&path).expect("a file").ino();
    finished(peer);
    assert_eq!(fs::metadata(&path).expect("it is still there").ino(), inode);
    drop(connect(&path));
    drop(other);
}

#[test]
fn a_file_that_is_gone_already_is_no_failure() {
    let folder = folder();
    let path = folder.path().join("peer");
    let peer = at(&path).expect("a free path");
    fs::remove_file(&path).expect("a file");
    finished(peer);
}

#[test]
fn a_unix_peer_has_a_path_and_no_port_and_a_tcp_peer_the_other_way_round() {
    let unix = Peer::unix("hi");
    let text = panics_with(|| _ = unix.addr());
    let path = unix.path().display();
    let expected =
        format!("unix:{path} is a Unix socket, which has no port and no URL: use `path()`");
    assert_eq!(text, expected);
    assert_eq!(panics_with(|| _ = unix.port()), expected);
    assert_eq!(panics_with(|| drop(unix.url("/"))), expected);

    let tcp = Peer::answer("hi");
    let text = panics_with(|| _ = tcp.path());
    assert!(
        text.starts_with(&format!("{} is a TCP port, which has no path", tcp.addr())),
        "{text}"
    );
    let server = TcpServer::builder().bind().expect("a free port");
    assert!(panics_with(|| _ = server.path()).contains("use `addr()`, of a server `local_addr()`"));
}

#[test]
fn the_journal_and_errors_name_the_path_and_the_unnamed_client() {
    let peer =
        spawned(patient().framing(Framing::exactly(10)).source("hi").unix_in_temporary_folder());
    drop(asks(peer.path(), b"short"));
    let exchange = peer.take(PATIENCE);
    let error = exchange.expect_err("it was cut short");
    let text = format!("{error:?}");
    assert!(
        text.contains(&format!("the peer on unix:{}, made at ", peer.path().display())),
        "{text}"
    );
    assert!(text.contains("connection 1 from unix:(unnamed), "), "{text}");
    let client = peer.journal().connections()[0].client().clone();
    assert_eq!(client.addr(), &Address::Unix(None));
    assert_eq!((client.addr().socket_addr(), client.addr().path()), (None, None));
    finished(peer);
}

#[test]
fn a_client_with_a_path_is_named() {
    let folder = folder();
    let own = folder.path().join("client");
    let peer = Peer::unix("hi");
    let client = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None);
    let client = client.expect("a socket");
    client.bind(&socket2::SockAddr::unix(&own).expect("short")).expect("a free path");
    client.connect(&socket2::SockAddr::unix(peer.path()).expect("short")).expect("a peer");
    let client = UnixStream::from(std::os::fd::OwnedFd::from(client));
    client.shutdown(Shutdown::Write).expect("open");
    assert_eq!(read_to_its_end(client), (Vec::new(), None));
    let journal = finished(peer);
    assert_eq!(journal.connections()[0].client().addr().path(), Some(&*own));
}

#[test]
fn requests_under_each_framing_and_large_ones_arrive_unchanged() {
    let long = numbered(3_000_000);
    let peer = spawned(
        patient()
            .framing(Framing::exactly(3_000_000))
            .source(long.clone())
            .unix_in_temporary_folder(),
    );
    let mut client = connect(peer.path());
    // Both directions, in pieces that are no multiple of anything.
    for piece in long.chunks(70_001) {
        client.write_all(piece).expect("a peer that reads");
    }
    let (answer, end) = read_to_its_end(client);
    same_bytes(&answer, &long, "the answer");
    assert_eq!(end, None);
    same_bytes(taken(&peer).request().bytes(), &long, "the request");
    finished(peer);

    for (framing, request) in [
        (Framing::http(), &b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"[..]),
        (Framing::lines(), b"line\n"),
        (Framing::until("end"), b"to the end"),
        (Framing::exactly(1), b"x"),
        (Framing::read_once(4096), b"anything"),
        (Framing::auto(), b"not http"),
    ] {
        let case = framing.to_string();
        let peer = spawned(patient().framing(framing).source("hi").unix_in_temporary_folder());
        let (answer, end) = read_to_its_end(asks(peer.path(), request));
        assert_eq!((&answer[..], end), (&b"hi"[..], None), "{case}");
        assert_eq!(taken(&peer).request().bytes(), request, "{case}");
        finished(peer);
    }
}

#[test]
fn bytes_one_by_one_and_pipelined_requests_are_neither_lost_nor_read_twice() {
    let peer = spawned(
        patient()
            .framing(Framing::lines())
            .source_with(|request| Response::from(request.bytes()).keep_open())
            .unix_in_temporary_folder(),
    );
    let mut client = connect(peer.path());
    let text = b"one\ntwo\nthree\n";
    for byte in text {
        client.write_all(&[*byte]).expect("room");
    }
    let mut answer = vec![0; text.len()];
    client.read_exact(&mut answer).expect("all lines");
    assert_eq!(answer, text);
    client.write_all(b"four\nfive\n").expect("room");
    client.shutdown(Shutdown::Write).expect("open");
    let (rest, end) = read_to_its_end(client);
    assert_eq!((&rest[..], end), (&b"four\nfive\n"[..], None));
    let journal = finished(peer);
    let requests: Vec<_> = journal.requests().map(|request| request.bytes().to_vec()).collect();
    assert_eq!(
        requests,
        [
            b"one\n".to_vec(),
            b"two\n".to_vec(),
            b"three\n".to_vec(),
            b"four\n".to_vec(),
            b"five\n".to_vec()
        ]
    );
}

#[test]
fn a_connection_driven_by_hand_and_a_handler_work_there() {
    let peer = patient().unix_in_temporary_folder().by_hand().expect("a folder");
    let mut client = asks(peer.path(), b"PING\n");
    let mut connection = peer.accept(PATIENCE).expect("a client");
    let request = connection.read(Framing::lines()).expect("a line").expect("a line");
    request.assert_bytes("PING\n");
    connection.send("PONG\n").expect("a client");
    let mut answer = [0; 5];
    client.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"PONG\n");
    connection.close();
    assert_eq!(read_to_its_end(client), (Vec::new(), None));
    assert_eq!(peer.finish().expect("no failure").exchanges_per_connection(), [1]);

    let peer = patient().unix_in_temporary_folder().handle(|mut connection| {
        while let Some(line) = connection.read(Framing::lines())? {
            connection.send(line.bytes())?;
        }
        Ok(())
    });
    let peer = peer.expect("a folder");
    let client = asks(peer.path(), b"one\ntwo\n");
    client.shutdown(Shutdown::Write).expect("open");
    assert_eq!(read_to_its_end(client), (b"one\ntwo\n".to_vec(), None));
    finished(peer);
}

#[test]
fn a_conversation_is_played_there() {
    let talk = Conversation::new().say("220 hello\r\n").expect("QUIT\r\n").say("221 bye\r\n");
    let peer = Peer::unix(talk);
    let mut client = connect(peer.path());
    let mut greeting = [0; 11];
    client.read_exact(&mut greeting).expect("it speaks first");
    client.write_all(b"QUIT\r\n").expect("room");
    assert_eq!(read_to_its_end(client), (b"221 bye\r\n".to_vec(), None));
    finished(peer);
}

#[test]
fn a_peer_that_is_down_refuses_at_its_path_until_it_is_up() {
    let peer = Peer::unix("hi");
    let path = peer.path().to_owned();
    for round in 0..3 {
        peer.down().expect("a descriptor");
        peer.down().expect("it is down already");
        assert_eq!(refused(&path), ErrorKind::ConnectionRefused, "{round}");
        peer.up().expect("its own file");
        peer.up().expect("it is up already");
        assert_eq!(read_to_its_end(asks(&path, GET)).0, b"hi", "{round}");
    }
    peer.down().expect("a descriptor");
    finished(peer);
    assert!(!path.exists());
}

#[test]
fn a_peer_whose_place_was_taken_while_it_was_down_cannot_come_up() {
    let folder = folder();
    let path = folder.path().join("peer");
    let peer = at(&path).expect("a free path");
    peer.down().expect("a descriptor");
    let error = at(&path).expect_err("its place is kept");
    assert_eq!(cause(&error).kind(), ErrorKind::AddrInUse);
    fs::remove_file(&path).expect("a file");
    let other = at(&path).expect("a free path");
    let error = peer.up().expect_err("another peer is there");
    assert_eq!(cause(&error).kind(), ErrorKind::AddrInUse);
    finished(peer);
    assert_eq!(read_to_its_end(asks(&path, GET)).0, b"hi", "the other one");
    finished(other);
}

#[test]
fn the_path_refuses_after_so_many_exchanges() {
    let peer = spawned(patient().source("hi").closes_after(2).unix_in_temporary_folder());
    for _ in 0..2 {
        assert_eq!(read_to_its_end(asks(peer.path(), GET)).0, b"hi");
    }
    assert_eq!(refused(peer.path()), ErrorKind::ConnectionRefused);
    peer.up().expect("its own file");
    assert_eq!(read_to_its_end(asks(peer.path(), GET)).0, b"hi");
    finished(peer);
}

#[test]
fn a_listener_that_was_given_keeps_its_file_and_does_not_go_down() {
    let folder = folder();
    let path = folder.path().join("given");
    let listener = UnixListener::bind(&path).expect("a free path");
    let peer = spawned(patient().unix_listener(listener).source("hi"));
    assert_eq!(peer.path(), path);
    assert_eq!(read_to_its_end(asks(&path, GET)).0, b"hi");
    let error = peer.down().expect_err("its file is not ours");
    assert_eq!(cause(&error).kind(), ErrorKind::Unsupported);
    assert_eq!(read_to_its_end(asks(&path, GET)).0, b"hi", "it goes on");
    finished(peer);
    assert!(path.exists());
}

#[test]
fn a_relative_path_is_removed_from_where_it_was_made() {
    // Another test's folder may be the current one: this one only reads it.
    let name = format!("relative-{}.sock", std::process::id());
    let peer = at(Path::new(&name)).expect("a free path");
    assert_eq!(peer.path(), Path::new(&name));
    assert!(Path::new(&name).exists());
    finished(peer);
    assert!(!Path::new(&name).exists());
}

#[test]
fn a_peer_that_finishes_waits_for_no_client_that_has_everything() {
    let peer = Peer::unix("hi");
    let mut client = asks(peer.path(), GET);
    let mut answer = [0; 2];
    client.read_exact(&mut answer).expect("an answer");
    over_within(PATIENCE, "finish", move || finished(peer));
}

/// What a client sees of a reset.
#[cfg(any(target_os = "linux", target_os = "android"))]
mod reset {
    use super::*;

    #[test]
    fn a_reset_comes_after_everything_that_was_sent() {
        let long = numbered(2_000_000);
        for (case, response) in [
            ("short", Response::from("hello")),
            ("nothing", Response::new()),
            ("long", Response::from(long.clone())),
            ("paused", Response::from("a").pause(Duration::from_millis(20)).send("b")),
            ("in pieces", Response::from("hello").in_pieces(1, Duration::from_millis(1))),
        ] {
            let peer = Peer::unix(response.clone().ending(Ending::Reset));
            let (seen, end) = read_to_its_end(asks(peer.path(), GET));
            assert_eq!(end, Some(ErrorKind::ConnectionReset), "{case}");
            let exchange = taken(&peer);
            exchange.request().assert_bytes(GET);
            assert_eq!(exchange.sent(), seen.len() as u64, "{case}");
            eventually(case, || exchange.closed_at().is_some());
            assert_eq!(exchange.client_end(), ClientEnd::ClosedByUs, "{case}");
            let text = finished(peer).to_string();
            assert!(text.contains("reset by the peer"), "{case}: {text}");
            if case == "long" {
                same_bytes(&seen, &long, case);
            }
        }
    }

    #[test]
    fn a_client_that_uploads_while_a_long_answer_comes_is_read_and_then_reset() {
        let long = numbered(3_000_000);
        let response = Response::from(long.clone()).ending(Ending::Reset);
        let peer = spawned(
            patient().framing(Framing::exactly(10)).source(response).unix_in_temporary_folder(),
        );
        let client = connect(peer.path());
        let mut uploading = client.try_clone().expect("a descriptor");
        // It reads only when it has sent everything.
        uploading.write_all(&long).expect("a peer that reads");
        let (seen, end) = read_to_its_end(client);
        same_bytes(&seen, &long, "the answer");
        assert_eq!(end, Some(ErrorKind::ConnectionReset));
        finished(peer);
    }

    #[test]
    fn a_client_that_has_ended_its_side_is_reset_too() {
        let peer = Peer::unix(Response::from("hi").ending(Ending::Reset));
        let client = asks(peer.path(), b"until the end");
        client.shutdown(Shutdown::Write).expect("open");
        assert_eq!(read_to_its_end(client), (b"hi".to_vec(), Some(ErrorKind::ConnectionReset)));
        finished(peer);
    }

    #[test]
    fn with_nothing_unread_the_reset_is_a_close_and_the_journal_says_so() {
        let says = "closed by the peer instead of a reset, which a Unix socket has only with bytes of the client unread";
        let peer = Peer::unix(faults::reset_on_accept());
        let client = connect(peer.path());
        assert_eq!(read_to_its_end(client), (Vec::new(), None));
        let text = finished(peer).to_string();
        assert!(text.contains(says), "{text}");

        let resetting = Response::from("hi").ending(Ending::Reset);
        let peer =
            spawned(patient().framing(Framing::eof()).source(resetting).unix_in_temporary_folder());
        let client = asks(peer.path(), b"until the end");
        client.shutdown(Shutdown::Write).expect("open");
        assert_eq!(read_to_its_end(client), (b"hi".to_vec(), None));
        let text = finished(peer).to_string();
        assert!(text.contains(says), "{text}");
    }

    #[test]
    fn a_second_exchange_can_be_reset() {
        let peer = Peer::unix(Sequence::new([
            Response::from("one").keep_open(),
            http::ok("two").cut(5, Ending::Reset),
        ]));
        let mut client = asks(peer.path(), GET);
        client.read_exact(&mut [0; 3]).expect("the first answer");
        client.write_all(GET).expect("room");
        let end = read_to_its_end(client);
        assert_eq!(end, (b"HTTP/".to_vec(), Some(ErrorKind::ConnectionReset)));
        finished(peer);
    }

    #[test]
    fn a_connection_driven_by_hand_can_be_reset() {
        let peer = patient().unix_in_temporary_folder().by_hand().expect("a folder");
        let client = asks(peer.path(), b"PING\n");
        let mut connection = peer.accept(PATIENCE).expect("a client");
        connection.read(Framing::lines()).expect("a line").expect("a line");
        connection.send("PONG\n").expect("a client");
        connection.end(Ending::Reset);
        assert_eq!(read_to_its_end(client), (b"PONG\n".to_vec(), Some(ErrorKind::ConnectionReset)));
        peer.finish().expect("no failure");
    }

    #[test]
    fn the_other_endings_reset_nothing_after_a_whole_request() {
        for ending in [
            Ending::Close,
            Ending::CloseAtOnce,
            Ending::HalfClose,
            Ending::Hold,
            Ending::StopReading,
        ] {
            let case = format!("{ending:?}");
            let response = Response::from("hi").ending(ending);
            let peer = spawned(
                patient()
                    .timeout(Duration::from_millis(50))
                    .source(response)
                    .unix_in_temporary_folder(),
            );
            let end = read_to_its_end(asks(peer.path(), GET));
            assert_eq!(end, (b"hi".to_vec(), None), "{case}");
            finished(peer);
        }
    }

    #[test]
    fn a_naive_close_with_bytes_unread_resets_and_loses_nothing() {
        let response = Response::from("hi").ending(Ending::CloseAtOnce);
        for framing in [Framing::exactly(4), Framing::read_once(4)] {
            let case = framing.to_string();
            let peer = spawned(
                patient().framing(framing).source(response.clone()).unix_in_temporary_folder(),
            );
            let end = read_to_its_end(asks(peer.path(), b"more than that"));
            assert_eq!(end, (b"hi".to_vec(), Some(ErrorKind::ConnectionReset)), "{case}");
            finished(peer);
        }
    }

    #[test]
    fn a_client_that_stops_reading_and_leaves_is_a_reset_by_the_client() {
        let peer = spawned(
            patient()
                .source(Response::from("unread").ending(Ending::StopReading))
                .unix_in_temporary_folder(),
        );
        let client = asks(peer.path(), GET);
        let exchange = taken(&peer);
        drop(client);
        eventually("its end is seen", || exchange.closed_at().is_some());
        assert_eq!(exchange.client_end(), ClientEnd::Reset);
        finished(peer);
    }

    #[test]
    fn a_client_that_never_reads_gets_its_reset_at_once() {
        let peer = Peer::unix(Response::from("hello").ending(Ending::Reset));
        let client = asks(peer.path(), GET);
        let exchange = taken(&peer);
        eventually("the reset", || exchange.closed_at().is_some());
        assert_eq!(exchange.acknowledged(), Some(5));
        finished(peer);
        assert_eq!(read_to_its_end(client), (b"hello".to_vec(), Some(ErrorKind::ConnectionReset)));
    }
}

#[test]
fn each_case_of_each_family_comes_to_an_end_and_fails_no_peer() {
    let answer = http::ok("hello");
    let talk = Conversation::new().say("220 hi\r\n").expect("QUIT\r\n").say("221 bye\r\n");
    let quit = matching("QUIT", Framing::lines(), |request| request.bytes() == b"QUIT\r\n");
    let with_closure = Conversation::new().expect(quit).say("bye");
    let families = faults::truncations(answer.clone())
        .chain(faults::splits(answer.clone(), Duration::ZERO))
        .chain([faults::byte_by_byte(answer, Duration::ZERO)])
        .chain(faults::truncations(talk))
        .chain(faults::truncations(with_closure))
        .chain(garbage::all().take(30));
    let mut count = 0;
    let swept = faults::sweep_with(
        || Peer::builder().unix_in_temporary_folder(),
        families,
        |case, peer| {
            count += 1;
            let request = if case.name().starts_with("answer") { b"QUIT\r\n" } else { GET };
            let mut client = connect(peer.path());
            // It may be gone by then.
            let _ = client.write_all(request);
            client.shutdown(Shutdown::Write).unwrap_or_default();
            let (_, error) = read_to_its_end(client);
            let is_reset = error == Some(ErrorKind::ConnectionReset);
            assert!(error.is_none() || is_reset, "{case}: {error:?}");
        },
    );
    swept.expect("no case fails its peer");
    assert!(count > 150, "{count}");
}

#[test]
fn a_client_that_is_gone_within_its_request_is_reported_for_the_request() {
    let peer = Peer::unix("answer");
    let client = asks(peer.path(), b"GET / HTTP/1.1\r\nHo");
    drop(client);
    let error = peer.take(PATIENCE).expect_err("it was cut short");
    assert!(matches!(error, Error::Receive { .. }), "{}", error.report());
    finished(peer);
}

#[test]
fn many_clients_at_once_lose_nothing() {
    let peer = spawned(
        patient()
            .framing(Framing::lines())
            .source_with(|request| request.bytes().to_vec())
            .unix_in_temporary_folder(),
    );
    let path = peer.path().to_owned();
    thread::scope(|scope| {
        for client in 0..8 {
            let path = &path;
            scope.spawn(move || {
                for exchange in 0..50 {
                    let line = format!("{client}/{exchange}\n");
                    let answer = read_to_its_end(asks(path, line.as_bytes()));
                    assert_eq!(answer, (line.into_bytes(), None));
                }
            });
        }
    });
    assert_eq!(finished(peer).exchanges().count(), 400);
}
