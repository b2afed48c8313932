//! Both directions of each connection as lines of text, made from the events of a server.

use std::collections::HashMap;
use std::env;
use std::fmt::Write as _;
use std::io::{self, IsTerminal};
use std::time::Instant;

use crate::journal::client::{Client, ClientEnd};
use crate::response::ending::Ending;
use crate::serving::event::Event;

/// Shows what happens on each connection, in both directions, line by line.
///
/// A line has the seconds since the connection was accepted, a mark, and a text: `>` for bytes that the client sent, `<` for
/// bytes that were sent to it, `*` for everything else. The number of the connection comes first, as `#2`. Text is escaped where it
/// is not printable, and a backslash is doubled, so no two byte strings look alike.
///
/// ```text
/// #1   0.000 * 127.0.0.1:59550 has connected
/// #1   0.001 > GET / HTTP/1.1\r\n
/// #1   0.001 > \r\n
/// #1   0.001 < HTTP/1.1 204 No Content\r\n
/// #1   0.001 < \r\n
/// #1   0.001 * ends its sending side
/// #1   0.002 * the client has closed its side
/// ```
///
/// It is an observer ([`on_event`](crate::TcpServerBuilder::on_event)):
///
/// ```
/// use fake_peer::{Peer, Transcript};
/// # use std::io::{Read, Write};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let peer = Peer::builder()
///     .source("pong")
///     .on_event(Transcript::for_stderr().write_to(std::io::stderr()))
///     .spawn()?;
/// # let mut client = std::net::TcpStream::connect(peer.addr())?;
/// # client.write_all(b"ping")?;
/// # client.read_to_end(&mut Vec::new())?;
/// # Ok(()) }
/// ```
///
/// [`lines`](Self::lines) gives the text of each event, to do something else with it:
///
/// ```
/// use fake_peer::{Peer, Transcript};
/// # use std::io::{Read, Write};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut transcript = Transcript::new();
/// let (send, lines) = std::sync::mpsc::channel();
/// let peer = Peer::builder()
///     .source("pong")
///     .on_event(move |event| send.send(transcript.lines(event)).unwrap())
///     .spawn()?;
/// # let mut client = std::net::TcpStream::connect(peer.addr())?;
/// # client.write_all(b"ping\n")?;
/// # client.read_to_end(&mut Vec::new())?;
/// # drop(client);
/// peer.finish()?;
/// let text: String = lines.iter().collect();
/// assert!(text.contains("> ping\\n\n") && text.contains("< pong\n"), "{text}");
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Transcript {
    form: Form,
    colours: Colours,
    numbers: Numbers,
    connections: HashMap<u64, Shown>,
}

/// How bytes are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// As text, a line for each line, what is not printable escaped.
    Escaped,
    /// Sixteen to a line, with their offset in their direction.
    Hex,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Colours {
    Ansi,
    None,
}

/// Which lines name their connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Numbers {
    Always,
    FromTheSecondOn,
}

/// A connection that is open.
#[derive(Debug)]
struct Shown {
    start: Instant,
    received: u64,
    sent: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    FromClient,
    ToClient,
    Other,
}

impl Transcript {
    /// A transcript of escaped text, without colours, in which every line has the number of its connection.
    pub fn new() -> Self {
        Transcript {
            form: Form::Escaped,
            colours: Colours::None,
            numbers: Numbers::Always,
            connections: HashMap::new(),
        }
    }

    /// A transcript for stderr: in colours if that is a terminal, unless the environment variable `NO_COLOR` is set
    /// (<https://no-color.org>) or `TERM` is `dumb`.
    pub fn for_stderr() -> Self {
        let is_unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let transcript = Self::new();
        if is_terminal(&io::stderr()) && !is_unwanted { transcript.colours() } else { transcript }
    }

    /// Shows bytes in hexadecimal, 16 to a line, with their offset in their direction.
    #[must_use]
    pub fn hex(mut self) -> Self {
        self.form = Form::Hex;
        self
    }

    /// Marks the directions with the colours of a terminal (ANSI escape codes).
    #[must_use]
    pub fn colours(mut self) -> Self {
        self.colours = Colours::Ansi;
        self
    }

    /// Leaves out the number of the first connection, for servers that have one client.
    #[must_use]
    pub fn numbers_from_the_second_on(mut self) -> Self {
        self.numbers = Numbers::FromTheSecondOn;
        self
    }

