//! Why no rule can say where a request ends.

use super::length_reader::BadLength;
use crate::http1::verdict::TooMuch;

/// Why no rule can say where a request ends.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoEnd {
    #[error("its end was not found within the {} bytes that may be buffered", .0.limit)]
    TooMuch(TooMuch),
    #[error("{bad}")]
    BadLength {
        bad: BadLength,
        /// After so many of the bytes that were shown last.
        within: usize,
    },
}

impl NoEnd {
    /// How many of the bytes that were shown last belong to the request.
    pub(crate) fn within(&self) -> usize {
        match self {
            NoEnd::TooMuch(TooMuch { within, .. }) | NoEnd::BadLength { within, .. } => *within,
        }
    }
}

impl From<TooMuch> for NoEnd {
    fn from(too_much: TooMuch) -> Self {
        NoEnd::TooMuch(too_much)
    }
}
