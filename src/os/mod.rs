//! What the kernel is asked for: addresses, listening sockets, deadlines. The one folder with `unsafe` code.

pub(crate) mod address;
pub(crate) mod deadline;
pub(crate) mod kernel;
pub(crate) mod listener;
pub(crate) mod lock;
pub(crate) mod path_error;
pub(crate) mod stream;
