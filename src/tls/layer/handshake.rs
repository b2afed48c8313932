//! The handshake: how far it has come, where it was to break, and what it has agreed on.

use std::io;
use std::sync::{Arc, Mutex};

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::{ClientSide, TlsLayer};
use crate::journal::count;
use crate::os::layer::{Handshake, Layer};
use crate::os::lock::lock;
use crate::os::session::Session;
use crate::os::wire::{Next, Wire};
use crate::tls::flight::Flight;

/// How far the handshake has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// No flight of this side was made.
    AwaitsHello,
    /// The first flight of this side is on its way, or has left.
    Answers,
    /// The client has sent its last flight.
    Ends,
    Done,
    Broken,
}

/// What is noted of a client's first message: rustls shows it only here.
#[derive(Debug)]
pub(super) struct Noted {
    pub(super) resolver: Arc<dyn ResolvesServerCert>,
    pub(super) server_name: Mutex<Option<String>>,
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
    /// Goes on as far as that is possible.
    pub(super) fn go_on_with_handshake(&mut self, wire: &mut Wire) -> io::Result<Handshake> {
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

    /// What client and peer have agreed on, as far as that is known.
    pub(super) fn agreed(&self) -> Session {
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
}
