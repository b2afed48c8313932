//! What is wrong with the arguments, in one line that names the option and what would be right.

use std::error::Error as _;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, Error};

use super::arguments::MEANT;

/// One line of text for an error of the parser.
pub(super) fn one_line(error: &Error, command: &Command) -> String {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(", "),
        _ => String::new(),
    };
    let (argument, value) = (context(ContextKind::InvalidArg), context(ContextKind::InvalidValue));
    // `--send FILE`, as it is typed.
    let option = argument.replace(['<', '>'], "").replace("...", "");
    let name = option.split(' ').next().unwrap_or_default();
    match error.kind() {
        ErrorKind::UnknownArgument if argument == "-" || !argument.starts_with('-') => format!(
            "unexpected argument `{argument}` (a response file is given with --send {argument})"
        ),
        ErrorKind::UnknownArgument => {
            let meant = MEANT.iter().find(|(_, others)| others.contains(&&*argument));
            let similar = context(ContextKind::SuggestedArg);
            match meant.map_or(similar.trim_start_matches('-'), |(meant, _)| meant) {
                "" => format!("unknown option `{argument}`"),
                meant => format!(
                    "unknown option `{argument}` (did you mean `{}`?)",
                    with_value(meant, command)
                ),
            }
        }
        ErrorKind::InvalidValue if value.is_empty() => {
            format!("{name} needs a value: {option}")
        }
        ErrorKind::InvalidValue => {
            let valid = context(ContextKind::ValidValue);
            format!("{name}: `{value}` is not one of {valid}")
        }
        ErrorKind::ValueValidation => {
            format!("{name}: {}", error.source().map(ToString::to_string).unwrap_or_default())
        }
        ErrorKind::ArgumentConflict => {
            let other = context(ContextKind::PriorArg).replace(['<', '>'], "");
            format!("{option} and {other} exclude each other: give one")
        }
        // The one thing that is required: by --keep-alive and --keep-open.
        ErrorKind::MissingRequiredArgument => {
            "a connection is kept only with --count N or --forever: no request follows a single exchange"
                .into()
        }
        ErrorKind::TooManyValues => format!("{name} takes no value, and `{value}` is one"),
        ErrorKind::InvalidUtf8 => "the value of an option is not UTF-8".into(),
        _ => error.to_string().lines().next().unwrap_or_default().replace("error: ", ""),
    }
}

/// `--listen ADDR`.
fn with_value(name: &str, command: &Command) -> String {
    let arg = command.get_arguments().find(|arg| arg.get_long() == Some(name));
    match arg.filter(|arg| arg.get_action().takes_values()).and_then(Arg::get_value_names) {
        Some([value, ..]) => format!("--{name} {value}"),
        _ => format!("--{name}"),
    }
}
