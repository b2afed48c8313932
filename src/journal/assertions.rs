//! Assertions about a request that show what differs: its bytes, or its HTTP head with fields in any order.

use super::difference::Difference;
use super::request::Request;
use crate::http1::head::Head;

impl Request {
    /// Asserts that the request is exactly these bytes.
    ///
    /// # Panics
    ///
    /// If it is not. The message has the offset of the first difference, and both sides around it, escaped, with line ends
    /// visible.
    ///
    /// ```should_panic
    /// # use std::io::Write;
    /// # let peer = fake_peer::Peer::answer("hi");
    /// # let mut client = std::net::TcpStream::connect(peer.addr()).unwrap();
    /// # client.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    /// peer.take_request().assert_bytes("GET / HTTP/1.1\r\n\r\n");
    /// // the request differs from what was expected at byte 13
    /// //   expected 18 bytes: "GET / HTTP/1.»1\r\n\r\n"
    /// //     actual 18 bytes: "GET / HTTP/1.»0\r\n\r\n"
    /// ```
    #[track_caller]
    pub fn assert_bytes(&self, expected: impl AsRef<[u8]>) {
        let expected = expected.as_ref();
        assert!(
            !self.is_truncated(),
            "only {} of the request's {} bytes were kept",
            self.bytes().len(),
            self.len()
        );
        if let Some(difference) = Difference::between(expected, self.bytes()) {
            panic!("the request differs from what was expected {difference}");
        }
    }

    /// Asserts that the request's body, without its chunked coding, is exactly these bytes.
    ///
    /// # Panics
    ///
    /// If it is not, with the first difference as [`assert_bytes`](Self::assert_bytes) shows it. If the request has no complete HTTP
    /// body: see [`BodyError`](crate::BodyError).
    ///
    /// ```
    /// # use std::io::Write;
    /// # let peer = fake_peer::Peer::answer("hi");
    /// # let mut client = std::net::TcpStream::connect(peer.addr()).unwrap();
    /// # client.write_all(b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello").unwrap();
    /// peer.take_request().assert_body("hello");
    /// ```
    #[track_caller]
    pub fn assert_body(&self, expected: impl AsRef<[u8]>) {
        match self.decoded_body() {
            Ok(body) => {
                if let Some(difference) = Difference::between(expected.as_ref(), &body) {
                    panic!("the request's body differs from what was expected {difference}");
                }
            }
            Err(error) => panic!("{error}, in \"{}\"", self.bytes().escape_ascii()),
        }
    }

    /// Asserts that the request has a header field with this name, whatever its case, and exactly this value, without the white space
    /// around it. Another field with the same name may have another value.
    ///
    /// # Panics
    ///
    /// If it has none. The message shows the values that the field has instead, or the head if the field is missing.
    ///
    /// ```
    /// # use std::io::Write;
    /// # let peer = fake_peer::Peer::answer("hi");
    /// # let mut client = std::net::TcpStream::connect(peer.addr()).unwrap();
    /// # client.write_all(b"GET / HTTP/1.1\r\nHost: peer\r\nAccept: */*\r\n\r\n").unwrap();
    /// peer.take_request().assert_header("accept", "*/*");
    /// ```
    #[track_caller]
    pub fn assert_header(&self, name: &str, expected: impl AsRef<[u8]>) {
        let expected = expected.as_ref();
        let has_name = |(field, _): &(&[u8], &[u8])| field.eq_ignore_ascii_case(name.as_bytes());
        let values: Vec<_> = self.headers().filter(has_name).map(|(_, value)| value).collect();
        if values.contains(&expected) {
            return;
        }
        let expected = expected.escape_ascii();
        if values.is_empty() {
            let bytes = self.bytes().escape_ascii();
            panic!("the request has no header field `{name}: {expected}`, in \"{bytes}\"");
        }
        let values: Vec<_> = values.iter().map(|value| value.escape_ascii().to_string()).collect();
        let actual = values.join("`, `");
        panic!("the request's header field `{name}` is `{actual}`, not `{expected}`");
    }

