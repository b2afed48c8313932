//! User code that blocks holds up only itself: other peers go on, and the peer's other connections are still accepted, received
//! and in its journal. A file that is no regular file counts as user code.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use fake_peer::{
    Client, ConnectionRecord, Event, Framing, Gate, MemorySink, Peer, Request, RequestSink,
    Response, TcpServerBuilder,
};
use fake_peer_test_support::{
    Block, PATIENCE, ask, blocking, connect, eventually, expect_bytes, finished, over_within,
    patient, read_all, spawned,
};

/// What needs no waiting takes less than this, also on a busy machine. Under Wine each system call asks its server, a process of one
/// thread.
const QUICK: Duration = Duration::from_secs(if cfg!(windows) { 20 } else { 5 });

const GET: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

fn lines() -> TcpServerBuilder {
    patient().framing(Framing::until("\n"))
}

fn sends(peer: &Peer, bytes: &[u8]) -> TcpStream {
    let mut client = connect(peer.addr());
    client.write_all(bytes).expect("room for a small request");
    client
}

/// Peers of every kind serve and end, those that were there before and new ones.
#[track_caller]
fn others_go_on(before: Vec<Peer>, case: &'static str) {
    let peers = before.into_iter().chain(peers());
    over_within(QUICK, case, move || {
        for peer in peers {
            for _ in 0..5 {
                assert_eq!(ask(peer.addr(), b"request\n"), b"answer", "{case}");
            }
            let journal = finished(peer);
            assert_eq!(journal.exchanges().count(), 5, "{case}");
        }
    });
}

fn peers() -> Vec<Peer> {
    vec![
        spawned(lines().source("answer")),
        spawned(lines().source(|_: &Request| "answer")),
        spawned(lines().source("answer").sink(MemorySink::new())),
        spawned(lines().source("answer").on_event(|_| {})),
    ]
}

#[test]
fn a_source_that_blocks_holds_up_no_reader_of_its_peer() {
    let (held, block, has_entered) = blocking();
    let block = Mutex::new(block);
    let gate = Gate::new();
    let at_gate = gate.clone();
    let peer = spawned(lines().source(move |request: &Request| {
        if request.bytes() == b"block\n" {
            block.lock().expect("no panic").until_released();
            return Response::from("late");
        }
        Response::from("before").gate(&at_gate).send_from(&b" and after"[..])
    }));
    let mut reader = sends(&peer, b"read\n");
    assert!(gate.wait_until_reached(PATIENCE));
    let mut blocked = sends(&peer, b"block\n");
    has_entered.recv_timeout(PATIENCE).expect("the source blocks");
    gate.open();
    expect_bytes(&mut reader, b"before and after", "while the source blocks");
    held.release();
    expect_bytes(&mut blocked, b"late", "the source");
    drop((reader, blocked));
    finished(peer);
}

/// Blocks when it is dropped.
struct Lasting(Block);

impl Read for Lasting {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Ok(0)
    }
}

impl Drop for Lasting {
    fn drop(&mut self) {
        self.0.until_released();
    }
}

#[test]
fn a_reader_that_blocks_when_it_is_dropped_holds_up_no_other_peer() {
    let before = peers();
    let (held, block, has_entered) = blocking();
    let gate = Gate::new();
    let response = Response::from("sent").gate(&gate).send_from(Lasting(block));
    let peer = spawned(lines().timeout(Duration::from_millis(50)).source(response));
    let client = sends(&peer, b"request\n");
    // The reader is not read: nobody opens the gate in time.
    has_entered.recv_timeout(PATIENCE).expect("it is dropped");
    others_go_on(before, "a drop that blocks");
    held.release();
    peer.finish().expect_err("the gate was not opened");
    drop(client);
}

