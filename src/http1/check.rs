//! Finds problems in the bytes of an HTTP/1 response. It changes nothing, and a problem may be what a test is about.

use std::io::{self, Read};
use std::ops::Range;

use super::body::BodyLength;
use super::chunked::{Chunked, Progress};
use super::finding::{Finding, FindingKind};
use super::head::{self, Head, HeadEnd, Line, STATUS_LINE_START, StatusLine};
use super::problem::Problem;
use super::response::{Asked, Follows, HEAD_LIMIT};

/// Finds problems in an HTTP/1 response: line ends that an editor changed, lengths that do not fit, broken chunks. The result
/// has the first problem of each [kind](FindingKind), in the order of the bytes.
///
/// Takes any reader: a file, bytes in memory (`&bytes[..]`), the [record](crate::Proxy::record) of a proxy. It is read to
/// its end, in constant memory, except for a head, of which the first 16 MiB are looked at.
///
/// The result is empty for a correct response, and for bytes that are not HTTP: that do not start with `HTTP/` after white
/// space and a byte order mark. Interim responses (1xx) may come first. The response is taken as the answer to GET: a
/// Content-Length without a body, which is right in answer to HEAD, is reported.
///
/// ```
/// use fake_peer::http;
///
/// let edited = b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello\n";
/// let findings = http::check(&edited[..])?;
/// let lines: Vec<_> = findings.iter().map(ToString::to_string).collect();
/// assert_eq!(
///     lines,
///     [
///         "byte 15: a line ends with LF alone, without CR (RFC 9112 section 2.2)",
///         "byte 40: Content-Length says 5 bytes, but the body has 6",
///     ],
/// );
/// assert!(http::check(std::fs::File::open("study/server_send.txt")?)?.is_empty());
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
///
/// Those of the reader.
pub fn check(response: impl Read) -> io::Result<Vec<Finding>> {
    let mut check = Check { input: Input::new(response), findings: Vec::new() };
    check.run()?;
    check.findings.sort_by_key(Finding::offset);
    Ok(check.findings)
}

struct Check<R> {
    input: Input<R>,
    findings: Vec<Finding>,
}

