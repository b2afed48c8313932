//! What happened: clients, requests, exchanges, connections, and how they print.

pub(crate) mod assertions;
pub(crate) mod client;
pub(crate) mod connection_state;
pub(crate) mod count;
pub(crate) mod difference;
pub(crate) mod exchange;
pub(crate) mod peer_report;
pub(crate) mod prefix;
mod print;
pub(crate) mod record;
pub(crate) mod request;
