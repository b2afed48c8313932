//! A source that gives one answer after another.

use std::collections::HashMap;
use std::io;

use super::hints::{FirstFraming, Hints};
use super::response_source::ResponseSource;
use crate::framing::rule::Framing;
use crate::journal::client::Client;
use crate::journal::count::Count;
use crate::journal::request::Request;
use crate::response::ending::Ending;
use crate::response::steps::Response;

/// One answer after another: each request gets the next one, on whichever connection it comes.
///
/// An answer with a framing of its own ([`Response::after`]) is for the next connection that is accepted. If a request of another
/// connection comes first, that request gets the answer.
///
/// A request after the last answer fails, and so does a [peer](crate::Peer) that is finished with answers left. A sequence with
/// [`repeat_last`](Self::repeat_last) never ends.
///
/// Files in their order, the last of them again and again:
/// `Sequence::new(["page.http", "style.http"].map(Response::file)).repeat_last()`.
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
///
/// A list has answers of one type; [`and`](Self::and) adds one of another type:
/// `Sequence::new(["raw bytes"]).and(http::ok("hello"))`.
#[derive(Debug, Clone)]
pub struct Sequence {
    answers: Vec<Response>,
    /// How many answers were given, or promised to a connection.
    given: usize,
    /// The answers that are promised to connections, by the number of the connection.
    promised: HashMap<u64, usize>,
    /// The ending of all answers but the last one that have no other ending than the default.
    between: Ending,
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
        Sequence {
            answers: answers.into_iter().map(Into::into).collect(),
            given: 0,
            promised: HashMap::new(),
            between: Ending::Close,
            beyond: Beyond::Error,
        }
    }

    /// Adds one more answer, which may have another type than the others.
    ///
    /// ```
    /// use fake_peer::{Peer, Response, Sequence, http};
    ///
    /// let peer = Peer::answer(
    ///     Sequence::new(["HTTP/1.1 200 OK\r\n\r\nraw"])
    ///         .and(http::status(503))
    ///         .and(Response::file("study/server_send.txt")),
    /// );
    /// # for expected in ["HTTP/1.1 200 OK", "HTTP/1.1 503 Service Unavailable", "HTTP/1.1 200 OK"] {
    /// #     use std::io::{Read, Write};
    /// #     let mut client = std::net::TcpStream::connect(peer.addr())?;
    /// #     client.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
    /// #     let mut answer = String::new();
    /// #     client.read_to_string(&mut answer)?;
    /// #     assert!(answer.starts_with(expected));
    /// # }
    /// # peer.finish()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn and(mut self, answer: impl Into<Response>) -> Self {
        self.answers.push(answer.into());
        self
    }

    /// Every answer but the last one keeps its connection open for the next request as HTTP says
    /// ([`Ending::KeepAlive`]). An answer with an ending of its own keeps that ending.
    #[must_use]
    pub fn keep_alive(mut self) -> Self {
        self.between = Ending::KeepAlive;
        self
    }

    /// Every answer but the last one keeps its connection open for the next request, whatever the bytes say
    /// ([`Ending::KeepOpen`]). An answer with an ending of its own keeps that ending.
    #[must_use]
    pub fn keep_open(mut self) -> Self {
        self.between = Ending::KeepOpen;
        self
    }

    /// Gives the last answer again and again.
    #[must_use]
    pub fn repeat_last(mut self) -> Self {
        self.beyond = Beyond::RepeatLast;
        self
    }
}

impl Sequence {
    /// The index of the next answer.
    fn next(&self) -> Option<usize> {
        match self.beyond {
            Beyond::RepeatLast => Some(self.given.min(self.answers.len().checked_sub(1)?)),
            Beyond::Error => (self.given < self.answers.len()).then_some(self.given),
        }
    }

    fn answer(&self, index: usize) -> Response {
        let answer = self.answers[index].clone();
        let is_last = index + 1 == self.answers.len();
        match answer.ending {
            Ending::Close if !is_last => answer.ending(self.between.clone()),
            _ => answer,
        }
    }
}

impl ResponseSource for Sequence {
    fn respond(&mut self, request: &Request) -> io::Result<Response> {
        if let Some(index) = self.promised.remove(&request.client().connection()) {
            return Ok(self.answer(index));
        }
        let answer = self.next().map(|index| self.answer(index)).ok_or_else(|| {
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
        let text = format!("only {fetched} of the sequence's {all} were fetched");
        // The commonest mistake: the client waits on a connection that the script has closed.
        let closes = |index: usize| matches!(self.answers[index].ending, Ending::Close);
        Err(io::Error::other(match fetched.checked_sub(1) {
            // A client that has come back after such a close does not wait for that.
            Some(last) if closes(last) && !(0..last).any(closes) => format!(
                "{text}; the connection was closed by the peer after answer {fetched}, as scripted (`keep_open` and `keep_alive` keep it)"
            ),
            _ => text,
        }))
    }

    fn hints(&mut self) -> Hints<'_> {
        let has_framings = self.answers.iter().any(|answer| answer.after.is_some());
        // Then there are threads for that from the beginning.
        let has_user_code = self.answers.iter().any(Response::has_user_code);
        let hints = if has_user_code { Hints::default() } else { Hints::prompt() };
        let first_framing = if has_framings { Some(self as _) } else { None };
        Hints { first_framing, ..hints }
    }
}

impl FirstFraming for Sequence {
    /// Promises an answer with a framing of its own to the connection.
    fn first_framing(&mut self, client: &Client) -> Option<Framing> {
        let index = self.next()?;
        let framing = self.answers[index].after.clone()?;
        self.promised.insert(client.connection(), index);
        self.given += 1;
        Some(framing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_answer_and_chosen_endings_stay_as_they_are() {
        let chosen = Response::from("two").then(Framing::eof());
        let sequence = Sequence::new([Response::from("one"), chosen]);
        let endings = |sequence: Sequence| {
            let sequence = sequence.and("three");
            [0, 1, 2].map(|index| sequence.answer(index).ending)
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
