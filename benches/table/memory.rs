//! Threads, descriptors and memory of idle servers, and memory of journals: `footprint.rs` measures them, in a new
//! process each time, because memory that a process has freed is still resident.

use std::process::Command;

use crate::rows::{Table, Unit};

pub(crate) fn measure(table: &mut Table) {
    if !cfg!(target_os = "linux") {
        return;
    }
    for (line, name, unit) in [
        (0, "200 idle servers: threads of each", Unit::Count),
        (1, "200 idle servers: descriptors of each", Unit::Count),
        (2, "200 idle servers: resident memory of each", Unit::Kib),
    ] {
        table.compare(
            name,
            unit,
            &mut || run(["alive", "peers"])[line],
            ("accept loop with a thread", &mut || run(["alive", "by-hand"])[line]),
        );
    }
    for (connection, name) in [
        ("kept", "heap for the journal of an exchange: kept connection"),
        ("new", "heap for the journal of an exchange: with its connection"),
    ] {
        table.absolute(name, Unit::Bytes, &mut || run(["journal", connection])[0]);
    }
}

/// The figures that it prints.
fn run(arguments: [&str; 2]) -> Vec<f64> {
    let output = Command::new(env!("CARGO_BIN_EXE_footprint"))
        .args(arguments)
        .output()
        .expect("it was built");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let figures = String::from_utf8(output.stdout).expect("numbers");
    figures.lines().map(|line| line.parse().expect("a number")).collect()
}
