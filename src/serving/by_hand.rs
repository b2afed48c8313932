//! A connection that a test drives by hand: what the test wants, what it gets, and the bytes that it has given to send. The reads and the
//! close are those of every connection; the bytes are sent beside them, so that a peer can speak while it waits for its client.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use super::connection::{Connection, unnumbered};
use super::context::Context;
use super::event::Event;
use super::failure::Failure;
use super::receiving::Pending;
use super::rest::Rest;
use super::service::{Place, Service, as_user_thread_of};
use super::states::{Closing, State, Step, stop};
use super::task::ConnectionTask;
use crate::framing::rule::Framing;
use crate::journal::client::{Client, ClientEnd};
use crate::journal::exchange::{Exchange, ExchangeParts};
use crate::journal::request::{Request, RequestEnd, RequestParts};
use crate::os::deadline::Deadline;
use crate::os::lock::{self, Condvar, Mutex, lock};
use crate::os::set::Interest;
use crate::os::stream::{Next, is_gone};
use crate::response::ending::Ending;

/// What a test and its connection tell each other.
#[derive(Debug, Default)]
pub(crate) struct Hand {
    state: Mutex<HandState>,
    changed: Condvar,
}

#[derive(Default)]
struct HandState {
    wants: Option<Want>,
    /// The request that the test has asked for.
    request: Option<Request>,
    to_send: VecDeque<u8>,
    /// How many bytes were ever given to send, and how many of them have left.
    given: u64,
    left: u64,
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

/// What the test wants next.
#[derive(Debug, Clone)]
enum Want {
    Read(Framing),
    End(Ending),
}

/// How a connection has ended for its test.
#[derive(Debug, Clone)]
pub(crate) enum Over {
    /// The client has closed its side, and sent no more.
    ClientClosed,
    /// The test, or the end of the peer, has ended it.
    Ended,
    /// An exchange has failed. Its error is reported by the peer, too.
    Failed(String, io::ErrorKind),
}

impl Over {
    pub(super) fn of(client_end: ClientEnd) -> Self {
        match client_end {
            ClientEnd::Closed => Over::ClientClosed,
            ClientEnd::Reset => Over::Failed(
                "the client reset the connection".into(),
                io::ErrorKind::ConnectionReset,
            ),
            _ => Over::Ended,
        }
    }

    pub(super) fn of_failed(parts: &ExchangeParts) -> Self {
        let failure = parts.rare.as_ref().and_then(|rare| rare.failure.clone());
        Over::Failed(failure.unwrap_or_default(), io::ErrorKind::Other)
    }
}

impl Hand {
    /// The test wants a request.
    pub(crate) fn read(&self, framing: Framing) {
        let mut state = lock(&self.state);
        state.request = None;
        if !matches!(state.wants, Some(Want::End(_))) {
            state.wants = Some(Want::Read(framing));
        }
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
        let mut state = lock(&self.state);
        loop {
            if let Some(request) = state.request.take() {
                return Ok(request);
            }
            if let Some(over) = &state.over {
                return Err(over.clone());
            }
            state = lock::wait(&self.changed, state, None);
        }
    }

    /// Waits until so many bytes have left in all.
    pub(crate) fn await_left(&self, bytes: u64) -> Result<(), Over> {
        let mut state = lock(&self.state);
        while state.left < bytes {
            if let Some(over) = &state.over {
                return Err(over.clone());
            }
            state = lock::wait(&self.changed, state, None);
        }
        Ok(())
    }

    fn wants_end(&self) -> bool {
        matches!(lock(&self.state).wants, Some(Want::End(_)))
    }

    fn has_to_send(&self) -> bool {
        !lock(&self.state).to_send.is_empty()
    }

    fn change(&self, change: impl FnOnce(&mut HandState)) {
        change(&mut lock(&self.state));
        self.changed.notify_all();
    }

