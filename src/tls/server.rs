//! The settings of a server with TLS: its certificates, what is wrong with them, and where its connections break.

use std::io;
use std::sync::{Arc, OnceLock};

use rustls::version::{TLS12, TLS13};

use super::ca::Ca;
use super::flight::Flight;
use super::identity::Identity;
use super::pem_file::PemFile;
use super::recipe::{NamesIn, Recipe, Signer, Usage};
use super::secured::{Break, ClientCertificates, Secured, certified, configured};
use super::span::Span;
use crate::response::ending::Ending;
use crate::response::secure::Secure;

/// A version of TLS, for [`Server::versions`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Version {
    /// TLS 1.2 (RFC 5246).
    Tls12,
    /// TLS 1.3 (RFC 8446).
    Tls13,
}

/// The settings of a server with TLS: [`Ca::server`] makes them, [`tls`](crate::TcpServerBuilder::tls) of the builder takes them.
///
/// Its certificate is made when it is first used, and clones share it, unless a setting of the certificate is changed after that.
/// Nothing is resumed: every connection has a whole handshake.
#[derive(Debug, Clone)]
#[must_use = "a setting is used only where a builder or a response gets it"]
pub struct Server {
    /// In URLs.
    name: String,
    /// At least one.
    certificates: Vec<Certificate>,
    clients: ClientCertificates,
    versions: Vec<Version>,
    alpn: Vec<Vec<u8>>,
    breaks: Option<Break>,
    secured: Arc<OnceLock<Arc<Secured>>>,
}

#[derive(Debug, Clone)]
enum Certificate {
    Made { recipe: Recipe, identity: Arc<OnceLock<Identity>> },
    Given(Identity),
}

impl Certificate {
    fn of(recipe: Recipe) -> Self {
        Certificate::Made { recipe, identity: Arc::default() }
    }

    fn identity(&self) -> &Identity {
        match self {
            Certificate::Made { recipe, identity } => identity.get_or_init(|| recipe.make()),
            Certificate::Given(identity) => identity,
        }
    }
}

impl Server {
    pub(super) fn made_by(recipe: Recipe) -> Self {
        Server::new(recipe.name.clone(), Certificate::of(recipe))
    }

    fn new(name: String, certificate: Certificate) -> Self {
        Server {
            name,
            certificates: vec![certificate],
            clients: ClientCertificates::Ignored,
            versions: vec![Version::Tls12, Version::Tls13],
            alpn: Vec::new(),
            breaks: None,
            secured: Arc::default(),
        }
    }

