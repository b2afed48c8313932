//! The alerts of TLS by name, each with its number and its section.

use std::fmt;

use super::after_hello;
use crate::response::steps::Response;

/// The type of an alert's record, and the levels (RFC 8446 section 6).
const ALERT: u8 = 21;
const WARNING: u8 = 1;
const FATAL: u8 = 2;

/// Declares the alerts: each once, with its documentation, its number and its name in the standard.
macro_rules! alerts {
    ($($(#[$documentation:meta])* $alert:ident = $code:literal, $name:literal;)*) => {
        /// What can be said to be wrong in TLS: the alerts of RFC 8446 section 6, and those of older versions that clients still know.
        ///
        /// Prints as in the journal: `` `unknown_ca` (48) ``.
        ///
        /// ```
        /// use fake_peer::garbage::tls::Alert;
        ///
        /// assert_eq!(Alert::UnknownCa.to_string(), "`unknown_ca` (48)");
        /// assert_eq!((Alert::UnknownCa.name(), Alert::UnknownCa.code()), ("unknown_ca", 48));
        /// ```
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Alert {
            $($(#[$documentation])* $alert,)*
        }

        impl Alert {
            /// All of them, by their numbers.
            pub const ALL: &[Alert] = &[$(Alert::$alert),*];

            /// Its name in the standard, without the `_RESERVED` that RFC 8446 appendix B.2 adds to old ones.
            pub fn name(self) -> &'static str {
                match self {
                    $(Alert::$alert => $name,)*
                }
            }

            /// Its number.
            pub fn code(self) -> u8 {
                match self {
                    $(Alert::$alert => $code,)*
                }
            }
        }
    };
}

alerts! {
    /// The sender will send nothing more (RFC 8446 section 6.1). In the place of a `ServerHello`: no handshake took place.
    CloseNotify = 0, "close_notify";
    /// A message that does not belong here (RFC 8446 section 6.2, like all that name no section).
    UnexpectedMessage = 10, "unexpected_message";
    /// A record that cannot be decrypted.
    BadRecordMac = 20, "bad_record_mac";
    /// A record that could not be decrypted, before TLS 1.1 (RFC 5246 section 7.2.2).
    DecryptionFailed = 21, "decryption_failed";
    /// A record that is too long.
    RecordOverflow = 22, "record_overflow";
    /// Data that could not be decompressed, before TLS 1.3 (RFC 5246 section 7.2.2).
    DecompressionFailure = 30, "decompression_failure";
    /// Nothing in common: cipher suites, groups, signatures. The most frequent one.
    HandshakeFailure = 40, "handshake_failure";
    /// The client has no certificate, in SSL 3.0 (RFC 6101 section 5.4.2).
    NoCertificate = 41, "no_certificate";
    /// A certificate is corrupt, or its signature is wrong.
    BadCertificate = 42, "bad_certificate";
    /// A certificate of a kind that is not supported.
    UnsupportedCertificate = 43, "unsupported_certificate";
    /// A certificate was revoked.
    CertificateRevoked = 44, "certificate_revoked";
    /// A certificate has expired.
    CertificateExpired = 45, "certificate_expired";
    /// Something else is wrong with a certificate.
    CertificateUnknown = 46, "certificate_unknown";
    /// A field is wrong, or contradicts another one.
    IllegalParameter = 47, "illegal_parameter";
    /// The authority of a certificate is not known.
    UnknownCa = 48, "unknown_ca";
    /// The certificate is valid, and does not give access.
    AccessDenied = 49, "access_denied";
    /// A message that cannot be read: a length is wrong, or a field out of range.
    DecodeError = 50, "decode_error";
    /// A signature or a `Finished` is wrong.
    DecryptError = 51, "decrypt_error";
    /// A cipher that export was restricted to, before TLS 1.1 (RFC 5246 section 7.2.2).
    ExportRestriction = 60, "export_restriction";
    /// No version in common.
    ProtocolVersion = 70, "protocol_version";
    /// The server wants more security than the client offers.
    InsufficientSecurity = 71, "insufficient_security";
    /// An error that has nothing to do with the client.
    InternalError = 80, "internal_error";
    /// The client tries again with an older version than the server knows (RFC 7507).
    InappropriateFallback = 86, "inappropriate_fallback";
    /// The handshake was cancelled for another reason than an error (RFC 8446 section 6.1).
    UserCanceled = 90, "user_canceled";
    /// There will be no new handshake, before TLS 1.3 (RFC 5246 section 7.2.2).
    NoRenegotiation = 100, "no_renegotiation";
    /// An extension is missing that the client must send.
    MissingExtension = 109, "missing_extension";
    /// An extension that must not be there.
    UnsupportedExtension = 110, "unsupported_extension";
    /// A certificate could not be fetched, before TLS 1.3 (RFC 6066 section 9).
    CertificateUnobtainable = 111, "certificate_unobtainable";
    /// There is no server of that name (SNI).
    UnrecognizedName = 112, "unrecognized_name";
    /// The OCSP response is not valid.
    BadCertificateStatusResponse = 113, "bad_certificate_status_response";
    /// A certificate does not have the hash that was announced, before TLS 1.3 (RFC 6066 section 9).
    BadCertificateHashValue = 114, "bad_certificate_hash_value";
    /// No key is known by that name.
    UnknownPskIdentity = 115, "unknown_psk_identity";
    /// The client has to show a certificate, and has shown none.
    CertificateRequired = 116, "certificate_required";
    /// No application protocol in common (ALPN).
    NoApplicationProtocol = 120, "no_application_protocol";
}

impl Alert {
    /// Those that end no handshake by themselves are warnings: RFC 8446 section 6.1, RFC 5246 section 7.2.2, RFC 6101 section 5.4.2.
    fn level(self) -> u8 {
        match self {
            Alert::CloseNotify
            | Alert::NoCertificate
            | Alert::UserCanceled
            | Alert::NoRenegotiation => WARNING,
            _ => FATAL,
        }
    }
}

impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ({})", self.name(), self.code())
    }
}

/// An alert in the place of a `ServerHello`, then a close.
///
/// `\x15\x03\x03\0\x02\x020` is [`UnknownCa`](Alert::UnknownCa). The level is fatal (2); it is warning (1) for
/// [`CloseNotify`](Alert::CloseNotify), [`UserCanceled`](Alert::UserCanceled), [`NoRenegotiation`](Alert::NoRenegotiation) and
/// [`NoCertificate`](Alert::NoCertificate), as their standards say.
///
/// RFC 8446 section 6.2: a client MUST close the connection at once when it gets a fatal alert. Section 6.1: after `close_notify`
/// nothing more comes, so the handshake has failed, too.
///
/// ```
/// use fake_peer::garbage::tls::{Alert, alert};
/// use fake_peer::Peer;
/// # use std::io::{Read, Write};
///
/// # fn main() -> std::io::Result<()> {
/// let peer = Peer::answer(alert(Alert::UnknownCa));
/// # let mut client = std::net::TcpStream::connect(peer.addr())?;
/// # client.write_all(b"\x16\x03\x01\0\x04\x01\0\0\0")?;
/// # let mut answer = Vec::new();
/// # client.read_to_end(&mut answer)?;
/// // A client of TLS says that it got an alert `unknown_ca`; these are the bytes.
/// assert_eq!(answer, b"\x15\x03\x03\0\x02\x02\x30");
/// # Ok(()) }
/// ```
pub fn alert(alert: Alert) -> Response {
    record(alert.level(), alert.code())
}

/// The alert `unrecognized_name` as a warning, then a close.
///
/// `\x15\x03\x03\0\x02\x01p`
///
/// RFC 8446 section 6: a client that offers TLS 1.3 MUST take it for an error, whatever its level. RFC 6066 section 3: as a
/// warning it is NOT RECOMMENDED, since what clients do is unpredictable.
pub fn unrecognized_name_warning() -> Response {
    record(WARNING, Alert::UnrecognizedName.code())
}

/// An alert that no standard knows, as a warning, then a close.
///
/// `\x15\x03\x03\0\x02\x01\xff`
///
/// RFC 8446 section 6: a client MUST take it for an error.
pub fn unknown_alert() -> Response {
    record(WARNING, 255)
}

/// An alert whose record has one byte instead of two, then a close.
///
/// `\x15\x03\x03\0\x01\x02`
///
/// RFC 8446 section 5.1: alerts MUST NOT be split over records. Section 6.2: `decode_error` is the
/// alert for a message whose length is wrong.
pub fn half_alert() -> Response {
    after_hello(&[ALERT, 3, 3, 0, 1, FATAL])
}

fn record(level: u8, code: u8) -> Response {
    after_hello(&[ALERT, 3, 3, 0, 2, level, code])
}
