//! A server and a client over TLS as people write them with rustls: buffered, blocking, a thread for each connection.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use fake_peer::tls::{Ca, Identity};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
};

use crate::REQUEST;
use crate::by_hand::listen;
use crate::clients::connect;

/// A server in a background thread, with a thread for each connection. To stop it, `drop` sets a flag and connects to it.
#[derive(Debug)]
pub struct TlsLoop {
    addr: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl TlsLoop {
    /// Listens and starts the thread. It answers each request with `answer`, and closes after the first one if `closes`.
    pub fn start(identity: &Identity, answer: Vec<u8>, closes: bool) -> Self {
        let config = Arc::new(server_config(identity));
        let answer: Arc<[u8]> = answer.into();
        let (listener, addr) = listen();
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if stopping.load(Ordering::Acquire) {
                    return;
                }
                let stream = stream.expect("a client");
                let (config, answer) = (Arc::clone(&config), Arc::clone(&answer));
                thread::spawn(move || serve(config, stream, &answer, closes));
            }
        });
        TlsLoop { addr, stop, thread: Some(thread) }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for TlsLoop {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        let _ = TcpStream::connect(self.addr);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("a server that does not panic");
        }
    }
}

/// The same settings as a peer has.
fn server_config(identity: &Identity) -> ServerConfig {
    let chain = identity.certificates_der().map(|der| CertificateDer::from(der.to_vec()));
    let key = PrivateKeyDer::try_from(identity.key_der().to_vec()).expect("a key");
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(rustls::ALL_VERSIONS)
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain.collect(), key)
        .expect("a key of its certificate");
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config
}

fn serve(config: Arc<ServerConfig>, stream: TcpStream, answer: &[u8], closes: bool) {
    stream.set_nodelay(true).expect("set");
    let connection = ServerConnection::new(config).expect("a server");
    let mut stream = StreamOwned::new(connection, stream);
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    // Ends at the client's end, announced or not.
    while let Ok(length @ 1..) = stream.read(&mut buffer) {
        request.extend_from_slice(&buffer[..length]);
        if request.ends_with(b"\r\n\r\n") {
            stream.write_all(answer).and_then(|()| stream.flush()).expect("sent");
            std::hint::black_box(&request);
            request.clear();
            if closes {
                stream.conn.send_close_notify();
                stream.flush().expect("sent");
                stream.sock.shutdown(Shutdown::Write).expect("open");
                while let Ok(1..) = stream.sock.read(&mut buffer) {}
                return;
            }
        }
    }
}

/// A client that trusts an authority, and resumes nothing.
#[derive(Debug, Clone)]
pub struct TlsClient(Arc<ClientConfig>);

impl TlsClient {
    /// Trusts this authority.
    pub fn new(ca: &Ca) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(ca.der().to_vec())).expect("a certificate");
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(rustls::ALL_VERSIONS)
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.resumption = rustls::client::Resumption::disabled();
        TlsClient(Arc::new(config))
    }

    /// Connects.
    pub fn open(&self, addr: SocketAddr) -> StreamOwned<ClientConnection, TcpStream> {
        let stream = connect(addr);
        stream.set_nodelay(true).expect("set");
        let name = "localhost".try_into().expect("a name");
        let connection = ClientConnection::new(Arc::clone(&self.0), name).expect("a client");
        StreamOwned::new(connection, stream)
    }

    /// Connects, sends the request, reads to the end; how many bytes came.
    pub fn get(&self, addr: SocketAddr) -> usize {
        let mut client = self.open(addr);
        client.write_all(REQUEST).and_then(|()| client.flush()).expect("sent");
        let mut buffer = vec![0; 256 << 10];
        let mut all = 0;
        loop {
            match client.read(&mut buffer).expect("an answer") {
                0 => return all,
                length => all += length,
            }
        }
    }
}
