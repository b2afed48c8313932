//! What a head says about its connection: its HTTP version, and the options `close` and `keep-alive` of the fields
//! `Connection` (RFC 9112 section 9.3) and `Proxy-Connection` (RFC 9112 appendix C.2.2).

use super::head::Head;

/// What a head says about its connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConnectionWishes {
    version: Version,
    connection: Option<ConnectionOption>,
    proxy_connection: Option<ConnectionOption>,
}

/// What the client takes the server for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServerKind {
    Origin,
    Proxy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    Http10,
    Http11,
}

/// The greater one counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum ConnectionOption {
    KeepAlive,
    Close,
}

impl ConnectionWishes {
    pub(crate) fn of_request(head: Head<'_>) -> Option<Self> {
        let version = head.request_line().and_then(|line| line.version);
        ConnectionWishes::of(version.map(str::as_bytes), head)
    }

    pub(crate) fn of_response(head: Head<'_>) -> Option<Self> {
        ConnectionWishes::of(head.status_line().map(|line| line.version), head)
    }

    /// `None` for a version that has no persistent connections of this kind, or is not known.
    fn of(version: Option<&[u8]>, head: Head<'_>) -> Option<Self> {
        let version = match version? {
            b"HTTP/1.0" => Version::Http10,
            [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'1'..=b'9'] => Version::Http11,
            _ => return None,
        };
        Some(ConnectionWishes {
            version,
            connection: ConnectionOption::among(head.values("connection")),
            proxy_connection: ConnectionOption::among(head.values("proxy-connection")),
        })
    }

    /// Whether a request with these wishes and a response with those let the connection to `server` persist.
    pub(crate) fn agrees_with(self, response: ConnectionWishes, server: ServerKind) -> bool {
        use ConnectionOption::{Close, KeepAlive};
        let options = (self.option(server), response.option(server));
        match (self.version, response.version, options) {
            (_, _, (Some(Close), _) | (_, Some(Close))) => false,
            (Version::Http11, Version::Http11, _) => true,
            (Version::Http11, Version::Http10, (_, response)) => response == Some(KeepAlive),
            // A client of HTTP/1.0 may wait for the close unless it reads that there will be none. `ab -k` does.
            (Version::Http10, _, options) => options == (Some(KeepAlive), Some(KeepAlive)),
        }
    }

    /// `Proxy-Connection` counts between a client and a proxy only. curl reads it in this way, and sends it alone to a proxy.
    fn option(self, server: ServerKind) -> Option<ConnectionOption> {
        match server {
            ServerKind::Origin => self.connection,
            ServerKind::Proxy => self.connection.max(self.proxy_connection),
        }
    }
}

impl ConnectionOption {
    fn among<'a>(fields: impl Iterator<Item = &'a [u8]>) -> Option<Self> {
        let words =
            fields.flat_map(|field| field.split(|&byte| byte == b',')).map(<[u8]>::trim_ascii);
        words.filter_map(Self::of).max()
    }

    fn of(word: &[u8]) -> Option<Self> {
        if word.eq_ignore_ascii_case(b"close") {
            Some(ConnectionOption::Close)
        } else {
            word.eq_ignore_ascii_case(b"keep-alive").then_some(ConnectionOption::KeepAlive)
        }
    }
}

impl ServerKind {
    /// A client names the whole URI to a proxy, or only the authority (RFC 9112 section 3.2).
    pub(crate) fn of(request: Head<'_>) -> Self {
        let is_for_origin = |target: &[u8]| target.starts_with(b"/") || target == b"*";
        let has_origin_form = request.request_line().is_none_or(|line| is_for_origin(line.target));
        if has_origin_form && request.values("proxy-connection").next().is_none() {
            ServerKind::Origin
        } else {
            ServerKind::Proxy
        }
    }
}
