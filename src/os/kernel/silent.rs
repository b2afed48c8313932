//! Systems that do not say it, or were not asked.

use std::io;

use socket2::Socket;

use super::{Given, RemoteEnd};

pub(super) fn unacknowledged(_: &Socket, _: Given) -> io::Result<u64> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(super) fn has_left(_: &Socket, _: Given) -> io::Result<bool> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(super) fn remote_end(_: &Socket) -> Option<RemoteEnd> {
    None
}
