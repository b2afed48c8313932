//! TLS between a connection and its socket, by rustls: encrypts, decrypts, and never waits. The faults below TLS are made here, since
//! only here each byte of ciphertext is known.

mod handshake;
mod receive;
mod send;

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use rustls::server::UnbufferedServerConnection;

use super::buffer::Buffer;
use super::flight::Flight;
use crate::os::arrived::Arrived;
use crate::os::layer::{Handshake, Layer, LayerAct};
use crate::os::session::Session;
use crate::os::wire::{Next, Wire};
use handshake::{Noted, Stage};

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

/// Whether the client sends more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ClientSide {
    Open,
    /// It has said that it will not.
    Ended,
    /// Its socket has ended without that.
    CutOff,
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
}

impl Layer for TlsLayer {
    fn take_first(&mut self, bytes: &[u8]) {
        self.incoming.room(bytes.len())[..bytes.len()].copy_from_slice(bytes);
        self.incoming.end += bytes.len();
        self.handshake_bytes += bytes.len() as u64;
    }

    fn shake_hands(&mut self, wire: &mut Wire) -> io::Result<Handshake> {
        self.go_on_with_handshake(wire)
    }

    fn handshake_bytes(&self) -> u64 {
        self.handshake_bytes
    }

    fn session(&self) -> Session {
        self.agreed()
    }

    fn read(&mut self, wire: &mut Wire, arrived: &mut Arrived) -> io::Result<Option<usize>> {
        self.read_and_decrypt(wire, arrived)
    }

    fn give_up_room(&mut self) {
        self.incoming.give_up_room();
        self.outgoing.give_up_room();
    }

    fn write(&mut self, wire: &mut Wire, bytes: &[u8], next: Next) -> io::Result<Option<usize>> {
        self.encrypt_and_write(wire, bytes, next)
    }

    fn flush(&mut self, wire: &mut Wire) -> io::Result<Option<()>> {
        self.send(wire, Next::Other)
    }

    fn announce_end(&mut self, wire: &mut Wire) -> io::Result<Option<()>> {
        self.make_close_notify();
        self.send(wire, Next::End)
    }

    fn act(&mut self, act: LayerAct) -> io::Result<()> {
        self.act_in_tls(act)
    }

    fn cut_after(&mut self, bytes: Option<u64>) {
        self.set_cut(bytes);
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

impl fmt::Debug for TlsLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsLayer")
            .field("stage", &self.stage)
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}
