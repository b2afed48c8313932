//! What a client sees of faults: those of the mock servers wiremock, mockito, httpmock and httptest, and those of fake-peer, as a
//! table in Markdown. The one in the documentation of `fake_peer::faults` was made with it, from the root of the repository:
//!
//! ```sh
//! cargo run --manifest-path comparison/Cargo.toml > src/faults/servers.md    # a minute, after two builds
//! ```
//!
//! The cells show the code that was run, and what came of it. Panics of the servers go to stderr: they are expected.
//!
//! hyper, on which the four are built, checks with debug assertions what it does not check without them. So the program builds
//! itself once more without them, runs that, and shows both where they have no outcome in common.

mod attempt;
mod client;
mod outcomes;
mod servers;
mod wish;

use std::env;
use std::fmt::Write as _;
use std::panic;
use std::process::{Command, ExitCode, Stdio};

use outcomes::{Outcomes, ROUNDS};
use wish::Wish;

/// The argument for the outcomes alone, a line for each attempt.
const LINES: &str = "lines";

fn main() -> ExitCode {
    // A backtrace takes longer than the client waits.
    panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
    if env::args().nth(1).as_deref() == Some(LINES) {
        for line in here() {
            println!("{}", line.to_line());
        }
    } else if cfg!(debug_assertions) {
        print!("{}", table(here(), without_assertions()));
    } else {
        eprintln!("this is the build without debug assertions: the one with them starts it");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// The outcomes of every attempt, in this build.
fn here() -> Vec<Outcomes> {
    let attempts = Wish::ALL.iter().flat_map(|wish| {
        servers::ALL
            .iter()
            .flat_map(|(_, attempts)| attempts(*wish))
            .map(|attempt| (*wish, attempt))
    });
    attempts.map(|(wish, attempt)| Outcomes::of(wish, &attempt)).collect()
}

/// The same in a build without debug assertions.
fn without_assertions() -> Vec<Outcomes> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["run", "--quiet", "--profile", "without-assertions"])
        .args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"), LINES])
        .stderr(Stdio::inherit())
        .output()
        .expect("a program `cargo`");
    assert!(output.status.success(), "the build without debug assertions failed");
    let lines = String::from_utf8(output.stdout).expect("text");
    lines.lines().map(|line| Outcomes::parse(line).expect("a line of outcomes")).collect()
}

fn table(with: Vec<Outcomes>, without: Vec<Outcomes>) -> String {
    assert_eq!(with.len(), without.len(), "both make the same attempts");
    let mut seen = with.into_iter().zip(without).map(|(with, without)| cell(&with, &without));
    let mut table = introduction();
    table.push_str("\n| wanted | crate | called | what the client sees |\n|---|---|---|---|\n");
    for wish in Wish::ALL {
        let mut wanted = wish.to_string();
        for (name, attempts) in servers::ALL {
            let attempts = attempts(wish);
            if attempts.is_empty() {
                let _ = writeln!(table, "| {wanted} | {name} | *none* | |");
                wanted.clear();
            }
            for attempt in attempts {
                let seen = seen.next().expect("outcomes of each attempt");
                let _ = writeln!(table, "| {wanted} | {name} | {} | {seen} |", attempt.code());
                wanted.clear();
            }
        }
    }
    table
}

fn cell(with: &Outcomes, without: &Outcomes) -> String {
    if with.overlap(without) {
        with.to_string()
    } else {
        format!("{with}; without debug assertions: {without}")
    }
}

fn introduction() -> String {
    let versions: Vec<_> =
        servers::ALL.iter().map(|(name, _)| format!("{name} {}", version(name))).collect();
    let versions = versions.join(", ");
    format!(
        "\
# What a client sees of other crates' faults

The client is a plain `TcpStream`: it sends a `GET`, and reads until end-of-file, an error, or {PATIENCE:?} of silence. Each call was
made {ROUNDS} times; outcomes that differ are counted. Where a crate has no call for a fault, the nearest one was made; *none* means
that there is nothing of the kind.

The table was made in {month} by `cargo run --manifest-path comparison/Cargo.toml` in the repository, with debug assertions, as tests
usually have them. With them hyper, on which the four other crates are built, panics if a Content-Length is not the length of a body
that it knows. So everything was done once more without them, and both are shown where they have no outcome in common.

Versions: {versions}.
",
        PATIENCE = client::PATIENCE,
        month = month(),
    )
}

/// Year and month.
fn month() -> String {
    let output = Command::new("date").arg("+%Y-%m").output().expect("a program `date`");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// The version of a crate that this was built with.
fn version(name: &str) -> &'static str {
    let (_, package) = include_str!("../Cargo.lock")
        .split_once(&format!("name = \"{name}\"\nversion = \""))
        .expect("a dependency");
    package.split('"').next().expect("a version")
}
