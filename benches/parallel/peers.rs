//! 200 tests with a peer each, for the table.

use fake_peer::TcpServer;
use fake_peer_benches::clients::get;
use fake_peer_benches::{ANSWER, REQUEST, next_host, two_hundred_tests};

two_hundred_tests!(crate::exchange);

fn exchange() {
    let server = TcpServer::builder().addr(format!("{}:0", next_host()));
    let peer = server.source(ANSWER).spawn().expect("a peer");
    get(peer.addr());
    peer.take_request().assert_bytes(REQUEST);
    peer.finish().expect("finished");
}
