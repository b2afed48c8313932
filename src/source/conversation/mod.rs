//! Conversations: what peer and client say in turn on a connection, as a test writes it down or a file has it.
//!
//! [`Conversation`] is the source; the functions here are what it can [expect](Conversation::expect) besides bytes and framings, and
//! what is [expected by hand](crate::Connection::expect).

mod cursor;
mod edit;
mod expect;
mod expected;
mod file;
mod mismatch;
mod play;
mod script;

use std::collections::HashMap;
use std::panic::Location;
use std::sync::Arc;

pub use expect::{Expect, exact, glob, line_starting, matching};
pub use file::ParseConversationError;
pub(crate) use mismatch::Refusal;
use play::Playing;
use script::{Block, Closure, Item, Rounds, ends_a_connection};

use crate::framing::rule::Framing;
use crate::journal::request::Request;
use crate::response::delay::Delay;
use crate::response::ending::Ending;
use crate::response::gate::Gate;
use crate::response::steps::Response;

/// What peer and client say in turn: each connection plays it from its start.
///
/// ```
/// use fake_peer::conversation::{glob, line_starting};
/// use fake_peer::{Conversation, Framing, Peer};
/// use std::io::{Read, Write};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let peer = Peer::answer(
///     Conversation::new()
///         .say("220 mail\r\n")
///         .expect("EHLO client\r\n")
///         .say("250 ok\r\n")
///         .expect(line_starting("MAIL FROM:"))
///         .say("250 ok\r\n")
///         .expect(glob("RCPT TO:<*>\r\n"))
///         .say("250 ok\r\n")
///         .expect("DATA\r\n")
///         .say("354 go ahead\r\n")
///         .expect(Framing::until("\r\n.\r\n"))
///         .say("250 queued\r\n"),
/// );
///
/// // The client under test; here by hand, and in a hurry.
/// let mut client = std::net::TcpStream::connect(peer.addr())?;
/// client.write_all(b"EHLO client\r\nMAIL FROM:<a@client>\r\nRCPT TO:<b@mail>\r\nDATA\r\nhello\r\n.\r\n")?;
/// let mut answers = String::new();
/// client.read_to_string(&mut answers)?;
/// assert!(answers.starts_with("220 mail\r\n250 ok\r\n"));
/// assert!(answers.ends_with("354 go ahead\r\n250 queued\r\n"));
/// drop(client);
///
/// // Fails if the client said something else, too little, or too much.
/// peer.finish()?;
/// # Ok(()) }
/// ```
///
/// # Turns
///
/// What is expected carries its framing with it. Bytes and texts are exact, and their own length: a client that says something else
/// fails with the first wrong byte, without a wait for the rest. A conversation that begins with [`say`](Self::say) greets; one that
/// begins with [`expect`](Self::expect) waits. After the last turn the connection is closed, unless an [`ending`](Self::ending) or a
/// response with an ending of its own says something else.
///
/// # What fails
///
/// If the client says something else, the exchange fails with [`Error::Respond`](crate::Error::Respond), which
/// [`Peer::take`](crate::Peer::take) and [`finish`](crate::Peer::finish) return, and the connection ends
/// ([`on_mismatch`](Self::on_mismatch)):
///
/// ```text
/// turn 1 of the conversation differs from what was expected at byte 5
///   expected 13 bytes: "EHLO »client\r\n"
///     actual 11 bytes: "EHLO »mail\r\n"
/// ```
///
/// A peer that is finished fails, too, if a client that has sent a byte stopped before the last turn, if it sent more after that, and if
/// no connection has played the conversation to its end. A connection without a byte does not count. What a client sends after a cut, or
/// after another ending than [`Ending::Close`], is no failure: it can't know that nothing more is read.
///
/// A client that connects again after a mismatch begins anew, and fails anew: `finish` returns the first failure.
///
/// # In the journal
///
/// Each turn is an exchange: what the client said, and what the peer said to that. What the peer says first is an exchange, too, with
/// an empty request; so after a greeting the client's first turn is `journal.requests().nth(1)`.
///
/// # Several connections
///
/// Each connection plays the same conversation. Where the first connection says something else than the second:
/// [`PerConnection`](crate::PerConnection)`::new([first, second])`.
///
/// # Threads
///
/// A conversation needs no thread, and costs none while it waits. Only one with a closure in it
/// ([`say_with`](Self::say_with), [`rest`](Self::rest), [`matching`], [`Framing::from_fn`]) is played by the threads for user code.
#[derive(Debug, Clone)]
#[must_use = "a conversation is played by the peer that is given it"]
pub struct Conversation {
    block: Block,
    on_mismatch: Ending,
    /// The connections that have begun, by their number.
    playing: HashMap<u64, Playing>,
    /// How many have played it to the end, and how many have failed.
    played: u64,
    failed: u64,
}

