//! Bytes on their way between rustls and a socket.

use crate::os::room;

/// Bytes, of which the first ones are used up.
#[derive(Default)]
pub(super) struct Buffer {
    pub(super) bytes: Vec<u8>,
    start: usize,
    pub(super) end: usize,
}

impl Buffer {
    pub(super) fn len(&self) -> usize {
        self.end - self.start
    }

    pub(super) fn consume(&mut self, length: usize) {
        self.start += length;
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    pub(super) fn filled(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.end]
    }

    /// Gives up a large buffer that has nothing in it.
    pub(super) fn give_up_room(&mut self) {
        if self.len() == 0 {
            room::give_up(&mut self.bytes);
        }
    }

    /// Room for this many bytes, after those that are there.
    pub(super) fn room(&mut self, length: usize) -> &mut [u8] {
        if self.bytes.len() - self.end < length && self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        room::grow(&mut self.bytes, self.end, self.end + length);
        &mut self.bytes[self.end..]
    }
}
