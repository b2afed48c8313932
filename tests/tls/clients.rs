//! HTTPS clients of other people: what each makes of one URL.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use fake_peer::Peer;
use fake_peer::tls::{Ca, PemFile, Server};
use fake_peer_test_support::PATIENCE;
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::rt::TokioExecutor;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

/// The body of a response, or what the client says is wrong.
pub type Outcome = Result<String, String>;

/// An HTTPS client.
pub struct Client {
    pub name: &'static str,
    pub ask: fn(&Target) -> Outcome,
}

impl Client {
    /// Its name, as the head of a column.
    pub fn title(&self) -> &'static str {
        self.name
    }
}

/// What a client is to ask, and whom it trusts.
pub struct Target {
    pub url: String,
    trusted_pem: String,
    trusted_der: Vec<u8>,
    trusted_file: PathBuf,
    _file: PemFile,
}

impl Target {
    /// The root of this peer, for a client that trusts an authority.
    pub fn of(peer: &Peer, ca: &Ca) -> Self {
        Self::at(peer.url("/"), ca)
    }

    /// A peer that speaks no TLS, for clients that do.
    pub fn without_tls(peer: &Peer, ca: &Ca) -> Self {
        Self::at(format!("https://localhost:{}/", peer.port()), ca)
    }

    fn at(url: String, ca: &Ca) -> Self {
        let file = ca.pem_file();
        Target {
            url,
            trusted_pem: ca.pem(),
            trusted_der: ca.der().to_vec(),
            trusted_file: file.to_path_buf(),
            _file: file,
        }
    }

    /// The same for a client that trusts the certificate of a server.
    pub fn of_trusted(peer: &Peer, server: &Server) -> Self {
        let file = server.pem_file();
        Target {
            url: peer.url("/"),
            trusted_pem: server.pem(),
            trusted_der: server.identity().certificate_der().to_vec(),
            trusted_file: file.to_path_buf(),
            _file: file,
        }
    }
}

/// Clients that are Rust libraries.
pub fn libraries() -> Vec<Client> {
    vec![
        Client { name: "ureq, rustls", ask: |target| by_ureq(target, TlsProvider::Rustls) },
        Client { name: "ureq, native-tls", ask: |target| by_ureq(target, TlsProvider::NativeTls) },
        Client { name: "hyper-rustls", ask: by_hyper },
    ]
}

/// Clients that are programs.
pub fn programs() -> Vec<Client> {
    vec![Client { name: "curl", ask: by_curl }, Client { name: "Python ssl", ask: by_python }]
}

/// A program that takes a handshake for an answer.
pub fn openssl() -> Client {
    Client { name: "openssl", ask: by_openssl }
}

/// An error with its causes, in one line.
fn in_one_line(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text.lines().next().unwrap_or_default().to_owned()
}

fn by_ureq(target: &Target, provider: TlsProvider) -> Outcome {
    let trusted = Certificate::from_pem(target.trusted_pem.as_bytes()).expect("PEM");
    let tls = TlsConfig::builder()
        .provider(provider)
        .root_certs(RootCerts::new_with_certs(&[trusted]))
        .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
        .build();
    let agent = ureq::Agent::config_builder()
        .tls_config(tls)
        .timeout_global(Some(PATIENCE))
        .proxy(None)
        .build()
        .new_agent();
    let answer = agent.get(&target.url).call();
    answer
        .and_then(|mut answer| answer.body_mut().read_to_string())
        .map_err(|error| in_one_line(&error))
}

fn by_hyper(target: &Target) -> Outcome {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(target.trusted_der.clone())).expect("a certificate");
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(config)
        .https_only()
        .enable_http1()
        .build();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let client: HyperClient<_, Empty<Bytes>> =
            HyperClient::builder(TokioExecutor::new()).build(connector);
        let exchange = async {
            let answer = client.get(target.url.parse().expect("a URL")).await;
            let answer = answer.map_err(|error| in_one_line(&error))?;
            let body = answer.into_body().collect().await;
            let body = body.map_err(|error| in_one_line(&error))?.to_bytes();
            Ok(String::from_utf8_lossy(&body).into_owned())
        };
        tokio::time::timeout(PATIENCE, exchange).await.unwrap_or_else(|_| Err("timed out".into()))
    })
}

fn run(command: &mut Command) -> Outcome {
    let output = command.stdin(Stdio::null()).output().expect("an installed program");
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(said.lines().next().unwrap_or_default().to_owned())
}

fn by_curl(target: &Target) -> Outcome {
    let mut command = Command::new("curl");
    command.args(["-sS", "--max-time", "10", "--noproxy", "*", "--cacert"]);
    run(command.arg(&target.trusted_file).arg(&target.url))
}

fn by_openssl(target: &Target) -> Outcome {
    let address = target.url.trim_start_matches("https://").trim_end_matches('/');
    let mut command = Command::new("openssl");
    command.args(["s_client", "-brief", "-verify_return_error", "-servername", "localhost"]);
    command.args(["-alpn", "h2,http/1.1", "-connect", address, "-CAfile"]);
    run(command.arg(&target.trusted_file))
}

/// Asks with `urllib`; the reason is that of the innermost error.
const PYTHON: &str = r"
import ssl, sys, urllib.request
context = ssl.create_default_context(cafile=sys.argv[1])
opener = urllib.request.build_opener(
    urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
try:
    sys.stdout.buffer.write(opener.open(sys.argv[2], timeout=10).read())
except Exception as error:
    error = getattr(error, 'reason', error)
    sys.exit(f'{type(error).__name__}: {error}')
";

fn by_python(target: &Target) -> Outcome {
    let mut command = Command::new("python3");
    run(command.args(["-c", PYTHON]).arg(&target.trusted_file).arg(&target.url))
}
