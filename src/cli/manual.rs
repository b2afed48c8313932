//! The man page and the completions, made of the options.

use std::io;

use clap::ValueEnum;
use clap_complete::{Generator, Shell};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use super::arguments::{self, NOTES, shown};

/// What `man tcpserver` shows.
pub(super) fn man() -> io::Result<String> {
    let command = arguments::command();
    let summary = command.get_about().cloned().unwrap_or_default();
    let man = Man::new(
        command.about("a byte-exact TCP peer that answers from a file").long_about(summary),
    );
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    let mut notes = Roff::new();
    for (title, text) in NOTES {
        // Between these two, lines are not filled.
        notes.control("SH", [title.to_uppercase().as_str()]).control("nf", []);
        notes.text([roman(text)]).control("fi", []);
    }
    notes.to_writer(&mut page)?;
    text_of(page)
}

/// The completions for a shell that clap knows by this name.
pub(super) fn completions(shell: &str) -> io::Result<String> {
    let shell = Shell::from_str(shell, false).map_err(io::Error::other)?;
    let mut command = arguments::command_for_completions();
    command.set_bin_name("tcpserver");
    command.build();
    let mut script = Vec::new();
    shell.try_generate(&command, &mut script)?;
    text_of(script)
}

fn text_of(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map(|text| shown(&text)).map_err(io::Error::other)
}
