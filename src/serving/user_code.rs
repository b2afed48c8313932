//! The sink, the source and the observer of a server. One connection at a time uses the sink and the source; a connection that finds one
//! of them in use is woken when it is free. The observer is called with one event after another from a queue.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;

use super::event::Event;
use crate::os::deadline::Deadline;
use crate::os::lock::{Mutex, Waiters, lock};
use crate::response::steps::Response;
use crate::sink::request_sink::RequestSink;
use crate::source::hints::Answers;
use crate::source::response_source::ResponseSource;

pub(crate) struct UserCode {
    pub(crate) sink: Option<Exclusive<Box<dyn RequestSink>>>,
    pub(crate) source: Exclusive<Box<dyn ResponseSource>>,
    /// The answer of a source that has one for all requests.
    pub(crate) fixed: Option<Response>,
    /// Whether the source is one of this crate, which answers without waiting.
    pub(crate) is_source_prompt: bool,
    /// Whether the source says where the first requests end.
    pub(crate) has_framings: bool,
    pub(crate) observer: Option<ObserverQueue>,
    /// Whether the source has given a response with user code in it.
    pub(crate) gives_more: AtomicBool,
}

pub(crate) type Observer = Box<dyn FnMut(&Event<'_>) + Send>;

/// What a panic carries.
pub(crate) type Payload = Box<dyn Any + Send>;

impl UserCode {
    /// Panics if the source can never answer.
    #[track_caller]
    pub(crate) fn new(
        sink: Option<Box<dyn RequestSink>>,
        mut source: Box<dyn ResponseSource>,
        observer: Option<Observer>,
    ) -> Self {
        let hints = source.hints();
        if let Some(mistake) = &hints.mistake {
            panic!("{mistake}");
        }
        let (is_source_prompt, has_framings) = (hints.is_prompt(), hints.first_framing.is_some());
        let fixed =
            if let Answers::Fixed(response) = hints.answers { Some(*response) } else { None };
        UserCode {
            sink: sink.map(Exclusive::new),
            source: Exclusive::new(source),
            fixed,
            is_source_prompt,
            has_framings,
            observer: observer.map(ObserverQueue::new),
            gives_more: AtomicBool::new(false),
        }
    }

    /// Whether something that a user wrote is called for every connection.
    pub(crate) fn has_user_code(&self) -> bool {
        !self.is_source_prompt || self.has_user_code_beside_the_source()
    }

    /// Whether there is anything of a user's that can run while the source is busy.
    pub(crate) fn has_user_code_beside_the_source(&self) -> bool {
        self.observer.is_some()
            || self.sink.is_some()
            || self.fixed.as_ref().is_some_and(Response::has_reader)
            || self.gives_more.load(Ordering::Relaxed)
    }

    /// Calls the observer before there are any threads.
    pub(crate) fn tell_now(&self, event: &Event<'_>) {
        if let Some(observer) = &self.observer
            && let Some(observer) = &mut lock(&observer.state).observer
        {
            observer(event);
        }
    }
}

/// A value that one connection at a time uses. None blocks for it.
pub(crate) struct Exclusive<T> {
    state: Mutex<ExclusiveState<T>>,
    ending: Waiters,
}

struct ExclusiveState<T> {
    value: Option<T>,
    waiting: VecDeque<Waker>,
}

/// The value, until this is dropped.
pub(crate) struct Using<'e, T> {
    exclusive: &'e Exclusive<T>,
    value: Option<T>,
}

impl<T> Exclusive<T> {
    pub(crate) fn new(value: T) -> Self {
        let state = ExclusiveState { value: Some(value), waiting: VecDeque::new() };
        Exclusive { state: Mutex::new(state), ending: Waiters::default() }
    }

    /// The value. If it is in use, `waker` is woken when it is free.
    pub(crate) fn take(&self, waker: impl FnOnce() -> Waker) -> Option<Using<'_, T>> {
        let mut state = lock(&self.state);
        let value = state.value.take();
        if value.is_none() || !state.waiting.is_empty() {
            let waker = waker();
            let place = state.waiting.iter().position(|waiting| waiting.will_wake(&waker));
            // Who looks twice waits once, and who has it does not wait: it would be woken in place of the next one.
            match (&value, place) {
                (None, None) => state.waiting.push_back(waker),
                (Some(_), Some(place)) => drop(state.waiting.remove(place)),
                (None, Some(_)) | (Some(_), None) => {}
            }
        }
        value.as_ref()?;
        Some(Using { exclusive: self, value })
    }

    /// Nobody waits any more.
    pub(crate) fn forget_waiting(&self) {
        let waiting = mem::take(&mut lock(&self.state).waiting);
        // Without the lock: it may be the last handle of something.
        drop(waiting);
    }

    /// Puts back a value that was taken away.
    pub(crate) fn put(&self, value: T) {
        lock(&self.state).value = Some(value);
        self.ending.wake();
    }

    /// Takes the value for good, when it is free; `None` if it is in use until the deadline.
    pub(crate) fn take_away(&self, deadline: Deadline) -> Option<T> {
        self.ending.wait_for(lock(&self.state), deadline, |state| state.value.take())
    }
}

