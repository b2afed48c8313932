//! The record of one exchange: what arrived, what left, how each direction ended, and when. Filled by `connection`.

use std::time::Instant;

use crate::client::Client;
use crate::request::Request;

/// One request and the response to it, as they went over the wire.
#[derive(Debug, Clone)]
pub struct Exchange {
    pub(crate) request: Request,
    pub(crate) offered: Option<u64>,
    pub(crate) sent: u64,
    pub(crate) trailing: Vec<u8>,
    pub(crate) trailing_len: u64,
    pub(crate) client_end: ClientEnd,
    pub(crate) times: Times,
}

/// How the client's side of a connection ended, as seen by the time an exchange was over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientEnd {
    /// It closed, or shut down its sending side.
    Closed,
    /// It reset the connection: it was gone before it had everything, or closed with unread bytes.
    Reset,
    /// It was still there when the [linger](crate::TcpServerBuilder::linger) time was over.
    StillOpen,
}

/// When the parts of an exchange happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Times {
    /// The connection was accepted.
    pub accepted: Instant,
    /// The first byte of the request was there.
    pub first_byte: Instant,
    /// The request was over.
    pub request_end: Instant,
    /// The last byte of the response was handed to the kernel.
    pub response_end: Instant,
    /// The exchange was over.
    pub end: Instant,
}

impl Exchange {
    /// The client.
    pub fn client(&self) -> &Client {
        self.request.client()
    }

    /// The request.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// How many bytes of response there were to send; `None` if part of it came from a reader whose end
    /// was not reached, or there was no response.
    pub fn offered(&self) -> Option<u64> {
        self.offered
    }

    /// How many bytes of response the kernel took for sending.
    ///
    /// Fewer than [`offered`](Self::offered) if the client left before it had them all, as curl does after the
    /// head of a response to HEAD.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// What the client sent past the end of the request until it closed: all of it, or the first
    /// [`retain`](crate::TcpServerBuilder::retain) bytes.
    pub fn trailing(&self) -> &[u8] {
        &self.trailing
    }

    /// How many trailing bytes there were, kept or not.
    pub fn trailing_len(&self) -> u64 {
        self.trailing_len
    }

    /// How the client's side of the connection ended.
    pub fn client_end(&self) -> ClientEnd {
        self.client_end
    }

    /// When it all happened.
    pub fn times(&self) -> &Times {
        &self.times
    }
}
