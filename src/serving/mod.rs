//! The core: carries a connection from its acceptance to its end.

pub(crate) mod close;
pub(crate) mod connection;
pub(crate) mod event;
pub(crate) mod failure;
pub(crate) mod foreground;
pub(crate) mod host;
mod receive;
pub(crate) mod send;
pub(crate) mod service;
pub(crate) mod settings;
pub(crate) mod stop;
pub(crate) mod transcript;
pub(crate) mod user_code;
pub(crate) mod wire;
pub(crate) mod worker;
