//! Runs the function that drives each connection of a peer, and reports what it returns.

use std::io;
use std::sync::Arc;

use super::arrivals::{Arrival, Handled, Handler};
use super::control::TakenBy;
use crate::error::Error;
use crate::journal::client::Client;
use crate::serving::failure::Fault;
use crate::serving::service::{Service, as_user_thread_of};

impl Service {
    /// Lets the function drive this connection, in a thread of the peer.
    pub(in crate::serving) fn run_handler(self: &Arc<Self>, handler: &Handler, arrival: Arrival) {
        arrival.control.is_taken_by(TakenBy::Handler);
        if let Some(arrivals) = &self.arrivals {
            arrivals.handler_begins();
        }
        let (handler, service) = (Arc::clone(handler), Arc::clone(self));
        self.run_user_code(Box::new(move || {
            as_user_thread_of(&service, || {
                service.start_sibling();
                let client = arrival.client.clone();
                service.handler_returned(client, handler(arrival));
            });
        }));
    }

    fn handler_returned(&self, client: Client, handled: Handled) {
        let fault = match handled {
            Ok(Ok(())) => None,
            Ok(Err(error)) => {
                let source = io::Error::other(error);
                Some(Fault::Error(Error::ByHand { client, source, peer: None }))
            }
            Err(payload) => Some(Fault::Panic(payload)),
        };
        if let Some(fault) = fault
            && !self.is_abandoned()
        {
            self.ledger.enter_failure(fault);
        }
        if let Some(arrivals) = &self.arrivals {
            arrivals.handler_has_returned();
        }
    }
}
