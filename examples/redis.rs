//! A protocol whose messages have no length at a fixed place: the peer is a Redis server for a hand-written client, then
//! prints its journal. A closure says where a command ends.
//!
//! ```sh
//! cargo run --example redis
//! ```
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use fake_peer::{Framing, Peer, Response};

fn main() -> Result<(), Box<dyn Error>> {
    let peer = Peer::builder()
        .framing(Framing::from_fn(value_length))
        .source_with(|request| match request.bytes() {
            b"*3\r\n$3\r\nSET\r\n$5\r\nlines\r\n$6\r\na\r\nb\r\n\r\n" => answer("+OK\r\n"),
            b"*2\r\n$3\r\nGET\r\n$5\r\nlines\r\n" => answer("$6\r\na\r\nb\r\n\r\n"),
            b"*2\r\n$3\r\nGET\r\n$5\r\nother\r\n" => answer("$-1\r\n"),
            _ => answer("-ERR unknown command\r\n"),
        })
        .spawn()?
        .expect(4);

    let addr = peer.addr();
    let client = thread::spawn(move || -> io::Result<()> {
        let mut client = Client::connect(addr)?;
        assert_eq!(client.ask(&["SET", "lines", "a\r\nb\r\n"])?.as_deref(), Some("OK"));
        assert_eq!(client.ask(&["GET", "lines"])?.as_deref(), Some("a\r\nb\r\n"));
        assert_eq!(client.ask(&["GET", "other"])?, None);
        let error = client.ask(&["GTE", "lines"]).expect_err("no such command");
        assert_eq!(error.to_string(), "ERR unknown command");
        Ok(())
    });
    client.join().expect("the client did not panic")?;

    let journal = peer.finish()?;
    print!("{journal}");
    let last = journal.requests().last().expect("four commands");
    last.assert_bytes("*2\r\n$3\r\nGTE\r\n$5\r\nlines\r\n");
    Ok(())
}

fn answer(value: &str) -> Response {
    Response::from(value).keep_open()
}

/// How long the value at the beginning of `bytes` is, an array with all its members, if that is known. Every command is one
/// value of RESP, the protocol of Redis.
///
/// A number may be anything, so sums saturate: an impossible length ends in a timeout, not in a panic.
pub(crate) fn value_length(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    let mut missing = 1_usize;
    while missing > 0 {
        let rest = bytes.get(at..)?;
        let line = &rest[..rest.windows(2).position(|two| two == b"\r\n")?];
        at += line.len() + 2;
        missing -= 1;
        match line {
            [b'*', count @ ..] => missing = missing.saturating_add(number(count).unwrap_or(0)),
            [b'$', length @ ..] => {
                let string = number(length).map_or(0, |length| length.saturating_add(2));
                at = at.saturating_add(string);
            }
            // A number, a status, an error, or a command typed by a person.
            _ => {}
        }
    }
    Some(at)
}

/// `None` for the length of a null, which is -1, and for what is no number: there the value ends with its line.
fn number(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The client under test.
struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    fn connect(server: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(server)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        Ok(Client { stream: BufReader::new(stream) })
    }

    /// Sends a command, and returns what it gets; `None` is a null.
    fn ask(&mut self, words: &[&str]) -> io::Result<Option<String>> {
        let mut command = Vec::new();
        write!(command, "*{}\r\n", words.len())?;
        for word in words {
            write!(command, "${}\r\n{word}\r\n", word.len())?;
        }
        self.stream.get_mut().write_all(&command)?;

        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let Some((kind, value)) = line.trim_end().split_at_checked(1) else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        match kind {
            "+" => Ok(Some(value.to_owned())),
            "$" if value == "-1" => Ok(None),
            "$" => self.read_string(value.parse().map_err(io::Error::other)?).map(Some),
            _ => Err(io::Error::other(value.to_owned())),
        }
    }

    fn read_string(&mut self, length: u32) -> io::Result<String> {
        let mut string = String::new();
        let with_its_end = u64::from(length) + 2;
        self.stream.by_ref().take(with_its_end).read_to_string(&mut string)?;
        match string.strip_suffix("\r\n") {
            Some(string) => Ok(string.to_owned()),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}
