//! The options of the program: their names, what they take, and their help. What they ask for together is in `options`.

use std::path::PathBuf;

use clap::{Arg, ArgAction, Command, ValueHint, value_parser};

use super::values;
use crate::framing::rule::Framing;

const SUMMARY: &str = "Listens for one HTTP request (or any TCP client), writes the request's bytes to a file, \
    and answers with the bytes of another file. Nothing is added to either.";

/// The place of the number in the name of a file, as help texts write it: clap breaks a line at `{n}`.
const PLACE: &str = "⟨n⟩";

/// An option: its name, what it takes, and its help.
type Entry = (&'static str, &'static str, &'static str);

const GROUPS: [(&str, &[Entry]); 5] = [
    (
        "Listening",
        &[
            ("listen", "ADDR", "Where to listen, as host:port. Port 0 takes a free one, which is named on stderr [default: localhost:8080]"),
            ("framing", "RULE", "Where a request ends [default: auto]
auto           as http for what looks like HTTP,
               otherwise after the first read
http           after head and body
head           after the head: the body may still
               be coming
read-once[:N]  after one read of at most N bytes
               [4096]
until:TEXT     after TEXT, with the escapes
               \\r \\n \\t \\0 \\\\ \\xHH
exactly:N      after N bytes
eof            when the client ends its side
nothing        at once: the server speaks first"),
        ],
    ),
    (
        "Files",
        &[
            ("send", "FILE", "The response, whose bytes are sent as they are. Given several times, exchange k gets the k-th file, and the last one repeats. - is stdin [default: server_send.txt]"),
            ("recv", "FILE", "Where the request's bytes go. A file that exists is emptied. ⟨n⟩ in the name becomes the number of the exchange. - is stdout; the program's own lines then go to stderr [default: server_recv.txt]"),
            ("record", "HOST:PORT", "Forward each request, unchanged, to this server; answer with its response, and write that to the --send file. A request is held in memory"),
            ("check", "FILE", "List every problem of a response file, and at which byte it is, instead of serving. Exit code 1 if there is one. May be repeated; - is stdin"),
        ],
    ),
    (
        "How many",
        &[
            ("count", "N", "Serve N exchanges, connections side by side, then end [default: 1]"),
            ("forever", "", "Serve exchanges until Ctrl-C"),
            ("keep-alive", "", "Keep a connection open for its next request where HTTP does: if the response says how long it is, and neither side asks for the close. Otherwise close it"),
            ("keep-open", "", "Keep a connection open for its next request, whatever request and response say"),
        ],
    ),
    (
        "Faults and timing",
        &[
            ("cut", "N[:ENDING]", "Send only the first N bytes of the response, then end the connection in this way [default: close]
N:close       end the sending side, and wait
              for the client to close
N:reset       reset the connection, when the
              client has the N bytes
N:half-close  end the sending side, and keep
              receiving
N:hold        stay silent until the client
              closes"),
            ("hold", "", "Keep the connection open after the response, until the client closes"),
            ("reset", "", "Reset the connection after the response, when the client has it"),
            ("delay", "TIME", "Wait before the first byte of the response"),
            ("pieces", "SIZE:PAUSE", "Send the response in pieces of this size, with this pause between two: 1:10ms"),
            ("throttle", "RATE", "Send no more bytes per second than this: 64k"),
        ],
    ),
    (
        "Output",
        &[
            ("transcript", "", "Show both directions on stderr, as they happen: seconds since the connection began, > for what the client sent, < for what was sent to it, * for the rest. What is not printable is escaped. In colours on a terminal, unless NO_COLOR is set"),
            ("hex", "", "The transcript in hexadecimal, with offsets"),
            ("lang", "LANG", "The language of the lines on stdout: ja or en [default: ja]"),
            ("quiet", "", "No lines on stdout, and no notes and no progress on stderr. Errors, a transcript and the port that 0 took are still shown"),
            ("completions", "SHELL", "Print the completions for a shell: bash, zsh or fish"),
            ("man", "", "Print the man page"),
            ("help", "", "Print this help"),
            ("version", "", "Print the version"),
        ],
    ),
];

/// What comes after the options: in the help, and as sections of the man page. The lines are broken as they are shown.
pub(super) const NOTES: [(&str, &str); 5] = [
    (
        "Sizes",
        "A number of bytes, or of 1024, 1024² or 1024³ bytes with k, M or G after it:
1500, 64k, 10M. Rates are per second.",
    ),
    ("Times", "A number with its unit, us, ms, s or m: 250ms, 1.5s, 2m."),
    (
        "Ctrl-C",
        "A single exchange ends at once. With --count or --forever, exchanges in progress
are completed; a second Ctrl-C ends them at once. SIGTERM does the same.",
    ),
    (
        "Exit codes",
        "0 everything was served, 1 something failed (or --check found a problem),
2 wrong usage, 130 stopped by Ctrl-C, 143 stopped by SIGTERM.",
    ),
    (
        "Examples",
        "  Answer the next request with a file, and look at the request:
    tcpserver --listen localhost:8000 --send response.http --recv request.http
  A page and what it loads, until Ctrl-C:
    tcpserver --forever --keep-alive --send page.http
  Record what a real server answers, then serve that:
    tcpserver --record localhost:80 --send page.http
  A response that breaks off after 100 bytes:
    tcpserver --cut 100:reset
  See both directions:
    tcpserver --transcript",
    ),
];

/// Names that people try, and the option that they mean.
pub(super) const MEANT: [(&str, &[&str]); 6] = [
    ("listen", &["--port", "-p", "--address", "--addr", "--bind", "--host"]),
    ("send", &["--response", "--file", "-f", "--input"]),
    ("recv", &["--request", "--output", "-o", "--save"]),
    ("record", &["--proxy", "--upstream"]),
    ("forever", &["--loop"]),
    ("transcript", &["--verbose", "-v"]),
];

/// All options, as they are parsed and helped with.
pub(super) fn command() -> Command {
    let notes = NOTES.map(|(title, text)| format!("{title}:\n{text}\n")).join("\n");
    let mut command = Command::new("tcpserver")
        .about(SUMMARY)
        .version(env!("CARGO_PKG_VERSION"))
        .term_width(80)
        .args_override_self(true)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .override_usage("tcpserver [OPTIONS]")
        .after_help(notes);
    for (heading, entries) in GROUPS {
        command = command.next_help_heading(heading).args(entries.iter().map(arg));
    }
    command
        .mut_arg("send", |arg| arg.action(ArgAction::Append))
        .mut_arg("check", |arg| arg.action(ArgAction::Append))
        .mut_arg("framing", |arg| arg.value_parser(|text: &str| text.parse::<Framing>()))
        .mut_arg("record", |arg| arg.value_parser(values::upstream))
        .mut_arg("count", |arg| arg.value_parser(values::count))
        .mut_arg("cut", |arg| arg.value_parser(values::cut))
        .mut_arg("delay", |arg| arg.value_parser(values::time))
        .mut_arg("pieces", |arg| arg.value_parser(values::pieces))
        .mut_arg("throttle", |arg| arg.value_parser(values::rate))
        .mut_arg("lang", |arg| arg.value_parser(["ja", "en"]))
        .mut_arg("completions", |arg| arg.value_parser(["bash", "zsh", "fish"]))
        .mut_arg("quiet", |arg| arg.short('q'))
        .mut_arg("help", |arg| arg.short('h').action(ArgAction::Help))
        .mut_arg("version", |arg| arg.short('V').action(ArgAction::Version))
}

/// The same options with what completions can offer for their values, and with short help.
pub(super) fn command_for_completions() -> Command {
    let short = |arg: Arg| {
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let end = [". ", "; ", ": ", "\n", " ["].iter().filter_map(|stop| help.find(stop)).min();
        arg.help(help[..end.unwrap_or(help.len())].to_owned())
    };
    let rules = ["auto", "http", "head", "read-once", "eof", "nothing"];
    command().mut_args(short).mut_arg("framing", |arg| arg.value_parser(rules))
}

/// A text made from the help, with `{n}` in it.
pub(super) fn shown(text: &str) -> String {
    text.replace(PLACE, "{n}")
}

fn arg((name, value, help): &Entry) -> Arg {
    let arg = Arg::new(*name).long(*name).help(*help);
    if value.is_empty() {
        return arg.action(ArgAction::SetTrue);
    }
    // A value may look like an option: `--count -1` says that `-1` is no number of exchanges.
    let arg = arg.value_name(*value).allow_hyphen_values(true).hide_possible_values(true);
    match *value {
        "FILE" => arg.value_parser(value_parser!(PathBuf)).value_hint(ValueHint::FilePath),
        _ => arg,
    }
}
