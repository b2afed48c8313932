//! `TcpServer`, `Peer`, and the futures of a peer.

pub(crate) mod blocking_future;
pub(crate) mod builder;
pub(crate) mod connection;
mod listens_on;
pub(crate) mod manual_peer;
pub(crate) mod peer;
mod start;
pub(crate) mod take_future;
pub(crate) mod tcp_server;
