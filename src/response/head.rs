//! The head of a response that this crate has built: where its next field goes, and what is still missing in it.

/// The head at the start of a response's first bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    /// How long the status line and the fields are: the next field comes after them, before the empty line.
    pub(crate) fields_end: usize,
    pub(crate) length: Length,
}

/// Where the head's Content-Length comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    /// It is there, or there is none.
    Given,
    /// It is added when the response is sent: the length of its file.
    OfFile,
}

impl Head {
    /// The bytes that begin with this head, with one more field.
    pub(crate) fn add_field(&mut self, bytes: &[u8], name: &[u8], value: &[u8]) -> Vec<u8> {
        let (before, after) = bytes.split_at(self.fields_end);
        let field = [name, b": ", value, b"\r\n"].concat();
        self.fields_end += field.len();
        [before, &field, after].concat()
    }

    /// The bytes that begin with this head, without the fields of this name.
    #[cfg(feature = "cli")]
    pub(crate) fn remove_field(&mut self, bytes: &[u8], name: &[u8]) -> Vec<u8> {
        let (before, after) = bytes.split_at(self.fields_end);
        let has_name = |line: &&[u8]| {
            let end = line.iter().position(|&byte| byte == b':').unwrap_or(0);
            line[..end].eq_ignore_ascii_case(name)
        };
        let lines = before.split_inclusive(|&byte| byte == b'\n');
        let left = lines.filter(|line| !has_name(line)).collect::<Vec<_>>().concat();
        self.fields_end = left.len();
        if name.eq_ignore_ascii_case(b"Content-Length") {
            self.length = Length::Given;
        }
        [&left, after].concat()
    }
}
