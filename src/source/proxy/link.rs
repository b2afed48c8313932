//! The connection to an upstream, plain or over TLS: it blocks, and one thread may read while another one writes.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use super::target::Target;
use crate::os::{address, wire};
#[cfg(feature = "tls")]
use crate::tls::ClientStream;
#[cfg(feature = "tls")]
pub(crate) use crate::tls::Trust;

/// How long one write to an upstream waits for room.
const WRITE_TICK: Duration = Duration::from_millis(20);

/// Which certificates are accepted: none, since nothing speaks TLS without the feature.
#[cfg(not(feature = "tls"))]
#[derive(Debug, Clone, Default)]
pub(crate) enum Trust {
    #[default]
    None,
}

#[derive(Debug)]
pub(crate) enum Link {
    Plain(TcpStream),
    #[cfg(feature = "tls")]
    Tls(Box<ClientStream>),
}

impl Link {
    /// Connects to one of the addresses of an upstream. The timeout is for each of them.
    pub(crate) fn connect(target: &Target, timeout: Option<Duration>) -> io::Result<TcpStream> {
        let mut result = Err(address::no_address());
        for addr in address::resolve(&target.address)? {
            result = match timeout {
                // Zero would be refused.
                Some(timeout) => {
                    TcpStream::connect_timeout(&addr, timeout.max(Duration::from_millis(1)))
                }
                None => TcpStream::connect(addr),
            };
            if result.is_ok() {
                break;
            }
        }
        let stream = result?;
        wire::set_options(&stream)?;
        // A write that is stuck looks at the time this often.
        stream.set_write_timeout(Some(WRITE_TICK))?;
        Ok(stream)
    }

    /// Over this connection, with TLS if the upstream has it.
    #[cfg(feature = "tls")]
    pub(crate) fn over(
        stream: TcpStream,
        target: &Target,
        trust: &Trust,
        timeout: Option<Duration>,
    ) -> io::Result<Self> {
        Ok(match &target.tls {
            None => Link::Plain(stream),
            Some(name) => Link::Tls(Box::new(ClientStream::begin(stream, name, trust, timeout)?)),
        })
    }

    /// Over this connection.
    #[cfg(not(feature = "tls"))]
    pub(crate) fn over(
        stream: TcpStream,
        target: &Target,
        _: &Trust,
        _: Option<Duration>,
    ) -> io::Result<Self> {
        if target.tls.is_some() {
            let text = "an upstream over https needs the feature `tls`";
            return Err(io::Error::new(io::ErrorKind::Unsupported, text));
        }
        Ok(Link::Plain(stream))
    }

    pub(crate) fn socket(&self) -> &TcpStream {
        match self {
            Link::Plain(stream) => stream,
            #[cfg(feature = "tls")]
            Link::Tls(stream) => stream.socket(),
        }
    }

    /// One write. After an error that says that there is no room, the next one begins with the same bytes.
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Link::Plain(stream) => (&mut &*stream).write(bytes),
            #[cfg(feature = "tls")]
            Link::Tls(stream) => stream.write(bytes),
        }
    }

    /// Says that nothing more is sent.
    pub(crate) fn end(&self) -> io::Result<()> {
        match self {
            Link::Plain(stream) => stream.shutdown(Shutdown::Write),
            #[cfg(feature = "tls")]
            Link::Tls(stream) => stream.end(),
        }
    }
}

impl Read for &Link {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Link::Plain(stream) => (&mut &*stream).read(buffer),
            #[cfg(feature = "tls")]
            Link::Tls(stream) => stream.read(buffer),
        }
    }
}