impl Conversation {
    /// A conversation in which nothing is said: the connection is closed at once.
    pub fn new() -> Self {
        Conversation {
            block: Arc::default(),
            on_mismatch: Ending::Close,
            playing: HashMap::new(),
            played: 0,
            failed: 0,
        }
    }

    /// The peer says this: bytes, or a [`Response`] with its steps. What is said without a turn of the client between is one response,
    /// unless one of them has a pace of its own. A response that is [cut](Response::cut), or has another ending than
    /// [`Ending::Close`], ends the conversation in that way. Where it depends on what the client has said there is
    /// [`say_with`](Self::say_with).
    ///
    /// # Panics
    ///
    /// If the conversation has ended before; if the response keeps its connection open
    /// ([`then`](Response::then), [`keep_open`](Response::keep_open), [`keep_alive`](Response::keep_alive)), which a conversation does by
    /// itself; or if it has a framing of its own ([`after`](Response::after)).
    #[track_caller]
    pub fn say(mut self, response: impl Into<Response>) -> Self {
        let said = self.try_say(response.into());
        self.after(said)
    }

    /// The peer says what a closure makes of the request that was expected last: an answer with the client's key, inbox or packet
    /// identifier in it. The closure returns bytes or a [`Response`], for which the same rules hold as in [`say`](Self::say); the
    /// conversation then goes on as it is written. All connections share the closure.
    ///
    /// ```
    /// use fake_peer::conversation::line_starting;
    /// use fake_peer::{Conversation, Peer};
    /// # use std::io::{Read, Write};
    ///
    /// // A server of NATS: the client chooses the number of its subscription.
    /// let peer = Peer::answer(
    ///     Conversation::new().expect(line_starting("SUB news ")).say_with(|request| {
    ///         let number = request.bytes().trim_ascii_end().rsplit(|&byte| byte == b' ').next();
    ///         [b"MSG news ", number.unwrap_or_default(), b" 5\r\nhello\r\n"].concat()
    ///     }),
    /// );
    /// # let mut client = std::net::TcpStream::connect(peer.addr())?;
    /// # client.write_all(b"SUB news 17\r\n")?;
    /// # let mut answer = String::new();
    /// # client.read_to_string(&mut answer)?;
    /// assert_eq!(answer, "MSG news 17 5\r\nhello\r\n");
    /// # drop(client);
    /// # peer.finish().unwrap();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// Several in a row get the same request. In a branch of [`one_of`](Self::one_of) it is the one that chose the branch. If the
    /// closure's response keeps its connection open, or has a framing of its own, the exchange fails with
    /// [`Error::Respond`](crate::Error::Respond). A panic of the closure is that of the peer. [`truncations`](crate::faults::truncations)
    /// and [`splits`](crate::faults::splits) do not know how long its response will be, and play it whole.
    ///
    /// # Panics
    ///
    /// If the conversation has ended before. Where a server is made of the conversation: if nothing was expected before this.
    #[track_caller]
    pub fn say_with<R: Into<Response>>(
        mut self,
        mut answer: impl FnMut(&Request) -> R + Send + 'static,
    ) -> Self {
        let closure = Closure::new(move |request| answer(request).into());
        let added = self.push(Item::SayWith(closure, Location::caller()));
        self.after(added)
    }

