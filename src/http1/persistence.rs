//! Whether HTTP lets a connection persist after a response (RFC 9112 section 9.3): by the request, and by the bytes that were
//! sent.

use super::connection_wishes::ConnectionWishes;
use super::head::Head;
use super::response::{Asked, ResponseFramer};
use super::verdict::Verdict;

/// Looks at a response while it is being sent.
#[derive(Debug)]
pub(crate) struct Persistence {
    framer: ResponseFramer,
    request: Option<ConnectionWishes>,
    at: At,
}

/// Where the sender is: within its response, at its end, or past it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Within,
    End,
    Behind,
}

impl Persistence {
    /// `request` is the head of the request; `None` if it is not HTTP, not complete, or was not framed as its head says.
    pub(crate) fn after(request: Option<Head<'_>>, asked: Asked) -> Self {
        Persistence {
            framer: ResponseFramer::new(asked),
            request: request.and_then(ConnectionWishes::of_request),
            at: At::Within,
        }
    }

    /// Looks at the bytes that were sent next.
    pub(crate) fn feed(&mut self, piece: &[u8]) {
        self.at = match (self.at, piece) {
            (at, []) => at,
            (At::Within, _) => match self.framer.feed(piece) {
                Verdict::Done(length) if length == piece.len() => At::End,
                Verdict::Done(_) => At::Behind,
                Verdict::More | Verdict::Hold => At::Within,
            },
            (At::End | At::Behind, _) => At::Behind,
        };
    }

    /// Whether a client takes the bytes that were sent for a complete response, and expects the connection to persist.
    pub(crate) fn persists(&self) -> bool {
        self.at == At::End
            && self
                .request
                .zip(self.framer.wishes())
                .is_some_and(|(request, response)| request.agrees_with(response))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn persists(request: &str, response: &str) -> bool {
        let head = Head::of(request.as_bytes());
        let asked = Asked::by(head.and_then(Head::request_line).map(|line| line.method));
        let mut answers = (0..=response.len()).map(|cut| {
            let mut persistence = Persistence::after(head, asked);
            persistence.feed(&response.as_bytes()[..cut]);
            persistence.feed(&response.as_bytes()[cut..]);
            persistence.persists()
        });
        let answer = answers.next().expect("one at least");
        assert!(answers.all(|other| other == answer), "{response:?}, however it is cut");
        answer
    }

    const GET: &str = "GET / HTTP/1.1\r\n\r\n";
    const HI: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

    #[test]
    fn a_response_that_says_its_end_lets_the_connection_persist() {
        for (request, response) in [
            (GET, HI),
            (GET, "HTTP/1.1 200 OK\nContent-Length: 2\n\nhi"),
            (GET, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"),
            (GET, "HTTP/1.1 204 No Content\r\n\r\n"),
            (GET, "HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n"),
            (GET, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"),
            ("HEAD / HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"),
            (GET, "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\n\r\n"),
            (
                "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
                "HTTP/1.1 200 OK\r\nconnection: x, keep-alive\r\nContent-Length: 0\r\n\r\n",
            ),
        ] {
            assert!(persists(request, response), "{response:?} to {request:?}");
        }
    }

    #[test]
    fn any_other_response_or_a_wish_to_close_ends_it() {
        for (request, response) in [
            (GET, ""),
            (GET, "hi"),
            (GET, "HTTP/1.1 200 OK\r\n\r\nhi"),
            (GET, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi"),
            (GET, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nhi"),
            (GET, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"),
            (GET, "HTTP/1.1 100 Continue\r\n\r\n"),
            (GET, "HTTP/1.1 101 Switching Protocols\r\n\r\n"),
            (GET, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"),
            (GET, "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"),
            (GET, "HTTP/2 200 OK\r\nContent-Length: 0\r\n\r\n"),
            ("HEAD / HTTP/1.1\r\n\r\n", HI),
            ("GET / HTTP/1.1\r\nConnection: keep-alive, Close\r\n\r\n", HI),
            ("GET / HTTP/1.0\r\n\r\n", HI),
            ("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", HI),
            ("GET /simple\r\n", HI),
            ("hello", HI),
        ] {
            assert!(!persists(request, response), "{response:?} to {request:?}");
        }
    }
}
