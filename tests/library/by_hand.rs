//! Connections that a test, or a function, drives by hand.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::panic::{self, AssertUnwindSafe};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use fake_peer::{
    ClientEnd, Ending, Error, Exchange, Framing, ManualPeer, MemorySink, Peer, RequestEnd,
    Response, TcpServer, http,
};
use fake_peer_test_support::{
    PATIENCE, block_on, connect, expect_bytes, finished, numbered, over_within, patient, place,
    read_all, read_to_its_end, reset, same_bytes,
};

fn by_hand() -> ManualPeer {
    patient().by_hand().expect("a free port of the loopback")
}

fn lines() -> Framing {
    Framing::until("\n")
}

#[test]
fn an_exchange_is_a_read_and_what_is_sent_until_the_next_one() {
    let peer = by_hand();
    let mut client = connect(&peer);
    let mut connection = peer.accept(PATIENCE).expect("a connection");
    assert_eq!(connection.client().connection(), 1);
    connection.send("220 ").expect("open");
    connection.send("peer\n").expect("open");
    expect_bytes(&mut client, b"220 peer\n", "the greeting");
    client.write_all(b"one\ntwo!").expect("open");
    connection.read(lines()).expect("open").expect("a request").assert_bytes("one\n");
    connection.send("1").expect("open");
    connection.read(Framing::exactly(4)).expect("open").expect("a request").assert_bytes("two!");
    connection.send("2").expect("open");
    connection.send("2").expect("open");
    expect_bytes(&mut client, b"122", "two answers");
    client.shutdown(Shutdown::Write).expect("open");
    assert!(connection.read(lines()).expect("open").is_none(), "the client has closed");
    connection.send("bye").expect_err("it has ended");
    drop(connection);
    drop(client);
    let journal = peer.finish().expect("nothing is wrong");
    let exchanges: Vec<_> = journal
        .exchanges()
        .map(|exchange| {
            let sent = String::from_utf8_lossy(exchange.sent_bytes()).into_owned();
            (String::from_utf8_lossy(exchange.request().bytes()).into_owned(), sent)
        })
        .collect();
    let expected =
        [("", "220 peer\n"), ("one\n", "1"), ("two!", "22")].map(|(a, b)| (a.into(), b.into()));
    assert_eq!(exchanges, expected);
    assert_eq!(journal.connections()[0].client_end(), ClientEnd::Closed);
}

#[test]
fn a_peer_speaks_while_it_waits_for_its_client() {
    let peer = by_hand();
    let mut client = connect(&peer);
    let (mut reader, sender) = peer.accept(PATIENCE).expect("a connection").split();
    let reading = thread::spawn(move || reader.read(lines()));
    let pushing: Vec<_> = (0..3)
        .map(|_| {
            let sender = sender.clone();
            thread::spawn(move || (0..100).try_for_each(|_| sender.send("push\n")))
        })
        .collect();
    expect_bytes(&mut client, &b"push\n".repeat(300), "what was pushed");
    for thread in pushing {
        thread.join().expect("no panic").expect("open");
    }
    client.write_all(b"half a li").expect("open");
    sender.send("more").expect("also within a request");
    expect_bytes(&mut client, b"more", "within a request");
    client.write_all(b"ne\n").expect("open");
    let request = reading.join().expect("no panic").expect("open").expect("a request");
    request.assert_bytes("half a line\n");
    drop((sender, client));
    let journal = peer.finish().expect("nothing is wrong");
    assert_eq!(journal.exchanges().map(Exchange::sent).sum::<u64>(), 1504, "{journal}");
}

