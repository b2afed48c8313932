//! Which program answers, and whether there is one.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::Path;

/// A program and its arguments.
#[derive(Debug, Clone)]
pub(super) struct Program {
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
