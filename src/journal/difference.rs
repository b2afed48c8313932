//! The first difference between bytes that were expected and bytes that came, and how bytes are shown in a message.

use std::fmt;

use crate::framing::letter_case::LetterCase;

/// How many bytes before and after a difference are shown.
const AROUND: usize = 32;

/// How many bytes of a request are shown in a message.
const SHOWN: usize = 96;

/// The bytes in quotes, escaped; only the first ones of many.
pub(crate) fn shown(bytes: &[u8]) -> String {
    let dots = if bytes.len() > SHOWN { "…" } else { "" };
    format!("\"{}\"{dots}", bytes[..bytes.len().min(SHOWN)].escape_ascii())
}

/// `at byte 13`, and both sides around it.
pub(crate) struct Difference<'a> {
    offset: usize,
    expected: &'a [u8],
    actual: &'a [u8],
}

impl<'a> Difference<'a> {
    pub(crate) fn between(expected: &'a [u8], actual: &'a [u8]) -> Option<Self> {
        Self::but_for(LetterCase::Counts, expected, actual)
    }

    /// The first one that is not only one of case, if case is ignored.
    pub(crate) fn but_for(case: LetterCase, expected: &'a [u8], actual: &'a [u8]) -> Option<Self> {
        if case.is_same(expected, actual) {
            return None;
        }
        let offset = case.count_same(expected, actual);
        Some(Difference { offset, expected, actual })
    }
}

impl fmt::Display for Difference<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {}", self.offset)?;
        let digits = self.expected.len().max(self.actual.len()).to_string().len();
        let mut side = |name: &str, bytes: &[u8]| {
            let start = self.offset.saturating_sub(AROUND);
            let end = bytes.len().min(self.offset + AROUND);
            let (before, after) =
                (if start > 0 { "…" } else { "" }, if end < bytes.len() { "…" } else { "" });
            write!(
                f,
                "\n  {name:>8} {:>digits$} bytes: {before}\"{}»{}\"{after}",
                bytes.len(),
                bytes[start..self.offset].escape_ascii(),
                bytes[self.offset..end].escape_ascii(),
            )
        };
        side("expected", self.expected)?;
        side("actual", self.actual)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_shown_with_line_ends() {
        let difference = Difference::between(b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\n\n")
            .expect("different");
        assert_eq!(difference.offset, 14);
        assert_eq!(
            difference.to_string(),
            "at byte 14\n  expected 18 bytes: \"GET / HTTP/1.1»\\r\\n\\r\\n\"\n    actual 16 bytes: \"GET / HTTP/1.1»\\n\\n\""
        );
        assert!(Difference::between(b"same", b"same").is_none());
        let longer =
            Difference::between(&[b'x'; 100], &[b'x'; 101]).expect("different").to_string();
        assert_eq!(longer.matches('…').count(), 2, "{longer}");
    }
}
