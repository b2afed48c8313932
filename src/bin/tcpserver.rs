//! The program: arguments in, the library's events out as lines, an exit code. Everything it does is the library's; how it is
//! told what to do, and what it says about it, is in `tcpserver/`.

#[path = "tcpserver/checking.rs"]
mod checking;
#[path = "tcpserver/console.rs"]
mod console;
#[path = "tcpserver/manual.rs"]
mod manual;
#[path = "tcpserver/options.rs"]
mod options;
#[path = "tcpserver/progress.rs"]
mod progress;
#[path = "tcpserver/serving.rs"]
mod serving;
#[path = "tcpserver/signals.rs"]
mod signals;
#[path = "tcpserver/sinks.rs"]
mod sinks;
#[path = "tcpserver/sources.rs"]
mod sources;
#[path = "tcpserver/table.rs"]
mod table;
#[path = "tcpserver/transcript.rs"]
mod transcript;
#[path = "tcpserver/values.rs"]
mod values;

use std::io::{self, Write};
use std::process::ExitCode;

use crate::console::complain;
use crate::options::Command;

fn main() -> ExitCode {
    match Command::parse() {
        Ok(Command::Serve(options)) => serving::run(*options),
        Ok(Command::Check(check)) => checking::check(&check),
        Ok(Command::Print(text)) => print(&text),
        Err(error) => {
            complain(&format!(
                "failed to understand the arguments: {error}; `tcpserver --help` lists them"
            ));
            ExitCode::from(2)
        }
    }
}

fn print(text: &str) -> ExitCode {
    match io::stdout().lock().write_all(text.as_bytes()) {
        // `tcpserver --help | head` is no failure.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            complain(&format!("failed to write to stdout: {error}"));
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}
