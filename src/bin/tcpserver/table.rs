//! All options, once: what they are called, what they take, what they do. The help, the man page and the shell completions
//! are made of this; parsing goes by it.

/// Which option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Id {
    Listen,
    Framing,
    Send,
    Recv,
    Record,
    Check,
    Count,
    Forever,
    KeepAlive,
    Cut,
    Hold,
    Reset,
    Delay,
    Pieces,
    Throttle,
    Transcript,
    Hex,
    Lang,
    Quiet,
    Help,
    Version,
    Completions,
    Man,
}

/// An option.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) id: Id,
    pub(crate) long: &'static str,
    pub(crate) short: Option<char>,
    pub(crate) value: Value,
    pub(crate) about: &'static str,
    pub(crate) default: Option<&'static str>,
    /// The values that it may have, where they are worth a line each.
    pub(crate) choices: &'static [(&'static str, &'static str)],
}

/// What an option takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value {
    None,
    /// By the name that it has in the help.
    Text(&'static str),
    File,
    /// One of these.
    OneOf(&'static [&'static str]),
}

/// Options that belong together.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) title: &'static str,
    pub(crate) entries: &'static [Entry],
}

impl Entry {
    /// `ADDR`, or nothing.
    pub(crate) fn value_name(&self) -> String {
        match self.value {
            Value::None => String::new(),
            Value::Text(name) => name.into(),
            Value::File => "FILE".into(),
            Value::OneOf(words) => words.join("|"),
        }
    }
}

/// The entry of an option that was typed as `--long`.
pub(crate) fn by_long(long: &str) -> Option<&'static Entry> {
    all().find(|entry| entry.long == long)
}

/// The entry of an option that was typed as `-s`.
pub(crate) fn by_short(short: char) -> Option<&'static Entry> {
    all().find(|entry| entry.short == Some(short))
}

fn all() -> impl Iterator<Item = &'static Entry> {
    GROUPS.iter().flat_map(|group| group.entries).chain(HIDDEN)
}

pub(crate) const SUMMARY: &str = "Listens for one HTTP request (or any TCP client), writes the request's bytes to a file, \
    and answers with the bytes of another file. Nothing is added to either.";

pub(crate) const NOTES: &[(&str, &str)] = &[
    (
        "Sizes",
        "A number of bytes, or of 1024, 1024² or 1024³ bytes with k, M or G behind it: 1500, 64k, 10M. Rates are per \
         second.",
    ),
    ("Times", "A number with its unit, us, ms, s or m: 250ms, 1.5s, 2m."),
    (
        "Ctrl-C",
        "A single exchange is ended at once. With --count or --forever the exchanges that have begun come to their end; \
         a second Ctrl-C ends them at once. SIGTERM does the same.",
    ),
    (
        "Exit codes",
        "0 everything that was to be served was served, 1 something failed (or --check found something), 2 wrong usage, \
         130 stopped with Ctrl-C, 143 with SIGTERM.",
    ),
];

pub(crate) const EXAMPLES: &[(&str, &str)] = &[
    (
        "Answer the next request with a file, and look at it",
        "tcpserver --listen localhost:8000 --send response.http --recv request.http",
    ),
    ("A page and what it loads, until Ctrl-C", "tcpserver --forever --keep-alive --send page.http"),
    (
        "Keep what a real server answers, then serve that",
        "tcpserver --record localhost:80 --send page.http",
    ),
    ("An answer that breaks off after 100 bytes", "tcpserver --cut 100:reset"),
    ("See both directions", "tcpserver --transcript"),
];

const NOTHING: Entry = Entry {
    id: Id::Help,
    long: "",
    short: None,
    value: Value::None,
    about: "",
    default: None,
    choices: &[],
};

