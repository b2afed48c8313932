//! Cuts that are counted from the end of an HTTP head, or within a chunk: where in the bytes of a response they are.

use std::collections::VecDeque;
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
    /// [`cut`](Self::cut) that does not count the bytes of the head. The chunked coding is part of the body.
    ///
    /// The head is looked for when this is called, in files too, which must not change before they are sent. Fields that
    /// [`header`](Self::header) adds later move the cut. A shorter body is sent completely. In what a reader or a
    /// [`Proxy`](crate::Proxy) sends, the head is looked for while it is sent; steps after the reader are not carried out, and a clone
    /// made before has no reader any more.
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
    /// If the response does not begin with a complete HTTP head, or if a file can't be read. If a reader does not begin with one, its
    /// exchange fails with [`Error::Respond`](crate::Error::Respond).
    #[track_caller]
    pub fn cut_body(mut self, bytes: u64, ending: Ending) -> Self {
        if self.steps.cut_reader(|reader| Box::new(CutReader::new(reader, bytes))) {
            self.cut = None;
            return self.ending(ending);
        }
        match KnownBytes::of(&self).and_then(|mut known| known.body_start()) {
            Ok(start) => self.cut_at(start.saturating_add(bytes), CutPlace::Body, ending),
            Err(error) => panic!("there is no body to cut: {error}"),
        }
    }

    /// Sends an HTTP response up to the first `bytes` bytes of the data of a chunk, then ends the connection with `ending`. Chunks
    /// are counted from 1, and the last chunk, of size 0, is one of them.
    ///
    /// The chunk is looked for when this is called, in files too, which must not change before they are sent. Fields that
    /// [`header`](Self::header) adds later move the cut.
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
    bytes: BufReader<InTurn>,
    /// How many of them were looked at.
    at: u64,
}

impl KnownBytes {
    fn of(response: &Response) -> io::Result<Self> {
        let mut readers: VecDeque<Box<dyn Read>> = VecDeque::new();
        for step in response.steps.clone() {
            match step {
                Step::Send(bytes) => readers.push_back(Box::new(io::Cursor::new(bytes))),
                Step::SendFile(path) if is_special(&path) => break,
                Step::SendFile(path) => {
                    let file = File::open(&path).map_err(on_path("open response file", &path))?;
                    readers.push_back(Box::new(file));
                }
                Step::Repeat { pattern, total } => {
                    readers.push_back(Box::new(Repeated { pattern, at: 0, left: total }));
                }
                Step::SendFrom(_) => break,
                Step::Pause(_) | Step::Gate(_) | Step::Act(_) => {}
            }
        }
        Ok(KnownBytes { bytes: BufReader::new(InTurn(readers)), at: 0 })
    }

    /// Where the body of the final response begins.
    fn body_start(&mut self) -> io::Result<u64> {
        let mut heads = Heads::default();
        loop {
            let mut line = Vec::new();
            if self.read_line(&mut line)? == 0 {
                return Err(io::Error::other("the response has no complete HTTP head"));
            }
            if heads.feed(&line)?.is_some() {
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

/// Readers one after another. A chain of `Read::chain` would be as deep as a response has steps.
struct InTurn(VecDeque<Box<dyn Read>>);

impl Read for InTurn {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(reader) = self.0.front_mut() {
            let read = reader.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            self.0.pop_front();
        }
        Ok(0)
    }
}

/// The heads before a body: that of the final response, and those of interim ones.
#[derive(Default)]
struct Heads {
    bytes: Vec<u8>,
    end: HeadEnd,
}

impl Heads {
    /// Looks at the next bytes; how many of them come before the body, if it begins in or after them.
    fn feed(&mut self, piece: &[u8]) -> io::Result<Option<usize>> {
        self.bytes.extend_from_slice(piece);
        while let Some(end) = self.end.find(&self.bytes) {
            let head = Head::whole(&self.bytes[..end]);
            if head.status_line().is_none() {
                return Err(io::Error::other("the response does not begin with a status line"));
            }
            let is_interim = matches!(Follows::after(head, Asked::OtherHttp), Follows::Response);
            self.bytes.drain(..end);
            self.end = HeadEnd::default();
            if !is_interim {
                return Ok(Some(piece.len() - self.bytes.len()));
            }
        }
        if self.bytes.len() > HEAD_LIMIT {
            return Err(io::Error::other("the response has no complete HTTP head"));
        }
        Ok(None)
    }
}

/// What another reader returns, up to some bytes of its body.
struct CutReader {
    reader: Box<dyn Read + Send>,
    /// `None` in the body.
    heads: Option<Heads>,
    /// How many bytes of the body are left to send.
    left: u64,
}

impl CutReader {
    fn new(reader: Box<dyn Read + Send>, bytes: u64) -> Self {
        CutReader { reader, heads: Some(Heads::default()), left: bytes }
    }
}

impl Read for CutReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(heads) = &mut self.heads else {
            let read = self.reader.by_ref().take(self.left).read(buffer)?;
            self.left -= read as u64;
            return Ok(read);
        };
        let read = self.reader.read(buffer)?;
        let Some(start) = heads.feed(&buffer[..read])? else { return Ok(read) };
        self.heads = None;
        let sent =
            usize::try_from(self.left).map_or(read, |left| read.min(start.saturating_add(left)));
        self.left -= (sent - start) as u64;
        Ok(sent)
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
