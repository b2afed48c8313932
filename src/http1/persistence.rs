//! Whether HTTP lets a connection persist behind a response (RFC 9112 section 9.3): by what was asked, and by the bytes that
//! were sent.

use super::response::{Asked, ResponseFramer};
use super::verdict::Verdict;
use crate::http1::head::Head;
use crate::journal::request::Request;

/// Looks at a response while it is being sent.
#[derive(Debug)]
pub(crate) struct Persistence {
    framer: ResponseFramer,
    request: Option<Wishes>,
    at: At,
}

/// Where in its response, or behind it, the sender is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Within,
    End,
    Behind,
}

impl Persistence {
    pub(crate) fn of(request: &Request) -> Self {
        let is_plain = request.is_complete() && request.problem().is_none();
        let wishes = Wishes::of(
            request.version().map(str::as_bytes),
            request.headers().filter(|(name, _)| is_connection(name)).map(|(_, value)| value),
        );
        Persistence {
            framer: ResponseFramer::new(Asked::by(request.method())),
            request: wishes.filter(|_| is_plain),
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

    /// Whether the client takes what was sent for a whole response, and the connection for one that goes on.
    pub(crate) fn persists(&self) -> bool {
        self.at == At::End
            && self
                .request
                .zip(self.framer.wishes())
                .is_some_and(|(request, response)| request.agrees_with(response))
    }
}

fn is_connection(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"connection")
}

/// What a head says about its connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wishes {
    version: Version,
    option: Option<ConnectionOption>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    Http10,
    Http11,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ConnectionOption {
    Close,
    KeepAlive,
}

impl Wishes {
    pub(crate) fn of_response(head: Head<'_>) -> Option<Self> {
        Wishes::of(head.status_line().map(|line| line.version), head.values("connection"))
    }

    /// `None` for a version that has no persistent connections of this kind, or is not known.
    fn of<'a>(version: Option<&[u8]>, fields: impl Iterator<Item = &'a [u8]>) -> Option<Self> {
        let version = match version? {
            b"HTTP/1.0" => Version::Http10,
            [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'1'..=b'9'] => Version::Http11,
            _ => return None,
        };
        let mut option = None;
        for word in fields.flat_map(|field| field.split(|&byte| byte == b',')) {
            if word.trim_ascii().eq_ignore_ascii_case(b"close") {
                option = Some(ConnectionOption::Close);
            } else if word.trim_ascii().eq_ignore_ascii_case(b"keep-alive") {
                option = option.or(Some(ConnectionOption::KeepAlive));
            }
        }
        Some(Wishes { version, option })
    }

    fn agrees_with(self, response: Wishes) -> bool {
        use ConnectionOption::{Close, KeepAlive};
        if self.option == Some(Close) || response.option == Some(Close) {
            return false;
        }
        match (self.version, response.version) {
            (Version::Http11, Version::Http11) => true,
            (Version::Http11, Version::Http10) => response.option == Some(KeepAlive),
            // A client of HTTP/1.0 waits for the close unless it reads that there will be none.
            (Version::Http10, _) => {
                self.option == Some(KeepAlive) && response.option == Some(KeepAlive)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::journal::client::Client;
    use crate::journal::request::{Parts, RequestEnd};

    fn persists(request: &str, response: &str) -> bool {
        let addr = SocketAddr::from(([127, 0, 0, 1], 1));
        let request = Request::new(Parts {
            client: Client { addr, connection: 1, exchange: 1, turn: 1 },
            bytes: request.as_bytes().into(),
            len: request.len() as u64,
            end: RequestEnd::Complete,
            problem: None,
            half_closed: false,
        });
        let mut answers = (0..=response.len()).map(|cut| {
            let mut persistence = Persistence::of(&request);
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
