//! One connected stream: TCP or a Unix socket. Its reads and writes never wait; what has arrived is in its buffer. It knows no requests,
//! no responses and no events.

use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::sync::{Arc, Weak};
use std::time::Duration;

use socket2::{SockRef, Socket};

#[cfg(any(target_os = "linux", target_os = "android"))]
use super::held_back::HeldBack;
use super::kernel::{self, Given, RemoteEnd};
use super::layer::{Handshake, Layer, LayerAct};
use super::session::Session;

/// A first read is rarely longer than this. It is also what the tutorial's `recv` asks for.
const SMALL_BUFFER: usize = 4096;

/// Where larger reads stopped being faster, for uploads and for files.
pub(crate) const LARGE_BUFFER: usize = 256 * 1024;

/// What kind of socket a stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp,
    #[cfg_attr(not(unix), allow(dead_code))] // no builder makes such a listener there
    Unix,
}

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

/// The socket of a stream.
#[derive(Debug)]
pub(crate) struct Wire {
    socket: Arc<Socket>,
    transport: Transport,
    writes: Writes,
    given: Given,
    /// Of a Unix socket.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    held_back: Option<HeldBack>,
}

/// How many writes there were, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writes {
    None,
    One,
    Many,
}

impl Stream {
    /// A stream over a socket whose calls do not wait.
    pub(crate) fn new(socket: Socket, transport: Transport) -> Self {
        let socket = Arc::new(socket);
        Stream {
            wire: Wire {
                #[cfg(any(target_os = "linux", target_os = "android"))]
                held_back: (transport == Transport::Unix).then(|| HeldBack::new(&socket)),
                socket,
                transport,
                writes: Writes::None,
                given: Given::default(),
            },
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

    /// Whether a read would make a reset impossible, and when to look again if there is something to read by then.
    pub(crate) fn would_lose_reset(&self) -> Option<Duration> {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if self.wire.held_back.as_ref().is_some_and(HeldBack::is_alone) {
            return Some(kernel::LOOK_AGAIN);
        }
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

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if let Some(held_back) = &mut self.held_back {
            return held_back.read(buffer);
        }
        (&*self.socket).read(buffer)
    }
}

impl Wire {
    /// One read that does not wait.
    #[cfg_attr(not(feature = "tls"), allow(dead_code))]
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        without_waiting(Read::read(self, buffer))
    }

    /// One write.
    pub(crate) fn write(&mut self, bytes: &[u8], next: Next) -> io::Result<Option<usize>> {
        self.count_write();
        let written = self.write_once(bytes, next)?;
        self.given.bytes += written.unwrap_or(0) as u64;
        Ok(written)
    }

    fn write_once(&self, bytes: &[u8], next: Next) -> io::Result<Option<usize>> {
        // Less than a segment waits for the end of the stream, which follows at once: MSG_MORE in send(2).
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if next == Next::End {
            let flags = libc::MSG_NOSIGNAL | libc::MSG_MORE;
            return without_waiting(self.socket.send_with_flags(bytes, flags));
        }
        // MSG_MORE would end with the first acknowledgement: TCP_CORK in tcp(7).
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if next == Next::Close && self.transport == Transport::Tcp {
            // Where this fails so does the write.
            let _ = rustix::net::sockopt::set_tcp_cork(&*self.socket, true);
        }
        let _ = next;
        without_waiting((&*self.socket).write(bytes))
    }

    /// The first write of a connection leaves at once. The others wait for its acknowledgement unless an option says otherwise
    /// (RFC 896), which takes a call that a connection with one write does not need.
    fn count_write(&mut self) {
        if self.writes == Writes::One && self.transport == Transport::Tcp {
            // Where this fails so does the write.
            let _ = set_options(&*self.socket);
        }
        self.writes = if self.writes == Writes::None { Writes::One } else { Writes::Many };
    }
}

/// What follows the bytes of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// The end of the stream, at once.
    End,
    /// The close of the socket, at once: on Linux less than a segment waits for it.
    Close,
    /// Something else, or nothing yet.
    Other,
}

/// `None` if the call would have had to wait. A signal ends a call that does not wait only before it began: the set reports the
/// socket again.
pub(crate) fn without_waiting<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if is_timeout(&error) || error.kind() == io::ErrorKind::Interrupted => Ok(None),
        Err(error) => Err(error),
    }
}

/// Sets the options that every TCP connection has.
pub(crate) fn set_options<'s, S>(socket: &'s S) -> io::Result<()>
where
    SockRef<'s>: From<&'s S>,
{
    // Each write becomes a segment of its own: split writes stay split.
    SockRef::from(socket).set_tcp_nodelay(true)
}

/// `EAGAIN` on Unix, `WSAETIMEDOUT` on Windows.
pub(crate) fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// Whether an error of a socket says that the client is gone.
pub(crate) fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected)
}

/// Bytes that have arrived and have not been taken yet.
#[derive(Debug, Default)]
pub(crate) struct Arrived {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Whether the last read took all the room there was.
    filled: bool,
    /// The next read takes at most this many: bytes after a request of known length stay with the kernel, so that a naive close
    /// becomes a reset.
    at_most: Option<u64>,
}

impl Arrived {
    pub(crate) fn unread(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Forgets the first `length` unread bytes.
    pub(crate) fn consume(&mut self, length: usize) {
        self.start += length;
        debug_assert!(self.start <= self.end);
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    /// Adds bytes after what is unread.
    #[cfg_attr(not(feature = "tls"), allow(dead_code))]
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        self.make_room(bytes.len());
        self.buffer[self.end..][..bytes.len()].copy_from_slice(bytes);
        self.end += bytes.len();
    }

    /// Makes room for one read of this many bytes.
    pub(crate) fn make_room(&mut self, length: usize) {
        if self.buffer.len() - self.end < length {
            self.buffer.resize(self.end + length, 0);
        }
    }

    /// Limits the next read that returns bytes. `None` is no limit.
    pub(crate) fn read_at_most(&mut self, bytes: Option<u64>) {
        self.at_most = bytes;
    }

    /// Reads once, after what is unread.
    pub(crate) fn read_from(&mut self, reader: &mut impl Read) -> io::Result<usize> {
        if self.filled || self.buffer.is_empty() {
            self.grow();
        }
        let room = self.buffer.len() - self.end;
        let at_most = self.at_most.map_or(room, |bytes| usize::try_from(bytes).unwrap_or(room));
        let length = reader.read(&mut self.buffer[self.end..][..at_most.min(room)])?;
        self.at_most = None;
        self.end += length;
        self.filled = self.end == self.buffer.len();
        Ok(length)
    }

    /// Called when the last read filled the buffer: the client has much to send.
    fn grow(&mut self) {
        let length = match self.buffer.len() {
            0 => SMALL_BUFFER,
            length if length < LARGE_BUFFER => LARGE_BUFFER,
            length if self.end == length => length * 2,
            length => length,
        };
        self.buffer.resize(length, 0);
        self.filled = false;
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
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
