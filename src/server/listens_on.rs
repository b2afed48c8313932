//! The address and the URLs of a server as its user asks for them: each kind of address has its own method, and the others panic and
//! name it.

use std::net::SocketAddr;
#[cfg(unix)]
use std::path::Path;

use crate::os::address::{Address, host_in_url};
use crate::serving::service::Service;

#[track_caller]
pub(super) fn tcp(addr: &Address) -> SocketAddr {
    match addr {
        Address::Tcp(addr) => *addr,
        Address::Unix(_) => {
            panic!("{addr} is a Unix socket, which has no port and no URL: use `path()`")
        }
    }
}

/// The URL of a path.
#[track_caller]
pub(super) fn url(service: &Service, path: &str) -> String {
    let addr = tcp(service.addr());
    let Some(secure) = &service.settings.secure else { return format!("http://{addr}{path}") };
    format!("https://{}:{}{path}", host_in_url(secure.name()), addr.port())
}

#[cfg(unix)]
#[track_caller]
pub(super) fn path(addr: &Address) -> &Path {
    match addr {
        Address::Unix(Some(path)) => path,
        Address::Unix(None) => panic!("the Unix socket of the listener has no path"),
        Address::Tcp(_) => {
            panic!(
                "{addr} is a TCP port, which has no path: use `addr()`, of a server `local_addr()`"
            )
        }
    }
}
