//! Answers with which a TLS handshake ends badly, by name. They need no TLS library, no certificate and no cargo feature.
//!
//! Each is a [`Response`] to a `ClientHello`, the first message of a TLS client. Use one to test what your client reports, or [`all`] of
//! them to test that it always ends with an error:
//!
//! ```
//! use fake_peer::Peer;
//! use fake_peer::garbage::tls::{self, Alert};
//! # use std::io::{Read, Write};
//! # use std::time::Duration;
//! # /// Says what it wants, and reads an answer, as a client of TLS does.
//! # fn connect(peer: &Peer) -> Result<(), String> {
//! #     let hello = [&b"\x16\x03\x01\0\x4a\x01\0\0\x46\x03\x03"[..], &[7; 32], b"\0\0\x02\x13\x01\x01\0\0\x1b",
//! #         b"\0\0\0\x0e\0\x0c\0\0\x09localhost", b"\0\x2b\0\x05\x04\x03\x04\x03\x03"].concat();
//! #     let mut client = std::net::TcpStream::connect(peer.addr()).unwrap();
//! #     client.write_all(&hello).unwrap();
//! #     let mut answer = Vec::new();
//! #     client.read_to_end(&mut answer).unwrap();
//! #     Err(format!("received fatal alert: {}", if answer[6] == 48 { "UnknownCA" } else { "another one" }))
//! # }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let peer = Peer::answer(tls::alert(Alert::UnknownCa));
//! // The client under test connects to `https://localhost:PORT`, with `peer.port()`.
//! let error = connect(&peer).unwrap_err();
//! assert!(error.contains("UnknownCA"), "{error}");
//!
//! // What it asked for is in the journal.
//! let exchange = peer.take(Duration::from_secs(10))?;
//! let hello = exchange.request().client_hello().expect("a ClientHello");
//! assert_eq!(hello.server_name(), Some("localhost"));
//! assert_eq!(hello.versions(), [0x0304, 0x0303]);
//! # Ok(()) }
//! ```
//!
//! The journal shows it in words:
//!
//! ```text
//! connection 1 from 127.0.0.1:59550, closed by the client at 2.17ms
//!   exchange 1: 517 bytes of request, complete; 7 of 7 bytes of response
//!     ClientHello for localhost; ALPN h2, http/1.1; TLS 1.3, TLS 1.2
//!     > \x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03…
//!     < \x15\x03\x03\x00\x02\x020
//! ```
//!
//! # All there is
//!
//! | what is wrong | constructors |
//! |---|---|
//! | an alert | [`alert`] with each [`Alert`], [`unrecognized_name_warning`], [`unknown_alert`], [`half_alert`] |
//! | no TLS | [`plain_http`], [`close`], [`reset`], [`silence`] |
//! | an old version | [`ssl_3_0`], [`tls_1_0`], [`tls_1_1`] |
//! | a `ServerHello` that is not acceptable | [`downgrade`], [`cipher_suite_not_offered`] |
//! | a `ServerHello` that stops | [`server_hello_stops`], [`half_record`], [`half_header`] |
//! | a record | [`oversized_record`], [`empty_record`], [`unknown_record_type`], [`application_data`], [`finished_first`] |
//!
//! All but [`silence`] and [`reset`] end with [`Ending::Close`](crate::Ending::Close); [`Response::ending`] changes that, and
//! [`Response::cut`], [`in_pieces`](Response::in_pieces) and [`pause`](Response::pause) work as with any response. Other
//! [`garbage`](crate::garbage) is no TLS either: [`smtp_greeting`](super::smtp_greeting), [`random`](super::random) bytes. A handshake that
//! succeeds up to a point needs keys and certificates: the module `tls` of this crate has them, with the feature `tls`.
//!
//! # Which bytes are the request
//!
//! The whole `ClientHello`, in however many records and TCP segments it comes: these responses wait for it
//! ([`Response::after`]`(`[`Framing::client_hello`]`())`). Where the peer's own [framing](crate::TcpServerBuilder::framing) decides, in the
//! answers of closures and at later turns of a connection (STARTTLS), give it that framing: `.then(Framing::client_hello())` in the
//! response before. [`Framing::tls_record`] is right for a client whose `ClientHello` is one record, as nearly all are. If it is more,
//! the request is its first record, the answer comes at once, and the others are [trailing bytes](crate::Exchange::trailing).
//!
//! # What a client does
//!
//! MUST is quoted from the RFCs, as it applies to clients. The alert that a client has to send ("end with `protocol_version`") is in the
//! exchange's [trailing bytes](crate::Exchange::trailing): `\x15`, the version, `\0\x02\x02`, and the number of the [`Alert`]. Whatever it sends,
//! the handshake must fail, at once, and no request of HTTP may follow. A client that passes over a warning waits for a `ServerHello`: it
//! finds the end of the stream, or with [`Ending::Hold`](crate::Ending::Hold) nothing.
//!
#![doc = include_str!("clients.md")]

mod alert;
mod no_tls;
mod records;
mod server_hello;