impl<R: Read> Check<R> {
    fn run(&mut self) -> io::Result<()> {
        let Some(before) = self.input.find_start()? else {
            return Ok(());
        };
        self.input.consume(before);
        if before > 0 {
            self.add(self.input.offset, FindingKind::LeadingBytes);
        }
        while let Some(length) = self.head()? {
            let head = Head::of(&self.input.bytes[..length]).expect("its end was found");
            let follows = Follows::after(head, Asked::OtherHttp);
            if let Follows::Body(_, Some(problem)) = &follows {
                let (offset, kind) = misleading(head, problem);
                let offset = self.input.offset + offset;
                self.add(offset, kind);
            }
            self.input.consume(length);
            match follows {
                Follows::Response => {
                    if self.input.find_start()? != Some(0) {
                        self.add(self.input.offset, FindingKind::NoFinalResponse);
                        return Ok(());
                    }
                }
                Follows::Nothing => {
                    return self.nothing_more(|bytes| FindingKind::Body { bytes });
                }
                Follows::Body(BodyLength::Bytes(said), _) => return self.body(said),
                Follows::Body(BodyLength::Chunked, _) => return self.chunks(),
                // Any bytes belong to it.
                Follows::Anything
                | Follows::Body(BodyLength::Unstated | BodyLength::Invalid, _) => {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Keeps the first finding of each kind.
    fn add(&mut self, offset: u64, kind: FindingKind) {
        let is_same = |found: &&mut Finding| {
            std::mem::discriminant(&found.kind) == std::mem::discriminant(&kind)
        };
        match self.findings.iter_mut().find(is_same) {
            Some(found) if found.offset <= offset => {}
            Some(found) => *found = Finding { offset, kind },
            None => self.findings.push(Finding { offset, kind }),
        }
    }

    /// Looks through a head. Its length; `None` if it has no end.
    fn head(&mut self) -> io::Result<Option<usize>> {
        let mut end = HeadEnd::default();
        let length = loop {
            let found = end.find(&self.input.bytes);
            if found.is_some() || self.input.bytes.len() > HEAD_LIMIT || !self.input.fill()? {
                break found;
            }
        };
        let bytes = std::mem::take(&mut self.input.bytes);
        let head = &bytes[..length.unwrap_or(bytes.len())];
        let mut lines = head::lines(head);
        if let Some(line) = lines.next() {
            self.status_line(&line);
            self.line(head, &line);
        }
        for line in lines {
            self.field(&line);
            self.line(head, &line);
        }
        if length.is_none() {
            self.add(self.input.offset + head.len() as u64, FindingKind::NoEmptyLine);
        }
        self.input.bytes = bytes;
        Ok(length)
    }

    /// Checks what every line of a head must have.
    fn line(&mut self, head: &[u8], line: &Line<'_>) {
        let start = self.input.offset + line.start as u64;
        for (byte, kind) in [(b'\r', FindingKind::LoneCr), (0, FindingKind::Nul)] {
            if let Some(at) = line.text.iter().position(|&other| other == byte) {
                self.add(start + at as u64, kind);
            }
        }
        let length = line.text.len();
        if line.ended && head[line.start + length] == b'\n' {
            self.add(start + length as u64, FindingKind::LoneLf);
        }
    }

    fn status_line(&mut self, line: &Line<'_>) {
        let start = self.input.offset + line.start as u64;
        let Some(status_line) = StatusLine::parse(line.text) else {
            return;
        };
        let version = status_line.version;
        if ![&b"HTTP/1.0"[..], b"HTTP/1.1"].contains(&version) {
            self.add(start, FindingKind::Version);
        }
        let behind_version = start + version.len() as u64;
        match status_line.status {
            Some(100..=599) if status_line.reason.is_none() => {
                self.add(start + line.text.len() as u64, FindingKind::NoSpaceBehindStatus);
            }
            Some(100..=599) => {}
            _ => self.add(behind_version, FindingKind::Status),
        }
    }

    fn field(&mut self, line: &Line<'_>) {
        let start = self.input.offset + line.start as u64;
        let Some(first) = line.text.first() else {
            return;
        };
        if let b' ' | b'\t' = first {
            return self.add(start, FindingKind::Fold);
        }
        let Some(colon) = line.text.iter().position(|&byte| byte == b':') else {
            return self.add(start, FindingKind::NoColon);
        };
        let name = line.text[..colon].trim_ascii_end();
        if name.len() < colon {
            self.add(start + name.len() as u64, FindingKind::SpaceBeforeColon);
        }
        let odd = name.iter().position(|&byte| !head::is_token(byte));
        if let Some(at) = odd.or(name.is_empty().then_some(0)) {
            self.add(start + at as u64, FindingKind::FieldName);
        }
    }

    /// Checks a body that should have this many bytes.
    fn body(&mut self, said: u64) -> io::Result<()> {
        let start = self.input.offset;
        let present = self.input.count()?;
        if present != said {
            self.add(start + said.min(present), FindingKind::BodyLength { said, present });
        }
        Ok(())
    }

    fn chunks(&mut self) -> io::Result<()> {
        let start = self.input.offset;
        let mut chunked = Chunked::new();
        let mut coding = Coding { last: 0, lone_lf: None };
        loop {
            let piece = &self.input.bytes;
            let mut at = 0;
            let progress = chunked.feed(piece, |data| {
                coding.look(piece, at..data.start, self.input.offset);
                coding.last = 0;
                at = data.end;
            });
            let end = match progress {
                Progress::More => piece.len(),
                Progress::Over(length) => length,
                Progress::Broken { index, .. } => index,
            };
            coding.look(piece, at..end, self.input.offset);
            if let Some(offset) = coding.lone_lf {
                self.add(offset, FindingKind::LoneLf);
            }
            self.input.consume(end);
            match progress {
                Progress::More if self.input.fill()? => {}
                Progress::More => {
                    self.add(self.input.offset, FindingKind::NoLastChunk);
                    return Ok(());
                }
                Progress::Over(_) => {
                    return self.nothing_more(|bytes| FindingKind::BytesBehindEnd { bytes });
                }
                Progress::Broken { offset, .. } => {
                    self.add(start + offset, FindingKind::Chunk);
                    return Ok(());
                }
            }
        }
    }

    /// Reports everything that follows.
    fn nothing_more(&mut self, kind: impl FnOnce(u64) -> FindingKind) -> io::Result<()> {
        let start = self.input.offset;
        let bytes = self.input.count()?;
        if bytes > 0 {
            self.add(start, kind(bytes));
        }
        Ok(())
    }
}

/// The field that makes the length of a body wrong, and where it is.
fn misleading(head: Head<'_>, problem: &Problem) -> (u64, FindingKind) {
    let (name, kind) = match problem {
        Problem::ConflictingContentLengths => {
            ("content-length", FindingKind::ConflictingContentLengths)
        }
        Problem::ContentLengthOverridden => {
            ("content-length", FindingKind::ContentLengthBesideTransferEncoding)
        }
        Problem::UnknownTransferCoding => ("transfer-encoding", FindingKind::TransferEncoding),
        // A head has no chunks.
        Problem::BadContentLength | Problem::BadChunk { .. } => {
            ("content-length", FindingKind::ContentLength)
        }
    };
    let is_it = |field: &[u8]| field.eq_ignore_ascii_case(name.as_bytes());
    let mut places =
        head.placed_fields().filter(|(_, field, _)| is_it(field)).map(|(start, ..)| start);
    // The value that contradicts the first one, or the coding that is not `chunked`.
    let place = match kind {
        FindingKind::ConflictingContentLengths | FindingKind::TransferEncoding => places.last(),
        _ => places.next(),
    };
    (place.unwrap_or_default() as u64, kind)
}

/// Looks at the bytes of a chunked body that are not data.
struct Coding {
    last: u8,
    lone_lf: Option<u64>,
}

impl Coding {
    fn look(&mut self, piece: &[u8], range: Range<usize>, offset: u64) {
        for at in range {
            if piece[at] == b'\n' && self.last != b'\r' {
                self.lone_lf.get_or_insert(offset + at as u64);
            }
            self.last = piece[at];
        }
    }
}

/// A reader, and the bytes of it that are being looked at.
struct Input<R> {
    reader: R,
    bytes: Vec<u8>,
    /// How many bytes came before these.
    offset: u64,
}

impl<R: Read> Input<R> {
    const PIECE: usize = 64 << 10;

    fn new(reader: R) -> Self {
        Input { reader, bytes: Vec::new(), offset: 0 }
    }

    /// Reads more; false at the end.
    fn fill(&mut self) -> io::Result<bool> {
        let before = self.bytes.len();
        self.reader.by_ref().take(Self::PIECE as u64).read_to_end(&mut self.bytes)?;
        Ok(self.bytes.len() > before)
    }

    fn consume(&mut self, length: usize) {
        self.bytes.drain(..length);
        self.offset += length as u64;
    }

    /// How many bytes come before a status line, if one comes.
    fn find_start(&mut self) -> io::Result<Option<usize>> {
        const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
        if self.bytes.len() < Self::PIECE {
            self.fill()?;
        }
        let bytes = self.bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&self.bytes);
        let start = bytes.trim_ascii_start();
        let is_start = start.starts_with(STATUS_LINE_START);
        Ok(is_start.then_some(self.bytes.len() - start.len()))
    }

    /// Reads to the end; how many bytes that were.
    fn count(&mut self) -> io::Result<u64> {
        let start = self.offset;
        loop {
            self.consume(self.bytes.len());
            if !self.fill()? {
                return Ok(self.offset - start);
            }
        }
    }
}
