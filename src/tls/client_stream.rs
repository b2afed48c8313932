//! TLS of a client over a socket that blocks, for two threads: one reads while another one writes. A proxy reaches its upstream by it.

use std::fmt;
use std::io::{self, Read, Write};
use std::mem;
use std::net::{Shutdown, TcpStream};
use std::sync::Mutex;
use std::time::Duration;

use rustls::ClientConnection;
use rustls::pki_types::ServerName;

use super::buffer::Buffer;
use super::trust::Trust;
use super::words::name_of_alert;
use crate::os::deadline::Deadline;
use crate::os::lock::lock;
use crate::os::socket_error;

/// How much is encrypted at once: one record.
const RECORD: usize = 1 << 14;

/// How much is read at once.
const READ: usize = 1 << 14;

pub(crate) struct ClientStream {
    socket: TcpStream,
    incoming: Mutex<Incoming>,
    /// Locked before `tls`, so that records leave in their order.
    outgoing: Mutex<Outgoing>,
    /// No call waits while it has this.
    tls: Mutex<ClientConnection>,
}

#[derive(Default)]
struct Incoming {
    /// Ciphertext that rustls does not have.
    bytes: Buffer,
    /// What comes after all that was decrypted.
    error: Option<io::Error>,
}

#[derive(Default)]
struct Outgoing {
    bytes: Buffer,
    /// How much plaintext is in them.
    plaintext: usize,
}

impl ClientStream {
    /// Begins TLS with the server of this name, and completes the handshake within `timeout`.
    pub(crate) fn begin(
        socket: TcpStream,
        host: &str,
        trust: &Trust,
        timeout: Option<Duration>,
    ) -> io::Result<Self> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| {
            let text = format!("`{host}` is no name that a certificate can have");
            io::Error::new(io::ErrorKind::InvalidInput, text)
        })?;
        let mut tls = ClientConnection::new(trust.settings()?, name).map_err(|e| in_words(&e))?;
        let deadline = Deadline::after(timeout);
        loop {
            while tls.wants_write() {
                in_time(tls.write_tls(&mut &socket), deadline, timeout)?;
            }
            if !tls.is_handshaking() {
                break;
            }
            // Zero would mean "for ever".
            let left = deadline.left().map(|left| left.max(Duration::from_millis(1)));
            socket.set_read_timeout(left)?;
            if in_time(tls.read_tls(&mut &socket), deadline, timeout)? == Some(0) {
                let text = "it closed the connection within the handshake";
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
            }
            if let Err(error) = tls.process_new_packets() {
                // The alert; the server may be gone.
                let _ = tls.write_tls(&mut &socket);
                return Err(in_words(&error));
            }
        }
        Ok(ClientStream {
            socket,
            incoming: Mutex::default(),
            outgoing: Mutex::default(),
            tls: Mutex::new(tls),
        })
    }

    pub(crate) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Waits for plaintext, as long as the socket may. 0 means that the server has said that it sends no more.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut incoming = lock(&self.incoming);
        loop {
            match lock(&self.tls).reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    let text = "it ended TLS without a close_notify: something may be missing";
                    return Err(io::Error::new(error.kind(), text));
                }
                result => return result,
            }
            if let Some(error) = incoming.error.take() {
                return Err(error);
            }
            if incoming.bytes.len() == 0 {
                let length = (&self.socket).read(&mut incoming.bytes.room(READ)[..READ])?;
                incoming.bytes.end += length;
            }
            let mut tls = lock(&self.tls);
            // It takes no more than it has room for. Nothing is the end of the stream.
            let taken = tls.read_tls(&mut &*incoming.bytes.filled())?;
            incoming.bytes.consume(taken);
            incoming.error = tls.process_new_packets().err().map(|error| in_words(&error));
            let answers = tls.wants_write();
            drop(tls);
            // An alert, or new keys. If another thread is writing, it does that.
            if answers && let Ok(mut outgoing) = self.outgoing.try_lock() {
                let _ = outgoing.encrypted(&self.tls).and_then(|()| outgoing.send(&self.socket));
            }
        }
    }

    /// Writes as much as one record has room for. `WouldBlock` or a timeout means that the socket has not taken all of it: the next call
    /// begins with the same bytes.
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut outgoing = lock(&self.outgoing);
        if outgoing.plaintext == 0 {
            let portion = &bytes[..bytes.len().min(RECORD)];
            outgoing.plaintext = lock(&self.tls).writer().write(portion)?;
            outgoing.encrypted(&self.tls)?;
        }
        outgoing.send(&self.socket)?;
        Ok(mem::take(&mut outgoing.plaintext))
    }

    /// Says that no more is sent, and goes on reading. Errors as in [`write`](Self::write).
    pub(crate) fn end(&self) -> io::Result<()> {
        let mut outgoing = lock(&self.outgoing);
        // Says it once.
        lock(&self.tls).send_close_notify();
        outgoing.encrypted(&self.tls)?;
        outgoing.send(&self.socket)?;
        self.socket.shutdown(Shutdown::Write)
    }
}

impl Outgoing {
    /// Takes what rustls has encrypted.
    fn encrypted(&mut self, tls: &Mutex<ClientConnection>) -> io::Result<()> {
        let mut tls = lock(tls);
        while tls.wants_write() {
            tls.write_tls(&mut Appended(&mut self.bytes))?;
        }
        Ok(())
    }

    fn send(&mut self, mut socket: &TcpStream) -> io::Result<()> {
        while self.bytes.len() > 0 {
            match socket.write(self.bytes.filled()) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(length) => self.bytes.consume(length),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Says goodbye, if that needs no waiting.
impl Drop for ClientStream {
    fn drop(&mut self) {
        // The server may be gone already.
        let _ = self.socket.set_nonblocking(true).and_then(|()| self.end());
    }
}

/// Bytes are appended.
struct Appended<'a>(&'a mut Buffer);

impl Write for Appended<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.room(bytes.len())[..bytes.len()].copy_from_slice(bytes);
        self.0.end += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One read or write of a handshake. `None` means that there is time for another one.
fn in_time(
    result: io::Result<usize>,
    deadline: Deadline,
    timeout: Option<Duration>,
) -> io::Result<Option<usize>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(None),
        Err(error) if socket_error::is_timeout(&error) => match deadline.left() {
            Some(Duration::ZERO) => {
                let text = format!("no handshake within {:?}", timeout.unwrap_or_default());
                Err(io::Error::new(io::ErrorKind::TimedOut, text))
            }
            _ => Ok(None),
        },
        result => result.map(Some),
    }
}

/// What the server has done wrong.
fn in_words(error: &rustls::Error) -> io::Error {
    use rustls::{CertificateError, Error, InvalidMessage};
    let text = match error {
        Error::AlertReceived(alert) => format!("it sent the alert {}", name_of_alert(*alert)),
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "its certificate is not accepted: no trusted authority has signed it".into()
        }
        Error::InvalidCertificate(reason) => format!("its certificate is not accepted: {reason}"),
        Error::DecryptError => "one of its records could not be decrypted".into(),
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "it sent something that is not TLS".into()
        }
        error => error.to_string(),
    };
    io::Error::new(io::ErrorKind::InvalidData, text)
}

impl fmt::Debug for ClientStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientStream").field("socket", &self.socket).finish_non_exhaustive()
    }
}
