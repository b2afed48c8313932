//! A response on its way out: how far it came, and when its next bytes are due. The writes are in `send`.

use std::fmt;
use std::io;
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::failure::{Failure, Fault};
use super::receiving::Pending;
use super::stuck::Stuck;
use crate::http1::persistence::Persistence;
use crate::http1::response::Asked;
use crate::journal::count;
use crate::journal::exchange::Exchange;
use crate::os::deadline::later;
use crate::os::wire::Next;
use crate::response::ending::Ending;
use crate::response::pace::Pace;
use crate::response::parts::{Chunk, Part, Parts};
use crate::response::secure::OverTls;
use crate::response::steps::Scripted;

/// A response on its way out.
pub(super) struct Sending {
    pub(super) pending: Option<Pending>,
    pub(super) exchange: u64,
    pub(super) parts: Vec<Part>,
    /// The part that is being sent, and how far it came.
    pub(super) index: usize,
    pub(super) at: usize,
    /// The last part that does something.
    pub(super) last: Option<usize>,
    pub(super) chunk: Chunk,
    pub(super) pace: Pace,
    pub(super) cut: Option<u64>,
    /// How many bytes of ciphertext had left before it; `None` until that is looked at.
    pub(super) ciphertext_before: Option<u64>,
    pub(super) ending: Ending,
    pub(super) over_tls: Option<Box<OverTls>>,
    pub(super) offered: Option<u64>,
    pub(super) seeds: Vec<u64>,
    pub(super) scripted: Scripted,
    pub(super) sent: u64,
    pub(super) first_bytes: FirstBytes,
    /// Whether the first part with bytes was reached.
    pub(super) has_begun: bool,
    /// Where the piece ends that is being sent, and when the next one is due.
    pub(super) piece_end: u64,
    pub(super) due: Option<Instant>,
    /// When the first byte left.
    pub(super) start: Option<Instant>,
    /// Since when the client has taken nothing.
    pub(super) stuck: Stuck,
    /// When it reached the gate that it waits at.
    pub(super) at_gate_since: Option<Instant>,
    pub(super) persistence: Option<Persistence>,
    /// Whether the exchange is counted among those that have ended.
    pub(super) is_counted: bool,
    /// The exchange, once the last byte has left, and what has failed in it, if that is not in the ledger yet.
    pub(super) exchange_entered: Option<(Exchange, Option<Fault>)>,
    /// Whether its pauses are counted in the time that the server has to finish.
    pub(super) has_extended: bool,
}

/// As much of an answer arrives at its client, whatever a naive server does after it.
const AT_ONCE: u64 = 128 << 10;

impl Sending {
    /// Pauses of a response that begins when the server finishes already get no extra time.
    pub(super) fn new(
        parts: Parts,
        pending: Pending,
        exchange: u64,
        retain: usize,
        is_finishing: bool,
    ) -> Self {
        let Parts { steps: parts, pace, cut, ending, over_tls, offered, seeds, scripted } = parts;
        let last = parts.iter().rposition(Part::is_something);
        let persistence = matches!(ending, Ending::KeepAlive).then(|| {
            let request = &pending.request;
            Persistence::after(request.plain_head(), Asked::by(request.method()))
        });
        let first_bytes = FirstBytes::of(&parts, retain);
        Sending {
            pending: Some(pending),
            exchange,
            parts,
            index: 0,
            at: 0,
            last,
            chunk: Chunk::default(),
            pace,
            cut,
            ciphertext_before: None,
            ending,
            over_tls,
            offered,
            seeds,
            scripted,
            sent: 0,
            first_bytes,
            has_begun: false,
            piece_end: 0,
            due: None,
            start: None,
            stuck: Stuck::default(),
            at_gate_since: None,
            persistence,
            is_counted: false,
            exchange_entered: None,
            has_extended: is_finishing,
        }
    }

    pub(super) fn is_cut(&self) -> bool {
        self.cut.is_some_and(|cut| self.sent >= cut)
    }

    /// Why a response that was sent is not what was asked for: its cut is beyond its end.
    pub(super) fn failure_of_cut(&self) -> Option<Failure> {
        let cut = self.cut.filter(|&cut| cut > self.sent)?;
        let sent = count::bytes(self.sent);
        let text = format!("the response was to be cut after byte {cut}, and has only {sent}");
        Some(Failure::Respond(io::Error::new(io::ErrorKind::InvalidInput, text)))
    }

    /// Why the exchange fails, if its conversation expected another request.
    pub(super) fn failure_of_script(&self) -> Option<Failure> {
        let Scripted::Mismatch(text) = &self.scripted else { return None };
        Some(Failure::Respond(io::Error::new(io::ErrorKind::InvalidData, text.to_string())))
    }

    /// The failure of a request that was cut short, in the words of its conversation.
    pub(super) fn explained_by_script(&self, failure: Failure) -> Failure {
        let Scripted::CutShort(text) = &self.scripted else { return failure };
        Failure::Receive(io::Error::new(io::ErrorKind::UnexpectedEof, text.to_string()))
    }

    pub(super) fn goes_on(&self) -> bool {
        matches!(self.ending, Ending::KeepOpen | Ending::Then(_) | Ending::KeepAlive)
            || self.begins_tls()
    }

    /// At most this many bytes of ciphertext are sent.
    pub(super) fn cut_ciphertext(&self) -> Option<u64> {
        self.over_tls.as_ref()?.cut
    }

