//! The program over TLS: `--tls`, `--tls-name`, `--tls-ca`, `--tls-cert` and `--tls-key`. Without the feature `tls`, that it says so.

use fake_peer_test_support::programs::{Folder, Running, tcpserver};

/// What is wrong with these arguments: exit code 2, and one line.
#[track_caller]
fn wrong_usage(folder: &Folder, arguments: &[&str]) -> String {
    let ended = Running::start(tcpserver(folder).args(arguments)).end();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{arguments:?}: {ended:?}");
    let line = ended
        .stderr
        .strip_prefix("tcpserver: failed to understand the arguments: ")
        .and_then(|line| line.strip_suffix("; `tcpserver --help` lists all options\n"));
    line.unwrap_or_else(|| panic!("{arguments:?}: {}", ended.stderr)).into()
}

#[test]
fn the_options_are_in_the_help_of_every_build() {
    let help = Running::start(tcpserver(&Folder::new()).arg("--help")).end().stdout;
    for option in
        ["--tls", "--tls-name <NAME>", "--tls-ca <FILE>", "--tls-cert <FILE>", "--tls-key <FILE>"]
    {
        assert!(help.lines().any(|line| line.split("  ").any(|part| part == option)), "{option}");
    }
    let help: Vec<_> = help.split_whitespace().collect();
    let help = help.join(" ");
    assert!(help.contains("cargo install --path . --features tls"), "{help}");
}

#[test]
fn names_that_people_try_are_answered_with_the_right_one() {
    let folder = Folder::new();
    for (option, meant) in [
        ("--https", "--tls"),
        ("--ssl", "--tls"),
        ("--domain", "--tls-name NAME"),
        ("--cert", "--tls-cert FILE"),
        ("--key", "--tls-key FILE"),
    ] {
        let expected = format!("unknown option `{option}` (did you mean `{meant}`?)");
        assert_eq!(wrong_usage(&folder, &[option]), expected);
    }
}

#[cfg(not(feature = "tls"))]
#[test]
fn without_the_feature_each_option_is_wrong_usage_that_names_the_feature_and_the_command() {
    let folder = Folder::new();
    for (option, arguments) in [
        ("--tls", &["--tls"][..]),
        ("--tls-name", &["--tls-name", "api.example.test"]),
        ("--tls-ca", &["--tls-ca", "ca.pem"]),
        ("--tls-cert", &["--tls-cert", "cert.pem", "--tls-key", "key.pem"]),
        ("--tls-key", &["--tls-key", "key.pem"]),
    ] {
        let expected = format!(
            "{option} needs the feature `tls`, without which this program was built (`cargo install --path . --features tls` has it)"
        );
        assert_eq!(wrong_usage(&folder, arguments), expected);
    }
    assert!(!folder.file("ca.pem").exists(), "nothing is written");
}

#[cfg(feature = "tls")]
mod with_the_feature {
    use std::io::{Read, Write};
    use std::process::{Command, Output};
    use std::sync::Arc;

    use fake_peer::tls::Ca;
    use fake_peer_test_support::programs::{RESPONSE, Tcpserver, assert_bytes, wait_until};
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
    use serde_json::Value;

    use super::*;

    const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

    /// The answer that a client gets which trusts this certificate.
    fn ask(program: &Tcpserver, trusted: &[u8], request: &[u8]) -> std::io::Result<Vec<u8>> {
        ask_as("localhost", program, trusted, request)
    }

