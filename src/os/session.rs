//! What client and peer have negotiated in a TLS handshake.
#![cfg_attr(not(feature = "tls"), allow(dead_code, unreachable_pub))] // it is published by that feature

use std::fmt;

/// What client and peer have negotiated in a TLS handshake: [`Client::tls`](crate::Client::tls).
///
/// Prints as `TLS 1.3, TLS13_AES_128_GCM_SHA256, server name localhost, ALPN h2`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Session {
    pub(crate) version: Option<&'static str>,
    pub(crate) cipher_suite: Option<String>,
    pub(crate) server_name: Option<String>,
    pub(crate) alpn: Option<Vec<u8>>,
    pub(crate) client_certificates: Vec<Vec<u8>>,
}

impl Session {
    /// The version: `TLS 1.2` or `TLS 1.3`. Empty if the handshake has failed before that was settled.
    pub fn version(&self) -> &str {
        self.version.unwrap_or_default()
    }

    /// The name of the cipher suite, such as `TLS13_AES_128_GCM_SHA256` or `TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384`. Empty if the
    /// handshake has failed before that was settled.
    pub fn cipher_suite(&self) -> &str {
        self.cipher_suite.as_deref().unwrap_or_default()
    }

    /// The name of the server that the client asked for (SNI). `None` if it named none, as clients do that connect to an IP address.
    pub fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    /// The protocol that both agreed on (ALPN), such as `h2`; `None` if there is none.
    pub fn alpn(&self) -> Option<&[u8]> {
        self.alpn.as_deref()
    }

    /// The certificate of the client, as DER; `None` if it sent none.
    pub fn client_certificate(&self) -> Option<&[u8]> {
        self.client_certificates.first().map(Vec::as_slice)
    }

    /// All certificates that the client sent, as DER: its own first.
    pub fn client_certificates(&self) -> impl Iterator<Item = &[u8]> {
        self.client_certificates.iter().map(Vec::as_slice)
    }
}

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.version.unwrap_or("TLS"))?;
        if let Some(suite) = &self.cipher_suite {
            write!(f, ", {suite}")?;
        }
        if let Some(name) = &self.server_name {
            write!(f, ", server name {}", name.escape_debug())?;
        }
        if let Some(alpn) = &self.alpn {
            write!(f, ", ALPN {}", alpn.escape_ascii())?;
        }
        if let Some(certificate) = self.client_certificate() {
            write!(f, ", client certificate of {} bytes", certificate.len())?;
        }
        Ok(())
    }
}
