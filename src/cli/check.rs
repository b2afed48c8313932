//! Problems of response files: all of them for `--check`, and before serving those that editors cause.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::console::{Console, Lang, complain, one_line, print};
use super::explain;
use super::stdin::is_dash;
use crate::http1::check::check as problems_of;
use crate::http1::finding::Finding;

/// `--check`: exit code 0 if there are no problems, 1 if there is one, or a file can't be read.
pub(super) fn check(files: &[PathBuf], is_quiet: bool, lang: Lang) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    let mut lines = String::new();
    for file in files {
        let name = one_line(&file.to_string_lossy());
        let findings =
            if is_dash(file) { problems_and_start(io::stdin()) } else { problems_of_file(file) };
        match findings {
            Ok((findings, _)) if findings.is_empty() => {
                lines.extend([name.as_str(), ": no problems found\n"]);
            }
            Ok((findings, start)) => {
                code = ExitCode::FAILURE;
                for finding in &findings {
                    let _ = writeln!(lines, "{name}: {finding}");
                    for more in explain::more(finding, &start, &name, lang) {
                        let _ = writeln!(lines, "  {more}");
                    }
                }
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
        let (findings, start) = problems_of_file(file).unwrap_or_default();
        let (name, lang) = (file.display(), console.lang());
        let mut hint = match lang {
            Lang::Ja => {
                format!("。詳しくは：tcpserver --check {name}（この注意を消すには --quiet）")
            }
            Lang::En => format!("; `tcpserver --check {name}` says more, --quiet hides this note"),
        };
        for finding in findings.iter().filter(|finding| explain::is_editors(finding)) {
            let sentence = explain::sentence(finding, &start, lang);
            console.note(&format!("{name}: {sentence}{hint}"));
            hint.clear();
        }
    }
}

/// Its problems, and its first bytes, which lines are counted in.
fn problems_of_file(path: &Path) -> io::Result<(Vec<Finding>, Vec<u8>)> {
    problems_and_start(File::open(path)?)
}

fn problems_and_start(mut response: impl Read) -> io::Result<(Vec<Finding>, Vec<u8>)> {
    const START: u64 = 1 << 16;
    let mut start = Vec::new();
    response.by_ref().take(START).read_to_end(&mut start)?;
    let findings = problems_of(start.as_slice().chain(response))?;
    Ok((findings, start))
}

/// Opening a FIFO would wait for its writer, and take its bytes. Reading a large file would take a noticeable time.
fn is_read_before_serving(path: &Path) -> bool {
    const LARGE: u64 = 64 << 20;
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.len() <= LARGE)
}
