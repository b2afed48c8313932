//! What happened: clients, requests, exchanges, connections, and how they print.

pub(crate) mod assertions;
pub(crate) mod client;
pub(crate) mod client_hello;
pub(crate) mod connection_state;
#[cfg(any(feature = "cli", feature = "json"))]
pub(crate) mod control;
pub(crate) mod count;
pub(crate) mod difference;
pub(crate) mod exchange;
#[cfg(feature = "json")]
pub(crate) mod json;
pub(crate) mod peer_report;
pub(crate) mod prefix;
mod print;
pub(crate) mod record;
pub(crate) mod request;
