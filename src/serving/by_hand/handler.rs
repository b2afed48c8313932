//! Runs the function that drives each connection of a peer, and reports what it returns.

use std::io;
use std::sync::Arc;

use super::arrivals::{Arrival, Handled, Handler};
use super::control::{Reported, TakenBy, Unsaid};
use crate::error::Error;
use crate::journal::client::Client;
use crate::serving::failure::Fault;
use crate::serving::service::{Service, as_user_thread_of};
use crate::serving::user_threads::Undone;

impl Service {
    /// Lets the function drive this connection, in a thread of the peer.
    pub(in crate::serving) fn run_handler(self: &Arc<Self>, handler: &Handler, arrival: Arrival) {
        arrival.control.is_taken_by(TakenBy::Handler);
        if let Some(arrivals) = &self.arrivals {
            arrivals.handlers.begin();
        }
        let (handler, service) = (Arc::clone(handler), Arc::clone(self));
        let undone = Undone::new({
            let service = Arc::clone(self);
            move || service.arrivals.iter().for_each(|arrivals| arrivals.handlers.end())
        });
        self.run_user_code(Box::new(move || {
            as_user_thread_of(&service, || {
                service.start_sibling();
                let client = arrival.client.clone();
                service.handler_returned(client, handler(arrival));
            });
            // Also of a job that no thread does.
            drop(undone);
        }));
    }

    fn handler_returned(&self, client: Client, handled: Handled) {
        let fault = match handled {
            Ok(Ok(())) => None,
            Ok(Err(error)) => {
                let may_leave = self.settings.clients_may_leave_early;
                error_of_handler(client, error, may_leave).map(Fault::Error)
            }
            Err(payload) => Some(Fault::Panic(payload)),
        };
        if let Some(fault) = fault
            && !self.is_abandoned()
        {
            self.ledger.enter_failure(fault);
        }
    }
}

/// What the peer reports of the error that a handler has returned; `None` if it reports the cause already, or is no failure.
fn error_of_handler(
    client: Client,
    error: Box<dyn std::error::Error + Send + Sync>,
    may_leave: bool,
) -> Option<Error> {
    let source = match error.downcast::<Error>().map(|error| *error) {
        // A call on this connection has failed: the error names it already.
        Ok(Error::ByHand { client: of, source, .. }) if of.addr() == client.addr() => {
            if let Some(cause) = source.get_ref() {
                let unsaid = cause.downcast_ref::<Unsaid>();
                let is_allowed = unsaid.is_some_and(|unsaid| may_leave || !unsaid.has_spoken);
                if is_allowed || cause.is::<Reported>() {
                    return None;
                }
            }
            source
        }
        Ok(error) => io::Error::other(error),
        Err(error) => io::Error::other(error),
    };
    Some(Error::ByHand { client, source, peer: None })
}
