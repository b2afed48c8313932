//! HTTP responses that are malformed on purpose, by name.
//!
//! Real servers send all of this, by mistake or in bad faith. Use one to test what your client does with it, or [`all`] of them to
//! test that it always ends well: with an error or an answer, and does not hang, crash, or make up an answer. Exactly the bytes
//! are sent that each constructor documents, with `hello` as the body.
//!
//! ```
//! use fake_peer::{Peer, garbage};
//! # use std::io::{Read, Write};
//! # fn get(peer: &Peer) -> std::io::Result<Vec<u8>> {
//! #     let mut client = std::net::TcpStream::connect(peer.addr())?;
//! #     client.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
//! #     let mut answer = Vec::new();
//! #     client.read_to_end(&mut answer)?;
//! #     Ok(answer)
//! # }
//!
//! # fn main() -> std::io::Result<()> {
//! let peer = Peer::answer(garbage::chunk_size_not_hex("hello"));
//! // The client under test; here by hand.
//! let answer = get(&peer)?;
//! assert!(answer.ends_with(b"\r\n\r\nmany\r\nhello\r\n0\r\n\r\n"));
//! # Ok(()) }
//! ```
//!
//! # All there is
//!
//! | what is wrong | constructors |
//! |---|---|
//! | no HTTP | [`nothing`], [`random`] bytes, [`smtp_greeting`], [`ssh_greeting`], [`tls_alert`] |
//! | no status line | [`empty_head`], [`http_0_9`] |
//! | version | [`wrong_version`] |
//! | status code | [`status_code_missing`], [`status_code_not_a_number`], [`status_code_negative`], [`status_code_two_digits`], [`status_code_four_digits`], [`status_code_out_of_range`] |
//! | rest of the status line | [`reason_phrase_empty`] ✓, [`reason_phrase_missing`], [`status_line_extra_spaces`], [`nul_in_status_line`], [`bare_cr_in_status_line`] |
//! | line ends of the head | [`lf_only`], [`cr_only`] |
//! | a field's name | [`space_before_colon`], [`colon_missing`], [`field_name_empty`], [`non_ascii_field_name`], [`whitespace_before_first_field`] |
//! | a field's value | [`bare_cr_in_field`], [`nul_in_field`], [`obs_fold`], [`non_ascii_field_value`] ✓ |
//! | Content-Length, a wrong number | [`content_length_too_long`], [`content_length_too_short`] |
//! | Content-Length, no number | [`content_length_negative`], [`content_length_plus`], [`content_length_not_a_number`], [`content_length_empty`], [`content_length_overflow`] |
//! | Content-Length, not alone | [`content_lengths_conflicting`], [`content_length_list_conflicting`], [`content_lengths_equal`], [`content_length_list`], [`content_length_and_chunked`] |
//! | Transfer-Encoding | [`transfer_encoding_unknown`], [`chunked_twice`], [`chunked_in_http_1_0`] |
//! | the size of a chunk | [`chunk_size_not_hex`], [`chunk_size_empty`], [`chunk_size_negative`], [`chunk_size_plus`], [`chunk_size_0x`], [`chunk_size_then_space`], [`chunk_size_overflow`], [`chunk_size_huge`] |
//! | the form of a chunk | [`chunk_longer_than_size`], [`chunk_shorter_than_size`], [`chunk_without_crlf`], [`chunk_lines_lf_only`], [`chunk_extension`] ✓, [`chunk_extension_malformed`] |
//! | the end of chunks | [`chunk_cut_off`], [`last_chunk_missing`], [`last_line_missing`], [`trailer_cut_off`] |
//! | more than was asked for | [`second_response`], [`surplus_after_last_chunk`], [`unexpected_101`] |
//! | a body where none can be | [`body_on_head`], [`body_on_204`], [`body_on_304`], [`body_on_100`] |
//! | too much | [`endless_head`], [`long_field`] ✓, [`many_fields`] ✓, [`long_reason_phrase`] ✓, [`long_chunk_extension`] ✓, [`informational`] ✓ |
//!
//! Those with a ✓ are correct, though unusual: a client that refuses them is too strict, or has a limit there.
//!
//! [`tls`] has what ends the handshake of a TLS client.
//!
//! What is missing here is easy to write: bytes of your own are a response, too. [`Response::cut`] breaks an answer off at any byte,
//! and [`Response::in_pieces`], [`throttle`](Response::throttle) and the [endings](crate::Ending) work with these responses as with
//! any other. Some mean something else with an empty body: a chunk of size 0 is the last one.
//!
//! # Where there is no rule
//!
//! MUST, SHOULD and MAY are quoted from RFC 9110 and RFC 9112, as they apply to clients. The RFCs say little about responses that do
//! not fit the grammar: RFC 9110 section 2.4 lets a client try to recover something usable, and does not require it. So it is
//! right to refuse such a response, and this is the safer way; it is also right to take the body where it is clear. It is wrong to
//! wait for ever, to panic, or to take bytes for an answer that they are not.
//!
//! # When the client hangs up
//!
//! A client that refuses an answer closes its connection, perhaps before it has received everything. This is no failure of the
//! exchange; [`Exchange::sent`](crate::Exchange::sent) is then less than [`Exchange::offered`](crate::Exchange::offered).

