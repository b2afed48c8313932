//! How the journal, its connections and its exchanges print: line by line, escaped, with line ends visible.

use std::fmt;

use super::client::ClientEnd;
use super::count;
use super::exchange::Exchange;
use super::record::{ConnectionRecord, Journal};
use crate::os::stream::Close;

impl fmt::Display for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.has_old_port && !f.alternate() {
            writeln!(
                f,
                "note: all ports were used, so this is the port of an earlier peer of this process, which a client may know"
            )?;
        }
        if self.connections.is_empty() {
            return f.write_str("no connection\n");
        }
        self.connections.iter().try_for_each(|connection| connection.fmt(f))
    }
}

impl fmt::Display for ConnectionRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connection {}", self.client.connection)?;
        if !f.alternate() {
            write!(f, " from {}, ", self.client.addr)?;
            self.write_end(f)?;
        }
        writeln!(f)?;
        if let Some(handshake) = self.live.handshake.get() {
            write!(f, "  {}", handshake.session)?;
            if let Some(failure) = &handshake.failure {
                write!(f, ": handshake failed: {failure}")?;
            }
            writeln!(f)?;
        }
        if self.is_silent() {
            writeln!(f, "  no byte")?;
        }
        self.exchanges.iter().try_for_each(|exchange| exchange.fmt(f))?;
        if let Some(length) = self.answering() {
            let length = count::bytes(length);
            writeln!(f, "  a request of {length} is being answered")?;
        }
        if self.unfinished() > 0 {
            let so_far = count::bytes(self.unfinished());
            writeln!(f, "  {so_far} of a request that is not complete")?;
        }
        if let (Some(alert), None) = (self.alert(), self.handshake_failure()) {
            writeln!(f, "  the client sent the alert {alert}")?;
        }
        if self.trailing_len() > 0 {
            let trailing = count::bytes(self.trailing_len());
            writeln!(f, "  {trailing} after the last request")?;
            write_lines(f, '>', self.trailing(), self.trailing_len())?;
        }
        Ok(())
    }
}

impl ConnectionRecord {
    /// How it ended, and when.
    fn write_end(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(end) = self.live.end.get() else { return f.write_str("open") };
        f.write_str(match (end.client, end.close) {
            (ClientEnd::Closed, _) => "closed by the client",
            (ClientEnd::Reset, _) => "reset by the client",
            (ClientEnd::ClosedByUs, Close::Reset) => "reset by the peer",
            (ClientEnd::ClosedByUs, Close::InOrder) => {
                "closed by the peer while the client was still connected"
            }
            (ClientEnd::ClosedByUs, Close::NoReset) => {
                "closed by the peer instead of a reset, which a Unix socket has only with bytes of the client unread,"
            }
            (ClientEnd::StillOpen, _) => "open",
        })?;
        self.exchanges.last().map_or(Ok(()), |last| write_progress(f, last))?;
        write!(f, " at {:.2?}", end.at.saturating_duration_since(self.accepted_at()))
    }
}

impl fmt::Display for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let request = self.request();
        let number = self.client().exchange();
        let (length, end) = (count::bytes(request.len()), request.end());
        write!(f, "  exchange {number}: {length} of request, {end}; ")?;
        if self.knows_offered() {
            write!(f, "{} of ", self.sent())?;
        }
        writeln!(f, "{} of response", count::bytes(self.offered()))?;
        if let Some(hello) = request.client_hello() {
            writeln!(f, "    {hello}")?;
        }
        write_lines(f, '>', request.bytes(), request.len())?;
        let sent = self.sent_bytes();
        write_lines(f, '<', &sent[..sent.len().min(SHOWN)], self.sent())?;
        for seed in self.seeds() {
            writeln!(f, "    note: delays were drawn from seed {seed}")?;
        }
        if let Some(problem) = request.problem() {
            writeln!(f, "    note: {problem}")?;
        }
        if let Some(failure) = self.failure() {
            // A failure that compares has a line for each side.
            writeln!(f, "    failed: {}", failure.replace('\n', "\n    "))?;
        }
        Ok(())
    }
}

/// After which byte a client left that did not receive everything.
fn write_progress(f: &mut fmt::Formatter<'_>, exchange: &Exchange) -> fmt::Result {
    let all = exchange.offered();
    match exchange.acknowledged() {
        Some(bytes) if bytes < all => write!(f, " after byte {bytes} of {all}"),
        _ => Ok(()),
    }
}

/// How many bytes of a response are shown.
const SHOWN: usize = 1024;

/// One line of text for each line of bytes, escaped, its line end visible, after the mark of its direction.
fn write_lines(f: &mut fmt::Formatter<'_>, mark: char, bytes: &[u8], len: u64) -> fmt::Result {
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        writeln!(f, "    {mark} {}", line.escape_ascii())?;
    }
    let more = len - bytes.len() as u64;
    if more > 0 {
        writeln!(f, "    {mark} … and {} more", count::bytes(more))?;
    }
    Ok(())
}
