//! The options of the program: their names, what they take, and their help. What they ask for together is in `options`.
// The help has no Markdown, and flags are what options are.
#![allow(clippy::doc_markdown, clippy::struct_excessive_bools)]

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, CommandFactory, Parser, ValueHint};

use super::answer::arguments::AnswerArguments;
use super::console::Lang;
use super::tls::arguments::TlsArguments;
use super::values;
use crate::framing::rule::Framing;
use crate::response::ending::Ending;

const ABOUT: &str = "Listens for one HTTP request (or any TCP client), writes the request's bytes to a file, and \
    answers with the bytes of another file. Nothing is added to either.";

/// What a conversation says itself: what is sent, when, and how the connection goes on.
const NOT_WITH_SCRIPT: [&str; 11] = [
    "framing",
    "send",
    "record",
    "keep_alive",
    "keep_open",
    "cut",
    "hold",
    "reset",
    "delay",
    "pieces",
    "throttle",
];

#[derive(Debug, Parser)]
#[command(name = "tcpserver", about = ABOUT, version, term_width = 80, args_override_self = true, after_help = after_help())]
#[command(
    disable_help_flag = true,
    disable_version_flag = true,
    override_usage = "tcpserver [OPTIONS] [-- ARGS...]"
)]
pub(super) struct Arguments {
    /// Where to listen, as host:port, or as unix:PATH on a Unix socket. Port 0 takes a free one, which is named on stderr
    /// [default: localhost:8080]
    #[arg(long, value_name = "ADDR", help_heading = "Listening")]
    pub(super) listen: Option<String>,

    /// Where a request ends [default: auto]
    /// auto           as http for what looks like HTTP,
    ///                otherwise after the first read
    /// http           after head and body
    /// head           after the head: the body may still
    ///                be coming
    /// read-once[:N]  after one read of at most N bytes
    ///                [4096]
    /// until:TEXT     after TEXT, with the escapes
    ///                \r \n \t \0 \\ \xHH
    /// lines          after a line, with LF or CR LF
    /// exactly:N      after N bytes
    /// length:4be     after a length and what it counts: 1 to
    ///                8 bytes, be or le for the byte order
    ///                ,at=N              N bytes before it
    ///                ,counts=itself     its own bytes, too
    ///                ,counts=all        the whole message
    ///                ,counts=all-but-N  all but N bytes
    /// tls-record     after one TLS record
    /// client-hello   after the first message of a TLS client
    /// eof            when the client ends its side
    /// nothing        at once: the server speaks first
    #[arg(long, value_name = "RULE", help_heading = "Listening", verbatim_doc_comment)]
    pub(super) framing: Option<Framing>,

    #[command(flatten)]
    pub(super) tls: TlsArguments,

    /// The response, whose bytes are sent as they are. Given several times, exchange k gets the k-th file, and the last
    /// one repeats. - is stdin. A fault of one answer follows its file after a comma: 'Faults of one answer', below.
    /// @tls:NAME is no file, and ends a TLS handshake badly: 'TLS handshakes that fail', below [default: server_send.txt]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Files")]
    pub(super) send: Vec<PathBuf>,

    /// Where the request's bytes go. A file that exists is emptied. ⟨n⟩ in the name becomes the number of the exchange.
    /// - is stdout; the program's own lines then go to stderr [default: server_recv.txt]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Files")]
    pub(super) recv: Option<PathBuf>,

    /// Forward each request, unchanged, to this server; answer with its response, and write that to the --send file. A
    /// request is held in memory. Over TLS: https://HOST or https://HOST:PORT, with a program that was built with the feature
    /// tls-system-roots
    #[arg(long, value_name = "HOST:PORT", value_parser = values::upstream, help_heading = "Files")]
    pub(super) record: Option<String>,

