//! The length of one binary message, read as its bytes arrive.

use super::length_prefix::{Endian, LengthPrefix};

/// The most bytes that a TLS record may have after its header (RFC 8446 section 5.2).
pub(super) const LARGEST_RECORD: u64 = (1 << 14) + 256;

/// The length of one message as it arrives. Nothing is buffered: bytes before it are counted, those after it are not looked at.
pub(super) struct LengthReader {
    prefix: LengthPrefix,
    /// What the length may be.
    least: u64,
    most: u64,
    arrived: u64,
    value: u64,
}

/// A length that no message can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadLength {
    #[error(
        "its length is given as {value}, which is less than {least}, the least that is possible"
    )]
    TooSmall { value: u64, least: u64 },
    #[error("its length is given as {value}, which is more than {most}, the most that is possible")]
    TooLarge { value: u64, most: u64 },
}

/// What the bytes so far say about the message.
pub(super) enum Reading {
    /// The length is not complete.
    Incomplete,
    /// How many bytes there are to come, from the beginning of the last piece.
    Left(u64),
    /// After so many bytes of the last piece.
    Bad { bad: BadLength, within: usize },
}

impl LengthReader {
    pub(super) fn new(prefix: LengthPrefix) -> Self {
        // A message does not end before its length does, and has no more bytes than can be counted.
        let least = prefix.end().saturating_sub(prefix.uncounted());
        let most = u64::MAX - prefix.uncounted();
        LengthReader { prefix, least, most, arrived: 0, value: 0 }
    }

    /// The header of a TLS record: type, version, length (RFC 8446 section 5.1).
    pub(super) fn tls_record() -> Self {
        LengthReader { most: LARGEST_RECORD, ..Self::new(LengthPrefix::big_endian(2).at(3)) }
    }

    pub(super) fn feed(&mut self, piece: &[u8]) -> Reading {
        let (start, end) = (u64::from(self.prefix.at), self.prefix.end());
        let before = self.arrived;
        for (index, &byte) in piece.iter().enumerate() {
            if self.arrived >= start {
                self.push(byte, self.arrived - start);
            }
            self.arrived += 1;
            if self.arrived == end {
                return match self.bad() {
                    Some(bad) => Reading::Bad { bad, within: index + 1 },
                    None => Reading::Left(self.prefix.uncounted() + self.value - before),
                };
            }
        }
        Reading::Incomplete
    }

    fn push(&mut self, byte: u8, index: u64) {
        match self.prefix.endian {
            Endian::Big => self.value = self.value << 8 | u64::from(byte),
            Endian::Little => self.value |= u64::from(byte) << (8 * index),
        }
    }

    fn bad(&self) -> Option<BadLength> {
        let &LengthReader { value, least, most, .. } = self;
        if value < least {
            Some(BadLength::TooSmall { value, least })
        } else if value > most {
            Some(BadLength::TooLarge { value, most })
        } else {
            None
        }
    }
}
