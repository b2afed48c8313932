//! The trait `ResponseSource`: where responses come from. With closures, and sources whose responses are changed.

use std::fmt;
use std::io;

use super::hints::Hints;
use crate::journal::request::Request;
use crate::response::steps::Response;

/// Where responses come from.
///
/// [`respond`](Self::respond) is called once for each request, when the request has ended and its record in the
/// [sink](crate::RequestSink) is closed. There is one call at a time, also for requests that are served side by side.
///
/// Implemented by the types of a fixed answer (`&str`, `String`, `&[u8]`, `&[u8; N]`, `Vec<u8>`,
/// [`Response`]), by [`FileSource`](crate::FileSource), [`FolderSource`](crate::FolderSource), [`Conversation`](crate::Conversation), [`Proxy`](crate::Proxy), `Box<dyn ResponseSource>`, and by closures. With
/// [`Peer::answer_with`](crate::Peer::answer_with) and [`source_with`](crate::TcpServerBuilder::source_with) a closure needs no type:
///
/// ```
/// use fake_peer::TcpServer;
/// # use std::io::{Read, Write};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut asked = 0;
/// let server = TcpServer::builder()
///     .source_with(move |request| {
///         asked += 1;
///         format!("{asked}: {}", request.bytes().escape_ascii())
///     })
///     .bind()?;
/// # let mut client = std::net::TcpStream::connect(server.local_addr())?;
/// # client.write_all(b"hello\n")?;
/// # client.shutdown(std::net::Shutdown::Write)?;
/// # server.serve_once()?;
/// # let mut answer = String::new();
/// # client.read_to_string(&mut answer)?;
/// assert_eq!(answer, r"1: hello\n");
/// # Ok(()) }
/// ```
///
/// Wherever else a source is expected, the compiler needs the type of the parameter: `move |request: &Request| …`.
///
/// One of your own:
///
/// ```
/// use fake_peer::{Request, Response, ResponseSource};
/// use std::io;
///
/// /// Answers with the recorded response that the request names.
/// struct Recorded(std::path::PathBuf);
///
/// impl ResponseSource for Recorded {
///     fn respond(&mut self, request: &Request) -> io::Result<Response> {
///         let name = request.target().unwrap_or("/").replace('/', "_");
///         Ok(Response::file(self.0.join(name)))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "a peer cannot answer with `{Self}`",
    label = "not a source of responses",
    note = "one answer for all requests: `http::ok(body)`, a `Response`, or bytes that are owned or `'static` (for a `&String`: `text.clone()`)",
    note = "one answer after another: `Sequence::new(list)`",
    note = "a closure: `Peer::answer_with(|request| …)`, or with the type of its parameter, `|request: &Request| …`; \
            it returns a `Response` or owned bytes, and is `Send`"
)]
pub trait ResponseSource: Send {
    /// The response to `request`.
    ///
    /// # Errors
    ///
    /// If there is no response. The exchange then fails with [`Error::Respond`](crate::Error::Respond), and the client sees the
    /// connection close without a byte.
    fn respond(&mut self, request: &Request) -> io::Result<Response>;

    /// Called when a [peer](crate::Peer) is finished, and by [`TcpServer::finish`](crate::TcpServer::finish): did the test use
    /// everything that this source has?
    ///
    /// Defaults to `Ok`. A [`Sequence`](crate::Sequence) returns an error if it has answers left, a
    /// [`Conversation`](crate::Conversation) if it was not played to its end.
    ///
    /// # Errors
    ///
    /// What is left. The peer then fails with [`Error::LeftOver`](crate::Error::LeftOver).
    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// What the core needs to know about this source besides its responses. Not part of the stable interface: a source that
    /// wraps another one forwards it, others need not write it.
    #[doc(hidden)]
    fn hints(&mut self) -> Hints<'_> {
        Hints::default()
    }

    /// This source, with each of its responses changed by a closure: adds faults to the responses of a file, a sequence, a
    /// [proxy](crate::Proxy).
    ///
    /// ```
    /// use fake_peer::{Ending, FileSource, Peer, ResponseSource};
    /// # use std::io::{Read, Write};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let page = FileSource::new("study/server_send.txt");
    /// let peer = Peer::answer(page.map_response(|response| response.cut(17, Ending::Close)));
    /// # let mut client = std::net::TcpStream::connect(peer.addr())?;
    /// # client.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
    /// # let mut answer = String::new();
    /// # client.read_to_string(&mut answer)?;
    /// assert_eq!(answer, "HTTP/1.1 200 OK\r\n");
    /// # Ok(()) }
    /// ```
    fn map_response<F>(self, change: F) -> MapResponse<Self, F>
    where
        Self: Sized,
        F: FnMut(Response) -> Response + Send,
    {
        MapResponse { source: self, change }
    }
}

/// A source whose responses are changed by a closure: made by [`ResponseSource::map_response`].
#[derive(Clone)]
pub struct MapResponse<S, F> {
    source: S,
    change: F,
}

impl<S, F> ResponseSource for MapResponse<S, F>
where
    S: ResponseSource,
    F: FnMut(Response) -> Response + Send,
{
    fn respond(&mut self, request: &Request) -> io::Result<Response> {
        self.source.respond(request).map(&mut self.change)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.source.finish()
    }

    fn hints(&mut self) -> Hints<'_> {
        self.source.hints().with_changed_answers()
    }
}

impl<S: fmt::Debug, F> fmt::Debug for MapResponse<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapResponse").field("source", &self.source).finish_non_exhaustive()
    }
}

// The message of the trait says more than one about `FnMut`.
#[diagnostic::do_not_recommend]
impl<F, R> ResponseSource for F
where
    F: FnMut(&Request) -> R + Send,
    R: Into<Response>,
{
    fn respond(&mut self, request: &Request) -> io::Result<Response> {
        Ok(self(request).into())
    }
}

impl ResponseSource for Box<dyn ResponseSource> {
    fn respond(&mut self, request: &Request) -> io::Result<Response> {
        (**self).respond(request)
    }

    fn finish(&mut self) -> io::Result<()> {
        (**self).finish()
    }

    fn hints(&mut self) -> Hints<'_> {
        (**self).hints()
    }
}
