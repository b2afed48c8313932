//! `--journal`: what happens as lines of JSON, in a file or on stdout.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::stdin::is_dash;
use crate::os::lock::lock;
use crate::server::journal_lines::JournalLines;
use crate::serving::event::Event;

pub(super) struct JournalFile {
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    lines: JournalLines,
    /// `None` after the last line.
    writer: Option<Box<dyn Write + Send>>,
    /// The first line that could not be written; serving goes on.
    error: Option<io::Error>,
}

impl JournalFile {
    /// Empties the file, and writes the first line. An error is one line.
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let writer: Box<dyn Write + Send> = if is_dash(path) {
            Box::new(io::stdout())
        } else {
            let file = File::create(path).map_err(|error| {
                format!("failed to open journal file `{}`: {error}", path.display())
            })?;
            Box::new(file)
        };
        let state = State { lines: JournalLines::new(), writer: Some(writer), error: None };
        let journal = JournalFile { path: path.into(), state: Mutex::new(state) };
        journal.write(JournalLines::first_line);
        Ok(journal)
    }

    pub(super) fn record(&self, event: &Event<'_>) {
        self.write(|lines| lines.lines(event));
    }

    /// Writes the last line. If a line could not be written, the error is one line.
    pub(super) fn end(&self, exit_code: u8) -> Result<(), String> {
        self.write(|lines| lines.last_line(exit_code));
        let mut state = lock(&self.state);
        state.writer = None;
        match state.error.take() {
            None => Ok(()),
            Some(error) => {
                Err(format!("failed to write to journal file `{}`: {error}", self.path.display()))
            }
        }
    }

    fn write(&self, lines: impl FnOnce(&mut JournalLines) -> String) {
        let mut state = lock(&self.state);
        let text = lines(&mut state.lines);
        let Some(writer) = &mut state.writer else { return };
        if text.is_empty() {
            return;
        }
        // One write for a line: a reader sees whole lines.
        if let Err(error) = writer.write_all(text.as_bytes()).and_then(|()| writer.flush()) {
            state.error.get_or_insert(error);
        }
    }
}
