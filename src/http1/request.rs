//! Where an HTTP/1 request ends: its head, then a body of Content-Length bytes or in chunks (RFC 9112 section 6.3).

use super::body::{BodyFramer, BodyLength};
use super::chunked::Progress;
use super::head::{Head, HeadEnd};
use super::problem::Problem;
use super::verdict::{TooMuch, Verdict};

#[derive(Debug)]
pub(crate) struct HttpFramer {
    extent: Extent,
    state: RequestState,
    problem: Option<Problem>,
}

/// How much of a message is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    Head,
    Whole,
}

#[derive(Debug)]
enum RequestState {
    Head { bytes: Vec<u8>, end: HeadEnd },
    Body(BodyFramer),
}

impl HttpFramer {
    pub(crate) fn new() -> Self {
        Self::of(Extent::Whole)
    }

    pub(crate) fn head_only() -> Self {
        Self::of(Extent::Head)
    }

    fn of(extent: Extent) -> Self {
        HttpFramer {
            extent,
            state: RequestState::Head { bytes: Vec::new(), end: HeadEnd::default() },
            problem: None,
        }
    }

    pub(crate) fn problem(&self) -> Option<&Problem> {
        self.problem.as_ref()
    }

    pub(crate) fn feed(&mut self, piece: &[u8], limit: usize) -> Result<Verdict, TooMuch> {
        let RequestState::Head { bytes, end } = &mut self.state else {
            return Ok(self.feed_body(piece));
        };
        let before = bytes.len();
        if before > 0 {
            bytes.extend_from_slice(piece);
        }
        // A head that arrives in one piece, as most do, is not copied.
        let so_far = if before > 0 { bytes.as_slice() } else { piece };
        let end = match end.find(so_far) {
            Some(end) if end <= limit => end,
            None if so_far.len() <= limit => {
                if before == 0 {
                    bytes.extend_from_slice(piece);
                }
                return Ok(Verdict::More);
            }
            _ => return Err(TooMuch { limit, within: limit - before }),
        };
        let in_head = end - before;
        if self.extent == Extent::Head {
            return Ok(Verdict::Done(in_head));
        }
        let (length, problem) = BodyLength::of(Head::whole(&so_far[..end]));
        self.problem = problem;
        match length.framer() {
            Some(body) => self.state = RequestState::Body(body),
            None => return Ok(Verdict::Done(in_head)),
        }
        Ok(match self.feed_body(&piece[in_head..]) {
            Verdict::Done(in_body) => Verdict::Done(in_head + in_body),
            more => more,
        })
    }

    fn feed_body(&mut self, piece: &[u8]) -> Verdict {
        let RequestState::Body(body) = &mut self.state else {
            unreachable!("a body is fed after its head");
        };
        match body.feed(piece) {
            Progress::More => Verdict::More,
            Progress::Over(length) => Verdict::Done(length),
            Progress::Broken { index, offset } => {
                self.problem = Some(Problem::BadChunk { offset });
                Verdict::Done(index)
            }
        }
    }
}
