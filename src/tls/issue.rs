//! What an authority issues: certificates of servers and of clients.

use super::ca::Ca;
use super::identity::Identity;
use super::recipe::{Recipe, Usage};
use super::server::Server;

impl Ca {
    /// The settings of a server with a certificate for this host name or IP address. That for `localhost` is also one for 127.0.0.1
    /// and `::1`.
    ///
    /// # Panics
    ///
    /// If the name is not ASCII.
    #[track_caller]
    pub fn server(&self, name: &str) -> Server {
        assert!(name.is_ascii(), "a host name in a certificate is ASCII, and {name:?} is not");
        Server::made_by(Recipe::new(self, name, Usage::Server))
    }

    /// A certificate with which a client authenticates itself under this name.
    ///
    /// # Panics
    ///
    /// If the name is not ASCII.
    #[track_caller]
    pub fn client(&self, name: &str) -> Identity {
        assert!(name.is_ascii(), "a name in a certificate is ASCII, and {name:?} is not");
        Recipe::new(self, name, Usage::Client).make()
    }
}
