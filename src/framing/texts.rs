//! Compares a request with texts as it arrives: those that a conversation expects.

use std::sync::Arc;

use crate::http1::verdict::Verdict;

/// Compares what arrives with some texts, none of which begins another.
pub(super) struct Texts {
    texts: Arc<[Arc<[u8]>]>,
    /// Those that begin with what has arrived.
    possible: Vec<usize>,
    arrived: usize,
}

impl Texts {
    pub(super) fn new(texts: Arc<[Arc<[u8]>]>) -> Self {
        let possible = (0..texts.len()).collect();
        Texts { texts, possible, arrived: 0 }
    }

    /// Done with the last byte of a text. If there is a wrong byte, all of `piece` is part of the request.
    pub(super) fn compare(&mut self, piece: &[u8]) -> Verdict {
        for (index, byte) in piece.iter().enumerate() {
            let Texts { texts, possible, arrived } = self;
            possible.retain(|&text| texts[text].get(*arrived) == Some(byte));
            *arrived += 1;
            if possible.is_empty() {
                return Verdict::Done(piece.len());
            }
            if possible.iter().any(|&text| texts[text].len() == *arrived) {
                return Verdict::Done(index + 1);
            }
        }
        Verdict::More
    }
}
