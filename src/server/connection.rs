//! A connection that is held by hand, and its two halves.

use std::io;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::framing::rule::Framing;
use crate::journal::client::Client;
use crate::journal::request::Request;
use crate::response::ending::Ending;
use crate::response::steps::Response;
use crate::serving::by_hand::arrivals::Arrival;
use crate::serving::by_hand::control::{Over, Reported, Unsaid};
use crate::source::conversation::{Expect, Refusal};

/// A connection that straight-line code drives: of a [`ManualPeer`](crate::ManualPeer), or of a function that is given to
/// [`handle`](crate::TcpServerBuilder::handle).
///
/// The calls block until they are done, for at most the peer's timeouts: a request that has begun and a client that takes nothing have
/// the [`timeout`](crate::TcpServerBuilder::timeout), a request that has not begun the
/// [`idle_timeout`](crate::TcpServerBuilder::idle_timeout). An exchange that fails is reported by the peer, too, and later calls fail.
///
/// A pause is a `sleep`. A connection that is dropped is closed.
#[derive(Debug)]
pub struct Connection {
    reader: Reader,
    sender: Sender,
}

/// The reading half of a [`Connection`].
#[derive(Debug)]
pub struct Reader(Arc<Held>);

/// The sending half of a [`Connection`]. Clones send on the same connection.
#[derive(Debug, Clone)]
pub struct Sender(Arc<Held>);

/// Ends the connection when both halves are gone.
#[derive(Debug)]
struct Held(Arrival);

impl Held {
    /// Lets the connection look what there is to do, in this thread unless another one has it.
    fn carry_on(&self) {
        Arc::clone(&self.0.connection).go_on();
    }

    fn end(&self, ending: Ending) {
        self.0.control.end(ending);
        self.carry_on();
    }

    fn error(&self, over: Over) -> Error {
        let (kind, text) = match over {
            Over::ClientClosed => {
                (io::ErrorKind::UnexpectedEof, "the client has closed its side".to_owned())
            }
            Over::Finished => (io::ErrorKind::NotConnected, "the peer has ended".to_owned()),
            Over::Ended => (io::ErrorKind::NotConnected, "it has ended on this side".to_owned()),
            Over::Failed(text, kind) => (kind, text),
            Over::ExchangeFailed(text) => return self.error_of(io::Error::other(Reported(text))),
        };
        self.error_of(io::Error::new(kind, text))
    }

    /// Nothing has come where this was expected.
    fn unsaid(&self, over: &Over, expected: &Expect) -> Error {
        let (kind, what) = match over {
            Over::Finished => (io::ErrorKind::NotConnected, "the peer has ended"),
            _ => (io::ErrorKind::UnexpectedEof, "the client has closed its side"),
        };
        let text = format!("{what}: the client should have said {expected}");
        self.error_of(io::Error::new(kind, self.unsaid_as(text)))
    }

    fn unsaid_as(&self, text: String) -> Unsaid {
        Unsaid { text, has_spoken: self.0.control.has_spoken() }
    }

    /// Ends the exchange whose request is not what was expected.
    fn refuse(&self, refusal: Refusal) -> Error {
        let control = &self.0.control;
        control.refuse(refusal.clone());
        self.carry_on();
        let is_reported = matches!(control.await_over(), Over::ExchangeFailed(_));
        self.error_of(match refusal {
            Refusal::CutShort(text) | Refusal::SomethingElse(text) | Refusal::Unknown(text)
                if is_reported =>
            {
                io::Error::other(Reported(text))
            }
            Refusal::CutShort(text) => {
                io::Error::new(io::ErrorKind::UnexpectedEof, self.unsaid_as(text))
            }
            Refusal::SomethingElse(text) | Refusal::Unknown(text) => io::Error::other(text),
        })
    }

    fn error_of(&self, source: io::Error) -> Error {
        let client = self.0.client.clone();
        let error = Error::ByHand { client, source, peer: None };
        error.of_peer(self.0.connection.report())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.end(Ending::Close);
    }
}

impl Connection {
    pub(super) fn new(arrival: Arrival) -> Self {
        let held = Arc::new(Held(arrival));
        Connection { reader: Reader(Arc::clone(&held)), sender: Sender(held) }
    }

