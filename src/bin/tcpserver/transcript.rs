//! Both directions of each connection as text. Where it goes is the caller's.

use std::collections::HashMap;
use std::fmt::Write;
use std::time::Instant;

use fake_peer::{Address, Client, ClientEnd, Ending, Event};

/// How bytes are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// As text, a line for each line, what is not printable escaped.
    Escaped,
    /// Sixteen to a line, with their offset in their direction.
    Hex,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Colours {
    Ansi,
    None,
}

/// Whether each line says which connection it is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Numbers {
    Always,
    /// From the second connection on.
    Later,
}

#[derive(Debug)]
pub(crate) struct Transcript {
    form: Form,
    colours: Colours,
    numbers: Numbers,
    connections: HashMap<u64, Connection>,
}

/// One that has not ended.
#[derive(Debug)]
struct Connection {
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
    pub(crate) fn new(form: Form, colours: Colours, numbers: Numbers) -> Self {
        Transcript { form, colours, numbers, connections: HashMap::new() }
    }

    /// What an event adds: whole lines, or nothing.
    pub(crate) fn tell(&mut self, event: &Event<'_>) -> String {
        match *event {
            Event::Accepted { client, .. } => {
                let connection = Connection { start: Instant::now(), received: 0, sent: 0 };
                self.connections.insert(client.connection(), connection);
                self.remark(client, &connected(client.addr()))
            }
            Event::Silent { client, end: ClientEnd::ClosedByUs, .. } => {
                self.end(client, "closed, since the client said nothing")
            }
            Event::Silent { client, .. } => self.end(client, "the client left without a byte"),
            Event::Received { client, bytes, .. } => self.bytes(client, Mark::FromClient, bytes),
            Event::Sent { client, bytes, .. } => self.bytes(client, Mark::ToClient, bytes),
            Event::Ending { client, ending, .. } => self.remark(client, our_end(ending)),
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

fn connected(addr: &Address) -> String {
    format!("{addr} has connected")
}

fn our_end(ending: &Ending) -> &'static str {
    match ending {
        Ending::HalfClose => "ends its sending side, and receives until the client closes",
        Ending::Hold => "holds the connection open until the client closes",
        Ending::Reset => "resets the connection, when the client has everything",
        Ending::CloseAtOnce => "closes",
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
