//! Prints what HTTPS clients say to each fault of TLS, as the table in the documentation of `fake_peer::tls`:
//!
//! ```sh
//! cargo run -q -p fake-peer-tls-tests --example clients_and_tls > src/tls/clients.md
//! ```

#![allow(clippy::print_stdout)] // the table

use std::process::Command;
use std::time::Duration;

use fake_peer::tls::Ca;
use fake_peer_test_support::over_within;
use fake_peer_tls_tests::clients::{Client, Target, libraries, programs};
use fake_peer_tls_tests::faults::faults;

const INTRODUCTION: &str = "\
# How clients react

Each client asks once, for a body of `hello`, and trusts the authority of the test. **accepts** means that it took something for whole and
right that was not; other cells show in a few words what it says.

The table is written by `tests/tls/examples/clients_and_tls.rs`. Other versions of the clients may differ.

";

fn main() {
    let ca = Ca::new();
    let clients: Vec<Client> = libraries().into_iter().chain(programs()).collect();
    print!("{INTRODUCTION}");
    println!("| fault | {} |", clients.iter().map(Client::title).collect::<Vec<_>>().join(" | "));
    println!("|---|{}", "---|".repeat(clients.len()));
    for fault in faults() {
        print!("| {} |", fault.name);
        for client in &clients {
            let peer = fault.peer(&ca);
            let target = Target::of(&peer, &ca);
            let ask = client.ask;
            let outcome = over_within(Duration::from_secs(30), fault.name, move || ask(&target));
            let said = match outcome {
                Ok(_) if fault.is_fine => "accepts".to_owned(),
                Ok(body) => format!("**accepts** {} bytes", body.len()),
                Err(reason) => in_short(&reason),
            };
            // A connection that was broken on purpose may have failed afterwards.
            drop(peer.finish());
            print!(" {said} |");
        }
        println!();
    }
    println!();
    let versions = [("curl", "--version"), ("python3", "--version"), ("openssl", "version")];
    let versions = versions.map(|(program, argument)| version(program, argument));
    println!("With {}.", versions.join("; "));
}

/// What the clients say, in words that do not differ from run to run, the more specific ones first.
const WORDS: [(&str, &[&str]); 14] = [
    ("not yet valid", &["not yet valid", "not valid yet"]),
    ("expired", &["expired"]),
    (
        "another name",
        &["not valid for name", "ostname mismatch", "alternative certificate subject"],
    ),
    ("self-signed", &["self-signed", "self signed"]),
    ("unknown issuer", &["UnknownIssuer", "unable to get local issuer"]),
    ("wrong purpose", &["extended key usage", "unsuitable certificate purpose"]),
    (
        "alert `certificate_required`",
        &["CertificateRequired", "certificate required", "CERTIFICATE_REQUIRED"],
    ),
    ("no `close_notify`", &["close_notify"]),
    ("bad record", &["cannot decrypt", "bad record mac", "BAD_RECORD_MAC"]),
    ("reset", &["reset by peer"]),
    ("incomplete", &["message length", "remaining to read", "IncompleteRead"]),
    ("no answer", &["Empty reply", "without response"]),
    ("early end", &["eof", "EOF", "end of file", "SSL_ERROR_SYSCALL", "disconnected"]),
    ("certificate not accepted", &["certificate verify failed"]),
];

fn in_short(reason: &str) -> String {
    let says = |(_, texts): &&(&str, &[&str])| texts.iter().any(|text| reason.contains(text));
    match WORDS.iter().find(says) {
        Some((words, _)) => (*words).to_owned(),
        None => format!("`{}`", reason.replace(['|', '`'], " ")),
    }
}

fn version(program: &str, argument: &str) -> String {
    let output = Command::new(program).arg(argument).output().expect("an installed program");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut words = text.split_whitespace();
    words.by_ref().take(2).collect::<Vec<_>>().join(" ")
}
