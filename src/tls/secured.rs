//! The settings of a server, ready for its connections.

use std::io;
use std::sync::{Arc, OnceLock};

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, RootCertStore, ServerConfig, SupportedProtocolVersion};

use super::ca::Ca;
use super::flight::Flight;
use super::identity::Identity;
use super::layer::TlsLayer;
use super::resolver::Resolver;
use crate::journal::count;
use crate::os::layer::Layer;
use crate::response::ending::Ending;
use crate::response::secure::Secure;

/// What a server makes of the certificates of its clients.
#[derive(Debug, Clone)]
pub(super) enum ClientCertificates {
    Ignored,
    Asked(Ca),
    Required(Ca),
}

/// Where every connection breaks.
#[derive(Debug, Clone)]
pub(super) enum Break {
    After(Flight, Ending),
    /// After so many bytes of ciphertext.
    At(u64, Ending),
}

/// The settings of a server, ready for its connections.
#[derive(Debug)]
pub(super) struct Secured {
    pub(super) name: String,
    pub(super) config: ServerConfig,
    pub(super) breaks: Option<Break>,
}

/// The cryptography, made once. It is asked for by name, so that it does not matter what a test installs as the default.
pub(super) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(ring::default_provider())))
}

/// A certificate and its key, for rustls.
///
/// # Errors
///
/// If the key is of a kind that is not supported, or not that of the certificate.
pub(super) fn certified(identity: &Identity) -> io::Result<Arc<CertifiedKey>> {
    let invalid = |text: String| io::Error::new(io::ErrorKind::InvalidInput, text);
    let key = PrivateKeyDer::try_from(identity.key.clone())
        .map_err(|error| invalid(format!("the private key is of no known kind: {error}")))?;
    let chain: Vec<CertificateDer<'static>> = identity.certificates.clone();
    let key = CertifiedKey::from_der(chain, key, &provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            invalid("the private key does not belong to the certificate".into())
        }
        error => invalid(format!("the certificate or its key cannot be used: {error}")),
    })?;
    Ok(Arc::new(key))
}

/// The configuration for rustls.
pub(super) fn configured(
    certificates: Vec<(String, Arc<CertifiedKey>)>,
    clients: &ClientCertificates,
    versions: &[&'static SupportedProtocolVersion],
    alpn: &[Vec<u8>],
) -> ServerConfig {
    let provider = provider();
    let verifier = match clients {
        ClientCertificates::Ignored => WebPkiClientVerifier::no_client_auth(),
        ClientCertificates::Asked(ca) | ClientCertificates::Required(ca) => {
            let mut roots = RootCertStore::empty();
            roots.add(ca.certificate().clone()).expect("a certificate that was made here");
            let builder =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
            let builder = match clients {
                ClientCertificates::Asked(_) => builder.allow_unauthenticated(),
                _ => builder,
            };
            builder.build().expect("it has an authority")
        }
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .expect("the cipher suites are for these versions")
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(Resolver(certificates)));
    config.alpn_protocols = alpn.to_vec();
    // Each connection has a handshake of its own, in which each fault shows; and no byte is sent that no one has asked for.
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config
}

impl Secure for Secured {
    fn layer(&self) -> Box<dyn Layer> {
        let (after, at) = match self.breaks {
            Some(Break::After(flight, _)) => (Some(flight), None),
            Some(Break::At(bytes, _)) => (None, Some(bytes)),
            None => (None, None),
        };
        Box::new(TlsLayer::new(&self.config, after, at))
    }

    fn ending(&self) -> Ending {
        match &self.breaks {
            Some(Break::After(_, ending) | Break::At(_, ending)) => ending.clone(),
            None => Ending::Close,
        }
    }

    fn broken_at(&self) -> String {
        match &self.breaks {
            Some(Break::After(flight, _)) => flight.described().to_owned(),
            Some(Break::At(bytes, _)) => format!("after {} of ciphertext", count::bytes(*bytes)),
            None => String::new(),
        }
    }

    fn name(&self) -> &str {
        &self.name
    }
}
