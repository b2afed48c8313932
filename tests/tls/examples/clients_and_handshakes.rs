//! Prints what HTTPS clients say to each answer that ends their handshake, as the table in the documentation of
//! `fake_peer::garbage::tls`:
//!
//! ```sh
//! cargo run -q -p fake-peer-tls-tests --example clients_and_handshakes > src/faults/garbage/tls/clients.md
//! ```

#![allow(clippy::print_stdout)] // the table

use std::process::Command;
use std::time::Duration;

use fake_peer::faults::Case;
use fake_peer::tls::Ca;
use fake_peer_test_support::{finished, over_within};
use fake_peer_tls_tests::clients::{Client, Target, libraries, openssl, programs};
use fake_peer_tls_tests::handshakes::{alert_of, answered_with, cases, names, peer};

const INTRODUCTION: &str = "\
# How clients react

Each client connects once to `https://localhost`. **By name** means that its error has the name of the alert in it; other cells show what
it says in a few words, and the alert that it sends, if it sends one. All of them fail with an error, except where **accepts** stands.

The table is written by `tests/tls/examples/clients_and_handshakes.rs`. Other versions of the clients may differ.

";

const BY_NAME: &str = "by name";

/// What was tried by hand, with `tcpserver --forever --send @tls:NAME`.
const BY_HAND: &str = "\
Chromium 156, tried by hand, has a page of its own for some: `unknown_ca` is `ERR_BAD_SSL_CLIENT_AUTH_CERT`, `unrecognized_name`
`ERR_SSL_UNRECOGNIZED_NAME_ALERT`, `downgrade` `ERR_TLS13_DOWNGRADE_DETECTED`; `handshake_failure` and `ssl_3_0` are
`ERR_SSL_VERSION_OR_CIPHER_MISMATCH`; `plain_http`, `oversized_record` and `no_application_protocol` are `ERR_SSL_PROTOCOL_ERROR`. A warning is
passed over there, too: `ERR_CONNECTION_CLOSED`. Node says what OpenSSL says.";

fn main() {
    let ca = Ca::new();
    let clients: Vec<Client> =
        libraries().into_iter().chain(programs()).chain([openssl()]).collect();
    print!("{INTRODUCTION}");
    let titles = clients.iter().map(Client::title).collect::<Vec<_>>().join(" | ");
    println!("| answer | {titles} |");
    println!("|---|{}", "---|".repeat(clients.len()));
    let mut rows = Vec::new();
    let mut named_by_all = 0;
    for case in cases() {
        let cells: Vec<_> = clients.iter().map(|client| cell(client, &case, &ca)).collect();
        if cells.iter().all(|cell| cell == BY_NAME) {
            named_by_all += 1;
        } else {
            let call = case.name().trim_start_matches("garbage::tls::");
            rows.push(format!("| `{call}` | {} |", cells.join(" | ")));
        }
    }
    println!(
        "| the {named_by_all} alerts that are not below |{}",
        " by name |".repeat(clients.len())
    );
    println!("{}\n", rows.join("\n"));
    let versions = [("curl", "--version"), ("python3", "--version"), ("openssl", "version")];
    let versions = versions.map(|(program, argument)| version(program, argument));
    println!("With {}.\n\n{BY_HAND}", versions.join("; "));
}

fn cell(client: &Client, case: &Case, ca: &Ca) -> String {
    let peer = peer(case.clone());
    let target = Target::without_tls(&peer, ca);
    let ask = client.ask;
    let outcome = over_within(Duration::from_secs(30), case.name(), move || ask(&target));
    let journal = finished(peer);
    let said = match (outcome, alert_of(case)) {
        (Ok(_), _) => "**accepts**".to_owned(),
        (Err(reason), Some(alert)) if names(&reason, alert) => BY_NAME.to_owned(),
        (Err(reason), _) => in_short(&reason),
    };
    match answered_with(&journal) {
        Some(alert) => format!("{said}; sends `{}`", alert.name()),
        None => said,
    }
}

/// What the clients say, in words that do not differ from run to run, the more specific ones first.
const WORDS: [(&str, &[&str]); 16] = [
    ("\"Unrecognised\"", &["UnrecognisedName"]),
    ("certificate not accepted", &["certificate verification failed"]),
    ("unsupported version", &["ServerDoesNotSupportTls12Or13", "unsupported protocol"]),
    ("downgrade", &["AttemptedDowngrade", "inappropriate fallback"]),
    ("cipher suite not offered", &["UnofferedCipherSuite", "unknown cipher returned"]),
    ("renegotiation", &["legacy renegotiation"]),
    ("wrong version number", &["wrong version number"]),
    ("record too long", &["packet length too long", "MessageTooLarge"]),
    ("corrupt message", &["corrupt message"]),
    ("invalid alert", &["invalid alert"]),
    ("unexpected message", &["unexpected message", "unexpected handshake message"]),
    ("reset", &["reset by peer", "errno=104"]),
    ("closed by TLS", &["has been shut down", "ZERO_RETURN", "SSLZeroReturnError"]),
    ("early end", &["end of file", "eof", "EOF", "SSL_ERROR_SYSCALL"]),
    ("no renegotiation", &["no renegotiation"]),
    ("timed out", &["timed out"]),
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
    text.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}
