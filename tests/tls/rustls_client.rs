//! A client that is nothing but rustls over a socket.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use fake_peer::tls::{Ca, Identity};
use fake_peer_test_support::PATIENCE;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};

/// How a client connects.
pub struct Settings {
    roots: Vec<Vec<u8>>,
    versions: Vec<&'static SupportedProtocolVersion>,
    alpn: Vec<Vec<u8>>,
    identity: Option<Identity>,
    name: String,
}

/// A client that trusts this authority, and wants to talk to `localhost`.
pub fn trusting(ca: &Ca) -> Settings {
    trusting_der(ca.der())
}

/// A client that trusts this certificate.
pub fn trusting_der(der: &[u8]) -> Settings {
    Settings {
        roots: vec![der.to_vec()],
        versions: rustls::ALL_VERSIONS.to_vec(),
        alpn: Vec::new(),
        identity: None,
        name: "localhost".into(),
    }
}

impl Settings {
    pub fn version(mut self, version: &'static SupportedProtocolVersion) -> Self {
        self.versions = vec![version];
        self
    }

    pub fn alpn(mut self, protocols: &[&str]) -> Self {
        self.alpn = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        self
    }

    pub fn identity(mut self, identity: &Identity) -> Self {
        self.identity = Some(identity.clone());
        self
    }

    pub fn name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    fn config(&self) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        for root in &self.roots {
            roots.add(CertificateDer::from(root.clone())).expect("a certificate");
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&self.versions)
            .expect("versions that the provider has")
            .with_root_certificates(roots);
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let chain = identity.certificates_der();
                let chain = chain.map(|der| CertificateDer::from(der.to_vec())).collect();
                let key = PrivateKeyDer::try_from(identity.key_der().to_vec()).expect("a key");
                builder.with_client_auth_cert(chain, key).expect("a key of its certificate")
            }
        };
        config.alpn_protocols.clone_from(&self.alpn);
        config
    }

    /// TLS over a connection that is there.
    pub fn over(&self, stream: TcpStream) -> StreamOwned<ClientConnection, TcpStream> {
        let name = ServerName::try_from(self.name.clone()).expect("a name");
        let connection = ClientConnection::new(Arc::new(self.config()), name).expect("a client");
        StreamOwned::new(connection, stream)
    }

    /// Connects, and completes the handshake.
    pub fn connect(
        &self,
        addr: SocketAddr,
    ) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
        let stream = TcpStream::connect(addr)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let mut client = self.over(stream);
        while client.conn.is_handshaking() {
            client.conn.complete_io(&mut client.sock)?;
        }
        Ok(client)
    }

    /// Sends a request, and reads until the end.
    pub fn ask(&self, addr: SocketAddr, request: &[u8]) -> io::Result<Vec<u8>> {
        let mut client = self.connect(addr)?;
        client.write_all(request)?;
        client.flush()?;
        let mut answer = Vec::new();
        client.read_to_end(&mut answer)?;
        Ok(answer)
    }
}

/// Reads until the end; what came before an error counts, too.
pub fn read_to_its_end(client: &mut impl Read) -> (Vec<u8>, Option<io::ErrorKind>) {
    let mut answer = Vec::new();
    let error = client.read_to_end(&mut answer).err();
    (answer, error.map(|error| error.kind()))
}

/// Says that it sends no more, and goes on reading.
pub fn half_close(client: &mut StreamOwned<ClientConnection, TcpStream>) {
    client.conn.send_close_notify();
    client.flush().expect("an open connection");
}