/// What others have sent is in the journal, while the first connection is blocked.
#[track_caller]
fn others_are_received(peer: &Peer, case: &str) -> Vec<TcpStream> {
    let mut clients: Vec<_> = (0..5).map(|_| sends(peer, b"half a req")).collect();
    clients.extend((0..5).map(|_| sends(peer, b"a request\n")));
    eventually(&format!("{case}: all have been accepted"), || {
        peer.journal().connections().len() == 11
    });
    eventually(&format!("{case}: halves have arrived"), || {
        let journal = peer.journal();
        journal.connections().iter().filter(|record| record.unfinished() == 10).count() == 5
    });
    eventually(&format!("{case}: whole requests have arrived"), || {
        let journal = peer.journal();
        let arrived = journal.connections().iter().skip(1).filter(|record| {
            // Answered already, where no user code is in the way.
            record.answering() == Some(10) || record.exchanges().len() == 1
        });
        arrived.count() == 5
    });
    clients
}

/// All are answered in the end.
#[track_caller]
fn all_are_answered(first: TcpStream, others: Vec<TcpStream>, case: &str) {
    let mut clients: Vec<_> = std::iter::once(first).chain(others).collect();
    for half in &mut clients[1..6] {
        half.write_all(b"uest\n").expect("room for the other half");
    }
    for (number, client) in clients.iter_mut().enumerate() {
        assert_eq!(read_all(client), b"answer", "{case}: client {number}");
    }
}

#[test]
fn a_source_that_blocks_holds_up_nothing_else() {
    let before = peers();
    let (held, block, has_entered) = blocking();
    let peer = spawned(lines().source(move |request: &Request| {
        if request.bytes() == b"block\n" {
            block.until_released();
        }
        "answer"
    }));
    // Released before the peer ends, also if the test fails.
    let held = held;
    let first = sends(&peer, b"block\n");
    has_entered.recv_timeout(PATIENCE).expect("the source was asked");
    assert_eq!(peer.journal().connections()[0].answering(), Some(6));
    let others = others_are_received(&peer, "a source");
    others_go_on(before, "a source of another peer blocks");
    held.release();
    all_are_answered(first, others, "a source");
    assert_eq!(finished(peer).exchanges().count(), 11);
}

/// Blocks before the first record.
struct BlockingSink(Block, MemorySink);

impl RequestSink for BlockingSink {
    fn open(&mut self, client: &Client) -> io::Result<Box<dyn Write + Send>> {
        if client.connection() == 1 {
            self.0.until_released();
        }
        self.1.open(client)
    }
}

#[test]
fn a_sink_that_blocks_holds_up_no_other_peer_and_no_acceptance() {
    let before = peers();
    let (held, block, has_entered) = blocking();
    let sink = BlockingSink(block, MemorySink::new());
    let peer = spawned(lines().source("answer").sink(sink));
    // Released before the peer ends, also if the test fails.
    let held = held;
    let first = sends(&peer, b"block\n");
    has_entered.recv_timeout(PATIENCE).expect("the sink was opened");
    // Their bytes go to the sink, which is busy.
    let mut others: Vec<_> = (0..5).map(|_| sends(&peer, b"half a req")).collect();
    others.extend((0..5).map(|_| sends(&peer, b"a request\n")));
    eventually("all have been accepted", || peer.journal().connections().len() == 11);
    others_go_on(before, "a sink of another peer blocks");
    held.release();
    all_are_answered(first, others, "a sink");
    assert_eq!(finished(peer).exchanges().count(), 11);
}

#[test]
fn an_observer_that_blocks_holds_up_nothing_else() {
    let before = peers();
    let (held, block, has_entered) = blocking();
    let mut is_first = true;
    let peer = spawned(lines().source("answer").on_event(move |event| {
        if matches!(event, Event::Received { .. }) && is_first {
            is_first = false;
            block.until_released();
        }
    }));
    // Released before the peer ends, also if the test fails.
    let held = held;
    let first = sends(&peer, b"block\n");
    has_entered.recv_timeout(PATIENCE).expect("its bytes have arrived");
    let others = others_are_received(&peer, "an observer");
    others_go_on(before, "an observer of another peer blocks");
    held.release();
    all_are_answered(first, others, "an observer");
    assert_eq!(finished(peer).exchanges().count(), 11);
}

/// A reader whose first read blocks.
struct BlockingReader(Block, bool);

impl io::Read for BlockingReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if std::mem::replace(&mut self.1, true) {
            return Ok(0);
        }
        self.0.until_released();
        buffer[..6].copy_from_slice(b"answer");
        Ok(6)
    }
}