mod chunks;
mod fields;
mod length;
mod limits;
mod message;
mod noise;
mod status;
mod surplus;
pub mod tls;

use super::case::Case;
use crate::response::steps::Response;

pub use chunks::{
    chunk_cut_off, chunk_extension, chunk_extension_malformed, chunk_lines_lf_only,
    chunk_longer_than_size, chunk_shorter_than_size, chunk_size_0x, chunk_size_empty,
    chunk_size_huge, chunk_size_negative, chunk_size_not_hex, chunk_size_overflow, chunk_size_plus,
    chunk_size_then_space, chunk_without_crlf, last_chunk_missing, last_line_missing,
    trailer_cut_off,
};
pub use fields::{
    bare_cr_in_field, colon_missing, cr_only, field_name_empty, lf_only, non_ascii_field_name,
    non_ascii_field_value, nul_in_field, obs_fold, space_before_colon,
    whitespace_before_first_field,
};
pub use length::{
    chunked_in_http_1_0, chunked_twice, content_length_and_chunked, content_length_empty,
    content_length_list, content_length_list_conflicting, content_length_negative,
    content_length_not_a_number, content_length_overflow, content_length_plus,
    content_length_too_long, content_length_too_short, content_lengths_conflicting,
    content_lengths_equal, transfer_encoding_unknown,
};
pub use limits::{
    endless_head, informational, long_chunk_extension, long_field, long_reason_phrase, many_fields,
};
pub use noise::{nothing, random, smtp_greeting, ssh_greeting, tls_alert};
pub use status::{
    bare_cr_in_status_line, empty_head, http_0_9, nul_in_status_line, reason_phrase_empty,
    reason_phrase_missing, status_code_four_digits, status_code_missing, status_code_negative,
    status_code_not_a_number, status_code_out_of_range, status_code_two_digits,
    status_line_extra_spaces, wrong_version,
};
pub use surplus::{
    body_on_100, body_on_204, body_on_304, body_on_head, second_response, surplus_after_last_chunk,
    unexpected_101,
};

/// One of each, most with the body `hello`, each at most 64 KiB. The name of a case is the call that makes it again, so that a
/// failing test shows how to repeat it.
///
/// New versions of this crate may add cases; the bytes of a name never change.
///
/// ```
/// use fake_peer::{Peer, faults, garbage};
/// # use std::io::{Read, Write};
/// # fn get(peer: &Peer) -> std::io::Result<Vec<u8>> {
/// #     let mut client = std::net::TcpStream::connect(peer.addr())?;
/// #     client.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
/// #     let mut answer = Vec::new();
/// #     client.read_to_end(&mut answer)?;
/// #     Ok(answer)
/// # }
///
/// # fn main() -> Result<(), fake_peer::Error> {
/// // The first one's name is `garbage::nothing()`.
/// faults::sweep(garbage::all(), |case, peer| {
///     // The client under test; this one takes everything.
///     let answer = get(peer);
///     assert!(answer.is_ok(), "{case}: {answer:?}");
/// })?;
/// # Ok(()) }
/// ```
pub fn all() -> impl ExactSizeIterator<Item = Case> {
    CASES.iter().map(|(name, make)| Case::new(*name, make()))
}

