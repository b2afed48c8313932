//! One exchange: what arrived, what was sent, how each direction ended, and when.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::client::{Client, ClientEnd};
use super::connection_state::ConnectionState;
use super::request::Request;

/// One request and the response to it, as they went over the wire. Cheap to clone.
///
/// ```
/// use fake_peer::{Ending, Peer, http};
/// use std::io::{Read, Write};
/// use std::time::Duration;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let peer = Peer::answer(http::ok("hello").cut(40, Ending::Close));
/// let mut client = std::net::TcpStream::connect(peer.addr())?;
/// client.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
/// client.read_to_end(&mut Vec::new())?;
///
/// let exchange = peer.take(Duration::from_secs(10))?;
/// assert_eq!(exchange.request().target(), Some("/"));
/// assert_eq!(exchange.sent(), exchange.offered());
/// assert_eq!(exchange.sent(), 40);
/// assert_eq!(exchange.client().connection(), 1);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Exchange(Arc<ExchangeParts>);

/// Kept small, because a peer keeps one for each exchange: what most exchanges don't have is boxed.
#[derive(Debug, Clone)]
pub(crate) struct ExchangeParts {
    pub(crate) request: Request,
    /// As many as were sent, where it is not known.
    pub(crate) offered: u64,
    pub(crate) sent: u64,
    /// The first bytes of the response. They may be more than were sent: the response shares them.
    pub(crate) response: Option<Arc<[u8]>>,
    /// How many the kernel had taken of earlier responses on the connection.
    pub(crate) sent_before: u64,
    pub(crate) moments: Moments,
    pub(crate) rare: Option<Box<Rare>>,
    pub(crate) live: Arc<ConnectionState>,
}

/// [`Times`], as durations since the connection was accepted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moments {
    first_byte: Nanos,
    request_end: Nanos,
    response_end: Nanos,
}

/// A duration in half the memory of a [`Duration`], at most 584 years.
#[derive(Debug, Clone, Copy)]
struct Nanos(u64);

#[derive(Debug, Clone, Default)]
pub(crate) struct Rare {
    pub(crate) seeds: Vec<u64>,
    pub(crate) failure: Option<String>,
    /// Whether it is not known how many bytes there were to send.
    pub(crate) hides_offered: bool,
}

/// When the parts of an exchange happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Times {
    /// The connection was accepted.
    pub accepted: Instant,
    /// The first byte of the request had arrived.
    pub first_byte: Instant,
    /// The request was over.
    pub request_end: Instant,
    /// The last byte of the response was handed to the kernel.
    pub response_end: Instant,
}

impl Moments {
    pub(crate) fn of(times: Times) -> Self {
        let since = |moment: Instant| Nanos::of(moment.saturating_duration_since(times.accepted));
        Moments {
            first_byte: since(times.first_byte),
            request_end: since(times.request_end),
            response_end: since(times.response_end),
        }
    }

    fn after(self, accepted: Instant) -> Times {
        Times {
            accepted,
            first_byte: accepted + self.first_byte.duration(),
            request_end: accepted + self.request_end.duration(),
            response_end: accepted + self.response_end.duration(),
        }
    }
}

impl Nanos {
    fn of(duration: Duration) -> Self {
        Nanos(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
    }

    fn duration(self) -> Duration {
        Duration::from_nanos(self.0)
    }
}

impl Exchange {
    pub(crate) fn new(parts: ExchangeParts) -> Self {
        Exchange(Arc::new(parts))
    }

    /// The client.
    pub fn client(&self) -> &Client {
        self.0.request.client()
    }

    /// The request.
    pub fn request(&self) -> &Request {
        &self.0.request
    }

    /// How many bytes of response there were to send, without what a [cut](crate::Response::cut) leaves out. As many as were
    /// [`sent`](Self::sent) where that is not known: if part of it came from a reader whose end was not reached, or there was no
    /// response.
    pub fn offered(&self) -> u64 {
        self.0.offered
    }

