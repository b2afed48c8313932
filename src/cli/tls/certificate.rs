//! The certificate of the program: made for this run, or one's own.

use std::fs;
use std::path::{Path, PathBuf};

use super::arguments::TlsArguments;
use crate::os::address::{Address, host_in_url};
use crate::server::builder::TcpServerBuilder;
use crate::tls::{Ca, Server};

/// Serving over TLS.
#[derive(Debug)]
pub(in crate::cli) struct Tls {
    server: Server,
    origin: Origin,
}

/// Where the certificate comes from.
#[derive(Debug)]
enum Origin {
    /// This authority, whose own certificate goes to this file. URLs name this host.
    Made { ca: Ca, host: String, file: Option<PathBuf> },
    /// A file. Who trusts it is not known here.
    Given,
}

impl Tls {
    /// With the certificate that the options ask for, if they ask for one. An error is one line.
    pub(in crate::cli) fn of(arguments: &TlsArguments) -> Result<Option<Self>, String> {
        if arguments.first().is_none() {
            return Ok(None);
        }
        if let (Some(cert), Some(key)) = (&arguments.tls_cert, &arguments.tls_key) {
            let server = Server::from_pem(read("certificate", cert)?, read("private key", key)?)
                .map_err(|error| {
                    let (cert, key) = (cert.display(), key.display());
                    format!("failed to use the certificate `{cert}` with the key `{key}`: {error}")
                })?;
            return Ok(Some(Tls { server, origin: Origin::Given }));
        }
        let ca = Ca::new();
        let names = &arguments.tls_name;
        let server = ca.server("localhost").also_for(names);
        let host = names.first().map_or("localhost", String::as_str).to_owned();
        let origin = Origin::Made { ca, host, file: arguments.tls_ca.clone() };
        Ok(Some(Tls { server, origin }))
    }

    /// A server that uses it.
    pub(in crate::cli) fn secure(&self, builder: TcpServerBuilder) -> TcpServerBuilder {
        builder.tls(self.server.clone())
    }

    /// Writes the certificate of the authority where an option says so. An error is one line.
    pub(in crate::cli) fn write_ca(&self) -> Result<(), String> {
        let Origin::Made { ca, file: Some(file), .. } = &self.origin else { return Ok(()) };
        fs::write(file, ca.pem()).map_err(|error| {
            format!("failed to write the certificate of the CA to `{}`: {error}", file.display())
        })
    }

    /// How a client trusts the certificate, in one line, if the program has made it.
    pub(in crate::cli) fn how_to_trust(&self, addr: &Address) -> Option<String> {
        let Origin::Made { file, host, .. } = &self.origin else { return None };
        let host = host_in_url(host);
        let url = match addr.socket_addr() {
            Some(tcp) => format!("https://{host}:{}/", tcp.port()),
            None => format!("https://{host}/"),
        };
        let socket = addr
            .path()
            .map_or(String::new(), |path| format!("--unix-socket {} ", in_a_shell(path)));
        Some(match file {
            Some(file) => format!(
                "to trust the certificate of this run: curl {socket}--cacert {} {url}",
                in_a_shell(file)
            ),
            None => format!(
                "no client trusts the certificate of this run; --tls-ca FILE writes what it needs: curl {socket}--cacert FILE {url}"
            ),
        })
    }
}

fn read(what: &str, path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path)
        .map_err(|error| format!("failed to read the {what} `{}`: {error}", path.display()))
}

/// A path as a shell reads it.
fn in_a_shell(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |char: char| char.is_alphanumeric() || "/._-+,:@".contains(char);
    if text.chars().all(is_plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}
