//! A way to get what a test wants: a server with an answer, and the code that says so.

use std::net::SocketAddr;

/// A server that is running, until it is dropped.
pub trait Server: Send {
    fn addr(&self) -> SocketAddr;

    /// What the crate calls reset, clear or the like: drops the mocks.
    fn forget(&mut self) {}
}

pub struct Attempt {
    code: &'static str,
    start: fn() -> Box<dyn Server>,
}

impl Attempt {
    pub fn new(code: &'static str, start: fn() -> Box<dyn Server>) -> Self {
        Attempt { code, start }
    }

    pub fn start(&self) -> Box<dyn Server> {
        (self.start)()
    }

    /// In one line, for a cell of a table.
    pub fn code(&self) -> String {
        let line = self.code.split_whitespace().collect::<Vec<_>>().join(" ");
        format!("`{}`", line.replace('|', "\\|"))
    }
}
