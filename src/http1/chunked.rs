//! The chunked transfer coding (RFC 9112 section 7.1), byte by byte: where a body ends, and which of its bytes are data. It
//! frames requests and decodes their bodies.

use std::ops::Range;

/// A position in a chunked body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// In the hexadecimal digits of a chunk's size.
    Size {
        value: u64,
        digits: bool,
    },
    /// After the size: an extension or blanks, up to the line end.
    Extension {
        size: u64,
    },
    /// A CR has ended the size; only LF may follow.
    SizeLf {
        size: u64,
    },
    Data {
        left: u64,
    },
    /// The line end after the data; the CR is optional.
    DataEnd {
        cr: bool,
    },
    /// A trailer line, or the empty line that ends everything.
    Trailer {
        empty: bool,
    },
    Over,
}

#[derive(Debug)]
pub(crate) struct Chunked {
    at: At,
    /// Bytes of the body seen so far, framing included.
    seen: u64,
}

/// What the bytes shown last mean.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// All of them belong to the body, and more must come.
    More,
    /// The body is over after this many of them.
    Over(usize),
    /// The byte at this index breaks the coding; `offset` counts from the start of the body.
    Broken { index: usize, offset: u64 },
}

impl Chunked {
    pub(crate) fn new() -> Self {
        Chunked { at: At::Size { value: 0, digits: false }, seen: 0 }
    }

    /// Looks at the next bytes, and calls `data` with each range of them that is data.
    pub(crate) fn feed(&mut self, bytes: &[u8], mut data: impl FnMut(Range<usize>)) -> Progress {
        let mut index = 0;
        while index < bytes.len() {
            if let At::Data { left } = self.at {
                let here = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len() - index);
                data(index..index + here);
                index += here;
                let left = left - here as u64;
                self.at = if left == 0 { At::DataEnd { cr: false } } else { At::Data { left } };
                continue;
            }
            let Some(next) = self.at.after(bytes[index]) else {
                return Progress::Broken { index, offset: self.seen + index as u64 };
            };
            index += 1;
            self.at = next;
            if next == At::Over {
                return Progress::Over(index);
            }
        }
        self.seen += bytes.len() as u64;
        Progress::More
    }
}

impl At {
    /// The state after `byte`; `None` if the coding does not allow it.
    fn after(self, byte: u8) -> Option<At> {
        let start_data =
            |size| if size == 0 { At::Trailer { empty: true } } else { At::Data { left: size } };
        Some(match (self, byte) {
            (At::Size { value, .. }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = (byte as char).to_digit(16)?;
                At::Size { value: value.checked_mul(16)?.checked_add(digit.into())?, digits: true }
            }
            (
                At::Size { value: size, digits: true }
                | At::Extension { size }
                | At::SizeLf { size },
                b'\n',
            ) => start_data(size),
            (At::Size { value: size, digits: true } | At::Extension { size }, b'\r') => {
                At::SizeLf { size }
            }
            (At::Size { value: size, digits: true }, b';' | b' ' | b'\t') => At::Extension { size },
            (At::DataEnd { cr: false }, b'\r') => At::DataEnd { cr: true },
            (At::DataEnd { .. }, b'\n') => At::Size { value: 0, digits: false },
            (At::Trailer { empty: true }, b'\n') => At::Over,
            (At::Extension { .. }, _) | (At::Trailer { empty: true }, b'\r') => self,
            (At::Trailer { .. }, b'\n') => At::Trailer { empty: true },
            (At::Trailer { .. }, _) => At::Trailer { empty: false },
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = b"5;ext=\"1\"\r\nhello\r\nA \r\n0123456789\r\n1\n!\n0\r\nX: y\r\n\r\n";

    #[test]
    fn cuts_at_every_position_give_the_same_data_and_end() {
        for cut in 0..=BODY.len() {
            let mut chunked = Chunked::new();
            let mut decoded = Vec::new();
            let (first, second) = BODY.split_at(cut);
            let mut progress =
                chunked.feed(first, |range| decoded.extend_from_slice(&first[range]));
            if cut < BODY.len() {
                assert_eq!(progress, Progress::More, "cut at {cut}");
                let rest = [second, b"GET /next"].concat();
                progress = chunked.feed(&rest, |range| decoded.extend_from_slice(&rest[range]));
            }
            assert_eq!(
                progress,
                Progress::Over(BODY.len() - if cut < BODY.len() { cut } else { 0 }),
                "cut at {cut}"
            );
            assert_eq!(decoded, b"hello0123456789!", "cut at {cut}");
        }
    }

    #[test]
    fn names_the_first_byte_that_breaks_the_coding() {
        for (body, offset) in [
            (&b"x"[..], 0),
            (b"\r\n", 0),
            (b"5\r\nhelloX", 8),
            (b"1\rX", 2),
            (b"fffffffffffffffff", 16),
            (b"1\r\na\r\n;", 6),
        ] {
            for cut in 0..offset {
                let mut chunked = Chunked::new();
                assert_eq!(
                    chunked.feed(&body[..cut], |_| ()),
                    Progress::More,
                    "{} at {cut}",
                    body.escape_ascii()
                );
                assert_eq!(
                    chunked.feed(&body[cut..], |_| ()),
                    Progress::Broken { index: offset - cut, offset: offset as u64 },
                    "{} at {cut}",
                    body.escape_ascii()
                );
            }
        }
    }
}
