//! What the system provides: addresses, listening sockets, streams, deadlines, locks. The one folder with `unsafe` code.

pub(crate) mod address;
pub(crate) mod deadline;
pub(crate) mod file_name;
pub(crate) mod kernel;
pub(crate) mod listener;
pub(crate) mod lock;
pub(crate) mod path_error;
pub(crate) mod stream;
