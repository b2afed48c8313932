//! The man page and the completions in `share/` are what the program prints, and name every option of the help.

use std::collections::HashSet;
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
    assert_eq!(options.len(), 43, "{options:?}");
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
    // The man page is not broken into lines: a word of the help that it does not have was broken.
    let page = printed(&["--man"]);
    let roff =
        [("\\fB", ""), ("\\fI", ""), ("\\fR", ""), ("\\-", "-"), ("\\*(Aq", "'"), ("\\\\", "\\")];
    let page = roff.iter().fold(page, |page, (escape, text)| page.replace(escape, text));
    let page: HashSet<_> = page.split_whitespace().collect();
    let has_title = |line: &&str| line.ends_with(':') || line.starts_with("Usage: ");
    for word in help.lines().filter(|line| !has_title(line)).flat_map(str::split_whitespace) {
        assert!(page.contains(word), "{word:?} is not a word of the man page");
    }
}

#[test]
fn zsh_is_given_nothing_to_run_for_a_value_but_what_offers_files_commands_or_words() {
    let script = printed(&["--completions", "zsh"]);
    let values: Vec<_> = script.lines().filter(|line| line.contains("=[")).collect();
    assert_eq!(values.len(), 28, "{values:?}");
    for line in values {
        let (_, value) = line.trim_end_matches("' \\").rsplit_once("]:").expect("a value");
        let (name, action) = value.split_once(':').expect("a name and an action");
        let is_known = ["", "_files", "_files -/", "_command_names -e"].contains(&action)
            || action.starts_with('(');
        assert!(is_known && !name.contains('['), "{line}");
    }
}

/// Runs a program that checks a shipped file, and must have nothing to report.
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
#[ignore = "needs groff"]
fn lists_of_values_keep_their_lines_in_the_man_page() {
    let output = Command::new("groff")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["-man", "-Tascii", "-P-cbou", "share/man/tcpserver.1"])
        .output()
        .expect("groff can be started");
    let page = String::from_utf8_lossy(&output.stdout);
    for line in [
        "http           after head and body",
        "nothing        at once: the server speaks first",
        "N:half-close  end the sending side, and keep",
    ] {
        assert!(page.lines().any(|shown| shown.trim() == line), "{line:?} in {page}");
    }
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
        // Options that take no file offer none.
        ("--count 1", "1\n"),
        ("--listen a", "a\n"),
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
