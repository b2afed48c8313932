//! What a head says about its connection: its HTTP version, and the options `close` and `keep-alive` of the field
//! `Connection` (RFC 9112 section 9.3).

use super::head::Head;

/// What a head says about its connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConnectionWishes {
    version: Version,
    option: Option<ConnectionOption>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    Http10,
    Http11,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ConnectionOption {
    Close,
    KeepAlive,
}

impl ConnectionWishes {
    pub(crate) fn of_request(head: Head<'_>) -> Option<Self> {
        let version = head.request_line().and_then(|line| line.version);
        ConnectionWishes::of(version.map(str::as_bytes), head.values("connection"))
    }

    pub(crate) fn of_response(head: Head<'_>) -> Option<Self> {
        ConnectionWishes::of(head.status_line().map(|line| line.version), head.values("connection"))
    }

    /// `None` for a version that has no persistent connections of this kind, or is not known.
    fn of<'a>(version: Option<&[u8]>, fields: impl Iterator<Item = &'a [u8]>) -> Option<Self> {
        let version = match version? {
            b"HTTP/1.0" => Version::Http10,
            [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'1'..=b'9'] => Version::Http11,
            _ => return None,
        };
        let mut option = None;
        for word in fields.flat_map(|field| field.split(|&byte| byte == b',')) {
            if word.trim_ascii().eq_ignore_ascii_case(b"close") {
                option = Some(ConnectionOption::Close);
            } else if word.trim_ascii().eq_ignore_ascii_case(b"keep-alive") {
                option = option.or(Some(ConnectionOption::KeepAlive));
            }
        }
        Some(ConnectionWishes { version, option })
    }

    /// Whether a request with these wishes and a response with those let the connection persist.
    pub(crate) fn agrees_with(self, response: ConnectionWishes) -> bool {
        use ConnectionOption::{Close, KeepAlive};
        if self.option == Some(Close) || response.option == Some(Close) {
            return false;
        }
        match (self.version, response.version) {
            (Version::Http11, Version::Http11) => true,
            (Version::Http11, Version::Http10) => response.option == Some(KeepAlive),
            // A client of HTTP/1.0 waits for the close unless it reads that there will be none.
            (Version::Http10, _) => {
                self.option == Some(KeepAlive) && response.option == Some(KeepAlive)
            }
        }
    }
}