#[test]
fn a_reader_that_blocks_holds_up_nothing_else() {
    let before = peers();
    let (held, block, has_entered) = blocking();
    let reader = Mutex::new(Some(BlockingReader(block, false)));
    let peer = spawned(lines().source(move |_: &Request| {
        let reader = reader.lock().expect("no panic").take();
        reader.map_or("answer".into(), |reader| Response::new().send_from(reader))
    }));
    // Released before the peer ends, also if the test fails.
    let held = held;
    let first = sends(&peer, b"block\n");
    has_entered.recv_timeout(PATIENCE).expect("the reader was read");
    assert_eq!(peer.journal().connections()[0].answering(), Some(6));
    let others = others_are_received(&peer, "a reader");
    others_go_on(before, "a reader of another peer blocks");
    held.release();
    all_are_answered(first, others, "a reader");
    assert_eq!(finished(peer).exchanges().count(), 11);
}

#[test]
fn a_source_that_blocks_does_not_keep_fixed_connections_of_another_peer_waiting() {
    let (held, block, has_entered) = blocking();
    let blocked = spawned(lines().source(move |_: &Request| {
        block.until_released();
        "answer"
    }));
    // Released before the peer ends, also if the test fails.
    let held = held;
    let kept = spawned(patient().source(Response::from("kept").keep_open()));
    let mut client = sends(&kept, GET);
    expect_bytes(&mut client, b"kept", "before");
    let mut stuck = sends(&blocked, b"block\n");
    has_entered.recv_timeout(PATIENCE).expect("the source was asked");
    over_within(QUICK, "a kept connection", move || {
        for _ in 0..100 {
            client.write_all(GET).expect("room for a small request");
            expect_bytes(&mut client, b"kept", "while another peer is blocked");
        }
        drop(client);
        assert_eq!(finished(kept).exchanges().count(), 101);
    });
    held.release();
    assert_eq!(read_all(&mut stuck), b"answer");
    finished(blocked);
}

#[test]
fn a_response_in_very_many_small_pieces_holds_up_no_other_peer() {
    const MANY: usize = 200_000;
    let bytes = vec![b'x'; MANY];
    let in_pieces = spawned(lines().source(Response::from(bytes).in_pieces(1, Duration::ZERO)));
    let other = spawned(lines().source("answer"));
    let mut client = sends(&in_pieces, b"request\n");
    expect_bytes(&mut client, b"x", "it has begun");
    let reading = std::thread::spawn(move || read_all(&mut client).len());
    assert_eq!(ask(other.addr(), b"request\n"), b"answer");
    assert_eq!(in_pieces.journal().exchanges().count(), 0, "the other one was answered meanwhile");
    assert_eq!(reading.join().expect("no panic"), MANY - 1);
    finished(in_pieces);
    finished(other);
}

#[cfg(unix)]
mod fifo {
    use std::fs::{self, File};
    use std::path::PathBuf;
    use std::process::Command;
    use std::thread;

    use fake_peer::{Answered, FileSink, FileSource};
    use fake_peer_test_support::unshared_addr;
    use tempfile::TempDir;

    use super::*;

