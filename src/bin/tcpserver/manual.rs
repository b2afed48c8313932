//! The table of options in all the forms that it is read in: the help, the man page, and completions for three shells.

use std::fmt::Write;

use crate::table::{EXAMPLES, Entry, GROUPS, Id, NOTES, SUMMARY, Value};

/// No line of the help is longer.
const WIDTH: usize = 110;

/// Where the descriptions of the options begin.
const INDENT: usize = 27;

/// A space at which no line is broken.
const UNBROKEN: &str = "\u{a0}";

/// How wide the values are that have a line each.
const CHOICE: usize = 16;

/// What `--help` prints.
pub(crate) fn help() -> String {
    let mut text = wrapped(SUMMARY, 0);
    text.push_str("\n\nUsage: tcpserver [OPTIONS]\n");
    for group in GROUPS {
        let _ = write!(text, "\n{}:\n", group.title);
        for entry in group.entries {
            let names = names(entry);
            let _ = write!(text, "{names:<INDENT$}");
            if names.len() + 2 > INDENT {
                let _ = write!(text, "\n{:INDENT$}", "");
            }
            let mut about = String::from(entry.about);
            if let Some(default) = entry.default {
                let default = format!("[default: {default}]");
                let _ = write!(about, " {}", default.replace(' ', UNBROKEN));
            }
            text.push_str(&wrapped(&about, INDENT).replace(UNBROKEN, " "));
            text.push('\n');
            for (value, about) in entry.choices {
                let _ = writeln!(text, "{:INDENT$}  {value:<CHOICE$}{about}", "");
            }
        }
    }
    for (title, note) in NOTES {
        let _ = write!(text, "\n{}\n", wrapped(&format!("{title}: {note}"), 0));
    }
    text.push_str("\nExamples:\n");
    for (about, command) in EXAMPLES {
        let _ = write!(text, "  {about}:\n    {command}\n");
    }
    text
}

/// `  -q, --quiet`.
fn names(entry: &Entry) -> String {
    let short = entry.short.map_or("    ".into(), |short| format!("-{short}, "));
    format!("  {short}--{} {}", entry.long, entry.value_name()).trim_end().into()
}

/// Breaks lines at spaces; all but the first are indented.
fn wrapped(text: &str, indent: usize) -> String {
    let mut lines = String::new();
    let mut width = indent;
    for word in text.split(' ') {
        let length = word.chars().count();
        if width + 1 + length > WIDTH {
            let _ = write!(lines, "\n{:indent$}", "");
            width = indent;
        } else if !lines.is_empty() {
            lines.push(' ');
            width += 1;
        }
        lines.push_str(word);
        width += length;
    }
    lines
}

/// What `man tcpserver` is made of: the macros of man(7).
pub(crate) fn man() -> String {
    let mut page = String::new();
    let _ = writeln!(page, ".TH TCPSERVER 1 \"\" \"tcpserver {}\"", env!("CARGO_PKG_VERSION"));
    page.push_str(".SH NAME\ntcpserver \\- a byte\\-exact TCP peer that answers from a file\n");
    page.push_str(".SH SYNOPSIS\n.B tcpserver\n[\\fIOPTIONS\\fR]\n");
    let _ = writeln!(page, ".SH DESCRIPTION\n{}", roff(SUMMARY));
    page.push_str(".SH OPTIONS\n");
    for group in GROUPS {
        let _ = writeln!(page, ".SS {}", roff(group.title));
        for entry in group.entries {
            page.push_str(".TP\n");
            if let Some(short) = entry.short {
                let _ = write!(page, "\\fB\\-{short}\\fR, ");
            }
            let _ = write!(page, "\\fB\\-\\-{}\\fR", roff(entry.long));
            if entry.value != Value::None {
                let _ = write!(page, " \\fI{}\\fR", roff(&entry.value_name()));
            }
            let _ = write!(page, "\n{}.\n", roff(entry.about));
            if !entry.choices.is_empty() {
                page.push_str(".RS\n");
                for (value, about) in entry.choices {
                    let _ = write!(page, ".TP\n\\fB{}\\fR\n{}\n", roff(value), roff(about));
                }
                page.push_str(".RE\n");
            }
            if let Some(default) = entry.default {
                let start = if entry.choices.is_empty() { "" } else { ".IP\n" };
                let _ = writeln!(page, "{start}Default: {}.", roff(default));
            }
        }
    }
    for (title, note) in NOTES {
        let _ = write!(page, ".SH {}\n{}\n", roff(&title.to_uppercase()), roff(note));
    }
    page.push_str(".SH EXAMPLES\n");
    for (about, command) in EXAMPLES {
        let _ = write!(page, ".PP\n{}:\n.PP\n.RS\n.EX\n{}\n.EE\n.RE\n", roff(about), roff(command));
    }
    page
}

