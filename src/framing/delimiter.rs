//! Finds a delimiter in a stream that arrives in pieces.

use std::sync::Arc;

use crate::http1::verdict::Verdict;

/// Finds a delimiter in a stream without keeping the stream (Knuth, Morris and Pratt).
pub(super) struct Delimiter {
    bytes: Arc<[u8]>,
    /// For each prefix of the delimiter, how much of it may be the start of another match.
    fallback: Vec<usize>,
    matched: usize,
}

impl Delimiter {
    pub(super) fn new(bytes: Arc<[u8]>) -> Self {
        let mut fallback = vec![0; bytes.len()];
        let mut length = 0;
        for at in 1..bytes.len() {
            while length > 0 && bytes[at] != bytes[length] {
                length = fallback[length - 1];
            }
            length += usize::from(bytes[at] == bytes[length]);
            fallback[at] = length;
        }
        Delimiter { bytes, fallback, matched: 0 }
    }

    pub(super) fn find(&mut self, piece: &[u8]) -> Verdict {
        for (index, &byte) in piece.iter().enumerate() {
            while self.matched > 0 && byte != self.bytes[self.matched] {
                self.matched = self.fallback[self.matched - 1];
            }
            self.matched += usize::from(byte == self.bytes[self.matched]);
            if self.matched == self.bytes.len() {
                return Verdict::Done(index + 1);
            }
        }
        Verdict::More
    }
}
