//! Answers that a program gives: which program, and one response of it. Running it is in `running`.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{self, Cursor, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::super::console::Console;
use super::running::run;
use crate::journal::request::Request;
use crate::response::steps::Response;
use crate::source::hints::Hints;
use crate::source::response_source::ResponseSource;

/// A program and its arguments.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Program {
    pub(super) name: OsString,
    pub(super) arguments: Vec<OsString>,
}

impl Program {
    /// # Errors
    ///
    /// If there is no such program.
    pub(super) fn new(name: &OsStr, arguments: &[OsString]) -> Result<Self, String> {
        let shown = name.display();
        if name.is_empty() {
            return Err("--exec needs a value: --exec PROGRAM".into());
        }
        let has_folder = Path::new(name).components().count() > 1;
        let is_there = if has_folder {
            is_program(Path::new(name))
        } else {
            let paths = env::var_os("PATH").unwrap_or_default();
            env::split_paths(&paths).any(|folder| is_program(&folder.join(name)))
        };
        if !is_there {
            let has_space = name.as_encoded_bytes().contains(&b' ');
            let right = if has_space {
                "the arguments of a program come after --, as in --exec PROGRAM -- ARGS"
            } else if has_folder {
                "give the path of a file that can be executed"
            } else {
                "it is in no folder of PATH; one in this folder is ./PROGRAM"
            };
            return Err(format!("--exec: `{shown}` is no program that can be run: {right}"));
        }
        Ok(Program { name: name.into(), arguments: arguments.into() })
    }
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;

    path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

/// Elsewhere the system adds extensions, and says itself whether a file can be run.
#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    ["", "exe", "com", "bat", "cmd"].iter().any(|extension| {
        let file = if extension.is_empty() { path.into() } else { path.with_extension(extension) };
        file.is_file()
    })
}

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

/// A request for a program.
pub(super) struct Job {
    pub(super) program: Arc<Program>,
    pub(super) patience: Duration,
    pub(super) console: Arc<Console>,
    pub(super) request: Request,
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
