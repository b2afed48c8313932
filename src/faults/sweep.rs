//! One client after another against the cases of a family, over one peer.

use std::io;
use std::sync::{Arc, Mutex};

use super::case::Case;
use crate::error::{Error, Result};
use crate::framing::rule::Framing;
use crate::journal::client::Client;
use crate::journal::request::Request;
use crate::os::lock::lock;
use crate::response::steps::Response;
use crate::server::peer::Peer;
use crate::server::tcp_server::TcpServer;
use crate::source::hints::{FirstFraming, Hints};
use crate::source::response_source::ResponseSource;

/// Calls `test` with each case, and with a peer that answers with it, as often as the client asks: one that tries again after
/// a failure gets the same case again ([another way](crate::faults#many-cases-in-one-test) where it is to get a good answer
/// then). All cases are served by one peer, which is much faster than one each.
///
/// [`Case`]s of your own can be among them: [`Case::new`]`("a name", response)`. The settings are the defaults of
/// [`TcpServer::builder`].
///
/// A panic in `test` goes through, and the name of the case is printed behind its message. So is it if an exchange failed.
///
/// # Errors
///
/// The first error of an exchange. [`Error::Send`] is not among them: that a client leaves before it has everything is what
/// many of these cases are about.
///
/// # Panics
///
/// With the panic of `test`; if there is no free port, or no thread can be started.
pub fn sweep(
    cases: impl IntoIterator<Item = Case>,
    mut test: impl FnMut(&Case, &Peer),
) -> Result<()> {
    let stage = Stage(Arc::new(Mutex::new(Response::new())));
    let peer = TcpServer::builder().source(stage.clone()).spawn()?;
    for case in cases {
        *lock(&stage.0) = case.response().clone();
        let tell = TellCase(&case);
        test(&case, &peer);
        while let Some(outcome) = peer.take_now() {
            unless_client_left(outcome.map(|_| ()))?;
        }
        tell.nothing();
    }
    unless_client_left(peer.finish().map(|_| ()))
}

fn unless_client_left(result: Result<()>) -> Result<()> {
    match result {
        Err(Error::Send { .. }) => Ok(()),
        result => result,
    }
}

/// Answers with the case of the moment.
#[derive(Debug, Clone)]
struct Stage(Arc<Mutex<Response>>);

impl ResponseSource for Stage {
    fn respond(&mut self, request: &Request) -> io::Result<Response> {
        lock(&self.0).respond(request)
    }

    fn hints(&mut self) -> Hints<'_> {
        Hints { first_framing: Some(self), ..Hints::prompt() }
    }
}

impl FirstFraming for Stage {
    fn first_framing(&mut self, _: &Client) -> Option<Framing> {
        lock(&self.0).after.clone()
    }
}

struct TellCase<'c>(&'c Case);

impl TellCase<'_> {
    /// Nothing was wrong.
    fn nothing(self) {
        std::mem::forget(self);
    }
}

impl Drop for TellCase<'_> {
    #[allow(clippy::print_stderr)] // where a failing test looks
    fn drop(&mut self) {
        eprintln!("in case {}", self.0);
    }
}
