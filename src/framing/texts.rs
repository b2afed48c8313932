//! Compares a request with texts as it arrives: those that a conversation expects.

use std::sync::Arc;

use crate::http1::verdict::Verdict;

/// Compares what arrives with some texts, at least one, none of which begins another.
pub(super) struct Texts {
    all: Arc<[Arc<[u8]>]>,
    /// One that begins with what has arrived, and how long that is.
    like: usize,
    arrived: usize,
}

impl Texts {
    pub(super) fn new(all: Arc<[Arc<[u8]>]>) -> Self {
        Texts { all, like: 0, arrived: 0 }
    }

    /// Done with the last byte of a text. If there is a wrong byte, all of `piece` is part of the request.
    pub(super) fn compare(&mut self, piece: &[u8]) -> Verdict {
        let mut index = 0;
        loop {
            let text = &self.all[self.like];
            let pairs = text[self.arrived..].iter().zip(&piece[index..]);
            let same = pairs.take_while(|(one, other)| one == other).count();
            self.arrived += same;
            index += same;
            if self.arrived == text.len() {
                return Verdict::Done(index);
            }
            let Some(&next) = piece.get(index) else { return Verdict::More };
            let goes_on = |other: &Arc<[u8]>| {
                other.get(self.arrived) == Some(&next)
                    && other[..self.arrived] == text[..self.arrived]
            };
            match self.all.iter().position(goes_on) {
                Some(other) => self.like = other,
                None => return Verdict::Done(piece.len()),
            }
        }
    }
}
