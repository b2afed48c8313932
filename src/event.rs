//! What an observer is told while a server works.

use std::net::SocketAddr;

use crate::client::Client;
use crate::error::Error;
use crate::exchange::{ClientEnd, Exchange};

/// Something that has just happened, told to [`on_event`](crate::TcpServerBuilder::on_event).
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The server listens; told once, by `bind`.
    Listening(SocketAddr),
    /// A connection was accepted.
    Accepted(&'a Client),
    /// A connection ended before its first byte, or was closed because it stayed silent
    /// ([`ClientEnd::StillOpen`]). It was not counted as an exchange.
    Silent(&'a Client, ClientEnd),
    /// An exchange is over.
    Served(&'a Exchange),
    /// An exchange failed, or accepting did.
    Failed(&'a Error),
}
