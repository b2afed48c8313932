//! `--ready-file` and `--pid-file`: files that are there as long as the server listens. Each appears whole: it is written beside its
//! place, and renamed.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process;

use serde_json::json;

use super::arguments::Arguments;
use crate::journal::json::VERSION;
use crate::os::address::Address;

/// The files, and what each of them holds while the server listens.
#[derive(Debug, Default)]
pub(super) struct StatusFiles {
    ready: Option<PathBuf>,
    pid: Option<PathBuf>,
}

impl StatusFiles {
    /// Takes away files of an earlier run that was killed, so that nothing waits for them in vain, and sees that new ones can be
    /// written. An error is one line.
    pub(super) fn prepare(arguments: &Arguments) -> Result<Self, String> {
        let files =
            StatusFiles { ready: arguments.ready_file.clone(), pid: arguments.pid_file.clone() };
        for (what, path) in files.named() {
            let failed = |error| format!("failed to write {what} `{}`: {error}", path.display());
            // A device or a pipe would be gone for all other programs.
            if let Ok(found) = fs::metadata(path).map(|found| found.file_type())
                && !found.is_file()
            {
                let found = if found.is_dir() { "a folder" } else { "no regular file" };
                return Err(format!("failed to write {what} `{}`: it is {found}", path.display()));
            }
            fs::write(temporary(path), "").map_err(failed)?;
            let _ = fs::remove_file(temporary(path));
            let _ = fs::remove_file(path);
        }
        Ok(files)
    }

    /// Writes them. The file for readiness is the last: the other is there before it. An error is one line.
    pub(super) fn write(&self, addr: &Address, scheme: &str) -> Result<(), String> {
        for (what, path) in self.named() {
            let text = if Some(path) == self.ready.as_deref() {
                ready(addr, scheme)
            } else {
                format!("{}\n", process::id())
            };
            let written =
                fs::write(temporary(path), text).and_then(|()| fs::rename(temporary(path), path));
            written.map_err(|error| {
                let _ = fs::remove_file(temporary(path));
                format!("failed to write {what} `{}`: {error}", path.display())
            })?;
        }
        Ok(())
    }

    /// Takes them away, unless another run has written them since.
    pub(super) fn remove(&self) {
        for (_, path) in self.named() {
            let is_ours = fs::read_to_string(path).is_ok_and(|text| is_of_this_process(&text));
            if is_ours {
                // It may be gone meanwhile, and there is nothing to report it to.
                let _ = fs::remove_file(path);
            }
        }
    }

    fn named(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let pid = self.pid.as_deref().map(|path| ("pid file", path));
        let ready = self.ready.as_deref().map(|path| ("ready file", path));
        pid.into_iter().chain(ready)
    }
}

/// One line of JSON. `docs/journal.md` has the fields.
fn ready(addr: &Address, scheme: &str) -> String {
    let (mut fields, text) = (serde_json::Map::new(), addr.to_string());
    fields.insert("version".into(), VERSION.into());
    fields.insert("pid".into(), process::id().into());
    if let Some(tcp) = addr.socket_addr() {
        fields.insert("host".into(), tcp.ip().to_string().into());
        fields.insert("port".into(), tcp.port().into());
        fields.insert("url".into(), format!("{scheme}://{text}").into());
    }
    if let Some(path) = addr.path() {
        fields.insert("path".into(), path.to_string_lossy().into());
    }
    fields.insert("address".into(), text.into());
    format!("{}\n", json!(fields))
}

fn is_of_this_process(text: &str) -> bool {
    let pid = match serde_json::from_str::<serde_json::Value>(text) {
        Ok(serde_json::Value::Object(fields)) => {
            fields.get("pid").and_then(serde_json::Value::as_u64)
        }
        Ok(number) => number.as_u64(),
        Err(_) => None,
    };
    pid == Some(process::id().into())
}

/// In the same folder, so that it can be renamed.
fn temporary(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.tmp", process::id()));
    path.with_file_name(name)
}
