//! A program that was started, with everything that it starts itself, so that all of it can be killed.

use std::io;
use std::process::{Child, Command, ExitStatus};

/// A running program. On Unix it is the first of a process group of its own, which a Ctrl-C at the terminal does not reach.
#[derive(Debug)]
pub(crate) struct ProcessGroup {
    child: Child,
    ended: Option<ExitStatus>,
}

impl ProcessGroup {
    pub(crate) fn start(command: &mut Command) -> io::Result<Self> {
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(command, 0);
        Ok(ProcessGroup { child: command.spawn()?, ended: None })
    }

    /// The program, for its pipes.
    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// How it has ended, if it has. What it has started may still run.
    pub(crate) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait()?;
        }
        Ok(self.ended)
    }

    /// Kills the program, if it has not ended, and what it has started and not put into a group of its own. On systems other than Unix
    /// only the program itself.
    pub(crate) fn kill(&mut self) {
        // Once the program was waited for, its number may be that of another group.
        if self.ended.is_some() {
            return;
        }
        kill_group(&self.child);
        // It may have ended by itself since; it is waited for, so that no zombie stays.
        let _ = self.child.kill();
        self.ended = self.child.wait().ok();
    }
}

#[cfg(unix)]
#[allow(unsafe_code)] // std kills no group
fn kill_group(child: &Child) {
    let Ok(id) = libc::pid_t::try_from(child.id()) else { return };
    // SAFETY: kill(2) touches no memory. The child was not waited for yet, so the number is that of its group and of no other.
    unsafe {
        libc::kill(-id, libc::SIGKILL);
    }
}

#[cfg(not(unix))]
fn kill_group(_: &Child) {}