    fn fifo() -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let path = folder.path().join("fifo");
        let made = Command::new("mkfifo").arg(&path).status().expect("mkfifo can be started");
        assert!(made.success(), "mkfifo: {made}");
        (folder, path)
    }

    /// Writes to a FIFO, which has a reader at some time.
    #[track_caller]
    fn write_to(path: PathBuf, bytes: &'static [u8]) {
        over_within(PATIENCE, "a FIFO that is read", move || {
            let mut file = File::options().write(true).open(path).expect("a reader");
            file.write_all(bytes).expect("a reader");
        });
    }

    #[test]
    fn a_fifo_as_a_response_blocks_only_its_own_exchange() {
        let (_folder, path) = fifo();
        let before = peers();
        let file = path.clone();
        let cases: [(&str, TcpServerBuilder<Answered>); 2] = [
            ("a source", lines().source(FileSource::new(&path))),
            ("a step", lines().source(Response::file(file))),
        ];
        for (case, builder) in cases {
            let peer = spawned(builder);
            let mut first = sends(&peer, b"block\n");
            eventually(&format!("{case}: it has arrived"), || {
                peer.journal()
                    .connections()
                    .first()
                    .is_some_and(|record| record.answering().is_some())
            });
            let half = sends(&peer, b"half a req");
            eventually(&format!("{case}: another one is received"), || {
                peer.journal().connections().get(1).is_some_and(|record| record.unfinished() == 10)
            });
            others_go_on(peers(), "a response file of another peer blocks");
            assert_eq!(peer.journal().exchanges().count(), 0, "{case}");
            write_to(path.clone(), b"from the FIFO");
            assert_eq!(read_all(&mut first), b"from the FIFO", "{case}");
            drop(first);
            half.shutdown(std::net::Shutdown::Both).expect("an open socket");
            // The second request is answered from the FIFO, too, unless its client is seen to have gone.
            let ended = thread::spawn(move || peer.finish());
            while !ended.is_finished() {
                if let Ok(file) = open_without_waiting(&path) {
                    drop(file);
                }
                thread::yield_now();
            }
            let _ = ended.join().expect("no panic");
        }
        others_go_on(before, "a response file of another peer has blocked");
    }

    /// Fails if there is no reader.
    fn open_without_waiting(path: &PathBuf) -> io::Result<File> {
        use std::os::unix::fs::OpenOptionsExt as _;
        File::options().write(true).custom_flags(libc::O_NONBLOCK).open(path)
    }

    #[test]
    fn a_fifo_as_a_request_file_blocks_only_its_own_exchange() {
        let (_folder, path) = fifo();
        let before = peers();
        let peer = spawned(lines().source("answer").sink(FileSink::new(&path)));
        let mut first = sends(&peer, b"request\n");
        eventually("it is accepted", || peer.journal().connections().len() == 1);
        others_go_on(before, "a request file of another peer blocks");
        let read = over_within(PATIENCE, "a FIFO that is written", move || fs::read(path));
        assert_eq!(read.expect("a writer"), b"request\n");
        assert_eq!(read_all(&mut first), b"answer");
        drop(first);
        finished(peer);
    }

    #[test]
    fn a_peer_ends_though_no_program_writes_to_its_fifo() {
        let (_folder, path) = fifo();
        let finish = Duration::from_millis(300);
        let builder = lines().addr(unshared_addr()).finish_timeout(finish);
        let peer = spawned(builder.source(FileSource::new(&path)));
        let client = sends(&peer, b"block\n");
        eventually("it has arrived", || {
            peer.journal().connections().first().is_some_and(|record| record.answering().is_some())
        });
        let error = over_within(10 * finish, "finish", move || peer.finish()).expect_err("a cut");
        assert_eq!(error.exchange().expect("its request").request().bytes(), b"block\n");
        drop(client);
        // Lets go of the thread that waits for the FIFO.
        drop(open_without_waiting(&path));
    }
}

/// All wait for one source, and look once more when the peer is to finish.
#[test]
fn connections_that_wait_for_a_busy_source_are_all_served_by_finish() {
    for round in 0..10 {
        let (held, block, begins) = blocking();
        let source = move |_: &Request| {
            block.until_released();
            Response::from("answer")
        };
        let peer = spawned(patient().finish_timeout(PATIENCE).source(source));
        let clients: Vec<_> = (0..8).map(|_| sends(&peer, GET)).collect();
        begins.recv_timeout(PATIENCE).expect("the source is called");
        eventually("all have arrived", || {
            let journal = peer.journal();
            let answering = |record: &ConnectionRecord| record.answering().is_some();
            journal.connections().iter().filter(|record| answering(record)).count() == 8
        });
        let finishing = thread::spawn(move || finished(peer));
        // The source is busy while they look again.
        thread::sleep(Duration::from_millis(20));
        held.release();
        let journal = finishing.join().expect("all are served");
        assert_eq!(journal.exchanges().count(), 8, "round {round}");
        for mut client in clients {
            assert_eq!(read_all(&mut client), b"answer");
        }
    }
}
