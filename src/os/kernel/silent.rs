//! Systems that say nothing, or were not asked.

use std::io;

use socket2::Socket;

use super::RemoteEnd;

pub(super) fn unacknowledged(_: &Socket) -> io::Result<u64> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(super) fn unsent(_: &Socket) -> io::Result<u64> {
    Err(io::ErrorKind::Unsupported.into())
}

#[allow(clippy::unnecessary_wraps)] // as elsewhere
pub(super) fn remote_end(_: &Socket) -> io::Result<Option<RemoteEnd>> {
    Ok(None)
}