    /// Play this conversation with each client, instead of sending a file: < what the server says, > what its client has to
    /// say. --count then counts conversations. Another word of a client is an error, and ends its connection
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = NOT_WITH_SCRIPT, help_heading = "Files")]
    pub(super) script: Option<PathBuf>,

    /// List every problem of a response file, at which byte it is, and how to mend what editors cause, instead of serving. Exit code 1 if there is one.
    /// May be repeated; - is stdin
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Files")]
    pub(super) check: Vec<PathBuf>,

    #[command(flatten)]
    pub(super) answer: AnswerArguments,

    /// Serve N exchanges, connections side by side, then end [default: 1]
    #[arg(long, value_name = "N", value_parser = values::count, allow_hyphen_values = true, group = "many", help_heading = "How many")]
    pub(super) count: Option<u64>,

    /// Serve exchanges until Ctrl-C
    #[arg(long, group = "many", help_heading = "How many")]
    pub(super) forever: bool,

    /// Keep a connection open for its next request where HTTP does: if the response says how long it is, and neither
    /// side asks for the close (a response of HTTP/1.0 has to ask for keep-alive, and if the request is HTTP/1.0, both have
    /// to); or if a tunnel begins, with a 101 or a 2xx to CONNECT. Otherwise close it
    #[arg(long, group = "ending", requires = "many", help_heading = "How many")]
    pub(super) keep_alive: bool,

    /// Keep a connection open for its next request, whatever request and response say
    #[arg(long, group = "ending", requires = "many", help_heading = "How many")]
    pub(super) keep_open: bool,

    /// Send only the first N bytes of the response, then end the connection in this way [default: close]
    /// N:close       end the sending side, and wait
    ///               for the client to close
    /// N:reset       reset the connection, when the
    ///               client has the N bytes
    /// N:half-close  end the sending side, and keep
    ///               receiving
    /// N:hold        stay silent until the client
    ///               closes
    #[arg(long, value_name = "N[:ENDING]", value_parser = values::cut, allow_hyphen_values = true, group = "ending")]
    #[arg(help_heading = "Faults and timing", verbatim_doc_comment)]
    pub(super) cut: Option<(u64, Ending)>,

    /// Keep the connection open after the response, until the client closes
    #[arg(long, group = "ending", help_heading = "Faults and timing")]
    pub(super) hold: bool,

    /// Reset the connection after the response, when the client has it
    #[arg(long, group = "ending", help_heading = "Faults and timing")]
    pub(super) reset: bool,

    /// Wait before the first byte of the response
    #[arg(long, value_name = "TIME", value_parser = values::time, allow_hyphen_values = true, help_heading = "Faults and timing")]
    pub(super) delay: Option<Duration>,

    /// Send the response in pieces of this size, with this pause between two: 1:10ms
    #[arg(long, value_name = "SIZE:PAUSE", value_parser = values::pieces, allow_hyphen_values = true, help_heading = "Faults and timing")]
    pub(super) pieces: Option<(usize, Duration)>,

    /// Send no more bytes per second than this: 64k
    #[arg(long, value_name = "RATE", value_parser = values::rate, allow_hyphen_values = true, help_heading = "Faults and timing")]
    pub(super) throttle: Option<u64>,

    /// After the response, wait so long for the client to close; then the connection is closed all the same [default: 2s]
    #[arg(long, value_name = "TIME", value_parser = values::time, allow_hyphen_values = true, help_heading = "Faults and timing")]
    pub(super) linger: Option<Duration>,

    /// How long a client may send nothing of a request that has begun, or take nothing of its response, before the
    /// exchange fails; how long --hold and a half-close keep a connection; how long --exec and --record wait for their
    /// answer [default: 60s; none for --hold and a half-close]
    #[arg(long, value_name = "TIME", value_parser = values::timeout, allow_hyphen_values = true, help_heading = "Faults and timing")]
    pub(super) timeout: Option<Duration>,

    /// Accept every certificate of the server of --record https://HOST: whoever stands between can read and change everything
    #[arg(long, help_heading = "TLS")]
    pub(super) insecure: bool,

    /// Write what happens as JSON, one object a line: connections, requests with their bytes, what was sent, how each side
    /// ended, failures. A file that exists is emptied. - is stdout; the program's own lines then go to stderr
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "For scripts")]
    pub(super) journal: Option<PathBuf>,

    /// Write the address, as JSON, to this file when the program listens, and remove it at the end. The file appears whole; one
    /// of an earlier run is removed at the start
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "For scripts")]
    pub(super) ready_file: Option<PathBuf>,

    /// The same with the number of the process
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "For scripts")]
    pub(super) pid_file: Option<PathBuf>,

    /// End with exit code 0 after SIGTERM, unless something failed or an exchange was cut
    #[arg(long, help_heading = "For scripts")]
    pub(super) sigterm_ok: bool,

    /// Show both directions on stderr, as they happen: seconds since the connection began, > for what the client sent,
    /// < for what was sent to it, * for the rest. What is not printable is escaped. In colours on a terminal, unless
    /// NO_COLOR is set
    #[arg(long, help_heading = "Output")]
    pub(super) transcript: bool,

    /// The transcript in hexadecimal, with offsets
    #[arg(long, help_heading = "Output")]
    pub(super) hex: bool,

    /// The language of the lines on stdout, and of notes on response files: ja or en [default: ja]
    #[arg(long, value_enum, hide_possible_values = true, help_heading = "Output")]
    pub(super) lang: Option<Lang>,

    /// No lines on stdout, and no notes and no progress on stderr. Errors, a transcript and the port that 0 took are
    /// still shown
    #[arg(long, short, help_heading = "Output")]
    pub(super) quiet: bool,

    /// Print the completions for a shell: bash, zsh or fish
    #[arg(long, value_name = "SHELL", value_parser = ["bash", "zsh", "fish"])]
    #[arg(hide_possible_values = true, help_heading = "Output")]
    pub(super) completions: Option<String>,

    /// Print the man page
    #[arg(long, help_heading = "Output")]
    pub(super) man: bool,

    /// Print this help
    #[arg(long, short, action = ArgAction::Help, help_heading = "Output")]
    help: Option<bool>,

    /// Print the version
    #[arg(long, short = 'V', action = ArgAction::Version, help_heading = "Output")]
    version: Option<bool>,
}

