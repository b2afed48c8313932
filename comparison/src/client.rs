//! The client: a plain socket, and what it saw.

use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long the client waits for the next byte.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// More of a body than this is not shown.
const SHOWN: usize = 24;

pub struct Client {
    stream: TcpStream,
    /// What went wrong while it sent.
    failed: Option<ErrorKind>,
}

impl Client {
    pub fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).expect("a server that listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
        Client { stream, failed: None }
    }

    /// Sends a request and this many bytes more.
    pub fn ask(&mut self, surplus: usize) {
        let mut bytes = b"GET / HTTP/1.1\r\nHost: peer\r\n\r\n".to_vec();
        bytes.resize(bytes.len() + surplus, b'x');
        self.failed = self.stream.write_all(&bytes).err().map(|error| error.kind());
    }

    pub fn read_to_end(&mut self) -> Seen {
        let mut bytes = Vec::new();
        let ended = match self.stream.read_to_end(&mut bytes) {
            Ok(_) => Ended::EndOfFile,
            Err(error) => Ended::from(error.kind()),
        };
        // An error is reported once: after one while sending, the reads see an end-of-file.
        Seen { bytes, ended: self.failed.map_or(ended, Ended::from) }
    }
}

/// The bytes that the client received, and how it ended.
pub struct Seen {
    bytes: Vec<u8>,
    ended: Ended,
}

enum Ended {
    EndOfFile,
    Reset,
    /// The client gave up.
    Silence,
    Other(ErrorKind),
}

impl From<ErrorKind> for Ended {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => Ended::Reset,
            ErrorKind::WouldBlock | ErrorKind::TimedOut => Ended::Silence,
            other => Ended::Other(other),
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, then {}", Received(&self.bytes), self.ended)
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ended::EndOfFile => f.write_str("end-of-file"),
            Ended::Reset => f.write_str("**reset**"),
            Ended::Silence => f.write_str("silence"),
            Ended::Other(kind) => write!(f, "{kind}"),
        }
    }
}

/// Bytes of a response, in a few words: the status, how long the body is according to the head, and what came of the body.
struct Received<'a>(&'a [u8]);

impl fmt::Display for Received<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const BLANK: &[u8] = b"\r\n\r\n";
        if self.0.is_empty() {
            return f.write_str("nothing");
        }
        let Some(end) = self.0.windows(BLANK.len()).position(|window| window == BLANK) else {
            return write!(f, "{} bytes of a head: {}", self.0.len(), shown(self.0));
        };
        let head = String::from_utf8_lossy(&self.0[..end]).to_lowercase();
        let body = &self.0[end + BLANK.len()..];
        write!(f, "{}", head.split_whitespace().nth(1).unwrap_or("no status"))?;
        let values = |name| head.lines().filter_map(move |line| line.strip_prefix(name));
        for length in values("content-length: ") {
            write!(f, ", {} of {length} bytes", body.len())?;
        }
        for coding in values("transfer-encoding: ") {
            write!(f, ", {} bytes of a {coding} body", body.len())?;
        }
        if body.is_empty() { Ok(()) } else { write!(f, ": {}", shown(body)) }
    }
}

fn shown(bytes: &[u8]) -> String {
    let text = bytes[..bytes.len().min(SHOWN)].escape_ascii().to_string();
    let more = if bytes.len() > SHOWN { "…" } else { "" };
    format!("`{}{more}`", text.replace('|', "\\|").replace('`', "'"))
}
