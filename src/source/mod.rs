//! Where responses come from.

pub(crate) mod map_response;
pub(crate) mod proxy;
pub(crate) mod response_source;
pub(crate) mod sequence;
