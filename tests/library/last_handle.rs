//! The last handle of a peer may be dropped anywhere, also in its own user code and while its connections wait: nothing waits for
//! itself.

use std::any::Any;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::pin::pin;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::Duration;

use fake_peer::{Client, Event, Gate, Peer, Request, RequestSink, Response, TcpServerBuilder};
use fake_peer_test_support::{
    PATIENCE, ask, connect, connect_and_send, eventually, over_within, patient, read_to_its_end,
    spawned, unshared_addr,
};

const SHORT: Duration = Duration::from_millis(300);

/// A deadlock has lasted for longer than this.
const LIMIT: Duration = Duration::from_secs(20);

const GET: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

fn hurried() -> TcpServerBuilder {
    let builder = patient().addr(unshared_addr());
    builder.timeout(SHORT).idle_timeout(SHORT).linger(SHORT).finish_timeout(SHORT)
}

/// The only handle of a peer, until it is taken out and dropped.
#[derive(Clone)]
struct Slot {
    peer: Arc<Mutex<Option<Peer>>>,
    dropped: mpsc::Sender<()>,
}

impl Slot {
    fn new() -> (Self, mpsc::Receiver<()>) {
        let (dropped, is_dropped) = mpsc::channel();
        (Slot { peer: Arc::default(), dropped }, is_dropped)
    }

    fn put(&self, peer: Peer) -> SocketAddr {
        let addr = peer.addr();
        *self.peer.lock().expect("no panic") = Some(peer);
        addr
    }

    fn drop_peer(&self) {
        let peer = self.peer.lock().expect("no panic").take();
        if let Some(peer) = peer {
            // The drop may panic with an error of the exchange that it is in.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(peer)));
            let _ = self.dropped.send(());
        }
    }
}

/// Connections in every state, whose ends the drop sees to.
fn others(addr: SocketAddr) -> Vec<TcpStream> {
    let mut half = connect(addr);
    half.write_all(b"GET / HT").expect("room for half a request");
    let silent = connect(addr);
    vec![half, silent]
}

/// The peer is gone, and with it its port and its connections.
#[track_caller]
fn is_gone(is_dropped: &mpsc::Receiver<()>, addr: SocketAddr, clients: Vec<TcpStream>, case: &str) {
    is_dropped
        .recv_timeout(PATIENCE)
        .unwrap_or_else(|_| panic!("{case}: the drop does not return"));
    eventually(&format!("{case}: nobody listens any more"), || TcpStream::connect(addr).is_err());
    for mut client in clients {
        let (_, end) = read_to_its_end(&mut client);
        assert_ne!(end, Some(io::ErrorKind::WouldBlock), "{case}: its connections have ended");
    }
}

#[test]
fn the_last_handle_is_dropped_in_its_own_source() {
    over_within(LIMIT, "a source", || {
        let (slot, is_dropped) = Slot::new();
        let inside = slot.clone();
        let peer = spawned(hurried().source(move |_: &Request| {
            inside.drop_peer();
            "answer"
        }));
        let addr = slot.put(peer);
        let mut clients = others(addr);
        clients.push(connect_and_send(addr, GET));
        is_gone(&is_dropped, addr, clients, "a source");
    });
}

#[test]
fn what_others_are_being_sent_when_the_last_handle_is_dropped_reaches_them_whole() {
    let (slot, is_dropped) = Slot::new();
    let inside = slot.clone();
    let gate = Gate::new();
    let at_gate = gate.clone();
    let mut requests = 0;
    let peer = spawned(patient().addr(unshared_addr()).source(move |_: &Request| {
        requests += 1;
        if requests == 1 {
            return Response::from("before").gate(&at_gate).send_from(&b" and after"[..]);
        }
        inside.drop_peer();
        Response::from("bye")
    }));
    let addr = slot.put(peer);
    let mut waiting = connect_and_send(addr, GET);
    assert!(gate.wait_until_reached(PATIENCE));
    assert_eq!(ask(addr, GET), b"bye");
    is_dropped.recv_timeout(PATIENCE).expect("the drop returns");
    // Time for its threads to end.
    eventually("nobody listens any more", || TcpStream::connect(addr).is_err());
    gate.open();
    let (answer, _) = read_to_its_end(&mut waiting);
    assert_eq!(answer.escape_ascii().to_string(), "before and after");
}

