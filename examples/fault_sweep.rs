//! A sweep: one client with every truncation of two responses, and with all garbage. It must never take a part for the
//! whole, and never invent an answer.
//!
//! ```sh
//! cargo run --example fault_sweep
//! ```
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use fake_peer::faults::{self, Case};
use fake_peer::{Ending, Response, garbage, http};

const CHUNKED: &str =
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n";

fn main() -> Result<(), Box<dyn Error>> {
    // The client must accept these, or the test shows nothing.
    let whole = [("http::ok", http::ok("hello")), ("chunked", Response::from(CHUNKED))];
    for (name, response) in whole {
        let truncations =
            faults::truncations(response.clone()).endings([Ending::Close, Ending::Reset]);
        let (bodies, refused) = sweep(truncations)?;
        assert_eq!(bodies, 0, "a part of {name} was taken for a whole");
        println!("{name}: {refused} truncations, all refused");
        let pieces = [faults::byte_by_byte(response, Duration::ZERO)];
        assert_eq!(sweep(pieces)?, (1, 0), "{name} is whole, however it is cut into packets");
    }
    let (bodies, refused) = sweep(garbage::all())?;
    println!("garbage: {refused} refused, {bodies} with the body all the same");
    Ok(())
}

/// How many cases gave the client a body, which must be the right one, and how many it refused.
fn sweep(cases: impl IntoIterator<Item = Case>) -> Result<(u32, u32), fake_peer::Error> {
    let (mut bodies, mut refused) = (0, 0);
    faults::sweep(cases, |case, peer| match get(peer.addr()) {
        Ok(body) => {
            assert_eq!(String::from_utf8_lossy(&body), "hello", "{case}: this was never said");
            bodies += 1;
        }
        Err(_) => refused += 1,
    })?;
    Ok((bodies, refused))
}

/// The client under test. It asks for the close, so that everything that arrives belongs to the one response.
fn get(peer: SocketAddr) -> io::Result<Vec<u8>> {
    /// A response with more bytes than it announced is refused.
    const LIMIT: u64 = 1 << 20;
    let mut stream = TcpStream::connect(peer)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: peer\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(LIMIT).read_to_end(&mut answer)?;
    body(&answer).map_err(|reason| io::Error::new(io::ErrorKind::InvalidData, reason))
}

/// The body of a response, if the response is complete beyond doubt.
fn body(answer: &[u8]) -> Result<Vec<u8>, &'static str> {
    let (head, body) = split(answer, b"\r\n\r\n").ok_or("no end of the head")?;
    if head.iter().any(|&byte| byte == 0 || byte >= 0x80) {
        return Err("a head that is no text");
    }
    let head = std::str::from_utf8(head).map_err(|_| "a head that is no text")?;
    let mut lines = head.split("\r\n");
    let status = status(lines.next().unwrap_or_default())?;
    let mut length = None;
    let mut chunked = false;
    for line in lines {
        if line.contains(['\r', '\n']) {
            return Err("half a line end");
        }
        let (name, value) = line.split_once(':').ok_or("a field without a colon")?;
        let is_token =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err("a field with a name that is none");
        }
        let value = value.trim_matches([' ', '\t']);
        if name.eq_ignore_ascii_case("Content-Length") {
            if length.replace(decimal(value).ok_or("a length that is none")?).is_some() {
                return Err("two lengths");
            }
        } else if name.eq_ignore_ascii_case("Transfer-Encoding") {
            if chunked || !value.eq_ignore_ascii_case("chunked") {
                return Err("a coding that is not known");
            }
            chunked = true;
        }
    }
    match (status, length, chunked) {
        (101, ..) => Err("a protocol that nobody asked for"),
        // Another response follows.
        (100..=199, None, false) => self::body(body),
        (204 | 304, ..) if body.is_empty() => Ok(Vec::new()),
        (100..=199 | 204 | 304, ..) => Err("a body where none can be"),
        (_, Some(length), false) if body.len() == length => Ok(body.to_vec()),
        (_, Some(_), false) => Err("more or less than the length says"),
        (_, None, true) => dechunked(body),
        (_, Some(_), true) => Err("a length beside chunks"),
        (_, None, false) => Err("only the close ends this: it may be a part"),
    }
}

fn status(line: &str) -> Result<u16, &'static str> {
    let rest = line.strip_prefix("HTTP/1.1 ").ok_or("no status line of HTTP/1.1")?;
    let (status, reason) = rest.split_once(' ').ok_or("no reason phrase")?;
    if reason.contains(|char: char| char.is_ascii_control() && char != '\t') {
        return Err("half a line end");
    }
    let status = Some(status).filter(|status| status.len() == 3).and_then(decimal);
    let status = status.and_then(|status| u16::try_from(status).ok());
    status.filter(|status| (100..600).contains(status)).ok_or("no status")
}

fn dechunked(mut rest: &[u8]) -> Result<Vec<u8>, &'static str> {
    let mut body = Vec::new();
    loop {
        let (line, behind) = split(rest, b"\r\n").ok_or("no end of a chunk's size")?;
        // Chunk extensions are ignored.
        let size = line.split(|&byte| byte == b';').next().unwrap_or_default();
        if line.contains(&b'\n') || size.is_empty() || !size.iter().all(u8::is_ascii_hexdigit) {
            return Err("a chunk's size that is none");
        }
        let size =
            std::str::from_utf8(size).ok().and_then(|size| usize::from_str_radix(size, 16).ok());
        match size.ok_or("a chunk that is too large")? {
            // Trailers are refused.
            0 if behind == b"\r\n" => return Ok(body),
            0 => return Err("no plain end of the chunks"),
            size => {
                let chunk = behind.get(..size).ok_or("a part of a chunk")?;
                body.extend_from_slice(chunk);
                rest = behind[size..].strip_prefix(b"\r\n").ok_or("a chunk of another size")?;
            }
        }
    }
}

/// What is before the first `delimiter`, and what is after it.
fn split<'b>(bytes: &'b [u8], delimiter: &[u8]) -> Option<(&'b [u8], &'b [u8])> {
    let at = bytes.windows(delimiter.len()).position(|part| part == delimiter)?;
    Some((&bytes[..at], &bytes[at + delimiter.len()..]))
}

/// Digits only: `parse` also accepts a sign.
fn decimal(text: &str) -> Option<usize> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}
