//! Whether an ASCII letter is the same in upper and in lower case.

/// Whether an ASCII letter is the same in upper and in lower case. Other bytes are only the same as themselves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum LetterCase {
    #[default]
    Counts,
    Ignored,
}

impl LetterCase {
    /// How many bytes are the same on both sides, up to the first that is not.
    pub(crate) fn count_same(self, one: &[u8], other: &[u8]) -> usize {
        let pairs = one.iter().zip(other);
        match self {
            LetterCase::Counts => pairs.take_while(|(one, other)| one == other).count(),
            LetterCase::Ignored => {
                pairs.take_while(|(one, other)| one.eq_ignore_ascii_case(other)).count()
            }
        }
    }

    pub(crate) fn is_same(self, one: &[u8], other: &[u8]) -> bool {
        match self {
            LetterCase::Counts => one == other,
            LetterCase::Ignored => one.eq_ignore_ascii_case(other),
        }
    }

    pub(crate) fn begins(self, start: &[u8], bytes: &[u8]) -> bool {
        bytes.get(..start.len()).is_some_and(|first| self.is_same(first, start))
    }

    pub(crate) fn ends(self, end: &[u8], bytes: &[u8]) -> bool {
        let start = bytes.len().checked_sub(end.len());
        start.is_some_and(|start| self.is_same(&bytes[start..], end))
    }
}
