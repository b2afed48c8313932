//! Serves an exchange in the calling thread. A connection that stays silent is given to a worker thread, and the caller waits for the
//! next exchange of any of them.

use std::io::{self, Write};
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use super::connection::{Beginning, Connection, Exchanged, Next};
use super::event::Event;
use super::host::{Host, PATIENCE};
use super::service::Service;
use super::settings::Settings;
use super::stop::Stop;
use super::user_code::Payload;
use super::worker;
use crate::error::{Error, Result};
use crate::journal::client::Client;
use crate::journal::exchange::Exchange;
use crate::journal::request::Request;
use crate::os::deadline::Deadline;
use crate::response::steps::Response;

/// How long a caller accepts before it looks whether another one has started workers: those accept, too, and keep what they
/// accept for a call that waits with the others.
const ALONE: Duration = Duration::from_millis(160);

/// Serves one exchange.
pub(crate) fn serve_once(service: &Arc<Service>, timeout: Option<Duration>) -> Result<Exchange> {
    let _turn = service.turn_for_one();
    let deadline = Deadline::after(timeout);
    while !service.has_workers() {
        let Some(mut connection) = accept(service, timeout, deadline)? else { continue };
        let served = Served { service, number: connection.client.connection };
        service.user_code.tell(&Event::Accepted { client: &connection.client });
        connection.ask_framing(&service.user_code);
        match connection.begin(Instant::now(), Some(PATIENCE)) {
            Beginning::Begun => {
                let caller = Caller { service };
                let Exchanged { exchange, fault, next } = connection.exchange(&caller);
                if let Next::Request = next {
                    worker::start(service, Some(connection))?;
                    served.goes_on();
                } else {
                    connection.close(&caller, &next);
                    drop(served);
                }
                return service.outcome(&exchange, fault).result();
            }
            Beginning::Over(end) => {
                drop(served);
                service.silent(connection, end);
            }
            Beginning::Silent => {
                worker::start(service, Some(connection))?;
                served.goes_on();
            }
        }
    }
    worker::start_if_none_is_idle(service)?;
    service.wait_for_one(timeout, deadline)
}

/// A connection that is served here. The server forgets it in the end, also if something panics.
struct Served<'s> {
    service: &'s Service,
    number: u64,
}

impl Served<'_> {
    /// Somebody else serves it from now on.
    fn goes_on(self) {
        std::mem::forget(self);
    }
}

impl Drop for Served<'_> {
    fn drop(&mut self) {
        self.service.forget(self.number);
    }
}

/// Serves exchanges until it is enough.
pub(crate) fn serve_until(
    service: &Arc<Service>,
    stop: &Stop,
    timeout: Option<Duration>,
) -> Result<()> {
    let _turn = service.turn_for_many();
    stop.while_waking(Waker::from(Arc::clone(service)), || {
        worker::start_if_none_is_idle(service)?;
        service.wait_until(stop, timeout)
    })
}

/// Accepts a connection, unless nobody comes for a while: somebody else may have begun to serve then.
fn accept(
    service: &Service,
    timeout: Option<Duration>,
    deadline: Deadline,
) -> Result<Option<Box<Connection>>> {
    let left = deadline.left();
    let while_alone = Deadline::after(Some(left.map_or(ALONE, |left| left.min(ALONE))));
    let accepted = service.listening.accept(while_alone).and_then(|accepted| {
        accepted.map(|(stream, addr)| service.admit(stream, addr)).transpose()
    });
    match accepted {
        Ok(None) if deadline.left() == Some(Duration::ZERO) => Err(service.no_request(timeout)),
        Ok(accepted) => Ok(accepted),
        Err(source) => {
            let error = Error::Accept { addr: service.addr().into(), source };
            service.user_code.tell(&Event::Failed { error: &error });
            Err(error)
        }
    }
}

/// The calling thread: nobody else is served meanwhile, so that nobody waits.
struct Caller<'s> {
    service: &'s Service,
}

impl Host for Caller<'_> {
    fn settings(&self) -> &Settings {
        &self.service.settings
    }

    fn next_exchange(&self) -> u64 {
        self.service.next_exchange()
    }

    fn open_record(&self, client: &Client) -> io::Result<Option<Box<dyn Write + Send>>> {
        self.service.user_code.open_record(client)
    }

    fn respond(&self, request: &Request) -> std::result::Result<io::Result<Response>, Payload> {
        self.service.user_code.respond(request)
    }

    fn about_to_end(&self, _: u64) {}

    fn about_to_wait(&self) {}

    fn finishing_since(&self) -> Option<Instant> {
        None
    }

    fn is_abandoned(&self) -> bool {
        false
    }
}