pub use alert::{Alert, alert, half_alert, unknown_alert, unrecognized_name_warning};
pub use no_tls::{close, plain_http, reset, silence};
pub use records::{
    application_data, empty_record, finished_first, oversized_record, unknown_record_type,
};
pub use server_hello::{
    cipher_suite_not_offered, downgrade, half_header, half_record, server_hello_stops, ssl_3_0,
    tls_1_0, tls_1_1,
};

use super::Case;
use crate::framing::rule::Framing;
use crate::response::steps::Response;

/// The type of a record with handshake messages (RFC 8446 section 5.1).
const HANDSHAKE: u8 = 22;

/// One of each but [`silence`], with every alert. The name of a case is the call that makes it again.
///
/// New versions of this crate may add cases; the bytes of a name never change.
///
/// ```
/// use fake_peer::{faults, garbage};
/// # use std::io::{ErrorKind, Read, Write};
///
/// # fn main() -> Result<(), fake_peer::Error> {
/// faults::sweep(garbage::tls::all(), |case, peer| {
///     // The client under test; this one has no idea of TLS.
///     let mut client = std::net::TcpStream::connect(peer.addr()).unwrap();
///     client.write_all(b"\x16\x03\x01\0\x04\x01\0\0\0").unwrap();
///     let end = client.read_to_end(&mut Vec::new());
///     let is_reset = end.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset);
///     assert_eq!(is_reset, case.name() == "garbage::tls::reset()", "{case}");
/// })?;
/// # Ok(()) }
/// ```
pub fn all() -> impl Iterator<Item = Case> {
    let alerts = Alert::ALL
        .iter()
        .map(|&which| Case::new(format!("garbage::tls::alert(Alert::{which:?})"), alert(which)));
    let others = OTHERS.iter().filter(|(name, _)| *name != "silence");
    alerts.chain(others.map(|(name, make)| Case::new(format!("garbage::tls::{name}()"), make())))
}

/// The short names of all, as the program takes them: `unknown_ca`, `plain_http`.
#[cfg(feature = "cli")]
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    Alert::ALL.iter().map(|alert| alert.name()).chain(OTHERS.iter().map(|(name, _)| *name))
}

/// The one with this short name.
#[cfg(feature = "cli")]
pub(crate) fn named(name: &str) -> Option<Response> {
    let is_meant = |alert: &&Alert| alert.name() == name;
    if let Some(&which) = Alert::ALL.iter().find(is_meant) {
        return Some(alert(which));
    }
    OTHERS.iter().find(|(other, _)| *other == name).map(|(_, make)| make())
}

/// The constructors, as code and as text.
macro_rules! constructors {
    ($($constructor:ident,)*) => {
        &[$((stringify!($constructor), $constructor),)*]
    };
}

/// A constructor's name, and the constructor.
type Named = (&'static str, fn() -> Response);

/// Those that are no alert of the standards, in the order of the table above.
const OTHERS: &[Named] = constructors! {
    unrecognized_name_warning,
    unknown_alert,
    half_alert,
    plain_http,
    close,
    reset,
    silence,
    ssl_3_0,
    tls_1_0,
    tls_1_1,
    downgrade,
    cipher_suite_not_offered,
    server_hello_stops,
    half_record,
    half_header,
    oversized_record,
    empty_record,
    unknown_record_type,
    application_data,
    finished_first,
};

/// These bytes as the answer to a `ClientHello`.
fn after_hello(bytes: &[u8]) -> Response {
    Response::from(bytes.to_vec()).after(Framing::client_hello())
}

/// A record (RFC 8446 section 5.1). The fragment is shorter than 64 KiB.
fn record(kind: u8, version: u16, fragment: &[u8]) -> Vec<u8> {
    let length = u16::try_from(fragment.len()).expect("the constructors know their lengths");
    [&[kind][..], &version.to_be_bytes(), &length.to_be_bytes(), fragment].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCES: [&str; 4] = [
        include_str!("alert.rs"),
        include_str!("no_tls.rs"),
        include_str!("records.rs"),
        include_str!("server_hello.rs"),
    ];

    #[test]
    fn each_constructor_is_among_all_and_in_the_table() {
        let here = include_str!("mod.rs");
        let mut constructors = 0;
        for line in SOURCES.iter().flat_map(|source| source.lines()) {
            let Some((name, _)) =
                line.strip_prefix("pub fn ").and_then(|rest| rest.split_once('('))
            else {
                continue;
            };
            let is_there = name == "alert" || OTHERS.iter().any(|(other, _)| *other == name);
            assert!(is_there, "{name}: not among `OTHERS`");
            let is_in_table = here
                .lines()
                .any(|line| line.starts_with("//! |") && line.contains(&format!("[`{name}`]")));
            assert!(is_in_table, "{name}: not in the table");
            constructors += 1;
        }
        assert_eq!(constructors, OTHERS.len() + 1);
    }

    #[test]
    fn alerts_are_in_the_order_of_their_numbers_and_each_once() {
        assert!(Alert::ALL.is_sorted_by_key(|alert| alert.code()));
        let codes: std::collections::HashSet<_> =
            Alert::ALL.iter().map(|alert| alert.code()).collect();
        assert_eq!(codes.len(), Alert::ALL.len());
    }
}
