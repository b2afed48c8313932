//! One connected stream: reads and writes that report how many bytes they moved, timeouts, and what the kernel knows about
//! the other end. It knows no requests, no responses and no events.

use std::io::{self, Read, Write};
#[cfg(unix)]
use std::mem::MaybeUninit;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::kernel::{self, RemoteEnd};

/// How long a write may be stuck before the stream is read: the client may be stuck, too, until its bytes are read.
const WRITE_TICK: Duration = Duration::from_millis(20);

/// A first read is rarely longer than this. It is also what the tutorial's `recv` asks for.
const SMALL_BUFFER: usize = 4096;

/// Where larger reads stopped being faster, for uploads and for files.
pub(crate) const LARGE_BUFFER: usize = 256 * 1024;

/// A connection, and what has arrived on it.
#[derive(Debug)]
pub(crate) struct Stream {
    socket: Arc<TcpStream>,
    pub(crate) arrived: Arrived,
    /// What the socket's read timeout is set to.
    read_timeout: Option<Duration>,
    /// Whether the other end has shut down its sending side.
    ended: bool,
    sending_is_shut: bool,
    /// Whether the close will throw away what has not been sent.
    resets: bool,
}

impl Stream {
    /// The socket has this read timeout.
    pub(crate) fn new(socket: Arc<TcpStream>, read_timeout: Option<Duration>) -> Self {
        Stream {
            socket,
            arrived: Arrived::default(),
            read_timeout,
            ended: false,
            sending_is_shut: false,
            resets: false,
        }
    }

    /// Waits for bytes, and adds them to [`arrived`](Self::arrived). 0 means that the client will send no more.
    ///
    /// # Errors
    ///
    /// `TimedOut` if nothing came for as long as `timeout`; `None` waits for ever.
    pub(crate) fn receive(&mut self, timeout: Option<Duration>) -> io::Result<usize> {
        self.receive_since(Instant::now(), timeout)
    }

