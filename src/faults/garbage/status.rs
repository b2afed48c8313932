//! Answers whose first line is wrong, or missing.

use super::message::{counted, message};
use crate::response::ending::Ending;
use crate::response::steps::Response;

/// A body without a head, as in HTTP/0.9.
///
/// `hello`
///
/// No status line (RFC 9112 section 4): [no rule](crate::garbage#where-there-is-no-rule). HTTP/1.1 has no way back to
/// HTTP/0.9; a client that still speaks it takes the bytes for a body.
pub fn http_0_9(body: impl AsRef<[u8]>) -> Response {
    message(&[body.as_ref()]).ending(Ending::Close)
}

/// The end of a head, and nothing before it.
///
/// `\r\n\r\n`
///
/// No status line (RFC 9112 section 4): [no rule](crate::garbage#where-there-is-no-rule). Empty lines in front are
/// something that section 2.2 lets servers ignore, not clients; a client that skips them gets no answer.
pub fn empty_head() -> Response {
    message(&[b"\r\n\r\n"]).ending(Ending::Close)
}

/// A status line that ends with the space after its code. This one is correct, and often refused.
///
/// `HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\nhello`
///
/// RFC 9112 section 4: the reason phrase is optional, the space before it is not. A client gets the body.
pub fn reason_phrase_empty(body: impl AsRef<[u8]>) -> Response {
    answer(b"HTTP/1.1 200 ", body.as_ref())
}

/// A status line that ends with its code, without the space that goes there.
///
/// `HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello`
///
/// RFC 9112 section 4: a server MUST send the space. A client MAY read the line word by word instead, and then gets
/// the body.
pub fn reason_phrase_missing(body: impl AsRef<[u8]>) -> Response {
    answer(b"HTTP/1.1 200", body.as_ref())
}

/// More spaces in the status line than there should be.
///
/// `HTTP/1.1  200   OK\r\nContent-Length: 5\r\n\r\nhello`
///
/// RFC 9112 section 4: the parts are separated by a single space each. A client MAY read the line word by word
/// instead, and then gets the body.
pub fn status_line_extra_spaces(body: impl AsRef<[u8]>) -> Response {
    answer(b"HTTP/1.1  200   OK", body.as_ref())
}

/// A status line without its code.
///
/// `HTTP/1.1 OK\r\nContent-Length: 5\r\n\r\nhello`
///
/// RFC 9112 section 4 asks for a code; [no rule](crate::garbage#where-there-is-no-rule) for a client without it.
pub fn status_code_missing(body: impl AsRef<[u8]>) -> Response {
    answer(b"HTTP/1.1 OK", body.as_ref())
}

/// A status code of letters that look like digits.
///
/// `HTTP/1.1 2OO OK\r\nContent-Length: 5\r\n\r\nhello`
///
/// RFC 9112 section 4: three digits. [No rule](crate::garbage#where-there-is-no-rule) for a client that finds none; to
/// take the `2` for the code is no recovery.
pub fn status_code_not_a_number(body: impl AsRef<[u8]>) -> Response {
    answer(b"HTTP/1.1 2OO OK", body.as_ref())
}

/// A status code with a sign.
///
/// `HTTP/1.1 -200 OK\r\nContent-Length: 5\r\n\r\nhello`
///
/// RFC 9112 section 4: three digits. A client that takes it for a number SHOULD treat that as a 5xx, since it is not
/// within 100 to 599 (RFC 9110 section 15).
pub fn status_code_negative(body: impl AsRef<[u8]>) -> Response {
    answer(b"HTTP/1.1 -200 OK", body.as_ref())
}

/// A status code of two digits.
///
/// `HTTP/1.1 20 OK\r\nContent-Length: 5\r\n\r\nhello`
///
/// RFC 9112 section 4: three digits. A client that takes it for a number SHOULD treat that as a 5xx, since it is not
/// within 100 to 599 (RFC 9110 section 15).
pub fn status_code_two_digits(body: impl AsRef<[u8]>) -> Response {
    answer(b"HTTP/1.1 20 OK", body.as_ref())
}

/// A status code of four digits, of which three would be fine.
///
/// `HTTP/1.1 2000 OK\r\nContent-Length: 5\r\n\r\nhello`
///
/// RFC 9112 section 4: three digits. A client that takes it for a number SHOULD treat that as a 5xx, since it is not
/// within 100 to 599 (RFC 9110 section 15).
pub fn status_code_four_digits(body: impl AsRef<[u8]>) -> Response {
    answer(b"HTTP/1.1 2000 OK", body.as_ref())
}

/// A status code of three digits that no class has.
///
/// `HTTP/1.1 999 Odd\r\nContent-Length: 5\r\n\r\nhello`
///
/// RFC 9110 section 15: codes are within 100 to 599; a client SHOULD treat others as a 5xx.
pub fn status_code_out_of_range(body: impl AsRef<[u8]>) -> Response {
    answer(b"HTTP/1.1 999 Odd", body.as_ref())
}

/// A right answer but for its version, which is sent as it is.
///
/// `HTTP/3.7 200 OK\r\nContent-Length: 5\r\n\r\nhello`
///
/// | version | a client of HTTP/1.1 |
/// |---|---|
/// | `HTTP/1.2` | SHOULD read it as HTTP/1.1 (RFC 9110 section 6.2), and gets the body |
/// | `HTTP/2.0`, `HTTP/3.7` | the first digit stands for the syntax of the message (RFC 9110 section 2.5), which it does not know: [no rule](crate::garbage#where-there-is-no-rule) |
/// | `HTTPS/1.1`, `http/1.1` | the name is `HTTP`, in capitals (RFC 9112 section 2.3): [no rule](crate::garbage#where-there-is-no-rule) |
/// | `HTTP/1`, `HTTP/1.10`, `HTTP/11` | a digit, a dot, a digit (RFC 9112 section 2.3): [no rule](crate::garbage#where-there-is-no-rule) |
pub fn wrong_version(version: impl AsRef<[u8]>, body: impl AsRef<[u8]>) -> Response {
    answer(&[version.as_ref(), b" 200 OK"].concat(), body.as_ref())
}

/// A NUL byte in the reason phrase.
///
/// `HTTP/1.1 200 O\x00K\r\nContent-Length: 5\r\n\r\nhello`
///
/// RFC 9112 section 4: a reason phrase is of visible characters, spaces, tabs and bytes above 127; a client SHOULD
/// ignore what it says. [No rule](crate::garbage#where-there-is-no-rule) for other bytes; a string of C ends there.
pub fn nul_in_status_line(body: impl AsRef<[u8]>) -> Response {
    answer(b"HTTP/1.1 200 O\0K", body.as_ref())
}

/// A CR without its LF in the reason phrase.
///
/// `HTTP/1.1 200 O\rK\r\nContent-Length: 5\r\n\r\nhello`
///
/// RFC 9112 section 2.2: a client MUST take the line for invalid, or put a space in the CR's place. It is no line end.
pub fn bare_cr_in_status_line(body: impl AsRef<[u8]>) -> Response {
    answer(b"HTTP/1.1 200 O\rK", body.as_ref())
}

/// A right answer but for its first line.
fn answer(status_line: &[u8], body: &[u8]) -> Response {
    message(&[status_line, b"\r\n", &counted(body)])
}
