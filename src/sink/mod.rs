//! Where request bytes go: the trait, and its file, memory, closure and writer implementations.

pub(crate) mod closure;
pub(crate) mod file;
pub(crate) mod memory;
pub(crate) mod numbered;
pub(crate) mod record_file;
pub(crate) mod request_sink;
pub(crate) mod writer;
