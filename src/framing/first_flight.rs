//! Where the records of a TLS `ClientHello` end, read as their bytes arrive.

use super::length_reader::{BadLength, LARGEST_RECORD};
use super::no_end::NoEnd;
use crate::http1::verdict::Verdict;

/// The type of a record with handshake messages (RFC 8446 section 5.1), and of the message `ClientHello` (section 4).
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;

/// The most bytes that the fields of a `ClientHello` can have, with each of its lists as long as it can be (RFC 8446 section 4.1.2).
const LARGEST_HELLO: u64 = 2 + 32 + (1 + 32) + (2 + 65_534) + (1 + 255) + (2 + 65_535);

/// Whether bytes that begin like this may be the records of a `ClientHello`.
pub(super) fn may_begin(first: u8) -> bool {
    first == HANDSHAKE
}

/// The records that one `ClientHello` needs. Only the headers of records and of the message are kept.
#[derive(Default)]
pub(super) struct FirstFlight {
    record: Header<5>,
    /// How many bytes of the record are missing.
    left_in_record: u64,
    message: Header<4>,
    /// How many bytes of the message are missing, once its header is complete.
    left_in_message: u64,
}

/// A header, as far as it has arrived.
struct Header<const SIZE: usize> {
    bytes: [u8; SIZE],
    len: usize,
}

impl<const SIZE: usize> Default for Header<SIZE> {
    fn default() -> Self {
        Header { bytes: [0; SIZE], len: 0 }
    }
}

impl<const SIZE: usize> Header<SIZE> {
    /// Takes what it needs of these bytes, and returns how many that were.
    fn take(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(SIZE - self.len);
        self.bytes[self.len..self.len + taken].copy_from_slice(&bytes[..taken]);
        self.len += taken;
        taken
    }

    fn is_complete(&self) -> bool {
        self.len == SIZE
    }

    /// The length at its end.
    fn length(&self, size: usize) -> u64 {
        self.bytes[SIZE - size..].iter().fold(0, |length, &byte| length << 8 | u64::from(byte))
    }
}

impl FirstFlight {
    pub(super) fn feed(&mut self, piece: &[u8]) -> Result<Verdict, NoEnd> {
        let mut index = 0;
        while index < piece.len() {
            if self.record.is_complete() {
                let left = usize::try_from(self.left_in_record).unwrap_or(usize::MAX);
                let end = index + left.min(piece.len() - index);
                self.take_fragment(&piece[index..end], index)?;
                self.left_in_record -= (end - index) as u64;
                index = end;
            } else {
                index += self.record.take(&piece[index..]);
                if self.record.is_complete() {
                    self.left_in_record = self.record.length(2);
                    at_most(LARGEST_RECORD, self.left_in_record, index)?;
                }
            }
            if self.record.is_complete() && self.left_in_record == 0 {
                if self.is_over() {
                    return Ok(Verdict::Done(index));
                }
                self.record = Header::default();
            }
        }
        Ok(Verdict::More)
    }

    /// Part of a record; `index` is where it is in the piece.
    fn take_fragment(&mut self, fragment: &[u8], index: usize) -> Result<(), NoEnd> {
        let mut rest = fragment;
        if !self.message.is_complete() {
            let taken = self.message.take(rest);
            rest = &rest[taken..];
            if self.message.is_complete() && self.is_hello() {
                self.left_in_message = self.message.length(3);
                at_most(LARGEST_HELLO, self.left_in_message, index + taken)?;
            }
        }
        self.left_in_message = self.left_in_message.saturating_sub(rest.len() as u64);
        Ok(())
    }

    /// Whether the record that has just ended is the last one.
    fn is_over(&self) -> bool {
        !may_begin(self.record.bytes[0])
            || (self.message.len > 0 && !self.is_hello())
            || (self.message.is_complete() && self.left_in_message == 0)
    }

    fn is_hello(&self) -> bool {
        self.message.bytes[0] == CLIENT_HELLO
    }
}

fn at_most(most: u64, value: u64, within: usize) -> Result<(), NoEnd> {
    if value <= most {
        return Ok(());
    }
    Err(NoEnd::BadLength { bad: BadLength::TooLarge { value, most }, within })
}
