//! Where an HTTP/1 response ends (RFC 9112 section 6.3), as a relay has to know. What is not HTTP, or unclear, ends where the
//! server closes.

use super::body::{BodyFramer, BodyLength};
use super::chunked::Progress;
use super::connection_wishes::ConnectionWishes;
use super::head::{Head, HeadEnd, STATUS_LINE_START};
use super::problem::Problem;
use super::verdict::Verdict;

/// Longer heads are not looked for.
pub(crate) const HEAD_LIMIT: usize = 16 << 20;

#[derive(Debug)]
pub(crate) struct ResponseFramer {
    state: ResponseState,
    request: Asked,
    /// What the last head says about its connection.
    wishes: Option<ConnectionWishes>,
}

/// What about a request decides whether the response has a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    Head,
    Connect,
    OtherHttp,
    /// The request was not HTTP. The response may be.
    NotHttp,
}

#[derive(Debug)]
enum ResponseState {
    Head(HeadSoFar),
    Body(BodyFramer),
    /// Bytes of another protocol.
    Tunnel,
    UntilClose,
}

/// A head that arrives in pieces.
#[derive(Debug, Default)]
struct HeadSoFar {
    /// The pieces before this one.
    bytes: Vec<u8>,
    end: HeadEnd,
}

/// What a piece does for a head.
enum HeadProgress<'a> {
    More,
    /// The bytes are no head of a response, or one without an end.
    NotOne,
    Whole {
        head: Head<'a>,
        /// How many bytes of the piece belong to it.
        length: usize,
    },
}

/// What is missing from a response when its server closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Missing {
    #[error("it closed the connection without a response")]
    Everything,
    #[error("it closed the connection within the head of its response")]
    HeadEnd,
    #[error("it closed the connection {0} bytes before the end that Content-Length says")]
    Bytes(u64),
    #[error("it closed the connection before the last chunk of the body")]
    LastChunk,
}

impl Asked {
    pub(crate) fn by(method: Option<&str>) -> Self {
        match method {
            Some("HEAD") => Asked::Head,
            Some("CONNECT") => Asked::Connect,
            Some(_) => Asked::OtherHttp,
            None => Asked::NotHttp,
        }
    }
}

impl ResponseFramer {
    pub(crate) fn new(request: Asked) -> Self {
        ResponseFramer { state: ResponseState::head(), request, wishes: None }
    }

    /// Looks at the next bytes. Never returns [`Verdict::Hold`].
    pub(crate) fn feed(&mut self, piece: &[u8]) -> Verdict {
        let mut done = 0;
        loop {
            let rest = &piece[done..];
            self.state = match &mut self.state {
                ResponseState::Tunnel | ResponseState::UntilClose => return Verdict::More,
                ResponseState::Body(body) => match body.feed(rest) {
                    Progress::More => return Verdict::More,
                    Progress::Over(length) => return Verdict::Done(done + length),
                    Progress::Broken { .. } => ResponseState::UntilClose,
                },
                ResponseState::Head(so_far) => match so_far.feed(rest) {
                    HeadProgress::More => return Verdict::More,
                    HeadProgress::NotOne => ResponseState::UntilClose,
                    HeadProgress::Whole { head, length } => {
                        done += length;
                        self.wishes = ConnectionWishes::of_response(head);
                        match Follows::after(head, self.request) {
                            Follows::Response => ResponseState::head(),
                            Follows::Nothing => return Verdict::Done(done),
                            Follows::Anything => ResponseState::Tunnel,
                            Follows::Body(length, _) => length
                                .framer()
                                .map_or(ResponseState::UntilClose, ResponseState::Body),
                        }
                    }
                },
            };
        }
    }

    /// Whether the client takes what follows for bytes of another protocol: after a 101, and after a 2xx to CONNECT.
    pub(crate) fn is_in_tunnel(&self) -> bool {
        matches!(self.state, ResponseState::Tunnel)
    }

    /// What the head of the response says about its connection, if there is one.
    pub(crate) fn wishes(&self) -> Option<ConnectionWishes> {
        self.wishes
    }

