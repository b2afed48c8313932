//! The values of options: sizes, times, and what is made of them. An error says which forms are right.

use std::time::Duration;

use crate::response::delay::parse_time;
use crate::response::ending::Ending;
use crate::source::proxy::target::Target;

/// A size that is not 0, per second: `64k`.
pub(super) fn rate(text: &str) -> Result<u64, String> {
    let rate = parse_size(text).filter(|&rate| rate > 0);
    rate.ok_or_else(|| not(text, "a number of bytes per second, such as 1500, 64k or 10M"))
}

/// `250ms`, `1.5s`, `2m`.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    parse_time(text).ok_or_else(|| not(text, "a time, such as 250ms, 1.5s or 2m"))
}

/// A time that is not 0.
pub(super) fn timeout(text: &str) -> Result<Duration, String> {
    let time = parse_time(text).filter(|time| !time.is_zero());
    time.ok_or_else(|| not(text, "a time of more than 0, such as 250ms, 1.5s or 2m"))
}

/// `100`, `100:reset`.
pub(super) fn cut(text: &str) -> Result<(u64, Ending), String> {
    let (bytes, ending) = text.split_once(':').unwrap_or((text, "close"));
    let ending = match ending {
        "close" => Some(Ending::Close),
        "reset" => Some(Ending::Reset),
        "half-close" => Some(Ending::HalfClose),
        "hold" => Some(Ending::Hold),
        _ => None,
    };
    let right =
        "N, N:close, N:reset, N:half-close or N:hold, with a number of bytes such as 1500 or 64k";
    parse_size(bytes).zip(ending).ok_or_else(|| not(text, right))
}

/// `1:10ms`.
pub(super) fn pieces(text: &str) -> Result<(usize, Duration), String> {
    let parse = || {
        let (size, pause) = text.split_once(':')?;
        let size = usize::try_from(parse_size(size)?).ok().filter(|&size| size > 0)?;
        Some((size, parse_time(pause)?))
    };
    parse().ok_or_else(|| not(text, "SIZE:PAUSE, such as 1:10ms or 4k:1s"))
}

/// `localhost:80` or `https://localhost`. Whether there is such a host shows when it is needed.
pub(super) fn upstream(text: &str) -> Result<String, String> {
    let target = Target::parse(text).map_err(|_| not_a_url(text))?;
    let port = target.address.rsplit_once(':').filter(|(host, _)| !host.is_empty());
    match port.and_then(|(_, port)| digits(port)) {
        Some(1..=65535) => Ok(text.into()),
        Some(port) => Err(format!("`{text}`: port {port} is out of range (1 to 65535)")),
        None => Err(not(text, "HOST:PORT, such as localhost:80")),
    }
}

/// What would be right instead of a URL with more in it than a server.
fn not_a_url(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").unwrap_or_default();
    let scheme = scheme.to_ascii_lowercase();
    if !["http", "https"].contains(&scheme.as_str()) {
        return format!(
            "`{text}` is a URL of `{scheme}`: what can be recorded is a server that speaks HTTP, as HOST:PORT or https://HOST"
        );
    }
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host).trim_end_matches(':');
    let right = if host.is_empty() { "HOST:PORT" } else { host };
    format!("`{text}` is more than a server: give its host and port alone, `{scheme}://{right}`")
}

/// How many exchanges.
pub(super) fn count(text: &str) -> Result<u64, String> {
    let count = digits(text).filter(|&count| count > 0);
    count.ok_or_else(|| not(text, "a number of exchanges, 1 or more"))
}

fn not(text: &str, right: &str) -> String {
    format!("`{text}` is not {right}")
}

/// `1500`, `64k`, `10M`, `1G`: 1024-based, as curl's `--limit-rate`.
fn parse_size(text: &str) -> Option<u64> {
    let at = text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let unit: u64 = match unit {
        "" | "B" => 1,
        "k" | "K" | "Ki" | "KiB" => 1 << 10,
        "M" | "Mi" | "MiB" => 1 << 20,
        "G" | "Gi" | "GiB" => 1 << 30,
        _ => return None,
    };
    digits(number)?.checked_mul(unit)
}

/// A sign, which `parse` takes, is no digit.
fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}
