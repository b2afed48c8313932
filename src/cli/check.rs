//! Problems of response files: all of them for `--check`, and before serving those that editors cause.

use std::fs::{self, File};
use std::io;
use std::process::ExitCode;

use super::console::{Console, Talk, complain, one_line};
use super::options::{Input, print};
use crate::http1::check::check as problems_of;
use crate::http1::finding::{Finding, FindingKind};

/// `--check`: exit code 0 if there are no problems, 1 if there is one, or a file can't be read.
pub(super) fn check(files: &[Input], talk: Talk) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    let mut lines = String::new();
    for file in files {
        let name = match file {
            Input::Stdin => "-".into(),
            Input::File(path) => one_line(&path.to_string_lossy()),
        };
        match findings(file) {
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
    match talk {
        Talk::Quiet => code,
        Talk::Normal if print(&lines) == ExitCode::SUCCESS => code,
        Talk::Normal => ExitCode::FAILURE,
    }
}

fn findings(file: &Input) -> io::Result<Vec<Finding>> {
    match file {
        Input::Stdin => problems_of(io::stdin()),
        Input::File(path) => problems_of(File::open(path)?),
    }
}

/// Prints a note on each file that looks as if an editor had changed it.
pub(super) fn note(files: &[Input], console: &Console) {
    for (index, file) in files.iter().enumerate() {
        // A file that can't be read fails its exchange, and may be there by then.
        let (Input::File(path), Ok(findings)) = (file, findings_before_serving(file)) else {
            continue;
        };
        if files[..index].contains(file) {
            continue;
        }
        let is_editors = |finding: &&Finding| {
            matches!(finding.kind(), FindingKind::LoneLf | FindingKind::BodyLength { .. })
        };
        let mut hint = "; `--check FILE` lists every problem, `--quiet` hides this note";
        for finding in findings.iter().filter(is_editors) {
            console.note(&format!("{}: {finding}{hint}", path.display()));
            hint = "";
        }
    }
}

/// None of what is no regular file (opening a FIFO would wait for its writer, and take its bytes), or is so large that reading it
/// would be noticed.
fn findings_before_serving(file: &Input) -> io::Result<Vec<Finding>> {
    const LARGE: u64 = 64 << 20;
    match file {
        Input::File(path)
            if !fs::metadata(path)?.is_file() || fs::metadata(path)?.len() > LARGE =>
        {
            Ok(Vec::new())
        }
        Input::Stdin => Ok(Vec::new()),
        Input::File(_) => findings(file),
    }
}
