//! Reads and writes of one socket: whole writes, deadlines, interrupted calls, and what arrives while we send.
//! It knows no requests and no responses.

use std::io::{self, Read, Write};
#[cfg(unix)]
use std::mem::MaybeUninit;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::journal::prefix::Kept;
use crate::os::kernel::{self, RemoteEnd};
use crate::serving::event::Event;
use crate::serving::user_code::Tap;

/// How long a write may be stuck before we look whether the client is stuck too, with bytes for us.
const WRITE_TICK: Duration = Duration::from_millis(20);

/// A first read is rarely longer than this. It is also what the tutorial's `recv` asks for.
const SMALL_BUFFER: usize = 4096;

/// Where larger reads stopped being faster, for uploads and for files.
pub(crate) const LARGE_BUFFER: usize = 256 * 1024;

#[derive(Debug)]
pub(crate) struct Wire {
    stream: Arc<TcpStream>,
    pub(crate) arrived: Arrived,
    /// What a client sent past the end of its requests.
    pub(crate) trailing: Kept,
    /// What the socket's read timeout is set to.
    read_timeout: Option<Duration>,
    /// Whether the client has shut down its sending side.
    ended: bool,
    sending_is_shut: bool,
    /// Whether the close will throw away what has not left.
    pub(crate) resets: bool,
    /// How much of the connection's next requests may be kept unread while a response leaves; `None` if there is to be no
    /// other request.
    keep_unread: Option<usize>,
    /// Who is told of each byte.
    pub(crate) tap: Option<Tap>,
}

impl Wire {
    /// Keeps the first `retain` trailing bytes. The socket has this read timeout.
    pub(crate) fn new(
        stream: Arc<TcpStream>,
        retain: usize,
        read_timeout: Option<Duration>,
    ) -> Self {
        Wire {
            stream,
            arrived: Arrived::default(),
            trailing: Kept::new(retain),
            read_timeout,
            ended: false,
            sending_is_shut: false,
            resets: false,
            keep_unread: None,
            tap: None,
        }
    }

    /// Waits for bytes, and adds them to [`arrived`](Self::arrived). 0 says that the client will send no more.
    ///
    /// # Errors
    ///
    /// `TimedOut` if nothing came for as long as `timeout`; `None` waits for ever.
    pub(crate) fn receive(&mut self, timeout: Option<Duration>) -> io::Result<usize> {
        self.receive_since(Instant::now(), timeout)
    }

