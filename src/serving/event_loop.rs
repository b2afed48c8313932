//! The event loop: the one place that waits for sockets and for times. It runs tasks, and knows nothing of what they do.
//!
//! Peers share one loop per process, with a thread of its own that ends when it has had nothing to do for a while. A server in the
//! foreground has a loop of its own, which its caller drives.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use socket2::Socket;

use crate::os::lock::lock;
use crate::os::set::{Interest, Ready, Set};

/// What the loop runs when its socket is ready, when its time has come, or when it is woken. It must not block. It may be run
/// without a reason: it looks for itself what there is to do.
pub(crate) trait Task: Send + Sync {
    fn run(self: Arc<Self>);
}

/// Names a task, and its socket in the set.
pub(crate) type Key = usize;

/// How long the loop of the process waits at most: that often it looks whether there is anything left to wait for.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// How long the thread of the process's loop stays when there is nothing to wait for.
const IDLE_TIME: Duration = Duration::from_secs(1);

pub(crate) struct EventLoop {
    set: Set,
    /// Of the thread that runs it.
    ready: Mutex<Ready>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By key.
    tasks: Vec<Option<Scheduled>>,
    free: Vec<Key>,
    timers: BTreeSet<(Instant, Key)>,
    woken: Vec<Arc<dyn Task>>,
    wait: Wait,
    is_interrupted: bool,
    has_thread: bool,
    idle_since: Option<Instant>,
}

impl State {
    fn is_unused(&self) -> bool {
        self.free.len() == self.tasks.len() && self.woken.is_empty()
    }
}

struct Scheduled {
    task: Arc<dyn Task>,
    /// Its entry in `timers`.
    due: Option<Instant>,
}

/// Whether a thread waits, and until when.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Wait {
    #[default]
    None,
    Until(Instant),
    ForEver,
}

thread_local! {
    static IS_LOOP: Cell<bool> = const { Cell::new(false) };
}

/// Whether this is the thread of the process's loop, which must not wait for anything else.
pub(crate) fn is_loop_thread() -> bool {
    IS_LOOP.get()
}

/// A loop of a server in the foreground that has ended, for the next one: making a set takes a dozen system calls.
static UNUSED: Mutex<Option<Arc<EventLoop>>> = Mutex::new(None);

static OF_PROCESS: Mutex<Option<Arc<EventLoop>>> = Mutex::new(None);

impl EventLoop {
    fn new() -> io::Result<Arc<Self>> {
        Ok(Arc::new(EventLoop {
            set: Set::new()?,
            ready: Mutex::new(Ready::new()),
            state: Mutex::default(),
        }))
    }

    /// A loop for a server in the foreground, which gives it back with [`give_back`](Self::give_back).
    ///
    /// # Errors
    ///
    /// If there is no descriptor for the set.
    pub(crate) fn of_foreground() -> io::Result<Arc<Self>> {
        let unused = lock(&UNUSED).take();
        unused.map_or_else(EventLoop::new, Ok)
    }

    /// Nobody runs this loop any more. The next server in the foreground may, if nothing is left in it.
    pub(crate) fn give_back(self: &Arc<Self>) {
        let state = lock(&self.state);
        if state.is_unused() {
            lock(&UNUSED).get_or_insert_with(|| Arc::clone(self));
        }
    }

    /// The loop that all peers of the process share, with a thread that runs it.
    ///
    /// # Errors
    ///
    /// If there is no descriptor for the set, or no thread can be started.
    pub(crate) fn of_process() -> io::Result<Arc<Self>> {
        let mut of_process = lock(&OF_PROCESS);
        let event_loop = match &*of_process {
            Some(event_loop) => Arc::clone(event_loop),
            None => Arc::clone(of_process.insert(EventLoop::new()?)),
        };
        drop(of_process);
        let mut state = lock(&event_loop.state);
        if !state.has_thread {
            let shared = Arc::clone(&event_loop);
            thread::Builder::new().name("peers".into()).spawn(move || shared.run())?;
            state.has_thread = true;
        }
        // The caller is about to insert a task.
        state.idle_since = None;
        drop(state);
        Ok(event_loop)
    }

    /// Adds a task. It is not run before its socket is ready, its time has come, or it is woken.
    pub(crate) fn insert(&self, task: Arc<dyn Task>, due: Option<Instant>) -> Key {
        let mut state = lock(&self.state);
        let scheduled = Some(Scheduled { task, due });
        let key = if let Some(key) = state.free.pop() {
            state.tasks[key] = scheduled;
            key
        } else {
            state.tasks.push(scheduled);
            state.tasks.len() - 1
        };
        if let Some(due) = due {
            state.timers.insert((due, key));
            self.wake_for(&state, due);
        }
        key
    }

    /// Forgets a task. A run that has begun, or is about to, is not stopped.
    pub(crate) fn remove(&self, key: Key) {
        let mut state = lock(&self.state);
        if let Some(Scheduled { due, .. }) = state.tasks[key].take() {
            if let Some(due) = due {
                state.timers.remove(&(due, key));
            }
            state.free.push(key);
        }
    }

    /// Runs the task at this time, instead of any other that it has.
    pub(crate) fn run_at(&self, key: Key, time: Instant) {
        let mut state = lock(&self.state);
        let Some(scheduled) = &mut state.tasks[key] else { return };
        // Also instead of a time that has just come: the caller counts on this one.
        if let Some(due) = scheduled.due.replace(time) {
            state.timers.remove(&(due, key));
        }
        state.timers.insert((time, key));
        self.wake_for(&state, time);
    }

