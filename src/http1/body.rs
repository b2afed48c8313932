//! What the fields of an HTTP/1 head say about the length of the body (RFC 9112 section 6.3), and where a body of that length
//! ends. If the fields say nothing, a request has no body, and a response ends with its connection: that is up to the caller.

use super::chunked::{Chunked, Progress};
use super::head::Head;
use super::problem::Problem;
use super::verdict::{Verdict, count_down};

/// The length of a body, by the fields of its head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyLength {
    Bytes(u64),
    Chunked,
    /// No field says anything.
    Unstated,
    /// What the fields say is wrong or contradictory.
    Invalid,
}

impl BodyLength {
    /// What the fields of `head` say, and what is wrong with it.
    pub(crate) fn of(head: Head<'_>) -> (Self, Option<Problem>) {
        // Most requests have neither field, and looking at the start of each line is cheap.
        let names: [&[u8]; 2] = [b"transfer-encoding", b"content-length"];
        let may_tell = |line: &[u8]| {
            let starts_with = |name: &[u8]| {
                line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
            };
            names.into_iter().any(starts_with)
        };
        if !head.lines().any(|line| may_tell(line.text)) {
            return (BodyLength::Unstated, None);
        }
        let mut codings = head.values("transfer-encoding").flat_map(list).peekable();
        if codings.peek().is_some() {
            if !codings.last().is_some_and(|last| last.eq_ignore_ascii_case(b"chunked")) {
                return (BodyLength::Invalid, Some(Problem::UnknownTransferCoding));
            }
            // RFC 9112 section 6.3: Transfer-Encoding overrides Content-Length.
            let overridden = head.values("content-length").next();
            return (BodyLength::Chunked, overridden.map(|_| Problem::ContentLengthOverridden));
        }
        let mut lengths = head.values("content-length").flat_map(list).map(decimal);
        match lengths.next() {
            None => (BodyLength::Unstated, None),
            Some(None) => (BodyLength::Invalid, Some(Problem::BadContentLength)),
            Some(first) if lengths.any(|other| other != first) => {
                (BodyLength::Invalid, Some(Problem::ConflictingContentLengths))
            }
            Some(Some(first)) => (BodyLength::Bytes(first), None),
        }
    }

    /// Follows a body of this length; `None` where there is nothing to follow.
    pub(crate) fn framer(self) -> Option<BodyFramer> {
        match self {
            BodyLength::Bytes(left) => Some(BodyFramer::Length { left }),
            BodyLength::Chunked => Some(BodyFramer::Chunks(Chunked::new())),
            BodyLength::Unstated | BodyLength::Invalid => None,
        }
    }
}

/// A body of known length or in chunks, as it arrives.
#[derive(Debug)]
pub(crate) enum BodyFramer {
    Length { left: u64 },
    Chunks(Chunked),
}

impl BodyFramer {
    pub(crate) fn feed(&mut self, piece: &[u8]) -> Progress {
        match self {
            BodyFramer::Length { left } => match count_down(left, piece.len()) {
                Verdict::Done(length) => Progress::Over(length),
                Verdict::More | Verdict::Hold => Progress::More,
            },
            BodyFramer::Chunks(chunked) => chunked.feed(piece, |_| ()),
        }
    }
}

/// The members of a comma-separated list, without empty ones (RFC 9110 section 5.6.1). A list of nothing else has an empty member, so
/// that a Content-Length of no number, or of a comma, counts as a bad one.
fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let members = || value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    let is_empty = members().all(<[u8]>::is_empty);
    members().filter(move |member| !member.is_empty()).chain(is_empty.then_some(&b""[..]))
}

/// Digits only: a sign, which `parse` takes, is not a Content-Length.
fn decimal(text: &[u8]) -> Option<u64> {
    if !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}