    /// A server with a certificate of your own: PEM text with the certificate, followed by those that certify it, and PEM text with its
    /// private key. Its URLs say `localhost`.
    ///
    /// ```
    /// use fake_peer::tls::{Ca, Server};
    ///
    /// let own = Ca::new().server("localhost").identity();
    /// let server = Server::from_pem(own.certificate_pem(), own.key_pem())?;
    /// # drop(server);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if there is no certificate or no key in the text, or they do not belong together.
    pub fn from_pem(certificate: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> io::Result<Self> {
        let identity = Identity::from_pem(certificate.as_ref(), key.as_ref())?;
        certified(&identity)?;
        Ok(Server::new("localhost".into(), Certificate::Given(identity)))
    }

    /// The certificate that a client gets, with its private key. Where there are [several](Self::and), it is the first one.
    pub fn identity(&self) -> Identity {
        self.certificates[0].identity().clone()
    }

    /// The certificate that a client gets, as PEM: what a client has to trust if it is [self-signed](Self::self_signed).
    pub fn pem(&self) -> String {
        self.identity().certificate_pem().to_owned()
    }

    /// The same in a file, as [`Ca::pem_file`].
    ///
    /// # Panics
    ///
    /// If the file cannot be written.
    pub fn pem_file(&self) -> PemFile {
        PemFile::new(&self.pem())
    }

    /// The certificate has expired: it was valid until yesterday.
    ///
    /// # Panics
    ///
    /// If the certificate [was given](Self::from_pem).
    #[track_caller]
    pub fn expired(self) -> Self {
        self.recipe(|recipe| recipe.span = Span::Expired)
    }

    /// The certificate is not valid yet: it will be from tomorrow on.
    ///
    /// # Panics
    ///
    /// If the certificate [was given](Self::from_pem).
    #[track_caller]
    pub fn not_yet_valid(self) -> Self {
        self.recipe(|recipe| recipe.span = Span::NotYet)
    }

    /// The certificate is for another host than the one that the [URL](crate::Peer::url) names.
    ///
    /// # Panics
    ///
    /// If the certificate [was given](Self::from_pem), or the name is not ASCII.
    #[track_caller]
    pub fn for_host(self, name: &str) -> Self {
        assert!(name.is_ascii(), "a host name in a certificate is ASCII, and {name:?} is not");
        self.recipe(|recipe| name.clone_into(&mut recipe.name))
    }

    /// The certificate is for these host names and IP addresses, too. URLs don't name them.
    #[cfg(feature = "cli")]
    pub(crate) fn also_for(self, names: &[String]) -> Self {
        self.recipe(|recipe| recipe.other_names = names.to_vec())
    }

    /// The certificate is signed with its own key, and by no authority. A client that is given the certificate itself
    /// ([`pem`](Self::pem)) can trust it.
    ///
    /// # Panics
    ///
    /// If the certificate [was given](Self::from_pem).
    #[track_caller]
    pub fn self_signed(self) -> Self {
        self.recipe(|recipe| recipe.signer = Signer::Itself)
    }

    /// The certificate is signed by an intermediate authority, whose certificate is sent along.
    ///
    /// # Panics
    ///
    /// If the certificate [was given](Self::from_pem).
    #[track_caller]
    pub fn with_intermediate(self) -> Self {
        self.recipe(|recipe| recipe.signer = Signer::Intermediate)
    }

    /// The certificate is signed by an intermediate authority, whose certificate is not sent: clients that do not know it cannot find the
    /// way to the authority that they trust.
    ///
    /// # Panics
    ///
    /// If the certificate [was given](Self::from_pem).
    #[track_caller]
    pub fn without_intermediate(self) -> Self {
        self.recipe(|recipe| recipe.signer = Signer::AbsentIntermediate)
    }

    /// The certificate says that it is for clients: its extended key usage is `clientAuth`, without `serverAuth` (RFC 5280 section
    /// 4.2.1.12).
    ///
    /// # Panics
    ///
    /// If the certificate [was given](Self::from_pem).
    #[track_caller]
    pub fn wrong_key_usage(self) -> Self {
        self.recipe(|recipe| recipe.usage = Usage::Client)
    }

    /// The certificate has the host's name only in its common name, as certificates had it before 2000. Clients have to look for it in
    /// the subject alternative name (RFC 9525 section 2).
    ///
    /// # Panics
    ///
    /// If the certificate [was given](Self::from_pem).
    #[track_caller]
    pub fn name_only_in_common_name(self) -> Self {
        self.recipe(|recipe| recipe.names_in = NamesIn::CommonName)
    }

    /// Changes how the certificate is made that was added last.
    #[track_caller]
    fn recipe(mut self, change: impl FnOnce(&mut Recipe)) -> Self {
        let last = self.certificates.last_mut().expect("there is always one");
        let Certificate::Made { recipe, .. } = last else {
            panic!(
                "a certificate that was given cannot be changed: `Ca::server` makes one that can"
            )
        };
        let mut changed = recipe.clone();
        change(&mut changed);
        *last = Certificate::of(changed);
        self.changed()
    }

    /// Something was changed: clones of before stay as they are.
    fn changed(mut self) -> Self {
        self.secured = Arc::default();
        self
    }

    /// Another certificate, for clients that ask for its host (SNI). A client that names no host, or one that has no certificate here,
    /// gets the first one. Of the other server only the certificates are taken.
    ///
    /// ```
    /// use fake_peer::tls::Ca;
    ///
    /// let ca = Ca::new();
    /// let server = ca.server("localhost").and(ca.server("expired.test").expired());
    /// # drop(server);
    /// ```
    pub fn and(mut self, other: Server) -> Self {
        self.certificates.extend(other.certificates);
        self.changed()
    }

    /// Asks the client for a certificate of this authority. The handshake goes on without one; with one that another authority has
    /// signed, or that is not valid, it fails.
    ///
    /// Defaults to no question.
    pub fn asks_for_client_certificate(mut self, ca: &Ca) -> Self {
        self.clients = ClientCertificates::Asked(ca.clone());
        self.changed()
    }

    /// Asks the client for a certificate of this authority, and fails the handshake if there is none. A TLS 1.3 client has finished its
    /// handshake by then: it gets the alert `certificate_required` when it reads.
    ///
    /// Defaults to no question.
    pub fn requires_client_certificate(mut self, ca: &Ca) -> Self {
        self.clients = ClientCertificates::Required(ca.clone());
        self.changed()
    }

    /// The application protocols that the peer has, the preferred one first, such as `["h2", "http/1.1"]`. If the client offers some, and
    /// none of these, the handshake fails.
    ///
    /// What was agreed changes nothing else: the peer sends the bytes that it was given.
    ///
    /// Defaults to none: what clients offer is ignored.
    pub fn alpn<P: AsRef<[u8]>>(mut self, protocols: impl IntoIterator<Item = P>) -> Self {
        self.alpn = protocols.into_iter().map(|protocol| protocol.as_ref().to_vec()).collect();
        self.changed()
    }

    /// The versions of TLS that the peer has. If the client has none of them, the handshake fails.
    ///
    /// Defaults to TLS 1.2 and TLS 1.3.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[track_caller]
    pub fn versions(mut self, versions: impl IntoIterator<Item = Version>) -> Self {
        self.versions = versions.into_iter().collect();
        assert!(!self.versions.is_empty(), "a handshake needs a version");
        self.changed()
    }

    /// Every connection ends in this way after a flight of its handshake: closed, [reset](Ending::Reset), or
    /// [held](Ending::Hold), so that the handshake stalls. That is no failure of the peer. It replaces
    /// [`cut_ciphertext`](Self::cut_ciphertext), and the other way round.
    ///
    /// Defaults to none.
    pub fn breaks_after(mut self, flight: Flight, ending: Ending) -> Self {
        self.breaks = Some(Break::After(flight, ending));
        self.changed()
    }

    /// Every connection ends in this way after so many bytes of ciphertext, counted from the first byte that the peer sends: in its
    /// handshake, in a response, or in the `close_notify` after it. That is no failure of the peer. A connection that has sent less ends
    /// as usual. To count from the beginning of a response: [`Response::cut_ciphertext`](crate::Response::cut_ciphertext).
    ///
    /// Defaults to none.
    pub fn cut_ciphertext(mut self, bytes: u64, ending: Ending) -> Self {
        self.breaks = Some(Break::At(bytes, ending));
        self.changed()
    }

    /// Ready for connections.
    pub(crate) fn secured(&self) -> Arc<dyn Secure> {
        let secured = self.secured.get_or_init(|| {
            let certificates = self.certificates.iter().map(|certificate| {
                let name = match certificate {
                    Certificate::Made { recipe, .. } => recipe.name.clone(),
                    Certificate::Given(_) => String::new(),
                };
                let key = certified(certificate.identity());
                (name, key.expect("a certificate that was made here, or has been tried"))
            });
            let versions: Vec<_> = self
                .versions
                .iter()
                .map(|version| match version {
                    Version::Tls12 => &TLS12,
                    Version::Tls13 => &TLS13,
                })
                .collect();
            let config = configured(certificates.collect(), &self.clients, &versions, &self.alpn);
            let (name, breaks) = (self.name.clone(), self.breaks.clone());
            Arc::new(Secured { name, config, breaks })
        });
        Arc::clone(secured) as _
    }
}
