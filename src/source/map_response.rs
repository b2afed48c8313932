//! A source whose responses are changed on the way.

use std::fmt;
use std::io;

use crate::framing::Framing;
use crate::journal::client::Client;
use crate::journal::request::Request;
use crate::response::steps::Response;
use crate::source::response_source::ResponseSource;

/// A source with each of its responses changed by a closure: made by
/// [`ResponseSource::map_response`].
#[derive(Clone)]
pub struct MapResponse<S, F> {
    source: S,
    change: F,
}

impl<S, F> MapResponse<S, F> {
    pub(crate) fn new(source: S, change: F) -> Self {
        MapResponse { source, change }
    }
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

    fn framing(&mut self, client: &Client) -> Option<Framing> {
        self.source.framing(client)
    }

    fn has_framings(&self) -> bool {
        self.source.has_framings()
    }

    fn is_prompt(&self) -> bool {
        self.source.is_prompt()
    }
}

impl<S: fmt::Debug, F> fmt::Debug for MapResponse<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapResponse").field("source", &self.source).finish_non_exhaustive()
    }
}