    /// Asserts that the request's head is this one: the same request line, and the same header fields, whatever their
    /// order, the case of their names, and the white space around their values (RFC 9110 section 5.3: the order of
    /// fields with different names has no meaning). Fields with the same name keep their order and their number.
    ///
    /// `expected` may end with the empty line or without, and its lines with LF or CR LF.
    ///
    /// # Panics
    ///
    /// If it is not. The message shows what is missing and what is there instead. Also if the request has no complete HTTP head,
    /// or is not complete itself: a request whose body was cut short has a complete head, too.
    ///
    /// ```
    /// # use std::io::Write;
    /// # let peer = fake_peer::Peer::answer("hi");
    /// # let mut client = std::net::TcpStream::connect(peer.addr()).unwrap();
    /// # client.write_all(b"GET / HTTP/1.1\r\nHost: peer\r\nAccept: */*\r\n\r\n").unwrap();
    /// peer.take_request().assert_head("GET / HTTP/1.1\naccept: */*\nhost: peer");
    /// ```
    #[track_caller]
    pub fn assert_head(&self, expected: impl AsRef<[u8]>) {
        assert!(
            self.is_complete(),
            "the request is not complete: {} after \"{}\"",
            self.end(),
            self.bytes().escape_ascii()
        );
        let mut whole = expected.as_ref().trim_ascii_end().to_vec();
        whole.extend_from_slice(b"\n\n");
        let expected = HeadLines::of(&whole).expect("an expected head with a request line");
        let Some(actual) = HeadLines::of(self.bytes()) else {
            panic!("the request has no complete HTTP head: \"{}\"", self.bytes().escape_ascii());
        };
        if let Some(difference) = expected.difference(&actual) {
            panic!("the request's head differs from what was expected{difference}");
        }
    }
}

/// A head, ready to be compared.
struct HeadLines {
    request_line: Vec<u8>,
    /// Lower-case name, value; sorted by name, those of one name in their order.
    fields: Vec<(Vec<u8>, Vec<u8>)>,
}

impl HeadLines {
    fn of(bytes: &[u8]) -> Option<Self> {
        let head = Head::of(bytes)?;
        let request_line = head.first_line()?.to_vec();
        let mut fields: Vec<_> = head
            .fields()
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_vec()))
            .collect();
        fields.sort_by(|(one, _), (other, _)| one.cmp(other));
        Some(HeadLines { request_line, fields })
    }

    /// The lines that one has and the other does not.
    fn difference(&self, actual: &Self) -> Option<String> {
        if self.request_line == actual.request_line && self.fields == actual.fields {
            return None;
        }
        let mut lines = Vec::new();
        let mut line = |mark: char, bytes: &[u8]| {
            lines.push(format!("\n  {mark} {}", bytes.escape_ascii()));
        };
        if self.request_line != actual.request_line {
            line('-', &self.request_line);
            line('+', &actual.request_line);
        }
        let mut names: Vec<_> =
            self.fields.iter().chain(&actual.fields).map(|(name, _)| name).collect();
        names.sort();
        names.dedup();
        for name in names {
            let (expected, actual) = (self.values(name), actual.values(name));
            if expected != actual {
                for (mark, values) in [('-', expected), ('+', actual)] {
                    for value in values {
                        line(mark, &[name, &b": "[..], value].concat());
                    }
                }
            }
        }
        Some(lines.concat())
    }

    fn values(&self, name: &[u8]) -> Vec<&[u8]> {
        let called = self.fields.iter().filter(|(other, _)| other == name);
        called.map(|(_, value)| &**value).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_the_same_whatever_the_order_and_case_of_names() {
        let head = |text: &str| HeadLines::of(format!("{text}\n\n").as_bytes()).expect("a head");
        let one = head("GET / HTTP/1.1\nA: 1\nB: 2\nA: 3");
        assert_eq!(one.difference(&head("GET / HTTP/1.1\nb:2\na:  1 \nA: 3")), None);
        assert_eq!(
            one.difference(&head("GET /x HTTP/1.1\nB: 2\nA: 3\nA: 1\nC: 4")).as_deref(),
            Some(concat!(
                "\n  - GET / HTTP/1.1\n  + GET /x HTTP/1.1",
                "\n  - a: 1\n  - a: 3\n  + a: 3\n  + a: 1",
                "\n  + c: 4"
            )),
            "the order of fields with one name counts"
        );
    }
}
