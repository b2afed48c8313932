//! `--tls` and the options beside it: the certificate of the server, and how clients come to trust it.

#[cfg(feature = "tls")]
use std::fs;
#[cfg(feature = "tls")]
use std::path::Path;
use std::process::ExitCode;

use super::arguments::Arguments;
#[cfg(feature = "tls")]
use super::console::complain;
use crate::server::builder::TcpServerBuilder;
#[cfg(feature = "tls")]
use crate::tls::{Ca, Server};

/// TLS as the options ask for it.
#[derive(Debug)]
pub(super) struct Tls {
    #[cfg(feature = "tls")]
    server: Server,
    /// How clients come to trust the certificate, if they don't.
    pub(super) note: Option<String>,
}

/// Why there is no TLS, though an option asks for it.
pub(super) enum NoTls {
    WrongUsage(String),
    #[cfg_attr(not(feature = "tls"), allow(dead_code))]
    Failed(ExitCode),
}

impl Tls {
    /// `None` if no option asks for it.
    pub(super) fn of(arguments: &Arguments) -> Result<Option<Self>, NoTls> {
        if !arguments.tls && arguments.tls_cert.is_none() {
            return Ok(None);
        }
        Tls::made(arguments).map(Some)
    }

    #[cfg(not(feature = "tls"))]
    fn made(_: &Arguments) -> Result<Self, NoTls> {
        let reason = "TLS needs a program that was built with the feature `tls`: cargo install --path . --features tls";
        Err(NoTls::WrongUsage(reason.into()))
    }

    #[cfg(feature = "tls")]
    fn made(arguments: &Arguments) -> Result<Self, NoTls> {
        let failed = |error: String| {
            complain(&error);
            NoTls::Failed(ExitCode::FAILURE)
        };
        if let (Some(certificate), Some(key)) = (&arguments.tls_cert, &arguments.tls_key) {
            if arguments.tls_ca.is_some() {
                let reason = "--tls-ca writes an authority that is made for this run, and --tls-cert has a certificate of its own";
                return Err(NoTls::WrongUsage(reason.into()));
            }
            let server = read(certificate, "certificate")
                .and_then(|pem| Ok((pem, read(key, "private key")?)))
                .and_then(|(certificate_pem, key_pem)| {
                    Server::from_pem(certificate_pem, key_pem).map_err(|error| {
                        let (certificate, key) = (certificate.display(), key.display());
                        format!("failed to use the certificate `{certificate}` with the key `{key}`: {error}")
                    })
                });
            return Ok(Tls { server: server.map_err(failed)?, note: None });
        }
        let ca = Ca::new();
        let note = if let Some(path) = &arguments.tls_ca {
            fs::write(path, ca.pem()).map_err(|error| {
                failed(format!("failed to write the authority `{}`: {error}", path.display()))
            })?;
            format!("the certificate is signed by {}: curl --cacert {0}", path.display())
        } else {
            "no client trusts the certificate: curl --insecure, or write its authority with --tls-ca FILE".into()
        };
        Ok(Tls { server: ca.server("localhost"), note: Some(note) })
    }

    #[cfg(not(feature = "tls"))]
    #[allow(clippy::unused_self)] // there is no value of this type
    pub(super) fn add_to(&self, builder: TcpServerBuilder) -> TcpServerBuilder {
        builder
    }

    #[cfg(feature = "tls")]
    pub(super) fn add_to(&self, builder: TcpServerBuilder) -> TcpServerBuilder {
        builder.tls(self.server.clone())
    }
}

#[cfg(feature = "tls")]
fn read(path: &Path, what: &str) -> Result<Vec<u8>, String> {
    fs::read(path)
        .map_err(|error| format!("failed to read the {what} `{}`: {error}", path.display()))
}
