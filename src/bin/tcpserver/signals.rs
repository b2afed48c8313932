//! Ctrl-C and SIGTERM: the last line is printed however the program ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
#[cfg(unix)]
use std::time::Duration;

use fake_peer::Stop;

use crate::console::Console;
#[cfg(unix)]
use crate::console::Line;

/// What the first signal does.
#[cfg_attr(not(unix), allow(dead_code))] // there a signal ends the program by itself
pub(crate) enum OnSignal {
    /// Ends the program.
    End,
    /// Ends serving, when the exchanges that have begun are over; the second signal ends the program.
    Stop(Stop),
}

/// Which signal has come. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Signalled(Arc<AtomicI32>);

impl Signalled {
    /// The exit code, if one has come: a shell's way to tell that a signal ended a program.
    pub(crate) fn exit_code(&self) -> Option<u8> {
        match self.0.load(Ordering::SeqCst) {
            0 => None,
            signal => u8::try_from(128 + signal).ok(),
        }
    }
}

/// Watches for signals, in a thread of its own.
#[cfg(unix)]
pub(crate) fn watch(console: &Arc<Console>, on_signal: OnSignal) -> Signalled {
    use signal_hook::consts::{SIGINT, SIGTERM};

    let signalled = Signalled::default();
    let mut signals = match signal_hook::iterator::Signals::new([SIGINT, SIGTERM]) {
        Ok(signals) => signals,
        Err(error) => {
            console.complain(&format!("failed to watch for Ctrl-C: {error}"));
            return signalled;
        }
    };
    let (console, first) = (Arc::clone(console), signalled.clone());
    std::thread::spawn(move || {
        let mut signals = signals.forever();
        let is_second = matches!(on_signal, OnSignal::Stop(_));
        if let OnSignal::Stop(stop) = on_signal
            && let Some(signal) = signals.next()
        {
            first.0.store(signal, Ordering::SeqCst);
            stop.stop();
            let console = Arc::clone(&console);
            std::thread::spawn(move || {
                // Mostly there is nothing to wait for, and no time to read this.
                std::thread::sleep(Duration::from_millis(500));
                console.note("waiting for exchanges that have begun; Ctrl-C ends them at once");
            });
        }
        for (count, signal) in signals.enumerate() {
            // What was captured is in the file already.
            #[allow(clippy::exit)]
            let end = move || std::process::exit(128 + signal);
            if count == 0 {
                let console = Arc::clone(&console);
                std::thread::spawn(move || {
                    console.say(Line::Stopping);
                    end()
                });
            }
            if count > 0 || is_second {
                // The line may have nobody who reads it: the second signal does not wait for that for ever.
                std::thread::spawn(move || {
                    std::thread::sleep(Duration::from_secs(1));
                    end()
                });
            }
        }
    });
    signalled
}

#[cfg(not(unix))]
pub(crate) fn watch(_: &Arc<Console>, _: OnSignal) -> Signalled {
    Signalled::default()
}