    /// [`receive`](Self::receive) when `start` is now.
    pub(crate) fn receive_since(
        &mut self,
        start: Instant,
        timeout: Option<Duration>,
    ) -> io::Result<usize> {
        self.set_read_timeout(timeout)?;
        loop {
            match self.read() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    // A signal does not restart the wait.
                    self.set_read_timeout(
                        timeout.map(|timeout| timeout.saturating_sub(start.elapsed())),
                    )?;
                }
                Err(error) if is_timeout(&error) => {
                    let waited = timeout.unwrap_or_default();
                    return Err(io::Error::new(
                        io::ErrorKind::TimedOut,
                        format!("nothing arrived for {waited:?}"),
                    ));
                }
                result => return result,
            }
        }
    }

    /// One read. 0 means that the other end will send no more.
    pub(crate) fn read(&mut self) -> io::Result<usize> {
        let length = self.arrived.read_from(&self.socket)?;
        self.ended |= length == 0;
        Ok(length)
    }

    /// Whether the other end has shut down its sending side, as far as it was read.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Reads and writes do not wait while this exists.
    pub(crate) fn non_blocking(&self) -> io::Result<NonBlocking> {
        self.socket.set_nonblocking(true)?;
        Ok(NonBlocking(Arc::clone(&self.socket)))
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        if self.read_timeout != timeout {
            // Zero would mean "for ever".
            let at_least = timeout.map(|timeout| timeout.max(Duration::from_micros(1)));
            self.socket.set_read_timeout(at_least)?;
            self.read_timeout = timeout;
        }
        Ok(())
    }

    /// One write, which waits for at most [`WRITE_TICK`].
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        (&*self.socket).write(bytes)
    }

    /// Waits until there is room for bytes to send, for at most [`WRITE_TICK`]; whether there is.
    pub(crate) fn await_room(&self) -> io::Result<bool> {
        kernel::await_room(&self.socket, WRITE_TICK)
    }

    /// Writes what there is room for, without waiting. If the end of the stream follows at once, it goes into the same segment
    /// where the system can do that: less work for both sides, and the client wakes up once.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn write_last(&self, bytes: &[u8], behind: Behind) -> io::Result<usize> {
        // Less than a segment waits for the end of the stream, which follows at once: MSG_MORE in send(2).
        let more = if behind == Behind::End { libc::MSG_MORE } else { 0 };
        let flags = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT | more;
        socket2::SockRef::from(&*self.socket).send_with_flags(bytes, flags)
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(crate) fn write_last(&self, bytes: &[u8], _: Behind) -> io::Result<usize> {
        (&*self.socket).write(bytes)
    }

    /// Waits for the client's end without reading anything, for at most `timeout`. `None` if it did not end.
    pub(crate) fn await_end(&self, timeout: Duration) -> io::Result<Option<RemoteEnd>> {
        kernel::await_end(&self.socket, timeout)
    }

    /// Whether everything was sent to the client, the end of the stream included; false where the kernel does not say. The
    /// kernel delivers what was sent even after the close, and a client may acknowledge it only 40 ms later.
    pub(crate) fn has_left(&self) -> bool {
        kernel::unsent(&self.socket).is_ok_and(|bytes| bytes == 0)
    }

    /// How many bytes the client has not acknowledged yet; `None` where the kernel does not say.
    pub(crate) fn unacknowledged(&self) -> Option<u64> {
        // The kernel counts the end of the stream as a byte.
        let end = u64::from(self.sending_is_shut);
        kernel::unacknowledged(&self.socket).ok().map(|bytes| bytes.saturating_sub(end))
    }

    /// Makes the close a reset, which throws away what was not sent yet.
    pub(crate) fn reset_on_close(&mut self) -> io::Result<()> {
        socket2::SockRef::from(&*self.socket).set_linger(Some(Duration::ZERO))?;
        self.resets = true;
        Ok(())
    }

    /// Shuts down the sending side, unless it is shut down already.
    pub(crate) fn shutdown_sending(&mut self) -> io::Result<()> {
        if !self.sending_is_shut {
            self.socket.shutdown(std::net::Shutdown::Write)?;
            self.sending_is_shut = true;
        }
        Ok(())
    }

    /// Shuts down both directions, which ends every wait for the client, in any thread.
    pub(crate) fn cut(&self) {
        // This fails if the client is gone; then no wait is left.
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
    }

    /// How many bytes a read of one byte would return now: 0 at the client's end, `None` if nothing has arrived.
    #[cfg(unix)]
    pub(crate) fn peek(&self) -> io::Result<Option<usize>> {
        let mut byte = [MaybeUninit::uninit()];
        let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
        match socket2::SockRef::from(&*self.socket).recv_with_flags(&mut byte, flags) {
            Ok(length) => Ok(Some(length)),
            Err(error) if is_timeout(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Not known here: the caller has to read.
    #[cfg(not(unix))]
    pub(crate) fn peek(&self) -> io::Result<Option<usize>> {
        Ok(Some(1))
    }

    /// Whether the close will be a reset.
    pub(crate) fn resets(&self) -> bool {
        self.resets
    }
}

/// What follows the last bytes of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behind {
    /// The end of the stream, at once.
    End,
    /// Something else, or nothing yet.
    Other,
}

/// Makes the socket block again, also after a panic.
#[derive(Debug)]
pub(crate) struct NonBlocking(Arc<TcpStream>);

impl Drop for NonBlocking {
    fn drop(&mut self) {
        // Fails for no socket that could be set to non-blocking.
        let _ = self.0.set_nonblocking(false);
    }
}

/// Whether accepted sockets inherit the options of the listening socket, which saves two system calls per connection.
pub(crate) const PASSES_ON_OPTIONS: bool = cfg!(target_os = "linux");

/// Sets the options that every connection has.
pub(crate) fn set_options<'s, S>(socket: &'s S) -> io::Result<()>
where
    socket2::SockRef<'s>: From<&'s S>,
{
    let socket = socket2::SockRef::from(socket);
    // Each write becomes a segment of its own: split writes stay split.
    socket.set_tcp_nodelay(true)?;
    socket.set_write_timeout(Some(WRITE_TICK))
}

/// `EAGAIN` on Unix, `WSAETIMEDOUT` on Windows.
pub(crate) fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// Whether a connection is still being made: `EINPROGRESS`, which has no stable name in std.
pub(crate) fn is_in_progress(error: &io::Error) -> bool {
    #[cfg(unix)]
    return error.raw_os_error() == Some(libc::EINPROGRESS);
    #[cfg(not(unix))]
    return error.kind() == io::ErrorKind::WouldBlock;
}

/// Whether an error of a socket says that the client is gone.
pub(crate) fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected)
}

/// Memory for bytes that arrive.
#[derive(Debug, Default)]
pub(crate) struct Buffer(Vec<u8>);

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
    /// Uses this buffer from now on, if there is none so far.
    pub(crate) fn take_buffer(&mut self, Buffer(buffer): Buffer) {
        if self.buffer.is_empty() {
            self.buffer = buffer;
        }
    }

    /// Gives the buffer away for another connection, once everything was taken. A large one is freed.
    pub(crate) fn leave_buffer(&mut self) -> Buffer {
        let Arrived { buffer, .. } = std::mem::take(self);
        Buffer(if buffer.len() == SMALL_BUFFER { buffer } else { Vec::new() })
    }

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

    fn read_from(&mut self, mut stream: &TcpStream) -> io::Result<usize> {
        if self.filled || self.buffer.is_empty() {
            self.grow();
        }
        let room = self.buffer.len() - self.end;
        let at_most = self.at_most.map_or(room, |bytes| usize::try_from(bytes).unwrap_or(room));
        let length = stream.read(&mut self.buffer[self.end..][..at_most.min(room)])?;
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
