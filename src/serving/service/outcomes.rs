//! The outcomes of exchanges, in the order in which their responses ended, for calls that wait for them.
//!
//! A client knows of the end of its response as soon as the kernel does, before the thread that sent it has done anything
//! else. It may ask again by then, on another connection, and be served by another thread, which must not be told of first.
//! So an exchange has its place before its last bytes leave.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Outcome;
use crate::serving::user_code;

/// How long anybody waits for a place to be filled. What comes between is one write that does not wait and a few
/// allocations; it takes longer only for a thread that isn't given a processor, or that an observer holds up.
pub(super) const SOON: Duration = Duration::from_millis(100);

#[derive(Debug, Default)]
pub(super) struct Outcomes {
    places: VecDeque<Place>,
    /// Those whose places are free, in the same order.
    imminent: Vec<Imminent>,
}

#[derive(Debug)]
enum Place {
    /// Of this exchange, whose response is about to end.
    Free(u64),
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
    since: Instant,
}

/// What there is for who waits.
pub(super) enum NextOutcome {
    Outcome(Outcome),
    /// There will be something, in at most this time.
    Soon(Duration),
    Nothing,
}

impl Outcomes {
    /// Keeps the next place for an exchange.
    pub(super) fn reserve(&mut self, exchange: u64) {
        self.places.push_back(Place::Free(exchange));
        self.imminent.push(Imminent { exchange, since: Instant::now() });
    }

    /// The exchange does not end yet.
    pub(super) fn give_back(&mut self, exchange: u64) {
        if let Some(place) = self.leave_place(exchange) {
            self.places.remove(place);
        }
    }

    /// Puts an exchange in its place, if it has one.
    pub(super) fn fill(&mut self, exchange: u64, told: Told) {
        match self.leave_place(exchange) {
            Some(place) => self.places[place] = Place::Taken(told),
            None => self.push(told),
        }
    }

    pub(super) fn push(&mut self, told: Told) {
        self.places.push_back(Place::Taken(told));
    }

    /// The next one, in order.
    pub(super) fn next(&mut self) -> NextOutcome {
        let free = self.places.iter().take_while(|place| place.is_free()).count();
        let soon = self.imminent[..free].iter().find_map(Imminent::left);
        match soon {
            Some(left) => NextOutcome::Soon(left),
            None => self
                .next_told()
                .map_or(NextOutcome::Nothing, |told| NextOutcome::Outcome(told.outcome)),
        }
    }

    /// The next one that is there.
    pub(super) fn next_told(&mut self) -> Option<Told> {
        let place = self.places.iter().position(|place| !place.is_free())?;
        match self.places.remove(place) {
            Some(Place::Taken(told)) => Some(told),
            _ => unreachable!("this place is not free"),
        }
    }

    /// How long those may take that were imminent at `now`; `None` if there are none.
    pub(super) fn left_of_imminent(&self, now: Instant) -> Option<Duration> {
        let by_then = self.imminent.iter().filter(|imminent| imminent.since <= now);
        by_then.filter_map(Imminent::left).max()
    }

    /// Where the place is that was kept for an exchange, if one was; it is not any more.
    fn leave_place(&mut self, exchange: u64) -> Option<usize> {
        let known = self.imminent.iter().position(|imminent| imminent.exchange == exchange)?;
        self.imminent.remove(known);
        // From the last one: most exchanges have few behind them.
        let is_its = |place: &Place| matches!(place, Place::Free(kept) if *kept == exchange);
        self.places.iter().rposition(is_its)
    }
}

impl Place {
    fn is_free(&self) -> bool {
        matches!(self, Place::Free(_))
    }
}

impl Imminent {
    /// How long who asks is to wait for it. An observer is not: it may hold up what it would wait for.
    fn left(&self) -> Option<Duration> {
        let left = SOON.saturating_sub(self.since.elapsed());
        (!left.is_zero() && !user_code::is_telling()).then_some(left)
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::error::Error;

    fn told(timeout: u64) -> Told {
        let error = Error::Count {
            addr: SocketAddr::from(([127, 0, 0, 1], 1)).into(),
            expected: 0,
            served: timeout,
        };
        Told { outcome: Outcome::Failed(Box::new(error)), permit: false }
    }

    #[track_caller]
    fn assert_next(outcomes: &mut Outcomes, expected: u64) {
        let NextOutcome::Outcome(Outcome::Failed(error)) = outcomes.next() else { panic!("none") };
        assert!(matches!(*error, Error::Count { served, .. } if served == expected), "{error}");
    }

    fn is_soon(outcomes: &mut Outcomes) -> bool {
        matches!(outcomes.next(), NextOutcome::Soon(_))
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
        assert!(matches!(outcomes.next(), NextOutcome::Nothing));
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
        assert!(outcomes.imminent.is_empty());
    }

    #[test]
    fn nobody_waits_for_long() {
        let mut outcomes = Outcomes::default();
        let before = Instant::now();
        outcomes.reserve(1);
        outcomes.fill(2, told(2));
        assert!(outcomes.left_of_imminent(before).is_none(), "it was not imminent then");
        assert!(outcomes.left_of_imminent(Instant::now()).is_some());
        assert!(is_soon(&mut outcomes));
        std::thread::sleep(SOON);
        assert!(!is_soon(&mut outcomes), "it takes too long");
    }
}
