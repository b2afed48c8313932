//! The buffer of a connection: bytes that have arrived and have not been taken yet.

use std::io::{self, Read};

use super::room;

/// A first read is rarely longer than this. It is also what the tutorial's `recv` asks for.
const SMALL_BUFFER: usize = 4096;

/// Where larger reads stopped being faster, for uploads and for files.
pub(crate) const LARGE_BUFFER: usize = 256 * 1024;

/// Bytes that have arrived and have not been taken yet.
#[derive(Debug, Default)]
pub(crate) struct Arrived {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Whether the last read took all the room there was.
    filled: bool,
    /// The next read takes at most this many: bytes after a request of known length stay with the kernel, so that a naive close
    /// becomes a reset.
    at_most: Option<u64>,
}

impl Arrived {
    pub(crate) fn unread(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Forgets the first `length` unread bytes.
    pub(crate) fn consume(&mut self, length: usize) {
        self.start += length;
        debug_assert!(self.start <= self.end);
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    /// Adds bytes after what is unread.
    #[cfg_attr(not(feature = "tls"), allow(dead_code))]
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        if self.buffer.len() - self.end < bytes.len() {
            self.compact();
        }
        room::grow(&mut self.buffer, self.end, self.end + bytes.len());
        self.buffer[self.end..][..bytes.len()].copy_from_slice(bytes);
        self.end += bytes.len();
    }

    /// Makes room for one read of this many bytes.
    pub(crate) fn make_room(&mut self, length: usize) {
        if self.buffer.len() - self.end < length {
            self.compact();
        }
        if self.buffer.len() - self.end < length {
            self.buffer.resize(self.end + length, 0);
        }
    }

    /// Moves what is unread to the beginning, if that is less than what was consumed before it: otherwise a client that is never wholly
    /// answered, because a part of its next request is always there, would have room for all that it has ever sent.
    fn compact(&mut self) {
        let unread = self.end - self.start;
        if self.start > unread {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, unread);
        }
    }

    /// Gives up a large buffer that has nothing in it.
    pub(crate) fn give_up_room(&mut self) {
        if self.start == self.end {
            room::give_up(&mut self.buffer);
        }
    }

    /// Limits the next read that returns bytes. `None` is no limit.
    pub(crate) fn read_at_most(&mut self, bytes: Option<u64>) {
        self.at_most = bytes;
    }

    /// Reads once, after what is unread.
    pub(crate) fn read_from(&mut self, reader: &mut impl Read) -> io::Result<usize> {
        if self.filled || self.buffer.is_empty() {
            self.grow();
        }
        let room = self.buffer.len() - self.end;
        let at_most = self.at_most.map_or(room, |bytes| usize::try_from(bytes).unwrap_or(room));
        let length = reader.read(&mut self.buffer[self.end..][..at_most.min(room)])?;
        self.at_most = None;
        self.end += length;
        self.filled = self.end == self.buffer.len();
        Ok(length)
    }

    /// Called when the last read filled the buffer: the client has much to send.
    fn grow(&mut self) {
        self.compact();
        let length = match self.buffer.len() {
            0 => SMALL_BUFFER,
            length if length < LARGE_BUFFER => LARGE_BUFFER,
            length if self.end == length => length * 2,
            length => length,
        };
        room::grow(&mut self.buffer, self.end, length);
        self.filled = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers each byte.
    struct Counting(u8);

    impl Read for Counting {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            for byte in &mut *buffer {
                *byte = self.0;
                self.0 = self.0.wrapping_add(1);
            }
            Ok(buffer.len())
        }
    }

    #[test]
    fn the_buffer_of_a_client_that_always_sends_more_stays_small() {
        let (mut arrived, mut reader) = (Arrived::default(), Counting(0));
        let mut next = 0_u8;
        for round in 0..16 {
            if round % 2 == 0 {
                arrived.read_from(&mut reader).expect("it never fails");
            } else {
                let mut more = [0; 1000];
                reader.read_exact(&mut more).expect("it never fails");
                arrived.extend(&more);
            }
            // A part of the next request is there.
            while arrived.unread().len() > 99 {
                assert_eq!(arrived.unread()[0], next);
                arrived.consume(7);
                next = next.wrapping_add(7);
            }
        }
        assert!(arrived.buffer.len() <= 2 * LARGE_BUFFER, "{}", arrived.buffer.len());
    }
}
