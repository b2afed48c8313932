//! Where an HTTP/1 request ends: its head, then a body of Content-Length bytes or in chunks (RFC 9112 section 6.3).

use super::Problem;
use super::chunked::{Chunked, Progress};
use super::verdict::{TooMuch, Verdict, count_down};
use crate::head::{Head, HeadEnd};

#[derive(Debug)]
pub(super) struct HttpFramer {
    extent: Extent,
    state: State,
    problem: Option<Problem>,
}

/// How much of a message is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    Head,
    Whole,
}

#[derive(Debug)]
enum State {
    Head { bytes: Vec<u8>, end: HeadEnd },
    Length { left: u64 },
    Chunks(Chunked),
}

impl HttpFramer {
    pub(super) fn new() -> Self {
        Self::of(Extent::Whole)
    }

    pub(super) fn head_only() -> Self {
        Self::of(Extent::Head)
    }

    fn of(extent: Extent) -> Self {
        HttpFramer {
            extent,
            state: State::Head { bytes: Vec::new(), end: HeadEnd::default() },
            problem: None,
        }
    }

    pub(super) fn problem(&self) -> Option<&Problem> {
        self.problem.as_ref()
    }

    pub(super) fn feed(&mut self, piece: &[u8], limit: usize) -> Result<Verdict, TooMuch> {
        let State::Head { bytes, end } = &mut self.state else {
            return Ok(self.feed_body(piece));
        };
        let before = bytes.len();
        bytes.extend_from_slice(piece);
        let end = match end.find(bytes) {
            Some(end) if end <= limit => end,
            None if bytes.len() <= limit => return Ok(Verdict::More),
            _ => return Err(TooMuch { limit, within: limit - before }),
        };
        let in_head = end - before;
        if self.extent == Extent::Head {
            return Ok(Verdict::Done(in_head));
        }
        match body_of(Head::of(&bytes[..end]).expect("its end was found"), &mut self.problem) {
            Some(body) => self.state = body,
            None => return Ok(Verdict::Done(in_head)),
        }
        Ok(match self.feed_body(&piece[in_head..]) {
            Verdict::Done(in_body) => Verdict::Done(in_head + in_body),
            more => more,
        })
    }

    fn feed_body(&mut self, piece: &[u8]) -> Verdict {
        match &mut self.state {
            State::Head { .. } => unreachable!("a body is fed after its head"),
            State::Length { left } => count_down(left, piece.len()),
            State::Chunks(chunked) => match chunked.feed(piece, |_| ()) {
                Progress::More => Verdict::More,
                Progress::Over(length) => Verdict::Done(length),
                Progress::Broken { index, offset } => {
                    self.problem = Some(Problem::BadChunk { offset });
                    Verdict::Done(index)
                }
            },
        }
    }
}

/// The state in which a body is read; `None` where there is none, or none that can be told.
fn body_of(head: Head<'_>, problem: &mut Option<Problem>) -> Option<State> {
    let mut codings = head.values("transfer-encoding").flat_map(list).peekable();
    if codings.peek().is_some() {
        if !codings.last().is_some_and(|last| last.eq_ignore_ascii_case(b"chunked")) {
            *problem = Some(Problem::UnknownTransferCoding);
            return None;
        }
        if head.values("content-length").next().is_some() {
            // RFC 9112 section 6.3: Transfer-Encoding overrides Content-Length.
            *problem = Some(Problem::ContentLengthOverridden);
        }
        return Some(State::Chunks(Chunked::new()));
    }
    let mut lengths = head.values("content-length").flat_map(list).map(decimal);
    let Some(first) = lengths.next()? else {
        *problem = Some(Problem::BadContentLength);
        return None;
    };
    for other in lengths {
        if other != Some(first) {
            *problem = Some(Problem::ConflictingContentLengths);
            return None;
        }
    }
    (first > 0).then_some(State::Length { left: first })
}

/// The members of a comma-separated list, without empty ones (RFC 9110 section 5.6.1). An empty value is its own member,
/// so that an empty Content-Length counts as a bad one.
fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let members = value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    members.filter(move |member| !member.is_empty() || value.is_empty())
}

/// Digits only: a sign, which `parse` takes, is not a Content-Length.
fn decimal(text: &[u8]) -> Option<u64> {
    if !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}
