//! Framing rules as text: `until:\r\n`.

use std::fmt;
use std::str::FromStr;

use super::framer::Rule;
use super::length_prefix::{self, Counts, Endian, LengthPrefix};
use super::rule::Framing;

/// How many bytes `recv` asks for in the tutorial's program.
const TUTORIAL_READ: usize = 4096;

const RULES: &str = "auto, http, head, read-once[:N], until:TEXT, lines, exactly:N, length:LENGTH, tls-record, client-hello, eof, nothing";

/// The text that [`FromStr`] reads; a closure is shown as `custom`, and what a conversation expects as `text:…`.
impl fmt::Display for Framing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Rule::Auto => f.write_str("auto"),
            Rule::Http => f.write_str("http"),
            Rule::Head => f.write_str("head"),
            Rule::ReadOnce { max } => write!(f, "read-once:{max}"),
            Rule::Until { delimiter } => write!(f, "until:{}", delimiter.escape_ascii()),
            Rule::Lines => f.write_str("lines"),
            Rule::Exactly { length } => write!(f, "exactly:{length}"),
            Rule::LengthPrefixed(prefix) => write!(f, "length:{prefix}"),
            Rule::TlsRecord => f.write_str("tls-record"),
            Rule::ClientHello => f.write_str("client-hello"),
            Rule::Eof => f.write_str("eof"),
            Rule::Nothing => f.write_str("nothing"),
            Rule::Texts(texts) => {
                let texts: Vec<_> =
                    texts.iter().map(|text| text.bytes.escape_ascii().to_string()).collect();
                write!(f, "text:{}", texts.join("|"))
            }
            Rule::Custom(_) => f.write_str("custom"),
        }
    }
}

/// The text that `length:` takes: `4be`, `4be,at=1,counts=itself`.
impl fmt::Display for LengthPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endian = match self.endian {
            Endian::Big => "be",
            Endian::Little => "le",
        };
        write!(f, "{}{endian}", self.size)?;
        if self.at > 0 {
            write!(f, ",at={}", self.at)?;
        }
        match self.counts {
            Counts::Rest => Ok(()),
            Counts::Itself => f.write_str(",counts=itself"),
            Counts::All => f.write_str(",counts=all"),
            Counts::AllBut(bytes) => write!(f, ",counts=all-but-{bytes}"),
        }
    }
}

/// The error for a text that is no framing rule.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{0}")]
pub struct ParseFramingError(String);

/// `auto`, `http`, `head`, `read-once` (4096 bytes) or `read-once:N`, `until:TEXT` (with `\r`, `\n`, `\t`, `\0`, `\\` and
/// `\xHH`), `lines`, `exactly:N`, `length:LENGTH`, `tls-record`, `client-hello`, `eof`, `nothing`.
///
/// LENGTH describes a [`LengthPrefix`]: its size, 1 to 8, with `be` for big-endian or `le` for little-endian, then, where they
/// differ from the defaults, `at=N` and one of `counts=itself`, `counts=all` and `counts=all-but-N`. If one byte comes before a length
/// that counts itself, the text is `length:4be,at=1,counts=itself`.
///
/// # Errors
///
/// For any other text. The error says what would be right.
///
/// ```
/// use fake_peer::{Framing, LengthPrefix, Peer};
/// # use std::io::{Read, Write};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let framing: Framing = "length:3le,counts=all-but-4".parse()?;
/// let mysql = LengthPrefix::little_endian(3).counts_all_but(4);
/// assert_eq!(framing.to_string(), Framing::length_prefixed(mysql).to_string());
/// # let peer = Peer::builder().framing(framing).source("").spawn()?;
/// # let mut client = std::net::TcpStream::connect(peer.addr())?;
/// # client.write_all(b"\x01\0\0\0\x0e")?;
/// # client.read_to_end(&mut Vec::new())?;
/// # drop(client);
/// # peer.finish()?.requests().next().unwrap().assert_bytes(b"\x01\0\0\0\x0e");
///
/// let error = "length:9be".parse::<Framing>().unwrap_err();
/// assert_eq!(error.to_string(), "`length:9be`: a length has 1 to 8 bytes, and is be or le, such as length:4be");
/// # Ok(()) }
/// ```
impl FromStr for Framing {
    type Err = ParseFramingError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = match text.split_once(':') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        let rule = match (name, value) {
            ("auto", None) => Some(Framing::auto()),
            ("http", None) => Some(Framing::http()),
            ("head", None) => Some(Framing::head()),
            ("lines", None) => Some(Framing::lines()),
            ("tls-record", None) => Some(Framing::tls_record()),
            ("client-hello", None) => Some(Framing::client_hello()),
            ("eof", None) => Some(Framing::eof()),
            ("nothing", None) => Some(Framing::nothing()),
            ("read-once", None) => Some(Framing::read_once(TUTORIAL_READ)),
            ("read-once", Some(max)) => {
                max.parse().ok().filter(|&max| max > 0).map(Framing::read_once)
            }
            ("exactly", Some(length)) => length.parse().ok().map(Framing::exactly),
            ("length", Some(length)) => {
                let prefix = length_prefix_from(length)
                    .map_err(|wrong| ParseFramingError(format!("`{text}`: {wrong}")))?;
                Some(Framing::length_prefixed(prefix))
            }
            ("until", Some(delimiter)) => {
                unescape(delimiter).filter(|delimiter| !delimiter.is_empty()).map(Framing::until)
            }
            _ => None,
        };
        rule.ok_or_else(|| ParseFramingError(format!("`{text}` is not one of {RULES}")))
    }
}