    /// The first reason counts.
    pub(super) fn set_over(&self, over: Over) {
        self.change(|state| {
            state.over.get_or_insert(over);
        });
    }
}

/// A connection for a test to drive.
pub(crate) struct Held {
    pub(crate) client: Client,
    pub(super) task: Arc<ConnectionTask>,
    pub(crate) hand: Arc<Hand>,
}

impl Held {
    /// Carries the connection on in this thread, unless another one does.
    pub(crate) fn carry_on(&self) {
        self.task.carry_on(Place::Loop);
    }
}

/// What drives each connection, in a thread of the peer.
pub(crate) type Handler = Arc<dyn Fn(Arc<Service>, Held) + Send + Sync>;

/// The connections that wait for a test.
#[derive(Default)]
pub(crate) struct Hands {
    handler: Option<Handler>,
    state: Mutex<HandsState>,
    changed: Condvar,
}

#[derive(Default)]
struct HandsState {
    waiting: VecDeque<Held>,
    wakers: Vec<Waker>,
    /// How many handlers have not returned.
    running: usize,
    has_ended: bool,
}

impl Hands {
    pub(crate) fn new(handler: Option<Handler>) -> Self {
        Hands { handler, ..Hands::default() }
    }

    pub(super) fn has_handler(&self) -> bool {
        self.handler.is_some()
    }

    /// Lets the handler, or the test, drive a connection.
    pub(super) fn push(&self, service: &Arc<Service>, held: Held) {
        let Some(handler) = &self.handler else {
            let mut state = lock(&self.state);
            state.waiting.push_back(held);
            let wakers = std::mem::take(&mut state.wakers);
            self.changed.notify_all();
            drop(state);
            wakers.into_iter().for_each(Waker::wake);
            return;
        };
        held.hand.is_taken_by(TakenBy::Handler);
        lock(&self.state).running += 1;
        let (handler, shared) = (Arc::clone(handler), Arc::clone(service));
        service.run_user_code(Box::new(move || {
            as_user_thread_of(&shared, || {
                shared.start_sibling();
                let _returned = Returned(&shared);
                handler(Arc::clone(&shared), held);
            });
        }));
    }

    /// The next connection; `None` if there is none until the deadline, or the peer has ended.
    pub(crate) fn accept(&self, deadline: Deadline) -> Option<Held> {
        let mut state = lock(&self.state);
        loop {
            if let Some(held) = state.waiting.pop_front() {
                held.hand.is_taken_by(TakenBy::Test);
                return Some(held);
            }
            let left = deadline.left();
            if left == Some(Duration::ZERO) || state.has_ended {
                return None;
            }
            state = lock::wait(&self.changed, state, left);
        }
    }

    /// The next connection, `None` when the peer has ended; if there is none yet, the waker is woken when there is.
    pub(crate) fn accept_or_wake(&self, waker: &Waker) -> Poll<Option<Held>> {
        let mut state = lock(&self.state);
        if let Some(held) = state.waiting.pop_front() {
            held.hand.is_taken_by(TakenBy::Test);
            return Poll::Ready(Some(held));
        }
        if state.has_ended {
            return Poll::Ready(None);
        }
        state.wakers.push(waker.clone());
        Poll::Pending
    }

    /// Nobody accepts any more. Whether all handlers have returned by the deadline.
    pub(super) fn end(&self, deadline: Deadline) -> bool {
        let mut state = lock(&self.state);
        state.has_ended = true;
        let waiting = std::mem::take(&mut state.waiting);
        let wakers = std::mem::take(&mut state.wakers);
        self.changed.notify_all();
        drop(state);
        drop(waiting);
        wakers.into_iter().for_each(Waker::wake);
        let mut state = lock(&self.state);
        while state.running > 0 {
            let left = deadline.left();
            if left == Some(Duration::ZERO) {
                return false;
            }
            state = lock::wait(&self.changed, state, left);
        }
        true
    }
}

/// A handler has returned, also by a panic.
struct Returned<'s>(&'s Service);

impl Drop for Returned<'_> {
    fn drop(&mut self) {
        if let Some(hands) = &self.0.hands {
            lock(&hands.state).running -= 1;
            hands.changed.notify_all();
        }
    }
}

/// The exchange that is in progress: a read, and what is sent until the next one.
#[derive(Debug, Default)]
pub(super) struct InHand {
    pub(super) hand: Arc<Hand>,
    pending: Option<Pending>,
    sent: u64,
    first_bytes: Vec<u8>,
    stuck_since: Option<Instant>,
}

