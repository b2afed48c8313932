//! Connections driven by hand where several things meet: an end and a send, a read and a finish, a wait and what it waits for.

use std::future::Future;
use std::io::{self, ErrorKind, Read, Write};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use fake_peer::{
    Client, ClientEnd, Ending, Error, Event, Exchange, Framing, ManualPeer, RequestSink, Response,
};
use fake_peer_test_support::{
    FOREVER, PATIENCE, connect, connect_with_little_room, eventually, expect_bytes, numbered,
    over_within, patient, read_all, read_to_its_end, same_bytes,
};

fn by_hand() -> ManualPeer {
    patient().by_hand().expect("a free port of the loopback")
}

fn lines() -> Framing {
    Framing::until("\n")
}

/// More than the kernel holds for a client that reads nothing.
fn much() -> Vec<u8> {
    numbered(16 << 20)
}

#[test]
fn the_first_end_counts_and_comes_after_everything_that_was_given_before() {
    let peer = by_hand();
    let mut client = connect_with_little_room(peer.addr());
    let (mut reader, sender) = peer.accept(PATIENCE).expect("a connection").split();
    let (first, second, third) = (sender.clone(), sender.clone(), sender);
    let sending = thread::spawn(move || first.send(much()));
    let begun = client.peek(&mut [0]).expect("something has arrived");
    assert_eq!(begun, 1);
    second.end(Ending::Reset);
    third.end(Ending::Close);
    let (asks, asked) = mpsc::channel();
    let reading = thread::spawn(move || {
        asks.send(()).expect("the test waits for it");
        reader.read(lines()).map(drop)
    });
    asked.recv().expect("it is about to read");
    let (bytes, error) = over_within(PATIENCE, "all of it", move || read_to_its_end(&mut client));
    same_bytes(&bytes, &much(), "what was given before the end");
    assert_eq!(error, Some(ErrorKind::ConnectionReset), "the first end");
    sending.join().expect("no panic").expect("all of it has left");
    reading.join().expect("no panic").expect_err("no read replaces an end");
    peer.finish().expect("nothing is wrong");
}

#[test]
fn an_end_is_heeded_while_a_request_is_waited_for() {
    let peer = by_hand();
    let mut client = connect(&peer);
    let (mut reader, sender) = peer.accept(PATIENCE).expect("a connection").split();
    sender.send("hello").expect("open");
    let reading = thread::spawn(move || reader.read(lines()).map(drop));
    // The exchange is over because the read has begun.
    assert_eq!(peer.take(PATIENCE).expect("the greeting").sent(), 5);
    sender.end(Ending::HalfClose);
    assert_eq!(over_within(PATIENCE, "the end", move || read_all(&mut client)), b"hello");
    let read = over_within(PATIENCE, "the read", move || reading.join().expect("no panic"));
    // The client has closed after that.
    drop(read);
    peer.finish().expect("nothing is wrong");
}

#[test]
fn a_request_arrives_though_the_client_takes_nothing_of_what_is_sent() {
    let peer = by_hand();
    let mut client = connect_with_little_room(peer.addr());
    let (mut reader, sender) = peer.accept(PATIENCE).expect("a connection").split();
    let sending = thread::spawn(move || sender.send(much()));
    client.peek(&mut [0]).expect("something has arrived");
    let (asks, asked) = mpsc::channel();
    let reading = thread::spawn(move || {
        asks.send(()).expect("the test waits for it");
        reader.read(lines()).map(|request| (reader, request))
    });
    asked.recv().expect("it is about to read");
    client.write_all(b"hello\n").expect("open");
    let (_reader, request) =
        over_within(PATIENCE, "the read", move || reading.join()).expect("no panic").expect("open");
    request.expect("a request").assert_bytes("hello\n");
    let all = much();
    let mut received = vec![0; all.len()];
    client.read_exact(&mut received).expect("all of it");
    same_bytes(&received, &all, "what was sent");
    sending.join().expect("no panic").expect("all of it has left");
    drop(client);
    peer.finish().expect("nothing is wrong");
}

#[test]
fn finish_lets_what_was_given_leave_before_it_closes() {
    let peer = by_hand();
    let mut client = connect_with_little_room(peer.addr());
    let (_reader, sender) = peer.accept(PATIENCE).expect("a connection").split();
    let sending = thread::spawn(move || sender.send(much()));
    client.peek(&mut [0]).expect("something has arrived");
    let mut idle = connect(&peer);
    let _connection = peer.accept(PATIENCE).expect("a connection");
    let ending = thread::spawn(move || peer.finish());
    assert_eq!(read_all(&mut idle), b"", "this one has nothing to send");
    drop(idle);
    same_bytes(&read_all(&mut client), &much(), "what was given before the finish");
    sending.join().expect("no panic").expect("all of it has left");
    drop(client);
    let journal = ending.join().expect("no panic").expect("nothing is wrong");
    assert_eq!(journal.exchanges().map(Exchange::sent).sum::<u64>(), 16 << 20);
}

