//! The errors of serving. Their texts name the connection, the step and the bytes seen. `Display` never repeats the
//! `source()`; `Error::report` prints both.

use std::fmt;
use std::io;
use std::time::Duration;

use crate::journal::client::Client;
use crate::journal::count::{self, Count};
use crate::journal::exchange::Exchange;
use crate::journal::peer_report::PeerReport;
use crate::journal::record::{ConnectionRecord, Journal};
use crate::os::address::Address;

/// The result of serving.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something could not be served.
///
/// Each text names the step that failed, the connection, and the bytes seen until then; the cause is the
/// [`source`](std::error::Error::source). [`exchange`](Self::exchange) has what was exchanged by then.
/// [`report`](Self::report) prints error and causes.
///
/// ```
/// use fake_peer::{Error, Framing, TcpServer};
/// use std::io::Write;
/// use std::time::Duration;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let peer = TcpServer::builder()
///     .framing(Framing::until("\r\n"))
///     .timeout(Duration::from_millis(50))
///     .spawn()?;
/// let mut client = std::net::TcpStream::connect(peer.addr())?;
/// client.write_all(b"PING")?;
///
/// let error = peer.finish().unwrap_err();
/// assert!(matches!(error, Error::Receive { .. }));
/// error.exchange().unwrap().request().assert_bytes("PING");
/// assert!(error.report().to_string().ends_with(
///     r#"after 4 bytes "PING": nothing arrived for 50ms, and the request is not complete by framing `until:\r\n`"#
/// ));
/// # Ok(()) }
/// ```
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address could not be resolved, or could not be bound.
    #[error("failed to listen on {addr}")]
    #[non_exhaustive]
    Listen {
        /// The address asked for.
        addr: String,
        /// The cause.
        source: io::Error,
    },
    /// No connection could be accepted, or no thread could be started to serve it.
    #[error("failed to accept a connection on {addr}")]
    #[non_exhaustive]
    Accept {
        /// The server's address.
        addr: Address,
        /// The cause.
        source: io::Error,
        /// The peer whose test failed; `None` for a server in the foreground.
        peer: Option<Box<PeerReport>>,
    },
    /// A peer could not go [down](crate::Peer::down).
    #[error("failed to refuse connections on {addr}")]
    #[non_exhaustive]
    Refuse {
        /// The peer's address.
        addr: Address,
        /// The cause.
        source: io::Error,
        /// The peer whose test failed; `None` for a server in the foreground.
        peer: Option<Box<PeerReport>>,
    },
    /// No client began an exchange within the [accept timeout](crate::TcpServer::accept_timeout).
    #[error("no request began on {addr} within {timeout:?}")]
    #[non_exhaustive]
    NoRequest {
        /// The server's address.
        addr: Address,
        /// How long the call waited.
        timeout: Duration,
    },
    /// A TLS handshake failed: the client did not accept the certificate, or the peer what the client offered, or the client left.
    /// [`clients_may_leave_early`](crate::TcpServerBuilder::clients_may_leave_early) allows that. It comes only with the feature `tls`.
    #[error("the TLS handshake with {client} failed")]
    #[non_exhaustive]
    Handshake {
        /// The client.
        client: Client,
        /// The cause.
        source: io::Error,
        /// The peer whose test failed; `None` for a server in the foreground.
        peer: Option<Box<PeerReport>>,
    },
    /// The request ended before it was complete: by a reset, a timeout, or the buffer limit.
    #[error("failed to receive a complete request from {}", Received(exchange))]
    #[non_exhaustive]
    Receive {
        /// The exchange so far.
        exchange: Exchange,
        /// The cause.
        source: io::Error,
        /// The peer whose test failed; `None` for a server in the foreground.
        peer: Option<Box<PeerReport>>,
    },
    /// The sink failed.
    #[error("failed to record the request from {}", Received(exchange))]
    #[non_exhaustive]
    Record {
        /// The exchange so far.
        exchange: Exchange,
        /// The cause.
        source: io::Error,
        /// The peer whose test failed; `None` for a server in the foreground.
        peer: Option<Box<PeerReport>>,
    },
    /// The source failed, or a file or reader of its response did.
    #[error("failed to answer the request {}{}", Asked(exchange), Drawn(exchange))]
    #[non_exhaustive]
    Respond {
        /// The exchange so far.
        exchange: Exchange,
        /// The cause.
        source: io::Error,
        /// The peer whose test failed; `None` for a server in the foreground.
        peer: Option<Box<PeerReport>>,
    },
    /// The client was gone before the first byte of the response was sent, or took nothing more of it.
    #[error("failed to send the response to {}{}", Sent(exchange), Drawn(exchange))]
    #[non_exhaustive]
    Send {
        /// The exchange so far.
        exchange: Exchange,
        /// The cause.
        source: io::Error,
        /// The peer whose test failed; `None` for a server in the foreground.
        peer: Option<Box<PeerReport>>,
    },
    /// No exchange was completed within the time given to [`take`](crate::Peer::take).
    #[error("no exchange was completed on {addr} within {timeout:?}: {}", Open(journal))]
    #[non_exhaustive]
    NoExchange {
        /// The peer's address.
        addr: Address,
        /// How long the call waited.
        timeout: Duration,
        /// What had happened by then.
        journal: Box<Journal>,
        /// The peer whose test failed; `None` for a server in the foreground.
        peer: Option<Box<PeerReport>>,
    },
    /// A peer served more or fewer exchanges than [`expect`](crate::Peer::expect) said.
    #[error(
        "expected {} on {addr}, but there {} {served}",
        Count(*expected, "exchange"),
        if *served == 1 { "was" } else { "were" }
    )]
    #[non_exhaustive]
    Count {
        /// The peer's address.
        addr: Address,
        /// How many were expected.
        expected: u64,
        /// How many there were.
        served: u64,
        /// The peer whose test failed; `None` for a server in the foreground.
        peer: Option<Box<PeerReport>>,
    },
    /// A peer that [expected](crate::Peer::expect) no exchange was connected to.
    #[error("expected no client on {addr}, but {} came, without a byte", Count(*connections, "connection"))]
    #[non_exhaustive]
    Contacted {
        /// The peer's address.
        addr: Address,
        /// How many connections there were.
        connections: u64,
        /// The peer whose test failed; `None` for a server in the foreground.
        peer: Option<Box<PeerReport>>,
    },
    /// No client has connected within the time given to [`accept`](crate::ManualPeer::accept).
    #[error("no client has connected to {addr} within {timeout:?}")]
    #[non_exhaustive]
    NoConnection {
        /// The peer's address.
        addr: Address,
        /// How long the call waited.
        timeout: Duration,
        /// The peer whose test failed.
        peer: Option<Box<PeerReport>>,
    },
    /// A peer has ended with a connection that the test has not [accepted](crate::ManualPeer::accept).
    #[error("the connection from {client} was not accepted by the test")]
    #[non_exhaustive]
    NotAccepted {
        /// The peer's address.
        addr: Address,
        /// The client.
        client: Client,
        /// The peer whose test failed.
        peer: Option<Box<PeerReport>>,
    },
    /// What drives a connection by hand has failed: a call on its [`Connection`](crate::Connection), or the function given to
    /// [`handle`](crate::TcpServerBuilder::handle).
    #[error("the connection from {client} failed")]
    #[non_exhaustive]
    ByHand {
        /// The client.
        client: Client,
        /// The cause.
        source: io::Error,
        /// The peer whose test failed.
        peer: Option<Box<PeerReport>>,
    },
    /// User code had not returned when the time to [`finish`](crate::Peer::finish) was over.
    #[error(
        "the {what} has not returned within {timeout:?} after the server on {addr} was to finish"
    )]
    #[non_exhaustive]
    NotReturned {
        /// The server's address.
        addr: Address,
        /// Which of them: `source`, `sink` or `observer`.
        what: &'static str,
        /// How long there was time: the [`finish_timeout`](crate::TcpServerBuilder::finish_timeout).
        timeout: Duration,
        /// The peer whose test failed; `None` for a server in the foreground.
        peer: Option<Box<PeerReport>>,
    },
    /// At the end, the source is not finished: a [`Sequence`](crate::Sequence) or [`PerConnection`](crate::PerConnection) has
    /// answers that no client fetched, a [`Conversation`](crate::Conversation) was not played to its end, or a [`Proxy`](crate::Proxy) could not complete its record. The cause says which.
    #[error("failed to finish the source of the server on {addr}")]
    #[non_exhaustive]
    LeftOver {
        /// The server's address.
        addr: Address,
        /// The error of the source.
        source: io::Error,
        /// The peer whose test failed; `None` for a server in the foreground.
        peer: Option<Box<PeerReport>>,
    },
}

