//! How a certificate is made, and what is wrong with it.

use rcgen::{
    Certificate, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    KeyUsagePurpose,
};

use super::ca::{Ca, new_key};
use super::identity::Identity;
use super::span::Span;

/// How a certificate is made.
#[derive(Debug, Clone)]
pub(super) struct Recipe {
    ca: Ca,
    /// The host that it is for.
    pub(super) name: String,
    /// Other hosts that it is for, too.
    pub(super) other_names: Vec<String>,
    pub(super) names_in: NamesIn,
    pub(super) signer: Signer,
    pub(super) span: Span,
    pub(super) usage: Usage,
}

/// Where the host's name stands.
#[derive(Debug, Clone, Copy)]
pub(super) enum NamesIn {
    AlternativeName,
    CommonName,
}

/// Who signs it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Signer {
    Root,
    Itself,
    /// An intermediate authority, whose certificate is sent along.
    Intermediate,
    /// An intermediate authority, whose certificate is not sent.
    AbsentIntermediate,
}

/// What it says that it may be used for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Usage {
    Server,
    Client,
}

impl Recipe {
    pub(super) fn new(ca: &Ca, name: &str, usage: Usage) -> Self {
        Recipe {
            ca: ca.clone(),
            name: name.to_owned(),
            other_names: Vec::new(),
            names_in: NamesIn::AlternativeName,
            signer: Signer::Root,
            span: Span::Now,
            usage,
        }
    }

    pub(super) fn make(&self) -> Identity {
        let mut names = vec![self.name.clone()];
        if self.name == "localhost" {
            names.extend(["127.0.0.1".into(), "::1".into()]);
        }
        names.extend(self.other_names.iter().cloned());
        let names = if let NamesIn::CommonName = self.names_in { Vec::new() } else { names };
        let mut params = CertificateParams::new(names).expect("an ASCII name");
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, self.name.as_str());
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![match self.usage {
            Usage::Server => ExtendedKeyUsagePurpose::ServerAuth,
            Usage::Client => ExtendedKeyUsagePurpose::ClientAuth,
        }];
        params.use_authority_key_identifier_extension = !matches!(self.signer, Signer::Itself);
        self.span.set(&mut params);
        let key = new_key();
        let signed = match self.signer {
            Signer::Root => params.signed_by(&key, self.ca.issuer()),
            Signer::Itself => params.self_signed(&key),
            Signer::Intermediate | Signer::AbsentIntermediate => {
                params.signed_by(&key, self.ca.intermediate())
            }
        };
        let certificate: Certificate = signed.expect("its names and times can be encoded");
        let mut certificates = vec![certificate.der().clone()];
        let mut certificate_pem = certificate.pem();
        if let Signer::Intermediate = self.signer {
            certificates.push(self.ca.intermediate().der().clone());
            certificate_pem += &self.ca.intermediate().pem();
        }
        Identity {
            certificates,
            certificate_pem,
            key: key.serialize_der(),
            key_pem: key.serialize_pem(),
        }
    }
}
