//! Framing rules as text: `until:\r\n`.

use std::fmt;
use std::str::FromStr;

use super::framer::Rule;
use super::rule::Framing;

/// How many bytes `recv` asks for in the tutorial's program.
const TUTORIAL_READ: usize = 4096;

/// The text that [`FromStr`] reads; a closure is shown as `custom`.
impl fmt::Display for Framing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Rule::Auto => f.write_str("auto"),
            Rule::Http => f.write_str("http"),
            Rule::Head => f.write_str("head"),
            Rule::ReadOnce { max } => write!(f, "read-once:{max}"),
            Rule::Until { delimiter } => write!(f, "until:{}", delimiter.escape_ascii()),
            Rule::Exactly { length } => write!(f, "exactly:{length}"),
            Rule::Eof => f.write_str("eof"),
            Rule::Nothing => f.write_str("nothing"),
            Rule::Custom(_) => f.write_str("custom"),
        }
    }
}

/// The error for a text that is no framing rule.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
#[error("`{0}` is not one of auto, http, head, read-once[:N], until:TEXT, exactly:N, eof, nothing")]
pub struct ParseFramingError(String);

/// `auto`, `http`, `head`, `read-once` (4096 bytes) or `read-once:N`, `until:TEXT` (with `\r`, `\n`, `\t`, `\0`, `\\` and
/// `\xHH`), `exactly:N`, `eof`, `nothing`.
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
            ("eof", None) => Some(Framing::eof()),
            ("nothing", None) => Some(Framing::nothing()),
            ("read-once", None) => Some(Framing::read_once(TUTORIAL_READ)),
            ("read-once", Some(max)) => {
                max.parse().ok().filter(|&max| max > 0).map(Framing::read_once)
            }
            ("exactly", Some(length)) => length.parse().ok().map(Framing::exactly),
            ("until", Some(delimiter)) => {
                unescape(delimiter).filter(|delimiter| !delimiter.is_empty()).map(Framing::until)
            }
            _ => None,
        };
        rule.ok_or_else(|| ParseFramingError(text.into()))
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
        for text in
            ["auto", "http", "head", "read-once:10", r"until:\r\n", "exactly:7", "eof", "nothing"]
        {
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
        ] {
            assert!(text.parse::<Framing>().is_err(), "{text}");
        }
    }
}
