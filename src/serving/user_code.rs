//! The sink, the source and the observer of a server, each behind a lock of its own: connections take turns with them.

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::io::{self, Write};
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Mutex};

use super::event::Event;
use crate::framing::rule::Framing;
use crate::journal::client::Client;
use crate::journal::request::Request;
use crate::os::lock::lock;
use crate::response::steps::Response;
use crate::sink::request_sink::RequestSink;
use crate::source::hints::Answers;
use crate::source::response_source::ResponseSource;

pub(crate) struct UserCode {
    pub(crate) sink: Option<Mutex<Box<dyn RequestSink>>>,
    source: Mutex<Box<dyn ResponseSource>>,
    /// The answer of a source that has one for all requests.
    fixed: Option<Response>,
    /// Whether the source answers without waiting for anything.
    pub(crate) is_prompt: bool,
    has_framings: bool,
    pub(crate) observer: Option<Arc<Mutex<Observer>>>,
}

pub(crate) type Observer = Box<dyn FnMut(&Event<'_>) + Send>;

/// What a panic carries.
pub(crate) type Payload = Box<dyn Any + Send>;

impl UserCode {
    pub(crate) fn new(
        sink: Option<Box<dyn RequestSink>>,
        mut source: Box<dyn ResponseSource>,
        observer: Option<Observer>,
    ) -> Self {
        let hints = source.hints();
        let (is_prompt, has_framings) = (hints.is_prompt(), hints.first_framing.is_some());
        let fixed =
            if let Answers::Fixed(response) = hints.answers { Some(response) } else { None };
        UserCode {
            sink: sink.map(Mutex::new),
            fixed,
            is_prompt,
            has_framings,
            source: Mutex::new(source),
            observer: observer.map(|observer| Arc::new(Mutex::new(observer))),
        }
    }

    pub(crate) fn open_record(&self, client: &Client) -> io::Result<Option<Box<dyn Write + Send>>> {
        self.sink.as_ref().map(|sink| lock(sink).open(client)).transpose()
    }

    /// Where the first request of a connection ends, if the source says.
    pub(crate) fn framing(&self, client: &Client) -> Option<Framing> {
        if !self.has_framings {
            return None;
        }
        lock(&self.source).hints().first_framing?.first_framing(client)
    }

    /// The source's answer, or its panic: the exchange is to be recorded and its connection closed all the same.
    pub(crate) fn respond(&self, request: &Request) -> Result<io::Result<Response>, Payload> {
        if let Some(fixed) = &self.fixed {
            return Ok(Ok(fixed.clone()));
        }
        panic::catch_unwind(AssertUnwindSafe(|| lock(&self.source).respond(request)))
    }

    pub(crate) fn finish_source(&self) -> io::Result<()> {
        lock(&self.source).finish()
    }

    pub(crate) fn tap(&self, client: &Client) -> Option<Tap> {
        self.observer
            .as_ref()
            .map(|observer| Tap { observer: Arc::clone(observer), client: client.clone() })
    }

    pub(crate) fn tell(&self, event: &Event<'_>) {
        if let Some(observer) = &self.observer {
            tell(observer, event);
        }
    }
}

thread_local! {
    static IS_TELLING: Cell<bool> = const { Cell::new(false) };
}

fn tell(observer: &Mutex<Observer>, event: &Event<'_>) {
    /// Also if the observer panics.
    struct Told;

    impl Drop for Told {
        fn drop(&mut self) {
            IS_TELLING.set(false);
        }
    }

    let mut observer = lock(observer);
    IS_TELLING.set(true);
    let _told = Told;
    observer(event);
}

/// Whether this is called by an observer: others wait for it to return.
pub(crate) fn is_telling() -> bool {
    IS_TELLING.get()
}

/// Where the observer is told of the bytes of one connection.
pub(crate) struct Tap {
    observer: Arc<Mutex<Observer>>,
    client: Client,
}

impl Tap {
    pub(crate) fn tell<'a>(&'a self, event: impl FnOnce(&'a Client) -> Event<'a>) {
        tell(&self.observer, &event(&self.client));
    }
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tap").field("client", &self.client).finish_non_exhaustive()
    }
}

impl fmt::Debug for UserCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserCode").finish_non_exhaustive()
    }
}
