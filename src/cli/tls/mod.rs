//! `--tls`: what contradicts it, and the certificate, in `certificate`, if the program was built with the feature `tls`.

pub(super) mod arguments;
#[cfg(feature = "tls")]
mod certificate;
#[cfg(feature = "tls")]
mod names;
pub(super) mod upstream;
#[cfg(not(feature = "tls"))]
mod without;

#[cfg(feature = "tls")]
pub(super) use certificate::Tls;
#[cfg(not(feature = "tls"))]
pub(super) use without::Tls;

use std::path::PathBuf;

use super::arguments::Arguments;
use super::tls_fault::is_tls_fault;

/// What is wrong with the options for TLS, if it can be seen without a look at files.
pub(super) fn problem(arguments: &Arguments) -> Option<String> {
    upstream::problem(arguments).or_else(|| problem_of_server(arguments))
}

fn problem_of_server(arguments: &Arguments) -> Option<String> {
    let tls = &arguments.tls;
    let option = tls.first()?;
    if !cfg!(feature = "tls") {
        return Some(format!(
            "{option} needs the feature `tls`, without which this program was built (`cargo install --path . --features tls` has it)"
        ));
    }
    let others = [
        &arguments.recv,
        &arguments.script,
        &arguments.journal,
        &arguments.ready_file,
        &arguments.pid_file,
    ];
    let others = others.into_iter().flatten().chain(&arguments.send).map(PathBuf::as_path);
    let taken: Vec<_> = others.collect();
    if let Some(contradiction) = tls.contradiction(&taken) {
        return Some(contradiction.into());
    }
    #[cfg(feature = "tls")]
    if let Some(problem) = tls.tls_name.iter().find_map(|name| names::problem(name)) {
        return Some(problem);
    }
    arguments.send.iter().any(is_tls_fault).then(|| {
        format!("{option} and --send @tls:NAME exclude each other: such an answer is given to a client before any TLS")
    })
}
