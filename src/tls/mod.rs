//! TLS: certificates of a CA that lives in the test, the settings of a server, and every fault of both. The handshake of a connection is in
//! `serving`.

mod ca;
mod flight;
mod identity;
mod layer;
mod recipe;
mod resolver;
mod secured;
mod server;
mod starttls;

pub use ca::{Ca, PemFile};
pub use flight::Flight;
pub use identity::Identity;
pub use server::{Server, Version};

pub use crate::os::session::Session;
