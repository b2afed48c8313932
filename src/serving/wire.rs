//! The stream of a connection that is being served: reports each byte to the observer, keeps trailing bytes, and sends until all bytes
//! are written. Single reads and writes are in `os::stream`.

use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::event::Event;
use super::user_code::Tap;
use crate::journal::prefix::Prefix;
use crate::os::stream::{self, Behind, Stream};

#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) stream: Stream,
    /// What a client sent past the end of its requests.
    pub(crate) trailing: Prefix,
    /// How much of the connection's next requests may be kept unread while a response leaves; `None` if there is to be no
    /// other request.
    keep_unread: Option<usize>,
    /// Who is told of each byte.
    pub(crate) tap: Option<Tap>,
}

impl Wire {
    /// Keeps the first `retain` trailing bytes. The socket has this read timeout.
    pub(crate) fn new(
        socket: Arc<TcpStream>,
        retain: usize,
        read_timeout: Option<Duration>,
    ) -> Self {
        Wire {
            stream: Stream::new(socket, read_timeout),
            trailing: Prefix::new(retain),
            keep_unread: None,
            tap: None,
        }
    }

    /// [`Stream::receive`].
    pub(crate) fn receive(&mut self, timeout: Option<Duration>) -> io::Result<usize> {
        self.receive_since(Instant::now(), timeout)
    }

    /// [`Stream::receive_since`].
    pub(crate) fn receive_since(
        &mut self,
        start: Instant,
        timeout: Option<Duration>,
    ) -> io::Result<usize> {
        let length = self.stream.receive_since(start, timeout)?;
        self.report_received(length);
        Ok(length)
    }

    fn report_received(&self, length: usize) {
        if let Some(tap) = self.tap.as_ref().filter(|_| length > 0) {
            let unread = self.stream.arrived.unread();
            tap.tell(|client| Event::Received { client, bytes: &unread[unread.len() - length..] });
        }
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
                None => self.stream.write(bytes),
                Some(last) => {
                    (last.about_to_write)();
                    self.stream.write_last(bytes, last.behind)
                }
            };
            match written {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(taken) => {
                    *sent += taken as u64;
                    let is_all = taken == bytes.len();
                    if is_all && last.is_some_and(|last| last.behind == Behind::End) {
                        // Where this fails so does the next attempt, which is the close's: the client is gone.
                        let _ = self.stream.shutdown_sending();
                    }
                    if let Some(tap) = &self.tap {
                        tap.tell(|client| Event::Sent { client, bytes: &bytes[..taken] });
                    }
                    bytes = &bytes[taken..];
                    stuck_since = None;
                    // The kernel takes all, unless it has waited for as long as it may.
                    if !is_all {
                        waiting();
                    }
                }
                // A signal counts as stuck, or a stream of them would keep us from looking.
                Err(error)
                    if stream::is_timeout(&error) || error.kind() == io::ErrorKind::Interrupted =>
                {
                    let counts = waiting();
                    if last.is_some() && self.stream.await_room()? {
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

    /// What arrives while a response leaves is of the next requests, up to this many bytes: a client may pipeline. `None`:
    /// it will be part of no request.
    pub(crate) fn keep_unread(&mut self, bytes: Option<usize>) {
        self.keep_unread = bytes;
    }

    /// Whatever is unread will be part of no request.
    pub(crate) fn take_trailing(&mut self) {
        self.trailing.take(self.stream.arrived.unread());
        self.stream.arrived.consume(self.stream.arrived.unread().len());
    }

    /// Receives, without waiting, what is there: trailing bytes, or the next requests. Whether something came.
    pub(crate) fn receive_what_is_there(&mut self) -> io::Result<bool> {
        let mut some = false;
        if self.stream.has_ended() {
            return Ok(some);
        }
        let _non_blocking = self.stream.non_blocking()?;
        loop {
            match self.keep_unread {
                None => self.take_trailing(),
                // The client waits until it has taken more of its response.
                Some(limit) if self.stream.arrived.unread().len() >= limit => return Ok(some),
                Some(_) => {}
            }
            match self.stream.read() {
                Ok(0) => return Ok(some),
                Ok(length) => {
                    some = true;
                    self.report_received(length);
                }
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
