//! The core: carries connections from their acceptance to their end.
//!
//! # States of a connection
//!
//! ```text
//! New ─► Handshaking ─► Idle ─► Receiving ─► Answering ─► Sending ─► Closing ─► Over
//!             ▲          ▲                                   │
//!             │          ├──────── another request ──────────┤
//!             └────────────────── TLS begins ────────────────┘
//! ```
//!
//! Only with TLS is there a handshake, at the beginning or after a response. From every state a failure, a timeout or the client's end leads
//! to Closing, where what the client has not read yet is not destroyed, or to Over. A connection that a test drives by hand is
//! `ByHand` in place of Idle, Answering and Sending: there it waits for what the test wants (`by_hand`).
//!
//! A connection goes on until it would have to wait, then says what for (`rest`): its socket and a time, a waker, or a thread that may run
//! user code. Each step tries what it can and looks at the clock, so a connection may be carried on at any time without a reason.
//! What each state waits for:
//!
//! | state | besides its socket | ends at the latest after |
//! |---|---|---|
//! | Handshaking, Receiving | | `timeout` without a byte; before the first one `idle_timeout` |
//! | Idle | | `idle_timeout` |
//! | Answering | the source or sink, which another connection uses; user code | what `finish` has, if user code does not return |
//! | Sending | a pause, a gate | `timeout` in which the client acknowledges nothing |
//! | Closing | a look at what the client has acknowledged | `linger`, `timeout` for some endings |
//!
//! So a client that has sent half a request and stays is in Receiving; no thread waits for it, but the loop, for all; `timeout` ends it.
//!
//! # Threads
//!
//! User code is what may block: closures, sinks, sources, handlers and observers of the user's types, readers, and files that are no
//! regular ones. Sources of this crate that answer from memory and regular files are not (`is_source_prompt`).
//!
//! * The thread of the process's loop (`event_loop`), one for all peers, waits for all sockets and times, accepts, and carries
//!   connections on. It never runs user code and never blocks.
//! * The threads of a server (`user_threads`) run its user code. `spawn` starts the first one, if there is such code; before one may
//!   block it starts another one, up to 256. Such a thread carries its connection on until that would wait for the client, then gives
//!   it back to the loop. Meanwhile the connection is out of the set of sockets that the loop waits for.
//! * The caller of `serve_once` or `serve` runs a loop of its own. In `serve_once` it runs user code, too, and no other thread exists.
//! * The caller of `finish` carries the connections of its peer on once, like the loop, then waits for the loop.
//!
//! One thread at a time has a connection. Another one that wants it makes a note of that and goes away; the first one carries the
//! connection on once more before it gives it back (`turn`). Likewise one thread at a time has a source, a sink or the observer: it takes it
//! out of its lock, calls it, and puts it back. A connection that finds it gone waits for a waker. So user code that blocks for ever
//! holds up the calls of its own source, sink or observer. Connections are still accepted, received and journaled, and
//! other peers notice nothing.
//!
//! # The end of a peer
//!
//! 1. `finish` accepts what is in the backlog, at most its length, and closes the listener (`accept`).
//! 2. Every connection looks once (`carry_on`). One between two requests is closed at once, a silent one after `linger`; one with a
//!    request, also of the backlog, is answered and its response sent.
//! 3. The caller waits until all have ended, for `finish_timeout` in all and the pauses that are left in responses (`closing_down`).
//! 4. What is open then is cut: sockets are shut down, each with an error that has its bytes. Connections in user code are left to that, and
//!    reported as not returned.
//! 5. Source, sink and observer are taken away when they have returned, and dropped; the first failure is the result (`finish`).
//!
//! # Order of the locks
//!
//! A thread that holds one of these takes only later ones. All are held for a few statements, and none while user code or a waker runs. (What
//! the loop has found ready has a lock, too, which the thread that runs the loop holds while it waits, and no other thread takes.)
//!
//! 1. the slot of a connection's turn (`turn`)
//! 2. the listener (`service`)
//! 3. the ledger: the journal, and outcomes that nobody has taken (`ledger`); it is held around the last write of a response, so that
//!    who has read it finds the exchange
//! 4. where a source, a sink or the observer is, with the events that it has not had (`user_code`); connections that no test has
//!    accepted (`by_hand/arrivals`)
//! 5. what a test and the connection that it drives tell each other (`by_hand/control`)
//! 6. the jobs of the user threads (`user_threads`)
//! 7. how many exchanges a server in the foreground may begin (`permits`)
//! 8. the open connections (`service`)
//! 9. the tasks and times of the loop (`event_loop`)

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
pub(crate) mod ledger;
#[cfg(all(test, shuttle))]
mod model;

pub(crate) mod open_connection;
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
mod stuck;
mod task;
mod turn;
pub(crate) mod user_code;
mod user_threads;
