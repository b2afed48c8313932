//! The examples come to their end, and say what their documentation says.

use std::path::PathBuf;
use std::process::Command;

/// Runs an example that was built beside this test.
#[track_caller]
fn run(name: &str, arguments: &[&str]) -> String {
    let mut path: PathBuf = std::env::current_exe().expect("this test is a file");
    path.pop();
    path.pop();
    path.push("examples");
    path.push(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(path.exists(), "{name} is built with `cargo test`, and with `cargo build --examples`");
    let output = Command::new(&path).args(arguments).output().expect("a program");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} ended with {}: {stderr}", output.status);
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn a_fake_peer_in_a_test_passes() {
    assert_eq!(run("fake_peer_in_a_test", &[]), "all passed\n");
}

#[test]
fn the_smtp_conversation_ends() {
    run("smtp", &[]);
}

#[test]
fn a_recorded_page_is_replayed_as_it_was() {
    run("recorded_page", &[]);
}

#[test]
fn the_fault_sweep_ends_and_finds_no_part_that_is_taken_for_a_whole() {
    let told = run("fault_sweep", &[]);
    let lines: Vec<_> = told.lines().collect();
    assert_eq!(
        lines[..2],
        ["http::ok: 86 truncations, all refused", "chunked: 134 truncations, all refused"]
    );
    assert!(lines[2].starts_with("garbage: "), "{told}");
}

#[test]
fn clients_and_faults_makes_a_table_in_which_no_rust_client_takes_a_part_for_a_whole() {
    let table = run("clients_and_faults", &["http::ok(\"hello\")`", "cut(41, Ending::Close)"]);
    let rows: Vec<_> = table.lines().filter(|line| line.starts_with("| ")).collect();
    let columns = |row: &str| row.matches(" | ").count();
    assert_eq!(rows.len(), 1 + 2, "{table}");
    assert!(rows[0].starts_with("| fault | ureq "), "{table}");
    assert!(rows.iter().all(|row| columns(row) == columns(rows[0])), "{table}");
    assert!(rows[1].starts_with("| `http::ok(\"hello\")` | whole | whole | whole |"), "{table}");
    let cut = "| `cut(41, Ending::Close)` | early end | early end | ";
    assert!(rows[2].starts_with(cut), "ureq and hyper say that it is incomplete: {table}");
}

#[test]
fn the_table_in_the_documentation_has_all_faults() {
    let table = include_str!("../src/faults/clients.md");
    for case in fake_peer::garbage::all() {
        if case.name().ends_with("(\"hello\")") && !case.name().contains("body_on") {
            assert!(table.contains(case.name()), "{case} is new: make the table again");
        }
    }
}