    /// The same, of a client that knows the program under this name.
    fn ask_as(
        name: &'static str,
        program: &Tcpserver,
        trusted: &[u8],
        request: &[u8],
    ) -> std::io::Result<Vec<u8>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(trusted).expect("PEM")).expect("a certificate");
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let name = name.try_into().expect("a name");
        let client = ClientConnection::new(Arc::new(config), name).expect("a configuration");
        let mut client = StreamOwned::new(client, program.connect());
        client.write_all(request)?;
        let mut answer = Vec::new();
        client.read_to_end(&mut answer)?;
        Ok(answer)
    }

    /// curl, which may trust this file.
    #[track_caller]
    fn curl(folder: &Folder, arguments: &[&str]) -> Output {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--noproxy", "*", "--max-time", "30"]).args(arguments);
        curl.current_dir(folder.path()).output().expect("curl can be started")
    }

    #[test]
    fn one_line_on_stderr_says_how_to_trust_it_and_the_file_is_what_a_client_needs() {
        let folder = Folder::new();
        let program =
            Tcpserver::start(&folder, ["--tls", "--tls-ca", "a ca.pem", "--send", "page"]);
        folder.write("page", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
        let port = program.addr.port();
        let answer = ask(&program, &folder.read("a ca.pem"), GET).expect("it is trusted");
        assert_bytes(&answer, &folder.read("page"), "the answer");
        let ended = program.end();
        let line = format!(
            "tcpserver: to trust the certificate of this run: curl --cacert 'a ca.pem' https://localhost:{port}/\n"
        );
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.stderr.contains(&line), "{ended:?}");
        assert_bytes(&folder.request(), GET, "the request");
    }

    #[test]
    fn a_certificate_that_no_client_can_know_is_announced_as_such() {
        let folder = Folder::new();
        let mut program = Tcpserver::start(&folder, ["--tls"]);
        let port = program.addr.port();
        let line = format!(
            "tcpserver: no client trusts the certificate of this run; --tls-ca FILE writes what it needs: curl --cacert FILE https://localhost:{port}/\n"
        );
        assert_eq!(program.running.stderr_line(), Some(line));
        drop(program);
        // Quiet.
        let program = Tcpserver::start(&folder, ["--tls-ca", "ca.pem", "--quiet"]);
        ask(&program, &folder.read("ca.pem"), GET).expect("--tls-ca alone asks for TLS, too");
        let ended = program.end();
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    }

    #[test]
    fn a_certificate_is_for_the_names_that_are_given_and_for_localhost() {
        let folder = Folder::new();
        let names = ["--tls-name", "api.example.test", "--tls-name", "192.0.2.1"];
        let arguments = ["--tls-ca", "ca.pem", "--count", "4"];
        let mut program = Tcpserver::start(&folder, arguments.into_iter().chain(names));
        let url = format!("https://api.example.test:{}/", program.addr.port());
        let line = program.running.stderr_line().expect("a line");
        assert!(line.ends_with(&format!(": curl --cacert ca.pem {url}\n")), "{line}");
        let ca = folder.read("ca.pem");
        for name in ["api.example.test", "192.0.2.1", "localhost", "127.0.0.1"] {
            let answer = ask_as(name, &program, &ca, GET).expect(name);
            assert_bytes(&answer, RESPONSE, name);
        }
        assert_eq!(program.end().code, Some(0));

        let arguments = ["--tls-ca", "ca.pem", "--tls-name", "::1"];
        let mut program = Tcpserver::start(&folder, arguments);
        let line = program.running.stderr_line().expect("a line");
        assert!(line.ends_with(&format!(" https://[::1]:{}/\n", program.addr.port())), "{line}");
        ask_as("other.test", &program, &folder.read("ca.pem"), GET).expect_err("not its name");
    }

    #[test]
    fn what_is_no_name_is_wrong_usage_that_says_what_is_one() {
        let folder = Folder::new();
        let ascii = "a name without scheme, port and path, such as api.example.test or 192.0.2.1";
        for name in [
            "",
            " ",
            "https://api.example.test",
            "api.example.test:8443",
            "api.example.test/",
            "api.example.test.",
            "*.example.test",
            "a..test",
            "a.-b.test",
            "192.0.2.256",
            "[::1]",
        ] {
            let expected = format!(
                "--tls-name: `{name}` is no host name and no IP address (right is {ascii})"
            );
            assert_eq!(wrong_usage(&folder, &["--tls", "--tls-name", name]), expected);
        }
        assert_eq!(
            wrong_usage(&folder, &["--tls-name", "localhost", "--tls-name", "例え.テスト"]),
            "--tls-name: `例え.テスト` is no host name and no IP address (right is the ASCII form of the name, which begins with xn--)"
        );
        assert_eq!(
            wrong_usage(&folder, &["--tls-name"]),
            "--tls-name needs a value: --tls-name NAME"
        );
    }

    #[test]
    fn a_handshake_that_fails_is_one_line_and_not_the_one_exchange() {
        let folder = Folder::new();
        let program = Tcpserver::start(&folder, ["--tls-ca", "ca.pem"]);
        for _ in 0..2 {
            ask(&program, Ca::new().pem().as_bytes(), GET).expect_err("it is not trusted");
        }
        ask(&program, &folder.read("ca.pem"), GET).expect("it is trusted");
        let ended = program.end();
        assert_eq!(ended.code, Some(1), "something has failed: {ended:?}");
        let failures = ended.stderr.matches("the client sent the alert `unknown_ca` (48)\n");
        assert_eq!((failures.count(), ended.stderr.lines().count()), (2, 3), "{ended:?}");
        assert_bytes(&folder.request(), GET, "the request");
    }

    #[test]
    fn a_certificate_of_ones_own_is_used_and_needs_no_explanation() {
        let folder = Folder::new();
        let ca = Ca::new();
        let own = ca.server("localhost").identity();
        folder.write("cert.pem", own.certificate_pem().as_bytes());
        folder.write("key.pem", own.key_pem().as_bytes());
        let program = Tcpserver::start(&folder, ["--tls-cert", "cert.pem", "--tls-key", "key.pem"]);
        ask(&program, ca.pem().as_bytes(), GET).expect("it is trusted");
        let ended = program.end();
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    }

    /// Exit code 1, and one line; nothing was said about listening.
    #[track_caller]
    fn failure(folder: &Folder, arguments: &[&str]) -> String {
        let ended = Running::start(tcpserver(folder).args(arguments)).end();
        assert_eq!(ended.code, Some(1), "{arguments:?}: {ended:?}");
        assert_eq!((ended.stdout.as_str(), ended.stderr.lines().count()), ("", 1), "{ended:?}");
        ended.stderr.trim_end().strip_prefix("tcpserver: ").expect("our line").into()
    }

    #[test]
    fn files_that_cannot_be_used_are_one_line_before_anything_listens() {
        let folder = Folder::new();
        let (own, other) = (Ca::new().server("localhost").identity(), Ca::new().client("me"));
        folder.write("cert.pem", own.certificate_pem().as_bytes());
        folder.write("key.pem", own.key_pem().as_bytes());
        folder.write("other.pem", other.key_pem().as_bytes());
        folder.write("text", b"no PEM at all");
        folder.write("cut.pem", &own.certificate_pem().as_bytes()[..200]);
        for (cert, key, what) in [
            ("cert.pem", "other.pem", "the private key does not belong to the certificate"),
            ("text", "key.pem", "there is no certificate in the PEM text"),
            ("cert.pem", "text", "there is no private key in the PEM text"),
            ("cut.pem", "key.pem", "the certificate is not PEM: "),
        ] {
            let said = failure(&folder, &["--tls-cert", cert, "--tls-key", key]);
            let expected =
                format!("failed to use the certificate `{cert}` with the key `{key}`: {what}");
            assert!(said.starts_with(&expected), "{said}");
        }
        let said = failure(&folder, &["--tls-cert", "missing", "--tls-key", "key.pem"]);
        assert!(said.starts_with("failed to read the certificate `missing`: "), "{said}");
        let said = failure(&folder, &["--tls-cert", "cert.pem", "--tls-key", "missing"]);
        assert!(said.starts_with("failed to read the private key `missing`: "), "{said}");
        let said = failure(&folder, &["--tls-ca", "no/folder/ca.pem"]);
        let expected = "failed to write the certificate of the CA to `no/folder/ca.pem`: ";
        assert!(said.starts_with(expected), "{said}");
    }

    #[test]
    fn options_that_contradict_each_other_are_wrong_usage() {
        let folder = Folder::new();
        for (arguments, reason) in [
            (
                &["--tls-cert", "c"][..],
                "--tls-cert FILE needs the key of the certificate: --tls-key FILE",
            ),
            (
                &["--tls-key", "k"],
                "--tls-key FILE needs the certificate of the key: --tls-cert FILE",
            ),
            (
                &["--tls-ca", "a", "--tls-cert", "c", "--tls-key", "k"],
                "--tls-ca FILE and --tls-cert FILE exclude each other: the program does not know the authority of a certificate of yours",
            ),
            (
                &["--tls-name", "a.test", "--tls-cert", "c", "--tls-key", "k"],
                "--tls-name NAME and --tls-cert FILE exclude each other: a certificate of yours has names of its own",
            ),
            (&["--tls-ca", "-"], "--tls-ca takes a file, and not -"),
            (&["--tls-ca", "a", "--recv", "a"], "--tls-ca needs a file of its own"),
            (&["--tls-ca", "a", "--send", "a"], "--tls-ca needs a file of its own"),
            (
                &["--tls-cert", "-", "--tls-key", "k"],
                "--tls-cert and --tls-key take files, and not -",
            ),
            (
                &["--tls", "--send", "@tls:unknown_ca"],
                "--tls and --send @tls:NAME exclude each other: such an answer is given to a client before any TLS",
            ),
        ] {
            assert_eq!(wrong_usage(&folder, arguments), reason);
        }
    }

    #[test]
    fn the_ready_file_and_the_journal_say_that_it_is_tls() {
        let folder = Folder::new();
        let arguments = ["--tls-ca=ca.pem", "--ready-file=ready", "--journal=journal", "--count=1"];
        let program = Tcpserver::start(&folder, arguments);
        wait_until(|| folder.file("ready").exists(), || "no ready file".into());
        let ready: Value = serde_json::from_slice(&folder.read("ready")).expect("JSON");
        assert_eq!(ready["url"], format!("https://{}", program.addr));
        // A handshake that fails is no exchange.
        ask(&program, Ca::new().pem().as_bytes(), GET).expect_err("it is not trusted");
        ask(&program, &folder.read("ca.pem"), GET).expect("it is trusted");
        assert_eq!(program.end().code, Some(1), "a handshake has failed");

        let text = String::from_utf8(folder.read("journal")).expect("UTF-8");
        let lines: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let handshakes: Vec<_> = lines.iter().filter(|line| line["event"] == "tls").collect();
        let [failed, good] = &handshakes[..] else { panic!("{text}") };
        assert_eq!((&failed["connection"], &good["connection"]), (&1.into(), &2.into()));
        let reason = failed["failure"].as_str().expect("a reason");
        assert!(reason.contains("the client sent the alert `unknown_ca` (48)"), "{text}");
        assert_eq!(good.get("failure"), None, "{text}");
        let session = good["session"].as_str().expect("a session");
        assert!(session.contains("TLS 1.3") && session.contains("localhost"), "{text}");
        // Requests and responses are in it without their encryption.
        let request = lines.iter().find(|line| line["event"] == "request").expect("a request");
        assert_eq!(request["text"].as_str().map(str::as_bytes), Some(GET));
        assert_eq!(request["connection"], 2);
    }

    #[test]
    #[ignore = "needs python3"]
    fn lines_of_handshakes_follow_the_documented_schema() {
        let folder = Folder::new();
        let arguments = ["--tls-ca=ca.pem", "--ready-file=ready", "--journal=journal", "--count=1"];
        let program = Tcpserver::start(&folder, arguments);
        wait_until(|| folder.file("ready").exists(), || "no ready file".into());
        crate::for_scripts::assert_schema(&folder.read("ready"), &["--ready"]);
        ask(&program, Ca::new().pem().as_bytes(), GET).expect_err("it is not trusted");
        ask(&program, &folder.read("ca.pem"), GET).expect("it is trusted");
        program.end();
        let seen = crate::for_scripts::assert_schema(&folder.read("journal"), &[]);
        for events in ["listening connection tls failed ", " connection tls request "] {
            assert!(seen.contains(events), "{events} in {seen}");
        }
    }

    #[test]
    #[ignore = "needs curl"]
    fn curl_does_what_the_line_on_stderr_says() {
        let folder = Folder::new();
        let mut program = Tcpserver::start(&folder, ["--tls-ca", "ca.pem", "--body", "hi"]);
        let line = program.running.stderr_line().expect("a line");
        let (_, command) = line.trim_end().split_once(": curl ").expect("a command");
        let arguments: Vec<_> = command.split(' ').collect();
        let said = curl(&folder, &arguments);
        assert_eq!((said.status.code(), &said.stdout[..]), (Some(0), &b"hi"[..]), "{said:?}");
        assert_eq!(program.end().code, Some(0));
        // Without it: curl's exit code 60 is that of a certificate that it does not trust.
        let program = Tcpserver::start(&folder, ["--tls", "--body", "hi"]);
        let url = format!("https://localhost:{}/", program.addr.port());
        let said = curl(&folder, &[&url]);
        assert_eq!(said.status.code(), Some(60), "{said:?}");
        let said = curl(&folder, &["--insecure", &url]);
        assert_eq!(said.stdout, b"hi", "{said:?}");
        assert_eq!(program.end().code, Some(1), "a handshake has failed");
    }

    #[cfg(unix)]
    #[test]
    #[ignore = "needs curl"]
    fn curl_does_what_the_line_says_over_a_unix_socket() {
        let folder = Folder::new();
        let arguments = ["--listen", "unix:socket", "--tls-ca", "ca.pem", "--body", "hi"];
        let mut running = Running::start(tcpserver(&folder).args(arguments));
        let line = running.stderr_line().expect("a line");
        let (_, command) = line.trim_end().split_once(": curl ").expect("a command");
        let arguments: Vec<_> = command.split(' ').collect();
        assert_eq!(arguments[0], "--unix-socket");
        let said = curl(&folder, &arguments);
        assert_eq!((said.status.code(), &said.stdout[..]), (Some(0), &b"hi"[..]), "{said:?}");
        assert_eq!(running.end().code, Some(0));
    }

    #[test]
    #[ignore = "needs curl"]
    fn faults_and_kept_connections_are_the_same_for_curl() {
        let folder = Folder::new();
        let arguments = ["--tls-ca", "ca.pem", "--count", "2", "--keep-alive", "--body", "hi"];
        let program = Tcpserver::start(&folder, arguments);
        let url = format!("https://127.0.0.1:{}/", program.addr.port());
        let connects = ["--cacert", "ca.pem", "-w", "%{num_connects}", &url, &url];
        assert_eq!(curl(&folder, &connects).stdout, b"hi1hi0");
        assert_eq!(program.end().code, Some(0));
        let program = Tcpserver::start(&folder, ["--tls-ca", "ca.pem", "--cut", "100:reset"]);
        let url = format!("https://127.0.0.1:{}/", program.addr.port());
        let said = curl(&folder, &["--cacert", "ca.pem", "-i", &url]);
        // curl prints whole lines of a head.
        assert_eq!(said.status.code(), Some(56), "{said:?}");
        assert!(RESPONSE[..100].starts_with(&said.stdout), "{said:?}");
        assert_eq!(program.end().code, Some(0));
    }
}
