//! Compares a request with texts as it arrives: those that a conversation expects.

use std::sync::Arc;

use super::letter_case::LetterCase;
use crate::http1::verdict::Verdict;

/// One text that a request may be.
#[derive(Debug, Clone)]
pub(crate) struct Text {
    pub(crate) bytes: Arc<[u8]>,
    pub(crate) case: LetterCase,
}

/// Compares what arrives with some texts, at least one, none of which begins another.
pub(super) struct Texts {
    /// First those in which case counts.
    all: Arc<[Text]>,
    /// One that begins with what has arrived, and how long that is. If case is ignored in it, no text in which case counts begins so.
    like: usize,
    arrived: usize,
}

impl Texts {
    pub(super) fn new(all: Arc<[Text]>) -> Self {
        Texts { all, like: 0, arrived: 0 }
    }

    /// Done with the last byte of a text. If there is a wrong byte, all of `piece` is part of the request.
    pub(super) fn compare(&mut self, piece: &[u8]) -> Verdict {
        let mut index = 0;
        loop {
            let Text { bytes: text, case } = &self.all[self.like];
            let same = case.count_same(&text[self.arrived..], &piece[index..]);
            self.arrived += same;
            index += same;
            if self.arrived == text.len() {
                return Verdict::Done(index);
            }
            let Some(&next) = piece.get(index) else { return Verdict::More };
            // What has arrived is `text` so far, but for its case if that is ignored: then only such texts are left.
            let goes_on = |other: &Text| {
                (*case == LetterCase::Counts || other.case == LetterCase::Ignored)
                    && other.bytes.len() > self.arrived
                    && other.case.is_same(&other.bytes[self.arrived..=self.arrived], &[next])
                    && other.case.is_same(&other.bytes[..self.arrived], &text[..self.arrived])
            };
            match self.all.iter().position(goes_on) {
                Some(other) => self.like = other,
                None => return Verdict::Done(piece.len()),
            }
        }
    }
}
