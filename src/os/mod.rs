//! What the system provides: addresses, sockets and which of them are ready, deadlines, locks. The one folder with `unsafe` code.

pub(crate) mod address;
pub(crate) mod arrived;
pub(crate) mod deadline;
pub(crate) mod file_name;
#[cfg(unix)]
mod folder_lock;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod held_back;
#[cfg(all(unix, feature = "cli"))]
pub(crate) mod inherited;
pub(crate) mod kernel;
pub(crate) mod layer;
pub(crate) mod listener;
pub(crate) mod lock;
pub(crate) mod open;
pub(crate) mod path_error;
pub(crate) mod ports;
#[cfg(feature = "cli")]
pub(crate) mod process_group;
pub(crate) mod room;
pub(crate) mod same_file;
pub(crate) mod session;
pub(crate) mod set;
pub(crate) mod socket_error;
#[cfg(unix)]
pub(crate) mod socket_file;
pub(crate) mod spare;
pub(crate) mod stream;
pub(crate) mod unlink;
pub(crate) mod wire;
