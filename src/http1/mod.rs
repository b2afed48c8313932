//! The syntax of HTTP/1: heads, bodies, chunks, where messages end, whether connections persist.

pub(crate) mod body;
pub(crate) mod check;
pub(crate) mod chunked;
mod connection_wishes;
pub(crate) mod finding;
pub(crate) mod head;
pub(crate) mod persistence;
pub(crate) mod problem;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod verdict;
