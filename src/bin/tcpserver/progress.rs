//! How far transfers are that take longer than a second, as one line. Only where somebody looks at a terminal.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use fake_peer::{Client, Event};

use crate::console::Console;

/// What takes longer is shown.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often it is shown.
const TICK: Duration = Duration::from_millis(200);

/// The transfers at the moment. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress {
    transfers: Arc<Mutex<HashMap<u64, Transfer>>>,
}

#[derive(Debug, Clone, Copy)]
struct Transfer {
    direction: Direction,
    since: Instant,
    bytes: u64,
    /// How many there will be, where that is known.
    total: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Receiving,
    Sending,
}

impl Progress {
    /// Shows the line from now on, in a thread of its own, until the program ends.
    pub(crate) fn show_on(&self, console: &Arc<Console>) {
        let (progress, console) = (self.clone(), Arc::clone(console));
        let show = move || {
            let mut is_shown = false;
            loop {
                thread::sleep(TICK);
                let line = progress.line();
                if line.is_some() || is_shown {
                    is_shown = line.is_some();
                    console.progress(line.as_deref());
                }
            }
        };
        // Without a thread nothing is shown, and all else works.
        let _ = thread::Builder::new().name("progress".into()).spawn(show);
    }

    pub(crate) fn tell(&self, event: &Event<'_>) {
        match *event {
            Event::Received { client, bytes, .. } => self.add(client, Direction::Receiving, bytes),
            Event::Responding { client, offered: total, .. } => {
                let transfer = Transfer { total, ..Transfer::new(Direction::Sending) };
                self.transfers().insert(client.connection(), transfer);
            }
            Event::Sent { client, bytes, .. } => self.add(client, Direction::Sending, bytes),
            Event::Silent { client, .. }
            | Event::Ending { client, .. }
            | Event::Closed { client, .. } => {
                self.transfers().remove(&client.connection());
            }
            Event::Served { exchange, .. } => {
                self.transfers().remove(&exchange.client().connection());
            }
            _ => {}
        }
    }

    fn add(&self, client: &Client, direction: Direction, bytes: &[u8]) {
        let mut transfers = self.transfers();
        let transfer =
            transfers.entry(client.connection()).or_insert_with(|| Transfer::new(direction));
        // What a client sends while it is being answered is no transfer of its own.
        if transfer.direction == direction {
            transfer.bytes += bytes.len() as u64;
        }
    }

    fn line(&self) -> Option<String> {
        let transfers = self.transfers();
        let mut long = transfers.values().filter(|transfer| transfer.since.elapsed() > PATIENCE);
        let first = *long.next()?;
        let (others, bytes) = long.fold((0, first.bytes), |(others, bytes), transfer| {
            (others + 1, bytes + transfer.bytes)
        });
        Some(if others == 0 {
            first.to_string()
        } else {
            format!("{} transfers, {}", others + 1, Bytes(bytes))
        })
    }

    fn transfers(&self) -> MutexGuard<'_, HashMap<u64, Transfer>> {
        self.transfers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Transfer {
    fn new(direction: Direction) -> Self {
        Transfer { direction, since: Instant::now(), bytes: 0, total: None }
    }
}

/// `sending 12.0 MiB of 100.0 MiB (12 %), 4.0 MiB/s`: less than a terminal is wide.
impl fmt::Display for Transfer {
    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss)] // for the eye
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.direction {
            Direction::Receiving => "receiving",
            Direction::Sending => "sending",
        })?;
        write!(f, " {}", Bytes(self.bytes))?;
        if let Some(total) = self.total.filter(|&total| total > 0) {
            let percent = u128::from(self.bytes) * 100 / u128::from(total);
            write!(f, " of {} ({percent} %)", Bytes(total))?;
        }
        let rate = self.bytes as f64 / self.since.elapsed().as_secs_f64();
        write!(f, ", {}/s", Bytes(rate as u64))
    }
}

struct Bytes(u64);

impl fmt::Display for Bytes {
    #[allow(clippy::cast_precision_loss)] // for the eye
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0 as f64;
        match self.0 {
            0..1024 => write!(f, "{} B", self.0),
            1024..0x10_0000 => write!(f, "{:.1} KiB", bytes / 1024.0),
            0x10_0000..0x4000_0000 => write!(f, "{:.1} MiB", bytes / 1024.0 / 1024.0),
            _ => write!(f, "{:.1} GiB", bytes / 1024.0 / 1024.0 / 1024.0),
        }
    }
}
