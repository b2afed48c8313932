//! How users describe the length that a binary message has in front.
// Names of databases are no code.
#![allow(clippy::doc_markdown)]

/// Where a binary message has its length, and what that length counts: for
/// [`Framing::length_prefixed`](crate::Framing::length_prefixed).
///
/// The length is an unsigned number of 1 to 8 bytes. By default it is at the beginning of the message, and counts the bytes that
/// follow it. [`at`](Self::at) changes the first, one of the `counts_…` methods the second; of several calls the last one has effect.
///
/// | messages of | described by |
/// |---|---|
/// | Kafka, and many more: a length, then as many bytes | `big_endian(4)` |
/// | DNS over TCP (RFC 1035 section 4.2.2) | `big_endian(2)` |
/// | PostgreSQL: a type byte, then a length that counts itself | `big_endian(4).at(1).counts_itself()` |
/// | MySQL: a length, a sequence byte that is not counted, a payload | `little_endian(3).counts_all_but(4)` |
/// | MongoDB: a length that counts the whole message | `little_endian(4).counts_all()` |
/// | BGP (RFC 4271 section 4.1): 16 bytes, then a length that counts the whole message | `big_endian(2).at(16).counts_all()` |
/// | HTTP/2 frames (RFC 9113 section 4.1): the header of 9 bytes is not counted | `big_endian(3).counts_all_but(9)` |
/// | AMQP 0-9-1: a header of 7 bytes and a last byte are not counted | `big_endian(4).at(3).counts_all_but(8)` |
///
/// A length whose place or size depends on the bytes before it, as in MQTT, Redis and WebSocket, needs
/// [`Framing::from_fn`](crate::Framing::from_fn).
///
/// ```
/// use fake_peer::{Framing, LengthPrefix, Response, Sequence, TcpServer};
/// use std::io::{Read, Write};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // The first message of a PostgreSQL client has no type byte.
/// let startup = LengthPrefix::big_endian(4).counts_itself();
/// let message = LengthPrefix::big_endian(4).at(1).counts_itself();
/// let peer = TcpServer::builder()
///     .framing(Framing::length_prefixed(startup))
///     .source(Sequence::new([
///         // AuthenticationOk, ReadyForQuery.
///         Response::from(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I").then(Framing::length_prefixed(message)),
///         // EmptyQueryResponse, ReadyForQuery.
///         Response::from(b"I\0\0\0\x04Z\0\0\0\x05I"),
///     ]))
///     .spawn()?;
///
/// let mut client = std::net::TcpStream::connect(peer.addr())?;
/// client.write_all(b"\0\0\0\x11\0\x03\0\0user\0me\0\0")?;
/// client.read_exact(&mut [0; 15])?;
/// client.write_all(b"Q\0\0\0\x06;\0")?;
/// client.read_to_end(&mut Vec::new())?;
/// # drop(client);
///
/// let journal = peer.finish()?;
/// let query = journal.requests().nth(1).expect("a query");
/// query.assert_bytes(b"Q\0\0\0\x06;\0");
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[must_use = "it is a description, for `Framing::length_prefixed`"]
pub struct LengthPrefix {
    pub(super) size: u8,
    pub(super) endian: Endian,
    pub(super) at: u32,
    pub(super) counts: Counts,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Endian {
    Big,
    Little,
}

/// Which bytes of its message a length counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Counts {
    /// Those that follow it.
    Rest,
    /// Its own, and those that follow it.
    Itself,
    All,
    AllBut(u32),
}

impl LengthPrefix {
    /// A length of `size` bytes, the most significant one first (network byte order).
    ///
    /// # Panics
    ///
    /// If `size` is not 1 to 8.
    pub fn big_endian(size: u8) -> Self {
        Self::new(size, Endian::Big)
    }

    /// A length of `size` bytes, the least significant one first.
    ///
    /// # Panics
    ///
    /// If `size` is not 1 to 8.
    pub fn little_endian(size: u8) -> Self {
        Self::new(size, Endian::Little)
    }

    fn new(size: u8, endian: Endian) -> Self {
        assert!(is_size(size), "a length has 1 to 8 bytes, not {size}");
        LengthPrefix { size, endian, at: 0, counts: Counts::Rest }
    }

    /// How many bytes of the message come before the length. Defaults to 0.
    ///
    /// What the length counts stays the same: bytes before it are not counted, unless
    /// [`counts_all`](Self::counts_all) or [`counts_all_but`](Self::counts_all_but) says so.
    pub fn at(mut self, offset: u32) -> Self {
        self.at = offset;
        self
    }

    /// The length counts its own bytes and those that follow it, but not those before it.
    pub fn counts_itself(self) -> Self {
        self.counting(Counts::Itself)
    }

    /// The length counts the whole message.
    pub fn counts_all(self) -> Self {
        self.counting(Counts::All)
    }

    /// The length counts the whole message but for `bytes` of it, wherever they are: a message has as many bytes more than its length
    /// says.
    pub fn counts_all_but(self, bytes: u32) -> Self {
        self.counting(Counts::AllBut(bytes))
    }

    pub(super) fn counting(mut self, counts: Counts) -> Self {
        self.counts = counts;
        self
    }

    /// Where the length ends in its message.
    pub(super) fn end(self) -> u64 {
        u64::from(self.at) + u64::from(self.size)
    }

    /// How many bytes a message has more than its length says.
    pub(super) fn uncounted(self) -> u64 {
        match self.counts {
            Counts::Rest => self.end(),
            Counts::Itself => self.at.into(),
            Counts::All => 0,
            Counts::AllBut(bytes) => bytes.into(),
        }
    }
}

pub(super) fn is_size(size: u8) -> bool {
    (1..=8).contains(&size)
}
