//! Which upstream a text stands for.

use std::io;

/// An upstream: where it is, and whether it speaks TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// `host:port`.
    pub(crate) address: String,
    /// Over TLS, the name that its certificate is for.
    pub(crate) tls: Option<String>,
}

impl Target {
    /// `host:port`, or a URL that has no path: `https://host`, `https://host:port/`, and the same with `http`.
    pub(crate) fn parse(text: &str) -> io::Result<Self> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Ok(Target { address: text.to_owned(), tls: None });
        };
        let invalid = |text: String| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        let is_secure = scheme.eq_ignore_ascii_case("https");
        if !is_secure && !scheme.eq_ignore_ascii_case("http") {
            return invalid(format!(
                "an upstream has no URL of `{scheme}`: http, https or host:port"
            ));
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let is_port =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        // The last colon of an IPv6 address stands within brackets, and after it is no number.
        let (host, port) = match rest.rsplit_once(':').filter(|(_, port)| is_port(port)) {
            Some((host, port)) => (host, port),
            None => (rest, if is_secure { "443" } else { "80" }),
        };
        if host.is_empty() || host.contains(['/', '?', '#', '@']) || host.ends_with(':') {
            return invalid(
                "the URL of an upstream has a host and a port, and nothing else".into(),
            );
        }
        let name = host.trim_start_matches('[').trim_end_matches(']');
        Ok(Target { address: format!("{host}:{port}"), tls: is_secure.then(|| name.to_owned()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_stands_for_a_host_and_a_port() {
        for (text, address, tls) in [
            ("a.test:81", "a.test:81", None),
            ("http://a.test", "a.test:80", None),
            ("HTTP://a.test:81/", "a.test:81", None),
            ("https://a.test", "a.test:443", Some("a.test")),
            ("https://a.test:8443/", "a.test:8443", Some("a.test")),
            ("https://[::1]", "[::1]:443", Some("::1")),
            ("https://[::1]:8443", "[::1]:8443", Some("::1")),
        ] {
            let target = Target::parse(text).expect(text);
            assert_eq!((target.address.as_str(), target.tls.as_deref()), (address, tls), "{text}");
        }
    }

    #[test]
    fn what_is_more_than_a_server_is_refused() {
        for text in [
            "https://",
            "https://:443",
            "https://a.test/page",
            "https://a.test//",
            "https://a.test?x",
            "https://me@a.test",
            "https://a.test:",
            "ftp://a.test",
        ] {
            let error = Target::parse(text).expect_err(text);
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{text}");
        }
    }
}
