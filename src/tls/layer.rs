//! TLS between a connection and its socket, by rustls: encrypts, decrypts, and never waits. The faults below TLS are made here, since
//! only here each byte of ciphertext is known.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::mem;
use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert, UnbufferedServerConnection};
use rustls::sign::CertifiedKey;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};

use super::buffer::Buffer;
use super::flight::Flight;
use super::words::{in_words, name_of_alert};
use crate::journal::count;
use crate::os::arrived::Arrived;
use crate::os::layer::{Handshake, Layer, LayerAct};
use crate::os::lock::lock;
use crate::os::session::Session;
use crate::os::wire::{Next, Wire};

/// The most bytes of plaintext that are in one record: RFC 8446 section 5.1.
const RECORD: usize = 1 << 14;

/// What one write encrypts at most. The kernel's buffer takes no more at once.
const PORTION: usize = 16 * RECORD;

/// What a record adds to its plaintext at most, in every version and with every cipher suite.
const OVERHEAD: usize = 64;

/// A first read is rarely longer than this.
const SMALL_READ: usize = 4096;

/// For an upload.
const LARGE_READ: usize = 64 * 1024;

/// TLS on one connection.
pub(super) struct TlsLayer {
    connection: UnbufferedServerConnection,
    hello: Arc<Noted>,
    /// Ciphertext that arrived and is not decrypted.
    incoming: Buffer,
    /// How many bytes of the handshake have arrived.
    handshake_bytes: u64,
    /// What was decrypted while the handshake ended, for the next read.
    early: Vec<u8>,
    /// Ciphertext for the socket.
    outgoing: Buffer,
    /// How many bytes of ciphertext were made, and how many of them the kernel has.
    made: u64,
    left: u64,
    /// The records in which plaintext is that no write has reported: where each ends among all ciphertext, and how much is in it.
    records: VecDeque<(u64, usize)>,
    /// After how many bytes of ciphertext nothing leaves any more: on the whole connection, and at the moment.
    cut_of_connection: Option<u64>,
    cut: Option<u64>,
    breaks_after: Option<Flight>,
    stage: Stage,
    alters_next: bool,
    has_announced_end: bool,
    client_side: ClientSide,
    /// Whether nothing is decrypted any more.
    has_failed: bool,
    /// The failure, until a read has returned it.
    error: Option<io::Error>,
    alert: Option<String>,
}

/// How far the handshake has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// No flight of this side was made.
    AwaitsHello,
    /// The first flight of this side is on its way, or has left.
    Answers,
    /// The client has sent its last flight.
    Ends,
    Done,
    Broken,
}

/// Whether the client sends more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ClientSide {
    Open,
    /// It has said that it will not.
    Ended,
    /// Its socket has ended without that.
    CutOff,
}

/// What is noted of a client's first message: rustls shows it only here.
#[derive(Debug)]
struct Noted {
    resolver: Arc<dyn ResolvesServerCert>,
    server_name: Mutex<Option<String>>,
}

impl ResolvesServerCert for Noted {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        *lock(&self.server_name) = hello.server_name().map(str::to_owned);
        self.resolver.resolve(hello)
    }

    fn only_raw_public_keys(&self) -> bool {
        self.resolver.only_raw_public_keys()
    }
}

