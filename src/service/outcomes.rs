//! What became of exchanges, for who waits for it: in the order in which their responses ended.
//!
//! A client knows of the end of its response as soon as the kernel does, before the thread that sent it has done anything
//! else. It may ask again by then, on another connection, and be served by another thread, which must not be told of first.
//! So an exchange has its place before its last bytes leave.

use std::collections::VecDeque;
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use super::Outcome;

/// How long a place is kept free. What comes between is one write and a few allocations; it takes longer only for a
/// thread that isn't given a processor, or that an observer holds up.
const SOON: Duration = Duration::from_millis(100);

#[derive(Debug, Default)]
pub(super) struct Outcomes {
    places: VecDeque<Place>,
    /// How many of them are free.
    free: usize,
}

#[derive(Debug)]
enum Place {
    /// Of an exchange whose response is about to end.
    Free(Box<Imminent>),
    Taken(Told),
}

/// An outcome, and whether a permit was taken for it.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) outcome: Outcome,
    pub(super) permit: bool,
}

#[derive(Debug)]
struct Imminent {
    exchange: u64,
    /// Who serves it, and does not wait for itself.
    thread: ThreadId,
    since: Instant,
}

/// What there is for who waits.
pub(super) enum Next {
    Outcome(Outcome),
    /// There will be something, in at most this time.
    Soon(Duration),
    Nothing,
}

impl Outcomes {
    /// Keeps the next place for an exchange, which is served by this thread.
    pub(super) fn reserve(&mut self, exchange: u64) {
        let thread = thread::current().id();
        let imminent = Box::new(Imminent { exchange, thread, since: Instant::now() });
        self.places.push_back(Place::Free(imminent));
        self.free += 1;
    }

    /// The exchange does not end yet.
    pub(super) fn give_back(&mut self, exchange: u64) {
        if let Some(place) = self.place_of(exchange) {
            self.places.remove(place);
            self.free -= 1;
        }
    }

    /// Puts an exchange in its place, if it has one.
    pub(super) fn fill(&mut self, exchange: u64, told: Told) {
        match self.place_of(exchange) {
            Some(place) => {
                self.places[place] = Place::Taken(told);
                self.free -= 1;
            }
            None => self.push(told),
        }
    }

    pub(super) fn push(&mut self, told: Told) {
        self.places.push_back(Place::Taken(told));
    }

    /// The next one, in order.
    pub(super) fn next(&mut self) -> Next {
        let soon = self.places.iter().map_while(Place::imminent).find_map(Imminent::left);
        match soon {
            Some(left) => Next::Soon(left),
            None => self.next_told().map_or(Next::Nothing, |told| Next::Outcome(told.outcome)),
        }
    }

    /// The next one that is there.
    pub(super) fn next_told(&mut self) -> Option<Told> {
        let place = self.places.iter().position(|place| place.imminent().is_none())?;
        match self.places.remove(place) {
            Some(Place::Taken(told)) => Some(told),
            _ => unreachable!("this place is not free"),
        }
    }

    /// How long those may take that were imminent at `now`; `None` if there are none.
    pub(super) fn left_of_imminent(&self, now: Instant) -> Option<Duration> {
        let imminent = self.places.iter().rev().filter_map(Place::imminent).take(self.free);
        imminent.filter(|imminent| imminent.since <= now).filter_map(Imminent::left).max()
    }

    /// From the last one: most exchanges have few behind them.
    fn place_of(&self, exchange: u64) -> Option<usize> {
        if self.free == 0 {
            return None;
        }
        let is_kept = |place: &Place| place.imminent().is_some_and(|it| it.exchange == exchange);
        self.places.iter().rposition(is_kept)
    }
}

impl Place {
    fn imminent(&self) -> Option<&Imminent> {
        if let Place::Free(imminent) = self { Some(imminent) } else { None }
    }
}

impl Imminent {
    /// How long who asks is to wait for it.
    fn left(&self) -> Option<Duration> {
        let left = SOON.saturating_sub(self.since.elapsed());
        (!left.is_zero() && self.thread != thread::current().id()).then_some(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    fn told(timeout: u64) -> Told {
        let error = Error::Count { addr: ([127, 0, 0, 1], 1).into(), expected: 0, served: timeout };
        Told { outcome: Outcome::Failed(Box::new(error)), permit: false }
    }

    #[track_caller]
    fn assert_next(outcomes: &mut Outcomes, expected: u64) {
        let Next::Outcome(Outcome::Failed(error)) = outcomes.next() else { panic!("none") };
        assert!(matches!(*error, Error::Count { served, .. } if served == expected), "{error}");
    }

    /// As another thread asks.
    fn is_soon(outcomes: &mut Outcomes) -> bool {
        thread::scope(|scope| {
            scope.spawn(|| matches!(outcomes.next(), Next::Soon(_))).join().expect("no panic")
        })
    }

    #[test]
    fn who_ends_later_waits_for_who_ended_first() {
        let mut outcomes = Outcomes::default();
        outcomes.reserve(1);
        outcomes.reserve(2);
        outcomes.fill(2, told(2));
        assert!(is_soon(&mut outcomes), "1 is not there yet");
        outcomes.fill(1, told(1));
        assert_next(&mut outcomes, 1);
        assert_next(&mut outcomes, 2);
        assert!(matches!(outcomes.next(), Next::Nothing));
    }

    #[test]
    fn nobody_waits_for_an_end_that_was_put_off() {
        let mut outcomes = Outcomes::default();
        outcomes.reserve(1);
        outcomes.reserve(2);
        outcomes.fill(2, told(2));
        outcomes.give_back(1);
        assert!(!is_soon(&mut outcomes));
        outcomes.fill(1, told(1));
        assert_eq!(outcomes.free, 0);
    }

    #[test]
    fn nobody_waits_for_themselves_or_for_long() {
        let mut outcomes = Outcomes::default();
        let now = Instant::now();
        outcomes.reserve(1);
        outcomes.fill(2, told(2));
        assert!(outcomes.left_of_imminent(now).is_none(), "it was not yet");
        assert!(outcomes.left_of_imminent(Instant::now()).is_none(), "it is this thread's");
        assert!(is_soon(&mut outcomes));
        thread::sleep(SOON);
        assert!(!is_soon(&mut outcomes), "it takes too long");
    }
}