impl Error {
    /// The exchange that failed, as far as it came.
    pub fn exchange(&self) -> Option<&Exchange> {
        match self {
            Error::Receive { exchange, .. }
            | Error::Record { exchange, .. }
            | Error::Respond { exchange, .. }
            | Error::Send { exchange, .. } => Some(exchange),
            _ => None,
        }
    }

    /// The peer whose test failed: where it was made, what it expected, its journal. `None` for a server in the foreground, and before
    /// there is a peer.
    pub fn peer(&self) -> Option<&PeerReport> {
        match self {
            Error::Listen { .. } | Error::NoRequest { .. } => None,
            Error::Accept { peer, .. }
            | Error::Receive { peer, .. }
            | Error::Record { peer, .. }
            | Error::Respond { peer, .. }
            | Error::Send { peer, .. }
            | Error::NoExchange { peer, .. }
            | Error::Count { peer, .. }
            | Error::Contacted { peer, .. }
            | Error::NotReturned { peer, .. }
            | Error::Refuse { peer, .. }
            | Error::NoConnection { peer, .. }
            | Error::NotAccepted { peer, .. }
            | Error::Handshake { peer, .. }
            | Error::ByHand { peer, .. }
            | Error::LeftOver { peer, .. } => peer.as_deref(),
        }
    }

