//! Families of cases made from one response, or from each response of a conversation: cut after each byte, split at each byte.

use std::time::Duration;

use super::case::Case;
use super::whole::Whole;
use crate::response::ending::Ending;
use crate::response::parts;
use crate::response::steps::Response;

/// The response cut after 0, 1, 2, … bytes, up to all but the last one, at each length with [`Ending::Close`] and then with
/// [`Ending::Reset`]. [`Truncations::endings`] chooses other endings.
///
/// Of a [`Conversation`](crate::Conversation) each answer is cut in turn, and the turns before it are played. Answers are counted from 1
/// in the order in which they are written; those of a block that is repeated are cut in its first round. A client's kernel acknowledges
/// the last of several answers late, on Linux after 40 ms, and a reset waits for that; where hundreds of cases take too long,
/// `endings([Ending::Close])` leaves the resets out. What closures say ([`say_with`](crate::Conversation::say_with),
/// [`rest`](crate::Conversation::rest)) is counted and played, but not cut: its length is not known beforehand.
///
/// ```
/// use fake_peer::{Ending, faults};
///
/// let names: Vec<_> = faults::truncations("hi").map(|case| case.to_string()).collect();
/// assert_eq!(names, [
///     "cut(0, Ending::Close)", "cut(0, Ending::Reset)", "cut(1, Ending::Close)", "cut(1, Ending::Reset)",
/// ]);
/// assert_eq!(faults::truncations("hi").endings([Ending::HalfClose]).count(), 2);
///
/// let conversation = fake_peer::Conversation::new().say("+").expect("PING").say("PONG");
/// let last = faults::truncations(conversation).last().unwrap();
/// assert_eq!(last.name(), "answer 2: cut(3, Ending::Reset)");
/// ```
///
/// # Panics
///
/// If the length of the response is not known beforehand, because it comes from a reader or an empty file, or if one of its files
/// does not exist; if closures say everything that is said in a conversation.
#[track_caller]
pub fn truncations(whole: impl Into<Whole>) -> Truncations {
    let whole = whole.into();
    let responses = with_lengths(&whole);
    let endings = vec![Ending::Close, Ending::Reset];
    Truncations { whole, responses, endings, number: 0, next: 0 }
}

/// The cases of [`truncations`].
#[derive(Debug, Clone)]
#[must_use = "the cases are made when they are asked for"]
pub struct Truncations {
    whole: Whole,
    /// What is cut, and how long it is.
    responses: Vec<(Response, u64)>,
    endings: Vec<Ending>,
    /// Which response is cut now, and how many cases were made of it so far.
    number: usize,
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
        let (response, bytes) = loop {
            let (response, length) = self.responses.get(self.number)?;
            match self.next.checked_div(endings)? {
                bytes if bytes < *length => break (response, bytes),
                _ => (self.number, self.next) = (self.number + 1, 0),
            }
        };
        let ending = &self.endings[usize::try_from(self.next % endings).ok()?];
        self.next += 1;
        let cut = response.clone().cut(bytes, ending.clone());
        let name = format!("cut({bytes}, Ending::{ending:?})");
        Some(self.whole.case(self.number, &name, cut))
    }
}

/// The response in two writes with this pause between them, split at each of its bytes: from one byte before the pause to one byte
/// after it. How long the pause must be for a client to see two parts depends on the client; a millisecond is mostly enough.
///
/// Of a conversation each answer is split in turn, as with [`truncations`].
///
/// # Panics
///
/// If the response's length is not known beforehand, as [`truncations`].
#[track_caller]
pub fn splits(
    whole: impl Into<Whole>,
    pause: Duration,
) -> impl Iterator<Item = Case> + Clone + Send {
    let whole = whole.into();
    with_lengths(&whole).into_iter().enumerate().flat_map(move |(number, (response, length))| {
        let whole = whole.clone();
        (1..length).map(move |byte| {
            let name = format!("split_at({byte}, {})", duration(pause));
            whole.case(number, &name, response.clone().split_at(byte, pause))
        })
    })
}

/// The response byte by byte, with this pause between two bytes; of a conversation all answers, also those of closures.
pub fn byte_by_byte(whole: impl Into<Whole>, pause: Duration) -> Case {
    let name = format!("in_pieces(1, {})", duration(pause));
    whole.into().changed(name, move |response| response.in_pieces(1, pause))
}

#[track_caller]
fn with_lengths(whole: &Whole) -> Vec<(Response, u64)> {
    let mut lengths: Vec<(Response, u64)> = Vec::new();
    // A loop, so that a panic is the caller's.
    for response in whole.responses() {
        let length = length(&response);
        lengths.push((response, length));
    }
    let is_known = lengths.iter().any(|(_, length)| *length > 0);
    assert!(
        is_known || !whole.asks_closures(),
        "closures say everything that is said in this conversation, so no length is known to take parts of"
    );
    lengths
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
