//! The way in: reads the socket, decrypts, and makes what rustls answers.

use std::io;
use std::mem;

use rustls::unbuffered::{ConnectionState, EncodeError, UnbufferedStatus};

use super::{ClientSide, TlsLayer};
use crate::os::arrived::Arrived;
use crate::os::wire::{Next, Wire};
use crate::tls::words::{in_words, name_of_alert};

/// A first read is rarely longer than this.
pub(super) const SMALL_READ: usize = 4096;

/// For an upload.
const LARGE_READ: usize = 64 * 1024;

impl TlsLayer {
    /// One read of the socket at most, and all that can be decrypted then.
    pub(super) fn read_and_decrypt(
        &mut self,
        wire: &mut Wire,
        arrived: &mut Arrived,
    ) -> io::Result<Option<usize>> {
        if !self.early.is_empty() {
            let early = mem::take(&mut self.early);
            arrived.extend(&early);
            return Ok(Some(early.len()));
        }
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        // What was read with the end of the handshake comes first.
        let mut length = self.decrypt(arrived)?;
        if length == 0 && self.client_side != ClientSide::Ended {
            match self.receive(wire)? {
                None => return Ok(None),
                Some(0) => {
                    self.client_side = ClientSide::CutOff;
                    return Ok(Some(0));
                }
                Some(_) => {
                    let decrypted = self.decrypt(arrived);
                    // What rustls answers: an alert, or new keys of its own.
                    let _ = self.send(wire, Next::Other);
                    length = decrypted?;
                }
            }
        }
        Ok(if length > 0 || self.client_side == ClientSide::Ended { Some(length) } else { None })
    }

    /// Decrypts what has arrived, and makes what rustls answers to it.
    fn process(&mut self, plaintext: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        if self.has_failed {
            self.incoming.consume(self.incoming.len());
            return Ok(());
        }
        loop {
            let incoming = self.incoming.filled();
            let UnbufferedStatus { mut discard, state, .. } =
                self.connection.process_tls_records(incoming);
            let mut is_over = false;
            match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(|error| in_words(&error, &[]))?;
                        discard += record.discard;
                        plaintext(record.payload);
                    }
                }
                Ok(ConnectionState::EncodeTlsData(mut record)) => {
                    let mut room = SMALL_READ;
                    let made = loop {
                        match record.encode(self.outgoing.room(room)) {
                            Ok(made) => break made,
                            Err(EncodeError::InsufficientSize(error)) => room = error.required_size,
                            Err(EncodeError::AlreadyEncoded) => break 0,
                        }
                    };
                    self.outgoing.end += made;
                    self.made += made as u64;
                }
                Ok(ConnectionState::TransmitTlsData(sent)) => sent.done(),
                Ok(ConnectionState::PeerClosed) => self.client_side = ClientSide::Ended,
                Ok(_) => is_over = true,
                Err(error) => {
                    if let rustls::Error::AlertReceived(alert) = error {
                        self.alert = Some(name_of_alert(alert));
                    }
                    self.incoming.consume(discard);
                    let failure = in_words(&error, self.incoming.filled());
                    self.take_alert();
                    self.incoming.consume(self.incoming.len());
                    self.has_failed = true;
                    return Err(failure);
                }
            }
            self.incoming.consume(discard);
            if is_over {
                return Ok(());
            }
        }
    }

    /// The same, keeping what was decrypted for the next read.
    pub(super) fn process_early(&mut self) -> io::Result<()> {
        let mut early = mem::take(&mut self.early);
        let processed = self.process(&mut |bytes| early.extend_from_slice(bytes));
        self.early = early;
        processed
    }

    /// Something has failed: takes the alert that rustls sends the client about it.
    fn take_alert(&mut self) {
        // Not further: rustls would look at what it could not read again. That is shown to it, since it has noted places in it.
        while self.connection.wants_write() {
            let status = self.connection.process_tls_records(self.incoming.filled());
            let Ok(ConnectionState::EncodeTlsData(mut record)) = status.state else { return };
            let Ok(made) = record.encode(self.outgoing.room(SMALL_READ)) else { return };
            self.outgoing.end += made;
            self.made += made as u64;
        }
    }

    /// Decrypts what has arrived; how much that is. What was decrypted before a failure comes before it.
    fn decrypt(&mut self, arrived: &mut Arrived) -> io::Result<usize> {
        if self.incoming.len() == 0 {
            return Ok(0);
        }
        let mut length = 0;
        let processed = self.process(&mut |bytes| {
            arrived.extend(bytes);
            length += bytes.len();
        });
        match processed {
            Err(error) if length > 0 => self.error = Some(error),
            processed => processed?,
        }
        Ok(length)
    }

    /// One read of the socket. `Some(0)` is its end.
    pub(super) fn receive(&mut self, wire: &mut Wire) -> io::Result<Option<usize>> {
        let size = match self.incoming.bytes.len() {
            0 => SMALL_READ,
            length if self.incoming.end == length => LARGE_READ,
            length => length - self.incoming.end,
        };
        let read = wire.read(self.incoming.room(size))?;
        self.incoming.end += read.unwrap_or_default();
        Ok(read)
    }
}
