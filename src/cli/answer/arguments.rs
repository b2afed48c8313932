//! The options for answers without a response file: their names, what they take, and their help.
#![allow(clippy::doc_markdown)] // the help has no Markdown

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueHint};

#[derive(Debug, Args)]
#[command(next_help_heading = "Answers without a response file")]
pub(in crate::cli) struct AnswerArguments {
    /// Answer with this status: 503, or '503 Come Back Later' [default: 200]
    #[arg(long, value_name = "STATUS", allow_hyphen_values = true)]
    pub(super) status: Option<OsString>,

    /// Add this field to the response: 'Retry-After: 1'. May be repeated. It replaces the field of that name that the
    /// program would write itself. Also with --echo and --dir
    #[arg(long, value_name = "FIELD", value_hint = ValueHint::Other)]
    pub(super) header: Vec<OsString>,

    /// The body of the response, as it is given, with its Content-Length. @FILE stands for the bytes of a file, which is
    /// read for each request, @- for those of stdin, and @@ for @
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(super) body: Option<OsString>,

    /// Answer with the bytes of the request, as text. A request is held in memory
    #[arg(long)]
    pub(super) echo: bool,

    /// Answer with the files of this folder, by the path of the request, and with nothing outside of it. The extension
    /// decides the Content-Type; index.html stands for its folder
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub(super) dir: Option<PathBuf>,

    /// Run this program for each request, which it gets on stdin, and answer with its stdout, byte for byte. Its arguments
    /// follow after -- at the end of the line; no shell reads them. Its stderr is shown. It fails with an exit code other
    /// than 0, without output, with more than 64 MiB, and after 60 s or the --timeout. A request is held in memory
    #[arg(long, value_name = "PROGRAM", value_hint = ValueHint::CommandName)]
    pub(super) exec: Option<OsString>,

    /// The arguments of the --exec program
    #[arg(last = true, value_name = "ARGS", hide = true)]
    pub(super) args: Vec<OsString>,
}