    /// The client.
    pub fn client(&self) -> &Client {
        &self.reader.0.0.client
    }

    /// The next request, which ends where `framing` says; `None` if it has not begun when the client closes its side, or when the peer
    /// ends. The exchange before it is over with this call.
    ///
    /// A request that the client cut short is returned as far as it came; [`Request::end`] tells, and the peer reports it. What the
    /// client sends after the last read is in the journal ([`ConnectionRecord::trailing`](crate::ConnectionRecord::trailing)), and no
    /// failure: to insist that nothing comes, read once more and expect `None`.
    ///
    /// # Errors
    ///
    /// [`Error::ByHand`] if the request could not be received, has not begun within the
    /// [`idle_timeout`](crate::TcpServerBuilder::idle_timeout), or the connection has ended. If the request failed, the peer reports
    /// that, too, with the bytes seen.
    pub fn read(&mut self, framing: Framing) -> Result<Option<Request>> {
        self.reader.read(framing)
    }

    /// The next request, if it is what is expected: exact bytes, a [`Framing`], or what the functions of
    /// [`conversation`](crate::conversation) make, as in [`Conversation::expect`](crate::Conversation::expect). It ends where the
    /// expectation says; exact bytes differ with the first wrong byte, without a wait for the rest.
    ///
    /// ```
    /// use fake_peer::conversation::line_starting;
    /// use fake_peer::{Peer, TcpServer};
    /// # use std::io::{Read, Write};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let peer = TcpServer::builder().handle(|mut connection| {
    ///     connection.send("INFO {}\r\n")?;
    ///     connection.expect(line_starting("CONNECT "))?;
    ///     connection.expect("PING\r\n")?;
    ///     connection.send("PONG\r\n")?;
    ///     Ok(())
    /// })?;
    ///
    /// let mut client = std::net::TcpStream::connect(peer.addr())?;
    /// client.write_all(b"CONNECT {}\r\nPONG\r\n")?;
    /// # let mut answer = String::new();
    /// # client.read_to_string(&mut answer)?;
    /// # assert_eq!(answer, "INFO {}\r\n");
    /// # drop(client);
    /// let error = peer.finish().unwrap_err().report().to_string();
    /// assert!(error.ends_with(
    ///     "the request differs from what was expected at byte 1\n  expected 6 bytes: \"P»ING\\r\\n\"\n    actual 6 bytes: \"P»ONG\\r\\n\""
    /// ));
    /// # Ok(()) }
    /// ```
    ///
    /// If the client says something else, its exchange fails with [`Error::Respond`], which the peer reports, and the journal notes it;
    /// the connection is closed, and later calls fail. To go on after another request there is [`read`](Self::read).
    ///
    /// # Errors
    ///
    /// [`Error::ByHand`] if the client says something else, with both sides; if it ends its side before or within the request, or the
    /// peer ends; if the request could not be received, as in [`read`](Self::read). A function that is given to
    /// [`handle`](crate::TcpServerBuilder::handle) may return the error: what the peer reports already is not reported again, and a client
    /// that leaves without a byte, or [may leave early](crate::TcpServerBuilder::clients_may_leave_early), is no failure.
    ///
    /// # Panics
    ///
    /// If an empty text or [`Framing::nothing`] is expected.
    #[track_caller]
    pub fn expect(&mut self, expected: impl Into<Expect>) -> Result<Request> {
        self.reader.expect(expected)
    }

    /// Sends these bytes, or a response that is nothing but bytes, such as [`http::ok`](crate::http::ok). Returns when the kernel has
    /// taken them.
    ///
    /// # Errors
    ///
    /// [`Error::ByHand`] if the client is gone, or has taken nothing for the timeout, or the connection has ended; if the response has
    /// more than bytes: here a pause is a `sleep`, an ending is [`end`](Self::end), and a file is read first.
    pub fn send(&mut self, bytes: impl Into<Response>) -> Result<()> {
        self.sender.send(bytes)
    }