#[test]
fn the_exchange_that_finish_ends_is_in_the_journal_and_so_is_one_that_it_cuts() {
    for (case, timeout) in [("in order", FOREVER), ("cut", Duration::ZERO)] {
        let builder = patient().finish_timeout(timeout);
        let peer = builder.by_hand().expect("a free port of the loopback");
        let mut client = connect(&peer);
        let mut connection = peer.accept(PATIENCE).expect("a connection");
        client.write_all(b"ask\n").expect("open");
        connection.read(lines()).expect("open").expect("a request").assert_bytes("ask\n");
        connection.send("kept").expect("open");
        expect_bytes(&mut client, b"kept", case);
        let finishing = thread::spawn(move || peer.finish());
        assert_eq!(read_to_its_end(&mut client), (Vec::new(), None), "{case}");
        drop(client);
        let journal = finishing.join().expect("no panic").expect("nothing is wrong");
        let sent: Vec<_> = journal.exchanges().map(Exchange::sent_bytes).collect();
        assert_eq!(sent, [b"kept"], "{case}");
        connection.send("more").expect_err("it has ended");
    }
}

#[test]
fn the_first_reason_why_a_connection_has_ended_is_that_of_all_later_calls() {
    let timeout = Duration::from_millis(20);
    let builder = patient().timeout(timeout);
    let peer = builder.by_hand().expect("a free port of the loopback");
    let mut client = connect(&peer);
    let mut connection = peer.accept(PATIENCE).expect("a connection");
    client.write_all(b"half").expect("open");
    let text = |error: Error| {
        assert!(error.peer().is_some(), "the journal is in it: {error:?}");
        error.report().to_string()
    };
    let first = text(connection.read(lines()).expect_err("nothing more came"));
    assert!(first.contains("nothing arrived for 20ms"), "{first}");
    drop(client);
    eventually("the client has left", || {
        peer.journal().connections()[0].client_end() == ClientEnd::Closed
    });
    assert_eq!(text(connection.read(lines()).expect_err("it has failed")), first);
    assert_eq!(text(connection.send("x").expect_err("it has failed")), first);
    let error = peer.take(PATIENCE).expect_err("the same");
    assert!(matches!(error, Error::Receive { .. }), "{error:?}");
    peer.finish().expect("what failed was taken");
}

#[test]
fn an_accept_that_waits_is_woken_by_its_connection() {
    // A wait that is missed would go on for as long as the timeout.
    let peer = by_hand();
    let addr = peer.addr();
    let (asks, asked) = mpsc::channel();
    let accepting = thread::spawn(move || {
        asks.send(()).expect("the test waits for it");
        let connection = peer.accept(FOREVER).expect("a connection");
        (peer, connection)
    });
    asked.recv().expect("it is about to wait");
    let mut client = connect(addr);
    let (peer, connection) =
        over_within(PATIENCE, "accept", move || accepting.join().expect("no panic"));
    connection.close();
    assert_eq!(read_all(&mut client), b"");
    drop(client);
    peer.finish().expect("nothing is wrong");
}

/// Counts how often it is woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn an_accept_that_is_awaited_is_woken_by_its_connection_and_by_the_end() {
    let peer = by_hand();
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut context = Context::from_waker(&waker);
    let is_woken = || woken.0.swap(0, Ordering::SeqCst) > 0;
    let mut accepting = pin!(peer.accept_async());
    for _ in 0..3 {
        let accepted = accepting.as_mut().poll(&mut context);
        assert!(accepted.is_pending(), "no client has connected");
    }
    let mut client = connect(&peer);
    eventually("woken by a connection", || woken.0.load(Ordering::SeqCst) > 0);
    assert_eq!(woken.0.swap(0, Ordering::SeqCst), 1, "who asks three times waits once");
    let Poll::Ready(accepted) = accepting.poll(&mut context) else { panic!("a connection") };
    let connection = accepted.expect("a connection");
    let mut accepting = pin!(peer.accept_async());
    assert!(accepting.as_mut().poll(&mut context).is_pending(), "no other client has connected");
    let finishing = thread::spawn(move || peer.finish());
    // It was accepted, so it is closed, and not reported.
    assert_eq!(read_all(&mut client), b"");
    drop((client, connection));
    finishing.join().expect("no panic").expect("nothing is wrong");
    eventually("woken by the end", is_woken);
    let Poll::Ready(accepted) = accepting.poll(&mut context) else { panic!("an error") };
    let error = accepted.expect_err("it has ended");
    assert!(matches!(error, Error::NoConnection { .. }), "{error:?}");
    assert!(error.peer().is_some(), "the journal is in it: {error:?}");
}

