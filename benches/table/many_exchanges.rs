//! The throughput of one server under clients that send requests as fast as they can.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use fake_peer::{Conversation, Framing, Peer, Request, Response, ResponseSource, TcpServer};
use fake_peer_benches::by_hand::{AcceptLoop, Serving};
use fake_peer_benches::clients::{KeptConnection, get, new_connections, side_by_side};
use fake_peer_benches::{ANSWER, REQUEST, next_host};

use crate::rows::{Table, Unit, as_f64, seconds};

pub(crate) fn measure(table: &mut Table) {
    let kept = Load {
        name: "kept connections",
        answer: Response::from(ANSWER).keep_open(),
        reference: ("thread per connection", Serving::ThreadPerConnection),
        requests: table.size(800 / 8),
        start: |addr, clients| {
            let mut connections: Vec<_> =
                (0..clients).map(|_| KeptConnection::open(addr)).collect();
            KeptConnection::exchange_all(&mut connections, 1);
            Box::new(move |requests| KeptConnection::exchange_all(&mut connections, requests))
        },
    };
    let new = Load {
        name: "new connection each",
        answer: ANSWER.into(),
        reference: ("accept loop in one thread", Serving::Inline),
        requests: table.size(240 / 8),
        start: |addr, clients| Box::new(move |requests| new_connections(addr, clients, requests)),
    };
    for load in [kept, new] {
        load.measure(table, 1);
        load.measure(table, 8);
    }
    measure_turns(table);
    measure_a_long_conversation(table);
    measure_fairness(table);
}

/// A turn of a protocol such as Redis: the request is compared with a text.
fn measure_turns(table: &mut Table) {
    let name = "a turn of a conversation";
    if !table.wants(name) {
        return;
    }
    let turn = Conversation::new().expect(REQUEST).say(ANSWER);
    let peers = [
        listening(Conversation::new().forever(turn)),
        TcpServer::builder()
            .addr(format!("{}:0", next_host()))
            .framing(Framing::until("\r\n\r\n"))
            .source(|request: &Request| match request.bytes() {
                REQUEST => Response::from(ANSWER).keep_open(),
                _ => Response::new(),
            })
            .spawn()
            .expect("a peer"),
    ];
    let [mut by_conversation, mut by_closure] =
        peers.each_ref().map(|peer| KeptConnection::open(peer.addr()));
    let turns = table.size(800);
    table.compare_often(
        name,
        Unit::Exchanges,
        &mut || as_f64(turns) / seconds(1, || by_conversation.exchange(turns)),
        ("a closure", &mut || as_f64(turns) / seconds(1, || by_closure.exchange(turns))),
    );
    drop((by_conversation, by_closure));
    for peer in peers {
        peer.finish().expect("finished");
    }
}

/// From the start of the peer to its end, with the journal of all turns.
fn measure_a_long_conversation(table: &mut Table) {
    let turns = table.size(10_000);
    let turn = || Conversation::new().expect(REQUEST).say(ANSWER);
    table.compare(
        "10,000 turns on one connection",
        Unit::Exchanges,
        &mut || {
            as_f64(turns)
                / seconds(1, || {
                    let peer = listening(Conversation::new().repeat(turns as u64, turn()));
                    KeptConnection::open(peer.addr()).exchange(turns);
                    peer.finish().expect("played to its end");
                })
        },
        ("thread per connection", &mut || {
            as_f64(turns)
                / seconds(1, || {
                    let server = AcceptLoop::start(Serving::ThreadPerConnection);
                    KeptConnection::open(server.addr()).exchange(turns);
                })
        }),
    );
}

struct Load {
    name: &'static str,
    answer: Response,
    reference: (&'static str, Serving),
    /// Of each of eight clients; a single one sends as many as all of them.
    requests: usize,
    start: fn(SocketAddr, usize) -> Clients,
}

/// Lets each client send so many requests.
type Clients = Box<dyn FnMut(usize)>;

impl Load {
    fn measure(&self, table: &mut Table, clients: usize) {
        let name = format!("{}, clients: {clients}", self.name);
        if !table.wants(&name) {
            return;
        }
        let (peer, by_hand) = (listening(self.answer.clone()), AcceptLoop::start(self.reference.1));
        let mut at_peer = (self.start)(peer.addr(), clients);
        let mut at_reference = (self.start)(by_hand.addr(), clients);
        let all = 8 * self.requests;
        table.compare_often(
            &name,
            Unit::Exchanges,
            &mut || as_f64(all) / seconds(1, || at_peer(all / clients)),
            (self.reference.0, &mut || as_f64(all) / seconds(1, || at_reference(all / clients))),
        );
        drop(at_peer);
        peer.finish().expect("finished");
    }
}

fn measure_fairness(table: &mut Table) {
    let (peer, by_hand) = (listening(Response::from(ANSWER)), AcceptLoop::start(Serving::Inline));
    let time = Duration::from_millis(if table.size(2) == 1 { 10 } else { 250 });
    table.compare(
        "new connection each, clients: 8, the slowest one of the mean",
        Unit::Share,
        &mut || slowest_share(peer.addr(), 8, time),
        ("accept loop in one thread", &mut || slowest_share(by_hand.addr(), 8, time)),
    );
    peer.finish().expect("finished");
}

fn listening(source: impl ResponseSource + 'static) -> Peer {
    TcpServer::builder().addr(format!("{}:0", next_host())).source(source).spawn().expect("a peer")
}

/// The fewest requests of one client in this time, as a part of the mean: 1 is fair, 0 is starved.
fn slowest_share(addr: SocketAddr, clients: usize, time: Duration) -> f64 {
    let counts = Mutex::new(Vec::new());
    side_by_side(clients, || {
        let start = Instant::now();
        let mut count = 0;
        while start.elapsed() < time {
            get(addr);
            count += 1;
        }
        counts.lock().expect("no client panics").push(count);
    });
    let counts = counts.into_inner().expect("no client panics");
    let sum: usize = counts.iter().sum();
    let fewest = counts.into_iter().min().expect("some clients");
    as_f64(fewest * clients) / as_f64(sum)
}
