//! A byte-exact TCP peer for tests.

mod address;
mod client;
mod closing;
mod connection;
mod error;
mod event;
mod exchange;
mod framing;
mod head;
mod kept;
mod perform;
mod request;
mod response;
mod server;
mod service;
mod sink;
mod source;
mod wire;

pub use client::Client;
pub use error::{Error, Result};
pub use event::Event;
pub use exchange::{ClientEnd, Exchange, Times};
pub use framing::{Framing, ParseFramingError, Problem};
pub use request::{BodyError, Request, RequestEnd};
pub use response::Response;
pub use server::{TcpServer, TcpServerBuilder};
pub use sink::{FileSink, FnSink, MemorySink, RequestSink};
pub use source::{FileSource, ResponseSource};
