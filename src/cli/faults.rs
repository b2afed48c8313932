//! Faults and timing: those that options ask for, for all answers, and those that stand beside one `--send` file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::values;
use crate::os::file_name::file_name;
use crate::response::ending::Ending;
use crate::response::steps::Response;

const RIGHT: &str = "cut=N[:ENDING], delay=TIME, pieces=SIZE:PAUSE, throttle=RATE, close, hold or reset; if it is part of the file's \
    name, write its comma twice";

/// How a response is sent, and how it ends. What is `None` is as it is in the response.
#[derive(Debug, Clone, Default)]
pub(super) struct Faults {
    pub(super) delay: Option<Duration>,
    pub(super) pieces: Option<(usize, Duration)>,
    pub(super) throttle: Option<u64>,
    pub(super) end: Option<End>,
}

#[derive(Debug, Clone)]
pub(super) enum End {
    Whole(Ending),
    Cut(u64, Ending),
}

impl Faults {
    /// The file and the faults of `FILE,cut=40:reset,delay=1s`. They are read from the end, as long as a word is one of a fault; the
    /// rest is the name, which may have commas. Two commas before such a word are one comma of the name.
    ///
    /// # Errors
    ///
    /// What is wrong, in one line.
    pub(super) fn beside(file: &Path) -> Result<(PathBuf, Self), String> {
        let whole = file.as_os_str().as_encoded_bytes();
        let mut name = whole.to_vec();
        let mut faults = Faults::default();
        while let Some(comma) = name.iter().rposition(|byte| *byte == b',') {
            let Some(word) = fault_word(&name[comma + 1..]) else { break };
            if name[..comma].ends_with(b",") {
                name.remove(comma);
                break;
            }
            let word = word.to_owned();
            let at = |reason| format!("--send {}: {reason}", file.display());
            faults.add(&word).map_err(at)?;
            name.truncate(comma);
        }
        if name == whole {
            return Ok((file.into(), faults));
        }
        if name.is_empty() && !whole.is_empty() {
            return Err(format!("--send {}: the name of a file comes first", file.display()));
        }
        Ok((file_name(name).into(), faults))
    }

    fn add(&mut self, word: &str) -> Result<(), String> {
        let (key, value) =
            word.split_once('=').map_or((word, None), |(key, value)| (key, Some(value)));
        let of_key = |error: String| format!("{key}: {error}");
        let is_new = match (key, value) {
            ("cut", Some(value)) => {
                let (bytes, ending) = values::cut(value).map_err(of_key)?;
                self.end.replace(End::Cut(bytes, ending)).is_none()
            }
            ("delay", Some(value)) => {
                self.delay.replace(values::time(value).map_err(of_key)?).is_none()
            }
            ("pieces", Some(value)) => {
                self.pieces.replace(values::pieces(value).map_err(of_key)?).is_none()
            }
            ("throttle", Some(value)) => {
                self.throttle.replace(values::rate(value).map_err(of_key)?).is_none()
            }
            ("close", None) => self.end.replace(End::Whole(Ending::Close)).is_none(),
            ("hold", None) => self.end.replace(End::Whole(Ending::Hold)).is_none(),
            ("reset", None) => self.end.replace(End::Whole(Ending::Reset)).is_none(),
            _ => return Err(format!("`{word}` is none of {RIGHT}")),
        };
        if is_new {
            Ok(())
        } else {
            Err(format!("`{word}` stands beside another of its kind: give one"))
        }
    }

    /// These faults, and for what they do not say those of `others`.
    pub(super) fn or(&self, others: &Self) -> Self {
        Faults {
            delay: self.delay.or(others.delay),
            pieces: self.pieces.or(others.pieces),
            throttle: self.throttle.or(others.throttle),
            end: self.end.clone().or(others.end.clone()),
        }
    }

    /// The response with these faults.
    pub(super) fn add_to(&self, mut response: Response) -> Response {
        if let Some(delay) = self.delay {
            response = response.delay(delay);
        }
        if let Some((size, pause)) = self.pieces {
            response = response.in_pieces(size, pause);
        }
        if let Some(rate) = self.throttle {
            response = response.throttle(rate);
        }
        match &self.end {
            Some(End::Cut(bytes, ending)) => response.cut(*bytes, ending.clone()),
            Some(End::Whole(ending)) => response.ending(ending.clone()),
            None => response,
        }
    }

    /// Whether the client is waited for after the response, as long as it takes.
    pub(super) fn waits_for_the_client(&self) -> bool {
        let waits = |ending: &Ending| matches!(ending, Ending::Hold | Ending::HalfClose);
        match &self.end {
            Some(End::Cut(_, ending) | End::Whole(ending)) => waits(ending),
            None => false,
        }
    }
}

/// The word, if it is one of a fault: a name that has a value, or one of those that have none.
fn fault_word(word: &[u8]) -> Option<&str> {
    let word = str::from_utf8(word).ok()?;
    let is_key = |key: &str| {
        key.starts_with(|char: char| char.is_ascii_lowercase())
            && key.chars().all(|char| char.is_ascii_lowercase() || char == '-')
    };
    let is_fault = match word.split_once('=') {
        Some((key, _)) => is_key(key),
        None => ["close", "hold", "reset", "cut", "delay", "pieces", "throttle"].contains(&word),
    };
    is_fault.then_some(word)
}
