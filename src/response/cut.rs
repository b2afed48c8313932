//! Cuts that are counted from the end of an HTTP head, or within a chunk: where in the bytes of a response they are.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use super::ending::Ending;
use super::steps::{CutPlace, Response, Step};
use crate::http1::head::{Head, HeadEnd};
use crate::http1::response::{Asked, Follows, HEAD_LIMIT};
use crate::os::path_error::on_path;

impl Response {
    /// Sends the head of an HTTP response and the first `bytes` bytes of its body, then ends the connection with `ending`: a
    /// [`cut`](Self::cut) for which nobody counts the bytes of the head. The chunked coding is part of the body.
    ///
    /// The head is looked for when this is called, in files too. Fields that [`header`](Self::header) adds later move the cut. A shorter
    /// body is sent completely.
    ///
    /// ```
    /// use fake_peer::{Ending, Peer, http};
    ///
    /// let peer = Peer::answer(http::ok("hello").cut_body(2, Ending::Close));
    /// # use std::io::{Read, Write};
    /// # let mut client = std::net::TcpStream::connect(peer.addr())?;
    /// # client.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
    /// # let mut answer = String::new();
    /// # client.read_to_string(&mut answer)?;
    /// assert_eq!(answer, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Panics
    ///
    /// If the response does not begin with a complete HTTP head, if its head comes from a reader, or if a file can't be read.
    #[track_caller]
    pub fn cut_body(self, bytes: u64, ending: Ending) -> Self {
        match KnownBytes::of(&self).and_then(|mut known| known.body_start()) {
            Ok(start) => self.cut_at(start.saturating_add(bytes), CutPlace::Body, ending),
            Err(error) => panic!("there is no body to cut: {error}"),
        }
    }

    /// Sends an HTTP response up to the first `bytes` bytes of the data of a chunk, then ends the connection with `ending`. Chunks
    /// are counted from 1, and the last chunk, of size 0, is one of them.
    ///
    /// The chunk is looked for when this is called, in files too. Fields that [`header`](Self::header) adds later move the cut.
    ///
    /// ```
    /// use fake_peer::{Ending, Peer, http};
    ///
    /// let peer = Peer::answer(http::chunked(["hello, ", "world"]).cut_chunk(2, 3, Ending::Reset));
    /// # use std::io::{Read, Write};
    /// # let mut client = std::net::TcpStream::connect(peer.addr())?;
    /// # client.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
    /// # let mut answer = Vec::new();
    /// # client.read_to_end(&mut answer).unwrap_err();
    /// assert!(answer.ends_with(b"\r\n\r\n7\r\nhello, \r\n5\r\nwor"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Panics
    ///
    /// If there is no such chunk, if it has fewer bytes, if the bytes before it come from a reader, or if a file can't be read.
    #[track_caller]
    pub fn cut_chunk(self, chunk: u64, bytes: u64, ending: Ending) -> Self {
        match KnownBytes::of(&self).and_then(|mut known| known.chunk(chunk)) {
            Ok((start, size)) if bytes <= size => {
                self.cut_at(start.saturating_add(bytes), CutPlace::Body, ending)
            }
            Ok((_, size)) => panic!("chunk {chunk} has {size} bytes, not {bytes}"),
            Err(error) => panic!("there is no chunk {chunk} to cut: {error}"),
        }
    }
}

/// The bytes of a response up to the first ones that only sending can show: those of a reader, a FIFO or a device.
struct KnownBytes {
    bytes: BufReader<Box<dyn Read>>,
    /// How many of them were looked at.
    at: u64,
}

impl KnownBytes {
    fn of(response: &Response) -> io::Result<Self> {
        let mut bytes: Box<dyn Read> = Box::new(io::empty());
        for step in response.steps.clone() {
            bytes = match step {
                Step::Send(more) => Box::new(bytes.chain(io::Cursor::new(more))),
                Step::SendFile(path) if is_special(&path) => break,
                Step::SendFile(path) => {
                    let file = File::open(&path).map_err(on_path("open response file", &path))?;
                    Box::new(bytes.chain(file))
                }
                Step::Repeat { pattern, total } => {
                    Box::new(bytes.chain(Repeated { pattern, at: 0, left: total }))
                }
                Step::SendFrom(_) => break,
                Step::Pause(_) | Step::Gate(_) => bytes,
            };
        }
        Ok(KnownBytes { bytes: BufReader::new(bytes), at: 0 })
    }

    /// Where the body of the final response begins.
    fn body_start(&mut self) -> io::Result<u64> {
        loop {
            let mut bytes = Vec::new();
            let mut end = HeadEnd::default();
            while end.find(&bytes).is_none() {
                if self.read_line(&mut bytes)? == 0 || bytes.len() > HEAD_LIMIT {
                    return Err(io::Error::other("the response has no complete HTTP head"));
                }
            }
            let head = Head::whole(&bytes);
            if head.status_line().is_none() {
                return Err(io::Error::other("the response does not begin with a status line"));
            }
            if !matches!(Follows::after(head, Asked::OtherHttp), Follows::Response) {
                return Ok(self.at);
            }
        }
    }

    /// Where the data of a chunk begins, and how long it is.
    fn chunk(&mut self, wanted: u64) -> io::Result<(u64, u64)> {
        self.body_start()?;
        let mut number = 1;
        loop {
            let mut line = Vec::new();
            self.read_line(&mut line)?;
            let Some(size) = chunk_size(&line) else {
                let text = format!("chunk {number} does not begin with a size");
                return Err(io::Error::other(text));
            };
            if number == wanted {
                return Ok((self.at, size));
            }
            if size == 0 {
                return Err(io::Error::other(format!("chunk {number} is the last one")));
            }
            self.at += io::copy(&mut self.bytes.by_ref().take(size), &mut io::sink())?;
            // The line end after the data.
            self.read_line(&mut line)?;
            number += 1;
        }
    }

    /// Adds a line, its end included.
    fn read_line(&mut self, line: &mut Vec<u8>) -> io::Result<usize> {
        let read = self.bytes.by_ref().take(HEAD_LIMIT as u64).read_until(b'\n', line)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// The size in the first line of a chunk (RFC 9112 section 7.1).
fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    u64::from_str_radix(std::str::from_utf8(&line[..digits]).ok()?, 16).ok()
}

/// Whether this is neither a file nor a folder: opening it may wait for another program.
fn is_special(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

/// A pattern that is repeated.
struct Repeated {
    pattern: Arc<[u8]>,
    at: usize,
    left: u64,
}

impl Read for Repeated {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.pattern[self.at..].take(self.left).read(buffer)?;
        self.left -= read as u64;
        self.at += read;
        if self.at == self.pattern.len() {
            self.at = 0;
        }
        Ok(read)
    }
}
