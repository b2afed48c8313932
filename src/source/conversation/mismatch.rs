//! What a message says about a turn in which the client said something else, and about one that did not come.

use std::fmt;

use super::expect::Expect;
use super::script::Item;
use crate::framing::letter_case::LetterCase;
use crate::journal::difference::{Difference, shown};
use crate::journal::request::Request;

/// A turn that was not as expected: its number, and both sides.
pub(super) struct Mismatch<'a> {
    pub(super) turn: u64,
    pub(super) expected: &'a Item,
    pub(super) request: &'a Request,
}

impl fmt::Display for Mismatch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "turn {} of the conversation differs from what was expected", self.turn)?;
        if let Item::Expect(expect) = self.expected
            && let Some(text) = expect.text()
            && let Some(difference) =
                Difference::but_for(text.case, &text.bytes, self.request.bytes())
        {
            let but_for = if text.case == LetterCase::Ignored { ", ignoring case," } else { "" };
            return write!(f, "{but_for} {difference}");
        }
        let actual = shown(self.request.bytes());
        write!(f, "\n  expected {}\n    actual {actual}", Expected(self.expected))
    }
}

/// What the client should say next.
pub(super) struct Expected<'a>(pub(super) &'a Item);

impl fmt::Display for Expected<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Item::Expect(expect) => expect.fmt(f),
            Item::OneOf(_, branches) => write_choice(f, branches.iter().map(|(expect, _)| expect)),
            Item::Rest(framing, _) => write!(f, "a request by framing `{framing}`"),
            Item::Say(_) | Item::SayWith(..) | Item::Repeat(..) | Item::End(_) => {
                f.write_str("nothing")
            }
        }
    }
}

fn write_choice<'a>(
    f: &mut fmt::Formatter<'_>,
    choice: impl Iterator<Item = &'a Expect>,
) -> fmt::Result {
    for (index, expect) in choice.enumerate() {
        write!(f, "{}{expect}", if index == 0 { "" } else { ", or " })?;
    }
    Ok(())
}
