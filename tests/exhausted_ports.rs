//! A process that has had a peer on every port. Alone in its file: the ports are the process's.

use std::collections::HashMap;

use fake_peer::Peer;
use fake_peer_test_support::{ask, finished};

#[test]
fn when_every_port_was_used_the_oldest_comes_back_and_the_journal_says_so() {
    const NOTE: &str = "note: all ports were used, so this is the port of an earlier peer of this process, which a client may know\n";
    let mut seen = HashMap::new();
    // There are fewer ports than this.
    for number in 0..=65_536 {
        let peer = Peer::answer("hi");
        let again = seen.insert(peer.port(), number);
        let Some(before) = again else {
            finished(peer);
            continue;
        };
        assert!(number > 1000, "port {} came back after {number} peers", peer.port());
        // Others of the machine may have the very oldest ones at the moment.
        assert!(before < number / 2, "peer {number} has the port of peer {before}");
        assert_eq!(ask(peer.addr(), b"hello"), b"hi");
        let journal = finished(peer);
        assert!(journal.to_string().starts_with(NOTE), "{journal}");
        assert!(!format!("{journal:#}").contains("note"), "{journal:#}");
        return;
    }
    panic!("no port came back");
}