    /// Whether the response may end here, where the server has closed.
    pub(crate) fn close(&self) -> Result<(), Missing> {
        Err(match &self.state {
            ResponseState::Tunnel | ResponseState::UntilClose => return Ok(()),
            // Too short to be HTTP.
            ResponseState::Head(HeadSoFar { bytes, .. })
                if bytes.is_empty() && self.request != Asked::NotHttp =>
            {
                Missing::Everything
            }
            ResponseState::Head(HeadSoFar { bytes, .. })
                if bytes.len() < STATUS_LINE_START.len() =>
            {
                return Ok(());
            }
            ResponseState::Head(_) => Missing::HeadEnd,
            ResponseState::Body(BodyFramer::Length { left }) => Missing::Bytes(*left),
            ResponseState::Body(BodyFramer::Chunks(_)) => Missing::LastChunk,
        })
    }
}

impl ResponseState {
    fn head() -> Self {
        ResponseState::Head(HeadSoFar::default())
    }
}

impl HeadSoFar {
    fn feed<'a>(&'a mut self, piece: &'a [u8]) -> HeadProgress<'a> {
        let before = self.bytes.len();
        let within_limit = &piece[..piece.len().min(HEAD_LIMIT - before)];
        // A head that is whole in its piece is not copied, and neither is what follows it: that may be many more heads.
        if before > 0 {
            self.bytes.extend_from_slice(within_limit);
        }
        let so_far = if before > 0 { &self.bytes } else { within_limit };
        let start = so_far.len().min(STATUS_LINE_START.len());
        if so_far[..start] != STATUS_LINE_START[..start] {
            return HeadProgress::NotOne;
        }
        match self.end.find(so_far) {
            Some(end) => {
                let so_far = if before > 0 { &self.bytes } else { within_limit };
                HeadProgress::Whole { head: Head::whole(&so_far[..end]), length: end - before }
            }
            None if within_limit.len() < piece.len() => HeadProgress::NotOne,
            None => {
                if before == 0 {
                    self.bytes.extend_from_slice(piece);
                }
                HeadProgress::More
            }
        }
    }
}

/// What follows a head.
#[derive(Debug)]
pub(crate) enum Follows {
    /// Another response: this one is interim.
    Response,
    Nothing,
    /// Bytes of another protocol.
    Anything,
    Body(BodyLength, Option<Problem>),
}

