//! Ctrl-C and SIGTERM: the last line is printed however the program ends.

use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use super::console::Console;
use crate::server::tcp_server::TcpServer;
use crate::serving::service::Service;
use crate::serving::stop::Stop;

/// Which signal has come, and what it ends. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Signalled {
    signal: Arc<AtomicI32>,
    server: Arc<OnceLock<Weak<Service>>>,
}

impl Signalled {
    /// The exit code, if one has come: 128 and its number, by which a shell knows that a signal ended a program.
    pub(super) fn exit_code(&self) -> Option<u8> {
        let signal = Some(self.signal.load(Ordering::SeqCst)).filter(|&signal| signal != 0);
        signal.and_then(|signal| u8::try_from(128 + signal).ok())
    }

    /// A signal that ends the program at once closes this server first, so that no file of a Unix socket is left.
    pub(super) fn close_at_exit(&self, server: &TcpServer) {
        self.server.get_or_init(|| Arc::downgrade(server.service()));
    }

    #[cfg(unix)]
    fn exit(&self, signal: i32) -> ! {
        if let Some(server) = self.server.get().and_then(Weak::upgrade) {
            server.close_listener();
        }
        // What was captured is in the file already.
        std::process::exit(128 + signal)
    }
}

/// Watches for signals, in a thread of its own. The first one requests the stop, if there is one, and exchanges in progress are
/// completed; the next one ends the program.
#[cfg(unix)]
pub(super) fn watch(console: &Arc<Console>, stop: Option<Stop>) -> Signalled {
    use std::{thread, time::Duration};

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
            first.signal.store(signal, Ordering::SeqCst);
            stop.stop();
            let console = Arc::clone(&console);
            thread::spawn(move || {
                // Mostly the program has ended by then, and there is nothing to wait for.
                thread::sleep(Duration::from_millis(500));
                console.note("waiting for exchanges in progress; Ctrl-C ends them at once");
            });
        }
        for (count, signal) in signals.enumerate() {
            let signalled = first.clone();
            let end = move || signalled.exit(signal);
            if count == 0 {
                let (console, end) = (Arc::clone(&console), end.clone());
                thread::spawn(move || {
                    console.say(&Line::Stopping);
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
