//! Whether HTTP lets a connection persist after a response (RFC 9112 section 9.3): by the request, and by the bytes that were
//! sent.

use super::connection_wishes::{ConnectionWishes, ServerKind};
use super::head::Head;
use super::response::{Asked, ResponseFramer};
use super::verdict::Verdict;

/// Looks at a response while it is being sent.
#[derive(Debug)]
pub(crate) struct Persistence {
    framer: ResponseFramer,
    request: Option<(ConnectionWishes, ServerKind)>,
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
            request: request
                .and_then(|head| Some((ConnectionWishes::of_request(head)?, ServerKind::of(head)))),
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

    /// Whether a client takes the bytes that were sent for a complete response, and expects the connection to persist; or for
    /// the beginning of a tunnel, whose later bytes both sides may send.
    pub(crate) fn persists(&self) -> bool {
        let Some(((request, server), response)) = self.request.zip(self.framer.wishes()) else {
            return false;
        };
        self.framer.is_in_tunnel() || (self.at == At::End && request.agrees_with(response, server))
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
            (GET, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"),
            (GET, "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"),
            (GET, "HTTP/2 200 OK\r\nContent-Length: 0\r\n\r\n"),
            ("HEAD / HTTP/1.1\r\n\r\n", HI),
            ("GET / HTTP/1.1\r\nConnection: keep-alive, Close\r\n\r\n", HI),
            ("GET / HTTP/1.0\r\n\r\n", HI),
            ("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", HI),
            (
                "GET / HTTP/1.0\r\n\r\n",
                "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
            ),
            (
                "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
                "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
            ),
            ("GET /simple\r\n", HI),
            ("hello", HI),
        ] {
            assert!(!persists(request, response), "{response:?} to {request:?}");
        }
    }

    /// What curl sends to a proxy.
    const TO_PROXY: &str = "GET http://a/ HTTP/1.1\r\nProxy-Connection: Keep-Alive\r\n\r\n";
    /// What it sends after an HTTP/1.0 response.
    const OLD_TO_PROXY: &str = "GET http://a/ HTTP/1.0\r\nProxy-Connection: Keep-Alive\r\n\r\n";

    #[test]
    fn proxy_connection_counts_for_the_client_of_a_proxy_alone() {
        let empty =
            |version, field| format!("{version} 200 OK\r\n{field}\r\nContent-Length: 0\r\n\r\n");
        let (old, new) = ("HTTP/1.0", "HTTP/1.1");
        for (request, version, field, expected) in [
            (TO_PROXY, old, "Proxy-Connection: keep-alive", true),
            (TO_PROXY, old, "proxy-connection: x, Keep-Alive", true),
            (TO_PROXY, old, "Connection: keep-alive", true),
            (TO_PROXY, old, "Connection: close\r\nProxy-Connection: keep-alive", false),
            (TO_PROXY, old, "A: b", false),
            (TO_PROXY, new, "A: b", true),
            (TO_PROXY, new, "Proxy-Connection: close", false),
            (TO_PROXY, new, "Connection: keep-alive\r\nProxy-Connection: close", false),
            (OLD_TO_PROXY, old, "Proxy-Connection: keep-alive", true),
            (OLD_TO_PROXY, old, "Connection: keep-alive", true),
            (OLD_TO_PROXY, old, "A: b", false),
            (OLD_TO_PROXY, new, "A: b", false),
            (OLD_TO_PROXY, new, "Proxy-Connection: keep-alive", true),
            ("GET http://a/ HTTP/1.1\r\n\r\n", old, "Proxy-Connection: keep-alive", true),
            ("GET http://a/ HTTP/1.0\r\n\r\n", old, "Proxy-Connection: keep-alive", false),
            (
                "GET / HTTP/1.0\r\nProxy-Connection: keep-alive\r\n\r\n",
                old,
                "Connection: keep-alive",
                true,
            ),
            ("GET / HTTP/1.1\r\nProxy-Connection: close\r\n\r\n", new, "A: b", false),
            (GET, old, "Proxy-Connection: keep-alive", false),
            (GET, new, "Proxy-Connection: close", true),
            ("OPTIONS * HTTP/1.1\r\n\r\n", old, "Proxy-Connection: keep-alive", false),
        ] {
            let response = empty(version, field);
            assert_eq!(persists(request, &response), expected, "{response:?} to {request:?}");
        }
    }

    #[test]
    fn a_tunnel_persists_whatever_is_in_it() {
        let connect = "CONNECT a:1 HTTP/1.1\r\n\r\n";
        let upgrade = "GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
        for (request, response) in [
            (connect, "HTTP/1.1 200 Connection established\r\n\r\n"),
            (connect, "HTTP/1.1 299 \r\n\r\nbytes of the tunnel"),
            (connect, "HTTP/1.0 200 OK\r\nConnection: close\r\nContent-Length: 9\r\n\r\n"),
            (connect, "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"),
            ("CONNECT a:1 HTTP/1.0\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\n"),
            (upgrade, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n\r\n"),
            (upgrade, "HTTP/1.1 101 Switching Protocols\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"),
            (GET, "HTTP/1.1 101 Switching Protocols\r\n\r\n"),
        ] {
            assert!(persists(request, response), "{response:?} to {request:?}");
        }
        for (request, response) in [
            (connect, "HTTP/1.1 200 OK\r\n"),
            (connect, "HTTP/1.1 407 Who?\r\n\r\n"),
            (connect, "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\nmore"),
            (connect, "HTTP/2 200 OK\r\n\r\n"),
            (GET, "HTTP/1.1 200 Connection established\r\n\r\n"),
            ("hello", "HTTP/1.1 101 Switching Protocols\r\n\r\n"),
        ] {
            assert!(!persists(request, response), "{response:?} to {request:?}");
        }
    }
}
