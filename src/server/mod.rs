//! `TcpServer`, `Peer`, the futures of a peer, and the observers that show what a server does.

pub(crate) mod blocking_future;
pub(crate) mod builder;
pub(crate) mod connection;
#[cfg(feature = "json")]
pub(crate) mod journal_lines;
mod listens_on;
pub(crate) mod manual_peer;
pub(crate) mod peer;
mod start;
pub(crate) mod take_future;
pub(crate) mod tcp_server;
pub(crate) mod transcript;
