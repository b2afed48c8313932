//! Problems of response files: all of them for `--check`, and before serving those that editors cause.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::console::{Console, complain, one_line, print};
use super::stdin::is_dash;
use crate::http1::check::check as problems_of;
use crate::http1::finding::{Finding, FindingKind};

/// `--check`: exit code 0 if there are no problems, 1 if there is one, or a file can't be read.
pub(super) fn check(files: &[PathBuf], is_quiet: bool) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    let mut lines = String::new();
    for file in files {
        let name = one_line(&file.to_string_lossy());
        let findings =
            if is_dash(file) { problems_of(io::stdin()) } else { problems_of_file(file) };
        match findings {
            Ok(findings) if findings.is_empty() => {
                lines.extend([name.as_str(), ": no problems found\n"]);
            }
            Ok(findings) => {
                code = ExitCode::FAILURE;
                lines.extend(findings.iter().map(|finding| format!("{name}: {finding}\n")));
            }
            Err(error) => {
                code = ExitCode::FAILURE;
                complain(&format!("failed to check `{name}`: {error}"));
            }
        }
    }
    if is_quiet || print(&lines) == ExitCode::SUCCESS { code } else { ExitCode::FAILURE }
}

/// Prints a note on each file that looks as if an editor had changed it.
pub(super) fn note(files: &[PathBuf], console: &Console) {
    for (index, file) in files.iter().enumerate() {
        if files[..index].contains(file) || !is_read_before_serving(file) {
            continue;
        }
        // A file that can't be read fails its exchange, and may be there by then.
        let findings = problems_of_file(file).unwrap_or_default();
        let is_editors = |finding: &&Finding| {
            matches!(finding.kind(), FindingKind::LoneLf | FindingKind::BodyLength { .. })
        };
        let mut hint = "; `--check FILE` lists every problem, `--quiet` hides this note";
        for finding in findings.iter().filter(is_editors) {
            console.note(&format!("{}: {finding}{hint}", file.display()));
            hint = "";
        }
    }
}

fn problems_of_file(path: &Path) -> io::Result<Vec<Finding>> {
    problems_of(File::open(path)?)
}

/// Opening a FIFO would wait for its writer, and take its bytes. Reading a large file would take a noticeable time.
fn is_read_before_serving(path: &Path) -> bool {
    const LARGE: u64 = 64 << 20;
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.len() <= LARGE)
}