    /// An observer that writes the lines to `writer` as things happen. What cannot be written is lost.
    pub fn write_to(
        mut self,
        mut writer: impl io::Write + Send + 'static,
    ) -> impl FnMut(&Event<'_>) + Send + 'static {
        move |event| {
            // An observer has nowhere to return an error to, and serving goes on without it.
            let _ = writer.write_all(self.lines(event).as_bytes()).and_then(|()| writer.flush());
        }
    }

    /// What an event adds: whole lines, or nothing.
    pub fn lines(&mut self, event: &Event<'_>) -> String {
        match *event {
            Event::Accepted { client } => {
                let shown = Shown { start: Instant::now(), received: 0, sent: 0 };
                self.connections.insert(client.connection(), shown);
                // A client chooses the path of its Unix socket.
                let addr = escaped(client.addr().to_string().as_bytes());
                self.remark(client, &format!("{addr} has connected"))
            }
            Event::Handshake { client, session, failure } => self.remark(
                client,
                &match failure {
                    Some(failure) => format!("{session}: handshake failed: {failure}"),
                    None => session.to_owned(),
                },
            ),
            Event::Silent { client, end: ClientEnd::ClosedByUs } => {
                self.end(client, "closed, since the client said nothing")
            }
            Event::Silent { client, .. } => self.end(client, "the client left without a byte"),
            Event::Received { client, bytes } => self.bytes(client, Mark::FromClient, bytes),
            Event::Sent { client, bytes } => self.bytes(client, Mark::ToClient, bytes),
            Event::Ending { client, ending } => self.remark(client, our_end(ending)),
            Event::Closed { client, end, .. } => self.end(client, client_end(end)),
            _ => String::new(),
        }
    }

    fn remark(&self, client: &Client, text: &str) -> String {
        let mut lines = String::new();
        self.line(&mut lines, client, Mark::Other, text);
        lines
    }

    fn end(&mut self, client: &Client, text: &str) -> String {
        let lines = self.remark(client, text);
        self.connections.remove(&client.connection());
        lines
    }

    fn bytes(&mut self, client: &Client, mark: Mark, bytes: &[u8]) -> String {
        let mut offset = 0;
        if let Some(connection) = self.connections.get_mut(&client.connection()) {
            let count = match mark {
                Mark::ToClient => &mut connection.sent,
                Mark::FromClient | Mark::Other => &mut connection.received,
            };
            offset = *count;
            *count += bytes.len() as u64;
        }
        let mut lines = String::new();
        match self.form {
            Form::Escaped => {
                for line in bytes.split_inclusive(|&byte| byte == b'\n') {
                    self.line(&mut lines, client, mark, &escaped(line));
                }
            }
            Form::Hex => {
                for (index, row) in bytes.chunks(16).enumerate() {
                    let text = hex(offset + 16 * index as u64, row);
                    self.line(&mut lines, client, mark, &text);
                }
            }
        }
        lines
    }

    fn line(&self, lines: &mut String, client: &Client, mark: Mark, text: &str) {
        let number = client.connection();
        if self.numbers == Numbers::Always || number > 1 {
            let _ = write!(lines, "#{number} ");
        }
        let start = self.connections.get(&number).map(|connection| connection.start);
        let seconds = start.map_or(0.0, |start| start.elapsed().as_secs_f64());
        let (mark, colour) = match mark {
            Mark::FromClient => ('>', "32"),
            Mark::ToClient => ('<', "36"),
            Mark::Other => ('*', "2"),
        };
        let _ = match self.colours {
            Colours::Ansi => writeln!(lines, "{seconds:7.3} \x1b[{colour}m{mark} {text}\x1b[0m"),
            Colours::None => writeln!(lines, "{seconds:7.3} {mark} {text}"),
        };
    }
}

impl Default for Transcript {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether this is a terminal that can do more than print lines.
pub(crate) fn is_terminal(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && env::var_os("TERM").is_some_and(|term| term != "dumb")
}

fn our_end(ending: &Ending) -> &'static str {
    match ending {
        Ending::HalfClose => "ends its sending side, and receives until the client closes",
        Ending::Hold => "holds the connection open until the client closes",
        Ending::Reset => "resets the connection, when the client has everything",
        Ending::CloseAtOnce => "closes",
        #[cfg(feature = "tls")]
        Ending::NoCloseNotify => "ends its sending side without close_notify",
        _ => "ends its sending side",
    }
}

fn client_end(end: ClientEnd) -> &'static str {
    match end {
        ClientEnd::Closed => "the client has closed its side",
        ClientEnd::Reset => "the client has reset the connection",
        _ => "the client was still there in the end",
    }
}

/// Printable characters as they are, the rest and the backslash escaped: no two byte strings look the same.
fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for char in chunk.valid().chars() {
            let is_plain = match char {
                '\\' => false,
                '\'' | '"' => true,
                _ => char.escape_debug().count() == 1,
            };
            if is_plain {
                text.push(char);
            } else {
                escape(&mut text, char.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        escape(&mut text, chunk.invalid());
    }
    text
}

fn escape(text: &mut String, bytes: &[u8]) {
    let _ = write!(text, "{}", bytes.escape_ascii());
}

/// `00000010  47 45 54 20 2f 20 48 54  54 50 2f 31 2e 31 0d 0a  |GET / HTTP/1.1..|`.
fn hex(offset: u64, row: &[u8]) -> String {
    let mut text = format!("{offset:08x} ");
    for index in 0..16 {
        if index % 8 == 0 {
            text.push(' ');
        }
        let _ = match row.get(index) {
            Some(byte) => write!(text, "{byte:02x} "),
            None => write!(text, "   "),
        };
    }
    text.push_str(" |");
    let shown =
        |&byte: &u8| if byte == b' ' || byte.is_ascii_graphic() { byte.into() } else { '.' };
    text.extend(row.iter().map(shown));
    text.push('|');
    text
}
