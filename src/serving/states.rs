//! The states of a connection, and what it stops for in them.

use std::ops::ControlFlow;
use std::time::Instant;

use super::receiving::{Pending, Receiving};
use super::rest::Rest;
use super::sending::Sending;
use crate::os::kernel::PollTimer;
use crate::response::ending::Ending;
use crate::response::steps::Response;

/// What a connection does.
#[derive(Debug)]
pub(super) enum State {
    /// A TLS handshake.
    Handshaking(Handshaking),
    /// It was just accepted: the source may say where its first request ends.
    New,
    /// The first byte of a request is missing.
    Idle {
        since: Instant,
    },
    Receiving(Box<Receiving>),
    /// The request is over; the source has not answered.
    Answering(Box<Answering>),
    Sending(Box<Sending>),
    Closing(Closing),
    /// The test drives it by hand, and has not said yet what it wants next.
    ByHand,
    Over,
}

impl State {
    /// Whether nothing is sent any more.
    pub(super) fn is_ending(&self) -> bool {
        matches!(self, State::Closing(_) | State::Over)
    }
}

/// The next state, or the state in which the connection stops and what for.
pub(super) type Step = ControlFlow<(State, Rest), State>;

/// Stops in this state.
pub(super) fn stop(state: State, rest: Rest) -> Step {
    ControlFlow::Break((state, rest))
}

/// How a connection goes on after an exchange.
#[derive(Debug)]
pub(super) enum After {
    Request,
    End(Ending),
    /// The client is gone.
    Gone,
}

/// A request that has not been answered.
#[derive(Debug)]
pub(super) struct Answering {
    pub(super) pending: Pending,
    /// The source's answer, whose files are not open yet.
    pub(super) response: Option<Response>,
}

impl Answering {
    pub(super) fn new(pending: Pending) -> Self {
        Answering { pending, response: None }
    }
}

/// A connection in its TLS handshake.
#[derive(Debug)]
pub(super) struct Handshaking {
    pub(super) begins: Begins,
    /// When the client's last byte arrived, and how many there were.
    pub(super) progress: Instant,
    pub(super) bytes: u64,
    /// Since when the client takes nothing.
    pub(super) stuck_since: Option<Instant>,
}

/// Why a handshake begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begins {
    /// The connection was accepted.
    Accepted,
    /// Client and peer have agreed on it.
    Agreed,
}

impl Handshaking {
    pub(super) fn new(begins: Begins, progress: Instant) -> Self {
        Handshaking { begins, progress, bytes: 0, stuck_since: None }
    }
}

/// A connection on its way to its end.
#[derive(Debug)]
pub(super) struct Closing {
    pub(super) ending: Ending,
    pub(super) since: Option<Instant>,
    /// Of a reset: how many bytes were not acknowledged when that last changed, and when it did.
    pub(super) missing: Option<(u64, Instant)>,
    pub(super) timer: PollTimer,
}

impl Closing {
    pub(super) fn new(ending: Ending) -> Self {
        Closing { ending, since: None, missing: None, timer: PollTimer::new() }
    }
}
