//! The names of a certificate, as options give them.

use std::net::IpAddr;

use rustls::pki_types::DnsName;

/// What is wrong with a name that is no host name and no IP address.
pub(super) fn problem(name: &str) -> Option<String> {
    let is_ip = name.parse::<IpAddr>().is_ok();
    // With a dot at its end it would be that of no URL.
    let is_host = DnsName::try_from(name).is_ok() && !name.ends_with('.');
    if is_ip || is_host {
        return None;
    }
    let right = if name.is_ascii() {
        "a name without scheme, port and path, such as api.example.test or 192.0.2.1"
    } else {
        "the ASCII form of the name, which begins with xn--"
    };
    Some(format!("--tls-name: `{name}` is no host name and no IP address (right is {right})"))
}
