//! What the client should say next, as it is named in messages.

use std::fmt;

use super::expect::Expect;
use super::script::Item;

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