#[test]
fn large_pieces_go_both_ways_at_once() {
    let peer = by_hand();
    let mut client = connect(&peer);
    let (mut reader, sender) = peer.accept(PATIENCE).expect("a connection").split();
    let (up, down) = (numbered(8 << 20), numbered(6 << 20));
    let length = up.len() as u64;
    let mut writing = client.try_clone().expect("a descriptor");
    let (sent_up, sent_down) = (up.clone(), down.clone());
    let uploading = thread::spawn(move || writing.write_all(&sent_up));
    let sending = thread::spawn(move || sender.send(sent_down));
    let reading = thread::spawn(move || {
        reader.read(Framing::exactly(length)).map(|request| (reader, request))
    });
    let mut received = vec![0; down.len()];
    client.read_exact(&mut received).expect("all of it");
    same_bytes(&received, &down, "what was sent");
    uploading.join().expect("no panic").expect("open");
    sending.join().expect("no panic").expect("open");
    let (_reader, request) = reading.join().expect("no panic").expect("open");
    same_bytes(request.expect("a request").bytes(), &up, "what was uploaded");
    drop(client);
    peer.finish().expect("nothing is wrong");
}

#[test]
fn a_connection_ends_exactly_as_it_is_told() {
    let peer = by_hand();
    for (ending, expected) in [
        (Ending::Close, None),
        (Ending::Reset, Some(std::io::ErrorKind::ConnectionReset)),
        (Ending::HalfClose, None),
    ] {
        let mut client = connect(&peer);
        let mut connection = peer.accept(PATIENCE).expect("a connection");
        connection.send("bye").expect("open");
        let case = format!("{ending:?}");
        connection.end(ending);
        assert_eq!(read_to_its_end(&mut client), (b"bye".to_vec(), expected), "{case}");
    }
    let mut client = connect(&peer);
    drop(peer.accept(PATIENCE).expect("a connection"));
    assert_eq!(read_to_its_end(&mut client), (Vec::new(), None), "dropped");
    drop(client);
    peer.finish().expect("nothing is wrong");
}

#[test]
fn no_client_is_an_error_with_the_report_and_a_connection_that_nobody_took_is_reported() {
    let peer = by_hand();
    let error = peer.accept(Duration::from_millis(20)).expect_err("nobody came");
    assert!(matches!(error, Error::NoConnection { .. }), "{error:?}");
    assert!(error.peer().is_some());
    let client = connect(&peer);
    let addr = client.local_addr().expect("connected");
    let error =
        over_within(PATIENCE, "finish", move || peer.finish()).expect_err("one was not accepted");
    let expected =
        format!("the connection from {addr} (connection 1) was not accepted by the test");
    assert_eq!(error.report().to_string(), expected);
}

#[test]
fn a_request_that_was_cut_short_is_returned_and_reported() {
    let peer = by_hand();
    let mut client = connect(&peer);
    let mut connection = peer.accept(PATIENCE).expect("a connection");
    client.write_all(b"half a li").expect("open");
    drop(client);
    let request = connection.read(lines()).expect("open").expect("a part");
    assert_eq!(request.end(), RequestEnd::ClientClosed);
    drop(connection);
    let error = peer.finish().expect_err("cut short");
    assert!(matches!(error, Error::Receive { .. }), "{error:?}");
    assert_eq!(error.exchange().expect("an exchange").request().bytes(), b"half a li");
}

#[test]
fn a_client_that_is_reset_or_silent_ends_a_read_with_an_error() {
    let timeout = Duration::from_millis(50);
    let builder = TcpServer::builder().timeout(timeout).idle_timeout(timeout);
    let peer = builder.by_hand().expect("a free port");
    let mut client = connect(&peer);
    let mut connection = peer.accept(PATIENCE).expect("a connection");
    client.write_all(b"half").expect("open");
    let error = connection.read(lines()).expect_err("nothing more came");
    let text = error.report().to_string();
    assert!(text.contains("nothing arrived for 50ms"), "{text}");
    connection.send("x").expect_err("it has failed");
    let error = peer.take(PATIENCE).expect_err("the same");
    assert!(matches!(error, Error::Receive { .. }), "{error:?}");
    let client = connect(&peer);
    let mut connection = peer.accept(PATIENCE).expect("a connection");
    reset(client);
    let error = connection.read(lines()).expect_err("reset");
    assert!(error.report().to_string().ends_with("the client reset the connection"), "{error:?}");
    let silent = connect(&peer);
    let mut connection = peer.accept(PATIENCE).expect("a connection");
    let error = connection.read(lines()).expect_err("silent");
    assert!(error.report().to_string().ends_with("nothing arrived for 50ms"), "{error:?}");
    drop(silent);
    peer.finish().expect("what failed was taken");
}

