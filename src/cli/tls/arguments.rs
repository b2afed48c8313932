//! The options for TLS: their names, what they take, and their help.
#![allow(clippy::doc_markdown)] // the help has no Markdown

use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};

use crate::cli::stdin::is_dash;

#[derive(Debug, Args)]
#[command(next_help_heading = "TLS")]
pub(in crate::cli) struct TlsArguments {
    /// Serve over TLS (https), with a certificate for localhost that is made for this run. A line on stderr says how
    /// clients trust it. Needs the feature tls: cargo install --path . --features tls
    #[arg(long)]
    pub(super) tls: bool,

    /// Serve over TLS as with --tls, with a certificate that is for this host name or IP address, too: for one that the
    /// hosts file of this machine has, say. Several may be given
    #[arg(long, value_name = "NAME")]
    pub(super) tls_name: Vec<String>,

    /// Serve over TLS as with --tls, and write the certificate of the authority that clients have to trust to this file,
    /// as PEM. A file that exists is replaced
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) tls_ca: Option<PathBuf>,

    /// Serve over TLS with a certificate of your own: a PEM file with the certificate, followed by those that certify it.
    /// --tls-key has its key
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) tls_cert: Option<PathBuf>,

    /// A PEM file with the private key of --tls-cert
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) tls_key: Option<PathBuf>,
}

impl TlsArguments {
    /// The first of these options that was given.
    pub(super) fn first(&self) -> Option<&'static str> {
        let all = [
            (self.tls, "--tls"),
            (!self.tls_name.is_empty(), "--tls-name"),
            (self.tls_ca.is_some(), "--tls-ca"),
            (self.tls_cert.is_some(), "--tls-cert"),
            (self.tls_key.is_some(), "--tls-key"),
        ];
        all.into_iter().find(|(is_given, _)| *is_given).map(|(_, name)| name)
    }

    /// What contradicts itself in these options. `taken` are the files of other options.
    pub(super) fn contradiction(&self, taken: &[&Path]) -> Option<&'static str> {
        let (ca, cert, key) = (&self.tls_ca, &self.tls_cert, &self.tls_key);
        let is_taken = |path: &Path| taken.contains(&path);
        match (ca.as_deref(), cert, key) {
            (_, Some(_), None) => {
                Some("--tls-cert FILE needs the key of the certificate: --tls-key FILE")
            }
            (_, None, Some(_)) => {
                Some("--tls-key FILE needs the certificate of the key: --tls-cert FILE")
            }
            (Some(_), Some(_), _) => Some(
                "--tls-ca FILE and --tls-cert FILE exclude each other: the program does not know the authority of a certificate of yours",
            ),
            (_, Some(_), _) if !self.tls_name.is_empty() => Some(
                "--tls-name NAME and --tls-cert FILE exclude each other: a certificate of yours has names of its own",
            ),
            (Some(ca), ..) if is_dash(ca) => Some("--tls-ca takes a file, and not -"),
            (Some(ca), ..) if is_taken(ca) => Some("--tls-ca needs a file of its own"),
            (_, Some(cert), Some(key)) if is_dash(cert) || is_dash(key) => {
                Some("--tls-cert and --tls-key take files, and not -")
            }
            _ => None,
        }
    }
}
