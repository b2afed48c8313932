//! A client whose plain bytes go to a server over TLS: so the tests of plain connections run over TLS, unchanged. Threads carry the bytes, and
//! each kind of end.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use fake_peer::tls::Ca;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use socket2::SockRef;

use crate::{FOREVER, PATIENCE};

/// The client of a test is at the other end of `near`, its server at that of `far`.
struct Bridge {
    near: TcpStream,
    far: TcpStream,
    /// Held while something is encrypted and sent, so that records leave in their order. Taken before the next one.
    sending: Mutex<Sending>,
    /// Not held while a call may wait: the other direction goes on.
    tls: Mutex<ClientConnection>,
}

/// Whether the server takes what is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sending {
    Works,
    Failed,
}

/// A connection to a server that has a certificate of [`Ca::shared`]. The handshake goes on in the background.
pub(crate) fn connect(addr: SocketAddr) -> io::Result<TcpStream> {
    let far = TcpStream::connect_timeout(&addr, PATIENCE)?;
    far.set_nodelay(true)?;
    let name = "localhost".try_into().expect("a name");
    let tls = ClientConnection::new(config(), name).map_err(io::Error::other)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let client = TcpStream::connect(listener.local_addr()?)?;
    client.set_nodelay(true)?;
    let (near, _) = listener.accept()?;
    near.set_nodelay(true)?;
    for stream in [&near, &far] {
        stream.set_read_timeout(Some(FOREVER))?;
        stream.set_write_timeout(Some(FOREVER))?;
    }
    let bridge =
        Arc::new(Bridge { near, far, sending: Mutex::new(Sending::Works), tls: Mutex::new(tls) });
    thread::spawn(move || {
        if bridge.shake_hands().is_err() {
            reset(&bridge.near);
            return;
        }
        let back = Arc::clone(&bridge);
        thread::spawn(move || back.carry_back());
        bridge.carry_there();
    });
    Ok(client)
}

fn config() -> Arc<ClientConfig> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    let make = || {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(Ca::shared().der().to_vec())).expect("a certificate");
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().expect("versions");
        Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
    };
    Arc::clone(CONFIG.get_or_init(make))
}

/// The close of this socket will be a reset; a thread that reads from it ends. Not one that writes: to end that would end the stream first.
fn reset(socket: &TcpStream) {
    // The other side may be gone already.
    let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
    let _ = socket.shutdown(Shutdown::Read);
}

impl Bridge {
    fn tls(&self) -> MutexGuard<'_, ClientConnection> {
        self.tls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shake_hands(&self) -> io::Result<()> {
        let mut tls = self.tls();
        while tls.is_handshaking() {
            tls.complete_io(&mut &self.far)?;
        }
        Ok(())
    }

    /// Encrypts, and sends that.
    fn send(
        &self,
        encrypt: impl FnOnce(&mut ClientConnection) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut sending = self.sending();
        let mut encrypted = Vec::new();
        let mut tls = self.tls();
        encrypt(&mut tls)?;
        while tls.wants_write() {
            tls.write_tls(&mut encrypted)?;
        }
        drop(tls);
        (&self.far).write_all(&encrypted).inspect_err(|_| *sending = Sending::Failed)
    }

    fn sending(&self) -> MutexGuard<'_, Sending> {
        self.sending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From the client to its server.
    fn carry_there(&self) {
        let mut buffer = vec![0; 1 << 14];
        loop {
            match (&self.near).read(&mut buffer) {
                Ok(0) => {
                    let _ = self.send(|tls| {
                        tls.send_close_notify();
                        Ok(())
                    });
                    let _ = self.far.shutdown(Shutdown::Write);
                    return;
                }
                Ok(length) => {
                    let sent = self.send(|tls| tls.writer().write_all(&buffer[..length]));
                    if sent.is_err() {
                        return reset(&self.near);
                    }
                }
                Err(_) => return reset(&self.far),
            }
        }
    }

    /// From the server to its client.
    fn carry_back(&self) {
        let mut buffer = vec![0; 1 << 14];
        loop {
            match (&self.far).read(&mut buffer) {
                // The system reports a reset once: after a write that has failed with it, a read finds the end of the stream.
                Ok(0) if *self.sending() == Sending::Failed => return reset(&self.near),
                Ok(0) => {
                    let _ = self.near.shutdown(Shutdown::Write);
                    return;
                }
                Ok(length) => {
                    let Ok(plain) = self.decrypt(&buffer[..length]) else {
                        return reset(&self.near);
                    };
                    if (&self.near).write_all(&plain).is_err() {
                        return reset(&self.far);
                    }
                }
                Err(_) => return reset(&self.near),
            }
        }
    }

    fn decrypt(&self, mut bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut tls = self.tls();
        let mut plain = Vec::new();
        while !bytes.is_empty() {
            tls.read_tls(&mut bytes)?;
            tls.process_new_packets().map_err(io::Error::other)?;
            match tls.reader().read_to_end(&mut plain) {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                _ => {}
            }
        }
        let answers = tls.wants_write();
        drop(tls);
        if answers {
            self.send(|_| Ok(()))?;
        }
        Ok(plain)
    }
}
