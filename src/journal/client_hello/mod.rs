//! The `ClientHello` of a request: what a TLS client asks for before anything is encrypted. How its bytes are read is in `reader`.

mod reader;
#[cfg(test)]
mod tests;

use std::fmt;

use reader::Layout;

/// The types of the extensions that are read: RFC 6066 section 3, RFC 7301 section 3.1, RFC 8446 section 4.2.1.
const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;
const SUPPORTED_VERSIONS: u16 = 43;

/// The only kind of names that servers have.
const HOST_NAME: u8 = 0;

/// The first message of a TLS client: [`Request::client_hello`](crate::Request::client_hello).
///
/// It says which server the client wants to talk to (SNI), in which protocols (ALPN), and in which versions of TLS. Nothing of it is
/// encrypted, so that no key and no TLS library is needed to read it.
///
/// Prints in one line: `ClientHello for localhost; ALPN h2, http/1.1; TLS 1.3, TLS 1.2`. The journal has this line, too.
///
/// ```
/// use fake_peer::{Peer, garbage};
/// # use std::io::{Read, Write};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let peer = Peer::answer(garbage::tls::alert(garbage::tls::Alert::UnrecognizedName));
/// # let mut client = std::net::TcpStream::connect(peer.addr())?;
/// # client.write_all(&[&b"\x16\x03\x01\0\x52\x01\0\0\x4e\x03\x03"[..], &[7; 32],
/// #     b"\0\0\x02\x13\x01\x01\0\0\x23", b"\0\0\0\x0e\0\x0c\0\0\x09localhost", b"\0\x2b\0\x03\x02\x03\x04",
/// #     b"\0\x10\0\x06\0\x04\x03foo"].concat())?;
/// # client.read_to_end(&mut Vec::new())?;
/// // A client of TLS connects, and fails.
/// let request = peer.take_request();
/// let hello = request.client_hello().expect("a ClientHello");
/// assert_eq!(hello.server_name(), Some("localhost"));
/// assert!(hello.versions().contains(&0x0304), "it knows TLS 1.3");
/// # assert_eq!(hello.to_string(), "ClientHello for localhost; ALPN foo; TLS 1.3");
/// # Ok(()) }
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ClientHello {
    message: Vec<u8>,
    layout: Layout,
}

impl ClientHello {
    /// Of the records that these bytes begin with.
    pub(crate) fn of(records: &[u8]) -> Option<Self> {
        let message = reader::message(records)?;
        let layout = reader::layout(&message)?;
        Some(ClientHello { message, layout })
    }

    /// The name of the server that the client wants (SNI, RFC 6066 section 3). `None` if it names none, as clients do that connect to an
    /// IP address, if the name is not UTF-8, or if the extension is malformed.
    pub fn server_name(&self) -> Option<&str> {
        let names = reader::list(self.extension(SERVER_NAME)?, 2, |names| {
            Some((names.byte()?, names.bytes_after_length(2)?))
        })?;
        let (_, name) = names.into_iter().find(|(kind, _)| *kind == HOST_NAME)?;
        str::from_utf8(name).ok()
    }

    /// The application protocols that the client offers (ALPN, RFC 7301 section 3.1), the one that it likes best first: `h2`,
    /// `http/1.1`. Empty if it offers none, or if the extension is malformed.
    pub fn alpn(&self) -> Vec<&[u8]> {
        let protocols = self.extension(ALPN).and_then(|content| {
            reader::list(content, 2, |protocols| protocols.bytes_after_length(1))
        });
        protocols.unwrap_or_default()
    }

    /// The versions that the client offers, as their numbers: 0x0304 is TLS 1.3, 0x0303 is TLS 1.2, 0x0300 is SSL 3.0. The one that it likes
    /// best is first. A client that does not list them (RFC 8446 section 4.2.1) has one number here, the largest that it knows
    /// (RFC 5246 section 7.4.1.2).
    ///
    /// Browsers add a number that is no version (GREASE, RFC 8701), such as 0x5a5a. It is here, and not in what is printed.
    pub fn versions(&self) -> Vec<u16> {
        let versions = self
            .extension(SUPPORTED_VERSIONS)
            .and_then(|content| reader::list(content, 1, reader::Cursor::number));
        versions.unwrap_or_else(|| vec![self.layout.version])
    }

    /// The cipher suites that the client offers, as their numbers (RFC 8446 appendix B.4), the one that it likes best first: 0x1301 is
    /// `TLS_AES_128_GCM_SHA256`. GREASE is among them, as in [`versions`](Self::versions).
    pub fn cipher_suites(&self) -> Vec<u16> {
        let suites = self.message[self.layout.cipher_suites.clone()].chunks_exact(2);
        suites.map(|suite| u16::from_be_bytes([suite[0], suite[1]])).collect()
    }

    /// The content of the first extension of a type.
    fn extension(&self, wanted: u16) -> Option<&[u8]> {
        let (_, place) = self.layout.extensions.iter().find(|(kind, _)| *kind == wanted)?;
        Some(&self.message[place.clone()])
    }
}

/// In one line, without GREASE.
impl fmt::Display for ClientHello {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.server_name() {
            Some(name) => write!(f, "ClientHello for {}", name.escape_debug())?,
            None => f.write_str("ClientHello without a server name")?,
        }
        let protocols = self.alpn().into_iter().filter(|name| !is_grease_protocol(name));
        let protocols: Vec<_> = protocols.map(|name| name.escape_ascii().to_string()).collect();
        if !protocols.is_empty() {
            write!(f, "; ALPN {}", protocols.join(", "))?;
        }
        let versions = self.versions().into_iter().filter(|&version| !is_grease(version));
        let versions: Vec<_> = versions.map(version_in_words).collect();
        if !versions.is_empty() {
            write!(f, "; {}", versions.join(", "))?;
        }
        Ok(())
    }
}

impl fmt::Debug for ClientHello {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let alpn: Vec<_> = self.alpn().iter().map(|name| name.escape_ascii().to_string()).collect();
        f.debug_struct("ClientHello")
            .field("server_name", &self.server_name())
            .field("alpn", &alpn)
            .field("versions", &format_args!("{:04x?}", self.versions()))
            .field("cipher_suites", &format_args!("{:04x?}", self.cipher_suites()))
            .finish_non_exhaustive()
    }
}

fn version_in_words(version: u16) -> String {
    match version {
        0x0304 => "TLS 1.3".into(),
        0x0303 => "TLS 1.2".into(),
        0x0302 => "TLS 1.1".into(),
        0x0301 => "TLS 1.0".into(),
        0x0300 => "SSL 3.0".into(),
        other => format!("version {other:#06x}"),
    }
}

/// A number that stands for nothing, so that servers get used to unknown ones: 0x0a0a, 0x1a1a, … (RFC 8701 section 2).
fn is_grease(number: u16) -> bool {
    let [high, low] = number.to_be_bytes();
    high == low && low & 0x0f == 0x0a
}

fn is_grease_protocol(name: &[u8]) -> bool {
    matches!(name, &[high, low] if is_grease(u16::from_be_bytes([high, low])))
}
