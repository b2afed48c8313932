//! Runs a program to its end, with a limit for its time and its bytes; and kills those that run when our own program ends.
//!
//! Three threads keep its pipes moving, because a program may read all of its input before it prints, print before it reads, or do
//! neither.

use std::io::{self, Read, Write};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::super::console::Console;
use super::program::Program;
use crate::journal::request::Request;
use crate::os::deadline::Deadline;
use crate::os::lock::lock;
use crate::os::process_group::ProcessGroup;

/// More than this of an answer is not taken.
const LONGEST_ANSWER: u64 = 64 << 20;

/// A longer line of its stderr is shown in parts.
const LONGEST_LINE: usize = 4096;

/// How often a program that has closed its stdout is asked whether it has ended: mostly it has.
const TICK: Duration = Duration::from_millis(2);

/// How long the rest of its stderr is waited for when it has ended: something that it has started may hold it open.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// What runs; `None` when our program ends, and no other may start.
static RUNNING: Mutex<Option<Vec<Arc<Mutex<ProcessGroup>>>>> = Mutex::new(Some(Vec::new()));

/// Kills every program that runs. None is started any more.
pub(in crate::cli) fn kill_all() {
    let running = lock(&RUNNING).take();
    for group in running.into_iter().flatten() {
        lock(&group).kill();
    }
}

/// A request for a program.
pub(super) struct Job {
    pub(super) program: Arc<Program>,
    pub(super) patience: Duration,
    pub(super) console: Arc<Console>,
    pub(super) request: Request,
}

/// What the program prints.
pub(super) fn run(job: &Job) -> io::Result<Vec<u8>> {
    let name = job.program.name.display().to_string();
    let failed = |what: String| io::Error::other(format!("`{name}` {what}"));
    let end = Deadline::after(Some(job.patience));
    let running = RunningProgram::start(job).map_err(|error| {
        io::Error::new(error.kind(), format!("failed to run `{name}`: {error}"))
    })?;
    let too_late = || failed(format!("has not answered within {:?}, and was killed", job.patience));
    let answer = match running.answer.recv_timeout(end.left().unwrap_or(Duration::MAX)) {
        Ok(answer) => answer.map_err(|error| failed(format!("could not be read from: {error}")))?,
        Err(RecvTimeoutError::Timeout) => return Err(too_late()),
        Err(RecvTimeoutError::Disconnected) => return Err(failed("could not be read from".into())),
    };
    if answer.len() as u64 > LONGEST_ANSWER {
        return Err(failed(format!(
            "prints more than {} MiB, and was killed",
            LONGEST_ANSWER >> 20
        )));
    }
    let status = running.end(end)?.ok_or_else(too_late)?;
    // Disconnected when its thread has come to the end.
    let _ = running.last_words.recv_timeout(LAST_WORDS);
    if !status.success() {
        return Err(failed(format!("has failed: {status}")));
    } else if answer.is_empty() {
        return Err(failed("has printed nothing".into()));
    }
    Ok(answer)
}

/// A program that runs; killed when dropped.
struct RunningProgram {
    group: Arc<Mutex<ProcessGroup>>,
    answer: mpsc::Receiver<io::Result<Vec<u8>>>,
    last_words: mpsc::Receiver<()>,
}

impl RunningProgram {
    fn start(job: &Job) -> io::Result<Self> {
        let mut command = Command::new(&job.program.name);
        command.args(&job.program.arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let group = {
            // Under the lock, so that none starts after all were killed.
            let mut running = lock(&RUNNING);
            let ending = || io::Error::other("the server is ending");
            let running = running.as_mut().ok_or_else(ending)?;
            let group = Arc::new(Mutex::new(ProcessGroup::start(&mut command)?));
            running.push(Arc::clone(&group));
            group
        };
        let (give, answer) = mpsc::channel();
        let (keep, last_words) = mpsc::channel();
        let started = RunningProgram { group, answer, last_words };
        let mut group = lock(&started.group);
        let child = group.child();
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        drop(group);
        let request = job.request.clone();
        in_a_thread(move || {
            // A program need not read its input.
            let _ = stdin.map(|mut stdin| stdin.write_all(request.bytes()));
        })?;
        in_a_thread(move || {
            let mut bytes = Vec::new();
            let read = stdout
                .map_or(Ok(0), |stdout| stdout.take(LONGEST_ANSWER + 1).read_to_end(&mut bytes));
            // Nothing listens any more if the time is over.
            let _ = give.send(read.map(|_| bytes));
        })?;
        let console = Arc::clone(&job.console);
        in_a_thread(move || {
            let _until_the_end = keep;
            if let Some(stderr) = stderr {
                show(stderr, &console);
            }
        })?;
        Ok(started)
    }

    /// Waits for its end; `None` if that does not come in time.
    fn end(&self, end: Deadline) -> io::Result<Option<ExitStatus>> {
        loop {
            let ended = lock(&self.group).ended()?;
            if ended.is_some() || end.left() == Some(Duration::ZERO) {
                return Ok(ended);
            }
            thread::sleep(TICK);
        }
    }
}

impl Drop for RunningProgram {
    fn drop(&mut self) {
        lock(&self.group).kill();
        if let Some(running) = &mut *lock(&RUNNING) {
            running.retain(|group| !Arc::ptr_eq(group, &self.group));
        }
    }
}

fn in_a_thread(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name("exec".into()).spawn(work).map(drop)
}

/// Shows what comes, line by line, escaped.
fn show(mut stderr: impl Read, console: &Console) {
    let mut line = Vec::new();
    let mut buffer = [0; LONGEST_LINE];
    let show = |line: &[u8]| console.pass_on(&String::from_utf8_lossy(line));
    loop {
        match stderr.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => break,
            Ok(length) => {
                for &byte in &buffer[..length] {
                    if byte != b'\n' {
                        line.push(byte);
                    }
                    if byte == b'\n' || line.len() >= LONGEST_LINE {
                        show(&line);
                        line.clear();
                    }
                }
            }
        }
    }
    if !line.is_empty() {
        show(&line);
    }
}