impl Follows {
    pub(crate) fn after(head: Head<'_>, request: Asked) -> Self {
        match (request, head.status_line().and_then(|line| line.status)) {
            (_, Some(101)) | (Asked::Connect, Some(200..=299)) => Follows::Anything,
            (_, Some(100..=199)) => Follows::Response,
            (Asked::Head, _) | (_, Some(204 | 304)) => Follows::Nothing,
            _ => {
                let (length, problem) = BodyLength::of(head);
                Follows::Body(length, problem)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// Feeds `response` and then more, in two pieces; where it ends, `None` for where the server closes.
    fn end(request: Asked, response: &[u8], cut: usize) -> Option<usize> {
        let mut framer = ResponseFramer::new(request);
        let stream = [response, b"behind"].concat();
        let (first, second) = stream.split_at(cut);
        match framer.feed(first) {
            Verdict::Done(length) => return Some(length),
            Verdict::More => {}
            Verdict::Hold => panic!("nothing is held"),
        }
        match framer.feed(second) {
            Verdict::Done(length) => Some(cut + length),
            _ => None,
        }
    }

    #[test]
    fn a_response_ends_where_rfc_9112_says_however_it_is_cut() {
        use Asked::{Connect, Head, NotHttp, OtherHttp};
        for (request, response) in [
            (OtherHttp, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"),
            (NotHttp, "HTTP/1.1 400 Bad\nContent-Length: 0\n\n"),
            (OtherHttp, "HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"),
            (OtherHttp, "HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n"),
            (OtherHttp, "HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n"),
            (Head, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"),
            (Connect, "HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno"),
            (
                OtherHttp,
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nA: b\r\n\r\nHTTP/1.1 204 \r\n\r\n",
            ),
        ] {
            for cut in 0..response.len() {
                let found = end(request, response.as_bytes(), cut);
                assert_eq!(found, Some(response.len()), "{response:?} to {request:?} at {cut}");
            }
            let mut framer = ResponseFramer::new(request);
            let (last, before) = response.as_bytes().split_last().expect("one at least");
            for byte in before {
                let verdict = framer.feed(&[*byte]);
                assert_eq!(verdict, Verdict::More, "{response:?} to {request:?} byte by byte");
            }
            let verdict = framer.feed(&[*last]);
            assert_eq!(verdict, Verdict::Done(1), "{response:?} to {request:?} byte by byte");
        }
    }

    #[test]
    fn in_every_doubt_it_ends_where_the_server_closes() {
        use Asked::{Connect, OtherHttp};
        for (request, response) in [
            (OtherHttp, "HTTP/1.0 200 OK\r\n\r\nhi"),
            (OtherHttp, "HTTP/1.1 101 Switching Protocols\r\n\r\n"),
            (Connect, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n"),
            (OtherHttp, "HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\n"),
            (OtherHttp, "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"),
            (OtherHttp, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz"),
            (OtherHttp, "HTTX/1.1 200 OK\r\n\r\n"),
            (OtherHttp, "220 hello\r\n"),
        ] {
            for cut in 0..response.len() {
                let found = end(request, response.as_bytes(), cut);
                assert_eq!(found, None, "{response:?} to {request:?} at {cut}");
            }
        }
    }

    #[test]
    fn a_head_up_to_the_limit_is_found_however_much_follows_it() {
        const BODY: usize = 3;
        let start = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nA: ";
        let head = |length: usize| {
            let value = "b".repeat(length - start.len() - "\r\n\r\n".len());
            format!("{start}{value}\r\n\r\n").into_bytes()
        };
        for (length, is_found) in [(64, true), (HEAD_LIMIT, true), (HEAD_LIMIT + 1, false)] {
            let response = [head(length), vec![b'c'; BODY + HEAD_LIMIT]].concat();
            let expected = if is_found { Verdict::Done(length + BODY) } else { Verdict::More };
            let mut framer = ResponseFramer::new(Asked::OtherHttp);
            assert_eq!(framer.feed(&response), expected, "a head of {length} bytes at once");
            if !is_found {
                assert_eq!(framer.close(), Ok(()), "a head of {length} bytes is none");
            }
            let mut framer = ResponseFramer::new(Asked::OtherHttp);
            let (first, second) = response.split_at(length - 1);
            assert_eq!(framer.feed(first), Verdict::More, "a head of {length} bytes in two");
            let expected = if is_found { Verdict::Done(1 + BODY) } else { Verdict::More };
            assert_eq!(framer.feed(second), expected, "a head of {length} bytes in two");
            if !is_found {
                assert_eq!(framer.close(), Ok(()), "a head of {length} bytes is none");
            }
        }
    }

    #[test]
    fn interim_heads_in_one_piece_take_no_more_time_than_one_by_one() {
        let interim = format!("HTTP/1.1 100 Continue\r\nA: {}\r\n\r\n", "b".repeat(222));
        let heads = interim.repeat((4 << 20) / interim.len()).into_bytes();
        let time = |first: &[u8], piece: usize| {
            let start = Instant::now();
            let mut framer = ResponseFramer::new(Asked::OtherHttp);
            assert_eq!(framer.feed(first), Verdict::More);
            for piece in heads[first.len()..].chunks(piece) {
                assert_eq!(framer.feed(piece), Verdict::More);
            }
            start.elapsed()
        };
        let one_by_one = time(b"", interim.len());
        for (first, case) in [(&b""[..], "at once"), (&heads[..9], "after the start of the first")]
        {
            let at_once = time(first, heads.len());
            assert!(
                at_once < 10 * one_by_one,
                "{case}: {at_once:?}, and one by one {one_by_one:?}"
            );
        }
    }

    #[test]
    fn a_close_says_what_is_missing() {
        for (request, response, missing) in [
            (Asked::NotHttp, "", Ok(())),
            (Asked::OtherHttp, "", Err(Missing::Everything)),
            (Asked::OtherHttp, "HT", Ok(())),
            (Asked::OtherHttp, "HTTP/1.1 200", Err(Missing::HeadEnd)),
            (Asked::OtherHttp, "HTTP/1.1 100 Continue\r\n\r\n", Err(Missing::Everything)),
            (
                Asked::OtherHttp,
                "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi",
                Err(Missing::Bytes(7)),
            ),
            (
                Asked::OtherHttp,
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
                Err(Missing::LastChunk),
            ),
            (Asked::OtherHttp, "HTTP/1.0 200 OK\r\n\r\nhi", Ok(())),
        ] {
            let mut framer = ResponseFramer::new(request);
            assert_eq!(framer.feed(response.as_bytes()), Verdict::More, "{response:?}");
            assert_eq!(framer.close(), missing, "{response:?}");
        }
    }
}