/// What comes after the options: in the help, and as sections of the man page. The lines are broken as they are shown.
pub(super) const NOTES: [(&str, &str); 8] = [
    (
        "Faults of one answer",
        "After a file of --send, each after a comma: cut=N[:ENDING], delay=TIME,
pieces=SIZE:PAUSE, throttle=RATE, close, hold or reset. They mean what the
options of these names mean, which they replace for this answer. If the name of
a file itself ends like this, its comma is written twice: --send a,,hold sends
the file a,hold.",
    ),
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
        "Sockets",
        "The file of a Unix socket is removed in the end; one that a dead server has left is
replaced. A listener that systemd passes (LISTEN_FDS) is served, without --listen.",
    ),
    (
        "TLS handshakes that fail",
        "--send @tls:NAME answers a TLS client with an alert, or with what is no TLS; the
framing is client-hello, unless another one is given. A file of such a name is
./@tls:NAME. Alerts (RFC 8446 section 6):
  close_notify, unexpected_message, bad_record_mac, decryption_failed,
  record_overflow, decompression_failure, handshake_failure, no_certificate,
  bad_certificate, unsupported_certificate, certificate_revoked,
  certificate_expired, certificate_unknown, illegal_parameter, unknown_ca,
  access_denied, decode_error, decrypt_error, export_restriction,
  protocol_version, insufficient_security, internal_error,
  inappropriate_fallback, user_canceled, no_renegotiation, missing_extension,
  unsupported_extension, certificate_unobtainable, unrecognized_name,
  bad_certificate_status_response, bad_certificate_hash_value,
  unknown_psk_identity, certificate_required, no_application_protocol,
  unrecognized_name_warning, unknown_alert, half_alert
No TLS:
  plain_http, close, reset, silence
Old versions, or another ServerHello that a client has to refuse:
  ssl_3_0, tls_1_0, tls_1_1, downgrade, cipher_suite_not_offered,
  server_hello_stops, half_record, half_header
Records:
  oversized_record, empty_record, unknown_record_type, application_data,
  finished_first",
    ),
    (
        "Exit codes",
        "0 everything was served, 1 something failed (or --check found a problem),
2 wrong usage. If nothing failed: 130 stopped by Ctrl-C, 143 stopped by SIGTERM
(0 with --sigterm-ok).",
    ),
    (
        "Examples",
        "  Answer the next request with a file, and look at the request:
    tcpserver --listen localhost:8000 --send response.http --recv request.http
  A page and what it loads, until Ctrl-C:
    tcpserver --forever --keep-alive --send page.http
  Record what a real server answers, then serve that:
    tcpserver --record localhost:80 --send page.http
  Not yet, and then the page:
    tcpserver --count 2 --send 503.http,cut=20:reset --send page.http
  An answer without a file:
    tcpserver --status 503 --header 'Retry-After: 1' --body 'no'
  The files of a folder, also for pages of other sites:
    tcpserver --forever --dir . --header 'Access-Control-Allow-Origin: *'
  The output of a program:
    tcpserver --exec ./reply.sh -- --verbose
  Speak SMTP, once, with a client that has to keep to the script:
    tcpserver --script smtp.script
  Be a daemon that is asked over a Unix socket:
    tcpserver --listen unix:/tmp/daemon.sock --send page.http
  A response that breaks off after 100 bytes:
    tcpserver --cut 100:reset
  Tell the next TLS client that its authority is unknown:
    tcpserver --listen localhost:8443 --send @tls:unknown_ca
  Serve over https, and write what curl --cacert needs:
    tcpserver --tls-ca ca.pem --send page.http
  For a script: any port, the address and all that happens as JSON on stdout:
    tcpserver --listen localhost:0 --forever --sigterm-ok --journal -
  See both directions:
    tcpserver --transcript",
    ),
];

