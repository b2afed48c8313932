//! The table of how clients react to each fault is made by an example.

use fake_peer_test_support::programs::printed_by_example;

#[test]
fn clients_and_faults_makes_a_table_in_which_no_rust_client_takes_a_part_for_a_whole() {
    let table = printed_by_example(
        "clients_and_faults",
        &["http::ok(\"hello\")`", "cut(41, Ending::Close)"],
    );
    let rows: Vec<_> = table.lines().filter(|line| line.starts_with("| ")).collect();
    let columns = |row: &str| row.matches(" | ").count();
    assert_eq!(rows.len(), 1 + 2, "{table}");
    assert!(rows[0].starts_with("| fault | ureq "), "{table}");
    assert!(rows.iter().all(|row| columns(row) == columns(rows[0])), "{table}");
    assert!(rows[1].starts_with("| `http::ok(\"hello\")` | whole | whole | whole |"), "{table}");
    let cut = "| `cut(41, Ending::Close)` | early end | early end | ";
    assert!(rows[2].starts_with(cut), "ureq and hyper say that it is incomplete: {table}");
}