    /// The same error, of this peer.
    pub(crate) fn of_peer(mut self, report: PeerReport) -> Self {
        match &mut self {
            Error::Listen { .. } | Error::NoRequest { .. } => {}
            Error::Accept { peer, .. }
            | Error::Receive { peer, .. }
            | Error::Record { peer, .. }
            | Error::Respond { peer, .. }
            | Error::Send { peer, .. }
            | Error::NoExchange { peer, .. }
            | Error::Count { peer, .. }
            | Error::Contacted { peer, .. }
            | Error::NotReturned { peer, .. }
            | Error::Refuse { peer, .. }
            | Error::NoConnection { peer, .. }
            | Error::NotAccepted { peer, .. }
            | Error::Handshake { peer, .. }
            | Error::ByHand { peer, .. }
            | Error::LeftOver { peer, .. } => *peer = Some(Box::new(report)),
        }
        self
    }

    /// The client whose exchange failed, or its TLS handshake.
    pub fn client(&self) -> Option<&Client> {
        match self {
            Error::Handshake { client, .. } => Some(client),
            _ => self.exchange().map(Exchange::client),
        }
    }

    /// The cause, if it is an I/O error.
    pub fn io_error(&self) -> Option<&io::Error> {
        match self {
            Error::Listen { source, .. }
            | Error::Handshake { source, .. }
            | Error::ByHand { source, .. }
            | Error::LeftOver { source, .. }
            | Error::Accept { source, .. }
            | Error::Refuse { source, .. }
            | Error::Receive { source, .. }
            | Error::Record { source, .. }
            | Error::Respond { source, .. }
            | Error::Send { source, .. } => Some(source),
            Error::NoRequest { .. }
            | Error::NoConnection { .. }
            | Error::NotAccepted { .. }
            | Error::NoExchange { .. }
            | Error::Count { .. }
            | Error::Contacted { .. }
            | Error::NotReturned { .. } => None,
        }
    }

    /// The error and its causes in one line, separated by colons. `Debug` prints the same and the [`peer`](Self::peer), so that
    /// `finish().unwrap()` shows all of it.
    ///
    /// ```
    /// let server = fake_peer::TcpServer::builder().bind()?;
    /// let taken = fake_peer::TcpServer::builder().addr(server.local_addr()).bind().unwrap_err();
    /// let line = taken.report().to_string();
    /// assert!(line.starts_with(&format!("failed to listen on {}: ", server.local_addr())), "{line}");
    /// # Ok::<(), fake_peer::Error>(())
    /// ```
    pub fn report(&self) -> impl fmt::Display {
        Report(self)
    }
}

