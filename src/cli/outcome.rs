//! What a run comes to: whether something failed, which signal came, and with them the exit code; what must be done before the program
//! ends, from whichever thread it does.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};

use super::answer;
use super::arguments::Arguments;
use super::console::Console;
use super::journal_file::JournalFile;
use super::status_files::StatusFiles;
use crate::os::lock::lock;
use crate::server::tcp_server::TcpServer;
use crate::serving::event::Event;
use crate::serving::foreground;
use crate::serving::service::Service;

/// The number of SIGTERM, everywhere.
const SIGTERM: i32 = 15;

pub(super) struct Outcome {
    has_failed: AtomicBool,
    /// 0 for none.
    signal: AtomicI32,
    sigterm_is_success: bool,
    /// Connections whose client has sent a byte.
    open: Mutex<HashSet<u64>>,
    journal: Option<JournalFile>,
    files: StatusFiles,
    server: OnceLock<Weak<Service>>,
}

impl Outcome {
    pub(super) fn new(
        arguments: &Arguments,
        journal: Option<JournalFile>,
        files: StatusFiles,
    ) -> Self {
        Outcome {
            has_failed: AtomicBool::new(false),
            signal: AtomicI32::new(0),
            sigterm_is_success: arguments.sigterm_ok,
            open: Mutex::default(),
            journal,
            files,
            server: OnceLock::new(),
        }
    }

    /// A signal that ends the program at once closes this server first, so that no file of a Unix socket is left.
    pub(super) fn close_at_exit(&self, server: &TcpServer) {
        self.server.get_or_init(|| Arc::downgrade(server.service()));
    }

    pub(super) fn files(&self) -> &StatusFiles {
        &self.files
    }

    /// Keeps what the exit code depends on, and writes the event to the journal.
    pub(super) fn record(&self, event: &Event<'_>) {
        match event {
            Event::Failed { .. } => self.has_failed.store(true, Ordering::SeqCst),
            Event::Received { client, .. } => {
                lock(&self.open).insert(client.connection());
            }
            Event::Closed { client, .. } | Event::Silent { client, .. } => {
                lock(&self.open).remove(&client.connection());
            }
            _ => {}
        }
        if let Some(journal) = &self.journal {
            journal.record(event);
        }
    }

    /// A signal has come, and exchanges in progress are completed.
    #[cfg_attr(not(unix), allow(dead_code))] // signals are watched for on Unix only
    pub(super) fn signalled(&self, signal: i32) {
        self.signal.store(signal, Ordering::SeqCst);
    }

    /// A signal has come that ends the program. If all exchanges in progress are over but for their clients' close, ends the connections, and
    /// the program goes on to report the exchanges and to end; whether that is so.
    #[cfg_attr(not(unix), allow(dead_code))] // as above
    pub(super) fn completes_after(&self, signal: i32) -> bool {
        // First, for the program may have ended when the next call returns.
        self.signalled(signal);
        let server = self.server.get().and_then(Weak::upgrade);
        server.is_some_and(|server| foreground::stop_if_answered(&server))
    }

    /// The exit code of a program that ends now because of a signal: exchanges in progress are cut.
    #[cfg_attr(not(unix), allow(dead_code))] // as above
    pub(super) fn end_by(&self, signal: i32, console: &Console) -> u8 {
        self.end_with(self.code_by(signal), console)
    }

    /// The same, where a line or the journal can't be written: what should take it does not, and is not waited for.
    #[cfg_attr(not(unix), allow(dead_code))] // as above
    pub(super) fn give_up(&self, signal: i32) -> u8 {
        let code = self.code_by(signal);
        self.clean_up();
        code.max(1)
    }

    fn code_by(&self, signal: i32) -> u8 {
        if let Some(server) = self.server.get().and_then(Weak::upgrade) {
            server.close_listener();
        }
        let cuts = !lock(&self.open).is_empty();
        if self.has_failed.load(Ordering::SeqCst) {
            1
        } else if self.is_success(signal) && !cuts {
            0
        } else {
            of_signal(signal)
        }
    }

    /// The exit code of a program that has ended in this way: what failed counts more than a signal.
    pub(super) fn end(&self, code: u8, console: &Console) -> u8 {
        let signal = self.signal.load(Ordering::SeqCst);
        let code = match code {
            0 if self.has_failed.load(Ordering::SeqCst) => 1,
            0 if signal != 0 && !self.is_success(signal) => of_signal(signal),
            code => code,
        };
        self.end_with(code, console)
    }

    fn is_success(&self, signal: i32) -> bool {
        self.sigterm_is_success && signal == SIGTERM
    }

    /// Ends the programs that answer, takes the files away and ends the journal. Of several calls the first one does.
    fn end_with(&self, code: u8, console: &Console) -> u8 {
        self.clean_up();
        let ended = self.journal.as_ref().map_or(Ok(()), |journal| journal.end(code));
        match ended {
            Ok(()) => code,
            Err(error) => {
                console.complain(&error);
                code.max(1)
            }
        }
    }

    fn clean_up(&self) {
        answer::kill_all();
        self.files.remove();
    }
}

/// 128 and its number, by which a shell knows that a signal ended a program.
fn of_signal(signal: i32) -> u8 {
    u8::try_from(128 + signal).unwrap_or(u8::MAX)
}
