//! One case of a family of faults: a response or a conversation, and its name.

use std::borrow::Cow;
use std::fmt;
use std::io;

use crate::framing::rule::Framing;
use crate::journal::client::Client;
use crate::journal::request::Request;
use crate::response::steps::Response;
use crate::source::conversation::Conversation;
use crate::source::hints::{FirstFraming, Hints};
use crate::source::response_source::ResponseSource;

/// One case of a family of faults. Its name is the call that makes it again: `cut(17, Ending::Reset)` was made by
/// [`truncations`](super::truncations) with [`Response::cut`]. Of a [`Conversation`], it also says of which answer.
///
/// It is a [`ResponseSource`]: a [`Peer`](crate::Peer) can answer with one case, and a
/// [`PerConnection`](crate::PerConnection) with one case for each connection.
///
/// ```
/// use fake_peer::{Peer, PerConnection, faults, http};
///
/// let cases: Vec<_> = faults::truncations(http::ok("hi")).collect();
/// assert_eq!(cases[4].name(), "cut(2, Ending::Close)");
/// let peer = Peer::answer(PerConnection::new(cases.clone()));
/// # for case in &cases {
/// #     use std::io::{Read, Write};
/// #     let mut client = std::net::TcpStream::connect(peer.addr())?;
/// #     client.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
/// #     let _ = client.read_to_end(&mut Vec::new());
/// # }
/// # peer.finish().unwrap();
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Case {
    name: Cow<'static, str>,
    response: Response,
    /// The conversation that the response is part of.
    conversation: Option<Box<Conversation>>,
}

impl Case {
    /// A case of your own.
    pub fn new(name: impl Into<Cow<'static, str>>, response: impl Into<Response>) -> Self {
        Case { name: name.into(), response: response.into(), conversation: None }
    }

    pub(super) fn of_conversation(
        name: String,
        response: Response,
        conversation: Conversation,
    ) -> Self {
        Case { name: name.into(), response, conversation: Some(Box::new(conversation)) }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The response. Of a case of a conversation, the answer that is changed, or the first one that is.
    pub fn response(&self) -> &Response {
        &self.response
    }

    /// Whether it calls user code.
    pub(super) fn has_closure(&self) -> bool {
        self.conversation.as_ref().is_some_and(|conversation| conversation.has_closure())
    }
}

/// The name.
impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// [`Case::response`].
impl From<Case> for Response {
    fn from(case: Case) -> Self {
        case.response
    }
}

impl ResponseSource for Case {
    fn respond(&mut self, request: &Request) -> io::Result<Response> {
        match &mut self.conversation {
            Some(conversation) => conversation.respond(request),
            None => self.response.respond(request),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        self.conversation.as_mut().map_or(Ok(()), |conversation| conversation.finish())
    }

    fn hints(&mut self) -> Hints<'_> {
        match &mut self.conversation {
            Some(conversation) => conversation.hints(),
            None => self.response.hints(),
        }
    }
}

impl FirstFraming for Case {
    fn first_framing(&mut self, client: &Client) -> Option<Framing> {
        self.hints().first_framing?.first_framing(client)
    }
}
