//! What an observer is called with while a server works.

use std::path::Path;

use crate::error::Error;
use crate::journal::client::{Client, ClientEnd};
use crate::journal::exchange::Exchange;
use crate::journal::request::Request;
use crate::os::address::Address;
use crate::response::ending::Ending;

/// Something that has just happened: the argument of [`on_event`](crate::TcpServerBuilder::on_event).
///
/// More events and more fields may come, so a `match` needs a wildcard and a pattern ends with `..`.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The server listens. This event comes once, from `bind` or `spawn`.
    #[non_exhaustive]
    Listening {
        /// The server's address.
        addr: &'a Address,
    },
    /// A connection was accepted.
    #[non_exhaustive]
    Accepted {
        /// The client.
        client: &'a Client,
    },
    /// A connection ended before its first byte, or was closed because it stayed silent ([`ClientEnd::ClosedByUs`]). It is
    /// not counted as an exchange.
    #[non_exhaustive]
    Silent {
        /// The client.
        client: &'a Client,
        /// How its side ended.
        end: ClientEnd,
    },
    /// A TLS handshake is over, or has failed.
    #[non_exhaustive]
    Handshake {
        /// The client.
        client: &'a Client,
        /// What was negotiated, as far as the handshake came, as text.
        session: &'a str,
        /// Why it has failed, or was broken off; `None` if it has not.
        failure: Option<&'a str>,
    },
    /// Bytes have arrived: of a request, or after the last one.
    #[non_exhaustive]
    Received {
        /// The client. It has no exchange number here.
        client: &'a Client,
        /// The bytes of one read.
        bytes: &'a [u8],
    },
    /// A request is over, complete or cut short. What is answered to it comes later.
    #[non_exhaustive]
    Requested {
        /// The request.
        request: &'a Request,
        /// The file that its bytes were written to, if the sink writes files.
        record: Option<&'a Path>,
    },
    /// A response begins.
    #[non_exhaustive]
    Responding {
        /// The client.
        client: &'a Client,
        /// How many bytes there are to send, if that is known beforehand. What a [cut](crate::Response::cut) leaves out is
        /// not counted.
        offered: Option<u64>,
    },
    /// The kernel has taken bytes of a response for sending.
    #[non_exhaustive]
    Sent {
        /// The client. It has no exchange number here.
        client: &'a Client,
        /// The bytes of one write.
        bytes: &'a [u8],
    },
    /// The server ends a connection after its last response. This event does not come for a connection that the client has
    /// ended.
    #[non_exhaustive]
    Ending {
        /// The client.
        client: &'a Client,
        /// In which way.
        ending: &'a Ending,
    },
    /// A connection that had an exchange, or a TLS handshake that failed, is closed.
    #[non_exhaustive]
    Closed {
        /// The client, with the number of its last exchange.
        client: &'a Client,
        /// How its side ended.
        end: ClientEnd,
        /// How many response bytes of all its exchanges the client's kernel has acknowledged, where that is known: see
        /// [`Exchange::acknowledged`].
        acknowledged: Option<u64>,
        /// How many bytes the client has sent after its last request.
        trailing: u64,
    },
    /// An exchange is over.
    #[non_exhaustive]
    Served {
        /// The exchange.
        exchange: &'a Exchange,
    },
    /// An exchange failed, or a TLS handshake, or accepting a connection did.
    #[non_exhaustive]
    Failed {
        /// The error.
        error: &'a Error,
    },
}
