//! A certificate authority that lives in a test.

use std::fmt;
use std::sync::{Arc, OnceLock};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::CertificateDer;

use super::pem_file::PemFile;
use super::span::Span;

/// A certificate authority of a test: it makes certificates for [servers](Self::server) and [clients](Self::client), and no program
/// trusts it that was not given its certificate ([`pem`](Self::pem), [`der`](Self::der), [`pem_file`](Self::pem_file)).
///
/// Its keys are ECDSA keys on the curve P-256. It is valid from a month ago for two years, so no test that uses it expires.
/// Clones are the same authority.
#[derive(Clone)]
pub struct Ca(Arc<Authority>);

struct Authority {
    root: CertifiedIssuer<'static, KeyPair>,
    intermediate: OnceLock<CertifiedIssuer<'static, KeyPair>>,
}

impl Ca {
    /// A new authority, which nothing trusts.
    ///
    /// # Panics
    ///
    /// If the system has no random numbers.
    pub fn new() -> Self {
        let key = new_key();
        let root = CertifiedIssuer::self_signed(authority("CA", &key), key)
            .expect("its name and its times can be encoded");
        Ca(Arc::new(Authority { root, intermediate: OnceLock::new() }))
    }

    /// An authority that all callers in this process share. It is made at the first call.
    ///
    /// ```
    /// use fake_peer::tls::Ca;
    ///
    /// assert_eq!(Ca::shared().pem(), Ca::shared().pem());
    /// assert_ne!(Ca::shared().pem(), Ca::new().pem());
    /// ```
    pub fn shared() -> Self {
        static SHARED: OnceLock<Ca> = OnceLock::new();
        SHARED.get_or_init(Ca::new).clone()
    }

    /// Its certificate as PEM: text that begins with `-----BEGIN CERTIFICATE-----`.
    pub fn pem(&self) -> String {
        self.0.root.pem()
    }

    /// Its certificate as DER.
    pub fn der(&self) -> &[u8] {
        self.certificate()
    }

    /// Its certificate as PEM in a file of the system's temporary folder, for programs that want one. The file is removed when the
    /// returned value is dropped.
    ///
    /// ```
    /// use fake_peer::tls::Ca;
    ///
    /// let ca = Ca::new();
    /// let file = ca.pem_file();
    /// assert_eq!(std::fs::read_to_string(&file)?, ca.pem());
    /// // Command::new("curl").arg("--cacert").arg(&*file) …
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Panics
    ///
    /// If the file cannot be written.
    pub fn pem_file(&self) -> PemFile {
        PemFile::new(&self.pem())
    }

    pub(super) fn certificate(&self) -> &CertificateDer<'static> {
        self.0.root.der()
    }

    pub(super) fn issuer(&self) -> &Issuer<'static, KeyPair> {
        &self.0.root
    }

    /// An authority that this one has certified.
    pub(super) fn intermediate(&self) -> &CertifiedIssuer<'static, KeyPair> {
        self.0.intermediate.get_or_init(|| {
            let key = new_key();
            let mut params = authority("intermediate CA", &key);
            params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
            params.use_authority_key_identifier_extension = true;
            CertifiedIssuer::signed_by(params, key, &self.0.root)
                .expect("its name and its times can be encoded")
        })
    }
}

impl Default for Ca {
    fn default() -> Self {
        Ca::new()
    }
}

impl fmt::Debug for Ca {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ca").finish_non_exhaustive()
    }
}

pub(super) fn new_key() -> KeyPair {
    KeyPair::generate().expect("the system has random numbers")
}

/// What is in the certificate of an authority. Its name is unlike that of any other: a client that knows another authority under the same
/// name would complain about the signature.
fn authority(kind: &str, key: &KeyPair) -> CertificateParams {
    let mut params = CertificateParams::default();
    let bytes = key.public_key_raw().iter().skip(1).take(4);
    let number = bytes.fold(0_u32, |number, &byte| (number << 8) | u32::from(byte));
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "fake-peer");
    params
        .distinguished_name
        .push(DnType::CommonName, format!("fake-peer test {kind} {number:08x}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
    ];
    Span::Authority.set(&mut params);
    params
}