impl InHand {
    fn new(hand: Arc<Hand>) -> Self {
        InHand { hand, ..InHand::default() }
    }
}

impl Connection {
    /// A test drives it from now on.
    pub(super) fn take_in_hand(&mut self) -> Arc<Hand> {
        let hand = Arc::new(Hand::default());
        self.in_hand = Some(Box::new(InHand::new(Arc::clone(&hand))));
        self.state = State::ByHand;
        hand
    }

    /// The test wants the end while it waits for a request that has not begun.
    pub(super) fn heed_end(&mut self) {
        let wants_end = self.in_hand.as_ref().is_some_and(|in_hand| in_hand.hand.wants_end());
        if wants_end && matches!(self.state, State::Idle { .. }) {
            self.state = State::ByHand;
        }
    }

    /// Does what the test wants.
    pub(super) fn obey(&mut self, context: &mut Context<'_>) -> Step {
        let Some(in_hand) = &self.in_hand else {
            return Step::Continue(State::Idle { since: Instant::now() });
        };
        let hand = Arc::clone(&in_hand.hand);
        let is_finishing = context.service.finishing_since().is_some();
        let mut state = lock(&hand.state);
        let has_to_send = !state.to_send.is_empty();
        let taken_by = state.taken_by;
        let want = match state.wants.take() {
            // What was given is sent before the end; a read goes on beside it.
            Some(end @ Want::End(_)) if has_to_send => {
                state.wants = Some(end);
                None
            }
            want => want,
        };
        drop(state);
        match want {
            None if is_finishing && !has_to_send && taken_by != TakenBy::Handler => {
                if taken_by == TakenBy::Nobody {
                    context.service.report_not_accepted(&self.client);
                }
                self.conclude_in_hand(None, context);
                Step::Continue(State::Closing(Closing::new(Ending::Close)))
            }
            None => stop(State::ByHand, Rest::WOKEN),
            Some(Want::Read(framing)) => {
                self.conclude_in_hand(None, context);
                self.framing = framing;
                Step::Continue(State::Idle { since: Instant::now() })
            }
            Some(Want::End(ending)) => {
                self.conclude_in_hand(None, context);
                // What has two ends for a source has one here.
                let ending = match ending {
                    Ending::KeepOpen | Ending::KeepAlive | Ending::Then(_) => Ending::Close,
                    ending => ending,
                };
                Step::Continue(State::Closing(Closing::new(ending)))
            }
        }
    }

    /// Gives the test the request that it has asked for.
    pub(super) fn hand_over(&mut self, pending: Pending) -> Step {
        if let Some(in_hand) = &mut self.in_hand {
            let request = pending.request.clone();
            in_hand.pending = Some(pending);
            in_hand.hand.change(|state| state.request = Some(request));
        }
        Step::Continue(State::ByHand)
    }

    /// Sends what the test has given to send, as far as there is room; how it has failed, if it has.
    pub(super) fn send_given(&mut self, context: &mut Context<'_>) -> Result<(), Failure> {
        let Some(in_hand) = self.in_hand.as_ref().filter(|_| !self.state.is_ending()) else {
            return Ok(());
        };
        let hand = Arc::clone(&in_hand.hand);
        loop {
            // Not under the lock: the test may give more meanwhile, behind these.
            let piece = {
                let state = lock(&hand.state);
                let (front, _) = state.to_send.as_slices();
                front[..front.len().min(LARGEST)].to_vec()
            };
            if piece.is_empty() || !context.observer_has_room() {
                return Ok(());
            }
            let Some(in_hand) = &mut self.in_hand else { return Ok(()) };
            match self.stream.write(&piece, Next::Other) {
                Ok(Some(taken)) if taken > 0 => {
                    in_hand.sent += taken as u64;
                    in_hand.stuck_since = None;
                    let room = context.service.settings.retain_sent;
                    let room = room.saturating_sub(in_hand.first_bytes.len());
                    in_hand.first_bytes.extend_from_slice(&piece[..room.min(taken)]);
                    hand.change(|state| {
                        state.to_send.drain(..taken);
                        state.left += taken as u64;
                    });
                    context.tell(|| {
                        let client = unnumbered(&self.client);
                        let bytes = piece[..taken].to_vec();
                        Box::new(move |observe| {
                            observe(&Event::Sent { client: &client, bytes: &bytes });
                        })
                    });
                }
                Ok(Some(_)) => return Err(Failure::Send(io::ErrorKind::WriteZero.into())),
                Ok(None) => {
                    let since = *in_hand.stuck_since.get_or_insert_with(Instant::now);
                    let timeout = context.service.settings.timeout;
                    let until = timeout.and_then(|timeout| since.checked_add(timeout));
                    if until.is_none_or(|until| until > Instant::now()) {
                        return Ok(());
                    }
                    let waited = timeout.unwrap_or_default();
                    let text = format!("the client acknowledged nothing for {waited:?}");
                    return Err(Failure::Send(io::Error::new(io::ErrorKind::TimedOut, text)));
                }
                Err(error) => return Err(Failure::Send(error)),
            }
        }
    }

