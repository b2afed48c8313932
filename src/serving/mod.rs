//! The core: carries connections from their acceptance to their end.
//!
//! # States of a connection
//!
//! ```text
//!       New ─► Idle ─► Receiving ─► Answering ─► Sending ─► Closing ─► Over
//!        ▲      ▲                                   │
//!        │      ├──────── another request ──────────┤
//! Handshaking ──┘◄─────────────── TLS ──────────────┘
//! ```
//!
//! With TLS a connection begins in `Handshaking`, or comes there after a response that begins TLS. A handshake that fails goes on to Closing,
//! so that the client can read why.
//!
//! A connection that a test drives by hand is `ByHand` in place of New, Answering and Sending: there it waits for what the test wants
//! (`by_hand`), and sends what it was given in any state.
//!
//! A connection goes on until it would have to wait, and says what for: its socket, a time, a waker, or a thread that may run user
//! code. Each step tries what it can and looks at the clock, so a connection may be carried on at any time without a reason.
//!
//! # Threads
//!
//! * The thread of the process's loop (`event_loop`) accepts, and carries on the connections of all peers. It never runs user code
//!   and never blocks. A server in the foreground has a loop of its own, which its caller runs; in `serve_once` the caller runs user
//!   code, too, and there is no other thread.
//! * The threads of a server (`user_threads`) run closures, sinks, sources, readers, the observer, and files that are no regular
//!   ones. `spawn` starts the first one, if there is such code, and they start one another. Such a thread carries its connection on
//!   until that would block, then gives it back to the loop. Meanwhile the connection is out of the set.
//! * A thread that finishes a peer carries its connections on once, like the loop, then waits.
//!
//! One thread at a time has a connection; another one that wants it leaves a note and does not wait (`turn`).
//!
//! # Order of the locks
//!
//! A thread that holds one of these takes only later ones: the turn of a connection; the listener; the ledger; the source, sink and
//! observer queue, or the connections that wait for a test; what a test and its connection tell each other; the user threads; the permits; the open connections; the event loop. None is held while user code or a waker runs.

mod accept;
pub(crate) mod by_hand;
mod carry_on;
mod close;
mod closing_down;
mod conclude;
mod connection;
mod context;
pub(crate) mod event;
mod event_loop;
pub(crate) mod failure;
mod finish;
pub(crate) mod foreground;
mod handshake;
mod idle;
#[cfg(feature = "json")]
pub(crate) mod journal_lines;
pub(crate) mod ledger;
#[cfg(all(test, shuttle))]
mod model;

pub(crate) mod parts;
mod permits;
mod receive;
mod receiving;
mod respond;
mod rest;
mod send;
mod sending;
pub(crate) mod service;
pub(crate) mod settings;
mod states;
pub(crate) mod stop;
mod task;
pub(crate) mod transcript;
mod turn;
pub(crate) mod user_code;
mod user_threads;