#[test]
fn a_client_that_may_leave_early_may_leave_within_what_is_sent() {
    let builder = || patient().clients_may_leave_early();
    let peer = builder().by_hand().expect("a free port");
    let mut client = connect(&peer);
    let mut connection = peer.accept(PATIENCE).expect("a connection");
    let sending = thread::spawn(move || connection.send(vec![b'x'; 64 << 20]));
    expect_bytes(&mut client, b"x", "the beginning");
    reset(client);
    sending.join().expect("no panic").expect_err("not all of it");
    let journal = peer.finish().expect("no failure");
    assert_eq!(journal.connections()[0].client_end(), ClientEnd::Reset);

    let function = builder().handle(|mut connection| Ok(connection.send(vec![b'x'; 64 << 20])?));
    let peer = function.expect("a free port");
    let mut client = connect(&peer);
    expect_bytes(&mut client, b"x", "the beginning");
    reset(client);
    assert_eq!(finished(peer).exchanges_per_connection(), [1]);
}

#[test]
fn a_client_that_reads_nothing_ends_a_send_after_the_timeout() {
    let builder = TcpServer::builder().timeout(Duration::from_millis(100));
    let peer = builder.by_hand().expect("a free port");
    let client = fake_peer_test_support::connect_with_little_room(&peer);
    let mut connection = peer.accept(PATIENCE).expect("a connection");
    let start = Instant::now();
    let error = connection.send(vec![b'x'; 64 << 20]).expect_err("it does not fit");
    assert!(start.elapsed() >= Duration::from_millis(100));
    let text = error.report().to_string();
    assert!(text.ends_with("the client acknowledged nothing for 100ms"), "{text}");
    drop((client, connection));
    let error = peer.finish().expect_err("the same");
    assert!(matches!(error, Error::Send { .. }), "{error:?}");
}

#[test]
fn finish_closes_what_the_test_still_has_and_wakes_who_waits() {
    let builder = patient().linger(Duration::from_millis(50));
    let peer = builder.by_hand().expect("a free port of the loopback");
    let mut clients: Vec<_> = (0..3).map(|_| connect(&peer)).collect();
    let mut held: Vec<_> = (0..3).map(|_| peer.accept(PATIENCE).expect("a connection")).collect();
    let mut waiting = held.pop().expect("three");
    let waits = thread::spawn(move || waiting.read(lines()).map(|request| request.is_some()));
    held[0].send("kept").expect("open");
    let ended = thread::spawn(move || peer.finish());
    for client in &mut clients {
        let mut end = Vec::new();
        client.read_to_end(&mut end).expect("closed in order");
    }
    drop(clients);
    let journal = over_within(PATIENCE, "finish", move || ended.join().expect("no panic"));
    assert_eq!(journal.expect("nothing is wrong").connections().len(), 3);
    let read = waits.join().expect("no panic");
    assert!(matches!(read, Ok(false)), "{read:?}");
    held[0].send("more").expect_err("it has ended");
}

#[test]
fn what_was_never_read_is_in_the_journal_and_resets_no_client_when_its_connection_is_cut() {
    let (held, is_held) = mpsc::channel();
    let peer = patient()
        .finish_timeout(Duration::from_millis(50))
        .handle(move |connection| Ok(held.send(connection)?))
        .expect("a free port of the loopback");
    let mut client = connect(&peer);
    client.write_all(b"never read").expect("open");
    let mut connection = is_held.recv().expect("a connection");
    connection.send("hello").expect("open");
    let journal = finished(peer);
    let record = &journal.connections()[0];
    assert_eq!(record.trailing(), b"never read");
    assert_eq!(record.client_end(), ClientEnd::ClosedByUs);
    let (answer, error) = read_to_its_end(&mut client);
    assert_eq!((&answer[..], error), (&b"hello"[..], None));
    connection.send("more").expect_err("it was cut");
}

