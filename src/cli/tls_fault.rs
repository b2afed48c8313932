//! `--send @tls:NAME`: responses with which a TLS handshake ends badly, in the place of a file.

use std::path::{Path, PathBuf};

use clap::builder::PossibleValuesParser;
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, Command};

use crate::faults::garbage::tls;
use crate::response::steps::Response;

/// What no file name that is meant as one begins with: a file of this name is `./@tls:NAME`.
const MARK: &str = "@tls:";

/// The name after the mark; `None` for a file.
fn name_of(path: &Path) -> Option<&str> {
    path.to_str()?.strip_prefix(MARK)
}

/// Whether this is such a response, and no file.
pub(super) fn is_tls_fault(path: impl AsRef<Path>) -> bool {
    name_of(path.as_ref()).is_some()
}

/// Whether this one waits until its client leaves.
pub(super) fn is_silence(path: impl AsRef<Path>) -> bool {
    name_of(path.as_ref()) == Some("silence")
}

/// The response with this name.
pub(super) fn response(path: &Path) -> Option<Response> {
    tls::named(name_of(path)?)
}

/// What is wrong with the first of these that has a name which is not known.
pub(super) fn unknown(paths: &[PathBuf]) -> Option<String> {
    let mut names = paths.iter().filter_map(|path| name_of(path));
    let name = names.find(|name| tls::named(name).is_none())?;
    let meant = match nearest(name) {
        Some(meant) => format!("did you mean `{MARK}{meant}`?"),
        None => "the help lists all names".into(),
    };
    Some(format!(
        "--send: `{MARK}{name}` is no way to end a TLS handshake ({meant}); a file of this name is ./{MARK}{name}"
    ))
}

/// The name that is most like this one: the parser of the options knows.
fn nearest(name: &str) -> Option<String> {
    let names = Arg::new("name").value_parser(PossibleValuesParser::new(tls::names()));
    let error = Command::new("names").arg(names).try_get_matches_from(["names", name]).err()?;
    match error.get(ContextKind::SuggestedValue)? {
        ContextValue::String(meant) => Some(meant.clone()),
        _ => None,
    }
}