/// Names that people try, and the option that they mean.
pub(super) const MEANT: [(&str, &[&str]); 18] = [
    ("body", &["--data", "--text", "-d"]),
    ("header", &["--headers", "-H", "--field"]),
    ("status", &["--code"]),
    ("dir", &["--directory", "--folder", "--root"]),
    ("exec", &["--command", "--run", "-e", "-c"]),
    ("listen", &["--port", "-p", "--address", "--addr", "--bind", "--host"]),
    ("send", &["--response", "--file", "-f", "--input"]),
    ("recv", &["--request", "--output", "-o", "--save"]),
    ("record", &["--proxy", "--upstream"]),
    ("script", &["--conversation", "--play"]),
    ("forever", &["--loop"]),
    ("transcript", &["--verbose", "-v"]),
    ("journal", &["--log", "--log-file", "--json"]),
    ("pid-file", &["--pidfile"]),
    ("tls", &["--https", "--ssl"]),
    ("tls-name", &["--name", "--domain", "--hostname", "--server-name", "--servername", "--sni"]),
    ("tls-cert", &["--cert", "--certificate"]),
    ("tls-key", &["--key"]),
];

/// The options with short help, and with what completions can offer for values.
pub(super) fn command_for_completions() -> clap::Command {
    let short = |arg: clap::Arg| {
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let end = [". ", "; ", ": ", "\n", " ["].iter().filter_map(|stop| help.find(stop)).min();
        let mut arg = arg.help(help[..end.unwrap_or(help.len())].to_owned());
        // Without a hint, shells offer files for every value.
        let has_hint = arg.get_value_hint() != ValueHint::Unknown;
        if !has_hint && arg.get_action().takes_values() && arg.get_possible_values().is_empty() {
            arg = arg.value_hint(ValueHint::Other);
        }
        // In a script for zsh a colon ends the name of a value, and what follows is run as a command.
        let has_colon = arg.get_value_names().is_some_and(|names| names[0].contains(':'));
        if has_colon { arg.value_name("VALUE") } else { arg }
    };
    let rules = [
        "auto",
        "http",
        "head",
        "read-once",
        "lines",
        "tls-record",
        "client-hello",
        "eof",
        "nothing",
    ];
    Arguments::command().mut_arg("framing", |arg| arg.value_parser(rules)).mut_args(short)
}

/// A text made from the help, with `{n}` in it: clap would break the line there.
pub(super) fn shown(text: &str) -> String {
    text.replace("⟨n⟩", "{n}")
}

fn after_help() -> String {
    NOTES.map(|(title, text)| format!("{title}:\n{text}\n")).join("\n")
}
