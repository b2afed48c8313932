//! The head of an HTTP/1 request or response: where it ends, its first line, its fields. What the fields say about a body is in
//! `body`.
//!
//! More tolerant than a strict parser on purpose: requests are framed and shown as they were sent. A lone LF ends a line
//! (RFC 9112 section 2.2), and a malformed field does not hide the others.

use std::io::BufRead;
use std::str;

/// The request methods of RFC 9110 section 9.3, and PATCH (RFC 5789).
const METHODS: [&[u8]; 9] =
    [b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"CONNECT", b"OPTIONS", b"TRACE", b"PATCH"];

/// Whether `bytes` start with a standard method and a space (`Some(true)`) or cannot (`Some(false)`). `None` if more bytes
/// have to decide.
pub(crate) fn starts_with_method(bytes: &[u8]) -> Option<bool> {
    let mut possible = false;
    for method in METHODS {
        if bytes.len() > method.len() {
            if bytes.starts_with(method) && bytes[method.len()] == b' ' {
                return Some(true);
            }
        } else if method.starts_with(bytes) {
            possible = true;
        }
    }
    if possible { None } else { Some(false) }
}

/// Whether `bytes` start with a whole request line that names an HTTP/1 version.
pub(crate) fn starts_with_request_line(bytes: &[u8]) -> bool {
    let is_http_1 =
        |line: RequestLine<'_>| line.version.is_some_and(|version| version.starts_with("HTTP/1."));
    lines(bytes)
        .next()
        .is_some_and(|line| line.ended && RequestLine::parse(line.text).is_some_and(is_http_1))
}

/// Finds the end of a head that arrives in pieces, looking at each byte once.
#[derive(Debug, Default)]
pub(crate) struct HeadEnd {
    scanned: usize,
    line_start: usize,
    past_first_line: bool,
}

impl HeadEnd {
    /// The length of the head at the start of `bytes`, its empty line included, if it is whole.
    /// `bytes` are those of the last call and what has arrived since.
    pub(crate) fn find(&mut self, bytes: &[u8]) -> Option<usize> {
        while let Some(at) = line_end(&bytes[self.scanned..]) {
            let line = without_cr(&bytes[self.line_start..self.scanned + at]);
            self.scanned += at + 1;
            self.line_start = self.scanned;
            if self.past_first_line {
                if line.is_empty() {
                    return Some(self.scanned);
                }
            // Empty lines before the request line are skipped: RFC 9112 section 2.2.
            } else if !line.is_empty() {
                self.past_first_line = true;
                if is_simple_request(line) {
                    return Some(self.scanned);
                }
            }
        }
        self.scanned = bytes.len();
        None
    }
}

/// Whether this request line is without a version: it is all of an HTTP/0.9 request (RFC 1945 section 5).
fn is_simple_request(line: &[u8]) -> bool {
    // The cheap test comes first.
    let last_word = line.rsplit(|&byte| byte == b' ').next();
    !last_word.is_some_and(|word| word.starts_with(b"HTTP/"))
        && RequestLine::parse(line).is_some_and(|line| line.version.is_none())
}

/// A whole head.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head<'a> {
    bytes: &'a [u8],
}

impl<'a> Head<'a> {
    /// The head at the start of `bytes`, if it is whole.
    pub(crate) fn of(bytes: &'a [u8]) -> Option<Self> {
        HeadEnd::default().find(bytes).map(|end| Head { bytes: &bytes[..end] })
    }

    /// Exactly these bytes, whose end has been found.
    pub(crate) fn whole(bytes: &'a [u8]) -> Self {
        Head { bytes }
    }

    pub(crate) fn len(self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn request_line(self) -> Option<RequestLine<'a>> {
        RequestLine::parse(self.first_line()?)
    }

    pub(crate) fn status_line(self) -> Option<StatusLine<'a>> {
        StatusLine::parse(self.first_line()?)
    }

    /// The request line or status line, parsed or not.
    pub(crate) fn first_line(self) -> Option<&'a [u8]> {
        Some(lines(self.bytes).find(|line| !line.text.is_empty())?.text)
    }

    pub(crate) fn lines(self) -> impl Iterator<Item = Line<'a>> {
        lines(self.bytes)
    }

    /// Names and values in the order of arrival; a line without a colon is passed over.
    /// A folded value (RFC 9112 section 5.2) is given as it arrived, line ends included.
    pub(crate) fn fields(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.placed_fields().map(|(_, name, value)| (name, value))
    }

    /// [`fields`](Self::fields), each with the place of its first byte.
    pub(crate) fn placed_fields(self) -> impl Iterator<Item = (usize, &'a [u8], &'a [u8])> {
        let bytes = self.bytes;
        let mut lines = lines(bytes).skip_while(|line| line.text.is_empty()).skip(1).peekable();
        std::iter::from_fn(move || {
            loop {
                let line = lines.next()?;
                let mut end = line.start + line.text.len();
                while let Some(fold) = lines.next_if(|next| matches!(next.text, [b' ' | b'\t', ..]))
                {
                    end = fold.start + fold.text.len();
                }
                let text = &bytes[line.start..end];
                if let Some(colon) = text.iter().position(|&byte| byte == b':') {
                    let (name, value) = (&text[..colon], &text[colon + 1..]);
                    return Some((line.start, name.trim_ascii_end(), value.trim_ascii()));
                }
            }
        })
    }

    /// The values of each field called `name`, whatever its case.
    pub(crate) fn values(self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.fields()
            .filter(move |(field, _)| field.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
    }
}

