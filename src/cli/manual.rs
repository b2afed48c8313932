//! The man page and the completions, made of the options.

use clap::{CommandFactory, ValueEnum};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, italic, roman};

use super::arguments::{Arguments, NOTES, command_for_completions, shown};

const IN_MEMORY: &str = "memory can be written to";

/// Stands for a line break within a help: `clap_mangen` escapes a request of roff.
const BREAK: &str = "\n⟨br⟩";

/// What `man tcpserver` shows.
pub(super) fn man() -> String {
    let command = Arguments::command();
    let summary = command.get_about().cloned().unwrap_or_default();
    let command =
        command.about("a byte-exact TCP peer that answers from a file").long_about(summary);
    // Lists of values keep their lines, which roff would join.
    let command = command.mut_args(|arg| match arg.get_help().map(ToString::to_string) {
        Some(help) if help.contains('\n') => arg.help(help.replace('\n', BREAK)),
        _ => arg,
    });
    let man = Man::new(command);
    let mut page = Vec::new();
    man.render_title(&mut page).expect(IN_MEMORY);
    man.render_name_section(&mut page).expect(IN_MEMORY);
    let synopsis = [
        bold("tcpserver"),
        roman(" ["),
        italic("OPTIONS"),
        roman("] [-- "),
        italic("ARGS"),
        roman("...]"),
    ];
    Roff::new().control("SH", ["SYNOPSIS"]).text(synopsis).to_writer(&mut page).expect(IN_MEMORY);
    man.render_description_section(&mut page).expect(IN_MEMORY);
    Roff::new().control("SH", ["OPTIONS"]).to_writer(&mut page).expect(IN_MEMORY);
    let mut options = Vec::new();
    man.render_options_section(&mut options).expect(IN_MEMORY);
    // Each group of options is a part of one section.
    let options = String::from_utf8_lossy(&options).replace("\n.SH ", "\n.SS ");
    page.extend_from_slice(options.replace("⟨br⟩", ".br\n").as_bytes());
    let mut notes = Roff::new();
    for (title, text) in NOTES {
        // Between these two, lines are not filled.
        notes.control("SH", [title.to_uppercase().as_str()]).control("nf", []);
        notes.text([roman(text)]).control("fi", []);
    }
    notes.to_writer(&mut page).expect(IN_MEMORY);
    shown(&String::from_utf8_lossy(&page))
}

/// The completions for a shell that clap knows by this name.
pub(super) fn completions(shell: &str) -> String {
    let shell = Shell::from_str(shell, false).expect("the parser knows the shells");
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command_for_completions(), "tcpserver", &mut script);
    shown(&String::from_utf8_lossy(&script))
}
