//! `--tls` and the options beside it.

use fake_peer_test_support::programs::{Folder, Running, tcpserver};

/// What the program ends with, which does not serve.
#[track_caller]
fn refused(folder: &Folder, arguments: &[&str]) -> (String, Option<i32>) {
    let mut running = Running::start(tcpserver(folder).args(arguments));
    let mut lines = String::new();
    while let Some(line) = running.stderr_line() {
        lines += &line;
    }
    (lines, running.end().code)
}

#[test]
fn options_that_need_another_one_are_wrong_usage() {
    let folder = Folder::new();
    for arguments in [
        &["--tls-ca", "ca.pem"][..],
        &["--tls-cert", "cert.pem"],
        &["--tls-key", "key.pem"],
        &["--tls", "--tls-ca", "ca.pem", "--tls-cert", "cert.pem", "--tls-key", "key.pem"],
    ] {
        let (lines, code) = refused(&folder, arguments);
        assert_eq!((code, lines.lines().count()), (Some(2), 1), "{arguments:?}: {lines}");
    }
}

#[cfg(not(feature = "tls"))]
#[test]
fn a_program_without_the_feature_names_it() {
    let folder = Folder::new();
    for arguments in [&["--tls"][..], &["--tls-cert", "cert.pem", "--tls-key", "key.pem"]] {
        let (lines, code) = refused(&folder, arguments);
        assert_eq!(code, Some(2), "{lines}");
        assert!(lines.contains("cargo install --path . --features tls"), "{lines}");
    }
}

#[cfg(feature = "tls")]
mod with_the_feature {
    use std::process::{Command, Output};

    use fake_peer::tls::Ca;
    use fake_peer_test_support::programs::{RESPONSE, Tcpserver, assert_bytes};

    use super::*;

    /// curl with these arguments, for this path of the program.
    fn curl(program: &Tcpserver, arguments: &[&str]) -> Output {
        let url = format!("https://localhost:{}/", program.addr.port());
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--max-time", "30", "--noproxy", "*"]).args(arguments).arg(url);
        curl.output().expect("curl can be started")
    }

    fn body() -> &'static [u8] {
        let end = RESPONSE.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a head") + 4;
        &RESPONSE[end..]
    }

    #[test]
    #[ignore = "needs curl"]
    fn curl_trusts_the_authority_that_is_written() {
        let folder = Folder::new();
        let arguments =
            ["--tls", "--tls-ca", "ca.pem", "--ready-file", "ready.json", "--count", "2"];
        let mut program = Tcpserver::start(&folder, arguments);
        let ca = folder.file("ca.pem").display().to_string();
        let ready = std::fs::read_to_string(folder.file("ready.json")).expect("it listens");
        assert!(ready.contains("\"url\":\"https://127.0.0.1:"), "{ready}");
        let output = curl(&program, &["--cacert", &ca]);
        assert!(output.status.success(), "{output:?}");
        assert_bytes(&output.stdout, body(), "the page");
        assert!(folder.request().starts_with(b"GET / HTTP/1.1\r\n"), "decrypted");
        let note = program.running.stderr_line().expect("a note");
        assert!(note.ends_with("is signed by ca.pem: curl --cacert ca.pem\n"), "{note}");

        // An authority of another run.
        let other = Ca::new().pem_file();
        let output = curl(&program, &["--cacert", &other.display().to_string()]);
        assert_eq!(output.status.code(), Some(60), "{output:?}");
    }

    #[test]
    #[ignore = "needs curl"]
    fn a_certificate_of_ones_own_is_served() {
        let folder = Folder::new();
        let ca = Ca::new();
        let own = ca.server("localhost").identity();
        folder.write("cert.pem", own.certificate_pem().as_bytes());
        folder.write("key.pem", own.key_pem().as_bytes());
        let arguments = ["--tls-cert", "cert.pem", "--tls-key", "key.pem", "--journal", "journal"];
        let program = Tcpserver::start(&folder, arguments);
        let file = ca.pem_file();
        let output = curl(&program, &["--cacert", &file.display().to_string()]);
        assert_bytes(&output.stdout, body(), "the page");
        assert_eq!(program.end().code, Some(0));
        let journal = std::fs::read_to_string(folder.file("journal")).expect("it is written");
        let line = journal.lines().find(|line| line.contains("\"event\":\"tls\""));
        let line = line.unwrap_or_else(|| panic!("no handshake in {journal}"));
        assert!(line.contains("TLS 1.3") && line.contains("localhost"), "{line}");
        assert!(!line.contains("failure"), "{line}");
    }

    #[test]
    fn what_is_no_certificate_or_not_its_key_is_named_before_anything_listens() {
        let folder = Folder::new();
        let identity = || Ca::new().server("localhost").identity();
        folder.write("cert.pem", identity().certificate_pem().as_bytes());
        folder.write("key.pem", identity().key_pem().as_bytes());
        folder.write("text.pem", b"no PEM");
        for (certificate, key, expected) in [
            ("none.pem", "key.pem", "failed to read the certificate `none.pem`: "),
            ("cert.pem", "none.pem", "failed to read the private key `none.pem`: "),
            (
                "text.pem",
                "key.pem",
                "failed to use the certificate `text.pem` with the key `key.pem`: ",
            ),
            (
                "cert.pem",
                "key.pem",
                "failed to use the certificate `cert.pem` with the key `key.pem`: ",
            ),
        ] {
            let (lines, code) = refused(&folder, &["--tls-cert", certificate, "--tls-key", key]);
            assert_eq!((code, lines.lines().count()), (Some(1), 1), "{lines}");
            assert!(lines.starts_with(&format!("tcpserver: {expected}")), "{lines}");
        }
        let (lines, code) = refused(&folder, &["--tls", "--tls-ca", "no/folder/ca.pem"]);
        assert_eq!(code, Some(1), "{lines}");
        assert!(lines.starts_with("tcpserver: failed to write the authority"), "{lines}");
    }
}
