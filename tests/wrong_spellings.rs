//! What cannot be an answer: the compiler's message says in this crate's words what to write instead.
//!
//! A closure whose parameter has no type is no such case. The compiler stops before it looks for the trait, so no words of ours can be
//! in its message; `Peer::answer_with` is there for such closures.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use assert_cmd::Command;

/// A compiler that takes longer hangs.
const LONGEST: Duration = Duration::from_secs(120);

/// What does not compile, words of the message, and what these words say to write.
const SPELLINGS: [(&str, &str, &str); 9] = [
    (
        "Peer::answer(vec![Response::new()])",
        "one answer after another: `Sequence::new(list)`",
        "Peer::answer(Sequence::new(vec![Response::new()]))",
    ),
    (
        "Peer::answer([\"one\", \"two\"])",
        "one answer after another: `Sequence::new(list)`",
        "Peer::answer(Sequence::new([\"one\", \"two\"]))",
    ),
    (
        "Peer::builder().source(vec![String::new()])",
        "one answer after another: `Sequence::new(list)`",
        "Peer::builder().source(Sequence::new(vec![String::new()]))",
    ),
    (
        "PerConnection::new([vec![\"one\"]])",
        "one answer after another: `Sequence::new(list)`",
        "PerConnection::new([Sequence::new(vec![\"one\"])])",
    ),
    (
        "let text = String::new(); Peer::answer(&text)",
        "for a `&String`: `text.clone()`",
        "let text = String::new(); Peer::answer(text.clone())",
    ),
    (
        "Peer::answer(Some(\"one\"))",
        "one answer for all requests: `http::ok(body)`, a `Response`, or bytes",
        "Peer::answer(http::ok(\"one\"))",
    ),
    (
        "Peer::answer(5)",
        "one answer for all requests: `http::ok(body)`, a `Response`, or bytes",
        "Peer::answer(b\"5\")",
    ),
    (
        "Peer::answer(|_: &Request| Some(\"one\"))",
        "it returns a `Response` or owned bytes",
        "Peer::answer_with(|request| request.bytes().to_vec())",
    ),
    (
        "let rc = std::rc::Rc::new(1); Peer::answer(move |_: &Request| rc.to_string())",
        "and is `Send`",
        "let rc = 1; Peer::answer(move |_: &Request| rc.to_string())",
    ),
];

#[test]
fn a_message_says_what_to_write_and_that_compiles() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let right = SPELLINGS.map(|(_, _, right)| format!("{{ {right}; }}")).concat();
    let library = libraries()
        .into_iter()
        .find(|library| compile(folder.path(), library, &right).status.success())
        .expect(
            "the library that this test is linked with; with it, every right spelling compiles",
        );
    for (wrong, words, _) in SPELLINGS {
        let output = compile(folder.path(), &library, wrong);
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{wrong} compiles");
        assert!(message.contains("a peer cannot answer with `"), "{wrong}: {message}");
        assert!(message.contains(words), "{wrong}: {message}");
    }
}

/// Compiles a program with these statements.
fn compile(folder: &Path, library: &Path, statements: &str) -> Output {
    let source = folder.join("spelling.rs");
    let program =
        format!("#![allow(unused)]\nuse fake_peer::*;\nfn main() {{\n    {statements};\n}}\n");
    fs::write(&source, program).expect("a file in a temporary folder");
    Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args(["--edition=2024", "--crate-type=bin", "--emit=metadata", "--out-dir"])
        .arg(folder)
        .arg("-L")
        .arg(format!("dependency={}", build_folder().display()))
        .arg("--extern")
        .arg(format!("fake_peer={}", library.display()))
        .arg(source)
        .timeout(LONGEST)
        .output()
        .expect("a compiler that ends")
}

/// The builds of the library beside this test, the newest one first. With other features or another compiler there are several.
fn libraries() -> Vec<PathBuf> {
    let entries = fs::read_dir(build_folder()).expect("a folder with this test");
    let mut libraries: Vec<_> = entries
        .map(|entry| entry.expect("an entry of the folder").path())
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.starts_with("libfake_peer-") && path.extension().is_some_and(|end| end == "rlib")
        })
        .collect();
    libraries.sort_by_key(|path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok());
    libraries.reverse();
    libraries
}

/// Where cargo puts this test and what it is linked with.
fn build_folder() -> PathBuf {
    let test = env::current_exe().expect("the path of this test");
    test.parent().expect("a file is in a folder").into()
}
