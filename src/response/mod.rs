//! What to answer: steps, endings, delays, gates, and the bytes of plain HTTP responses.

mod cut;
pub(crate) mod delay;
pub(crate) mod ending;
pub(crate) mod gate;
mod head;
pub mod http;
pub(crate) mod pace;
pub(crate) mod parts;
pub(crate) mod random;
pub(crate) mod secure;
mod step;
pub(crate) mod steps;
