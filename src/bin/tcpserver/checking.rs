//! What is odd about response files: all of it where that is asked for, and before serving what an editor does to them.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use fake_peer::http::{self, Finding, FindingKind};

use crate::console::{Console, complain, one_line};
use crate::options::{Check, Input, Talk};

/// Larger files are not read before serving: that would be noticed.
const READ_BEFORE_SERVING: u64 = 64 << 20;

/// `--check`: exit code 0 if nothing is odd, 1 if something is, or a file can't be read.
pub(crate) fn check(check: &Check) -> ExitCode {
    let mut is_good = true;
    let mut lines = String::new();
    for file in &check.files {
        let name = match file {
            Input::Stdin => "-".into(),
            Input::File(path) => one_line(&path.to_string_lossy()),
        };
        match findings(file) {
            Ok(findings) if findings.is_empty() => {
                lines.extend([name.as_str(), ": nothing is odd\n"]);
            }
            Ok(findings) => {
                is_good = false;
                lines.extend(findings.iter().map(|finding| format!("{name}: {finding}\n")));
            }
            Err(error) => {
                is_good = false;
                complain(&format!("failed to check `{name}`: {error}"));
            }
        }
    }
    if check.talk == Talk::Normal
        && let Err(error) = io::stdout().write_all(lines.as_bytes())
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        complain(&format!("failed to write to stdout: {error}"));
        is_good = false;
    }
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn findings(file: &Input) -> io::Result<Vec<Finding>> {
    match file {
        Input::Stdin => http::check(io::stdin()),
        Input::File(path) => http::check(File::open(path)?),
    }
}

/// Tells of the files that look as if an editor had changed them.
pub(crate) fn notice(files: &[Input], console: &Console) {
    for (index, file) in files.iter().enumerate() {
        let Input::File(path) = file else { continue };
        if files[..index].contains(file) || !is_small_file(path) {
            continue;
        }
        // A file that can't be read fails its exchange, and may be there by then.
        let Ok(findings) = findings(file) else { continue };
        let mut is_by_accident = findings.iter().filter(|finding| {
            matches!(finding.kind(), FindingKind::LoneLf | FindingKind::BodyLength { .. })
        });
        if let Some(first) = is_by_accident.next() {
            let name = path.display();
            console.note(&format!("{name}: {first}; `--check FILE` tells more, --quiet nothing"));
            for finding in is_by_accident {
                console.note(&format!("{name}: {finding}"));
            }
        }
    }
}

/// Opening a FIFO would wait for its writer, and take its bytes.
fn is_small_file(path: &Path) -> bool {
    fs::metadata(path)
        .is_ok_and(|metadata| metadata.is_file() && metadata.len() <= READ_BEFORE_SERVING)
}
