//! Runs a client against each case of a family, over one peer.

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

/// Calls `test` with each case, and with a peer that answers every request with it. A client that tries again after a failure gets
/// the same case again; for a good answer to the second try see [many cases](crate::faults#many-cases-in-one-test). One peer serves
/// all cases, which is much faster than a peer for each. Its settings are the defaults.
///
/// [`Case`]s of your own can be among them: [`Case::new`]`("a name", response)`.
///
/// If `test` panics or an exchange fails, the name of the case is printed after the message.
///
/// # Errors
///
/// The first error of an exchange, except for [`Error::Send`]: in many cases a client rightly leaves before it has received
/// everything, or before it has sent everything ([`clients_may_leave_early`](crate::TcpServerBuilder::clients_may_leave_early)).
///
/// # Panics
///
/// With the panic of `test`; if there is no free port, or no thread can be started.
#[track_caller]
pub fn sweep(
    cases: impl IntoIterator<Item = Case>,
    mut test: impl FnMut(&Case, &Peer),
) -> Result<()> {
    let mut stage = Stage::new(false);
    let mut peer = stage.peer()?;
    for case in cases {
        // User code needs a peer with a thread for it.
        if case.has_closure() && !stage.has_closure {
            unless_client_left(peer.finish().map(|_| ()))?;
            stage = Stage::new(true);
            peer = stage.peer()?;
        }
        *lock(&stage.case) = case.clone();
        let print_case = PrintCase(&case);
        test(&case, &peer);
        while let Some(outcome) = peer.take_now() {
            unless_client_left(outcome.map(|_| ()))?;
        }
        print_case.passed();
    }
    unless_client_left(peer.finish().map(|_| ()))
}

fn unless_client_left(result: Result<()>) -> Result<()> {
    match result {
        Err(Error::Send { .. }) => Ok(()),
        result => result,
    }
}

/// Answers with the current case.
#[derive(Debug, Clone)]
struct Stage {
    case: Arc<Mutex<Case>>,
    has_closure: bool,
}

impl Stage {
    fn new(has_closure: bool) -> Self {
        let case = Case::new("none", Response::new());
        Stage { case: Arc::new(Mutex::new(case)), has_closure }
    }

    #[track_caller]
    fn peer(&self) -> Result<Peer> {
        TcpServer::builder().source(self.clone()).clients_may_leave_early().spawn()
    }
}

impl ResponseSource for Stage {
    fn respond(&mut self, request: &Request) -> io::Result<Response> {
        lock(&self.case).respond(request)
    }

    fn hints(&mut self) -> Hints<'_> {
        let hints = if self.has_closure { Hints::default() } else { Hints::prompt() };
        Hints { first_framing: Some(self), ..hints }
    }
}

impl FirstFraming for Stage {
    fn first_framing(&mut self, client: &Client) -> Option<Framing> {
        lock(&self.case).first_framing(client)
    }
}

struct PrintCase<'c>(&'c Case);

impl PrintCase<'_> {
    /// The case has passed.
    fn passed(self) {
        std::mem::forget(self);
    }
}

impl Drop for PrintCase<'_> {
    #[allow(clippy::print_stderr)] // where a failing test looks
    fn drop(&mut self) {
        eprintln!("in case {}", self.0);
    }
}
