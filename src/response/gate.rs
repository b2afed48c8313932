//! A gate at which a response waits until the test opens it: order without sleeping.

use std::mem;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use crate::os::deadline::Deadline;
use crate::os::lock::{Mutex, Waiters, lock};

/// A gate at which a response waits until the test opens it. Clones are the same gate.
///
/// ```
/// use fake_peer::{Gate, Peer, Response};
/// use std::io::{Read, Write};
/// use std::time::Duration;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let gate = Gate::new();
/// let peer = Peer::answer(Response::from("first, ").gate(&gate).send("second"));
/// let mut client = std::net::TcpStream::connect(peer.addr())?;
/// client.write_all(b"hello")?;
///
/// assert!(gate.wait_until_reached(Duration::from_secs(10)));
/// // The peer has sent the first part, and waits.
/// gate.open();
///
/// let mut answer = String::new();
/// client.read_to_string(&mut answer)?;
/// assert_eq!(answer, "first, second");
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Gate {
    shared: Arc<(Mutex<GateState>, Waiters)>,
}

#[derive(Debug, Default)]
struct GateState {
    is_open: bool,
    is_reached: bool,
    /// The responses that wait.
    waiting: Vec<Waker>,
}

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens the gate for all responses, those that wait and those that come later.
    pub fn open(&self) {
        let waiting = self.change(|state| {
            state.is_open = true;
            mem::take(&mut state.waiting)
        });
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Waits until a response has reached the gate, for at most `timeout`; true if one has.
    #[must_use = "the response may not have reached the gate"]
    pub fn wait_until_reached(&self, timeout: Duration) -> bool {
        let (state, waiting) = &*self.shared;
        let is_reached = |state: &mut GateState| state.is_reached.then_some(());
        waiting.wait_for(lock(state), Deadline::after(Some(timeout)), is_reached).is_some()
    }

    /// Called by a response at the gate: whether it is open. If not, `waker` is woken when it is.
    pub(crate) fn pass_or_wake(&self, waker: impl FnOnce() -> Waker) -> bool {
        self.change(|state| {
            state.is_reached = true;
            if !state.is_open {
                state.waiting.push(waker());
            }
            state.is_open
        })
    }

    fn change<T>(&self, change: impl FnOnce(&mut GateState) -> T) -> T {
        let (state, waiting) = &*self.shared;
        let result = change(&mut lock(state));
        waiting.wake();
        result
    }
}
