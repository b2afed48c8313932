//! Records that have no place in a handshake.

use super::{HANDSHAKE, after_hello, record};
use crate::response::steps::Response;

const VERSION: u16 = 0x0303;

/// A record that is longer than any may be, all of it, then a close.
///
/// `\x16\x03\x03H\x01` and 18,433 zeros
///
/// RFC 8446 section 5.2: a record has at most 2^14 + 256 bytes, and a client MUST end with `record_overflow` what is longer. TLS 1.2
/// allowed 2^14 + 2048 (RFC 5246 section 6.2.3), which this is longer than, too. A client can do so when it has read the length,
/// before any of the zeros.
///
/// A record of another length is written by hand: `\x16\x03\x03A\x01` and 16,641 bytes have one more than TLS 1.3 allows.
pub fn oversized_record() -> Response {
    after_hello(&record(HANDSHAKE, VERSION, &vec![0; (1 << 14) + 2048 + 1]))
}

/// A record of a handshake without a byte in it, then a close.
///
/// `\x16\x03\x03\0\0`
///
/// RFC 8446 section 5.1: it MUST NOT be sent. [No rule](crate::garbage#where-there-is-no-rule) for a client that gets it.
pub fn empty_record() -> Response {
    after_hello(&record(HANDSHAKE, VERSION, b""))
}

/// A record of a type that does not exist, then a close.
///
/// `c\x03\x03\0\x05hello`
///
/// RFC 8446 section 5: a client MUST end with `unexpected_message`.
pub fn unknown_record_type() -> Response {
    after_hello(&record(99, VERSION, b"hello"))
}

/// Application data before any key was agreed on, then a close.
///
/// `\x17\x03\x03\0\x05hello`
///
/// RFC 8446 section 5: a client MUST end with `unexpected_message`.
pub fn application_data() -> Response {
    after_hello(&record(23, VERSION, b"hello"))
}

/// A `Finished`, which ends a handshake, as the first message of the server; then a close.
///
/// `\x16\x03\x03\0\x10\x14\0\0\x0c` and 12 zeros
///
/// RFC 8446 section 4: a client MUST end with `unexpected_message` what comes out of order.
pub fn finished_first() -> Response {
    let message = [&b"\x14\0\0\x0c"[..], &[0; 12]].concat();
    after_hello(&record(HANDSHAKE, VERSION, &message))
}
