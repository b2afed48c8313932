//! Where a request ends: the rules, how they read as text, and a rule at work.

mod delimiter;
mod first_flight;
pub(crate) mod framer;
pub(crate) mod length_prefix;
mod length_reader;
pub(crate) mod letter_case;
pub(crate) mod no_end;
pub(crate) mod parse;
pub(crate) mod rule;
#[cfg(test)]
mod tests;
pub(crate) mod texts;