/// The constructors' calls, as code and as text.
macro_rules! cases {
    ($($constructor:ident($($argument:literal),*);)*) => {
        &[$((
            concat!("garbage::", stringify!($constructor), "(", stringify!($($argument),*), ")"),
            || $constructor($($argument),*),
        )),*]
    };
}

/// A case's name, and how it is made.
type Named = (&'static str, fn() -> Response);

/// In the order of the table above.
const CASES: &[Named] = cases! {
    nothing();
    random(1, 0);
    random(1000, 1);
    random(1000, 2);
    smtp_greeting();
    ssh_greeting();
    tls_alert();

    empty_head();
    http_0_9("hello");
    wrong_version("HTTP/1.2", "hello");
    wrong_version("HTTP/2.0", "hello");
    wrong_version("HTTP/3.7", "hello");
    wrong_version("HTTPS/1.1", "hello");
    wrong_version("http/1.1", "hello");
    wrong_version("HTTP/1", "hello");
    wrong_version("HTTP/1.10", "hello");
    wrong_version("HTTP/11", "hello");
    status_code_missing("hello");
    status_code_not_a_number("hello");
    status_code_negative("hello");
    status_code_two_digits("hello");
    status_code_four_digits("hello");
    status_code_out_of_range("hello");
    reason_phrase_empty("hello");
    reason_phrase_missing("hello");
    status_line_extra_spaces("hello");
    nul_in_status_line("hello");
    bare_cr_in_status_line("hello");

    lf_only("hello");
    cr_only("hello");
    space_before_colon("hello");
    colon_missing("hello");
    field_name_empty("hello");
    non_ascii_field_name("hello");
    whitespace_before_first_field("hello");
    bare_cr_in_field("hello");
    nul_in_field("hello");
    obs_fold("hello");
    non_ascii_field_value("hello");

    content_length_too_long("hello");
    content_length_too_short("hello");
    content_length_negative("hello");
    content_length_plus("hello");
    content_length_not_a_number("hello");
    content_length_empty("hello");
    content_length_overflow("hello");
    content_lengths_conflicting("hello");
    content_length_list_conflicting("hello");
    content_lengths_equal("hello");
    content_length_list("hello");
    content_length_and_chunked("hello");
    transfer_encoding_unknown("hello");
    chunked_twice("hello");
    chunked_in_http_1_0("hello");

    chunk_size_not_hex("hello");
    chunk_size_empty("hello");
    chunk_size_negative("hello");
    chunk_size_plus("hello");
    chunk_size_0x("hello");
    chunk_size_then_space("hello");
    chunk_size_overflow("hello");
    chunk_size_huge("hello");
    chunk_longer_than_size("hello");
    chunk_shorter_than_size("hello");
    chunk_without_crlf("hello");
    chunk_lines_lf_only("hello");
    chunk_extension("hello");
    chunk_extension_malformed("hello");
    chunk_cut_off("hello");
    last_chunk_missing("hello");
    last_line_missing("hello");
    trailer_cut_off("hello");

    second_response("hello");
    surplus_after_last_chunk("hello");
    unexpected_101("hello");
    body_on_head("hello");
    body_on_204("hello");
    body_on_304("hello");
    body_on_100("hello");

    endless_head(10);
    endless_head(65536);
    long_field(65000);
    many_fields(1000);
    long_reason_phrase(65000);
    long_chunk_extension(65000);
    informational(1);
    informational(100);
};

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCES: [&str; 7] = [
        include_str!("chunks.rs"),
        include_str!("fields.rs"),
        include_str!("length.rs"),
        include_str!("limits.rs"),
        include_str!("noise.rs"),
        include_str!("status.rs"),
        include_str!("surplus.rs"),
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
            let call = format!("garbage::{name}(");
            assert!(CASES.iter().any(|(case, _)| case.starts_with(&call)), "{name}: not in `all`");
            let is_in_table = here
                .lines()
                .any(|line| line.starts_with("//! |") && line.contains(&format!("[`{name}`]")));
            assert!(is_in_table, "{name}: not in the table");
            constructors += 1;
        }
        assert!(constructors > 60, "only {constructors} were found");
    }
}
