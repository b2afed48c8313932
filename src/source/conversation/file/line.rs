//! One line of a conversation file: its text with escapes and stars.

use std::borrow::Cow;

use super::parse_error::ParseConversationError;

/// How many characters of a file are in a message: it may be no conversation at all, and one long line.
const SHOWN: usize = 60;

/// A part of a line that knows where it begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'l> {
    pub(super) text: &'l str,
    line: usize,
    /// From 1, in characters.
    column: usize,
}

impl<'l> Part<'l> {
    /// The line without its indentation.
    pub(super) fn of_line(line: usize, text: &'l str) -> Self {
        Part { text, line, column: 1 }.without_spaces()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The first word, and what comes after it and one space.
    pub(super) fn split(self) -> (&'l str, Self) {
        let end = self.text.find([' ', '\t']).unwrap_or(self.text.len());
        let rest = self.skip(end);
        (&self.text[..end], if rest.is_empty() { rest } else { rest.skip(1) })
    }

    /// Without white space on both sides.
    pub(super) fn trim(self) -> Self {
        let part = self.without_spaces();
        Part { text: part.text.trim_end(), ..part }
    }

    pub(super) fn error(&self, reason: impl Into<String>) -> ParseConversationError {
        ParseConversationError::new(self.line, self.column, reason)
    }

    /// The bytes that are meant, between the stars that are not escaped.
    pub(super) fn pieces(self) -> Result<Vec<Vec<u8>>, ParseConversationError> {
        let mut pieces = vec![Vec::new()];
        let mut rest = self;
        while let Some(char) = rest.text.chars().next() {
            if char == '*' {
                pieces.push(Vec::new());
                rest = rest.skip(1);
                continue;
            }
            let piece = pieces.last_mut().expect("there is one from the beginning");
            if char == '\\' {
                let (byte, length) = rest.escape()?;
                piece.push(byte);
                rest = rest.skip(length);
            } else {
                piece.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
                rest = rest.skip(char.len_utf8());
            }
        }
        Ok(pieces)
    }

    /// The bytes that are meant; a star is a star.
    pub(super) fn bytes(self) -> Result<Vec<u8>, ParseConversationError> {
        Ok(self.pieces()?.join(&b'*'))
    }

    /// The byte that the escape at the beginning means, and how long the escape is.
    fn escape(&self) -> Result<(u8, usize), ParseConversationError> {
        let mut chars = self.text.chars().skip(1);
        let Some(char) = chars.next() else {
            return Err(self.error(r"a `\` is the last character: a backslash is written `\\`"));
        };
        let byte = match char {
            'r' => b'\r',
            'n' => b'\n',
            't' => b'\t',
            '0' => 0,
            '\\' => b'\\',
            '*' => b'*',
            'x' => {
                let mut digit = || chars.next().and_then(|char| char.to_digit(16));
                let byte =
                    digit().zip(digit()).and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
                let byte = byte.ok_or_else(|| {
                    self.error(r"`\x` has two hexadecimal digits after it: `\x0d`")
                })?;
                return Ok((byte, 4));
            }
            char => {
                let reason = format!(r"`\{char}` is no escape: there are \r \n \t \0 \\ \xHH \*");
                return Err(self.error(reason));
            }
        };
        Ok((byte, 2))
    }

    fn without_spaces(self) -> Self {
        let spaces = self.text.len() - self.text.trim_start().len();
        self.skip(spaces)
    }

    /// What comes after so many bytes.
    fn skip(self, bytes: usize) -> Self {
        let (skipped, text) = self.text.split_at(bytes);
        Part { text, line: self.line, column: self.column + skipped.chars().count() }
    }
}

/// The beginning of a long text, for a message.
pub(super) fn brief(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}
