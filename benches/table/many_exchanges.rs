//! The throughput of one server under clients that send requests as fast as they can.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use fake_peer::{Peer, Response, TcpServer};
use fake_peer_benches::by_hand::{AcceptLoop, Serving};
use fake_peer_benches::clients::{get, kept_connections, new_connections, side_by_side};
use fake_peer_benches::{ANSWER, next_host};

use crate::rows::{Table, Unit, as_f64, seconds};

pub(crate) fn measure(table: &mut Table) {
    for clients in [1, 8] {
        load(
            table,
            &format!("kept connections, clients: {clients}"),
            Response::from(ANSWER).keep_open(),
            ("thread per connection", Serving::ThreadPerConnection),
            &|addr, requests| kept_connections(addr, clients, requests / clients),
            8000,
        );
    }
    for clients in [1, 8] {
        load(
            table,
            &format!("new connection each, clients: {clients}"),
            ANSWER.into(),
            ("accept loop in one thread", Serving::Inline),
            &|addr, requests| new_connections(addr, clients, requests / clients),
            2000,
        );
    }

    let (peer, by_hand) = (listening(ANSWER.into()), AcceptLoop::start(Serving::Inline));
    let time = Duration::from_millis(if table.size(2) == 1 { 10 } else { 250 });
    table.compare(
        "new connection each, clients: 8, the slowest one of the mean",
        Unit::Share,
        &mut || slowest_share(peer.addr(), 8, time),
        ("accept loop in one thread", &mut || slowest_share(by_hand.addr(), 8, time)),
    );
    peer.finish().expect("finished");
}

fn load(
    table: &mut Table,
    name: &str,
    answer: Response,
    (reference, serving): (&'static str, Serving),
    requests: &dyn Fn(SocketAddr, usize),
    full: usize,
) {
    let count = 8 * table.size(full / 8);
    let (peer, by_hand) = (listening(answer), AcceptLoop::start(serving));
    let throughput = |addr| as_f64(count) / seconds(1, || requests(addr, count));
    table.compare(
        name,
        Unit::Exchanges,
        &mut || throughput(peer.addr()),
        (reference, &mut || throughput(by_hand.addr())),
    );
    peer.finish().expect("finished");
}

fn listening(answer: Response) -> Peer {
    TcpServer::builder().addr(format!("{}:0", next_host())).source(answer).spawn().expect("a peer")
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