    /// Whether it is known how many bytes there were to send.
    pub(crate) fn knows_offered(&self) -> bool {
        !self.0.rare.as_ref().is_some_and(|rare| rare.hides_offered)
    }

    /// The first bytes of the response that the kernel took: all of them if the response is one piece in memory, with which they are
    /// shared, otherwise the first [`retain_sent`](crate::TcpServerBuilder::retain_sent).
    ///
    /// ```
    /// # use std::io::{Read, Write};
    /// # use std::time::Duration;
    /// # let peer = fake_peer::Peer::answer("HTTP/1.1 204 No Content\r\n\r\n");
    /// # let mut client = std::net::TcpStream::connect(peer.addr())?;
    /// # client.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
    /// # client.read_to_end(&mut Vec::new())?;
    /// let exchange = peer.take(Duration::from_secs(10)).unwrap();
    /// assert!(exchange.sent_bytes().starts_with(b"HTTP/1.1 204 "));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn sent_bytes(&self) -> &[u8] {
        let bytes = self.0.response.as_deref().unwrap_or(&[]);
        &bytes[..usize::try_from(self.sent()).map_or(bytes.len(), |sent| sent.min(bytes.len()))]
    }

    /// How many bytes of response the kernel took for sending.
    ///
    /// Fewer than [`offered`](Self::offered) if the client left before it had them all, as curl does after the
    /// head of a response to HEAD.
    pub fn sent(&self) -> u64 {
        self.0.sent
    }

    /// How many bytes of response the client's kernel has acknowledged; whether the client has read them is not known. `None`
    /// while the connection is open, if it was closed on this side while bytes were in flight, and where the system does not say.
    ///
    /// A kernel may acknowledge bytes a few milliseconds after they arrive, so a client that resets the connection at once has
    /// acknowledged less than it has read. With a response in small pieces
    /// ([`Response::in_pieces`](crate::Response::in_pieces)) this shows after which byte the client left.
    ///
    /// On a Unix socket this is as many as were [`sent`](Self::sent): they are in the client's queue.
    ///
    /// Platform notes: known on Linux, macOS, FreeBSD and Windows (10, version 1703, and later). Windows has no such number. It is
    /// computed from what was sent, and after retransmissions it may be too low.
    pub fn acknowledged(&self) -> Option<u64> {
        let of_all = self.0.live.end.get()?.acknowledged?;
        Some(of_all.saturating_sub(self.0.sent_before).min(self.0.sent))
    }

    /// The seeds from which the [delays](crate::Delay) of the response were drawn; fixed delays have none.
    pub fn seeds(&self) -> &[u64] {
        self.0.rare.as_ref().map_or(&[], |rare| &rare.seeds)
    }

    /// Why the exchange failed, in one line; `None` if it did not.
    pub fn failure(&self) -> Option<&str> {
        self.0.rare.as_ref()?.failure.as_deref()
    }

    /// What the client sent after the connection's last request, until it closed: all of it, or the first
    /// [`retain`](crate::TcpServerBuilder::retain) bytes. Empty while the connection is open.
    pub fn trailing(&self) -> &[u8] {
        self.0.live.trailing().map_or(&[], |kept| &kept.bytes)
    }

    /// How many trailing bytes there were, kept or not.
    pub fn trailing_len(&self) -> u64 {
        self.0.live.trailing().map_or(0, |kept| kept.len)
    }

    /// How the client's side of the connection ended: [`ClientEnd::StillOpen`] while it is open.
    pub fn client_end(&self) -> ClientEnd {
        self.0.live.end.get().map_or(ClientEnd::StillOpen, |end| end.client)
    }

    /// When the parts of the exchange happened.
    pub fn times(&self) -> Times {
        self.0.moments.after(self.0.live.accepted)
    }

    /// When the connection ended; `None` while it is open.
    pub fn closed_at(&self) -> Option<Instant> {
        self.0.live.end.get().map(|end| end.at)
    }
}
