//! A certificate with its private key.

use std::fmt;
use std::io;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A certificate with its private key, as a client gets it that authenticates itself: made by [`Ca::client`](super::Ca::client), and of a
/// server by [`Server::identity`](super::Server::identity).
///
/// ```
/// use fake_peer::tls::Ca;
///
/// let client = Ca::new().client("alice");
/// assert!(client.certificate_pem().starts_with("-----BEGIN CERTIFICATE-----"));
/// assert!(client.key_pem().starts_with("-----BEGIN PRIVATE KEY-----"));
/// ```
#[derive(Clone)]
pub struct Identity {
    pub(super) certificates: Vec<CertificateDer<'static>>,
    pub(super) certificate_pem: String,
    pub(super) key: Vec<u8>,
    pub(super) key_pem: String,
}

impl Identity {
    /// From PEM: one or more certificates, that of this identity first, and its private key.
    pub(super) fn from_pem(certificates: &[u8], key: &[u8]) -> io::Result<Self> {
        let invalid = |text: String| io::Error::new(io::ErrorKind::InvalidInput, text);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let found = CertificateDer::pem_slice_iter(certificates)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| invalid(format!("the certificate is not PEM: {error}")))?;
        if found.is_empty() {
            return Err(invalid("there is no certificate in the PEM text".into()));
        }
        let private = PrivateKeyDer::from_pem_slice(key).map_err(|error| match error {
            pem::Error::NoItemsFound => invalid("there is no private key in the PEM text".into()),
            error => invalid(format!("the private key is not PEM: {error}")),
        })?;
        Ok(Identity {
            certificates: found,
            certificate_pem: text(certificates),
            key: private.secret_der().to_vec(),
            key_pem: text(key),
        })
    }

    /// The certificate and those that certify it, up to the authority's, as PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The certificate as DER.
    pub fn certificate_der(&self) -> &[u8] {
        self.certificates.first().map_or(&[], |certificate| certificate.as_ref())
    }

    /// The certificate and those that certify it, up to the authority's, as DER.
    pub fn certificates_der(&self) -> impl Iterator<Item = &[u8]> {
        self.certificates.iter().map(AsRef::as_ref)
    }

    /// The private key as PEM. That of a certificate made here is in PKCS #8.
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// The private key as DER. That of a certificate made here is in PKCS #8.
    pub fn key_der(&self) -> &[u8] {
        &self.key
    }
}

/// Without the key.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("certificates", &self.certificates.len())
            .finish_non_exhaustive()
    }
}
