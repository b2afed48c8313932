//! `--record https://HOST`, from a program that was built with the feature `tls` and from one that was not.

#[cfg(not(feature = "tls-system-roots"))]
#[test]
fn a_program_that_does_not_know_whom_the_system_trusts_names_the_feature() {
    use fake_peer_test_support::programs::{Folder, Running, tcpserver};

    let folder = Folder::new();
    let ended = Running::start(tcpserver(&folder).args(["--record", "https://localhost"])).end();
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(
        ended.stderr.contains("cargo install --path . --features tls-system-roots"),
        "{ended:?}"
    );
}

#[test]
fn insecure_is_for_servers_over_tls() {
    use fake_peer_test_support::programs::{Folder, Running, tcpserver};

    let folder = Folder::new();
    for arguments in [&["--insecure"][..], &["--insecure", "--record", "localhost:80"]] {
        let ended = Running::start(tcpserver(&folder).args(arguments)).end();
        assert_eq!((ended.code, ended.stderr.lines().count()), (Some(2), 1), "{ended:?}");
    }
}

#[cfg(feature = "tls")]
mod with_the_feature {
    use fake_peer::Peer;
    use fake_peer::tls::Ca;
    use fake_peer_test_support::programs::{
        Folder, RESPONSE, Tcpserver, assert_bytes, receive_all, send, tcpserver,
    };

    /// An upstream, and the program that records it in `page.http`, with the authority of the upstream as one of the system.
    fn recording(folder: &Folder, ca: &Ca, arguments: &[&str]) -> (Peer, Tcpserver) {
        let upstream = Peer::builder().tls(ca.server("localhost")).source(RESPONSE);
        let upstream = upstream.clients_may_leave_early().spawn().expect("a peer");
        let url = upstream.url("");
        folder.write("ca.pem", ca.pem().as_bytes());
        let mut command = tcpserver(folder);
        command.env("SSL_CERT_FILE", folder.file("ca.pem")).env_remove("SSL_CERT_DIR");
        command.args(["--listen", "127.0.0.1:0", "--lang", "en", "--send", "page.http"]);
        let program = Tcpserver::run(command.args(["--record", &url]).args(arguments));
        (upstream, program)
    }

    fn ask(program: &Tcpserver) -> Vec<u8> {
        let client = program.connect();
        send(&client, b"GET / HTTP/1.1\r\n\r\n");
        receive_all(&client)
    }

    #[cfg(all(feature = "tls-system-roots", not(any(windows, target_vendor = "apple"))))]
    #[test]
    fn a_server_over_tls_is_recorded_if_the_system_trusts_it() {
        let folder = Folder::new();
        let (upstream, program) = recording(&folder, &Ca::new(), &[]);
        assert_bytes(&ask(&program), RESPONSE, "relayed");
        let ended = program.end();
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
        assert_bytes(&folder.read("page.http"), RESPONSE, "recorded");
        upstream.finish().expect("no failure");

        let (upstream, program) = recording(&folder, &Ca::new(), &[]);
        folder.write("ca.pem", Ca::new().pem().as_bytes());
        assert_bytes(&ask(&program), b"", "nothing");
        let ended = program.end();
        assert_eq!(ended.code, Some(1), "{ended:?}");
        let words = "its certificate is not accepted: no trusted authority has signed it\n";
        assert!(ended.stderr.ends_with(words), "{ended:?}");
        // The handshake that failed was expected.
        let _ = upstream.finish();
    }

    #[test]
    fn a_server_that_is_not_trusted_is_recorded_with_insecure_which_says_so() {
        let folder = Folder::new();
        let (upstream, mut program) = recording(&folder, &Ca::new(), &["--insecure"]);
        let note = program.running.stderr_line().expect("a note");
        let expected = "--insecure: every certificate is accepted for https://localhost";
        assert!(note.contains(expected), "{note}");
        assert_bytes(&ask(&program), RESPONSE, "relayed");
        assert_eq!(program.end().code, Some(0));
        assert_bytes(&folder.read("page.http"), RESPONSE, "recorded");
        upstream.finish().expect("no failure");
    }
}
