//! What a test and the connection that it drives share: what the test wants, the request that it gets, and the bytes to send.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::io;
use std::sync::Arc;

use crate::framing::rule::Framing;
use crate::journal::client::ClientEnd;
use crate::journal::exchange::ExchangeParts;
use crate::journal::request::Request;
use crate::os::deadline::Deadline;
use crate::os::lock::{Mutex, Waiters, lock};
use crate::response::ending::Ending;
use crate::response::secure::Secure;
use crate::source::conversation::Refusal;

/// What a test and its connection tell each other.
#[derive(Debug, Default)]
pub(crate) struct Control {
    state: Mutex<ControlState>,
    waiting: Waiters,
}

#[derive(Default)]
struct ControlState {
    wants: Option<Want>,
    /// Why the request that it got last is none that it takes.
    refuses: Option<Refusal>,
    /// Whether the client has sent a byte that the test has got.
    has_spoken: bool,
    /// The request that the test has asked for.
    request: Option<Request>,
    to_send: VecDeque<u8>,
    /// How many bytes were ever given to send, and how many of them have left.
    given: u64,
    left: u64,
    /// Whether it has TLS.
    is_secured: bool,
    taken_by: TakenBy,
    over: Option<Over>,
}

/// Who drives a connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum TakenBy {
    /// Nobody yet.
    #[default]
    Nobody,
    /// A test that has accepted it. When the peer finishes it is closed.
    Test,
    /// A function that runs until it returns.
    Handler,
}

/// How many bytes one write is given at most.
const LARGEST: usize = 256 * 1024;

/// What the test wants at the moment.
pub(super) struct Wish {
    pub(super) want: Option<Want>,
    pub(super) has_to_send: bool,
    pub(super) taken_by: TakenBy,
}

/// What the test wants next.
#[derive(Debug, Clone)]
pub(super) enum Want {
    Read(Framing),
    BeginTls(Arc<dyn Secure>),
    /// The request that it has got fails, and the connection ends.
    Refuse(Refusal),
    End(Ending),
}

/// How a connection has ended for its test.
#[derive(Debug, Clone)]
pub(crate) enum Over {
    /// The client has closed its side, and sent no more.
    ClientClosed,
    /// The peer has ended, and no request had begun.
    Finished,
    /// The test has ended it.
    Ended,
    /// It has failed outside of an exchange.
    Failed(String, io::ErrorKind),
    /// An exchange or a handshake has failed, which the peer reports.
    ExchangeFailed(String),
}

/// The cause of an error that the peer reports by itself.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Reported(pub(crate) String);

/// The cause of an error that the peer reports only of a client that has said something, and may not leave early.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub(crate) struct Unsaid {
    pub(crate) text: String,
    pub(crate) has_spoken: bool,
}

impl Over {
    pub(in crate::serving) fn of(client_end: ClientEnd) -> Self {
        match client_end {
            ClientEnd::Closed => Over::ClientClosed,
            ClientEnd::Reset => Over::Failed(
                "the client reset the connection".into(),
                io::ErrorKind::ConnectionReset,
            ),
            _ => Over::Ended,
        }
    }

    pub(in crate::serving) fn of_failed(parts: &ExchangeParts) -> Self {
        let failure = parts.rare.as_ref().and_then(|rare| rare.failure.clone());
        Over::ExchangeFailed(failure.unwrap_or_default())
    }
}

impl Control {
    /// The test wants a request.
    pub(crate) fn read(&self, framing: Framing) {
        let mut state = lock(&self.state);
        state.request = None;
        if !matches!(state.wants, Some(Want::End(_))) {
            state.wants = Some(Want::Read(framing));
        }
    }

    /// The test wants a TLS handshake.
    #[cfg_attr(not(feature = "tls"), allow(dead_code))]
    pub(crate) fn begin_tls(&self, secure: Arc<dyn Secure>) -> Result<(), Over> {
        let mut state = lock(&self.state);
        if state.is_secured {
            let text = "the connection has TLS already".into();
            return Err(Over::Failed(text, io::ErrorKind::InvalidInput));
        }
        if !matches!(state.wants, Some(Want::End(_))) {
            state.wants = Some(Want::BeginTls(secure));
        }
        Ok(())
    }

    /// Waits until the connection has TLS.
    #[cfg_attr(not(feature = "tls"), allow(dead_code))]
    pub(crate) fn await_tls(&self) -> Result<(), Over> {
        self.wait_for(|state| state.is_secured.then_some(()))
    }

