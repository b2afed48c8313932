//! What may be between a connection and its socket: TLS. Here is only what the core needs of it; the layer itself is in the room `tls`.
//!
//! Like the socket's, its calls never wait.
#![cfg_attr(not(feature = "tls"), allow(dead_code))] // no layer is made then

use std::fmt;
use std::io;

use super::arrived::Arrived;
use super::session::Session;
use super::wire::{Next, Wire};

/// Something between a connection and its socket.
pub(crate) trait Layer: fmt::Debug + Send {
    /// Takes bytes that arrived before the layer was there: they are the first ones of its handshake.
    fn take_first(&mut self, bytes: &[u8]);

    /// Goes on with the handshake as far as that is possible.
    fn shake_hands(&mut self, wire: &mut Wire) -> io::Result<Handshake>;

    /// How many bytes of the client's handshake have arrived.
    fn handshake_bytes(&self) -> u64;

    /// What was negotiated, as far as that is known.
    fn session(&self) -> Session;

    /// One read, at most, of the socket. Everything that can be decrypted then is in `arrived`. `Some(0)` means that the other end will
    /// send no more.
    fn read(&mut self, wire: &mut Wire, arrived: &mut Arrived) -> io::Result<Option<usize>>;

    /// Gives up large buffers that have nothing in them.
    fn give_up_room(&mut self);

    /// Encrypts and writes. `Some(length)` means that the kernel has every byte that is needed to decrypt the first `length` bytes. `None`
    /// means that there is no room at the moment; the next call begins with the same bytes.
    fn write(&mut self, wire: &mut Wire, bytes: &[u8], next: Next) -> io::Result<Option<usize>>;

    /// Writes what is encrypted already; `None` if there is no room for all of it.
    fn flush(&mut self, wire: &mut Wire) -> io::Result<Option<()>>;

    /// Announces the end of what is sent, unless that was done, and writes it; `None` if there is no room for all of it.
    fn announce_end(&mut self, wire: &mut Wire) -> io::Result<Option<()>>;

    /// Does something that a plain connection cannot do.
    fn act(&mut self, act: LayerAct) -> io::Result<()>;

    /// Lets at most this many more bytes leave, counted after encryption.
    fn cut_after(&mut self, bytes: Option<u64>);

    /// Whether as many bytes have left as may.
    fn is_cut(&self) -> bool;

    /// How many bytes have left, counted after encryption.
    fn left(&self) -> u64;

    /// Whether bytes have arrived that no read has returned.
    fn has_unread(&self) -> bool;

    /// Whether something is encrypted that the kernel has not taken.
    fn has_unsent(&self) -> bool;

    /// Whether the other end has ended the connection without announcing it.
    fn was_cut_off(&self) -> bool;

    /// What the other end has said is wrong.
    fn alert(&self) -> Option<&str>;
}

/// How far a handshake has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handshake {
    Done,
    /// The other end has to send something.
    AwaitsBytes,
    /// The other end has to read something.
    AwaitsRoom,
    /// It was to break here.
    Broken,
    /// The other end has ended the connection before its first byte.
    NotBegun,
}

/// What only a layer can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LayerAct {
    /// Sends with new keys from now on.
    UpdateKeys,
    /// Changes a bit of the next record after it was encrypted.
    AlterNextRecord,
}