/// `GET /path HTTP/1.1`; `version` is `None` for the simple request of HTTP/0.9.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestLine<'a> {
    pub(crate) method: &'a str,
    pub(crate) target: &'a [u8],
    pub(crate) version: Option<&'a str>,
}

impl<'a> RequestLine<'a> {
    fn parse(line: &'a [u8]) -> Option<Self> {
        let line = line.trim_ascii_end();
        let space = |&byte: &u8| byte == b' ';
        let (method, rest) = line.split_at(line.iter().position(space)?);
        let rest = &rest[1..];
        if method.is_empty() || !method.iter().all(|&byte| is_token(byte)) {
            return None;
        }
        let method = str::from_utf8(method).ok()?;
        // The last space: a target with a space in it is wrong (RFC 9112 section 3), and still worth showing.
        if let Some(at) = rest.iter().rposition(space)
            && rest[at + 1..].starts_with(b"HTTP/")
        {
            let version = Some(str::from_utf8(&rest[at + 1..]).ok()?);
            return (at > 0).then_some(RequestLine { method, target: &rest[..at], version });
        }
        let is_target = |&byte: &u8| !byte.is_ascii_whitespace() && !byte.is_ascii_control();
        let is_simple = method == "GET" && !rest.is_empty() && !rest.starts_with(b"HTTP/");
        let simple = is_simple && rest.iter().all(is_target);
        simple.then_some(RequestLine { method, target: rest, version: None })
    }
}

/// How a response starts.
pub(crate) const STATUS_LINE_START: &[u8] = b"HTTP/";

/// `HTTP/1.1 200 OK`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StatusLine<'a> {
    pub(crate) version: &'a [u8],
    /// `None` if this is not three digits.
    pub(crate) status: Option<u16>,
    /// What follows the status and its space; `None` if there is no such space.
    pub(crate) reason: Option<&'a [u8]>,
}

impl<'a> StatusLine<'a> {
    pub(crate) fn parse(line: &'a [u8]) -> Option<Self> {
        if !line.starts_with(STATUS_LINE_START) {
            return None;
        }
        let (version, rest) = split_at_space(line);
        let (status, reason) = split_at_space(rest.unwrap_or_default());
        let digits = status.len() == 3 && status.iter().all(u8::is_ascii_digit);
        let status = str::from_utf8(status).ok().filter(|_| digits);
        Some(StatusLine { version, status: status.and_then(|status| status.parse().ok()), reason })
    }
}

/// What comes before the first space, and what follows it.
fn split_at_space(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    match text.iter().position(|&byte| byte == b' ') {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    }
}

pub(crate) struct Line<'a> {
    pub(crate) start: usize,
    /// Without its line end.
    pub(crate) text: &'a [u8],
    /// Whether a line end was there.
    pub(crate) ended: bool,
}

pub(crate) fn lines(bytes: &[u8]) -> impl Iterator<Item = Line<'_>> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let rest = &bytes[start..];
        let (text, length, ended) = match line_end(rest) {
            Some(at) => (without_cr(&rest[..at]), at + 1, true),
            None => (rest, rest.len(), false),
        };
        let line = Line { start, text, ended };
        start += length;
        (length > 0).then_some(line)
    })
}

/// Where the first LF is. `skip_until` is std's one fast search for a byte.
fn line_end(bytes: &[u8]) -> Option<usize> {
    let mut rest = bytes;
    let length = rest.skip_until(b'\n').expect("memory can be read");
    bytes[..length].ends_with(b"\n").then(|| length - 1)
}

fn without_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// `tchar` of RFC 9110 section 5.6.2.
pub(crate) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_a_standard_method_from_any_prefix() {
        for (bytes, expected) in [
            (&b"G"[..], None),
            (b"GET", None),
            (b"GET ", Some(true)),
            (b"GET /", Some(true)),
            (b"GETS", Some(false)),
            (b"get ", Some(false)),
            (b"P", None),
            (b"PURGE ", Some(false)),
            (b"hello", Some(false)),
        ] {
            assert_eq!(starts_with_method(bytes), expected, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn finds_the_end_of_a_head_cut_anywhere() {
        for head in [
            &b"GET / HTTP/1.1\r\nA: b\r\n\r\n"[..],
            b"GET / HTTP/1.1\nA: b\n\n",
            b"\r\n\r\nGET / HTTP/1.0\r\n\n",
            b"GET /simple\r\n",
            b"not http at all\n\r\n",
        ] {
            for cut in 0..head.len() {
                let mut end = HeadEnd::default();
                assert_eq!(end.find(&head[..cut]), None, "{} at {cut}", head.escape_ascii());
                let mut more = head.to_vec();
                more.extend_from_slice(b"body\n\n");
                assert_eq!(end.find(&more), Some(head.len()), "{} at {cut}", head.escape_ascii());
            }
        }
    }

    #[test]
    fn fields_keep_order_duplicates_and_folds() {
        let head = Head::of(b"GET / HTTP/1.1\nB: 1\r\nnonsense\na :  2 \nb:\n\tfolded\r\n\r\n")
            .expect("whole");
        let fields: Vec<_> = head.fields().collect();
        assert_eq!(
            fields,
            [(&b"B"[..], &b"1"[..]), (b"a", b"2"), (b"b", b"folded")],
            "a fold right after the colon is white space"
        );
        assert_eq!(head.values("B").count(), 2);
    }
}
