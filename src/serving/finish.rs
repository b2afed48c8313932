//! The end of a peer: what is left to report when every connection has ended or was cut.

use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::event_loop::{Key, Task};
use super::failure::Fault;
use super::service::{Cut, Service};
use super::user_code::UserCode;
use crate::error::Error;
use crate::os::deadline::Deadline;
use crate::os::lock::lock;

struct Alarm {
    service: Arc<Service>,
    key: OnceLock<Key>,
}

impl Task for Alarm {
    fn run(self: Arc<Self>) {
        let Some(&key) = self.key.get() else { return };
        // A response may have had more pauses than was known.
        let deadline = self.service.finish_deadline();
        if let Some(deadline) = deadline.filter(|deadline| *deadline > Instant::now()) {
            return self.service.event_loop.run_at(key, deadline);
        }
        self.service.event_loop.remove(key);
        if deadline.is_some() {
            self.service.cut_all(Cut::Finished);
            self.service.give_up();
        }
    }
}

impl Service {
    /// Cuts at the deadline what is open then, though no thread waits for the end.
    pub(crate) fn cut_later(self: &Arc<Self>) {
        if let Some(deadline) = self.finish_deadline() {
            let alarm = Arc::new(Alarm { service: Arc::clone(self), key: OnceLock::new() });
            let key = self.event_loop.insert(Arc::clone(&alarm) as _, None);
            // This is the only place that sets it. Before the time, at which the alarm removes itself.
            let _ = alarm.key.set(key);
            self.event_loop.run_at(key, deadline);
        }
    }

    /// The first failure that was not taken, panics before errors; then a wrong count; then what the source has left. Drops the
    /// user's code.
    pub(crate) fn end(&self) -> Result<(), Fault> {
        self.ledger.wake_all();
        let unreturned = self.end_user_code();
        let first_error = match self.ledger.take_failures().fault() {
            Some(Fault::Panic(payload)) => return Err(Fault::Panic(payload)),
            Some(Fault::Error(error)) => Some(error),
            None => None,
        };
        let served = self.exchanges();
        let known = *lock(&self.expected);
        let expected = known.unwrap_or(served);
        let addr = || self.addr().clone();
        let wrong_count = (expected != served).then(|| Error::Count {
            addr: addr(),
            expected,
            served,
            peer: None,
        });
        let connections = self.ledger.accepted();
        let contacted = (known == Some(0) && connections > 0).then(|| Error::Contacted {
            addr: addr(),
            connections,
            peer: None,
        });
        match (first_error.or(wrong_count).or(contacted), unreturned) {
            (Some(error), _) => Err(Fault::Error(error)),
            (None, result) => result,
        }
    }

    /// For the events that are queued, which are few, an observer has a second more; so have drops, which may be of what was just cut.
    fn with_a_second_more(deadline: Deadline, must_not_wait: bool) -> Deadline {
        let extra = Instant::now() + Duration::from_secs(1);
        match deadline {
            Deadline::At(at) if !must_not_wait => Deadline::At(at.max(extra)),
            deadline => deadline,
        }
    }

    /// Takes source, sink and observer away and drops them, when they have returned.
    fn end_user_code(&self) -> Result<(), Fault> {
        self.close_threads();
        let must_not_wait = self.must_not_wait();
        let deadline =
            if must_not_wait { Deadline::At(Instant::now()) } else { self.user_code_deadline() };
        let returned = |has_returned: bool, what| {
            if has_returned || must_not_wait {
                return Ok(());
            }
            let (addr, timeout) = (self.addr().clone(), self.settings.finish_timeout);
            Err(Fault::Error(Error::NotReturned { addr, what, timeout, peer: None }))
        };
        let UserCode { observer, sink, source, .. } = &self.user_code;
        let observer = observer.as_ref().is_none_or(|observer| {
            observer.take_away(Self::with_a_second_more(deadline, must_not_wait)).is_some()
        });
        let sink = sink.as_ref().is_none_or(|sink| sink.take_away(deadline).is_some());
        let handlers = self.arrivals.as_ref().is_none_or(|arrivals| arrivals.end(deadline));
        let dropped = self.dropping.await_end(Self::with_a_second_more(deadline, must_not_wait));
        let source = match source.take_away(deadline) {
            None => returned(false, "source"),
            Some(mut source) => {
                match panic::catch_unwind(AssertUnwindSafe(move || source.finish())) {
                    Ok(Ok(())) => Ok(()),
                    Ok(Err(source)) => {
                        let addr = self.addr().clone();
                        Err(Fault::Error(Error::LeftOver { addr, source, peer: None }))
                    }
                    Err(payload) => Err(Fault::Panic(payload)),
                }
            }
        };
        returned(observer, "observer")
            .and(returned(sink, "sink"))
            .and(returned(handlers, "handler"))
            .and(returned(dropped, "drop of a reader or of a record"))
            .and(source)
    }
}
