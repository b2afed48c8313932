//! What failed in an exchange, and the error that is made of it.

use std::io;

use super::user_code::Payload;
use crate::error::Error;
use crate::journal::exchange::{self, Exchange};
use crate::os::socket_error;

/// What is reported to the user.
#[derive(Debug)]
pub(crate) enum Fault {
    Error(Error),
    /// What a closure panicked with.
    Panic(Payload),
}

/// Which step of an exchange failed.
#[derive(Debug)]
pub(crate) enum Failure {
    Panic(&'static str, Payload),
    Receive(io::Error),
    Record(io::Error),
    Respond(io::Error),
    Send(io::Error),
}

impl Failure {
    /// Whether it says that the client is gone.
    pub(crate) fn is_client_gone(&self) -> bool {
        matches!(self, Failure::Send(error) if socket_error::is_gone(error))
    }

    /// What is reported. The exchange has the text of the cause, too.
    pub(crate) fn fault(self, parts: &mut exchange::ExchangeParts) -> Fault {
        let (kind, source): (fn(Exchange, io::Error) -> Error, _) = match self {
            Failure::Panic(who, payload) => {
                parts.rare.get_or_insert_default().failure = Some(format!("{who} panicked"));
                return Fault::Panic(payload);
            }
            Failure::Receive(source) => {
                (|exchange, source| Error::Receive { exchange, source, peer: None }, source)
            }
            Failure::Record(source) => {
                (|exchange, source| Error::Record { exchange, source, peer: None }, source)
            }
            Failure::Respond(source) => {
                (|exchange, source| Error::Respond { exchange, source, peer: None }, source)
            }
            Failure::Send(source) => {
                (|exchange, source| Error::Send { exchange, source, peer: None }, source)
            }
        };
        let error = kind(Exchange::new(parts.clone()), source);
        parts.rare.get_or_insert_default().failure = Some(error.causes().to_string());
        Fault::Error(error)
    }
}
