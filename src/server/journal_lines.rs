//! What happens on a server as lines of JSON, made from its events.

use std::io;
use std::time::Instant;

use crate::error::Error;
use crate::journal::json::Line;
use crate::os::address::Address;
use crate::response::ending::Ending;
use crate::serving::event::Event;

/// Writes what happens as JSON, one object a line, for programs in any language. With the feature `json`.
///
/// The first line has the version of the schema; the others are connections, requests with their bytes, exchanges with what was sent and
/// acknowledged, how each side ended, failures. [`docs/journal.md`][schema] has every field. Each event is a line of its own.
///
/// ```text
/// {"event":"journal","ms":0.0,"version":1,"program":"fake-peer 0.1.0","unix_ms":1789000000000}
/// {"event":"listening","ms":0.061,"address":"127.0.0.1:41893","host":"127.0.0.1","port":41893}
/// {"event":"connection","ms":3.204,"connection":1,"client":"127.0.0.1:59550"}
/// {"event":"request","ms":3.411,"connection":1,"exchange":1,"turn":1,"end":"complete","method":"GET","target":"/","bytes":18,"text":"GET / HTTP/1.1\r\n\r\n"}
/// ```
///
/// It is an observer ([`on_event`](crate::TcpServerBuilder::on_event)):
///
/// ```
/// use fake_peer::{JournalLines, Peer};
/// # use std::io::{Read, Write};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("journal.jsonl");
/// let file = std::fs::File::create(&path)?;
/// let peer = Peer::builder()
///     .source("pong")
///     .on_event(JournalLines::new().write_to(file))
///     .spawn()?;
/// # let mut client = std::net::TcpStream::connect(peer.addr())?;
/// # client.write_all(b"ping")?;
/// # client.read_to_end(&mut Vec::new())?;
/// # drop(client);
/// peer.finish()?;
/// assert!(std::fs::read_to_string(&path)?.contains("\"text\":\"ping\""));
/// # Ok(()) }
/// ```
///
/// What is in a journal already is written by [`Journal::to_json_lines`](crate::Journal::to_json_lines).
///
/// [schema]: https://docs.rs/crate/fake-peer/latest/source/docs/journal.md
#[derive(Debug)]
pub struct JournalLines {
    start: Instant,
    place: Place,
}

/// Where in the lines it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Start,
    AfterTheFirstLine,
}

impl JournalLines {
    /// Lines whose times count from now.
    pub fn new() -> Self {
        JournalLines { start: Instant::now(), place: Place::Start }
    }

    /// An observer that writes the lines to `writer` as things happen, and flushes it after each. What cannot be written is lost.
    pub fn write_to(
        mut self,
        mut writer: impl io::Write + Send + 'static,
    ) -> impl FnMut(&Event<'_>) + Send + 'static {
        move |event| {
            let lines = self.lines(event);
            if !lines.is_empty() {
                // An observer has nowhere to return an error to, and serving goes on without it.
                let _ = writer.write_all(lines.as_bytes()).and_then(|()| writer.flush());
            }
        }
    }

    /// What an event adds: whole lines, or nothing. Before the first one there is the line with the version.
    pub fn lines(&mut self, event: &Event<'_>) -> String {
        let text = match *event {
            Event::Listening { addr } => with_addr(self.line("listening"), addr),
            Event::Accepted { client } => self.line("connection").connection(client),
            Event::Handshake { client, session, failure } => {
                let line = self.line("tls").of(client).with("session", session);
                line.with_some("failure", failure)
            }
            Event::Silent { client, end } => self.line("silent").of(client).end_of_client(end),
            Event::Requested { request, record } => self.line("request").request(request, record),
            Event::Responding { client, offered } => {
                self.line("response").of(client).with_some("offered", offered)
            }
            Event::Ending { client, ending } => {
                self.line("ending").of(client).with("ending", name(ending))
            }
            Event::Closed { client, end, acknowledged, trailing } => {
                let line = self.line("closed").of(client).end_of_client(end);
                line.with("exchanges", client.turn())
                    .with_some("acknowledged", acknowledged)
                    .with("trailing", trailing)
            }
            Event::Served { exchange } => self.line("exchange").exchange(exchange, None),
            Event::Failed { error } => self.failed(error),
            // The request and the exchange have these bytes.
            Event::Received { .. } | Event::Sent { .. } => return String::new(),
        };
        self.begun(text.text())
    }

    fn failed(&self, error: &Error) -> Line {
        let report = error.report().to_string();
        if let Some(exchange) = error.exchange() {
            return self.line("exchange").exchange(exchange, Some(&report));
        }
        let line = self.line("failed").with("failure", report);
        match error {
            Error::Listen { addr, .. } => line.with("address", addr.as_str()),
            _ => line,
        }
    }

    fn line(&self, event: &'static str) -> Line {
        Line::new(event, self.start.elapsed())
    }

    /// These lines, after the first one of all if that has not been written.
    fn begun(&mut self, lines: String) -> String {
        match std::mem::replace(&mut self.place, Place::AfterTheFirstLine) {
            Place::Start => Line::first().with_clock().text() + &lines,
            Place::AfterTheFirstLine => lines,
        }
    }
}

#[cfg(feature = "cli")]
impl JournalLines {
    /// The first line, if it has not been written.
    pub(crate) fn first_line(&mut self) -> String {
        self.begun(String::new())
    }

    /// The last line of a program.
    pub(crate) fn last_line(&mut self, exit_code: u8) -> String {
        let line = self.line("end").with("exit_code", exit_code);
        self.begun(line.text())
    }
}

impl Default for JournalLines {
    fn default() -> Self {
        Self::new()
    }
}

/// An address as text, and its parts.
fn with_addr(line: Line, addr: &Address) -> Line {
    let tcp = addr.socket_addr();
    line.with("address", addr.to_string())
        .with_some("host", tcp.map(|tcp| tcp.ip().to_string()))
        .with_some("port", tcp.map(|tcp| tcp.port()))
        .with_some("path", addr.path().map(|path| path.to_string_lossy()))
}

fn name(ending: &Ending) -> &'static str {
    match ending {
        Ending::Reset => "reset",
        Ending::HalfClose => "half_close",
        Ending::Hold => "hold",
        Ending::StopReading => "stop_reading",
        Ending::CloseAtOnce => "close_at_once",
        #[cfg(feature = "tls")]
        Ending::NoCloseNotify => "no_close_notify",
        _ => "close",
    }
}
