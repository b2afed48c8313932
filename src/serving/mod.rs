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
//! `ByHand` in place of Answering and Sending, and when the test wants nothing (`by_hand`).
//!
//! A connection goes on until it would have to wait, then says what for (`rest`): its socket and a time, a waker, or a thread that may run
//! user code. Each step tries what it can and looks at the clock, so a connection may be carried on at any time without a reason.
//! What each state waits for:
//!
//! | state | besides its socket | ends at the latest after |
//! |---|---|---|
//! | New | the source, which another connection uses | |
//! | Handshaking | | `timeout` without a byte; before the first one `idle_timeout` |
//! | Idle | in the foreground, a call that permits an exchange: then without an end | `idle_timeout` |
//! | Receiving | the sink, which another connection uses; user code: sink, framing | `timeout` without a byte |
//! | Answering | the source or sink, which another connection uses; user code | |
//! | Sending | a pause, a gate (for `timeout`); user code: a reader | `timeout` in which the client acknowledges and sends nothing |
//! | Closing | a look at what the client has acknowledged | `linger`, `timeout` for some endings |
//! | `ByHand` | what the test wants next | `timeout` in which the client takes nothing of what the test has sent |
//!
//! All that read or send wait for room in the queue of events, too, while the observer is behind. Where no end is given, and while user code
//! runs, what `finish` has is the end: then everything is cut. So a client that has sent half a request and stays is in Receiving; no thread
//! waits for it, but the loop, for all; `timeout` ends it.
//!
//! # Threads
//!
//! User code is what may block: closures, sinks, sources, handlers and observers of the user's types, readers, and files that are no
//! regular ones, and what their drops do. Sources of this crate that answer from memory and regular files are not (`is_source_prompt`).
//!
//! * The thread of the process's loop (`event_loop`), one for all peers, waits for all sockets and times, accepts, and carries
//!   connections on. It never blocks. Of a user's code it runs only wakers, which must not block either.
//! * The threads of a server (`user_threads`) run its user code. `spawn` starts the first one, if it can tell that there is such code; before one runs what
//!   may block while other user code of the server has something to do, it starts another one, up to 256. (A source alone has nothing
//!   beside it: its calls queue.) Such a thread carries its connection on until that would wait for the client, then gives
//!   it back to the loop. Meanwhile the connection is out of the set of sockets that the loop waits for. A handler has its thread until it returns.
//! * The caller of `serve_once` or `serve` runs a loop of its own. In `serve_once` it runs user code, too, and no thread is started;
//!   `serve` starts those of the server when there is user code to run.
//! * The caller of `finish` carries the connections of its peer on once, like the loop, then waits for the loop. So do the caller of `down`,
//!   and a test that fails. A test that drives a connection by hand carries it on itself, then waits for the loop.
//!
//! One thread at a time has a connection. Another one that wants it makes a note of that and goes away; the first one carries the
//! connection on once more before it gives it back (`turn`). Likewise one thread at a time has a source or a sink: it takes it
//! out of its lock, calls it, and puts it back. A connection that finds it gone waits for a waker. The observer has a queue instead, of
//! 64 events; then connections wait, until it has caught up with half of them. So user code that blocks for ever
//! holds up the calls of its own source, sink or observer. Connections are still accepted and journaled, and received as far as those need not
//! be called for it; other peers notice nothing.
//!
//! # The end of a peer
//!
//! 1. Every connection looks once (`carry_on`), apart from those in user code. One between two requests is closed at once, a silent one after
//!    `linger`; one with a request is answered and its response sent.
//! 2. `finish` accepts what is in the backlog, at most its length and one more, and closes the listener (`accept`). These are served likewise.
//! 3. The caller waits until all have ended, for `finish_timeout` in all and the pauses that are left in responses (`closing_down`).
//! 4. What is open then is cut: ended at once, each with an error that has its bytes if it has any. Threads that are about to do that get a
//!    second. Connections in user code are left to that, their sockets shut down, and reported as not returned. A test that fails comes here
//!    at once (`abandon`).
//! 5. Source, sink and observer are taken away when they have returned, and dropped; the observer has a second more for its queue. The result
//!    is the first panic, otherwise the first error of an exchange, otherwise of a connection, otherwise a wrong count, otherwise what the
//!    source has left (`finish`). Called by user code of the peer itself, it takes away what is free, and waits for nothing.
//!
//! # Order of the locks
//!
//! A thread that holds one of these takes only later ones. All but the first two are held for a few statements, and none of those while user code
//! or a waker runs.
//!
//! 1. the calls of a server in the foreground: each holds it to its end, those for one exchange together (`service`)
//! 2. what the loop has found ready, held by the thread that runs it while it waits (`event_loop`)
//! 3. the slot of a connection's turn (`turn`)
//! 4. the listener (`service`)
//! 5. the ledger: the journal, and outcomes that nobody has taken (`ledger`); it is held around the last write of a response, so that
//!    who has read it finds the exchange
//! 6. where a source, a sink or the observer is, with the events that it has not had (`user_code`); connections that no test has
//!    accepted (`by_hand/arrivals`); who waits at a gate (`response/gate`)
//! 7. what a test and the connection that it drives tell each other (`by_hand/control`)
//! 8. the jobs of the user threads (`user_threads`)
//! 9. how many exchanges a server in the foreground may begin (`permits`)
//! 10. the open connections (`service`)
//! 11. what user code runs for a connection (`task`)
//! 12. the tasks and times of the loop (`event_loop`)

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