#[test]
fn the_last_handle_is_dropped_in_its_own_source_while_others_wait_for_that() {
    over_within(LIMIT, "a source", || {
        let (slot, is_dropped) = Slot::new();
        let inside = slot.clone();
        let (go, gone) = mpsc::channel::<()>();
        let peer = spawned(hurried().source(move |_: &Request| {
            // Until all have asked.
            let _ = gone.recv_timeout(PATIENCE);
            inside.drop_peer();
            Response::from("answer").keep_open()
        }));
        let addr = slot.put(peer);
        let mut clients = others(addr);
        clients.extend((0..5).map(|_| connect_and_send(addr, GET)));
        drop(go);
        is_gone(&is_dropped, addr, clients, "a source");
    });
}

/// A sink that drops the peer where it is told to.
struct DroppingSink(Slot, &'static str);

impl RequestSink for DroppingSink {
    fn open(&mut self, _: &Client) -> io::Result<Box<dyn Write + Send>> {
        if self.1 == "open" {
            self.0.drop_peer();
        }
        Ok(Box::new(DroppingRecord(self.0.clone(), self.1)))
    }
}

struct DroppingRecord(Slot, &'static str);

impl Write for DroppingRecord {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.1 == "write" {
            self.0.drop_peer();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.1 == "flush" {
            self.0.drop_peer();
        }
        Ok(())
    }
}

impl Drop for DroppingRecord {
    fn drop(&mut self) {
        if self.1 == "drop" {
            self.0.drop_peer();
        }
    }
}

#[test]
fn the_last_handle_is_dropped_in_its_own_sink() {
    for place in ["open", "write", "drop"] {
        over_within(LIMIT, place, move || {
            let (slot, is_dropped) = Slot::new();
            let sink = DroppingSink(slot.clone(), place);
            let addr = slot.put(spawned(hurried().source("answer").sink(sink)));
            let mut clients = vec![connect(addr)];
            clients.push(connect_and_send(addr, GET));
            is_gone(&is_dropped, addr, clients, place);
        });
    }
}

#[test]
fn the_last_handle_is_dropped_in_its_own_observer() {
    type When = fn(&Event<'_>) -> bool;
    let cases: [(&str, When); 6] = [
        ("accepted", |event| matches!(event, Event::Accepted { .. })),
        ("received", |event| matches!(event, Event::Received { .. })),
        ("responding", |event| matches!(event, Event::Responding { .. })),
        ("sent", |event| matches!(event, Event::Sent { .. })),
        ("served", |event| matches!(event, Event::Served { .. })),
        ("closed", |event| matches!(event, Event::Closed { .. })),
    ];
    for (case, is_it) in cases {
        over_within(LIMIT, case, move || {
            let (slot, is_dropped) = Slot::new();
            let inside = slot.clone();
            // The event may come before the slot has the peer, and before all clients have connected.
            let (go, gone) = mpsc::channel::<()>();
            let peer = spawned(hurried().source("answer").on_event(move |event| {
                if is_it(event) {
                    let _ = gone.recv_timeout(PATIENCE);
                    inside.drop_peer();
                }
            }));
            let addr = slot.put(peer);
            let mut asking = connect_and_send(addr, GET);
            let clients = if case == "closed" {
                let _ = read_to_its_end(&mut asking);
                drop(asking);
                Vec::new()
            } else {
                let mut clients = others(addr);
                clients.push(asking);
                clients
            };
            drop(go);
            is_gone(&is_dropped, addr, clients, case);
        });
    }
}

/// Drops the peer when it is woken.
struct Dropping(Slot);

impl Wake for Dropping {
    fn wake(self: Arc<Self>) {
        self.0.drop_peer();
    }
}

#[test]
fn the_last_handle_is_dropped_in_a_waker() {
    for user_code in [false, true] {
        let case = format!("a closure as source: {user_code}");
        over_within(LIMIT, &case.clone(), move || {
            let (slot, is_dropped) = Slot::new();
            let builder = hurried();
            let peer = spawned(if user_code {
                builder.source(|_: &Request| "answer")
            } else {
                builder.source("answer")
            });
            let mut next = pin!(peer.take_async(PATIENCE));
            let waker = Waker::from(Arc::new(Dropping(slot.clone())));
            let addr = slot.put(peer);
            assert!(next.as_mut().poll(&mut Context::from_waker(&waker)).is_pending(), "{case}");
            let mut clients = others(addr);
            clients.push(connect_and_send(addr, GET));
            is_gone(&is_dropped, addr, clients, &case);
        });
    }
}

#[test]
fn the_last_handle_is_dropped_in_the_closure_of_another_peer() {
    over_within(LIMIT, "another peer", || {
        let (slot, is_dropped) = Slot::new();
        let inside = slot.clone();
        let addr = slot.put(spawned(hurried().source(|_: &Request| "first")));
        let other = spawned(hurried().source(move |_: &Request| {
            inside.drop_peer();
            "second"
        }));
        assert_eq!(ask(addr, GET), b"first");
        let clients = others(addr);
        assert_eq!(ask(other.addr(), GET), b"second");
        is_gone(&is_dropped, addr, clients, "another peer");
        other.finish().expect("it has answered");
    });
}

#[test]
fn two_peers_drop_each_other() {
    over_within(LIMIT, "each other", || {
        let ((first, first_dropped), (second, second_dropped)) = (Slot::new(), Slot::new());
        let (of_first, of_second) = (second.clone(), first.clone());
        let barrier = Arc::new(std::sync::Barrier::new(2));
        let (here, there) = (Arc::clone(&barrier), barrier);
        let addrs = [
            first.put(spawned(hurried().source(move |_: &Request| {
                here.wait();
                of_first.drop_peer();
                "first"
            }))),
            second.put(spawned(hurried().source(move |_: &Request| {
                there.wait();
                of_second.drop_peer();
                "second"
            }))),
        ];
        let clients = addrs.map(|addr| connect_and_send(addr, GET));
        let [one, two] = clients;
        is_gone(&first_dropped, addrs[0], vec![one], "the first");
        is_gone(&second_dropped, addrs[1], vec![two], "the second");
    });
}

/// A panic's payload that drops the peer when it is dropped itself.
struct Payload(Slot);

impl Drop for Payload {
    fn drop(&mut self) {
        self.0.drop_peer();
    }
}

#[test]
fn the_last_handle_is_dropped_with_the_payload_of_its_own_panic() {
    over_within(LIMIT, "a payload", || {
        let (slot, is_dropped) = Slot::new();
        let inside = slot.clone();
        let peer = spawned(
            hurried().source(move |_: &Request| -> Response { panic_any(Payload(inside.clone())) }),
        );
        let taking = Arc::new(peer);
        let addr = taking.addr();
        let mut clients = others(addr);
        clients.push(connect_and_send(addr, GET));
        let payload = catch_unwind(AssertUnwindSafe(|| taking.take(PATIENCE)));
        let payload: Box<dyn Any + Send> = payload.expect_err("the panic");
        slot.put(Arc::into_inner(taking).expect("the only handle"));
        drop(payload);
        is_gone(&is_dropped, addr, clients, "a payload");
    });
}

#[test]
fn the_last_handle_is_dropped_with_a_payload_that_nobody_takes() {
    over_within(LIMIT, "payloads", || {
        let (slot, is_dropped) = Slot::new();
        let inside = slot.clone();
        // Of several panics `finish` reports one; the peer drops the other payloads.
        let panicking = spawned(
            hurried().source(move |_: &Request| -> Response { panic_any(Payload(inside.clone())) }),
        );
        let addr = slot.put(spawned(hurried().source("answer")));
        let clients = others(addr);
        for _ in 0..3 {
            let mut client = connect_and_send(panicking.addr(), GET);
            let _ = read_to_its_end(&mut client);
        }
        let payload = catch_unwind(AssertUnwindSafe(|| panicking.finish())).expect_err("a panic");
        drop(payload);
        is_gone(&is_dropped, addr, clients, "payloads");
    });
}

#[test]
fn the_last_handle_is_dropped_with_the_payload_of_an_observer() {
    over_within(LIMIT, "an observer's payloads", || {
        let (slot, is_dropped) = Slot::new();
        let inside = slot.clone();
        let peer = spawned(hurried().source("answer").on_event(move |event| {
            if !matches!(event, Event::Listening { .. }) {
                panic_any(Payload(inside.clone()));
            }
        }));
        let addr = slot.put(peer);
        for _ in 0..3 {
            let Ok(mut client) = TcpStream::connect(addr) else { break };
            client.set_read_timeout(Some(PATIENCE)).expect("an open socket");
            let _ = client.write_all(GET);
            let _ = read_to_its_end(&mut client);
        }
        // The peer may keep all payloads; then its own drop drops them.
        slot.drop_peer();
        is_gone(&is_dropped, addr, Vec::new(), "an observer's payloads");
    });
}

#[test]
fn the_last_handle_is_dropped_in_a_thread_that_its_source_waits_for() {
    over_within(LIMIT, "a thread", || {
        let (slot, is_dropped) = Slot::new();
        let inside = slot.clone();
        let peer = spawned(hurried().source(move |_: &Request| {
            let slot = inside.clone();
            thread::spawn(move || slot.drop_peer()).join().expect("no panic");
            "answer"
        }));
        let addr = slot.put(peer);
        let clients = vec![connect_and_send(addr, GET)];
        is_gone(&is_dropped, addr, clients, "a thread");
    });
}
