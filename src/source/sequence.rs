//! Sources that are made of others: one answer after another, and one source per connection.

use std::collections::{HashMap, HashSet};
use std::io;

use crate::framing::Framing;
use crate::journal::client::Client;
use crate::journal::count::Count;
use crate::journal::request::Request;
use crate::response::ending::Ending;
use crate::response::steps::Response;
use crate::source::hints::{Answers, FirstFraming, Hints};
use crate::source::response_source::ResponseSource;

/// One answer after another, whichever connection asks.
///
/// An answer that has a framing of its own ([`Response::after`]) is for the next connection that is accepted, each other one
/// for the next request. If a connection that is there already asks first, it gets that answer, to the request that it made.
///
/// A request beyond the last answer fails with an error that says so; so does a [peer](crate::Peer) that finishes with
/// answers left. [`repeat_last`](Self::repeat_last) has no end.
///
/// ```
/// use fake_peer::{Peer, Sequence};
///
/// let peer = Peer::answer(Sequence::new(["one", "two"]));
/// # for expected in ["one", "two"] {
/// #     use std::io::{Read, Write};
/// #     let mut client = std::net::TcpStream::connect(peer.addr())?;
/// #     client.write_all(b"hello")?;
/// #     let mut answer = String::new();
/// #     client.read_to_string(&mut answer)?;
/// #     assert_eq!(answer, expected);
/// # }
/// // A client asks twice, and gets "one", then "two".
/// peer.finish()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Sequence {
    answers: Vec<Response>,
    /// How many answers are given, or promised to a connection.
    given: usize,
    /// Which answer a connection was accepted for, by the number of the connection.
    promised: HashMap<u64, usize>,
    beyond: Beyond,
}

/// What comes after the last answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beyond {
    Error,
    RepeatLast,
}

impl Sequence {
    /// These answers, once each.
    pub fn new(answers: impl IntoIterator<Item = impl Into<Response>>) -> Self {
        let answers = answers.into_iter().map(Into::into).collect();
        Sequence { answers, given: 0, promised: HashMap::new(), beyond: Beyond::Error }
    }

    /// Every answer but the last one keeps its connection open for the next request as HTTP says
    /// ([`Ending::KeepAlive`]). An answer with an ending of its own keeps that ending.
    #[must_use]
    pub fn keep_alive(self) -> Self {
        self.all_but_last(&Ending::KeepAlive)
    }

    /// Every answer but the last one keeps its connection open for the next request, whatever the bytes say
    /// ([`Ending::KeepOpen`]). An answer with an ending of its own keeps that ending.
    #[must_use]
    pub fn keep_open(self) -> Self {
        self.all_but_last(&Ending::KeepOpen)
    }

    fn all_but_last(mut self, ending: &Ending) -> Self {
        if let Some((_, all_but_last)) = self.answers.split_last_mut() {
            for answer in all_but_last {
                if let Ending::Close = answer.ending {
                    answer.ending = ending.clone();
                }
            }
        }
        self
    }

    /// The last answer is given again and again.
    #[must_use]
    pub fn repeat_last(mut self) -> Self {
        self.beyond = Beyond::RepeatLast;
        self
    }
}

impl Sequence {
    /// Which answer is the next.
    fn next(&self) -> Option<usize> {
        match self.beyond {
            Beyond::RepeatLast => Some(self.given.min(self.answers.len().checked_sub(1)?)),
            Beyond::Error => (self.given < self.answers.len()).then_some(self.given),
        }
    }
}

impl ResponseSource for Sequence {
    fn respond(&mut self, request: &Request) -> io::Result<Response> {
        if let Some(index) = self.promised.remove(&request.client().connection()) {
            return Ok(self.answers[index].clone());
        }
        let answer = self.next().map(|index| self.answers[index].clone()).ok_or_else(|| {
            let all = Count(self.answers.len() as u64, "answer");
            io::Error::other(format!("the sequence of {all} has run out"))
        })?;
        self.given += 1;
        Ok(answer)
    }

    fn finish(&mut self) -> io::Result<()> {
        let fetched = self.given - self.promised.len();
        if fetched >= self.answers.len() {
            return Ok(());
        }
        let all = Count(self.answers.len() as u64, "answer");
        Err(io::Error::other(format!("only {fetched} of the sequence's {all} were fetched")))
    }

    fn hints(&mut self) -> Hints<'_> {
        let has_framings = self.answers.iter().any(|answer| answer.after.is_some());
        let first_framing = if has_framings { Some(self as _) } else { None };
        Hints { first_framing, ..Hints::prompt() }
    }
}

impl FirstFraming for Sequence {
    /// An answer with a framing of its own is for the next connection that is accepted.
    fn first_framing(&mut self, client: &Client) -> Option<Framing> {
        let index = self.next()?;
        let framing = self.answers[index].after.clone()?;
        self.promised.insert(client.connection(), index);
        self.given += 1;
        Some(framing)
    }
}

/// A source for each connection: the first connection to make a request has the first one, and so on. A source that
/// says itself where a request ends ([`Response::after`]) is given to the next connection that is accepted, unless one
/// that is there already asks first.
///
/// A connection beyond the last source fails with an error that says so, as does a [peer](crate::Peer) that finishes
/// before every source had its connection.
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
    /// Which source a connection has, by the number of the connection.
    given: HashMap<u64, usize>,
    /// The connections that were given one when they were accepted, and have not asked yet.
    promised: HashSet<u64>,
}

impl PerConnection {
    /// One source per connection, in this order.
    pub fn new(sources: impl IntoIterator<Item = impl ResponseSource + 'static>) -> Self {
        let sources = sources.into_iter().map(|source| Box::new(source) as _).collect();
        PerConnection { sources, given: HashMap::new(), promised: HashSet::new() }
    }

    /// A source for one connection more, which may be of another type than the others.
    #[must_use]
    pub fn and(mut self, source: impl ResponseSource + 'static) -> Self {
        self.sources.push(Box::new(source));
        self
    }
}

impl PerConnection {
    /// Which source a connection has.
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
            io::Error::other(format!("there are answers for {all}, and this is one more"))
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

impl std::fmt::Debug for PerConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PerConnection")
            .field("sources", &self.sources.len())
            .field("given", &self.given)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_answer_and_chosen_endings_stay_as_they_are() {
        let chosen = Response::from("two").then(Framing::eof());
        let sequence = Sequence::new([Response::from("one"), chosen, Response::from("three")]);
        let endings = |sequence: Sequence| {
            let endings = sequence.answers.into_iter().map(|answer| answer.ending);
            endings.collect::<Vec<_>>()
        };
        let open = endings(sequence.clone().keep_open());
        assert!(matches!(open[..], [Ending::KeepOpen, Ending::Then(_), Ending::Close]), "{open:?}");
        let alive = endings(sequence.keep_alive());
        assert!(
            matches!(alive[..], [Ending::KeepAlive, Ending::Then(_), Ending::Close]),
            "{alive:?}"
        );
    }
}
