//! What a response can do over TLS, and how it begins TLS.

use super::server::Server;
use crate::os::layer::LayerAct;
use crate::response::ending::Ending;
use crate::response::steps::{Response, Step};

/// With the feature `tls`.
impl Response {
    /// Begins TLS after the last byte of this response: STARTTLS in SMTP, IMAP and FTP, the answer `S` in Postgres. The connection then
    /// reads its next request, over TLS, with the same framing, or that of [`then`](Self::then). In a
    /// [conversation](crate::Conversation) the next turn is over TLS.
    ///
    /// What the client sent after its request, before the handshake, is the beginning of the handshake, as it is on the wire. If it was
    /// no TLS, the handshake fails: such bytes are a command that was smuggled in before TLS.
    ///
    /// The exchange is over before the handshake begins; if that fails, the error is [`Error::Handshake`](crate::Error::Handshake).
    /// An ending that ends the connection, other than the default, and a [cut](Self::cut), leave the handshake out.
    pub fn then_tls(mut self, server: &Server) -> Self {
        self.over_tls.get_or_insert_default().begins = Some(server.secured());
        self
    }

    /// Sends only the first `bytes` bytes of the ciphertext of this response, then ends the connection with `ending`: a record that
    /// breaks off. No `close_notify` follows. Of the response's own bytes those count as sent that are in whole records. If the
    /// ciphertext is shorter, all of it is sent, and the exchange fails with [`Error::Respond`](crate::Error::Respond), as it does
    /// without TLS.
    ///
    /// A record has a header of 5 bytes, then in TLS 1.3 the plaintext and 17 bytes more. Each piece of a response in
    /// [pieces](Self::in_pieces) is a record, and each 16,384 bytes of any other.
    pub fn cut_ciphertext(mut self, bytes: u64, ending: Ending) -> Self {
        self.over_tls.get_or_insert_default().cut = Some(bytes);
        self.ending(ending)
    }

    /// Changes a bit of the next record after it was encrypted, as if the network had done it: the client finds that its
    /// authentication code is wrong.
    ///
    /// Without TLS the exchange fails.
    pub fn alter_record(self) -> Self {
        self.step(Step::Act(LayerAct::AlterNextRecord))
    }

    /// Sends with new keys from here on (RFC 8446 section 4.6.3).
    ///
    /// Without TLS, and with TLS 1.2, the exchange fails.
    pub fn update_keys(self) -> Self {
        self.step(Step::Act(LayerAct::UpdateKeys))
    }
}
