//! A source that forwards to a real server and records its responses. One response on its way is in `relay`.

mod background;
mod link;
mod relay;
pub(crate) mod target;
mod upstream;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use self::background::Background;
use self::link::Trust;
use self::relay::{Question, Relay};
use self::upstream::UpstreamError;
use crate::journal::request::Request;
use crate::response::steps::Response;
use crate::sink::record_file::RecordFile;
use crate::source::hints::Hints;
use crate::source::response_source::ResponseSource;

/// Forwards each request to an upstream server, and relays its response byte for byte as it arrives. With
/// [`record`](Self::record) the response is written to a file, too.
///
/// Each exchange has its own connection to the upstream. The bytes of the request are forwarded unchanged, `Host` and
/// `Connection` included, so an upstream that uses the name in `Host` sees the peer's. If the request ended with the client's
/// half-close ([`RequestEnd::ClientClosed`](crate::RequestEnd::ClientClosed), [`Framing::eof`](crate::Framing::eof)), the
/// half-close is forwarded, too; otherwise the sending side stays open. While a large request is being sent, the response is
/// already relayed: an upstream that answers early still gets the rest of the request, if it takes it within the
/// [timeout](Self::timeout).
///
/// The client's connection is closed after the response, whatever `Connection` says.
/// [`map_response`](ResponseSource::map_response) can choose another [ending](Response::ending), and add faults.
///
/// ```
/// use fake_peer::{Ending, FileSource, Peer, Proxy, Response, ResponseSource, http};
/// use std::io::{ErrorKind, Read, Write};
/// use std::net::{SocketAddr, TcpStream};
///
/// fn ask(peer: SocketAddr) -> std::io::Result<String> {
///     let mut client = TcpStream::connect(peer)?;
///     client.write_all(b"GET / HTTP/1.1\r\nHost: peer\r\n\r\n")?;
///     let mut answer = String::new();
///     client.read_to_string(&mut answer)?;
///     Ok(answer)
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let page = folder.path().join("page");
/// # let upstream = Peer::answer(http::ok("hello"));
/// # let upstream = upstream.addr();
/// // Cut on the way to the client, complete in the record.
/// let proxy = Proxy::to(upstream).record(&page);
/// let proxy = Peer::answer(proxy.map_response(|response| response.cut(17, Ending::Close)));
/// assert_eq!(ask(proxy.addr())?, "HTTP/1.1 200 OK\r\n");
/// proxy.finish()?;
///
/// let replay = Peer::answer(FileSource::new(&page));
/// assert_eq!(ask(replay.addr())?, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
///
/// // The record, with a fault on top.
/// let broken = Peer::answer(Response::file(&page).cut(37, Ending::Reset));
/// assert_eq!(ask(broken.addr()).unwrap_err().kind(), ErrorKind::ConnectionReset);
/// # Ok(()) }
/// ```
///
/// To record once and replay from then on, finish the peer with the proxy before the file is read, and keep the file with the
/// tests.
///
/// # Upstreams over TLS
///
/// With the feature `tls` an upstream may be `https://host` or `https://host:port`. The client speaks plain HTTP with the peer, and the
/// peer speaks TLS with the upstream, under the name in its URL (SNI); no application protocol (ALPN) is offered. Which certificates are
/// accepted:
///
/// - those that the system trusts, with the feature `tls-system-roots`, which implies `tls`. `SSL_CERT_FILE` names other authorities, in
///   a file, and `SSL_CERT_DIR` in a folder;
/// - those of authorities that the test has: `trusting`;
/// - every one, which is no protection at all: `insecure`.
///
/// Each exchange has a whole handshake, within the [timeout](Self::timeout). An upstream whose stream ends without `close_notify` may have
/// been cut off: a response that ends with the close then fails the exchange.
///
/// A half-close of the client is a `close_notify` for the upstream.
///
/// # Where a response ends
///
/// An upstream may keep its connection open, so an HTTP response ends where RFC 9112 section 6.3 says: after its head if it
/// answers HEAD or its status is 204 or 304, with its last chunk, or with the last byte of its Content-Length. Interim responses
/// (1xx) are relayed, and the final one is waited for. Everything else ends where the upstream closes: a response without a
/// length or with an invalid one, a 101, a 2xx to CONNECT, and bytes that do not start with `HTTP/`. What an upstream sends
/// after the end is neither relayed nor recorded.
///
/// # Errors
///
/// The exchange fails with [`Error::Respond`](crate::Error::Respond), whose cause names the upstream and the step, if the
/// upstream cannot be reached, is silent for longer than the timeout, resets the connection, or closes it before the end of its
/// response. (A response without a length ends with the close. To a request that is not HTTP, a close without a byte is a
/// response, too.) What had arrived by then is relayed and recorded, then the client's connection is closed.
///
/// The exchange also fails if only the first [`retain`](crate::TcpServerBuilder::retain) bytes of the request were kept, because
/// the rest cannot be forwarded. If an upstream takes only a part of a request and sends a complete response, that is no error.
#[derive(Debug)]
pub struct Proxy {
    upstream: Arc<str>,
    timeout: Option<Duration>,
    trust: Trust,
    record: Option<Arc<Mutex<RecordFile>>>,
    background: Arc<Background>,
}

