//! Ctrl-C and SIGTERM: the last line is printed however the program ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use super::console::Console;
use crate::serving::stop::Stop;

/// Which signal has come. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Signalled(Arc<AtomicI32>);

impl Signalled {
    /// The exit code, if one has come: 128 and its number, by which a shell knows that a signal ended a program.
    pub(super) fn exit_code(&self) -> Option<u8> {
        let signal = Some(self.0.load(Ordering::SeqCst)).filter(|&signal| signal != 0);
        signal.and_then(|signal| u8::try_from(128 + signal).ok())
    }
}

/// Watches for signals, in a thread of its own. The first one requests the stop, if there is one, and exchanges in progress are
/// completed; the next one ends the program.
#[cfg(unix)]
pub(super) fn watch(console: &Arc<Console>, stop: Option<Stop>) -> Signalled {
    use std::{process, thread, time::Duration};

    use signal_hook::{consts::SIGINT, consts::SIGTERM, iterator::Signals};

    use super::console::Line;

    let signalled = Signalled::default();
    let mut signals = match Signals::new([SIGINT, SIGTERM]) {
        Ok(signals) => signals,
        Err(error) => {
            console.complain(&format!("failed to watch for Ctrl-C: {error}"));
            return signalled;
        }
    };
    let (console, first) = (Arc::clone(console), signalled.clone());
    thread::spawn(move || {
        let mut signals = signals.forever();
        let completes = stop.is_some();
        if let Some(stop) = stop
            && let Some(signal) = signals.next()
        {
            first.0.store(signal, Ordering::SeqCst);
            stop.stop();
            let console = Arc::clone(&console);
            thread::spawn(move || {
                // Mostly the program has ended by then, and there is nothing to wait for.
                thread::sleep(Duration::from_millis(500));
                console.note("waiting for exchanges in progress; Ctrl-C ends them at once");
            });
        }
        for (count, signal) in signals.enumerate() {
            // What was captured is in the file already.
            let end = move || process::exit(128 + signal);
            if count == 0 {
                let console = Arc::clone(&console);
                thread::spawn(move || {
                    console.say(Line::Stopping);
                    end()
                });
            }
            if count > 0 || completes {
                // A full pipe keeps the line from being printed; this does not wait for that for ever.
                thread::spawn(move || {
                    thread::sleep(Duration::from_secs(1));
                    end()
                });
            }
        }
    });
    signalled
}

/// Elsewhere Ctrl-C ends the program by itself.
#[cfg(not(unix))]
pub(super) fn watch(_: &Arc<Console>, _: Option<Stop>) -> Signalled {
    Signalled::default()
}
