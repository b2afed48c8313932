//! What to answer: a list of steps and one ending. Carrying them out is `perform`'s and `closing`'s.

use std::fmt;
use std::io::Read;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use crate::framing::Framing;

/// What to answer: steps, then an ending. Not one byte is added to what the steps say.
///
/// Bytes turn into a response by themselves (`"text".into()`); the ending is to close the connection, in the way that
/// never destroys an answer in flight: see [the crate's page on closing](crate#closing).
///
/// ```
/// use fake_peer::Response;
///
/// let response = Response::new()
///     .send("HTTP/1.1 200 OK\r\nContent-Length: 389\r\n\r\n")
///     .send_file("study/server_send.txt");
/// # drop(response);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Response {
    pub(crate) steps: Vec<Step>,
    pub(crate) ending: Ending,
}

/// What happens after the last step.
#[derive(Debug, Clone, Default)]
pub(crate) enum Ending {
    #[default]
    Close,
    /// Read the next request on this connection; with another framing, if one is given.
    Then(Option<Framing>),
}

#[derive(Clone)]
pub(crate) enum Step {
    Send(Arc<[u8]>),
    SendFile(PathBuf),
    /// Taken by the exchange that sends it.
    SendFrom(Arc<Mutex<Option<Box<dyn Read + Send>>>>),
}

impl Response {
    /// An empty response: nothing is sent before the connection closes.
    pub fn new() -> Self {
        Self::default()
    }

    /// The bytes of a file: [`send_file`](Self::send_file) and nothing else.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Response::new().send_file(path)
    }

    /// Sends these bytes.
    #[must_use]
    pub fn send(self, bytes: impl AsRef<[u8]>) -> Self {
        self.step(Step::Send(bytes.as_ref().into()))
    }

    /// Sends the bytes of a file, in flat memory whatever its size.
    ///
    /// It is opened when the exchange comes to its response, before the first byte is sent, so that a missing file is
    /// reported before half an answer has left; what it holds at the time of sending is sent.
    #[must_use]
    pub fn send_file(self, path: impl Into<PathBuf>) -> Self {
        self.step(Step::SendFile(path.into()))
    }

    /// Sends what a reader gives until its end. A reader can be read once: an exchange that gets a response whose
    /// reader has been used fails with [`Error::Respond`](crate::Error::Respond).
    #[must_use]
    pub fn send_from(self, reader: impl Read + Send + 'static) -> Self {
        self.step(Step::SendFrom(Arc::new(Mutex::new(Some(Box::new(reader))))))
    }

    /// Leaves the connection open, and reads its next request with the same framing.
    ///
    /// What has arrived of it already is not lost: requests may be pipelined.
    #[must_use]
    pub fn keep_alive(mut self) -> Self {
        self.ending = Ending::Then(None);
        self
    }

    /// Leaves the connection open, and reads its next request with another framing: the turns of a conversation.
    ///
    /// ```
    /// use fake_peer::{Framing, Response};
    ///
    /// // SMTP: after `354` comes the message, which ends with a line of one dot.
    /// let go_ahead = Response::from("354 go ahead\r\n").then(Framing::until("\r\n.\r\n"));
    /// # drop(go_ahead);
    /// ```
    #[must_use]
    pub fn then(mut self, framing: Framing) -> Self {
        self.ending = Ending::Then(Some(framing));
        self
    }

    fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Send(bytes) => write!(f, "Send(\"{}\")", bytes.escape_ascii()),
            Step::SendFile(path) => write!(f, "SendFile({})", path.display()),
            Step::SendFrom(_) => f.write_str("SendFrom(..)"),
        }
    }
}

macro_rules! from_bytes {
    ($($bytes:ty $(, $length:ident)?;)*) => {$(
        /// A response that sends these bytes.
        impl$(<const $length: usize>)? From<$bytes> for Response {
            fn from(bytes: $bytes) -> Self {
                Response::new().send(bytes)
            }
        }
    )*};
}

from_bytes! {
    &str;
    String;
    &[u8];
    &[u8; N], N;
    [u8; N], N;
    Vec<u8>;
}
