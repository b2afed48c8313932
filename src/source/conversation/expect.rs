//! What the client has to say in one turn: bytes, a line, anything under a framing, or what a closure accepts. It carries its framing.

use std::fmt;
use std::sync::Arc;

use super::mismatch::{Refusal, mismatch, too_little_kept};
use crate::framing::letter_case::LetterCase;
use crate::framing::rule::Framing;
use crate::framing::texts::Text;
use crate::journal::request::Request;

/// What a [`Conversation`](super::Conversation), or a [`Connection`](crate::Connection::expect) that is driven by hand, expects its
/// client to say in one turn, and where that ends.
///
/// Bytes and texts convert into it: exactly these bytes, no more of them, and a mismatch at the first wrong byte. So does a
/// [`Framing`]: any request that it ends. For the rest there are [`line_starting`], [`glob`] and [`matching`]; [`exact`] makes one of
/// bytes where no conversion is called.
#[derive(Clone)]
pub struct Expect {
    kind: Kind,
    /// Where the request ends, if nothing else is possible in its turn.
    framing: Framing,
}

#[derive(Clone)]
pub(super) enum Kind {
    Exact(Text),
    LineStarting(Text),
    Glob(Glob),
    Any(Framing),
    Matching { name: Arc<str>, framing: Framing, accepts: Arc<Accepts> },
}

type Accepts = dyn Fn(&Request) -> bool + Send + Sync;

/// Exactly these bytes, as `"…".into()` does.
///
/// # Panics
///
/// If there is no byte.
#[track_caller]
pub fn exact(bytes: impl AsRef<[u8]>) -> Expect {
    checked(Expect::exactly(bytes.as_ref()))
}

/// A line that starts with `prefix`, up to its LF.
///
/// Case counts, here and in [`exact`] and [`glob`]: mail clients, for example, say `EHLO` or `ehlo`. For both there is
/// [`ignoring_case`](Expect::ignoring_case).
///
/// # Panics
///
/// If `prefix` has a line end in it.
#[track_caller]
pub fn line_starting(prefix: impl AsRef<[u8]>) -> Expect {
    let prefix: Arc<[u8]> = prefix.as_ref().into();
    assert!(
        !prefix.contains(&b'\n'),
        "a line starts with what comes before its line end, not with \"{}\"",
        prefix.escape_ascii()
    );
    Expect::of(Kind::LineStarting(Text { bytes: prefix, case: LetterCase::Counts }))
}

/// A line in which each `*` stands for any bytes, or none. There is no escape: for a line with a star in it use [`matching`].
///
/// ```
/// use fake_peer::conversation::glob;
///
/// let mail = glob("MAIL FROM:<*>\r\n");
/// # drop(mail);
/// ```
///
/// # Panics
///
/// If the pattern does not end with its only line end, `\r\n` or `\n`: the end of the request would not be known.
#[track_caller]
pub fn glob(pattern: impl AsRef<[u8]>) -> Expect {
    let pattern = pattern.as_ref();
    assert!(
        is_one_line(pattern),
        "\"{}\" is not one line: a pattern ends with its only line end (for another request: `matching` with its framing)",
        pattern.escape_ascii()
    );
    Expect::of(Kind::Glob(Glob::new(pattern.split(|&byte| byte == b'*'))))
}

/// A request, as long as `framing` says, for which `accepts` returns true. `name` stands for it in messages: `a login`.
///
/// ```
/// use fake_peer::{Framing, Request, conversation::matching};
///
/// let message = matching("a message with a subject", Framing::until("\r\n.\r\n"), |request: &Request| {
///     request.bytes().starts_with(b"Subject: ")
/// });
/// # drop(message);
/// ```
///
/// # Panics
///
/// If the framing is [`Framing::nothing`].
#[track_caller]
pub fn matching(
    name: impl Into<String>,
    framing: Framing,
    accepts: impl Fn(&Request) -> bool + Send + Sync + 'static,
) -> Expect {
    checked(Expect::of(Kind::Matching {
        name: name.into().into(),
        framing,
        accepts: Arc::new(accepts),
    }))
}

#[track_caller]
fn checked(expect: Expect) -> Expect {
    if let Err(reason) = expect.check() {
        panic!("{reason}");
    }
    expect
}

