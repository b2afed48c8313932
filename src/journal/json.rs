//! The lines of a journal as JSON, one object each: what they say of a request, an exchange, a connection. `docs/journal.md` has their
//! schema. The order in which a server writes them is in `server/journal_lines`.

use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;
use serde_json::ser::Formatter;

use super::client::{Client, ClientEnd};
use super::control::is_control;
use super::exchange::Exchange;
use super::record::{ConnectionRecord, Journal};
use super::request::{Request, RequestEnd};
use crate::response::http::base64::base64;

/// Of the schema. It changes when a reader that ignores what it does not know would understand something wrongly.
pub(crate) const VERSION: u64 = 1;

/// One line: its fields, in the order in which they are written.
#[derive(Debug)]
pub(crate) struct Line(Vec<(&'static str, Value)>);

impl Line {
    pub(crate) fn new(event: &'static str, since_start: Duration) -> Self {
        Line(vec![("event", event.into()), ("ms", millis(since_start))])
    }

    /// The first line of all.
    pub(crate) fn first() -> Self {
        Self::new("journal", Duration::ZERO)
            .with("version", VERSION)
            .with("program", concat!("fake-peer ", env!("CARGO_PKG_VERSION")))
    }

    /// When that was, in milliseconds since 1970.
    pub(crate) fn with_clock(self) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.with("unix_ms", u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.0.push((name, value.into()));
        self
    }

    /// Without the field where there is no value.
    pub(crate) fn with_some(self, name: &'static str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// The number of the connection, and of the exchange if there is one.
    pub(crate) fn of(self, client: &Client) -> Self {
        let exchange = Some(client.exchange()).filter(|&number| number > 0);
        self.with("connection", client.connection()).with_some("exchange", exchange)
    }

    /// Bytes of which there are `len`, kept or not: as text if they are UTF-8, otherwise in base64.
    fn with_bytes(self, bytes: &[u8], len: u64) -> Self {
        let line = self.with("bytes", len);
        let line = match std::str::from_utf8(bytes) {
            Ok(text) => line.with("text", text),
            Err(_) => line.with("base64", base64(bytes)),
        };
        line.with_some("truncated", (len > bytes.len() as u64).then_some(true))
    }

    pub(crate) fn connection(self, client: &Client) -> Self {
        self.of(client).with("client", client.addr().to_string())
    }

    pub(crate) fn request(self, request: &Request, record: Option<&Path>) -> Self {
        self.of(request.client())
            .with("turn", request.client().turn())
            .with("end", request_end(request.end()))
            .with_some("problem", request.problem().map(ToString::to_string))
            .with_some("method", request.method())
            .with_some("target", request.target())
            .with_some("client_hello", request.client_hello().map(|hello| hello.to_string()))
            .with_some("record", record.map(|path| path.to_string_lossy()))
            .with_bytes(request.bytes(), request.len())
    }

    /// An exchange that is over, and why it failed, if it has.
    pub(crate) fn exchange(self, exchange: &Exchange, failure: Option<&str>) -> Self {
        let times = exchange.times();
        let since = |moment: Instant| millis(moment.saturating_duration_since(times.accepted));
        let sent = exchange.sent_bytes();
        self.of(exchange.client())
            .with("turn", exchange.client().turn())
            .with_some("offered", exchange.knows_offered().then(|| exchange.offered()))
            .with("sent", exchange.sent())
            .with_some("acknowledged", exchange.acknowledged())
            .with("first_byte_ms", since(times.first_byte))
            .with("request_end_ms", since(times.request_end))
            .with("response_end_ms", since(times.response_end))
            .with_some("failure", failure)
            .with_bytes(&sent[..sent.len().min(SHOWN)], exchange.sent())
    }

    pub(crate) fn end_of_client(self, end: ClientEnd) -> Self {
        self.with(
            "client_end",
            match end {
                ClientEnd::StillOpen => "still_open",
                ClientEnd::Closed => "closed",
                ClientEnd::Reset => "reset",
                ClientEnd::ClosedByUs => "closed_by_us",
            },
        )
    }

    /// The line as it is written, its line end included.
    pub(crate) fn text(&self) -> String {
        let mut bytes = Vec::new();
        let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, ForTerminals);
        self.serialize(&mut serializer).expect("memory can be written to, and keys are text");
        bytes.push(b'\n');
        String::from_utf8(bytes).expect("JSON is UTF-8")
    }
}

/// How many bytes of a response are shown.
const SHOWN: usize = 1024;

/// Whole microseconds, so that no digits are printed that mean nothing.
#[allow(clippy::cast_precision_loss)] // in 285 years
fn millis(duration: Duration) -> Value {
    (duration.as_micros() as f64 / 1000.0).into()
}

fn request_end(end: RequestEnd) -> &'static str {
    match end {
        RequestEnd::Complete => "complete",
        RequestEnd::ClientClosed => "client_closed",
        RequestEnd::Reset => "reset",
        RequestEnd::TimedOut => "timed_out",
        RequestEnd::TooLarge => "too_large",
        RequestEnd::BadLength => "bad_length",
        RequestEnd::Failed => "failed",
    }
}

impl Serialize for Line {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// JSON in which what a terminal would act on is escaped, beyond what JSON asks for.
struct ForTerminals;

impl Formatter for ForTerminals {
    fn write_string_fragment<W: io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(is_control) {
            let (plain, from) = rest.split_at(at);
            let length = from.chars().next().map_or(0, char::len_utf8);
            let mut escaped = plain.to_owned();
            // All of them have one unit of UTF-16.
            for unit in from[..length].encode_utf16() {
                let _ = write!(escaped, "\\u{unit:04x}");
            }
            writer.write_all(escaped.as_bytes())?;
            rest = &from[length..];
        }
        writer.write_all(rest.as_bytes())
    }
}

impl Journal {
    /// Everything in this journal as JSON, one object a line: first the version, then each connection with its requests and exchanges,
    /// in the order of acceptance. [`docs/journal.md`][schema] has the schema. With the feature `json`.
    ///
    /// [`JournalLines`](crate::JournalLines) writes lines while a server works.
    ///
    /// ```
    /// # use std::io::{Read, Write};
    /// let peer = fake_peer::Peer::answer("pong");
    /// # let mut client = std::net::TcpStream::connect(peer.addr())?;
    /// # client.write_all(b"ping")?;
    /// # client.read_to_end(&mut Vec::new())?;
    /// # drop(client);
    /// // A client says "ping".
    /// let lines = peer.finish().unwrap().to_json_lines();
    /// assert!(lines.starts_with("{\"event\":\"journal\",\"ms\":0.0,\"version\":1,"));
    /// assert!(lines.contains("\"bytes\":4,\"text\":\"ping\"}\n"), "{lines}");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// [schema]: https://docs.rs/crate/fake-peer/latest/source/docs/journal.md
    pub fn to_json_lines(&self) -> String {
        let start = self.connections().first().map(ConnectionRecord::accepted_at);
        let since_start = |moment: Instant| {
            start.map_or(Duration::ZERO, |start| moment.saturating_duration_since(start))
        };
        let mut text = Line::first().text();
        for record in self.connections() {
            text += &record.json_lines(since_start);
        }
        text
    }
}

impl ConnectionRecord {
    fn json_lines(&self, since_start: impl Fn(Instant) -> Duration) -> String {
        let client = self.client();
        let line = |event, moment| Line::new(event, since_start(moment));
        let mut text = line("connection", self.accepted_at()).connection(client).text();
        if let Some(handshake) = self.live.handshake.get() {
            let tls = line("tls", self.accepted_at()).of(client);
            text += &tls
                .with("session", handshake.session.to_string())
                .with_some("failure", handshake.failure.as_deref())
                .text();
        }
        for exchange in self.exchanges() {
            let times = exchange.times();
            text += &line("request", times.request_end).request(exchange.request(), None).text();
            let over = line("exchange", times.response_end);
            text += &over.exchange(exchange, exchange.failure()).text();
        }
        if let Some(closed_at) = self.closed_at() {
            text +=
                &self.json_end(line(if self.is_silent() { "silent" } else { "closed" }, closed_at));
        }
        text
    }

    fn json_end(&self, line: Line) -> String {
        let line = line.of(self.client()).end_of_client(self.client_end());
        if self.is_silent() {
            return line.text();
        }
        let acknowledged = self.live.end.get().and_then(|end| end.acknowledged);
        line.with("exchanges", self.exchanges().len())
            .with_some("acknowledged", acknowledged)
            .with("trailing", self.trailing_len())
            .text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_acts_on_is_escaped_and_means_the_same() {
        let text = "日本\u{202e}\u{9b}\u{7f}\u{1b}[2J\"\\\r\n\u{0}\u{feff}";
        let line = Line::new("request", Duration::ZERO).with("text", text).text();
        assert!(!line.trim_end().contains(is_control), "{line}");
        assert!(line.contains("日本\\u202e\\u009b\\u007f\\u001b[2J"), "{line}");
        let value: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(value["text"], text);
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_in_base64() {
        let line = Line::new("request", Duration::ZERO).with_bytes(b"a\xff", 3).text();
        assert!(line.contains("\"bytes\":3,\"base64\":\"Yf8=\",\"truncated\":true}"), "{line}");
    }
}
