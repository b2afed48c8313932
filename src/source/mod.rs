//! Where responses come from: the trait, and its implementations for bytes, files, folders, sequences, connections, conversations and a real
//! server.

pub mod conversation;
pub(crate) mod file;
mod fixed;
pub(crate) mod folder;
pub(crate) mod hints;
pub(crate) mod per_connection;
pub(crate) mod proxy;
pub(crate) mod response_source;
pub(crate) mod sequence;
