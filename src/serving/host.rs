//! What a connection needs from its server.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use super::settings::Settings;
use super::user_code::Payload;
use crate::journal::client::Client;
use crate::journal::request::Request;
use crate::response::steps::Response;

/// How long a read may take before others who wait are thought of: long enough for a client that sends at once, and no
/// visible delay for the one behind a client that doesn't.
pub(crate) const PATIENCE: Duration = Duration::from_millis(20);

pub(crate) trait Host {
    fn settings(&self) -> &Settings;
    /// The number of an exchange that begins.
    fn next_exchange(&self) -> u64;
    fn open_record(&self, client: &Client) -> io::Result<Option<Box<dyn Write + Send>>>;
    /// The source's answer, or its panic.
    fn respond(&self, request: &Request) -> Result<io::Result<Response>, Payload>;
    /// The last bytes of this exchange's response are about to leave: its client may know of the end before we do anything
    /// else.
    fn about_to_end(&self, exchange: u64);
    /// This thread is about to wait for its client, or for what a user plugged in: others may need serving.
    fn about_to_wait(&self);
    /// When the server began to finish: who has had their answer and stays connected is not waited for any more.
    fn finishing_since(&self) -> Option<Instant>;
    /// Whether nobody wants the rest of a response any more: its pauses need not be kept.
    fn is_abandoned(&self) -> bool;
}
