//! The time of a test program with 200 tests and a server in each, built and run as `cargo test` does.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::rows::{Table, Unit, seconds};

const NAME: &str = "200 tests with a server each: the test program";

pub(crate) fn measure(table: &mut Table) {
    if !table.wants(NAME) {
        return;
    }
    let [peers, one_shot] = build(["parallel_peers", "parallel_one_shot_servers"]);
    table.compare(
        NAME,
        Unit::Time,
        &mut || seconds(1, || run(&peers)),
        ("one-shot servers", &mut || seconds(1, || run(&one_shot))),
    );
}

/// Has cargo build the test programs, with the profile for tests, and name them.
fn build(tests: [&str; 2]) -> [PathBuf; 2] {
    let cargo = env::var_os("CARGO").unwrap_or("cargo".into());
    let output = Command::new(cargo)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["test", "--no-run", "--message-format", "json"])
        .args(tests.iter().flat_map(|test| ["--test", test]))
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo");
    assert!(output.status.success(), "the test programs are built");
    let messages = String::from_utf8(output.stdout).expect("JSON");
    tests.map(|test| {
        let name = format!("\"name\":\"{test}\"");
        messages
            .lines()
            .filter(|message| message.contains(&name))
            .find_map(|message| message.split_once("\"executable\":\"")?.1.split('"').next())
            .expect("a program")
            .into()
    })
}

fn run(program: &Path) {
    let status = Command::new(program).stdout(Stdio::null()).status().expect("a program");
    assert!(status.success(), "the tests of {} pass", program.display());
}
