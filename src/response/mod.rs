//! What to answer: steps, endings, delays, gates, and the bytes of plain HTTP responses.

pub(crate) mod delay;
pub(crate) mod ending;
pub(crate) mod gate;
pub mod http;
pub(crate) mod pace;
pub(crate) mod random;
pub(crate) mod steps;
