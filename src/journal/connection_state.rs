//! The state of one connection, which its exchanges and its entry in the journal share, while it is served and afterwards.

use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use super::client::ClientEnd;
use super::prefix::Prefix;
use crate::os::session::Session;
use crate::os::stream::Close;

/// What the exchanges of a connection share, and the journal shows: how the connection is, while it is being served and
/// afterwards.
#[derive(Debug)]
pub(crate) struct ConnectionState {
    pub(crate) accepted: Instant,
    /// How many bytes have arrived of a request that is not complete yet.
    pub(crate) received: AtomicU64,
    /// The length of the request that is being answered, plus one; 0 for none.
    pub(crate) answering: AtomicU64,
    /// Whether an exchange is over and another may follow.
    pub(crate) is_kept: AtomicBool,
    /// Whether the last exchange is over.
    pub(crate) is_ending: AtomicBool,
    /// What its TLS handshake has come to.
    pub(crate) handshake: OnceLock<HandshakeRecord>,
    /// Set when the connection has ended.
    pub(crate) end: OnceLock<ConnectionEnd>,
}

impl ConnectionState {
    /// The state of a connection that was accepted at this time.
    pub(crate) fn new(accepted: Instant) -> Self {
        ConnectionState {
            accepted,
            received: AtomicU64::default(),
            answering: AtomicU64::default(),
            is_kept: AtomicBool::default(),
            is_ending: AtomicBool::default(),
            handshake: OnceLock::default(),
            end: OnceLock::default(),
        }
    }

    pub(crate) fn trailing(&self) -> Option<&Prefix> {
        self.end.get()?.trailing.as_deref()
    }
}

/// What a TLS handshake has come to.
#[derive(Debug)]
pub(crate) struct HandshakeRecord {
    /// What was negotiated, as far as the handshake came.
    pub(crate) session: Arc<Session>,
    /// Why it has failed, or was broken off; `None` if it has not.
    pub(crate) failure: Option<String>,
}

#[derive(Debug)]
pub(crate) struct ConnectionEnd {
    pub(crate) client: ClientEnd,
    /// What the client has seen of the close of this side.
    pub(crate) close: Close,
    /// `None` if there were no trailing bytes.
    pub(crate) trailing: Option<Box<Prefix>>,
    pub(crate) at: Instant,
    /// What the client has said is wrong with TLS.
    pub(crate) alert: Option<String>,
    /// How many response bytes of all its exchanges the client had acknowledged; `None` where the kernel does not say.
    pub(crate) acknowledged: Option<u64>,
}
