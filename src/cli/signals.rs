//! Ctrl-C and SIGTERM: the last line is printed however the program ends.

use std::sync::Arc;

use super::console::Console;
use super::outcome::Outcome;
use crate::serving::stop::Stop;

/// Watches for signals, in a thread of its own. The first one requests the stop, if there is one, and exchanges in progress are
/// completed; the next one ends the program. Without a stop the first one ends it. An exchange that is over is reported in any case.
#[cfg(unix)]
pub(super) fn watch(console: &Arc<Console>, stop: Option<Stop>, outcome: &Arc<Outcome>) {
    use std::{process, thread, time::Duration};

    use signal_hook::{consts::SIGINT, consts::SIGTERM, iterator::Signals};

    use super::console::Line;

    let mut signals = match Signals::new([SIGINT, SIGTERM]) {
        Ok(signals) => signals,
        Err(error) => {
            console.complain(&format!("failed to watch for Ctrl-C: {error}"));
            return;
        }
    };
    let (console, outcome) = (Arc::clone(console), Arc::clone(outcome));
    thread::spawn(move || {
        let mut signals = signals.forever();
        let completes = stop.is_some();
        if let Some(stop) = stop
            && let Some(signal) = signals.next()
        {
            outcome.signalled(signal);
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
            let (outcome, console) = (Arc::clone(&outcome), Arc::clone(&console));
            // Exchanges may be over but for their clients' close. Then they are reported as if the clients had closed.
            let reports = count == 0 && outcome.completes_after(signal);
            if count == 0 && !reports {
                let (outcome, console) = (Arc::clone(&outcome), Arc::clone(&console));
                thread::spawn(move || {
                    console.say(&Line::Stopping);
                    process::exit(outcome.end_by(signal, &console).into())
                });
            }
            if count > 0 || completes || reports {
                // A full pipe keeps the line from being printed, or the journal from being written; this does not wait for that for ever.
                thread::spawn(move || {
                    thread::sleep(Duration::from_secs(1));
                    process::exit(outcome.give_up(signal).into())
                });
            }
        }
    });
}

/// Elsewhere Ctrl-C ends the program by itself.
#[cfg(not(unix))]
pub(super) fn watch(_: &Arc<Console>, _: Option<Stop>, _: &Arc<Outcome>) {}
