//! Families of cases made from one response: cut after each byte, split at each byte.

use std::time::Duration;

use super::case::Case;
use crate::response::ending::Ending;
use crate::response::steps::Response;
use crate::serving::parts;

/// The response cut after 0, 1, 2, … bytes, up to all but the last one, at each length with [`Ending::Close`] and then with
/// [`Ending::Reset`]. [`Truncations::endings`] chooses other endings.
///
/// ```
/// use fake_peer::{Ending, faults};
///
/// let names: Vec<_> = faults::truncations("hi").map(|case| case.to_string()).collect();
/// assert_eq!(names, [
///     "cut(0, Ending::Close)", "cut(0, Ending::Reset)", "cut(1, Ending::Close)", "cut(1, Ending::Reset)",
/// ]);
/// assert_eq!(faults::truncations("hi").endings([Ending::HalfClose]).count(), 2);
/// ```
///
/// # Panics
///
/// If the length of the response is not known beforehand, because it comes from a reader or an empty file, or if one of its files
/// does not exist.
#[track_caller]
pub fn truncations(response: impl Into<Response>) -> Truncations {
    let response = response.into();
    let length = length(&response);
    Truncations { response, length, endings: vec![Ending::Close, Ending::Reset], next: 0 }
}

/// The cases of [`truncations`].
#[derive(Debug, Clone)]
#[must_use = "the cases are made when they are asked for"]
pub struct Truncations {
    response: Response,
    length: u64,
    endings: Vec<Ending>,
    /// How many cases were made so far.
    next: u64,
}

impl Truncations {
    /// The endings for each length, in this order.
    ///
    /// Defaults to [`Ending::Close`] and [`Ending::Reset`]. With [`Ending::Hold`] each case takes as long as the client waits.
    pub fn endings(mut self, endings: impl IntoIterator<Item = Ending>) -> Self {
        self.endings = endings.into_iter().collect();
        self
    }
}

impl Iterator for Truncations {
    type Item = Case;

    fn next(&mut self) -> Option<Case> {
        let endings = self.endings.len() as u64;
        let bytes = self.next.checked_div(endings).filter(|&bytes| bytes < self.length)?;
        let ending = &self.endings[usize::try_from(self.next % endings).ok()?];
        self.next += 1;
        let response = self.response.clone().cut(bytes, ending.clone());
        Some(Case::new(format!("cut({bytes}, Ending::{ending:?})"), response))
    }
}

/// The response in two writes with this pause between them, split at each of its bytes: from one byte before the pause to one byte
/// after it. How long the pause must be for a client to see two parts depends on the client; a millisecond is mostly enough.
///
/// # Panics
///
/// If the response's length is not known beforehand, as [`truncations`].
#[track_caller]
pub fn splits(
    response: impl Into<Response>,
    pause: Duration,
) -> impl Iterator<Item = Case> + Clone + Send {
    let response = response.into();
    (1..length(&response)).map(move |byte| {
        let name = format!("split_at({byte}, {})", duration(pause));
        Case::new(name, response.clone().split_at(byte, pause))
    })
}

/// The response byte by byte, with this pause between two bytes.
pub fn byte_by_byte(response: impl Into<Response>, pause: Duration) -> Case {
    let name = format!("in_pieces(1, {})", duration(pause));
    Case::new(name, response.into().in_pieces(1, pause))
}

#[track_caller]
fn length(response: &Response) -> u64 {
    match parts::length(response) {
        Ok(Some(length)) => length,
        Ok(None) => panic!(
            "the length of the response is not known before it is sent: it comes from a reader, a device, or an empty file"
        ),
        Err(error) => panic!("the response has no length to take parts of: {error}"),
    }
}

/// The duration as it is written in a program.
fn duration(duration: Duration) -> String {
    match u64::try_from(duration.as_nanos()) {
        Ok(0) => "Duration::ZERO".into(),
        Ok(nanos) if nanos % 1_000_000 == 0 => {
            format!("Duration::from_millis({})", nanos / 1_000_000)
        }
        Ok(nanos) if nanos % 1000 == 0 => format!("Duration::from_micros({})", nanos / 1000),
        Ok(nanos) => format!("Duration::from_nanos({nanos})"),
        Err(_) => format!("Duration::from_secs({})", duration.as_secs()),
    }
}