    /// The handshake is over.
    pub(in crate::serving) fn set_secured(&self) {
        self.change(|state| state.is_secured = true);
    }

    /// The test does not take the request that it got last.
    pub(crate) fn refuse(&self, refusal: Refusal) {
        lock(&self.state).refuses = Some(refusal);
    }

    /// Waits until the connection has ended for the test.
    pub(crate) fn await_over(&self) -> Over {
        let Err(over) = self.wait_for(|_| None::<Infallible>);
        over
    }

    pub(crate) fn has_spoken(&self) -> bool {
        lock(&self.state).has_spoken
    }

    /// The test wants the connection to end. The first such wish counts.
    pub(crate) fn end(&self, ending: Ending) {
        let mut state = lock(&self.state);
        if !matches!(state.wants, Some(Want::End(_))) {
            state.wants = Some(Want::End(ending));
        }
    }

    /// Gives it bytes to send; how many it was given in all by then.
    pub(crate) fn give(&self, bytes: &[u8]) -> Result<u64, Over> {
        let mut state = lock(&self.state);
        if let Some(over) = &state.over {
            return Err(over.clone());
        }
        state.to_send.extend(bytes);
        state.given += bytes.len() as u64;
        Ok(state.given)
    }

    pub(crate) fn is_taken_by(&self, by: TakenBy) {
        lock(&self.state).taken_by = by;
    }

    /// Waits for the request that was asked for; how it has ended if none will come.
    pub(crate) fn await_request(&self) -> Result<Request, Over> {
        self.wait_for(|state| state.request.take())
    }

    /// Waits until so many bytes have left in all.
    pub(crate) fn await_left(&self, bytes: u64) -> Result<(), Over> {
        self.wait_for(|state| (state.left >= bytes).then_some(()))
    }

    /// Waits until `look` finds something, or the connection has ended for the test. The connection has timeouts.
    fn wait_for<T>(&self, look: impl Fn(&mut ControlState) -> Option<T>) -> Result<T, Over> {
        let look = |state: &mut ControlState| match look(state) {
            Some(found) => Some(Ok(found)),
            None => state.over.clone().map(Err),
        };
        let found = self.waiting.wait_for(lock(&self.state), Deadline::Never, look);
        found.expect("there is no deadline")
    }

    pub(super) fn wants_end(&self) -> bool {
        matches!(lock(&self.state).wants, Some(Want::End(_)))
    }

    /// Takes what the test wants.
    pub(super) fn next_wish(&self) -> Wish {
        let mut state = lock(&self.state);
        let has_to_send = !state.to_send.is_empty();
        if let Some(refusal) = state.refuses.take() {
            let want = Some(Want::Refuse(refusal));
            return Wish { want, has_to_send, taken_by: state.taken_by };
        }
        let want = match state.wants.take() {
            // What was given is sent before the end, and before TLS; a read goes on beside it.
            Some(want @ (Want::End(_) | Want::BeginTls(_))) if has_to_send => {
                state.wants = Some(want);
                None
            }
            want => want,
        };
        Wish { want, has_to_send, taken_by: state.taken_by }
    }

    /// Gives the test the request that it has asked for.
    pub(super) fn set_request(&self, request: Request) {
        self.change(|state| {
            state.has_spoken |= !request.is_empty();
            state.request = Some(request);
        });
    }

    /// What is to be sent next, empty if there is nothing. A copy: the test may give more while it is sent.
    pub(super) fn next_piece(&self) -> Vec<u8> {
        let state = lock(&self.state);
        let (front, _) = state.to_send.as_slices();
        front[..front.len().min(LARGEST)].to_vec()
    }

    /// How many bytes are still to be sent.
    pub(super) fn unsent(&self) -> u64 {
        lock(&self.state).to_send.len() as u64
    }

    /// So many of the bytes to be sent have left.
    pub(super) fn has_left(&self, bytes: usize) {
        self.change(|state| {
            state.to_send.drain(..bytes);
            state.left += bytes as u64;
        });
    }

    fn change(&self, change: impl FnOnce(&mut ControlState)) {
        change(&mut lock(&self.state));
        self.waiting.wake();
    }

    /// The first reason counts.
    pub(in crate::serving) fn set_over(&self, over: Over) {
        self.change(|state| {
            state.over.get_or_insert(over);
        });
    }
}

impl fmt::Debug for ControlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ControlState").field("wants", &self.wants).finish_non_exhaustive()
    }
}
