//! The target of a request as a path below a folder. What cannot be such a path is found here, before any file is looked for.

use std::path::{Component, Path, PathBuf};

use crate::os::file_name::file_name;

/// The path of a request's target.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    path: PathBuf,
    is_folder: bool,
    /// The target with a `/` at the end of its path, in ASCII without spaces and control characters, and without a host: it begins with
    /// one `/`, and a client takes two for the name of a host.
    as_folder: String,
}

impl Target {
    /// `None` if no file can be called like this, or if a part of it is `.` or `..`, encoded or not.
    pub(super) fn parse(target: &[u8]) -> Option<Self> {
        let target = origin_form(target)?;
        let end = |stop: &[u8]| target.iter().position(|byte| stop.contains(byte));
        let (path, rest) = target.split_at(end(b"?#").unwrap_or(target.len()));
        let mut parsed =
            Target { path: PathBuf::new(), is_folder: path.ends_with(b"/"), as_folder: "/".into() };
        for part in path.split(|&byte| byte == b'/').filter(|part| !part.is_empty()) {
            let name = decode(part)?;
            encode(&name, |byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
                .into_iter()
                .chain(["/".into()])
                .for_each(|text: String| parsed.as_folder.push_str(&text));
            if name.contains(&b'\0') {
                return None;
            }
            let name = file_name(name);
            // One part of a path and no more, also where a backslash or a drive is something else than a name.
            let mut parts = Path::new(&name).components();
            let is_one = matches!((parts.next(), parts.next()), (Some(Component::Normal(part)), None) if part == name);
            if !is_one {
                return None;
            }
            parsed.path.push(name);
        }
        let query = encode(rest, |byte| byte.is_ascii_graphic());
        parsed.as_folder.extend(query);
        Some(parsed)
    }

    /// Relative, with nothing but names in it.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it ends with a `/`.
    pub(super) fn is_folder(&self) -> bool {
        self.is_folder
    }

    pub(super) fn as_folder(&self) -> &str {
        &self.as_folder
    }
}

/// The target from its path on: a client that takes the server for a proxy sends `http://host/path`.
fn origin_form(target: &[u8]) -> Option<&[u8]> {
    if target.starts_with(b"/") {
        return Some(target);
    }
    let at = target.windows(3).position(|window| window == b"://")?;
    let (scheme, after) = (&target[..at], &target[at + 3..]);
    if !scheme.eq_ignore_ascii_case(b"http") && !scheme.eq_ignore_ascii_case(b"https") {
        return None;
    }
    let slash = after.iter().position(|byte| b"/?#".contains(byte));
    let path = slash.map_or(&b"/"[..], |slash| &after[slash..]);
    Some(if path.starts_with(b"/") { path } else { b"/" })
}

/// Without percent-encoding, once; `None` if a `%` has no two hexadecimal digits after it.
fn decode(part: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = part.iter();
    let mut decoded = Vec::with_capacity(part.len());
    while let Some(&byte) = bytes.next() {
        let mut digit = || char::from(*bytes.next()?).to_digit(16);
        decoded.push(if byte == b'%' {
            u8::try_from(digit()? * 16 + digit()?).expect("two digits")
        } else {
            byte
        });
    }
    Some(decoded)
}

/// With percent-encoding of all bytes but those that are plain.
fn encode(bytes: &[u8], is_plain: impl Fn(u8) -> bool) -> Option<String> {
    let encoded = bytes.iter().map(|&byte| {
        if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    });
    Some(encoded.collect()).filter(|encoded: &String| !encoded.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_becomes_a_path_of_names() {
        for (target, path, as_folder) in [
            ("/", "", "/"),
            ("/a/b.html?x=/../y#z", "a/b.html", "/a/b.html/?x=/../y#z"),
            ("//etc//passwd", "etc/passwd", "/etc/passwd/"),
            ("/a%20b/%E3%81%82", "a b/あ", "/a%20b/%E3%81%82/"),
            // Decoded once, not twice.
            ("/%252e%252e/x", "%2e%2e/x", "/%252e%252e/x/"),
            ("/%0d%0aSet-Cookie:%20a", "\r\nSet-Cookie: a", "/%0D%0ASet-Cookie%3A%20a/"),
            ("/...", "...", "/.../"),
            ("HTTP://host:80/a", "a", "/a/"),
            ("http://host", "", "/"),
        ] {
            let parsed = Target::parse(target.as_bytes()).unwrap_or_else(|| panic!("{target}"));
            assert_eq!(parsed.path(), Path::new(path), "{target}");
            assert_eq!(parsed.as_folder(), as_folder, "{target}");
            assert_eq!(parsed.is_folder(), target == "/" || target == "http://host", "{target}");
        }
    }

    #[test]
    fn what_leads_elsewhere_or_cannot_be_a_name_is_refused() {
        for target in [
            "",
            "*",
            "a",
            "host:443",
            "ftp://host/a",
            "/..",
            "/../x",
            "/a/../b",
            "/./a",
            "/%2e%2e/x",
            "/%2E./x",
            "/a/%2e%2E",
            "/%2e/x",
            "/a%2fb",
            "/%2fetc",
            "/%00",
            "/a%00.html",
            "/%",
            "/%2",
            "/%zz",
            "/%+1",
        ] {
            assert_eq!(Target::parse(target.as_bytes()), None, "{target}");
        }
        assert_eq!(Target::parse(b"/a\0b"), None);
    }

    #[cfg(windows)]
    #[test]
    fn what_is_no_plain_name_on_windows_is_refused() {
        for target in
            [r"/..\x", r"/a\..\..\b", r"/\etc", "/C:", "/C:x", "/C:%5Cx", "/%5C%5Chost%5Cshare"]
        {
            assert_eq!(Target::parse(target.as_bytes()), None, "{target}");
        }
    }
}
