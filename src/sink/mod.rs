//! Where request bytes go.

pub(crate) mod record_file;
pub(crate) mod request_sink;
pub(crate) mod writer;
