//! Answers with wrong chunks. All have the same correct head.

use super::message::message;
use crate::response::ending::Ending;
use crate::response::steps::Response;

/// A chunk size that is a word.
///
/// `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nmany\r\nhello\r\n0\r\n\r\n`
///
/// Hexadecimal digits alone are valid (RFC 9112 section 7.1). A client MUST record the message as incomplete
/// (section 8).
pub fn chunk_size_not_hex(body: impl AsRef<[u8]>) -> Response {
    sized("many", body.as_ref())
}

/// An empty line in the place of a chunk size.
///
/// `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\nhello\r\n0\r\n\r\n`
///
/// One digit at the least is valid (RFC 9112 section 7.1). A client MUST record the message as incomplete (section 8);
/// one that takes it for 0 loses the body.
pub fn chunk_size_empty(body: impl AsRef<[u8]>) -> Response {
    sized("", body.as_ref())
}

/// A chunk size below zero.
///
/// `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n`
///
/// Hexadecimal digits alone are valid (RFC 9112 section 7.1). A client MUST record the message as incomplete
/// (section 8).
pub fn chunk_size_negative(body: impl AsRef<[u8]>) -> Response {
    let body = body.as_ref();
    sized(&format!("-{:x}", body.len()), body)
}

/// A chunk size with a plus sign, which many a function for numbers takes.
///
/// `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n`
///
/// Hexadecimal digits alone are valid (RFC 9112 section 7.1). A client MUST record the message as incomplete
/// (section 8).
pub fn chunk_size_plus(body: impl AsRef<[u8]>) -> Response {
    let body = body.as_ref();
    sized(&format!("+{:x}", body.len()), body)
}

/// A chunk size as one writes it in a program, which many a function for numbers takes. Read digit by digit it is 0.
///
/// `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n`
///
/// Hexadecimal digits alone are valid (RFC 9112 section 7.1). A client MUST record the message as incomplete
/// (section 8).
pub fn chunk_size_0x(body: impl AsRef<[u8]>) -> Response {
    let body = body.as_ref();
    sized(&format!("{:#x}", body.len()), body)
}

/// A space after a chunk size, as some servers pad it.
///
/// `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n`
///
/// Whitespace may come there only before the semicolon of an extension (RFC 9112 section 7.1.1). A client for which
/// decoding fails MUST record the message as incomplete (section 8); it MAY pass over the space (RFC 9110 section
/// 2.4).
pub fn chunk_size_then_space(body: impl AsRef<[u8]>) -> Response {
    let body = body.as_ref();
    sized(&format!("{:x} ", body.len()), body)
}

/// A chunk size 2⁶⁴ larger than the chunk: what is left of it in 64 bits is the chunk's size.
///
/// `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000005\r\nhello\r\n0\r\n\r\n`
///
/// The number is valid; a client MUST anticipate large ones, and prevent errors by an overflow (RFC 9112 section 7.1).
/// It MUST record the message as incomplete (section 8).
pub fn chunk_size_overflow(body: impl AsRef<[u8]>) -> Response {
    let body = body.as_ref();
    sized(&format!("{:x}", (1_u128 << 64) + body.len() as u128), body).ending(Ending::Close)
}

/// The largest chunk size of 64 bits, which is -1 where they have a sign; then the connection closes.
///
/// `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nhello\r\n0\r\n\r\n`
///
/// The number is valid; a client MUST anticipate large ones, and prevent errors by an overflow (RFC 9112 section 7.1).
/// It MUST record the message as incomplete (section 8). Nobody should reserve memory by it (RFC 9110 section 17.5).
pub fn chunk_size_huge(body: impl AsRef<[u8]>) -> Response {
    sized("ffffffffffffffff", body.as_ref()).ending(Ending::Close)
}

/// Line ends of LF alone in the chunked body.
///
/// `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\n0\n\n`
///
/// What RFC 9112 section 2.2 allows for the lines of a head is not said of chunks, which have CRLF (section 7.1). A
/// client for which decoding fails MUST record the message as incomplete (section 8).
pub fn chunk_lines_lf_only(body: impl AsRef<[u8]>) -> Response {
    let body = body.as_ref();
    chunked(&[format!("{:x}\n", body.len()).as_bytes(), body, b"\n0\n\n"])
}