    /// The client says this: exact bytes, a [`Framing`], [`line_starting`], [`glob`] or [`matching`].
    ///
    /// # Panics
    ///
    /// If it is empty, or if the conversation has ended before.
    #[track_caller]
    pub fn expect(mut self, expected: impl Into<Expect>) -> Self {
        let added = self.try_expect(expected.into());
        self.after(added)
    }

    /// Waits before what is said next: [`Response::pause`].
    ///
    /// # Panics
    ///
    /// If the conversation has ended before.
    #[track_caller]
    pub fn pause(self, delay: impl Into<Delay>) -> Self {
        self.say(Response::new().pause(delay))
    }

    /// Waits until the test opens the gate: [`Response::gate`].
    ///
    /// # Panics
    ///
    /// If the conversation has ended before.
    #[track_caller]
    pub fn gate(self, gate: &Gate) -> Self {
        self.say(Response::new().gate(gate))
    }

    /// Ends the conversation here in this way, also from within a branch or a block.
    ///
    /// Defaults to [`Ending::Close`] after the last turn.
    ///
    /// # Panics
    ///
    /// If this ending keeps the connection open for another request, or if the conversation has ended before.
    #[track_caller]
    pub fn ending(mut self, ending: Ending) -> Self {
        let ended = self.try_end(ending);
        self.after(ended)
    }

    /// The client says one of these, and the conversation goes on with what stands beside it, then with what comes after all of them.
    /// A branch that ends with an ending ends the conversation.
    ///
    /// ```
    /// use fake_peer::conversation::{exact, line_starting};
    /// use fake_peer::{Conversation, Ending, Peer};
    /// # use std::io::{Read, Write};
    ///
    /// let peer = Peer::answer(Conversation::new().forever(Conversation::new().one_of([
    ///     (line_starting("ECHO "), Conversation::new().say("+hi\r\n")),
    ///     (exact("QUIT\r\n"), Conversation::new().say("+bye\r\n").ending(Ending::Close)),
    /// ])));
    /// # let mut client = std::net::TcpStream::connect(peer.addr())?;
    /// # client.write_all(b"ECHO hi\r\nECHO hi\r\nQUIT\r\n")?;
    /// # let mut answers = String::new();
    /// # client.read_to_string(&mut answers)?;
    /// # assert_eq!(answers, "+hi\r\n+hi\r\n+bye\r\n");
    /// # drop(client);
    /// # peer.finish().unwrap();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// The first one that matches counts. A [`Framing`] as the last branch is any other request, and what has a framing
    /// beside it is told apart by [`matching`]:
    ///
    /// ```
    /// use fake_peer::conversation::{exact, matching};
    /// use fake_peer::{Conversation, Framing, Peer};
    /// # use std::io::{Read, Write};
    ///
    /// // Commands of Redis whose strings have one line each: `*COUNT`, then two lines for each string.
    /// let command = Framing::from_fn(|bytes| {
    ///     let mut ends = (1..).zip(bytes).filter(|(_, byte)| **byte == b'\n').map(|(end, _)| end);
    ///     let count = std::str::from_utf8(bytes.get(1..ends.next()?)?).ok()?.trim_end();
    ///     ends.nth(count.parse::<usize>().ok()?.checked_mul(2)?.checked_sub(1)?)
    /// });
    /// let get = matching("a GET", command.clone(), |request| request.bytes().starts_with(b"*2\r\n$3\r\nGET\r\n"));
    /// let new = Conversation::new;
    /// let peer = Peer::answer(new().forever(new().one_of([
    ///     (exact("*1\r\n$4\r\nPING\r\n"), new().say("+PONG\r\n")),
    ///     (get, new().say("$-1\r\n")),
    ///     (command.into(), new().say("-ERR unknown command\r\n")),
    /// ])));
    /// # let mut client = std::net::TcpStream::connect(peer.addr())?;
    /// client.write_all(b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nTIME\r\n")?;
    /// # client.shutdown(std::net::Shutdown::Write)?;
    /// # let mut answers = String::new();
    /// # client.read_to_string(&mut answers)?;
    /// assert_eq!(answers, "$-1\r\n+PONG\r\n-ERR unknown command\r\n");
    /// # drop(client);
    /// # peer.finish().unwrap();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// Where all branches are texts, a wrong byte is a mismatch at once. Where one has a framing, the whole request is read first.
    ///
    /// # Panics
    ///
    /// If it is not clear where the request ends: they must all be texts of which none begins another, or have the same framing, by which
    /// each text beside them is one request. [`line_starting`] and [`glob`] have that of [`Framing::lines`]. A [`Framing::from_fn`] is the
    /// same as its clones only, so make it once and clone it. If a branch can't be chosen, because any request was one before it. If
    /// there is none, or if the conversation has ended before.
    #[track_caller]
    pub fn one_of<E: Into<Expect>>(
        mut self,
        branches: impl IntoIterator<Item = (E, Conversation)>,
    ) -> Self {
        let branches = branches.into_iter().map(|(expect, branch)| (expect.into(), branch));
        let added = self.try_one_of(branches.collect());
        self.after(added)
    }

