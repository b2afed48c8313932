//! The errors of rustls in words, from the side of a server.

use std::io;

use rustls::AlertDescription;

use crate::journal::difference::shown;

/// Why TLS has failed, at these bytes.
pub(super) fn in_words(error: &rustls::Error, at: &[u8]) -> io::Error {
    use rustls::{Error, PeerIncompatible};
    let text = match error {
        Error::AlertReceived(alert) => {
            format!("the client sent the alert {}", name_of_alert(*alert))
        }
        Error::NoApplicationProtocol => {
            "the client offers no application protocol (ALPN) that the peer has".into()
        }
        Error::NoCertificatesPresented => "the client sent no certificate".into(),
        Error::InvalidCertificate(reason) => {
            format!("the certificate of the client is not accepted: {reason}")
        }
        Error::DecryptError => "a record of the client could not be decrypted".into(),
        Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType) => {
            // Nothing else has them: they belong to no request.
            format!("the client sent something that is not TLS: {}", shown(at))
        }
        Error::PeerIncompatible(
            PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled
            | PeerIncompatible::Tls13RequiredForQuic
            | PeerIncompatible::SupportedVersionsExtensionRequired,
        ) => "client and peer have no version of TLS in common".into(),
        Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon) => {
            "client and peer have no cipher suite in common".into()
        }
        Error::General(text) if text.contains("no server certificate chain resolved") => {
            "the peer has no certificate for the server name of the client".into()
        }
        error => error.to_string(),
    };
    io::Error::new(io::ErrorKind::InvalidData, text)
}

/// As RFC 8446 section 6 spells it, with its number: `unknown_ca (48)`.
pub(super) fn name_of_alert(alert: AlertDescription) -> String {
    let number = u8::from(alert);
    let mut name = String::new();
    let mut was_lower = false;
    for letter in format!("{alert:?}").chars() {
        if letter.is_ascii_uppercase() && was_lower {
            name.push('_');
        }
        was_lower = letter.is_ascii_lowercase() || letter.is_ascii_digit();
        name.push(letter.to_ascii_lowercase());
    }
    format!("`{name}` ({number})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_are_spelled_as_in_the_standard() {
        for (alert, name) in [
            (AlertDescription::UnknownCA, "`unknown_ca` (48)"),
            (AlertDescription::BadRecordMac, "`bad_record_mac` (20)"),
            (AlertDescription::NoApplicationProtocol, "`no_application_protocol` (120)"),
        ] {
            assert_eq!(name_of_alert(alert), name);
        }
    }
}
