//! One connected stream: TCP or a Unix socket. Its reads and writes never wait; what has arrived is in its buffer. It knows no requests,
//! no responses and no events.

use std::io;
use std::mem::MaybeUninit;
use std::sync::{Arc, Weak};
use std::time::Duration;

use socket2::Socket;

use super::arrived::Arrived;
#[cfg(any(target_os = "linux", target_os = "android"))]
use super::held_back::HeldBack;
use super::kernel::{self, RemoteEnd};
use super::layer::{Handshake, Layer, LayerAct};
use super::session::Session;
use super::socket_error::without_waiting;
use super::wire::{Next, Transport, Wire};

/// A connection, and what has arrived on it.
///
/// A reader may rely on the set only when nothing is in [`arrived`](Self::arrived), and a read has returned `None`: bytes that were read
/// once are reported by no wait.
#[derive(Debug)]
pub(crate) struct Stream {
    wire: Wire,
    /// TLS, if the connection has it.
    layer: Option<Box<dyn Layer>>,
    pub(crate) arrived: Arrived,
    /// Whether the other end has shut down its sending side, as far as it was read.
    has_ended: bool,
    close: Close,
}

impl Stream {
    /// A stream over a socket whose calls do not wait.
    pub(crate) fn new(socket: Socket, transport: Transport) -> Self {
        Stream {
            wire: Wire::new(socket, transport),
            layer: None,
            arrived: Arrived::default(),
            has_ended: false,
            close: Close::InOrder,
        }
    }

    pub(crate) fn socket(&self) -> &Socket {
        &self.wire.socket
    }

    /// For a thread that ends the connection while another one has it.
    pub(crate) fn weak_socket(&self) -> Weak<Socket> {
        Arc::downgrade(&self.wire.socket)
    }

    /// Puts a layer between this connection and its socket. What has arrived and was not taken is the beginning of its handshake.
    pub(crate) fn put_under(&mut self, mut layer: Box<dyn Layer>) {
        layer.take_first(self.arrived.unread());
        self.arrived.consume(self.arrived.unread().len());
        self.layer = Some(layer);
    }

    pub(crate) fn has_layer(&self) -> bool {
        self.layer.is_some()
    }

    /// Goes on with the handshake of the layer.
    pub(crate) fn shake_hands(&mut self) -> io::Result<Handshake> {
        match &mut self.layer {
            Some(layer) => layer.shake_hands(&mut self.wire),
            None => Ok(Handshake::Done),
        }
    }

    /// How many bytes of the client's handshake have arrived.
    pub(crate) fn handshake_bytes(&self) -> u64 {
        self.layer.as_ref().map_or(0, |layer| layer.handshake_bytes())
    }

    /// What client and peer have negotiated.
    pub(crate) fn session(&self) -> Option<Session> {
        self.layer.as_ref().map(|layer| layer.session())
    }

    /// What the client has said is wrong with TLS, if it has.
    pub(crate) fn alert(&self) -> Option<&str> {
        self.layer.as_ref()?.alert()
    }

    /// Whether the client has ended the connection without saying so in TLS.
    pub(crate) fn was_cut_off(&self) -> bool {
        self.layer.as_ref().is_some_and(|layer| layer.was_cut_off())
    }

