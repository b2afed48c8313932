//! The time of a server from its start to its end, with one exchange.

use std::hint::black_box;
use std::io::Write;

use fake_peer::{Request, ResponseSource, TcpServer};
use fake_peer_benches::clients::{RunningClient, get};
use fake_peer_benches::{ANSWER, by_hand, next_host};

use crate::rows::{Table, Unit, seconds};

pub(crate) fn measure(table: &mut Table) {
    let times = table.size(10);
    let mut fixed = || seconds(times, || peer(ANSWER));
    let mut closure = || seconds(times, || peer(|_: &Request| ANSWER));
    let mut one_shot = || seconds(times, one_shot);
    let mut stopped = || seconds(times, stopped_by_connecting);
    let one_shot_server = "one-shot server";
    table.compare_often(
        "spawn, one exchange, finish: fixed answer",
        Unit::Time,
        &mut fixed,
        (one_shot_server, &mut one_shot),
    );
    // The reference of figures before this table. It is too slow by its stop, which a one-shot server does not need.
    table.compare_often(
        "spawn, one exchange, finish: fixed answer, old reference",
        Unit::Time,
        &mut fixed,
        ("accept loop that is stopped by a connection to itself", &mut stopped),
    );
    table.compare_often(
        "spawn, one exchange, finish: closure",
        Unit::Time,
        &mut closure,
        (one_shot_server, &mut one_shot),
    );

    let client = RunningClient::start(get);
    table.compare_often(
        "one exchange in the calling thread: serve_once",
        Unit::Time,
        &mut || seconds(times, || serve_once(&client)),
        ("one-shot server without a thread", &mut || seconds(times, || accept_once(&client))),
    );
}

fn peer(source: impl ResponseSource + 'static) {
    let server = TcpServer::builder().addr(format!("{}:0", next_host())).source(source);
    let peer = server.spawn().expect("a peer");
    get(peer.addr());
    black_box(peer.finish()).expect("finished");
}

fn one_shot() {
    let (addr, server) = by_hand::one_shot();
    get(addr);
    black_box(server.join()).expect("a server that does not panic");
}

fn stopped_by_connecting() {
    let server = by_hand::AcceptLoop::start(by_hand::Serving::Inline);
    get(server.addr());
    drop(server);
}

fn serve_once(client: &RunningClient) {
    let server = TcpServer::builder().addr(format!("{}:0", next_host())).source(ANSWER);
    let server = server.bind().expect("bound");
    client.go(server.local_addr());
    black_box(server.serve_once()).expect("served");
    drop(server);
    client.wait();
}

fn accept_once(client: &RunningClient) {
    let (listener, addr) = by_hand::listen();
    client.go(addr);
    let (mut stream, _) = listener.accept().expect("a client");
    black_box(by_hand::read_request(&mut stream)).expect("a request");
    stream.write_all(ANSWER).expect("sent");
    drop((stream, listener));
    client.wait();
}