    /// What a connection that stops waits for, too, while there is something to send.
    pub(super) fn with_given(&self, rest: Rest, context: &Context<'_>) -> Rest {
        let (Some(in_hand), Rest::Wait { interest, until }) = (&self.in_hand, rest) else {
            return rest;
        };
        if self.state.is_ending() || !in_hand.hand.has_to_send() {
            return rest;
        }
        let interest = match interest {
            Some(Interest::Read | Interest::ReadAndWrite) => Interest::ReadAndWrite,
            Some(Interest::Write) | None => Interest::Write,
        };
        let timeout = context.service.settings.timeout;
        let stuck = in_hand
            .stuck_since
            .zip(timeout)
            .and_then(|(since, timeout)| since.checked_add(timeout));
        Rest::Wait { interest: Some(interest), until: until.into_iter().chain(stuck).min() }
    }

    /// What was given could not be sent.
    pub(super) fn fail_in_hand(&mut self, failure: Failure, context: &Context<'_>) -> Step {
        let is_gone = matches!(&failure, Failure::Send(error) if is_gone(error));
        self.conclude_in_hand(Some(failure), context);
        if is_gone {
            return self.over(ClientEnd::Reset, context);
        }
        Step::Continue(State::Closing(Closing::new(Ending::Close)))
    }

    /// The exchange is over: the test reads again, or ends the connection.
    pub(super) fn conclude_in_hand(&mut self, failure: Option<Failure>, context: &Context<'_>) {
        let Some(in_hand) = &mut self.in_hand else { return };
        let hand = Arc::clone(&in_hand.hand);
        let sent = std::mem::take(&mut in_hand.sent);
        let first_bytes = std::mem::take(&mut in_hand.first_bytes);
        let pending = match in_hand.pending.take() {
            Some(pending) => pending,
            None if sent == 0 && failure.is_none() => return,
            // The peer has spoken first.
            None => self.nothing_received(context),
        };
        let failure = failure.or_else(|| self.failure_of_request(&pending.request, context));
        let mut parts = self.parts(pending, sent, Some(sent));
        parts.response = (!first_bytes.is_empty()).then(|| first_bytes.into());
        let fault = failure.map(|failure| failure.fault(&mut parts));
        if fault.is_some() {
            hand.set_over(Over::of_failed(&parts));
        }
        let exchange = Exchange::new(parts);
        self.last_exchange = Some(exchange.clone());
        let fault = fault.filter(|_| !context.service.is_abandoned());
        self.record(exchange, fault, context);
    }

    fn nothing_received(&mut self, context: &Context<'_>) -> Pending {
        self.client.exchange = context.service.next_exchange();
        self.client.turn += 1;
        let now = Instant::now();
        let request = Request::new(RequestParts {
            client: self.client.clone(),
            bytes: Box::default(),
            len: 0,
            end: RequestEnd::Complete,
            half_closed: false,
            problem: None,
        });
        Pending { request, first_byte: now, request_end: now }
    }
}

/// How many bytes one write is given at most.
const LARGEST: usize = 256 * 1024;

impl fmt::Debug for HandState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandState").field("wants", &self.wants).finish_non_exhaustive()
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("client", &self.client).finish_non_exhaustive()
    }
}

impl fmt::Debug for Hands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hands").finish_non_exhaustive()
    }
}
