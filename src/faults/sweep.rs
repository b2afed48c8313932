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
use crate::server::builder::TcpServerBuilder;
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
pub fn sweep(cases: impl IntoIterator<Item = Case>, test: impl FnMut(&Case, &Peer)) -> Result<()> {
    sweep_with(TcpServer::builder, cases, test)
}

/// [`sweep`] over peers with other settings, or at another kind of address. `settings` is called for each peer: usually once, and once
/// more if a case has a closure. The sweep sets the source, and that [clients may leave
/// early](crate::TcpServerBuilder::clients_may_leave_early).
///
/// ```
/// # #[cfg(unix)]
/// # fn main() -> Result<(), fake_peer::Error> {
/// use fake_peer::{Peer, faults, http};
/// # use std::io::{Read, Write};
/// # use std::os::unix::net::UnixStream;
///
/// let on_unix_sockets = || Peer::builder().unix_in_temporary_folder();
/// let mut cases = 0;
/// faults::sweep_with(on_unix_sockets, faults::truncations(http::ok("hi")), |case, peer| {
///     // … the client under test asks at `peer.path()` …
/// #   let mut client = UnixStream::connect(peer.path()).unwrap();
/// #   client.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
/// #   let mut answer = Vec::new();
/// #   let ended = client.read_to_end(&mut answer);
/// #   assert!(ended.is_err() || !answer.ends_with(b"hi"), "{case}");
/// #   cases += 1;
/// })?;
/// # assert!(cases > 70, "{cases}");
/// # Ok(()) }
/// # #[cfg(not(unix))]
/// # fn main() {}
/// ```
///
/// # Errors
///
/// As [`sweep`]; [`Error::Listen`] if a peer cannot listen where its settings say.
///
/// # Panics
///
/// As [`sweep`].
#[track_caller]
pub fn sweep_with(
    mut settings: impl FnMut() -> TcpServerBuilder,
    cases: impl IntoIterator<Item = Case>,
    mut test: impl FnMut(&Case, &Peer),
) -> Result<()> {
    let mut stage = Stage::new(false);
    let mut peer = stage.peer(settings())?;
    for case in cases {
        // User code needs a peer with a thread for it.
        if case.has_closure() && !stage.has_closure {
            unless_client_left(peer.finish().map(|_| ()))?;
            stage = Stage::new(true);
            peer = stage.peer(settings())?;
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
    fn peer(&self, settings: TcpServerBuilder) -> Result<Peer> {
        settings.source(self.clone()).clients_may_leave_early().spawn()
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
