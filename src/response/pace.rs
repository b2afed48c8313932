//! How fast, and in which pieces, the bytes of a response are sent.

use std::num::{NonZeroU64, NonZeroUsize};
use std::time::Duration;

use super::delay::Delay;

/// How the bytes of a response are sent.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pace {
    pub(crate) pieces: Option<Pieces>,
    pub(crate) bytes_per_second: Option<NonZeroU64>,
}

/// The pieces in which a response is sent, and the pause between two of them.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pieces {
    Of { size: NonZeroUsize, pause: Delay },
    SplitAt { byte: u64, pause: Delay },
}

impl Pace {
    /// Whether everything is sent as fast as possible.
    pub(super) fn is_default(&self) -> bool {
        self.pieces.is_none() && self.bytes_per_second.is_none()
    }

    pub(crate) fn delay(&self) -> Option<Delay> {
        self.pieces.map(|(Pieces::Of { pause, .. } | Pieces::SplitAt { pause, .. })| pause)
    }

    /// The largest write after `sent` bytes.
    pub(crate) fn largest_write(&self, sent: u64) -> usize {
        let piece = match self.pieces {
            Some(Pieces::Of { size, .. }) => size.get(),
            Some(Pieces::SplitAt { byte, .. }) if sent < byte => {
                usize::try_from(byte - sent).unwrap_or(usize::MAX)
            }
            _ => usize::MAX,
        };
        self.bytes_per_second.map_or(piece, |rate| {
            // Twenty writes per second look smooth.
            piece.min(usize::try_from(rate.get() / 20).unwrap_or(usize::MAX).max(1))
        })
    }

    /// The size of the pieces after `sent` bytes, if there are pieces.
    pub(crate) fn piece_size(&self, sent: u64) -> Option<u64> {
        self.pieces.map(|_| self.largest_write(sent) as u64)
    }

    /// How long the pieces pause after `sent` bytes.
    pub(crate) fn pause(&self, exchange: u64, sent: u64) -> Duration {
        match self.pieces {
            Some(Pieces::Of { pause, .. }) => pause.at(exchange, sent),
            Some(Pieces::SplitAt { byte, pause }) if byte == sent => pause.at(exchange, sent),
            _ => Duration::ZERO,
        }
    }
}
