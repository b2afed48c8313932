//! Clients that other people wrote, for other protocols than HTTP, each against peers of at most 25 lines. Here are the helpers;
//! each protocol has a file.

mod ftp;
mod mqtt;
mod nats;
mod postgres;
mod redis;
mod smtp;
mod socks;
mod websocket;

use std::time::Duration;

use fake_peer_test_support::PATIENCE;

/// How long a client waits for what does not come.
const IMPATIENCE: Duration = Duration::from_millis(100);

/// Runs a client that needs a runtime, for a time.
#[track_caller]
fn block_on<T>(client: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime
        .expect("a runtime")
        .block_on(async { tokio::time::timeout(PATIENCE, client).await })
        .expect("a client that ends")
}