    /// Does something that only TLS can do.
    pub(crate) fn act(&mut self, act: LayerAct) -> io::Result<()> {
        match &mut self.layer {
            Some(layer) => layer.act(act),
            None => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "this step needs TLS, which the connection does not have",
            )),
        }
    }

    /// Lets at most this many more bytes of ciphertext leave, if there is TLS.
    pub(crate) fn cut_ciphertext_after(&mut self, bytes: Option<u64>) {
        if let Some(layer) = &mut self.layer {
            layer.cut_after(bytes);
        }
    }

    /// Whether as much ciphertext has left as may.
    pub(crate) fn is_ciphertext_cut(&self) -> bool {
        self.layer.as_ref().is_some_and(|layer| layer.is_cut())
    }

    /// How many bytes of ciphertext have left.
    pub(crate) fn ciphertext_sent(&self) -> u64 {
        self.layer.as_ref().map_or(0, |layer| layer.left())
    }

    /// One read. `Some(0)` means that the other end will send no more, `None` that nothing has arrived.
    ///
    /// Also after a read that took less than it could: a client has often sent more by the time it is tried, which spares a wait.
    pub(crate) fn read(&mut self) -> io::Result<Option<usize>> {
        let length = match &mut self.layer {
            None => without_waiting(self.arrived.read_from(&mut self.wire))?,
            Some(layer) => layer.read(&mut self.wire, &mut self.arrived)?,
        };
        self.has_ended |= length == Some(0);
        Ok(length)
    }

    /// Whether the other end has shut down its sending side, as far as it was read.
    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Whether something was read from the socket that no request has taken.
    pub(crate) fn has_unread(&self) -> bool {
        !self.arrived.unread().is_empty()
            || self.layer.as_ref().is_some_and(|layer| layer.has_unread())
    }

    /// The connection waits, and needs little room meanwhile.
    pub(crate) fn give_up_room(&mut self) {
        self.arrived.give_up_room();
        if let Some(layer) = &mut self.layer {
            layer.give_up_room();
        }
    }

    /// One write. `None` means that there is no room at the moment.
    ///
    /// If the end of the stream follows at once, it goes into the same segment where the system can do that: less work for both
    /// sides, and the client wakes up once.
    pub(crate) fn write(&mut self, bytes: &[u8], next: Next) -> io::Result<Option<usize>> {
        match &mut self.layer {
            None => self.wire.write(bytes, next),
            Some(layer) => layer.write(&mut self.wire, bytes, next),
        }
    }

    /// Writes what a layer has kept back; `None` if there is no room for all of it.
    pub(crate) fn flush(&mut self) -> io::Result<Option<()>> {
        match &mut self.layer {
            None => Ok(Some(())),
            Some(layer) => layer.flush(&mut self.wire),
        }
    }

    /// How the other end has ended the connection, if it has, even if bytes before that are unread. `None` as well where the
    /// kernel does not say.
    pub(crate) fn remote_end(&self) -> Option<RemoteEnd> {
        kernel::remote_end(&self.wire.socket)
    }

    /// How the other end has ended the connection, if it has and nothing is left to read.
    pub(crate) fn end_without_a_byte(&mut self) -> Option<RemoteEnd> {
        // What the socket has may be the end of TLS.
        let read = if self.layer.is_some() {
            self.read()
        } else {
            without_waiting(self.wire.socket.peek(&mut [MaybeUninit::uninit()]))
        };
        match read {
            Ok(Some(0)) => Some(RemoteEnd::Closed),
            Ok(_) => None,
            Err(_) => Some(RemoteEnd::Reset),
        }
    }

    /// Whether everything was sent to the client, the end of the stream included; false where the kernel does not say. The
    /// kernel delivers what was sent even after the close, and a client may acknowledge it only 40 ms later.
    pub(crate) fn has_left(&self) -> bool {
        // A write to a Unix socket goes into the client's queue.
        !self.layer.as_ref().is_some_and(|layer| layer.has_unsent())
            && (self.wire.transport == Transport::Unix
                || kernel::has_left(&self.wire.socket, self.wire.given).unwrap_or(false))
    }

    /// How many bytes the client has not acknowledged yet, as they are on the wire; `None` where the kernel does not say.
    pub(crate) fn unacknowledged(&self) -> Option<u64> {
        if self.wire.transport == Transport::Unix {
            // What was written is in the client's queue, and stays there when this end is closed.
            return Some(0);
        }
        kernel::unacknowledged(&self.wire.socket, self.wire.given).ok()
    }

    /// Makes the close a reset, which throws away what was not sent yet.
    ///
    /// A Unix socket has no reset but this: if bytes are unread when it is closed, the client reads all that was sent, and then
    /// `ECONNRESET`. With nothing unread the close remains an ordinary one.
    pub(crate) fn reset_on_close(&mut self) -> io::Result<()> {
        if self.wire.transport == Transport::Unix {
            self.close = Close::NoReset;
            #[cfg(any(target_os = "linux", target_os = "android"))]
            if let Some(held_back) = &mut self.wire.held_back
                && held_back.leave()?
            {
                self.close = Close::Reset;
            }
            return Ok(());
        }
        self.wire.socket.set_linger(Some(Duration::ZERO))?;
        self.close = Close::Reset;
        Ok(())
    }

    /// Shuts down the sending side, unless it is shut down already. `None` if TLS has no room to say so first.
    pub(crate) fn shutdown_sending(&mut self, notice: Notice) -> io::Result<Option<()>> {
        if self.wire.given.end {
            return Ok(Some(()));
        }
        if let Some(layer) = &mut self.layer {
            let said = match notice {
                Notice::CloseNotify => layer.announce_end(&mut self.wire)?,
                Notice::None => layer.flush(&mut self.wire)?,
            };
            if said.is_none() {
                return Ok(None);
            }
        }
        self.wire.socket.shutdown(std::net::Shutdown::Write)?;
        self.wire.given.end = true;
        Ok(Some(()))
    }

    /// What the client will see of the close.
    pub(crate) fn close(&self) -> Close {
        self.close
    }

    /// Whether a read would make a reset impossible, and when to look again if there is something to read by then. The client has
    /// neither taken nor sent anything for as long as `inactive`.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn would_lose_reset(&self, inactive: Duration) -> Option<Duration> {
        let is_alone = self.wire.held_back.as_ref().is_some_and(HeldBack::is_alone);
        is_alone.then(|| kernel::next_look(inactive))
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    #[allow(clippy::unused_self)] // used on Linux
    pub(crate) fn would_lose_reset(&self, _: Duration) -> Option<Duration> {
        None
    }
}

/// What a client sees of the close of its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Close {
    InOrder,
    Reset,
    /// An ordinary close, though it was to be a reset: on a Unix socket, with nothing unread.
    NoReset,
}

/// What TLS says before the end of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notice {
    CloseNotify,
    #[cfg_attr(not(feature = "tls"), allow(dead_code))]
    None,
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_unix_socket_is_a_stream_too() {
        let (ours, mut theirs) = UnixStream::pair().expect("a pair");
        let ours = Socket::from(OwnedFd::from(ours));
        ours.set_nonblocking(true).expect("set");
        let mut stream = Stream::new(ours, Transport::Unix);
        assert_eq!(stream.read().expect("open"), None, "nothing has arrived");
        theirs.write_all(b"hello").expect("open");
        assert_eq!(stream.read().expect("open"), Some(5));
        assert_eq!(stream.arrived.unread(), b"hello");
        assert_eq!(stream.write(b"answer", Next::End).expect("open"), Some(6));
        stream.shutdown_sending(Notice::CloseNotify).expect("open");
        let mut answer = Vec::new();
        theirs.read_to_end(&mut answer).expect("all of it");
        assert_eq!(answer, b"answer");
        drop(theirs);
        assert_eq!(stream.read().expect("closed in order"), Some(0));
        assert!(stream.has_ended());
    }
}
