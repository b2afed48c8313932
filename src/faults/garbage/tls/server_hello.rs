//! A `ServerHello` that a client has to refuse, or that stops.

use super::{HANDSHAKE, after_hello, record};
use crate::response::steps::Response;

/// Thirty-two bytes that are random elsewhere.
const RANDOM: &[u8; 32] = b"fake-peer fake-peer fake-peer no";

/// `TLS_RSA_WITH_AES_128_CBC_SHA`, which clients of old versions know (RFC 3268), and one that clients offer for TLS 1.2:
/// `TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256`.
const OLD_SUITE: u16 = 0x002f;
const SUITE: u16 = 0xc02f;

const TLS_1_2: u16 = 0x0303;

/// A `ServerHello` of SSL 3.0, then a close.
///
/// `\x16\x03\0\0*\x02\0\0&\x03\0` … `\0\0/\0`: its version is 0x0300 in the record and in the message, its cipher suite
/// `TLS_RSA_WITH_AES_128_CBC_SHA`; it has no session and no extension.
///
/// RFC 8446 appendix D.5: a client MUST end with `protocol_version`, and MUST NOT negotiate SSL 3.0 for any reason.
pub fn ssl_3_0() -> Response {
    old(0x0300)
}

/// A `ServerHello` of TLS 1.0, then a close.
///
/// `\x16\x03\x01\0*\x02\0\0&\x03\x01` … `\0\0/\0`, otherwise as [`ssl_3_0`].
///
/// RFC 8996 section 4: a client MUST NOT negotiate TLS 1.0, and MUST end with `protocol_version`. One that does goes on, and finds the
/// end of the stream where the certificate should be.
pub fn tls_1_0() -> Response {
    old(0x0301)
}

/// A `ServerHello` of TLS 1.1, then a close.
///
/// `\x16\x03\x02\0*\x02\0\0&\x03\x02` … `\0\0/\0`, otherwise as [`ssl_3_0`].
///
/// RFC 8996 section 5: a client MUST NOT negotiate TLS 1.1, and MUST end with `protocol_version`.
pub fn tls_1_1() -> Response {
    old(0x0302)
}

/// A `ServerHello` of TLS 1.2 that says that its server knows TLS 1.3, as if an attacker had altered what the client offered; then a
/// close.
///
/// `\x16\x03\x03\0*\x02\0\0&\x03\x03` … `DOWNGRD\x01\0\xc0/\0`: the last eight bytes of its random value are those of RFC 8446
/// section 4.1.3; its cipher suite is `TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256`.
///
/// RFC 8446 section 4.1.3: a client that offers TLS 1.3 MUST end with `illegal_parameter`.
pub fn downgrade() -> Response {
    let mut random = *RANDOM;
    random[24..].copy_from_slice(b"DOWNGRD\x01");
    hello(TLS_1_2, &random, SUITE)
}

/// A `ServerHello` of TLS 1.2 with a cipher suite that no client offers, `TLS_NULL_WITH_NULL_NULL`; then a close.
///
/// `\x16\x03\x03\0*\x02\0\0&\x03\x03` … `\0\0\0\0`
///
/// RFC 8446 section 4.1.3: a client MUST end with `illegal_parameter`. RFC 5246 appendix A.5: this one MUST NOT be negotiated.
pub fn cipher_suite_not_offered() -> Response {
    hello(TLS_1_2, RANDOM, 0)
}

/// A whole record with the first half of a `ServerHello`, then a close.
///
/// `\x16\x03\x03\0\x15\x02\0\0&\x03\x03fake-peer fake-`
///
/// RFC 8446 section 6.1: without `close_notify`, a client cannot know that it got all that was sent. With
/// [`Ending::Hold`](crate::Ending::Hold) the client waits for the other half.
pub fn server_hello_stops() -> Response {
    let message = message(TLS_1_2, RANDOM, SUITE);
    after_hello(&record(HANDSHAKE, TLS_1_2, &message[..message.len() / 2]))
}

/// A `ServerHello` whose record breaks off in its middle, then a close.
///
/// `\x16\x03\x03\0*\x02\0\0&\x03\x03fake-peer fake-`
///
/// As [`server_hello_stops`]. [`Response::cut`] breaks it off elsewhere.
pub fn half_record() -> Response {
    let message = message(TLS_1_2, RANDOM, SUITE);
    let whole = record(HANDSHAKE, TLS_1_2, &message);
    after_hello(&whole[..whole.len() - message.len() / 2])
}

/// The first three bytes of a record, then a close.
///
/// `\x16\x03\x03`
///
/// As [`server_hello_stops`].
pub fn half_header() -> Response {
    after_hello(&[HANDSHAKE, 3, 3])
}

fn old(version: u16) -> Response {
    hello(version, RANDOM, OLD_SUITE)
}

fn hello(version: u16, random: &[u8; 32], suite: u16) -> Response {
    after_hello(&record(HANDSHAKE, version, &message(version, random, suite)))
}

/// A `ServerHello` without a session, compression and extensions: 42 bytes.
fn message(version: u16, random: &[u8; 32], suite: u16) -> Vec<u8> {
    let (version, suite) = (version.to_be_bytes(), suite.to_be_bytes());
    [b"\x02\0\0\x26", &version[..], random, b"\0", &suite, b"\0"].concat()
}
