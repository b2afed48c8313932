//! Peers over TLS, beside a server that is written by hand with rustls. The client does half of the work, with the same code for both.

use std::hint::black_box;
use std::io::{Read, Write};

use fake_peer::tls::Ca;
use fake_peer::{Peer, Response, TcpServer};
use fake_peer_benches::tls::{TlsClient, TlsLoop};
use fake_peer_benches::{ANSWER, REQUEST, next_host};

use crate::rows::{Table, Unit, as_f64, seconds};

const LARGE: usize = 64 << 20;
const BY_HAND: &str = "by hand with rustls";

pub(crate) fn measure(table: &mut Table) {
    let names = [
        "TLS: handshake and exchange",
        "TLS: kept exchange",
        "TLS: 64 MiB response",
        "TLS: start of a peer",
    ];
    if !names.iter().any(|name| table.wants(name)) {
        return;
    }
    let [handshake, kept, large, start] = names;
    let ca = Ca::new();
    let client = TlsClient::new(&ca);
    let server = ca.server("localhost");
    let identity = server.identity();
    let peer = |response: Response| -> Peer {
        let addr = format!("{}:0", next_host());
        TcpServer::builder()
            .addr(addr)
            .tls(server.clone())
            .source(response)
            .spawn()
            .expect("a peer")
    };

    let ours = peer(ANSWER.into());
    let theirs = TlsLoop::start(&identity, ANSWER.to_vec(), true);
    let times = table.size(50);
    table.compare(
        handshake,
        Unit::Time,
        &mut || seconds(times, || assert_eq!(client.get(ours.addr()), ANSWER.len())),
        (BY_HAND, &mut || seconds(times, || assert_eq!(client.get(theirs.addr()), ANSWER.len()))),
    );
    ours.finish().expect("finished");
    drop(theirs);

    let ours = peer(Response::from(ANSWER).keep_open());
    let theirs = TlsLoop::start(&identity, ANSWER.to_vec(), false);
    let [mut ours_open, mut theirs_open] =
        [ours.addr(), theirs.addr()].map(|addr| client.open(addr));
    let times = table.size(1000);
    let exchange = |stream: &mut dyn ReadWrite| {
        stream.write_all(REQUEST).and_then(|()| stream.flush()).expect("sent");
        stream.read_exact(&mut [0; ANSWER.len()]).expect("an answer");
    };
    table.compare(
        kept,
        Unit::Time,
        &mut || seconds(times, || exchange(&mut ours_open)),
        (BY_HAND, &mut || seconds(times, || exchange(&mut theirs_open))),
    );
    drop((ours_open, theirs_open));
    ours.finish().expect("finished");
    drop(theirs);

    let ours = peer(vec![0; LARGE].into());
    let theirs = TlsLoop::start(&identity, vec![0; LARGE], true);
    table.compare(
        large,
        Unit::Throughput,
        &mut || as_f64(LARGE) / seconds(1, || assert_eq!(client.get(ours.addr()), LARGE)),
        (BY_HAND, &mut || {
            as_f64(LARGE) / seconds(1, || assert_eq!(client.get(theirs.addr()), LARGE))
        }),
    );
    ours.finish().expect("finished");
    drop(theirs);

    let times = table.size(100);
    table.absolute(start, Unit::Time, &mut || {
        seconds(times, || {
            let addr = format!("{}:0", next_host());
            let builder =
                TcpServer::builder().addr(addr).tls(ca.server("localhost")).source(ANSWER);
            drop(black_box(builder.spawn().expect("a peer")));
        })
    });
}

/// A stream.
trait ReadWrite: Read + Write {}

impl<S: Read + Write> ReadWrite for S {}
