//! Clients that speak TLS, of several libraries. No test is here.

// Helpers of tests: they are read where they are used, and panic where a test fails.
#![allow(missing_docs, missing_debug_implementations)]
#![allow(
    clippy::missing_panics_doc,
    clippy::missing_errors_doc,
    clippy::must_use_candidate,
    clippy::return_self_not_must_use
)]

pub mod clients;
pub mod faults;
pub mod handshakes;
pub mod rustls_client;
