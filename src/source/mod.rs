//! Where responses come from.

pub(crate) mod hints;

pub(crate) mod proxy;
pub(crate) mod response_source;
pub(crate) mod sequence;