impl Expect {
    /// The same, with ASCII letters in upper or lower case, as commands of SMTP, FTP, IMAP and HTTP header fields may be.
    ///
    /// ```
    /// use fake_peer::conversation::{exact, glob, line_starting};
    /// use fake_peer::{Conversation, Peer};
    /// # use std::io::{Read, Write};
    ///
    /// let peer = Peer::answer(
    ///     Conversation::new()
    ///         .expect(line_starting("EHLO ").ignoring_case())
    ///         .expect(glob("MAIL FROM:<*>\r\n").ignoring_case())
    ///         .expect(exact("QUIT\r\n").ignoring_case())
    ///         .say("221 bye\r\n"),
    /// );
    /// # let mut client = std::net::TcpStream::connect(peer.addr())?;
    /// client.write_all(b"ehlo me\r\nmail from:<a@b>\r\nQuit\r\n")?;
    /// # let mut answer = String::new();
    /// # client.read_to_string(&mut answer)?;
    /// # assert_eq!(answer, "221 bye\r\n");
    /// # drop(client);
    /// # peer.finish().unwrap();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Panics
    ///
    /// If there is no text in it: a [`Framing`], and [`matching`], whose closure compares by itself.
    #[must_use]
    #[track_caller]
    pub fn ignoring_case(mut self) -> Self {
        match &mut self.kind {
            Kind::Exact(text) | Kind::LineStarting(text) => text.case = LetterCase::Ignored,
            Kind::Glob(glob) => glob.case = LetterCase::Ignored,
            Kind::Any(_) | Kind::Matching { .. } => {
                panic!("there is no text whose case could be ignored in {self}")
            }
        }
        Expect::of(self.kind)
    }

    /// Why the client can never say this, if that is so. A conversion does not fail: what it is passed to does.
    pub(crate) fn check(&self) -> Result<(), String> {
        match &self.kind {
            Kind::Exact(text) if text.bytes.is_empty() => {
                Err("an empty text is never said: leave this turn out".into())
            }
            Kind::Any(framing) | Kind::Matching { framing, .. } if framing.is_nothing() => {
                Err("a turn in which the client says nothing: leave it out".into())
            }
            _ => Ok(()),
        }
    }

    pub(super) fn of(kind: Kind) -> Self {
        let framing = match &kind {
            Kind::Exact(text) => Framing::texts([text.clone()]),
            Kind::LineStarting(_) | Kind::Glob(_) => line(),
            Kind::Any(framing) | Kind::Matching { framing, .. } => framing.clone(),
        };
        Expect { kind, framing }
    }

    pub(super) fn exactly(bytes: &[u8]) -> Self {
        Expect::of(Kind::Exact(Text { bytes: bytes.into(), case: LetterCase::Counts }))
    }

    pub(crate) fn framing(&self) -> &Framing {
        &self.framing
    }

    /// Whether it is any request that its framing ends.
    pub(super) fn is_any(&self) -> bool {
        matches!(self.kind, Kind::Any(_))
    }

    pub(super) fn text(&self) -> Option<&Text> {
        if let Kind::Exact(text) = &self.kind { Some(text) } else { None }
    }

    /// Whether a user's closure is called for it.
    pub(super) fn has_closure(&self) -> bool {
        matches!(self.kind, Kind::Matching { .. }) || self.framing.is_custom()
    }

    /// Whether the request is what is expected, if it [lacks](Self::lacks_bytes) no bytes.
    pub(super) fn accepts(&self, request: &Request) -> bool {
        match &self.kind {
            Kind::Exact(text) => text.case.is_same(&text.bytes, request.bytes()),
            Kind::LineStarting(prefix) => prefix.case.begins(&prefix.bytes, request.bytes()),
            Kind::Glob(glob) => glob.matches(request.bytes()),
            Kind::Any(_) => true,
            Kind::Matching { accepts, .. } => accepts(request),
        }
    }

    /// Why a request that was read by its framing is not what is expected, if it is not.
    pub(crate) fn refuse(&self, request: &Request) -> Option<Refusal> {
        if !request.is_complete() {
            return Some(Refusal::CutShort(format!(
                "the client ended its side within its request, which should have been {self}"
            )));
        }
        if self.lacks_bytes(request) {
            return Some(Refusal::Unknown(too_little_kept(request)));
        }
        let refused =
            || Refusal::SomethingElse(mismatch(&"the request", self, self.text(), request));
        (!self.accepts(request)).then(refused)
    }

