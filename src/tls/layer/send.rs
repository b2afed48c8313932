//! The way out: encrypts, cuts, and writes to the socket.

use std::io;
use std::mem;

use rustls::unbuffered::{ConnectionState, EncryptError};

use super::TlsLayer;
use super::receive::SMALL_READ;
use crate::os::layer::{Layer, LayerAct};
use crate::os::wire::{Next, Wire};

/// The most bytes of plaintext that are in one record: RFC 8446 section 5.1.
const RECORD: usize = 1 << 14;

/// What one write encrypts at most. The kernel's buffer takes no more at once.
const PORTION: usize = 16 * RECORD;

/// What a record adds to its plaintext at most, in every version and with every cipher suite.
const OVERHEAD: usize = 64;

impl TlsLayer {
    /// Encrypts, and writes.
    pub(super) fn encrypt_and_write(
        &mut self,
        wire: &mut Wire,
        bytes: &[u8],
        next: Next,
    ) -> io::Result<Option<usize>> {
        if self.records.is_empty() {
            let portion = &bytes[..bytes.len().min(PORTION)];
            for record in portion.chunks(RECORD) {
                self.encrypt(record)?;
            }
            if next == Next::End && portion.len() == bytes.len() {
                self.make_close_notify();
            }
        }
        let sent = self.send(wire, next);
        let written = self.take_written();
        match sent {
            _ if written > 0 => Ok(Some(written)),
            Ok(_) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes what was made, as far as it may leave.
    pub(super) fn send(&mut self, wire: &mut Wire, next: Next) -> io::Result<Option<()>> {
        while self.outgoing.len() > 0 {
            let may_leave = self.cut.map_or(u64::MAX, |cut| cut - self.left);
            if may_leave == 0 {
                return Ok(Some(()));
            }
            let bytes = self.outgoing.filled();
            let length =
                usize::try_from(may_leave).map_or(bytes.len(), |most| most.min(bytes.len()));
            match wire.write(&bytes[..length], next)? {
                None => return Ok(None),
                Some(0) => return Err(io::ErrorKind::WriteZero.into()),
                Some(sent) => {
                    self.outgoing.consume(sent);
                    self.left += sent as u64;
                }
            }
        }
        Ok(Some(()))
    }

    /// Encrypts one record, and notes where it ends.
    fn encrypt(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.has_failed {
            return Err(not_open());
        }
        let status = self.connection.process_tls_records(self.incoming.filled());
        let Ok(ConnectionState::WriteTraffic(mut traffic)) = status.state else {
            return Err(not_open());
        };
        let mut room = bytes.len() + OVERHEAD;
        let made = loop {
            match traffic.encrypt(bytes, self.outgoing.room(room)) {
                Ok(made) => break made,
                Err(EncryptError::InsufficientSize(error)) => room = error.required_size,
                Err(EncryptError::EncryptExhausted) => return Err(not_open()),
            }
        };
        self.outgoing.end += made;
        self.made += made as u64;
        if mem::take(&mut self.alters_next) {
            // The last byte of a record is part of what proves that it was not altered.
            self.outgoing.bytes[self.outgoing.end - 1] ^= 1;
        }
        self.records.push_back((self.made, bytes.len()));
        Ok(())
    }

    /// Makes the message that says that nothing follows.
    pub(super) fn make_close_notify(&mut self) {
        if self.has_announced_end || self.has_failed || self.is_cut() {
            return;
        }
        let status = self.connection.process_tls_records(self.incoming.filled());
        if let Ok(ConnectionState::WriteTraffic(mut traffic)) = status.state
            && let Ok(made) = traffic.queue_close_notify(self.outgoing.room(SMALL_READ))
        {
            self.outgoing.end += made;
            self.made += made as u64;
        }
        self.has_announced_end = true;
    }

    /// How many bytes of plaintext the kernel has wholly, and no write has reported.
    fn take_written(&mut self) -> usize {
        let mut written = 0;
        while let Some(&(end, length)) = self.records.front()
            && end <= self.left
        {
            written += length;
            self.records.pop_front();
        }
        written
    }

    /// Does something that only TLS can do.
    pub(super) fn act_in_tls(&mut self, act: LayerAct) -> io::Result<()> {
        match act {
            LayerAct::AlterNextRecord => self.alters_next = true,
            LayerAct::UpdateKeys => {
                if self.has_failed {
                    return Err(not_open());
                }
                let status = self.connection.process_tls_records(self.incoming.filled());
                let Ok(ConnectionState::WriteTraffic(traffic)) = status.state else {
                    return Err(not_open());
                };
                traffic.refresh_traffic_keys().map_err(|_| {
                    let text =
                        "only TLS 1.3 can update keys, and the connection has another version";
                    io::Error::new(io::ErrorKind::Unsupported, text)
                })?;
                self.process_early()?;
            }
        }
        Ok(())
    }

    /// Lets at most this many more bytes leave.
    pub(super) fn set_cut(&mut self, bytes: Option<u64>) {
        if self.is_cut() {
            // What did not leave never will: the next response begins with a record of its own.
            self.outgoing.consume(self.outgoing.len());
            self.records.clear();
            self.made = self.left;
        }
        let cut = bytes.map(|bytes| self.left.saturating_add(bytes));
        self.cut = cut.into_iter().chain(self.cut_of_connection).min();
    }
}

fn not_open() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "TLS is over on this connection")
}
