//! What happens as lines of JSON, from an observer and from a journal. Every field is compared with its documentation in
//! `tests/program/for_scripts.rs`.

use std::io::{self, Write};
use std::net::Shutdown;
use std::sync::mpsc::{self, Sender};

use fake_peer::{Ending, Event, FileSink, Framing, JournalLines, Peer, Response, Sequence};
use fake_peer_test_support::{connect, expect_bytes, read_all};

/// Sends each write to the test: one write is one event.
struct Writes(Sender<String>);

impl Write for Writes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A test that has seen enough stops listening.
        let _ = self.0.send(String::from_utf8(bytes.to_vec()).expect("UTF-8"));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn each_event_is_written_when_it_happens_in_one_write() {
    let (sender, writes) = mpsc::channel();
    let peer = Peer::builder()
        .source(Response::from("pong").ending(Ending::Hold))
        .framing(Framing::exactly(4))
        .on_event(JournalLines::new().write_to(Writes(sender)))
        .spawn()
        .expect("a port");
    let mut client = connect(peer.addr());
    client.write_all(b"pi").expect("connected");
    client.write_all(b"ng").expect("connected");
    expect_bytes(&mut client, b"pong", "the answer");
    drop(client);
    peer.finish().expect("all was served");
    let writes: Vec<_> = writes.iter().collect();
    assert!(
        writes[0].starts_with("{\"event\":\"journal\",\"ms\":0.0,\"version\":1,"),
        "{writes:?}"
    );
    assert_eq!(writes[0].lines().count(), 2, "the first event has the first line before it");
    for (write, event) in writes[1..].iter().zip([
        "connection",
        "request",
        "response",
        "exchange",
        "ending",
        "closed",
    ]) {
        assert!(write.starts_with(&format!("{{\"event\":\"{event}\",")), "{write} is no {event}");
        assert!(write.ends_with("}\n") && write.lines().count() == 1, "{write}");
    }
    assert!(writes[2].contains("\"bytes\":4,\"text\":\"ping\"}"), "{writes:?}");
    assert!(writes[5].contains("\"ending\":\"hold\"}"), "{writes:?}");
    assert_eq!(writes.len(), 7, "{writes:?}");
}

#[test]
fn a_request_is_an_event_of_its_own_with_its_record_before_it_is_answered() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("request");
    let (sender, seen) = mpsc::channel();
    let peer = Peer::builder()
        .source(Sequence::new(["one"]))
        .sink(FileSink::new(&path))
        .clients_may_leave_early()
        .on_event(move |event| match event {
            Event::Requested { request, record, .. } => {
                let record = record.expect("a file");
                let recorded = std::fs::read(record).expect("it is complete");
                sender.send((recorded, request.is_complete(), true)).expect("a test");
            }
            Event::Responding { .. } => sender.send((vec![], true, false)).expect("a test"),
            _ => {}
        })
        .spawn()
        .expect("a port");
    let mut client = connect(peer.addr());
    client.write_all(b"GET / HT").expect("connected");
    client.shutdown(Shutdown::Write).expect("connected");
    assert_eq!(read_all(&mut client), b"one");
    drop(client);
    peer.finish().expect("it may leave early");
    let seen: Vec<_> = seen.iter().collect();
    assert_eq!(seen, [(b"GET / HT".to_vec(), false, true), (vec![], true, false)]);
}

#[test]
fn a_journal_has_the_same_lines_connection_by_connection() {
    let peer = Peer::answer("ok");
    drop(connect(peer.addr()));
    let mut client = connect(peer.addr());
    client.write_all(b"\xff").expect("connected");
    assert_eq!(read_all(&mut client), b"ok");
    drop(client);
    let text = peer.finish().expect("all was served").to_json_lines();
    let names: Vec<_> =
        text.lines().map(|line| line.split('"').nth(3).expect("an event")).collect();
    assert_eq!(
        names,
        ["journal", "connection", "silent", "connection", "request", "exchange", "closed"]
    );
    assert!(text.contains("\"bytes\":1,\"base64\":\"/w==\"}"), "{text}");
}