impl<T> Deref for Using<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value.as_ref().expect("it is there until the drop")
    }
}

impl<T> DerefMut for Using<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.value.as_mut().expect("it is there until the drop")
    }
}

/// Frees the value, also after a panic.
impl<T> Drop for Using<'_, T> {
    fn drop(&mut self) {
        let mut state = lock(&self.exclusive.state);
        state.value = self.value.take();
        let next = state.waiting.pop_front();
        drop(state);
        self.exclusive.ending.wake();
        if let Some(next) = next {
            next.wake();
        }
    }
}

pub(crate) type Call = Box<dyn FnOnce(&mut Observer) + Send>;

/// Events on their way to the observer.
pub(crate) struct ObserverQueue {
    state: Mutex<QueueState>,
    ending: Waiters,
}

struct QueueState {
    /// `None` while it is being called, and after the end.
    observer: Option<Observer>,
    calls: VecDeque<Call>,
    /// Whether a thread calls the observer, or is about to.
    is_running: bool,
    /// Connections that go on when there is room.
    waiting: Vec<Waker>,
}

/// More events than this are not queued for an observer that is slow: connections wait until it has caught up.
const QUEUED_EVENTS: usize = 64;

impl ObserverQueue {
    fn new(observer: Observer) -> Self {
        let state = QueueState {
            observer: Some(observer),
            calls: VecDeque::new(),
            is_running: false,
            waiting: Vec::new(),
        };
        ObserverQueue { state: Mutex::new(state), ending: Waiters::default() }
    }

    /// Adds an event; whether a thread is needed that calls [`run`](Self::run).
    #[must_use]
    pub(crate) fn push(&self, call: Call) -> bool {
        let mut state = lock(&self.state);
        if state.observer.is_none() && !state.is_running {
            // It was taken away.
            drop(state);
            return false;
        }
        state.calls.push_back(call);
        !mem::replace(&mut state.is_running, true)
    }

    /// Whether there is room for more events; if not, `waker` is woken when there is.
    pub(crate) fn has_room(&self, waker: impl FnOnce() -> Waker) -> bool {
        let mut state = lock(&self.state);
        let has_room = state.calls.len() < QUEUED_EVENTS;
        if !has_room {
            state.waiting.push(waker());
        }
        has_room
    }

    /// Calls the observer with all events. Its panics go to `report`.
    pub(crate) fn run(&self, mut report: impl FnMut(Payload)) {
        let mut state = lock(&self.state);
        // Only the thread that was asked to run takes it, so it is there unless everything has ended.
        let Some(mut observer) = state.observer.take() else { return };
        while let Some(call) = state.calls.pop_front() {
            let has_caught_up = state.calls.len() <= QUEUED_EVENTS / 2;
            let waiting = if has_caught_up { mem::take(&mut state.waiting) } else { Vec::new() };
            drop(state);
            waiting.into_iter().for_each(Waker::wake);
            if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(|| call(&mut observer))) {
                report(payload);
            }
            state = lock(&self.state);
        }
        state.observer = Some(observer);
        state.is_running = false;
        let waiting = mem::take(&mut state.waiting);
        drop(state);
        self.ending.wake();
        waiting.into_iter().for_each(Waker::wake);
    }

    /// No thread will call the observer any more.
    pub(crate) fn give_up(&self) {
        let mut state = lock(&self.state);
        state.is_running = false;
        let calls = mem::take(&mut state.calls);
        let waiting = mem::take(&mut state.waiting);
        drop(state);
        drop(calls);
        self.ending.wake();
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Waits until the observer has had all events.
    pub(crate) fn await_quiet(&self) {
        let is_quiet = |state: &mut QueueState| (!state.is_running).then_some(());
        self.ending.wait_for(lock(&self.state), Deadline::Never, is_quiet);
    }

    /// Takes the observer away when it has had all events; `None` if it has not until the deadline.
    pub(crate) fn take_away(&self, deadline: Deadline) -> Option<Observer> {
        let when_quiet =
            |state: &mut QueueState| (!state.is_running).then(|| state.observer.take());
        self.ending.wait_for(lock(&self.state), deadline, when_quiet).flatten()
    }
}

impl<T> fmt::Debug for Exclusive<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exclusive").finish_non_exhaustive()
    }
}

impl fmt::Debug for UserCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserCode").finish_non_exhaustive()
    }
}
