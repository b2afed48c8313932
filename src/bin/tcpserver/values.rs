//! Sizes, times and what is made of them, as they are typed. An error says which forms are right.

use std::time::Duration;

use fake_peer::Ending;

/// A size that is not 0, per second: `64k`.
pub(crate) fn rate(text: &str) -> Result<u64, String> {
    parse_size(text).filter(|&rate| rate > 0).ok_or_else(|| {
        format!("`{text}` is not a number of bytes per second, such as 1500, 64k or 10M")
    })
}

/// `250ms`, `1.5s`, `2m`.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    parse_time(text).ok_or_else(|| format!("`{text}` is not a time, such as 250ms, 1.5s or 2m"))
}

/// `100`, `100:reset`.
pub(crate) fn cut(text: &str) -> Result<(u64, Ending), String> {
    let (bytes, ending) = text.split_once(':').unwrap_or((text, "close"));
    let ending = match ending {
        "close" => Some(Ending::Close),
        "reset" => Some(Ending::Reset),
        "half-close" => Some(Ending::HalfClose),
        "hold" => Some(Ending::Hold),
        _ => None,
    };
    parse_size(bytes).zip(ending).ok_or_else(|| {
        format!(
            "`{text}` is not N, N:close, N:reset, N:half-close or N:hold, with a number of bytes such as 1500 or 64k"
        )
    })
}

/// `1:10ms`.
pub(crate) fn pieces(text: &str) -> Result<(usize, Duration), String> {
    let parse = || {
        let (size, pause) = text.split_once(':')?;
        let size = usize::try_from(parse_size(size)?).ok().filter(|&size| size > 0)?;
        Some((size, parse_time(pause)?))
    };
    parse().ok_or_else(|| format!("`{text}` is not SIZE:PAUSE, such as 1:10ms or 4k:1s"))
}

/// `localhost:80`. Whether there is such a host shows when it is needed.
pub(crate) fn upstream(text: &str) -> Result<String, String> {
    let port = text.rsplit_once(':').filter(|(host, _)| !host.is_empty());
    match port.and_then(|(_, port)| port.parse::<u16>().ok()) {
        Some(1..) => Ok(text.into()),
        _ => Err(format!("`{text}` is not HOST:PORT, such as localhost:80")),
    }
}

/// How many exchanges.
pub(crate) fn count(text: &str) -> Result<u64, String> {
    digits(text)
        .filter(|&count| count > 0)
        .ok_or_else(|| format!("`{text}` is not a number of exchanges, 1 or more"))
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

fn parse_time(text: &str) -> Option<Duration> {
    let at = text.find(|char: char| !(char.is_ascii_digit() || char == '.'))?;
    let (number, unit) = text.split_at(at);
    let seconds = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()
}

/// A sign, which `parse` takes, is no digit.
fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}
