//! What a message says about a turn in which the client said something else.

use std::fmt;

use crate::framing::letter_case::LetterCase;
use crate::framing::texts::Text;
use crate::journal::difference::{Difference, shown};
use crate::journal::request::Request;

/// Why a request is not what was expected.
#[derive(Debug, Clone)]
pub(crate) enum Refusal {
    /// The client has ended its side within it.
    CutShort(String),
    /// The client has said something else.
    SomethingElse(String),
    /// That can't be known: only its first bytes were kept.
    Unknown(String),
}

/// What is wrong with a request that is not as expected: both sides. `text` is the one that was expected, if it was one.
pub(super) fn mismatch(
    place: &dyn fmt::Display,
    expected: &dyn fmt::Display,
    text: Option<&Text>,
    request: &Request,
) -> String {
    let differs = format!("{place} differs from what was expected");
    if let Some(text) = text
        && let Some(difference) = Difference::but_for(text.case, &text.bytes, request.bytes())
    {
        let but_for = if text.case == LetterCase::Ignored { ", ignoring case," } else { "" };
        return format!("{differs}{but_for} {difference}");
    }
    let actual = shown(request.bytes());
    format!("{differs}\n  expected {expected}\n    actual {actual}")
}

/// Why a request that lacks bytes can't be compared.
pub(super) fn too_little_kept(request: &Request) -> String {
    format!(
        "only {} of the request's {} bytes were kept, which is too few to compare them: `retain` keeps more",
        request.bytes().len(),
        request.len()
    )
}