    /// Plays this `times` times.
    ///
    /// # Panics
    ///
    /// If nothing is said and nothing expected in it, or if the conversation has ended before.
    #[track_caller]
    pub fn repeat(mut self, times: u64, round: Conversation) -> Self {
        let repeated = self.try_repeat(Rounds::Some(times), round);
        self.after(repeated)
    }

    /// Plays this again and again. The client may leave between two rounds: then it has played the conversation to its end.
    ///
    /// # Panics
    ///
    /// If nothing is expected in it, or if the conversation has ended before.
    #[track_caller]
    pub fn forever(mut self, round: Conversation) -> Self {
        let repeated = self.try_repeat(Rounds::ForEver, round);
        self.after(repeated)
    }

    /// Answers all other requests with a closure. Its responses say themselves how the connection goes on, with
    /// [`keep_open`](Response::keep_open) for another request. The client may leave between two of them. All connections share the
    /// closure.
    ///
    /// ```
    /// use fake_peer::{Conversation, Framing, Peer, Response};
    /// # use std::io::{Read, Write};
    ///
    /// let peer = Peer::answer(Conversation::new().say("hello\n").rest(
    ///     Framing::until("\n"),
    ///     |request| Response::from(request.bytes()).keep_open(),
    /// ));
    /// # let mut client = std::net::TcpStream::connect(peer.addr())?;
    /// # client.write_all(b"echo\n")?;
    /// # client.shutdown(std::net::Shutdown::Write)?;
    /// # let mut answers = String::new();
    /// # client.read_to_string(&mut answers)?;
    /// # assert_eq!(answers, "hello\necho\n");
    /// # drop(client);
    /// # peer.finish().unwrap();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Panics
    ///
    /// If the framing is [`Framing::nothing`], or if the conversation has ended before.
    #[track_caller]
    pub fn rest<R: Into<Response>>(
        mut self,
        framing: Framing,
        mut answer: impl FnMut(&Request) -> R + Send + 'static,
    ) -> Self {
        let closure = Closure::new(move |request| answer(request).into());
        let any = Expect::from(framing.clone()).check();
        let added = any.and_then(|()| self.push(Item::Rest(framing, closure)));
        self.after(added)
    }

    /// How a connection ends whose client said something else. Of a conversation within another one this does not count.
    ///
    /// Defaults to [`Ending::Close`].
    ///
    /// # Panics
    ///
    /// If this ending keeps the connection open for another request.
    #[track_caller]
    pub fn on_mismatch(mut self, ending: Ending) -> Self {
        let chosen = ends_a_connection(&ending);
        self.on_mismatch = ending;
        self.after(chosen)
    }

    /// Whether nothing is said and nothing expected.
    fn is_empty(&self) -> bool {
        self.block.is_empty()
    }

    /// Panics where the test wrote a step that can't stand there.
    #[track_caller]
    fn after(self, step: Result<(), String>) -> Self {
        match step {
            Ok(()) => self,
            Err(reason) => panic!("{reason}"),
        }
    }
}

impl Default for Conversation {
    fn default() -> Self {
        Conversation::new()
    }
}
