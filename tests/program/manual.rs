//! The man page and the completions in `share/` are what the program prints, and name every option of the help.

use std::process::Command;

const SHIPPED: [(&str, &[&str], &str); 4] = [
    (
        "share/completions/tcpserver.bash",
        &["--completions", "bash"],
        include_str!("../../share/completions/tcpserver.bash"),
    ),
    (
        "share/completions/_tcpserver",
        &["--completions", "zsh"],
        include_str!("../../share/completions/_tcpserver"),
    ),
    (
        "share/completions/tcpserver.fish",
        &["--completions", "fish"],
        include_str!("../../share/completions/tcpserver.fish"),
    ),
    ("share/man/tcpserver.1", &["--man"], include_str!("../../share/man/tcpserver.1")),
];

#[track_caller]
fn printed(arguments: &[&str]) -> String {
    let output = Command::new(fake_peer_test_support::programs::program_path())
        .args(arguments)
        .output()
        .expect("the program can be started");
    assert!(output.status.success() && output.stderr.is_empty(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// The long options of the help.
fn options() -> Vec<String> {
    let help = printed(&["--help"]);
    let long = |line: &str| {
        // Two spaces, or six if there is no short form; help that goes on is indented further.
        let line = line.strip_prefix("    ").unwrap_or(line).strip_prefix("  ")?;
        let option = line.split(' ').find(|word| word.starts_with("--"))?;
        line.starts_with('-').then(|| option.to_owned())
    };
    help.lines().filter_map(long).collect()
}

#[test]
fn what_is_shipped_is_what_the_program_prints() {
    for (file, arguments, shipped) in SHIPPED {
        assert_eq!(
            shipped,
            printed(arguments),
            "{file} is stale: cargo run -- {} > {file}",
            arguments.join(" ")
        );
    }
}

#[test]
fn every_option_of_the_help_is_in_all_of_them() {
    let options = options();
    assert_eq!(options.len(), 24, "{options:?}");
    for (file, _, shipped) in SHIPPED {
        for option in &options {
            let (escaped, name) = (option.replace('-', "\\-"), option.trim_start_matches('-'));
            let is_there = [option.clone(), escaped, format!("-l {name} ")]
                .iter()
                .any(|form| shipped.contains(form));
            assert!(is_there, "{option} in {file}");
        }
    }
}

#[test]
fn the_help_fits_a_terminal_of_80_columns_and_breaks_no_word() {
    let help = printed(&["--help"]);
    for line in help.lines() {
        assert!(line.chars().count() <= 80 && !line.ends_with(' '), "{line:?}");
    }
    // The words of the man page, which is not broken into lines, are the words of the help.
    let words: Vec<_> = help.split_whitespace().collect();
    for word in
        "server_send.txt server_recv.txt localhost:8080] read-once[:N] N:half-close".split(' ')
    {
        assert!(
            words.iter().any(|other| other.trim_end_matches(']') == word.trim_end_matches(']')),
            "{word}"
        );
    }
}

/// Runs a program over a shipped file, about which it has nothing to say.
#[track_caller]
fn assert_understands(program: &str, arguments: &[&str]) {
    let output = Command::new(program)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(arguments)
        .output()
        .expect("it can be started");
    assert!(output.status.success() && output.stderr.is_empty(), "{program}: {output:?}");
}

#[test]
#[ignore = "needs bash"]
fn bash_understands_its_completions() {
    assert_understands("bash", &["-n", "share/completions/tcpserver.bash"]);
}

#[test]
#[ignore = "needs zsh"]
fn zsh_understands_its_completions() {
    assert_understands("zsh", &["-n", "share/completions/_tcpserver"]);
}

#[test]
#[ignore = "needs fish"]
fn fish_understands_its_completions_and_completes_values() {
    assert_understands("fish", &["-n", "share/completions/tcpserver.fish"]);
    let script = "source share/completions/tcpserver.fish; complete -C 'tcpserver --framing re'";
    let output = Command::new("fish")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["--no-config", "-c", script])
        .output()
        .expect("fish can be started");
    let completed = String::from_utf8_lossy(&output.stdout);
    assert!(completed.starts_with("read-once"), "{output:?}");
}

#[test]
#[ignore = "needs groff"]
fn groff_has_nothing_to_say_about_the_man_page() {
    assert_understands("groff", &["-man", "-Tutf8", "-ww", "-z", "share/man/tcpserver.1"]);
}

#[test]
#[ignore = "needs bash"]
fn bash_completes_options_values_and_files_with_spaces() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    std::fs::write(folder.path().join("a page.http"), "").expect("a file can be written");
    let completions = concat!(env!("CARGO_MANIFEST_DIR"), "/share/completions/tcpserver.bash");
    for (words, expected) in [
        ("--fo", "--forever\n"),
        ("--lang e", "en\n"),
        ("--framing re", "read-once\n"),
        ("--send a", "a page.http\n"),
        ("--count 1", ""),
    ] {
        let script = format!(
            "source '{completions}'; COMP_WORDS=(tcpserver {words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _tcpserver tcpserver \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD - 1]}}\"; [[ -z ${{COMPREPLY[*]}} ]] || printf '%s\\n' \"${{COMPREPLY[@]}}\""
        );
        let output = Command::new("bash")
            .current_dir(folder.path())
            .args(["-c", &script])
            .output()
            .expect("bash can be started");
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{words}: {output:?}");
    }
}