/// A chunk with one byte more than its size says.
///
/// `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n0\r\n\r\n`
///
/// CRLF follows as many bytes as the size says (RFC 9112 section 7.1). A client MUST record the message as
/// incomplete (section 8).
pub fn chunk_longer_than_size(body: impl AsRef<[u8]>) -> Response {
    let body = body.as_ref();
    chunked(&[format!("{:x}\r\n", body.len()).as_bytes(), body, b"!\r\n0\r\n\r\n"])
}

/// A chunk with one byte less than its size says, so that its CR belongs to it.
///
/// `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nhello\r\n0\r\n\r\n`
///
/// CRLF follows as many bytes as the size says (RFC 9112 section 7.1). A client MUST record the message as
/// incomplete (section 8).
pub fn chunk_shorter_than_size(body: impl AsRef<[u8]>) -> Response {
    let body = body.as_ref();
    sized(&format!("{:x}", body.len() + 1), body)
}

/// A chunk without the CRLF after its data.
///
/// `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello0\r\n\r\n`
///
/// CRLF follows the data (RFC 9112 section 7.1). A client MUST record the message as incomplete (section 8).
pub fn chunk_without_crlf(body: impl AsRef<[u8]>) -> Response {
    let body = body.as_ref();
    chunked(&[format!("{:x}\r\n", body.len()).as_bytes(), body, b"0\r\n\r\n"])
}

/// A chunk that is cut off: the connection closes one byte before the end of its data.
///
/// `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nhello`
///
/// RFC 9112 section 8: a client MUST record the message as incomplete.
pub fn chunk_cut_off(body: impl AsRef<[u8]>) -> Response {
    let body = body.as_ref();
    chunked(&[format!("{:x}\r\n", body.len() + 1).as_bytes(), body]).ending(Ending::Close)
}

/// No last chunk, which has size 0: the connection closes after a complete chunk.
///
/// `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`
///
/// RFC 9112 section 8: the body is incomplete, and a client MUST record the message so.
pub fn last_chunk_missing(body: impl AsRef<[u8]>) -> Response {
    let body = body.as_ref();
    chunked(&[format!("{:x}\r\n", body.len()).as_bytes(), body, b"\r\n"]).ending(Ending::Close)
}

/// No empty line after the last chunk: the connection closes before it.
///
/// `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n`
///
/// The empty line ends the coding (RFC 9112 section 7.1). All of the body is there: what makes it incomplete is that
/// there is no last chunk (section 8), and here is one. Clients differ.
pub fn last_line_missing(body: impl AsRef<[u8]>) -> Response {
    let body = body.as_ref();
    let size = format!("{:x}\r\n", body.len());
    chunked(&[size.as_bytes(), body, b"\r\n0\r\n"]).ending(Ending::Close)
}

/// A trailer that is cut off: the connection closes within its first field.
///
/// `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Checksum: 5d4`
///
/// As with [`last_line_missing`] all of the body is there, and clients differ. None may take `5d4` for the value of a
/// field, which ends with its line (RFC 9112 section 7.1.2).
pub fn trailer_cut_off(body: impl AsRef<[u8]>) -> Response {
    let body = body.as_ref();
    let size = format!("{:x}\r\n", body.len());
    chunked(&[size.as_bytes(), body, b"\r\n0\r\nX-Checksum: 5d4"]).ending(Ending::Close)
}

/// A chunk extension in due form, with what else ends a chunk size in its quotes. This one is right, and often
/// refused.
///
/// `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;note="a;b=0"\r\nhello\r\n0\r\n\r\n`
///
/// RFC 9112 section 7.1.1: a client MUST ignore an extension that it does not know, and gets the body.
pub fn chunk_extension(body: impl AsRef<[u8]>) -> Response {
    let body = body.as_ref();
    sized(&format!("{:x};note=\"a;b=0\"", body.len()), body)
}

/// A chunk extension without a name, whose quotes are not closed.
///
/// `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;="a\r\nhello\r\n0\r\n\r\n`
///
/// Not in the grammar of RFC 9112 section 7.1.1. A client for which decoding fails MUST record the message as
/// incomplete (section 8); it MAY pass over the rest of the line (RFC 9110 section 2.4), but not over the line end.
pub fn chunk_extension_malformed(body: impl AsRef<[u8]>) -> Response {
    let body = body.as_ref();
    sized(&format!("{:x};=\"a", body.len()), body)
}

/// A right answer in one chunk but for its size.
fn sized(size: &str, body: &[u8]) -> Response {
    chunked(&[size.as_bytes(), b"\r\n", body, b"\r\n0\r\n\r\n"])
}

fn chunked(parts: &[&[u8]]) -> Response {
    message(&[b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", &parts.concat()])
}