pub(crate) const GROUPS: &[Group] = &[
    Group {
        title: "Listening",
        entries: &[
            Entry {
                id: Id::Listen,
                long: "listen",
                value: Value::Text("ADDR"),
                about: "Where to listen, as host:port; port 0 takes a free one, named on stderr",
                default: Some("localhost:8080, which is 127.0.0.1:8080"),
                ..NOTHING
            },
            Entry {
                id: Id::Framing,
                long: "framing",
                value: Value::Text("RULE"),
                about: "Where a request ends",
                default: Some("auto"),
                choices: &[
                    ("auto", "as http for what looks like HTTP, otherwise after the first read"),
                    ("http", "head, then Content-Length or chunked body"),
                    ("head", "head only: answer while the body is still coming"),
                    ("read-once[:N]", "after the first read, at most N bytes [4096]"),
                    ("until:TEXT", "after TEXT, in which \\r \\n \\t \\0 \\\\ \\xHH are escapes"),
                    ("exactly:N", "after N bytes"),
                    ("eof", "when the client shuts down its sending side"),
                    ("nothing", "at once: answer before the client says anything"),
                ],
                ..NOTHING
            },
        ],
    },
    Group {
        title: "Files",
        entries: &[
            Entry {
                id: Id::Send,
                long: "send",
                value: Value::File,
                about: "The response, whose bytes are sent as they are. Given several times, exchange k gets the k-th \
                    file, and the last one repeats. - is stdin, read when its exchange comes, and kept in memory if it \
                    may be needed again",
                default: Some("server_send.txt"),
                ..NOTHING
            },
            Entry {
                id: Id::Recv,
                long: "recv",
                value: Value::File,
                about: "Where the request's bytes go; an old file is emptied. {n} in the name becomes the number of the \
                    exchange. - is stdout; the program's own lines go to stderr then. (A file called - is ./-; none can be \
                    called {n})",
                default: Some("server_recv.txt"),
                ..NOTHING
            },
            Entry {
                id: Id::Record,
                long: "record",
                value: Value::Text("HOST:PORT"),
                about: "Forward each request, unchanged, to the server there; answer with its response, and keep that in \
                    the --send file. A request is held in memory",
                ..NOTHING
            },
            Entry {
                id: Id::Check,
                long: "check",
                value: Value::File,
                about: "Print what is odd about a response file, and at which byte, instead of serving; exit code 1 if \
                    something is. May be repeated; - is stdin",
                ..NOTHING
            },
        ],
    },
    Group {
        title: "How many",
        entries: &[
            Entry {
                id: Id::Count,
                long: "count",
                value: Value::Text("N"),
                about: "Serve N exchanges, connections side by side, then end",
                default: Some("1"),
                ..NOTHING
            },
            Entry {
                id: Id::Forever,
                long: "forever",
                about: "Serve exchanges until Ctrl-C",
                ..NOTHING
            },
            Entry {
                id: Id::KeepAlive,
                long: "keep-alive",
                about: "Leave a connection open for its next request, as HTTP says: if the response says its own length \
                    and nobody asks for the close. Otherwise the connection is closed, as without this option",
                ..NOTHING
            },
        ],
    },
    Group {
        title: "Faults and timing",
        entries: &[
            Entry {
                id: Id::Cut,
                long: "cut",
                value: Value::Text("N[:ENDING]"),
                about: "Send only the first N bytes of the response, then come to this ending",
                default: Some("close"),
                choices: &[
                    ("N:close", "end the sending side, and wait for the client to close"),
                    ("N:reset", "reset the connection, when the client has the N bytes"),
                    (
                        "N:half-close",
                        "end the sending side, and keep receiving until the client closes",
                    ),
                    ("N:hold", "keep silent until the client closes"),
                ],
                ..NOTHING
            },
            Entry {
                id: Id::Hold,
                long: "hold",
                about: "Keep the connection open behind the response, until the client closes",
                ..NOTHING
            },
            Entry {
                id: Id::Reset,
                long: "reset",
                about: "Reset the connection behind the response, when the client has it",
                ..NOTHING
            },
            Entry {
                id: Id::Delay,
                long: "delay",
                value: Value::Text("TIME"),
                about: "Wait before the first byte of the response",
                ..NOTHING
            },
            Entry {
                id: Id::Pieces,
                long: "pieces",
                value: Value::Text("SIZE:PAUSE"),
                about: "Send the response in pieces of this size, with this pause between two: 1:10ms",
                ..NOTHING
            },
            Entry {
                id: Id::Throttle,
                long: "throttle",
                value: Value::Text("RATE"),
                about: "Send no more bytes per second than this: 64k",
                ..NOTHING
            },
        ],
    },
    Group {
        title: "What is told",
        entries: &[
            Entry {
                id: Id::Transcript,
                long: "transcript",
                about: "Tell both directions on stderr, as they happen: seconds since the connection began, > for what \
                    the client sent, < for what was sent to it, * for the rest. Text is escaped where it is not \
                    printable; in colours on a terminal, unless NO_COLOR is set",
                ..NOTHING
            },
            Entry {
                id: Id::Hex,
                long: "hex",
                about: "The transcript in hexadecimal, with offsets",
                ..NOTHING
            },
            Entry {
                id: Id::Lang,
                long: "lang",
                value: Value::OneOf(&["ja", "en"]),
                about: "The language of the lines on stdout",
                default: Some("ja"),
                ..NOTHING
            },
            Entry {
                id: Id::Quiet,
                long: "quiet",
                short: Some('q'),
                about: "No lines on stdout, no notices and no progress on stderr; errors, a transcript, and the port \
                    that 0 took, are still told",
                ..NOTHING
            },
            Entry {
                id: Id::Help,
                long: "help",
                short: Some('h'),
                about: "Print this help",
                ..NOTHING
            },
            Entry {
                id: Id::Version,
                long: "version",
                short: Some('V'),
                about: "Print the version",
                ..NOTHING
            },
        ],
    },
];

pub(crate) const SHELLS: &[&str] = &["bash", "zsh", "fish"];

/// For who packages the program.
const HIDDEN: &[Entry] = &[
    Entry {
        id: Id::Completions,
        long: "completions",
        value: Value::OneOf(SHELLS),
        about: "Print the completions for a shell",
        ..NOTHING
    },
    Entry { id: Id::Man, long: "man", about: "Print the man page", ..NOTHING },
];