/// Text in which nothing is a request or an escape.
fn roff(text: &str) -> String {
    let escaped =
        text.replace('\\', "\\e").replace('-', "\\-").replace('²', "\\[S2]").replace('³', "\\[S3]");
    // At the start of a line these two begin a request.
    if escaped.starts_with(['.', '\'']) { format!("\\&{escaped}") } else { escaped }
}

/// What completes the value of an option.
enum Completes {
    Nothing,
    Files,
    Words(Vec<String>),
    /// Something that nobody can guess.
    Anything,
}

fn completes(entry: &Entry) -> Completes {
    match entry.value {
        Value::None => Completes::Nothing,
        Value::File => Completes::Files,
        Value::OneOf(words) => Completes::Words(words.iter().map(ToString::to_string).collect()),
        Value::Text(_) => {
            // Those that need no number or text of the user's.
            let is_whole =
                |value: &str| value.chars().all(|char| char.is_ascii_lowercase() || char == '-');
            let words: Vec<_> = entry
                .choices
                .iter()
                .map(|(value, _)| value.split('[').next().unwrap_or_default())
                .filter(|value| is_whole(value))
                .map(String::from)
                .collect();
            if words.is_empty() { Completes::Anything } else { Completes::Words(words) }
        }
    }
}

fn entries() -> impl Iterator<Item = &'static Entry> {
    GROUPS.iter().flat_map(|group| group.entries)
}

/// Completions for bash.
pub(crate) fn bash() -> String {
    let mut values = String::new();
    let mut options = Vec::new();
    for entry in entries() {
        let long = format!("--{}", entry.long);
        let short = entry.short.map(|short| format!("-{short}"));
        let action = match completes(entry) {
            Completes::Nothing => None,
            // A name may have spaces.
            Completes::Files => Some(
                "local IFS=$'\\n'\n            COMPREPLY=($(compgen -f -- \"$current\"))".into(),
            ),
            Completes::Words(words) => {
                Some(format!("COMPREPLY=($(compgen -W '{}' -- \"$current\"))", words.join(" ")))
            }
            Completes::Anything => Some("COMPREPLY=()".into()),
        };
        if let Some(action) = action {
            let _ = write!(
                values,
                "        {long})\n            {action}\n            return\n            ;;\n"
            );
        }
        options.extend(short);
        options.push(long);
    }
    format!(
        "# Completions of tcpserver for bash.\n\
         _tcpserver() {{\n    \
             local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD - 1]}}\n    \
             case $previous in\n{values}    \
             esac\n    \
             COMPREPLY=($(compgen -W '{}' -- \"$current\"))\n\
         }}\n\
         complete -o filenames -o bashdefault -F _tcpserver tcpserver\n",
        options.join(" ")
    )
}

/// Completions for zsh.
pub(crate) fn zsh() -> String {
    let mut specs = String::new();
    for entry in entries() {
        let about = zsh_about(entry.about);
        let action = match completes(entry) {
            Completes::Nothing => String::new(),
            Completes::Files => ":file:_files".into(),
            Completes::Words(words) => format!(":{}:({})", entry.long, words.join(" ")),
            Completes::Anything => format!(":{}: ", entry.long),
        };
        let repeats = if let Id::Send | Id::Check = entry.id { "*" } else { "" };
        let long = entry.long;
        let _ = match entry.short {
            Some(short) => writeln!(
                specs,
                "    '(-{short} --{long})'{{-{short},--{long}}}'[{about}]{action}' \\"
            ),
            None => writeln!(specs, "    '{repeats}--{long}[{about}]{action}' \\"),
        };
    }
    let specs = specs.trim_end_matches(" \\\n");
    format!("#compdef tcpserver\n# Completions of tcpserver for zsh.\n_arguments -s \\\n{specs}\n")
}

/// Text within `'…[…]…'`.
fn zsh_about(about: &str) -> String {
    first_clause(about).replace('[', "\\[").replace(']', "\\]").replace('\'', "'\\''")
}

/// Completions for fish.
pub(crate) fn fish() -> String {
    let mut lines =
        String::from("# Completions of tcpserver for fish.\ncomplete -c tcpserver -f\n");
    for entry in entries() {
        let short = entry.short.map(|short| format!(" -s {short}")).unwrap_or_default();
        let value = match completes(entry) {
            Completes::Nothing => String::new(),
            Completes::Files => " -r -F".into(),
            Completes::Words(words) => format!(" -x -a '{}'", words.join(" ")),
            Completes::Anything => " -x".into(),
        };
        let about = first_clause(entry.about).replace('\'', "\\'");
        let _ =
            writeln!(lines, "complete -c tcpserver -l {}{short}{value} -d '{about}'", entry.long);
    }
    lines
}

/// As much as fits beside an option.
fn first_clause(about: &str) -> &str {
    let end = [". ", "; ", ": "].iter().filter_map(|stop| about.find(stop)).min();
    &about[..end.unwrap_or(about.len())]
}
