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
use crate::serving::by_hand::control::{Over, Reported};

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