    /// Begins TLS when everything that was given to send has left, and returns when the handshake is over: STARTTLS. What the client
    /// has sent after its last request is the beginning of the handshake. With the feature `tls`.
    ///
    /// ```
    /// use fake_peer::{Framing, Peer, tls};
    ///
    /// let ca = tls::Ca::new();
    /// let peer = Peer::builder().handle(move |mut connection| {
    ///     connection.send("220 mx.test\r\n")?;
    ///     if let Some(request) = connection.read(Framing::until("\r\n"))? {
    ///         request.assert_bytes("STARTTLS\r\n");
    ///         connection.send("220 go ahead\r\n")?;
    ///         connection.begin_tls(&ca.server("localhost"))?;
    ///         connection.send("250 mx.test, over TLS\r\n")?;
    ///     }
    ///     Ok(())
    /// })?;
    /// # drop(peer);
    /// # Ok::<(), fake_peer::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::ByHand`] if the connection has TLS already, or has ended, or the handshake fails, which the peer reports, too.
    #[cfg(feature = "tls")]
    pub fn begin_tls(&mut self, server: &crate::tls::Server) -> Result<()> {
        let held = &self.reader.0;
        let error = |over| held.error(over);
        held.0.control.begin_tls(server.secured()).map_err(error)?;
        held.carry_on();
        held.0.control.await_tls().map_err(error)
    }

    /// Closes the connection in the way that destroys nothing in flight, as its drop does: [`end`](Self::end) with [`Ending::Close`].
    pub fn close(self) {
        self.end(Ending::Close);
    }

    /// Ends the connection in this way, when everything that was given to send has left. Does not wait for the client: the peer sees
    /// to the rest, and reports what fails. [`KeepOpen`](Ending::KeepOpen), [`KeepAlive`](Ending::KeepAlive) and
    /// [`Then`](Ending::Then) have nothing to keep it open for, and close it.
    ///
    /// To wait for the client's end, [`read`](Self::read) with [`Framing::eof`].
    pub fn end(self, ending: Ending) {
        self.reader.0.end(ending);
    }

    /// Its two halves, which two threads may use: for a peer that speaks while it waits for its client. The connection is closed when both
    /// are dropped.
    pub fn split(self) -> (Reader, Sender) {
        (self.reader, self.sender)
    }
}

impl Reader {
    /// As [`Connection::read`].
    ///
    /// # Errors
    ///
    /// As [`Connection::read`].
    pub fn read(&mut self, framing: Framing) -> Result<Option<Request>> {
        let held = &self.0;
        held.0.control.read(framing);
        held.carry_on();
        match held.0.control.await_request() {
            Ok(request) => Ok(Some(request)),
            Err(Over::ClientClosed | Over::Finished) => Ok(None),
            Err(over) => Err(held.error(over)),
        }
    }

    /// As [`Connection::expect`].
    ///
    /// # Errors
    ///
    /// As [`Connection::expect`].
    ///
    /// # Panics
    ///
    /// As [`Connection::expect`].
    #[track_caller]
    pub fn expect(&mut self, expected: impl Into<Expect>) -> Result<Request> {
        let expected = expected.into();
        if let Err(reason) = expected.check() {
            panic!("{reason}");
        }
        let held = &self.0;
        let control = &held.0.control;
        control.read(expected.framing().clone());
        held.carry_on();
        let request = match control.await_request() {
            Ok(request) => request,
            Err(over @ (Over::ClientClosed | Over::Finished)) => {
                return Err(held.unsaid(&over, &expected));
            }
            Err(over) => return Err(held.error(over)),
        };
        match expected.refuse(&request) {
            None => Ok(request),
            Some(refusal) => Err(held.refuse(refusal)),
        }
    }
}

impl Sender {
    /// As [`Connection::end`], though the reading half is still there: its read ends with an error, unless a request has begun, which it
    /// gets first.
    pub fn end(self, ending: Ending) {
        self.0.end(ending);
    }

    /// As [`Connection::send`].
    ///
    /// # Errors
    ///
    /// As [`Connection::send`].
    pub fn send(&self, bytes: impl Into<Response>) -> Result<()> {
        let held = &self.0;
        let error = |over| held.error(over);
        let Some(bytes) = bytes.into().plain_bytes() else {
            let text = "only bytes are sent by hand: a pause is a sleep, an ending is `end`, a file is read first";
            return Err(error(Over::Failed(text.into(), io::ErrorKind::InvalidInput)));
        };
        let all = held.0.control.give(&bytes).map_err(error)?;
        held.carry_on();
        held.0.control.await_left(all).map_err(error)
    }
}
