//! What a failing test wants to know of its peer, whatever way it fails.

use std::fmt;
use std::panic::Location;

use super::count::Count;
use super::record::Journal;
use crate::os::address::Address;

/// Where a peer is and was made, what it expected, and what has happened.
#[derive(Debug, Clone)]
pub struct PeerReport {
    pub(crate) addr: Address,
    pub(crate) made_at: &'static Location<'static>,
    pub(crate) expected: Option<u64>,
    pub(crate) journal: Journal,
}

impl PeerReport {
    /// The peer's address.
    pub fn addr(&self) -> &Address {
        &self.addr
    }

    /// Where in the test the peer was made: the call of [`Peer::answer`](crate::Peer::answer) or
    /// [`spawn`](crate::TcpServerBuilder::spawn).
    pub fn made_at(&self) -> &'static Location<'static> {
        self.made_at
    }

    /// How many exchanges the test [expected](crate::Peer::expect).
    pub fn expected(&self) -> Option<u64> {
        self.expected
    }

    /// What had happened when the test failed.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }
}

/// `the peer on 127.0.0.1:37262, made at tests/shop.rs:17:16, expected 3 exchanges; its journal:`, and the first 8 Ki characters of the
/// journal.
impl fmt::Display for PeerReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LONG: usize = 8 * 1024;
        write!(f, "the peer on {}, made at {}", self.addr, self.made_at)?;
        if let Some(expected) = self.expected {
            write!(f, ", expected {}", Count(expected, "exchange"))?;
        }
        if self.journal.connections().is_empty() {
            return f.write_str("; no client has connected");
        }
        let text = self.journal.to_string();
        let (shown, dots) = match text.char_indices().nth(LONG) {
            Some((end, _)) => (&text[..end], "\n…"),
            None => (text.trim_end(), ""),
        };
        write!(f, "; its journal:\n{shown}{dots}")
    }
}
