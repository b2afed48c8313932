//! Answers that a program gives. Which program is in `program`, running it in `running`.

use std::io::{self, Cursor, Read};
use std::sync::Arc;
use std::time::Duration;

use super::super::console::Console;
use super::program::Program;
use super::running::{Job, run};
use crate::journal::request::Request;
use crate::response::steps::Response;
use crate::source::hints::Hints;
use crate::source::response_source::ResponseSource;

/// A source that runs the program for each request.
pub(super) struct Exec {
    program: Arc<Program>,
    patience: Duration,
    console: Arc<Console>,
}

impl Exec {
    pub(super) fn new(program: Program, patience: Duration, console: Arc<Console>) -> Self {
        Exec { program: Arc::new(program), patience, console }
    }
}

impl ResponseSource for Exec {
    /// The program runs while its response is sent, in the thread of its connection: others are served meanwhile.
    fn respond(&mut self, request: &Request) -> io::Result<Response> {
        Ok(Response::new().send_from(Reply::Coming(Job {
            program: Arc::clone(&self.program),
            patience: self.patience,
            console: Arc::clone(&self.console),
            request: request.clone(),
        })))
    }

    fn hints(&mut self) -> Hints<'_> {
        Hints::prompt()
    }
}

/// All that a program prints, so that nothing of it is sent if it fails.
enum Reply {
    Coming(Job),
    Given(Cursor<Vec<u8>>),
}

impl Read for Reply {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Reply::Coming(job) = self {
            *self = Reply::Given(Cursor::new(run(job)?));
        }
        let Reply::Given(bytes) = self else { return Ok(0) };
        bytes.read(buffer)
    }
}