    pub(crate) fn watch(&self, key: Key, socket: &Socket, interest: Interest) -> io::Result<()> {
        self.set.add(socket, key, interest)?;
        self.show_change();
        Ok(())
    }

    pub(crate) fn change(&self, key: Key, socket: &Socket, interest: Interest) -> io::Result<()> {
        self.set.change(socket, key, interest)?;
        self.show_change();
        Ok(())
    }

    /// Makes sure that the wait in progress, if there is one, knows of a change of the set that was just made.
    fn show_change(&self) {
        if Set::MISSES_CHANGES && lock(&self.state).wait != Wait::None {
            self.set.wake();
        }
    }

    pub(crate) fn unwatch(&self, socket: &Socket) {
        self.set.remove(socket);
    }

    /// Runs a task soon, in the thread of the loop.
    pub(crate) fn wake(&self, task: Arc<dyn Task>) {
        let mut state = lock(&self.state);
        state.woken.push(task);
        if state.wait != Wait::None {
            self.set.wake();
        }
    }

    /// Ends the turn that is in progress. If none waits, the next one does not.
    pub(crate) fn interrupt(&self) {
        let mut state = lock(&self.state);
        // A system call, so only for a thread that waits.
        if state.wait == Wait::None {
            state.is_interrupted = true;
        } else {
            self.set.wake();
        }
    }

    fn wake_for(&self, state: &State, time: Instant) {
        let is_late = match state.wait {
            Wait::None => false,
            Wait::Until(until) => time < until,
            Wait::ForEver => true,
        };
        if is_late {
            self.set.wake();
        }
    }

    /// Waits once, at most until `deadline`, and runs what there is to run. One thread at a time does.
    pub(crate) fn turn(&self, deadline: Option<Instant>) -> io::Result<()> {
        let mut state = lock(&self.state);
        if mem::take(&mut state.is_interrupted) {
            return Ok(());
        }
        let next = state.timers.first().map(|(due, _)| *due).into_iter().chain(deadline).min();
        let timeout = if state.woken.is_empty() {
            next.map(|next| next.saturating_duration_since(Instant::now()))
        } else {
            Some(Duration::ZERO)
        };
        state.wait = next.map_or(Wait::ForEver, Wait::Until);
        drop(state);
        let mut ready = lock(&self.ready);
        let waited = self.set.wait(&mut ready, timeout);
        let mut state = lock(&self.state);
        state.wait = Wait::None;
        let mut tasks = mem::take(&mut state.woken);
        let task_of = |scheduled: &Option<Scheduled>| Some(Arc::clone(&scheduled.as_ref()?.task));
        for key in ready.keys() {
            tasks.extend(state.tasks.get(key).and_then(task_of));
        }
        drop(ready);
        if !state.timers.is_empty() {
            let now = Instant::now();
            while let Some(&(due, key)) = state.timers.first().filter(|(due, _)| *due <= now) {
                state.timers.remove(&(due, key));
                if let Some(scheduled) = &mut state.tasks[key] {
                    scheduled.due = None;
                    tasks.push(Arc::clone(&scheduled.task));
                }
            }
        }
        drop(state);
        for task in tasks {
            // A task catches what user code panics with. A waker may panic, too, which must not end the loop of all peers.
            let _ = panic::catch_unwind(AssertUnwindSafe(|| task.run()));
        }
        waited
    }

    /// The thread of the process's loop.
    fn run(&self) {
        IS_LOOP.set(true);
        while !self.may_end() {
            if self.turn(Some(Instant::now() + LONGEST_WAIT)).is_err() {
                // A set that is broken is no reason to spin.
                thread::sleep(Duration::from_millis(1));
            }
        }
    }

    /// Whether the thread has had nothing to do for a while; then it ends, and the next peer starts another one.
    fn may_end(&self) -> bool {
        let mut state = lock(&self.state);
        if !state.is_unused() {
            state.idle_since = None;
            return false;
        }
        let idle_since = *state.idle_since.get_or_insert_with(Instant::now);
        let ends = idle_since.elapsed() >= IDLE_TIME;
        state.has_thread = !ends;
        ends
    }
}

impl fmt::Debug for EventLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventLoop").finish_non_exhaustive()
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;

    /// Notes when it was run.
    #[derive(Default)]
    struct Noting(Mutex<Vec<Instant>>);

    impl Task for Noting {
        fn run(self: Arc<Self>) {
            lock(&self.0).push(Instant::now());
        }
    }

    #[test]
    fn a_time_that_replaces_one_that_has_come_is_kept() {
        let event_loop = EventLoop::new().expect("a descriptor");
        let task = Arc::new(Noting::default());
        let start = Instant::now();
        let later = start + Duration::from_millis(20);
        let key = event_loop.insert(Arc::clone(&task) as _, Some(start));
        event_loop.run_at(key, later);
        let end = start + Duration::from_secs(10);
        while Instant::now() < end && !lock(&task.0).iter().any(|at| *at >= later) {
            event_loop.turn(Some(end)).expect("a set");
        }
        assert!(lock(&task.0).iter().any(|at| *at >= later), "not run at the later time");
    }

    #[test]
    fn an_interrupt_between_two_turns_is_not_lost() {
        let event_loop = EventLoop::new().expect("a descriptor");
        event_loop.interrupt();
        let end = Instant::now() + Duration::from_secs(10);
        event_loop.turn(Some(end)).expect("a set");
        assert!(Instant::now() < end, "it has waited");
    }
}
