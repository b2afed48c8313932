//! A source that has another source for each connection.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io;

use super::hints::{Answers, FirstFraming, Hints};
use super::response_source::ResponseSource;
use crate::framing::rule::Framing;
use crate::journal::client::Client;
use crate::journal::count::Count;
use crate::journal::request::Request;
use crate::response::steps::Response;

/// One source for each connection: the first connection that makes a request gets the first source, and so on. A source with a
/// framing of its own ([`Response::after`]) is for the next connection that is accepted, unless a request of another
/// connection comes first.
///
/// A connection after the last source fails, and so does a [peer](crate::Peer) that is finished before every source had its
/// connection.
///
/// ```
/// use fake_peer::{Peer, PerConnection, Sequence};
///
/// let peer = Peer::answer(PerConnection::new([
///     Sequence::new(["first", "second"]).keep_open(),
///     Sequence::new(["other"]),
/// ]));
/// # use std::io::{Read, Write};
/// # for (requests, expected) in [(["a", "b"], "firstsecond"), (["c", ""], "other")] {
/// #     let mut client = std::net::TcpStream::connect(peer.addr())?;
/// #     client.write_all(requests[0].as_bytes())?;
/// #     let mut answer = [0; 5];
/// #     client.read_exact(&mut answer)?;
/// #     let mut answer = String::from_utf8(answer.to_vec())?;
/// #     client.write_all(requests[1].as_bytes())?;
/// #     client.read_to_string(&mut answer)?;
/// #     assert_eq!(answer, expected);
/// # }
/// # peer.finish()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct PerConnection {
    sources: Vec<Box<dyn ResponseSource>>,
    /// The index of each connection's source, by the number of the connection.
    given: HashMap<u64, usize>,
    /// The connections that got a source when they were accepted, and have made no request yet.
    promised: HashSet<u64>,
}

impl PerConnection {
    /// One source per connection, in this order.
    pub fn new(sources: impl IntoIterator<Item = impl ResponseSource + 'static>) -> Self {
        let sources = sources.into_iter().map(|source| Box::new(source) as _).collect();
        PerConnection { sources, given: HashMap::new(), promised: HashSet::new() }
    }

    /// Adds a source for one more connection, which may have another type than the others.
    #[must_use]
    pub fn and(mut self, source: impl ResponseSource + 'static) -> Self {
        self.sources.push(Box::new(source));
        self
    }
}

impl PerConnection {
    /// The index of the connection's source.
    fn index(&mut self, client: &Client) -> usize {
        let next = self.given.len();
        *self.given.entry(client.connection()).or_insert(next)
    }
}

impl ResponseSource for PerConnection {
    fn respond(&mut self, request: &Request) -> io::Result<Response> {
        let index = self.index(request.client());
        self.promised.remove(&request.client().connection());
        let all = self.sources.len();
        let source = self.sources.get_mut(index).ok_or_else(|| {
            let all = Count(all as u64, "connection");
            io::Error::other(format!(
                "there are answers for {all}, and this connection is one more"
            ))
        })?;
        source.respond(request)
    }

    fn finish(&mut self) -> io::Result<()> {
        let (came, all) = (self.given.len() - self.promised.len(), self.sources.len());
        if came < all {
            let all = Count(all as u64, "connection");
            return Err(io::Error::other(format!("only {came} of {all} made a request")));
        }
        for (index, source) in self.sources.iter_mut().enumerate() {
            source.finish().map_err(|error| {
                io::Error::new(
                    error.kind(),
                    format!("connection {} in the order of requests: {error}", index + 1),
                )
            })?;
        }
        Ok(())
    }

    fn hints(&mut self) -> Hints<'_> {
        let mut hints = Hints::prompt();
        let mut has_framings = false;
        for source in &mut self.sources {
            let of_source = source.hints();
            has_framings |= of_source.first_framing.is_some();
            if !of_source.is_prompt() {
                hints.answers = Answers::MayWait;
            }
            hints.mistake = hints.mistake.or(of_source.mistake);
        }
        if has_framings {
            hints.first_framing = Some(self);
        }
        hints
    }
}

impl FirstFraming for PerConnection {
    fn first_framing(&mut self, client: &Client) -> Option<Framing> {
        let next = self.given.len();
        let framing = self.sources.get_mut(next)?.hints().first_framing?.first_framing(client)?;
        self.given.insert(client.connection(), next);
        self.promised.insert(client.connection());
        Some(framing)
    }
}

impl fmt::Debug for PerConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PerConnection")
            .field("sources", &self.sources.len())
            .field("given", &self.given)
            .finish_non_exhaustive()
    }
}
