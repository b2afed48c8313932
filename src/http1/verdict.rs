//! What a framing rule says about the bytes that it was shown.

/// What a rule says about the bytes that it was shown.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// All of them belong to the request, and more must come.
    More,
    /// The request is over after this many of them.
    Done(usize),
    /// Not yet known: the rule has to see them again, with those that follow.
    Hold,
}

/// A rule would have to buffer more than it may.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooMuch {
    pub(crate) limit: usize,
    /// How many of the bytes that were shown last are within the limit.
    pub(crate) within: usize,
}

/// Counts `arrived` bytes of a message of known length, of which `left` are missing.
pub(crate) fn count_down(left: &mut u64, arrived: usize) -> Verdict {
    match usize::try_from(*left) {
        Ok(rest) if rest <= arrived => {
            *left = 0;
            Verdict::Done(rest)
        }
        _ => {
            *left -= arrived as u64;
            Verdict::More
        }
    }
}
