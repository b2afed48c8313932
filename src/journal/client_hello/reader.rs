//! Reads the bytes of a `ClientHello`: records, the message in them, its fields and extensions (RFC 8446 sections 4 and 5).

use std::ops::Range;

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;

/// The parts of a `ClientHello`, as places in its message.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Layout {
    pub(super) version: u16,
    pub(super) cipher_suites: Range<usize>,
    /// Type and content of each extension, in their order.
    pub(super) extensions: Vec<(u16, Range<usize>)>,
}

/// The handshake message that these records begin with, without its header; `None` if it is no whole `ClientHello`.
pub(super) fn message(mut records: &[u8]) -> Option<Vec<u8>> {
    let mut message = Vec::new();
    loop {
        let [HANDSHAKE, _, _, high, low, rest @ ..] = records else { return None };
        let (fragment, rest) = rest.split_at_checked(u16::from_be_bytes([*high, *low]).into())?;
        message.extend_from_slice(fragment);
        records = rest;
        if let [kind, high, middle, low, ..] = message[..] {
            let length = u32::from_be_bytes([0, high, middle, low]);
            let end = 4 + usize::try_from(length).ok()?;
            if kind != CLIENT_HELLO {
                return None;
            } else if message.len() >= end {
                message.truncate(end);
                message.drain(..4);
                return Some(message);
            }
        }
    }
}

/// Where the parts of a message are. `None` if a length points beyond the end, or bytes are left over.
pub(super) fn layout(message: &[u8]) -> Option<Layout> {
    let mut fields = Cursor::over(message, 0..message.len());
    let version = fields.number()?;
    fields.skip(32)?; // Random.
    fields.skip_after_length(1)?; // The session.
    let cipher_suites = fields.after_length(2)?;
    fields.skip_after_length(1)?; // Compression methods.
    let mut extensions = Vec::new();
    // TLS 1.2 and older need none.
    if !fields.is_at_end() {
        let mut rest = Cursor::over(message, fields.after_length(2)?);
        while !rest.is_at_end() {
            extensions.push((rest.number()?, rest.after_length(2)?));
        }
    }
    fields.is_at_end().then_some(Layout { version, cipher_suites, extensions })
}

/// The items of a list whose length is given in front in `length` bytes, each with its own length in `item` bytes before it, read by
/// `read`. `None` if a length is wrong.
pub(super) fn list<'b, T>(
    content: &'b [u8],
    length: usize,
    mut read: impl FnMut(&mut Cursor<'b>) -> Option<T>,
) -> Option<Vec<T>> {
    let mut outer = Cursor::over(content, 0..content.len());
    let mut items = Cursor::over(content, outer.after_length(length)?);
    if !outer.is_at_end() {
        return None;
    }
    let mut list = Vec::new();
    while !items.is_at_end() {
        list.push(read(&mut items)?);
    }
    Some(list)
}

/// A place in some bytes, and the end before which it has to stay.
#[derive(Debug)]
pub(super) struct Cursor<'b> {
    bytes: &'b [u8],
    at: usize,
    end: usize,
}

impl<'b> Cursor<'b> {
    /// `range` is within `bytes`.
    fn over(bytes: &'b [u8], range: Range<usize>) -> Self {
        Cursor { bytes, at: range.start, end: range.end }
    }

    fn is_at_end(&self) -> bool {
        self.at == self.end
    }

    fn skip(&mut self, length: usize) -> Option<Range<usize>> {
        let start = self.at;
        self.at = start.checked_add(length).filter(|&at| at <= self.end)?;
        Some(start..self.at)
    }

    /// What follows a length of `size` bytes: as many as it says.
    fn after_length(&mut self, size: usize) -> Option<Range<usize>> {
        let length = self.skip(size)?;
        let length =
            self.bytes[length].iter().fold(0, |length, &byte| length << 8 | usize::from(byte));
        self.skip(length)
    }

    fn skip_after_length(&mut self, size: usize) -> Option<()> {
        self.after_length(size).map(drop)
    }

    /// The same, as bytes.
    pub(super) fn bytes_after_length(&mut self, size: usize) -> Option<&'b [u8]> {
        let range = self.after_length(size)?;
        Some(&self.bytes[range])
    }

    /// One byte.
    pub(super) fn byte(&mut self) -> Option<u8> {
        let range = self.skip(1)?;
        Some(self.bytes[range.start])
    }

    /// A number of two bytes.
    pub(super) fn number(&mut self) -> Option<u16> {
        let range = self.skip(2)?;
        Some(u16::from_be_bytes([self.bytes[range.start], self.bytes[range.start + 1]]))
    }
}