impl TlsLayer {
    pub(super) fn new(
        config: &ServerConfig,
        breaks_after: Option<Flight>,
        cut: Option<u64>,
    ) -> Self {
        let mut config = config.clone();
        let resolver = Arc::clone(&config.cert_resolver);
        let hello = Arc::new(Noted { resolver, server_name: Mutex::default() });
        config.cert_resolver = Arc::clone(&hello) as _;
        let connection = UnbufferedServerConnection::new(Arc::new(config))
            .expect("the configuration has been tried");
        TlsLayer {
            connection,
            hello,
            incoming: Buffer::default(),
            handshake_bytes: 0,
            early: Vec::new(),
            outgoing: Buffer::default(),
            made: 0,
            left: 0,
            records: VecDeque::new(),
            cut_of_connection: cut,
            cut,
            breaks_after,
            stage: Stage::AwaitsHello,
            alters_next: false,
            has_announced_end: false,
            client_side: ClientSide::Open,
            has_failed: false,
            error: None,
            alert: None,
        }
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
    fn process_early(&mut self) -> io::Result<()> {
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
    fn receive(&mut self, wire: &mut Wire) -> io::Result<Option<usize>> {
        let size = match self.incoming.bytes.len() {
            0 => SMALL_READ,
            length if self.incoming.end == length => LARGE_READ,
            length => length - self.incoming.end,
        };
        let read = wire.read(self.incoming.room(size))?;
        self.incoming.end += read.unwrap_or_default();
        Ok(read)
    }

    /// Writes what was made, as far as it may leave.
    fn send(&mut self, wire: &mut Wire, next: Next) -> io::Result<Option<()>> {
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
    fn make_close_notify(&mut self) {
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

    fn breaks_after(&self, flight: Flight) -> bool {
        self.breaks_after == Some(flight)
    }

    /// Nothing leaves any more, also not what was made already.
    fn break_here(&mut self) -> Handshake {
        self.stage = Stage::Broken;
        self.cut = Some(self.left);
        // What the client sends to a server that does not go on is no request.
        self.has_failed = true;
        Handshake::Broken
    }

    /// The client has ended the connection, or said nothing at all.
    fn ended_in_handshake(&self) -> io::Result<Handshake> {
        if self.handshake_bytes == 0 {
            return Ok(Handshake::NotBegun);
        }
        let after = match self.stage {
            Stage::AwaitsHello => "within its first message",
            _ => "after the server's certificate was sent",
        };
        let bytes = count::bytes(self.handshake_bytes);
        let text = format!(
            "the client closed the connection without an alert, {after} ({bytes} received)"
        );
        Err(io::Error::new(io::ErrorKind::UnexpectedEof, text))
    }
}

impl Layer for TlsLayer {
    fn take_first(&mut self, bytes: &[u8]) {
        self.incoming.room(bytes.len())[..bytes.len()].copy_from_slice(bytes);
        self.incoming.end += bytes.len();
        self.handshake_bytes += bytes.len() as u64;
    }

    fn shake_hands(&mut self, wire: &mut Wire) -> io::Result<Handshake> {
        if self.stage == Stage::AwaitsHello && self.breaks_after(Flight::Connect) {
            return Ok(self.break_here());
        }
        loop {
            if self.send(wire, Next::Other)?.is_none() {
                return Ok(Handshake::AwaitsRoom);
            }
            if self.is_cut() {
                return Ok(self.break_here());
            }
            if self.stage == Stage::Answers && self.breaks_after(Flight::ServerHello) {
                return Ok(self.break_here());
            }
            if self.stage == Stage::Ends {
                self.stage = Stage::Done;
            }
            if self.stage == Stage::Done {
                return Ok(Handshake::Done);
            }
            if let Err(error) = self.process_early() {
                // The client may read why.
                let _ = self.send(wire, Next::Other);
                if self.connection.is_handshaking() {
                    return Err(error);
                }
                // What came after the handshake is the business of the next read.
                self.error = Some(error);
            }
            if self.stage == Stage::AwaitsHello && self.outgoing.len() > 0 {
                if self.breaks_after(Flight::ClientHello) {
                    return Ok(self.break_here());
                }
                self.stage = Stage::Answers;
                continue;
            }
            if !self.connection.is_handshaking() {
                if self.breaks_after(Flight::ClientFinished) {
                    return Ok(self.break_here());
                }
                self.stage = Stage::Ends;
                continue;
            }
            if self.client_side == ClientSide::Ended {
                return self.ended_in_handshake();
            }
            match self.receive(wire)? {
                None => return Ok(Handshake::AwaitsBytes),
                Some(0) => return self.ended_in_handshake(),
                Some(length) => self.handshake_bytes += length as u64,
            }
        }
    }

    fn handshake_bytes(&self) -> u64 {
        self.handshake_bytes
    }

    fn session(&self) -> Session {
        let connection = &self.connection;
        let suite = connection.negotiated_cipher_suite();
        Session {
            version: connection.protocol_version().and_then(|version| match version {
                rustls::ProtocolVersion::TLSv1_2 => Some("TLS 1.2"),
                rustls::ProtocolVersion::TLSv1_3 => Some("TLS 1.3"),
                _ => None,
            }),
            cipher_suite: suite.and_then(|suite| suite.suite().as_str().map(str::to_owned)),
            server_name: lock(&self.hello.server_name).clone(),
            alpn: connection.alpn_protocol().map(<[u8]>::to_vec),
            client_certificates: connection
                .peer_certificates()
                .unwrap_or_default()
                .iter()
                .map(|certificate| certificate.to_vec())
                .collect(),
        }
    }

    fn read(&mut self, wire: &mut Wire, arrived: &mut Arrived) -> io::Result<Option<usize>> {
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

    fn give_up_room(&mut self) {
        self.incoming.give_up_room();
        self.outgoing.give_up_room();
    }

    fn write(&mut self, wire: &mut Wire, bytes: &[u8], next: Next) -> io::Result<Option<usize>> {
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

    fn flush(&mut self, wire: &mut Wire) -> io::Result<Option<()>> {
        self.send(wire, Next::Other)
    }

    fn announce_end(&mut self, wire: &mut Wire) -> io::Result<Option<()>> {
        self.make_close_notify();
        self.send(wire, Next::End)
    }

    fn act(&mut self, act: LayerAct) -> io::Result<()> {
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

    fn cut_after(&mut self, bytes: Option<u64>) {
        if self.is_cut() {
            // What did not leave never will: the next response begins with a record of its own.
            self.outgoing.consume(self.outgoing.len());
            self.records.clear();
            self.made = self.left;
        }
        let cut = bytes.map(|bytes| self.left.saturating_add(bytes));
        self.cut = cut.into_iter().chain(self.cut_of_connection).min();
    }

    fn is_cut(&self) -> bool {
        self.cut.is_some_and(|cut| self.left >= cut)
    }

    fn left(&self) -> u64 {
        self.left
    }

    fn has_unread(&self) -> bool {
        self.incoming.len() > 0 || !self.early.is_empty()
    }

    fn has_unsent(&self) -> bool {
        self.outgoing.len() > 0 && !self.is_cut()
    }

    fn was_cut_off(&self) -> bool {
        self.client_side == ClientSide::CutOff
    }

    fn alert(&self) -> Option<&str> {
        self.alert.as_deref()
    }
}

fn not_open() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "TLS is over on this connection")
}

impl fmt::Debug for TlsLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsLayer")
            .field("stage", &self.stage)
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}
