//! The progress of transfers that take longer than a second, as one line on a terminal.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::console::Console;
use crate::os::lock::lock;
use crate::serving::event::Event;

/// Transfers that take longer are shown.
const PATIENCE: Duration = Duration::from_secs(1);

const RECEIVING: &str = "receiving";
const SENDING: &str = "sending";

/// How often the line is written anew.
const TICK: Duration = Duration::from_millis(200);

/// The transfers at the moment, by the number of their connection. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Progress {
    transfers: Arc<Mutex<HashMap<u64, Transfer>>>,
}

#[derive(Debug, Clone, Copy)]
struct Transfer {
    doing: &'static str,
    since: Instant,
    bytes: u64,
    /// How many there will be, where that is known.
    total: Option<u64>,
}

impl Progress {
    /// Shows the line from now on, in a thread of its own, until the program ends.
    pub(super) fn shown_on(console: &Arc<Console>) -> Self {
        let progress = Progress::default();
        let (shown, console) = (progress.clone(), Arc::clone(console));
        let show = move || {
            let mut is_shown = false;
            loop {
                thread::sleep(TICK);
                let line = shown.line();
                if line.is_some() || is_shown {
                    is_shown = line.is_some();
                    console.progress(line.as_deref());
                }
            }
        };
        // Without a thread nothing is shown, and all else works.
        let _ = thread::Builder::new().name("progress".into()).spawn(show);
        progress
    }

    pub(super) fn record(&self, event: &Event<'_>) {
        let mut transfers = lock(&self.transfers);
        let new = |doing, total| Transfer { doing, since: Instant::now(), bytes: 0, total };
        let (client, doing, bytes) = match *event {
            Event::Received { client, bytes } => (client, RECEIVING, bytes),
            Event::Sent { client, bytes } => (client, SENDING, bytes),
            Event::Responding { client, offered } => {
                transfers.insert(client.connection(), new(SENDING, offered));
                return;
            }
            Event::Silent { client, .. }
            | Event::Ending { client, .. }
            | Event::Closed { client, .. } => {
                transfers.remove(&client.connection());
                return;
            }
            Event::Served { exchange } => {
                transfers.remove(&exchange.client().connection());
                return;
            }
            _ => return,
        };
        let transfer = transfers.entry(client.connection()).or_insert_with(|| new(doing, None));
        // What a client sends while it is being answered is no transfer of its own.
        if transfer.doing == doing {
            transfer.bytes += bytes.len() as u64;
        }
    }

    /// `sending 12.0 MiB of 100.0 MiB (12 %), 4.0 MiB/s`: less than a terminal is wide.
    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss)] // for the eye
    fn line(&self) -> Option<String> {
        let transfers = lock(&self.transfers);
        let mut long = transfers.values().filter(|transfer| transfer.since.elapsed() > PATIENCE);
        let Transfer { doing, since, bytes, total } = *long.next()?;
        let others = long.count();
        let others = if others == 0 { String::new() } else { format!(", and {others} more") };
        let of_total = total.filter(|&total| total > 0).map_or(String::new(), |total| {
            let percent = u128::from(bytes) * 100 / u128::from(total);
            format!(" of {} ({percent} %)", size(total))
        });
        let rate = size((bytes as f64 / since.elapsed().as_secs_f64()) as u64);
        Some(format!("{doing} {}{of_total}, {rate}/s{others}", size(bytes)))
    }
}

#[allow(clippy::cast_precision_loss)] // for the eye
fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..0x10_0000 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        0x10_0000..0x4000_0000 => format!("{:.1} MiB", bytes as f64 / 1024.0 / 1024.0),
        _ => format!("{:.1} GiB", bytes as f64 / 1024.0 / 1024.0 / 1024.0),
    }
}