#[test]
#[cfg(target_os = "linux")] // other systems throw it away
fn what_a_client_sent_before_its_reset_is_in_the_journal_though_the_test_never_read_it() {
    let peer = by_hand();
    let mut client = connect(&peer);
    client.write_all(b"never read").expect("open");
    let connection = peer.accept(PATIENCE).expect("a connection");
    reset(client);
    connection.close();
    let journal = peer.finish().expect("nothing is wrong");
    let record = &journal.connections()[0];
    assert_eq!(record.trailing(), b"never read");
    assert_eq!(record.client_end(), ClientEnd::Reset);
}

#[test]
fn a_function_drives_each_connection_side_by_side() {
    let builder = patient().sink(MemorySink::new());
    let peer = builder.handle(|mut connection| {
        connection.send("hello\n")?;
        while let Some(line) = connection.read(Framing::until("\n"))? {
            connection.send(line.bytes())?;
        }
        Ok(())
    });
    let peer = peer.expect("a free port");
    let mut clients: Vec<_> = (0..20).map(|_| connect(&peer)).collect();
    for (number, client) in clients.iter_mut().enumerate().rev() {
        let line = format!("line {number}\n");
        client.write_all(line.as_bytes()).expect("open");
        expect_bytes(client, format!("hello\n{line}").as_bytes(), "greeting and echo");
    }
    drop(clients);
    assert_eq!(finished(peer).exchanges_per_connection(), [2; 20]);
}

#[test]
fn what_a_function_returns_or_panics_with_is_reported() {
    let peer = patient().handle(|mut connection| {
        let number = connection.read(Framing::until("\n"))?.expect("a line");
        let text = String::from_utf8(number.bytes().to_vec())?;
        connection.send(text.trim().parse::<u32>()?.to_string())?;
        Ok(())
    });
    let peer = peer.expect("a free port");
    let mut client = connect(&peer);
    client.write_all(b"seven\n").expect("open");
    assert_eq!(read_all(&mut client), b"");
    drop(client);
    let error = peer.finish().expect_err("not a number");
    assert!(matches!(error, Error::ByHand { .. }), "{error:?}");
    assert!(error.report().to_string().ends_with(": invalid digit found in string"), "{error:?}");
    assert!(format!("{error:?}").contains("> seven\\n"), "the journal shows it: {error:?}");
    let peer = patient().handle(|_| panic!("as planned")).expect("a free port");
    drop(connect(&peer));
    let payload = panic::catch_unwind(AssertUnwindSafe(|| peer.finish())).expect_err("a panic");
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"as planned"));
}

#[test]
fn finish_lets_a_function_complete_and_reports_one_that_does_not_return() {
    let (begun, has_begun) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let released = std::sync::Mutex::new(released);
    let peer = patient()
        .handle(move |mut connection| {
            connection.read(Framing::until("\n"))?;
            begun.send(())?;
            released.lock().expect("no panic").recv()?;
            connection.send("late")?;
            Ok(())
        })
        .expect("a free port");
    let mut client = connect(&peer);
    client.write_all(b"hello\n").expect("open");
    has_begun.recv().expect("it runs");
    let ended = thread::spawn(move || peer.finish());
    thread::sleep(Duration::from_millis(20));
    release.send(()).expect("it waits");
    assert_eq!(read_all(&mut client), b"late", "it was not cut");
    drop(client);
    ended.join().expect("no panic").expect("nothing is wrong");

    let (_never, waits) = mpsc::channel::<()>();
    let waits = std::sync::Mutex::new(waits);
    let builder = TcpServer::builder().finish_timeout(Duration::from_millis(50));
    let peer = builder
        .handle(move |_connection| {
            waits.lock().expect("no panic").recv()?;
            Ok(())
        })
        .expect("a free port");
    let client = connect(&peer);
    let error = over_within(PATIENCE, "finish", move || peer.finish()).expect_err("it blocks");
    assert!(matches!(error, Error::NotReturned { what: "handler", .. }), "{error:?}");
    drop(client);
}