/// Prints the [`report`](Error::report), because this is what `unwrap` and a failing `main` show; and on lines of their own where the
/// peer was made, what it expected, and its journal.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Report(self), f)?;
        self.peer().map_or(Ok(()), |peer| write!(f, "\n{peer}"))
    }
}

impl Error {
    /// A copy for the observer, which is called later. Its cause has the text of all causes.
    pub(crate) fn duplicate(&self) -> Self {
        let copy = |source: &io::Error| {
            let mut text = source.to_string();
            let mut cause = std::error::Error::source(source);
            while let Some(error) = cause {
                text = format!("{text}: {error}");
                cause = error.source();
            }
            io::Error::new(source.kind(), text)
        };
        match self {
            Error::Listen { addr, source } => {
                Error::Listen { addr: addr.clone(), source: copy(source) }
            }
            Error::Accept { addr, source, peer } => {
                Error::Accept { addr: addr.clone(), source: copy(source), peer: peer.clone() }
            }
            Error::NoConnection { addr, timeout, peer } => {
                Error::NoConnection { addr: addr.clone(), timeout: *timeout, peer: peer.clone() }
            }
            Error::NotAccepted { addr, client, peer } => Error::NotAccepted {
                addr: addr.clone(),
                client: client.clone(),
                peer: peer.clone(),
            },
            Error::Handshake { client, source, peer } => Error::Handshake {
                client: client.clone(),
                source: copy(source),
                peer: peer.clone(),
            },
            Error::ByHand { client, source, peer } => {
                Error::ByHand { client: client.clone(), source: copy(source), peer: peer.clone() }
            }
            Error::Refuse { addr, source, peer } => {
                Error::Refuse { addr: addr.clone(), source: copy(source), peer: peer.clone() }
            }
            Error::LeftOver { addr, source, peer } => {
                Error::LeftOver { addr: addr.clone(), source: copy(source), peer: peer.clone() }
            }
            Error::Receive { exchange, source, peer } => Error::Receive {
                exchange: exchange.clone(),
                source: copy(source),
                peer: peer.clone(),
            },
            Error::Record { exchange, source, peer } => Error::Record {
                exchange: exchange.clone(),
                source: copy(source),
                peer: peer.clone(),
            },
            Error::Respond { exchange, source, peer } => Error::Respond {
                exchange: exchange.clone(),
                source: copy(source),
                peer: peer.clone(),
            },
            Error::Send { exchange, source, peer } => {
                Error::Send { exchange: exchange.clone(), source: copy(source), peer: peer.clone() }
            }
            Error::NoRequest { addr, timeout } => {
                Error::NoRequest { addr: addr.clone(), timeout: *timeout }
            }
            Error::NoExchange { addr, timeout, journal, peer } => Error::NoExchange {
                addr: addr.clone(),
                timeout: *timeout,
                journal: journal.clone(),
                peer: peer.clone(),
            },
            Error::Count { addr, expected, served, peer } => Error::Count {
                addr: addr.clone(),
                expected: *expected,
                served: *served,
                peer: peer.clone(),
            },
            Error::Contacted { addr, connections, peer } => Error::Contacted {
                addr: addr.clone(),
                connections: *connections,
                peer: peer.clone(),
            },
            Error::NotReturned { addr, what, timeout, peer } => Error::NotReturned {
                addr: addr.clone(),
                what,
                timeout: *timeout,
                peer: peer.clone(),
            },
        }
    }
}

impl Error {
    /// Its causes in one line, separated by colons.
    pub(crate) fn causes(&self) -> impl fmt::Display {
        Causes(self)
    }
}

struct Report<'a>(&'a Error);

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)?;
        if std::error::Error::source(self.0).is_none() {
            return Ok(());
        }
        write!(f, ": {}", Causes(self.0))
    }
}

