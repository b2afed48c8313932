//! Which certificates of a server are accepted, where this side is the client: by a proxy, of its upstream.

use std::io;
use std::sync::{Arc, OnceLock};

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::secured::provider;

/// Which certificates are accepted.
#[derive(Debug, Clone, Default)]
pub(crate) enum Trust {
    /// Those that the system trusts.
    #[default]
    System,
    /// What these settings say.
    Settings(Arc<ClientConfig>),
}

impl Trust {
    /// Those that one of the authorities in this PEM text has signed.
    pub(crate) fn in_authorities(pem: &[u8]) -> io::Result<Self> {
        let invalid = |text: String| io::Error::new(io::ErrorKind::InvalidInput, text);
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            certificate
                .map_err(|error| invalid(format!("the certificate is not PEM: {error}")))
                .and_then(|certificate| {
                    roots.add(certificate).map_err(|error| {
                        invalid(format!("a certificate cannot be that of an authority: {error}"))
                    })
                })?;
        }
        if roots.is_empty() {
            return Err(invalid("there is no certificate in the PEM text".into()));
        }
        Ok(Trust::Settings(trusting(roots)))
    }

    /// Every certificate, whoever has it.
    pub(crate) fn in_everything() -> Self {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("the cipher suites are for these versions")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Everything));
        Trust::Settings(whole_handshakes(builder.with_no_client_auth()))
    }

    /// For rustls.
    pub(super) fn settings(&self) -> io::Result<Arc<ClientConfig>> {
        /// Made once: the system has more than a hundred authorities.
        static SYSTEM: OnceLock<Arc<ClientConfig>> = OnceLock::new();
        match self {
            Trust::Settings(settings) => Ok(Arc::clone(settings)),
            Trust::System => {
                if let Some(settings) = SYSTEM.get() {
                    return Ok(Arc::clone(settings));
                }
                let settings = trusting(roots_of_the_system()?);
                Ok(Arc::clone(SYSTEM.get_or_init(|| settings)))
            }
        }
    }
}

#[cfg(feature = "tls-system-roots")]
fn roots_of_the_system() -> io::Result<RootCertStore> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // A system may have certificates that rustls cannot read; those of others count.
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let why = found.errors.first().map_or(String::new(), |error| format!(" ({error})"));
        let text = format!("the system has no certificates of authorities{why}");
        return Err(io::Error::new(io::ErrorKind::NotFound, text));
    }
    Ok(roots)
}

#[cfg(not(feature = "tls-system-roots"))]
fn roots_of_the_system() -> io::Result<RootCertStore> {
    let text = "no authority is trusted: use `Proxy::trusting`, or the feature `tls-system-roots` for those of the system";
    Err(io::Error::new(io::ErrorKind::InvalidInput, text))
}

fn trusting(roots: RootCertStore) -> Arc<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("the cipher suites are for these versions");
    whole_handshakes(builder.with_root_certificates(roots).with_no_client_auth())
}

/// Nothing is resumed, as in a peer.
fn whole_handshakes(mut settings: ClientConfig) -> Arc<ClientConfig> {
    settings.resumption = Resumption::disabled();
    Arc::new(settings)
}

/// Accepts every certificate. That its owner has the key is still proved, so that a handshake is what it is with any other client.
#[derive(Debug)]
struct Everything;

impl ServerCertVerifier for Everything {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &provider().signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &provider().signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}