    /// Whether the connection has a handshake after it.
    pub(super) fn begins_tls(&self) -> bool {
        self.cut.is_none()
            && self.over_tls.as_ref().is_some_and(|tls| tls.cut.is_none() && tls.begins.is_some())
            && matches!(
                self.ending,
                Ending::Close | Ending::KeepOpen | Ending::Then(_) | Ending::KeepAlive
            )
    }

    /// Why a response that was sent is not what was asked for: its cut is beyond the end of its ciphertext.
    pub(super) fn failure_of_ciphertext_cut(&self, ciphertext_sent: u64) -> Option<Failure> {
        let sent = ciphertext_sent - self.ciphertext_before?;
        let cut = self.cut_ciphertext().filter(|&cut| cut > sent)?;
        let sent = count::bytes(sent);
        let text = format!(
            "the response was to be cut after byte {cut} of its ciphertext, and has only {sent}"
        );
        Some(Failure::Respond(io::Error::new(io::ErrorKind::InvalidInput, text)))
    }

    /// What follows the last `length` bytes.
    pub(super) fn next(&self, length: usize) -> Next {
        match self.ending {
            // The cut counts records, and the end would be announced in another one.
            _ if self.cut_ciphertext().is_some() || self.begins_tls() => Next::Other,
            Ending::Close | Ending::HalfClose => Next::End,
            // The close of a naive server comes within a microsecond, ours has the journal to write first, in which time a quick client
            // might read the rest. So the last segment waits for it: if the close is a reset, it is lost.
            Ending::CloseAtOnce if self.sent + length as u64 > AT_ONCE => Next::Close,
            _ => Next::Other,
        }
    }

    pub(super) fn next_part(&mut self) {
        self.index += 1;
        self.at = 0;
        self.chunk = Chunk::default();
    }

    /// How much longer its pauses take, apart from the client.
    pub(super) fn pauses_left(&self) -> Duration {
        const COUNTED: u64 = 4096;
        let mut pauses =
            self.due.map_or(Duration::ZERO, |due| due.saturating_duration_since(Instant::now()));
        for (index, part) in self.parts.iter().enumerate().skip(self.index + 1) {
            if let Part::Pause(delay) = part {
                pauses = pauses.saturating_add(delay.at(self.exchange, u64::MAX - index as u64));
            }
        }
        let bytes = self.offered.unwrap_or(self.sent).saturating_sub(self.sent);
        if let Some(rate) = self.pace.bytes_per_second {
            let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(rate.get());
            let nanos = u64::try_from(nanos).unwrap_or(u64::MAX);
            pauses = pauses.saturating_add(Duration::from_nanos(nanos));
        }
        if let Some(size) = self.pace.piece_size(self.sent) {
            let pieces = bytes.div_ceil(size);
            let of_pieces = (0..pieces.min(COUNTED))
                .map(|piece| self.pace.pause(self.exchange, self.piece_end + piece * size))
                .fold(Duration::ZERO, Duration::saturating_add);
            pauses = pauses.saturating_add(
                of_pieces
                    .saturating_mul(u32::try_from(pieces.div_ceil(COUNTED)).unwrap_or(u32::MAX)),
            );
        }
        pauses
    }

    /// When the next write is due, if not now.
    pub(super) fn keep_pace(&mut self) -> Option<Instant> {
        if self.pace.pieces.is_none() && self.pace.bytes_per_second.is_none() {
            self.piece_end = u64::MAX;
            return None;
        }
        let now = Instant::now();
        let start = *self.start.get_or_insert(now);
        let due = *self.due.get_or_insert_with(|| {
            if self.sent == 0 {
                return now;
            }
            let pause = self.pace.pause(self.exchange, self.sent);
            let by_rate = self.pace.bytes_per_second.map_or(Duration::ZERO, |rate| {
                let nanos = u128::from(self.sent) * 1_000_000_000 / u128::from(rate.get());
                Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
            });
            later(now, pause).max(later(start, by_rate))
        });
        if due > now {
            return Some(due);
        }
        self.due = None;
        let largest = self.pace.largest_write(self.sent);
        self.piece_end = self.sent.saturating_add(largest as u64);
        None
    }
}

/// The first bytes of a response, for the journal.
pub(super) enum FirstBytes {
    /// A response that is one piece in memory.
    Shared(Arc<[u8]>),
    Kept {
        bytes: Vec<u8>,
        most: usize,
    },
}

impl FirstBytes {
    /// Those of these parts: at most so many, if they cannot be shared.
    fn of(parts: &[Part], most: usize) -> Self {
        let mut sending = parts.iter().filter(|part| part.length() != Some(0));
        match (sending.next(), sending.next()) {
            (Some(Part::Bytes(bytes)), None) => FirstBytes::Shared(Arc::clone(bytes)),
            _ => FirstBytes::Kept { bytes: Vec::new(), most },
        }
    }

    /// These bytes were sent next.
    pub(super) fn keep(&mut self, bytes: &[u8]) {
        if let FirstBytes::Kept { bytes: kept, most } = self {
            let room = *most - kept.len();
            kept.extend_from_slice(&bytes[..room.min(bytes.len())]);
        }
    }

    pub(super) fn take(&mut self) -> Option<Arc<[u8]>> {
        match mem::replace(self, FirstBytes::Kept { bytes: Vec::new(), most: 0 }) {
            FirstBytes::Shared(bytes) => Some(bytes),
            FirstBytes::Kept { bytes, .. } => (!bytes.is_empty()).then(|| bytes.into()),
        }
    }
}

impl fmt::Debug for Sending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sending").field("sent", &self.sent).finish_non_exhaustive()
    }
}