#[test]
fn a_peer_that_is_driven_by_hand_is_awaited() {
    let peer = by_hand();
    let addr = place(&peer);
    let accepting = peer.accept_async();
    let client = thread::spawn(move || {
        let mut client = connect(addr);
        read_all(&mut client)
    });
    let mut connection = block_on(accepting).expect("a connection");
    connection.send("hi").expect("open");
    drop(connection);
    assert_eq!(client.join().expect("no panic"), b"hi");
    let accepting = peer.accept_async();
    peer.finish().expect("nothing is wrong");
    let error = block_on(accepting).expect_err("it has ended");
    assert!(matches!(error, Error::NoConnection { .. }), "{error:?}");
}

#[test]
fn ten_thousand_turns_on_one_connection_lose_nothing() {
    let peer: Peer = patient()
        .handle(|mut connection| {
            while let Some(line) = connection.read(Framing::until("\n"))? {
                connection.send(line.bytes())?;
            }
            Ok(())
        })
        .expect("a free port");
    let mut client: TcpStream = connect(&peer);
    for number in 0..10_000 {
        let line = format!("{number}\n");
        client.write_all(line.as_bytes()).expect("open");
        expect_bytes(&mut client, line.as_bytes(), "the echo");
    }
    drop(client);
    assert_eq!(finished(peer).exchanges_per_connection(), [10_000]);
}

#[test]
fn a_client_that_sends_much_before_it_reads_is_read_while_much_is_sent_to_it() {
    let peer = by_hand();
    let mut client = connect(&peer);
    let (mut reader, sender) = peer.accept(PATIENCE).expect("a connection").split();
    let (up, down) = (numbered(8 << 20), numbered(8 << 20));
    let to_send = down.clone();
    let sending = thread::spawn(move || sender.send(to_send));
    // It is stuck before the read begins.
    thread::sleep(Duration::from_millis(20));
    let length = up.len() as u64;
    let reading = thread::spawn(move || reader.read(Framing::exactly(length)));
    client.write_all(&up).expect("it is read");
    let mut received = vec![0; down.len()];
    client.read_exact(&mut received).expect("all of it");
    same_bytes(&received, &down, "what was sent");
    sending.join().expect("no panic").expect("open");
    let request = reading.join().expect("no panic").expect("open").expect("a request");
    same_bytes(request.bytes(), &up, "what was uploaded");
    drop(client);
    peer.finish().expect("nothing is wrong");
}

#[test]
fn a_response_that_is_nothing_but_bytes_is_sent_by_hand_and_no_other() {
    let peer = by_hand();
    let mut client = connect(&peer);
    let mut connection = peer.accept(PATIENCE).expect("a connection");
    connection.send(http::status(204)).expect("bytes");
    expect_bytes(&mut client, b"HTTP/1.1 204 No Content\r\n\r\n", "a response");
    for (case, response) in [
        ("a pause", Response::from("a").pause(Duration::ZERO)),
        ("a cut", Response::from("ab").cut(1, Ending::Close)),
        ("an ending", Response::from("a").ending(Ending::Reset)),
        ("pieces", Response::from("ab").in_pieces(1, Duration::ZERO)),
        ("a file", Response::file("page.http")),
    ] {
        let error = connection.send(response).expect_err(case);
        assert!(error.report().to_string().contains("only bytes are sent by hand"), "{error:?}");
    }
    connection.send("still open").expect("nothing has failed");
    connection.close();
    assert_eq!(read_all(&mut client), b"still open");
    drop(client);
    peer.finish().expect("nothing is wrong");
}

#[test]
fn the_end_that_a_sender_wants_ends_a_read_that_waits() {
    let peer = by_hand();
    let mut client = connect(&peer);
    let (mut reader, sender) = peer.accept(PATIENCE).expect("a connection").split();
    let reading = thread::spawn(move || reader.read(lines()));
    // Before the read waits or while it does.
    sender.send("bye").expect("open");
    sender.end(Ending::Reset);
    let (bytes, error) = read_to_its_end(&mut client);
    assert_eq!((bytes, error), (b"bye".to_vec(), Some(std::io::ErrorKind::ConnectionReset)));
    let read = reading.join().expect("no panic");
    let error = read.expect_err("no request");
    assert!(error.report().to_string().ends_with("it has ended on this side"), "{error:?}");
    drop(client);
    peer.finish().expect("nothing is wrong");
}