    /// [`receive`](Self::receive), for who knows what time it is.
    pub(crate) fn receive_since(
        &mut self,
        start: Instant,
        timeout: Option<Duration>,
    ) -> io::Result<usize> {
        self.set_read_timeout(timeout)?;
        loop {
            match self.read() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    // A signal does not begin the wait anew.
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
                Ok(0) => {
                    self.ended = true;
                    return Ok(0);
                }
                result => return result,
            }
        }
    }

    fn read(&mut self) -> io::Result<usize> {
        let length = self.arrived.read_from(&self.stream)?;
        if let Some(tap) = self.tap.as_ref().filter(|_| length > 0) {
            let unread = self.arrived.unread();
            tap.tell(|client| Event::Received(client, &unread[unread.len() - length..]));
        }
        Ok(length)
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        if self.read_timeout != timeout {
            // Zero would mean "for ever".
            let at_least = timeout.map(|timeout| timeout.max(Duration::from_micros(1)));
            self.stream.set_read_timeout(at_least)?;
            self.read_timeout = timeout;
        }
        Ok(())
    }

    /// Sends all of `bytes`, and counts in `sent` what the kernel took. While the client takes nothing, what it sends
    /// is received as trailing bytes: it may be unable to read before it has been read from.
    ///
    /// `waiting` is called when the client makes us wait; it says whether what the client sends counts as progress.
    ///
    /// # Errors
    ///
    /// `TimedOut` if the client took nothing, and sent nothing that counts, for as long as `timeout`.
    pub(crate) fn send(
        &mut self,
        bytes: &[u8],
        sent: &mut u64,
        timeout: Option<Duration>,
        waiting: &dyn Fn() -> bool,
    ) -> io::Result<()> {
        self.send_with(bytes, None, sent, timeout, waiting)
    }

    /// [`send`](Self::send) for the last bytes of a response: `last` is told before each write that may be the last one, and
    /// none of those waits.
    pub(crate) fn send_last(
        &mut self,
        bytes: &[u8],
        last: &Last<'_>,
        sent: &mut u64,
        timeout: Option<Duration>,
        waiting: &dyn Fn() -> bool,
    ) -> io::Result<()> {
        self.send_with(bytes, Some(last), sent, timeout, waiting)
    }

    fn send_with(
        &mut self,
        mut bytes: &[u8],
        last: Option<&Last<'_>>,
        sent: &mut u64,
        timeout: Option<Duration>,
        waiting: &dyn Fn() -> bool,
    ) -> io::Result<()> {
        let mut stuck_since: Option<Instant> = None;
        while !bytes.is_empty() {
            let written = match last {
                None => (&*self.stream).write(bytes),
                Some(last) => {
                    (last.about_to_write)();
                    self.write_last(bytes, last.behind)
                }
            };
            match written {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(taken) => {
                    *sent += taken as u64;
                    let is_all = taken == bytes.len();
                    if is_all && last.is_some_and(|last| last.behind == Behind::End) {
                        // Where this fails so does the next attempt, which is the close's: the client is gone.
                        let _ = self.shutdown_sending();
                    }
                    if let Some(tap) = &self.tap {
                        tap.tell(|client| Event::Sent(client, &bytes[..taken]));
                    }
                    bytes = &bytes[taken..];
                    stuck_since = None;
                    // The kernel takes all, unless it has waited for as long as it may.
                    if !is_all {
                        waiting();
                    }
                }
                // A signal counts as stuck, or a stream of them would keep us from looking.
                Err(error) if is_timeout(&error) || error.kind() == io::ErrorKind::Interrupted => {
                    let counts = waiting();
                    if last.is_some() && kernel::await_room(&self.stream, WRITE_TICK)? {
                        continue;
                    }
                    let since = *stuck_since.get_or_insert_with(Instant::now);
                    if self.receive_what_is_there()? && counts {
                        stuck_since = None;
                    } else if timeout.is_some_and(|timeout| since.elapsed() >= timeout) {
                        return Err(io::Error::new(
                            io::ErrorKind::TimedOut,
                            format!(
                                "the client acknowledged nothing for {:?}",
                                timeout.unwrap_or_default()
                            ),
                        ));
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes what there is room for. Our end leaves in the same segment, where the system can do that: it is less work for
    /// both sides, and the client is woken once.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn write_last(&self, bytes: &[u8], behind: Behind) -> io::Result<usize> {
        // What is less than a segment waits for our end, which follows at once: send(2), MSG_MORE.
        let more = if behind == Behind::End { libc::MSG_MORE } else { 0 };
        let flags = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT | more;
        socket2::SockRef::from(&*self.stream).send_with_flags(bytes, flags)
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn write_last(&self, bytes: &[u8], _: Behind) -> io::Result<usize> {
        (&*self.stream).write(bytes)
    }

    /// What arrives while a response leaves is of the next requests, up to this many bytes: a client may pipeline. `None`:
    /// it will be part of no request.
    pub(crate) fn keep_unread(&mut self, bytes: Option<usize>) {
        self.keep_unread = bytes;
    }

    /// Whatever is unread will be part of no request.
    pub(crate) fn take_trailing(&mut self) {
        self.trailing.take(self.arrived.unread());
        self.arrived.consume(self.arrived.unread().len());
    }

    /// Waits for the client's end without reading anything, for at most `timeout`; how it ended, if it did.
    pub(crate) fn await_end(&self, timeout: Duration) -> io::Result<Option<RemoteEnd>> {
        kernel::await_end(&self.stream, timeout)
    }

    /// Whether everything has left for the client, our end included, where the kernel tells. The kernel sees to the rest, also
    /// after we have closed; and a client that does not read at once may acknowledge it only 40 ms later.
    pub(crate) fn has_left(&self) -> bool {
        kernel::unsent(&self.stream).is_ok_and(|bytes| bytes == 0)
    }

    /// How many bytes the client has not acknowledged yet, where the kernel tells.
    pub(crate) fn unacknowledged(&self) -> Option<u64> {
        // The kernel counts our end as a byte.
        let end = u64::from(self.sending_is_shut);
        kernel::unacknowledged(&self.stream).ok().map(|bytes| bytes.saturating_sub(end))
    }

    /// Makes the kernel answer the close with a reset, and throw away what has not left.
    pub(crate) fn reset_on_close(&mut self) -> io::Result<()> {
        socket2::SockRef::from(&*self.stream).set_linger(Some(Duration::ZERO))?;
        self.resets = true;
        Ok(())
    }

    /// Tells the client that no more will come, unless it has been told.
    pub(crate) fn shutdown_sending(&mut self) -> io::Result<()> {
        if !self.sending_is_shut {
            self.stream.shutdown(std::net::Shutdown::Write)?;
            self.sending_is_shut = true;
        }
        Ok(())
    }

    /// Ends both directions: whoever waits for the client, in whichever thread, need not any more.
    pub(crate) fn cut(&self) {
        // Where this fails the client is gone.
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }

    /// What a read would meet, without reading it: 0 for the client's end, `None` for nothing so far.
    #[cfg(unix)]
    pub(crate) fn peek(&self) -> io::Result<Option<usize>> {
        let mut byte = [MaybeUninit::uninit()];
        let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
        match socket2::SockRef::from(&*self.stream).recv_with_flags(&mut byte, flags) {
            Ok(length) => Ok(Some(length)),
            Err(error) if is_timeout(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whoever asks is told to read.
    #[cfg(not(unix))]
    pub(crate) fn peek(&self) -> io::Result<Option<usize>> {
        Ok(Some(1))
    }

    /// Receives, without waiting, what is there: trailing bytes, or the next requests. Whether something came.
    pub(crate) fn receive_what_is_there(&mut self) -> io::Result<bool> {
        let mut some = false;
        if self.ended {
            return Ok(some);
        }
        let stream = Arc::clone(&self.stream);
        stream.set_nonblocking(true)?;
        let _blocks_again = BlocksAgain(&stream);
        loop {
            match self.keep_unread {
                None => self.take_trailing(),
                // The client waits until it has taken more of its response.
                Some(limit) if self.arrived.unread().len() >= limit => return Ok(some),
                Some(_) => {}
            }
            match self.read() {
                Ok(0) => {
                    self.ended = true;
                    return Ok(some);
                }
                Ok(_) => some = true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(some),
                Err(error) => return Err(error),
            }
        }
    }
}

/// The last bytes of a response.
pub(crate) struct Last<'a> {
    pub(crate) behind: Behind,
    pub(crate) about_to_write: &'a dyn Fn(),
}

/// What comes behind the last bytes of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behind {
    /// Our end, at once.
    End,
    /// Whatever it is, not now.
    Other,
}

/// Also if who is told of the bytes panics.
struct BlocksAgain<'s>(&'s TcpStream);

impl Drop for BlocksAgain<'_> {
    fn drop(&mut self) {
        // Fails for no socket that could be set to non-blocking.
        let _ = self.0.set_nonblocking(false);
    }
}

/// Whether an accepted socket has the options that the listening one had: two calls less for each connection.
pub(crate) const PASSES_ON_OPTIONS: bool = cfg!(target_os = "linux");

/// What a socket is to have.
pub(crate) fn set_options<'s, S>(socket: &'s S) -> io::Result<()>
where
    socket2::SockRef<'s>: From<&'s S>,
{
    let socket = socket2::SockRef::from(socket);
    // Split writes are to leave split.
    socket.set_tcp_nodelay(true)?;
    socket.set_write_timeout(Some(WRITE_TICK))
}

/// `EAGAIN` on Unix, `WSAETIMEDOUT` on Windows.
pub(crate) fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// A connection that is being made: `EINPROGRESS`, which std has no stable name for.
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

/// Room for what arrives.
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
    /// The next read takes no more: what is not of a request stays with the kernel, and makes its close a reset.
    at_most: Option<u64>,
}

impl Arrived {
    /// Has room in this buffer from now on, if it has none so far.
    pub(crate) fn take_buffer(&mut self, Buffer(buffer): Buffer) {
        if self.buffer.is_empty() {
            self.buffer = buffer;
        }
    }

    /// A buffer for another connection, once everything has been taken. A large one is not passed on.
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

    /// Sees to it that one read can return this many bytes.
    pub(crate) fn make_room(&mut self, length: usize) {
        if self.buffer.len() - self.end < length {
            self.buffer.resize(self.end + length, 0);
        }
    }

    /// Limits the next read that returns. `None` is no limit.
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

    /// The last read took all the room: the client has much to send.
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
