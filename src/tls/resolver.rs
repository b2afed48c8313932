//! Which certificate a client gets: the one for the server name that it asks for, otherwise the first.

use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// The certificates of a server, each with the name of its host.
#[derive(Debug)]
pub(super) struct Resolver(pub(super) Vec<(String, Arc<CertifiedKey>)>);

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let asked = hello.server_name().unwrap_or_default();
        let fits = |(name, _): &&(String, _)| name.eq_ignore_ascii_case(asked);
        let (_, key) = self.0.iter().find(fits).or(self.0.first())?;
        Some(Arc::clone(key))
    }
}
