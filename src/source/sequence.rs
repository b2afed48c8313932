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
#[derive(Debug, Clone)]
pub struct Sequence {
    answers: Vec<Response>,
    /// How many answers were given, or promised to a connection.
    given: usize,
    /// The answers that are promised to connections, by the number of the connection.
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
        let text = format!("only {fetched} of the sequence's {all} were fetched");
        // The commonest mistake: the client waits on a connection that the script has closed.
        let closes = |index: usize| matches!(self.answers[index].ending, Ending::Close);
        Err(io::Error::other(match fetched.checked_sub(1) {
            Some(last) if closes(last) => format!(
                "{text}; the connection was closed by the peer after answer {fetched}, as scripted (`keep_open` and `keep_alive` keep it)"
            ),
            _ => text,
        }))
    }

    fn hints(&mut self) -> Hints<'_> {
        let has_framings = self.answers.iter().any(|answer| answer.after.is_some());
        let first_framing = if has_framings { Some(self as _) } else { None };
        Hints { first_framing, ..Hints::prompt() }
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
