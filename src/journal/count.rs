//! Numbers with their noun: `1 byte`, `2 bytes`.

use std::fmt;

/// A number and a noun whose plural takes an `s`.
pub(crate) struct Count(pub(crate) u64, pub(crate) &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.0, self.1, if self.0 == 1 { "" } else { "s" })
    }
}

pub(crate) fn bytes(number: u64) -> Count {
    Count(number, "byte")
}
