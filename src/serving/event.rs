//! What an observer is told while a server works.

use std::net::SocketAddr;

use crate::error::Error;
use crate::journal::client::{Client, ClientEnd};
use crate::journal::exchange::Exchange;
use crate::response::ending::Ending;

/// Something that has just happened, told to [`on_event`](crate::TcpServerBuilder::on_event).
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The server listens; told once, by `bind`.
    Listening(SocketAddr),
    /// A connection was accepted.
    Accepted(&'a Client),
    /// A connection ended before its first byte, or was closed because it stayed silent
    /// ([`ClientEnd::ClosedByUs`]). It was not counted as an exchange.
    Silent(&'a Client, ClientEnd),
    /// Bytes have arrived: of a request, or behind the last one. The client has no exchange number here.
    Received(&'a Client, &'a [u8]),
    /// A response begins: how many bytes it has, if that is known beforehand. Its [cut](crate::Response::cut) counts.
    Responding(&'a Client, Option<u64>),
    /// The kernel has taken bytes of a response for sending. The client has no exchange number here.
    Sent(&'a Client, &'a [u8]),
    /// We end a connection whose last response has left, in this way. Not told of one that the client has ended.
    Ending(&'a Client, &'a Ending),
    /// A connection is over that had an exchange: how the client's side ended. The client has its last exchange's number.
    Closed(&'a Client, ClientEnd),
    /// An exchange is over.
    Served(&'a Exchange),
    /// An exchange failed, or accepting did.
    Failed(&'a Error),
}
