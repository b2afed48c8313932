//! What the client has to say in one turn: bytes, a line, anything under a framing, or what a closure accepts. It carries its framing.

use std::fmt;
use std::sync::Arc;

use crate::framing::rule::Framing;
use crate::journal::request::Request;

/// What a [`Conversation`](super::Conversation) expects its client to say in one turn, and where that ends.
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
    Exact(Arc<[u8]>),
    LineStarting(Arc<[u8]>),
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
    checked(Expect::of(Kind::Exact(bytes.as_ref().into())))
}

/// A line that starts with `prefix`, up to its LF.
///
/// Case counts, here and in [`exact`] and [`glob`]: mail clients, for example, say `EHLO` or `ehlo`. [`matching`] ignores it:
///
/// ```
/// use fake_peer::{Framing, Request, conversation::matching};
///
/// let ehlo = matching("EHLO", Framing::lines(), |request: &Request| {
///     request.bytes().to_ascii_uppercase().starts_with(b"EHLO ")
/// });
/// # drop(ehlo);
/// ```
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
    Expect::of(Kind::LineStarting(prefix))
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
    /// Why the client can never say this, if that is so. A conversion does not fail: what it is passed to does.
    pub(super) fn check(&self) -> Result<(), String> {
        match &self.kind {
            Kind::Exact(bytes) if bytes.is_empty() => {
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
            Kind::Exact(bytes) => Framing::texts([Arc::clone(bytes)]),
            Kind::LineStarting(_) | Kind::Glob(_) => line(),
            Kind::Any(framing) | Kind::Matching { framing, .. } => framing.clone(),
        };
        Expect { kind, framing }
    }

    pub(super) fn framing(&self) -> &Framing {
        &self.framing
    }

    /// The framing that it can share with other requests: a text that is a line ends where a line does.
    pub(super) fn shared_framing(&self) -> Framing {
        match &self.kind {
            Kind::Exact(bytes) if is_one_line(bytes) => line(),
            _ => self.framing.clone(),
        }
    }

    pub(super) fn text(&self) -> Option<&Arc<[u8]>> {
        if let Kind::Exact(bytes) = &self.kind { Some(bytes) } else { None }
    }

    /// Whether a user's closure is called for it.
    pub(super) fn has_closure(&self) -> bool {
        matches!(self.kind, Kind::Matching { .. }) || self.framing.is_custom()
    }

    /// Whether the request is what is expected, if it [lacks](Self::lacks_bytes) no bytes.
    pub(super) fn accepts(&self, request: &Request) -> bool {
        match &self.kind {
            Kind::Exact(bytes) => request.bytes() == &**bytes,
            Kind::LineStarting(prefix) => request.bytes().starts_with(prefix),
            Kind::Glob(glob) => glob.matches(request.bytes()),
            Kind::Any(_) => true,
            Kind::Matching { accepts, .. } => accepts(request),
        }
    }

    /// Whether too few bytes of the request were kept to compare them.
    pub(super) fn lacks_bytes(&self, request: &Request) -> bool {
        request.is_truncated()
            && match &self.kind {
                Kind::Exact(_) | Kind::Glob(_) => true,
                Kind::LineStarting(prefix) => request.bytes().len() < prefix.len(),
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
pub(super) struct Glob(Arc<[Box<[u8]>]>);

impl Glob {
    pub(super) fn new(pieces: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Self {
        Glob(pieces.into_iter().map(|piece| piece.as_ref().into()).collect())
    }

    /// Each piece at its first place after the one before: if there is a match, this finds one.
    fn matches(&self, bytes: &[u8]) -> bool {
        let Some((first, rest)) = self.0.split_first() else { return bytes.is_empty() };
        let Some((last, between)) = rest.split_last() else { return bytes == &**first };
        let Some(mut left) = bytes.strip_prefix(&**first) else { return false };
        for piece in between.iter().filter(|piece| !piece.is_empty()) {
            let Some(at) = left.windows(piece.len()).position(|window| window == &**piece) else {
                return false;
            };
            left = &left[at + piece.len()..];
        }
        left.ends_with(last)
    }
}

/// As it is named in messages: `"QUIT\r\n"`, `a line that starts with "MAIL FROM:"`.
impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Exact(bytes) => write!(f, "\"{}\"", bytes.escape_ascii()),
            Kind::LineStarting(prefix) => {
                write!(f, "a line that starts with \"{}\"", prefix.escape_ascii())
            }
            Kind::Glob(Glob(pieces)) => {
                let pieces: Vec<_> = pieces
                    .iter()
                    .map(|piece| piece.escape_ascii().to_string().replace('*', r"\*"))
                    .collect();
                write!(f, "a line like \"{}\"", pieces.join("*"))
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
                let bytes: &[u8] = bytes.as_ref();
                Expect::of(Kind::Exact(bytes.into()))
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
