//! How a connection is secured, as far as the core needs to know it. What does it is in the room `tls`.
#![cfg_attr(not(feature = "tls"), allow(dead_code))] // no one implements it then

use std::fmt;
use std::sync::Arc;

use super::ending::Ending;
use crate::os::layer::Layer;

/// What a response does that needs TLS.
#[derive(Debug, Clone, Default)]
pub(crate) struct OverTls {
    /// At most this many bytes of ciphertext are sent.
    pub(crate) cut: Option<u64>,
    /// The connection begins TLS after the response.
    pub(crate) begins: Option<Arc<dyn Secure>>,
}

/// Secures connections.
pub(crate) trait Secure: fmt::Debug + Send + Sync {
    /// What one connection gets between itself and its socket.
    fn layer(&self) -> Box<dyn Layer>;

    /// How a connection ends that is to break in its handshake, or after a byte of its ciphertext.
    fn ending(&self) -> Ending;

    /// Where that is, in words.
    fn broken_at(&self) -> String;

    /// The name of the server in its URL.
    fn name(&self) -> &str;
}