struct Causes<'a>(&'a Error);

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        let mut cause = std::error::Error::source(self.0);
        while let Some(error) = cause {
            write!(f, "{separator}{error}")?;
            separator = ": ";
            cause = error.source();
        }
        Ok(())
    }
}

/// `127.0.0.1:59550 (connection 1, exchange 1) after 18 bytes "GET / HTTP/1.1\r\nHo"`; of more bytes the last ones, or the first
/// ones if only those were kept.
struct Received<'a>(&'a Exchange);

impl fmt::Display for Received<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 48;
        let request = self.0.request();
        let bytes = request.bytes();
        write!(f, "{} after {} ", request.client(), count::bytes(request.len()))?;
        if request.is_truncated() {
            return write!(f, "\"{}\"…", bytes[..bytes.len().min(SHOWN)].escape_ascii());
        }
        let (before, end) = bytes.split_at(bytes.len().saturating_sub(SHOWN));
        let dots = if before.is_empty() { "" } else { "…" };
        write!(f, "{dots}\"{}\"", end.escape_ascii())
    }
}

/// `"GET / HTTP/1.1" from 127.0.0.1:59550 (connection 1, exchange 1)`; what is not HTTP as [`Received`].
struct Asked<'a>(&'a Exchange);

impl fmt::Display for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 96;
        let request = self.0.request();
        let Some(line) = request.first_line() else {
            return write!(f, "from {}", Received(self.0));
        };
        let (shown, rest) = line.split_at(line.len().min(SHOWN));
        let dots = if rest.is_empty() { "" } else { "…" };
        write!(f, "\"{}\"{dots} from {}", shown.escape_ascii(), request.client())
    }
}

/// `127.0.0.1:59550 (connection 1, exchange 1) after 131072 of 3000000 bytes`.
struct Sent<'a>(&'a Exchange);

impl fmt::Display for Sent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exchange = self.0;
        write!(f, "{} after ", exchange.client())?;
        if exchange.knows_offered() {
            write!(f, "{} of ", exchange.sent())?;
        }
        write!(f, "{}", count::bytes(exchange.offered()))
    }
}

/// ` (delays from seed 17)`, if there were such delays.
struct Drawn<'a>(&'a Exchange);

impl fmt::Display for Drawn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((first, others)) = self.0.seeds().split_first() else { return Ok(()) };
        let seeds = if others.is_empty() { "seed" } else { "seeds" };
        write!(f, " (delays from {seeds} {first}")?;
        others.iter().try_for_each(|seed| write!(f, ", {seed}"))?;
        f.write_str(")")
    }
}

/// The connections that may bring another request, in one line.
struct Open<'a>(&'a Journal);

impl fmt::Display for Open<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.connections().is_empty() {
            return f.write_str("no client has connected");
        }
        let mut open = self.0.connections().iter().filter(|record| record.may_ask()).peekable();
        if open.peek().is_none() {
            return write_left(f, self.0.connections());
        }
        for (index, record) in open.enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            let (client, turn) = (record.client(), record.exchanges().len() + 1);
            write!(f, "{separator}connection {} from {} ", client.connection(), client.addr())?;
            if let Some(length) = record.answering() {
                let length = count::bytes(length);
                write!(f, "has sent its request {turn} ({length}), which is being answered")?;
            } else {
                let length = count::bytes(record.unfinished());
                write!(f, "has sent {length} of its request {turn}")?;
            }
        }
        Ok(())
    }
}

/// No connection may bring another request: all are closed, or were sent their last response. Bytes after that are reported,
/// because they may be a request to a response that should have kept the connection open.
fn write_left(f: &mut fmt::Formatter<'_>, connections: &[ConnectionRecord]) -> fmt::Result {
    let all = Count(connections.len() as u64, "connection");
    write!(f, "no open connection can bring another request ({all} so far)")?;
    let sent_more = |record: &&ConnectionRecord| record.trailing_len() > 0;
    match connections.iter().find(sent_more) {
        None => Ok(()),
        Some(record) => write!(
            f,
            "; connection {} sent {} after its last request, whose response closes the connection",
            record.client().connection(),
            count::bytes(record.trailing_len())
        ),
    }
}
