//! What the program `tcpserver` says and understands: its options, its lines, its exit codes. Not part of the library's
//! interface: it may change with every version.
//!
//! `src/bin/tcpserver.rs` is the program itself, and does its work with the library.

// A program prints, and ends with an exit code.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::exit)]
// The program is documented by its help.
#![allow(missing_docs, missing_debug_implementations)]

mod answer;
mod arguments;
mod check;
mod console;
mod explain;
mod faults;
mod first_mistakes;
mod journal_file;
mod manual;
mod options;
mod outcome;
mod progress;
mod session;
mod signals;
mod status_files;
mod stdin;
mod tls;
mod tls_fault;
mod usage_error;
mod values;

pub use options::Options;
pub use session::Session;