/// Reads what comes after `length:`; the error says what it should be.
fn length_prefix_from(text: &str) -> Result<LengthPrefix, String> {
    let mut parts = text.split(',');
    let mut prefix = parts
        .next()
        .and_then(sized)
        .ok_or("a length has 1 to 8 bytes, and is be or le, such as length:4be")?;
    for part in parts {
        let known = match part.split_once('=') {
            Some(("at", offset)) => offset.parse().ok().map(|offset| prefix.at(offset)),
            Some(("counts", counts)) => counts_from(counts).map(|counts| prefix.counting(counts)),
            _ => None,
        };
        prefix = known.ok_or_else(|| {
            format!("`{part}` is not one of at=N, counts=itself, counts=all, counts=all-but-N")
        })?;
    }
    Ok(prefix)
}

/// `4be`
fn sized(text: &str) -> Option<LengthPrefix> {
    let (size, endian) = text.split_at_checked(1)?;
    let size = size.parse().ok().filter(|&size| length_prefix::is_size(size))?;
    match endian {
        "be" => Some(LengthPrefix::big_endian(size)),
        "le" => Some(LengthPrefix::little_endian(size)),
        _ => None,
    }
}

fn counts_from(text: &str) -> Option<Counts> {
    match text {
        "itself" => Some(Counts::Itself),
        "all" => Some(Counts::All),
        _ => text.strip_prefix("all-but-")?.parse().ok().map(Counts::AllBut),
    }
}

fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match (byte, if byte == b'\\' { rest.next()? } else { 0 }) {
            (b'\\', b'r') => b'\r',
            (b'\\', b'n') => b'\n',
            (b'\\', b't') => b'\t',
            (b'\\', b'0') => 0,
            (b'\\', b'\\') => b'\\',
            (b'\\', b'x') => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            (b'\\', _) => return None,
            (byte, _) => byte,
        });
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for text in [
            "auto",
            "http",
            "head",
            "read-once:10",
            r"until:\r\n",
            "lines",
            "exactly:7",
            "length:1be",
            "length:8le",
            "length:4be,at=1,counts=itself",
            "length:2be,at=16,counts=all",
            "length:3le,counts=all-but-4",
            "tls-record",
            "client-hello",
            "eof",
            "nothing",
        ] {
            assert_eq!(text.parse::<Framing>().expect(text).to_string(), text);
        }
        assert_eq!("read-once".parse::<Framing>().expect("default").to_string(), "read-once:4096");
        assert_eq!(
            r"until:\x00\t\\.".parse::<Framing>().expect("escapes").to_string(),
            r"until:\x00\t\\."
        );
        for text in [
            "",
            "auto:1",
            "read-once:0",
            "read-once:x",
            "until:",
            r"until:\q",
            r"until:\x4",
            "exactly",
            "lines:1",
            "tls-record:1",
            "client-hello:1",
            "length",
        ] {
            assert!(text.parse::<Framing>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_length_is_said() {
        let size = "a length has 1 to 8 bytes, and is be or le, such as length:4be";
        let not = |part| {
            format!("`{part}` is not one of at=N, counts=itself, counts=all, counts=all-but-N")
        };
        for (length, wrong) in [
            ("", size.to_owned()),
            ("be", size.to_owned()),
            ("4", size.to_owned()),
            ("0be", size.to_owned()),
            ("9le", size.to_owned()),
            ("16be", size.to_owned()),
            ("+4be", size.to_owned()),
            ("四be", size.to_owned()),
            ("4BE", size.to_owned()),
            ("4be,", not("")),
            ("4be,at=-1", not("at=-1")),
            ("4be,at=4294967296", not("at=4294967296")),
            ("4be,counts=most", not("counts=most")),
            ("4be,counts=all-but", not("counts=all-but")),
            ("4be,counts=all,itself", not("itself")),
        ] {
            let text = format!("length:{length}");
            let error = text.parse::<Framing>().expect_err(&text);
            assert_eq!(error.to_string(), format!("`{text}`: {wrong}"));
        }
    }
}
