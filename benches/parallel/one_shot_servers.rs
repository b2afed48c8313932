//! 200 tests with a hand-written one-shot server each, for the table.

use fake_peer_benches::clients::get;
use fake_peer_benches::{REQUEST, by_hand, two_hundred_tests};

two_hundred_tests!(crate::exchange);

fn exchange() {
    let (addr, server) = by_hand::one_shot();
    get(addr);
    assert_eq!(server.join().expect("a server that does not panic"), REQUEST);
}