/// A sink that says when it is dropped.
struct Dropped(mpsc::Sender<()>);

impl RequestSink for Dropped {
    fn open(&mut self, _: &Client) -> io::Result<Box<dyn Write + Send>> {
        Ok(Box::new(io::sink()))
    }
}

impl Drop for Dropped {
    fn drop(&mut self) {
        // A test that has failed does not listen any more.
        let _ = self.0.send(());
    }
}

#[test]
fn finish_is_over_when_the_last_function_returns() {
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let (dropped, is_dropped) = mpsc::channel();
    let peer = patient().sink(Dropped(dropped)).handle(move |mut connection| {
        connection.send("hello")?;
        // Until the peer finishes.
        assert!(connection.read(lines())?.is_none(), "no request comes");
        Ok(released.lock().expect("no panic").recv()?)
    });
    let peer = peer.expect("a free port");
    let mut client = connect(&peer);
    expect_bytes(&mut client, b"hello", "the greeting");
    let finishing = thread::spawn(move || peer.finish());
    assert_eq!(read_all(&mut client), b"", "it has begun to finish");
    // The functions are waited for after that.
    is_dropped.recv_timeout(PATIENCE).expect("the connection is over");
    release.send(()).expect("it waits");
    let finished = over_within(PATIENCE, "finish", move || finishing.join().expect("no panic"));
    drop(client);
    finished.expect("nothing is wrong");
}

#[test]
fn the_journal_keeps_as_much_of_what_is_sent_by_hand_as_of_any_response() {
    let builder = patient().retain_sent(4);
    let peer = builder.by_hand().expect("a free port of the loopback");
    let mut client = connect(&peer);
    let mut connection = peer.accept(PATIENCE).expect("a connection");
    connection.send("123").expect("open");
    connection.send("456").expect("open");
    connection.close();
    assert_eq!(read_all(&mut client), b"123456");
    drop(client);
    let journal = peer.finish().expect("nothing is wrong");
    let exchange = journal.exchanges().next().expect("an exchange");
    assert_eq!((exchange.sent(), exchange.sent_bytes()), (6, &b"1234"[..]));
}

#[test]
fn events_have_what_is_sent_by_hand_and_a_connection_that_was_greeted_is_not_silent() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let events = Arc::clone(&seen);
    let peer = patient()
        .on_event(move |event| {
            let text = match event {
                Event::Sent { bytes, .. } => format!("sent {}", bytes.escape_ascii()),
                Event::Ending { ending, .. } => format!("{ending:?}"),
                Event::Closed { client, .. } => format!("closed in turn {}", client.turn()),
                Event::Silent { .. } => "silent".into(),
                _ => return,
            };
            events.lock().expect("no panic").push(text);
        })
        .by_hand()
        .expect("a free port of the loopback");
    let mut client = connect(&peer);
    let mut connection = peer.accept(PATIENCE).expect("a connection");
    connection.send("hello").expect("open");
    // There is no other request to keep it open for.
    connection.end(Ending::KeepOpen);
    assert_eq!(read_all(&mut client), b"hello");
    drop(client);
    let journal = peer.finish().expect("nothing is wrong");
    assert_eq!(journal.exchanges().next().expect("an exchange").client().turn(), 1);
    assert_eq!(*seen.lock().expect("no panic"), ["sent hello", "Close", "closed in turn 1"]);
}

#[test]
fn no_response_with_a_framing_of_its_own_is_sent_by_hand() {
    let peer = by_hand();
    let mut client = connect(&peer);
    let mut connection = peer.accept(PATIENCE).expect("a connection");
    let response = Response::from("a").after(lines());
    let error = connection.send(response).expect_err("not only bytes");
    assert!(error.report().to_string().contains("only bytes are sent by hand"), "{error:?}");
    drop(connection);
    assert_eq!(read_all(&mut client), b"");
    drop(client);
    peer.finish().expect("nothing is wrong");
}
