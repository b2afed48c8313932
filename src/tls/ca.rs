//! A certificate authority that lives in a test.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::{env, process};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::CertificateDer;

use super::identity::Identity;
use super::recipe::{Recipe, Span, Usage};
use super::server::Server;

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

    /// The settings of a server with a certificate for this host name or IP address. That for `localhost` is also one for 127.0.0.1
    /// and `::1`.
    ///
    /// # Panics
    ///
    /// If the name is not ASCII.
    #[track_caller]
    pub fn server(&self, name: &str) -> Server {
        assert!(name.is_ascii(), "a host name in a certificate is ASCII, and {name:?} is not");
        Server::made_by(Recipe::new(self, name, Usage::Server))
    }

    /// A certificate with which a client authenticates itself under this name.
    ///
    /// # Panics
    ///
    /// If the name is not ASCII.
    #[track_caller]
    pub fn client(&self, name: &str) -> Identity {
        assert!(name.is_ascii(), "a name in a certificate is ASCII, and {name:?} is not");
        Recipe::new(self, name, Usage::Client).make()
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

/// A certificate in a file, which is removed when this is dropped: [`Ca::pem_file`], [`Server::pem_file`]. It is the path of the file.
#[derive(Debug)]
pub struct PemFile(PathBuf);

impl PemFile {
    pub(super) fn new(pem: &str) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        // A file of a process that had this number before may be left: the next name is free.
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let name = format!("fake-peer-ca-{}-{number}.pem", process::id());
            let path = env::temp_dir().join(name);
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(mut file) => {
                    if let Err(error) = file.write_all(pem.as_bytes()) {
                        panic!("failed to write `{}`: {error}", path.display());
                    }
                    return PemFile(path);
                }
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => panic!("failed to create `{}`: {error}", path.display()),
            }
        }
    }
}

impl Deref for PemFile {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl AsRef<Path> for PemFile {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl AsRef<std::ffi::OsStr> for PemFile {
    fn as_ref(&self) -> &std::ffi::OsStr {
        self.0.as_os_str()
    }
}

impl Drop for PemFile {
    fn drop(&mut self) {
        // A test may have removed it.
        let _ = fs::remove_file(&self.0);
    }
}