    /// Whether too few bytes of the request were kept to compare them.
    pub(super) fn lacks_bytes(&self, request: &Request) -> bool {
        request.is_truncated()
            && match &self.kind {
                Kind::Exact(_) | Kind::Glob(_) => true,
                Kind::LineStarting(prefix) => request.bytes().len() < prefix.bytes.len(),
                Kind::Any(_) | Kind::Matching { .. } => false,
            }
    }
}

/// A line ends with LF, so that one with a wrong line end is not waited for.
fn line() -> Framing {
    Framing::until("\n")
}

pub(super) fn is_one_line(bytes: &[u8]) -> bool {
    bytes.iter().position(|&byte| byte == b'\n') == bytes.len().checked_sub(1) && !bytes.is_empty()
}

/// Pieces with anything between them.
#[derive(Clone)]
pub(super) struct Glob {
    pieces: Arc<[Box<[u8]>]>,
    case: LetterCase,
}

impl Glob {
    pub(super) fn new(pieces: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Self {
        let pieces = pieces.into_iter().map(|piece| piece.as_ref().into()).collect();
        Glob { pieces, case: LetterCase::Counts }
    }

    /// Each piece at its first place after the one before: if there is a match, this finds one.
    fn matches(&self, bytes: &[u8]) -> bool {
        let case = self.case;
        let Some((first, rest)) = self.pieces.split_first() else { return bytes.is_empty() };
        let Some((last, between)) = rest.split_last() else { return case.is_same(first, bytes) };
        if !case.begins(first, bytes) {
            return false;
        }
        let mut left = &bytes[first.len()..];
        for piece in between.iter().filter(|piece| !piece.is_empty()) {
            let is_here = |window| case.is_same(window, piece);
            let Some(at) = left.windows(piece.len()).position(is_here) else { return false };
            left = &left[at + piece.len()..];
        }
        case.ends(last, left)
    }
}

/// As it is named in messages: `"QUIT\r\n"`, `a line that starts with "MAIL FROM:"`; with `in any case` after it if case is ignored.
impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let in_case = |case| if case == LetterCase::Ignored { " in any case" } else { "" };
        match &self.kind {
            Kind::Exact(Text { bytes, case }) => {
                write!(f, "\"{}\"{}", bytes.escape_ascii(), in_case(*case))
            }
            Kind::LineStarting(Text { bytes, case }) => {
                let prefix = bytes.escape_ascii();
                write!(f, "a line that starts with \"{prefix}\"{}", in_case(*case))
            }
            Kind::Glob(Glob { pieces, case }) => {
                let pieces: Vec<_> = pieces
                    .iter()
                    .map(|piece| piece.escape_ascii().to_string().replace('*', r"\*"))
                    .collect();
                write!(f, "a line like \"{}\"{}", pieces.join("*"), in_case(*case))
            }
            Kind::Any(framing) => write!(f, "a request by framing `{framing}`"),
            Kind::Matching { name, .. } => f.write_str(name),
        }
    }
}

impl fmt::Debug for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expect({self})")
    }
}

/// Any request that this framing ends.
impl From<Framing> for Expect {
    fn from(framing: Framing) -> Self {
        Expect::of(Kind::Any(framing))
    }
}

macro_rules! from_bytes {
    ($($bytes:ty $(, $length:ident)?;)*) => {$(
        /// Exactly these bytes.
        impl$(<const $length: usize>)? From<$bytes> for Expect {
            fn from(bytes: $bytes) -> Self {
                Expect::exactly(bytes.as_ref())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_anything() {
        for (pattern, matching, others) in [
            ("*\n", &["\n", "a\n"][..], &[""][..]),
            ("a*b*c\n", &["abc\n", "aXbYbZc\n", "abbcc\n"], &["ac\n", "abcX\n", "acb\n"]),
            ("a**b\n", &["ab\n", "axb\n"], &["a\n"]),
            ("abab*ab\n", &["ababab\n"], &["abab\n"]),
            ("plain\n", &["plain\n"], &["plainer\n"]),
        ] {
            let Kind::Glob(glob) = glob(pattern).kind else { panic!("{pattern}") };
            for text in matching {
                assert!(glob.matches(text.as_bytes()), "{pattern:?} and {text:?}");
            }
            for text in others {
                assert!(!glob.matches(text.as_bytes()), "{pattern:?} and {text:?}");
            }
        }
    }
}