impl Proxy {
    /// A source that forwards to the server at `upstream`: `host:port`, as text or as a
    /// [`SocketAddr`](std::net::SocketAddr), or its URL, which has no path: `https://host`, `https://host:8443/`, `http://host`. Without a
    /// port in the URL it is 443 for `https` and 80 for `http`. `localhost` is 127.0.0.1. The name is looked up, and the connection made,
    /// for each exchange when its request is complete. `https` needs the feature `tls`: see
    /// [above](Self#upstreams-over-tls).
    #[allow(clippy::needless_pass_by_value)] // `&str` and `SocketAddr` alike, without a borrow at the call site
    pub fn to(upstream: impl ToString) -> Self {
        Proxy {
            upstream: upstream.to_string().into(),
            timeout: Some(Duration::from_secs(10)),
            trust: Trust::default(),
            record: None,
            background: Arc::default(),
        }
    }

    /// Writes the bytes of each response to the file at `path`, from which a [`FileSource`](crate::FileSource) can replay them. The
    /// file holds the last response: it is emptied when the upstream of an exchange has been reached. If the exchange fails
    /// after that, the file holds what had arrived; if the upstream cannot be reached, the older record stays.
    ///
    /// Bytes reach the file as they arrive, before they are sent to the client. A response that begins while another one is still
    /// being written gets a new file at the path, so that the two don't mix.
    ///
    /// If the client leaves, or the response is [cut](Response::cut), the rest of it is still recorded, in a thread of its own, for
    /// at most the [timeout](Self::timeout) in all. The record is complete when [`Peer::finish`](crate::Peer::finish) has
    /// returned, or the server was dropped. If it cannot be completed, `finish` fails with
    /// [`Error::LeftOver`](crate::Error::LeftOver).
    ///
    /// Defaults to no record.
    #[must_use]
    pub fn record(mut self, path: impl Into<PathBuf>) -> Self {
        self.record = Some(Arc::new(Mutex::new(RecordFile::of_responses(path.into()))));
        self
    }

    /// Accepts certificates of upstreams that an authority in this PEM text has signed, and no others. With the feature `tls`.
    ///
    /// Defaults to the authorities of the system, with the feature `tls-system-roots`, and to none without it.
    ///
    /// ```
    /// use fake_peer::{Peer, Proxy, http, tls};
    /// # use std::io::{Read, Write};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let ca = tls::Ca::new();
    /// let upstream = Peer::builder().tls(ca.server("localhost")).source(http::ok("hi")).spawn()?;
    ///
    /// let peer = Peer::answer(Proxy::to(upstream.url("/")).trusting(ca.pem()));
    /// # let mut client = std::net::TcpStream::connect(peer.addr())?;
    /// # client.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
    /// # let mut answer = String::new();
    /// # client.read_to_string(&mut answer)?;
    /// # assert!(answer.ends_with("\r\n\r\nhi"), "{answer}");
    /// // A client of `peer` speaks plain HTTP.
    /// peer.finish()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Panics
    ///
    /// If there is no certificate of an authority in the text.
    #[cfg(feature = "tls")]
    #[must_use]
    #[track_caller]
    pub fn trusting(mut self, pem: impl AsRef<[u8]>) -> Self {
        match Trust::in_authorities(pem.as_ref()) {
            Ok(trust) => self.trust = trust,
            Err(error) => panic!("failed to trust an authority: {error}"),
        }
        self
    }

    /// Accepts **every** certificate of an upstream: expired, for another host, of an unknown authority, self-signed. Whoever stands
    /// between can read and change everything, and what is recorded may come from anyone. With the feature `tls`.
    ///
    /// For an upstream on the same machine, or one whose certificate is what is wrong. Where the authority is known,
    /// [`trusting`](Self::trusting) is as short.
    ///
    /// Defaults to no such thing. It replaces `trusting`, and the other way round.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn insecure(mut self) -> Self {
        self.trust = Trust::in_everything();
        self
    }

    /// How long the upstream may take to accept a connection, at each address of its name, how long a TLS handshake may take, and how
    /// long the upstream may then neither send nor take a byte. `None` waits for ever. Looking up a name has the timeout of the system.
    ///
    /// Defaults to 10 seconds.
    #[must_use]
    pub fn timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.timeout = timeout.into();
        self
    }
}

impl ResponseSource for Proxy {
    fn respond(&mut self, request: &Request) -> io::Result<Response> {
        if request.is_truncated() {
            let (kept, len) = (request.bytes().len(), request.len());
            let text = format!(
                "only the first {kept} of its {len} bytes were kept: raise `TcpServerBuilder::retain`"
            );
            let too_long = io::Error::new(io::ErrorKind::InvalidInput, text);
            return Err(UpstreamError::wrap("forward the request to", &self.upstream)(too_long));
        }
        // The work is done while the response is sent, in the thread of its connection, so that other exchanges don't wait for a
        // slow upstream.
        let question = Question {
            upstream: Arc::clone(&self.upstream),
            timeout: self.timeout,
            trust: self.trust.clone(),
            record: self.record.clone(),
            request: request.clone(),
        };
        Ok(Response::new().send_from(Relay::new(question, Arc::clone(&self.background))))
    }

    fn finish(&mut self) -> io::Result<()> {
        self.background.join()
    }

    fn hints(&mut self) -> Hints<'_> {
        Hints::prompt()
    }
}

/// Completes the record, also when a program ends.
impl Drop for Proxy {
    fn drop(&mut self) {
        // `finish` reports errors; a drop can't.
        let _ = self.background.join();
    }
}
