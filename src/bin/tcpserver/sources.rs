//! Where responses come from: files in their order, stdin, a real server that is recorded.

use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fake_peer::{FileSource, Hints, Proxy, Request, Response, ResponseSource};

use crate::console::Console;
use crate::options::{Exchanges, Faults, Input, Send};

/// What `--send` and `--record` ask for, with the faults on top.
pub(crate) fn source(
    send: &Send,
    exchanges: Exchanges,
    faults: Faults,
    failures: &Failures,
) -> Box<dyn ResponseSource> {
    let source: Box<dyn ResponseSource> = match send {
        Send::Files(files) => match &files[..] {
            [Input::File(file)] => Box::new(FileSource::new(file)),
            _ => Box::new(InOrder { files: files.clone(), stdin: Stdin::new(files, exchanges) }),
        },
        Send::Record { upstream, file } => {
            Box::new(Recording::new(upstream, file, failures.clone()))
        }
    };
    Box::new(source.map_response(move |response| faults.apply(response)))
}

/// The k-th file for the k-th exchange; the last one repeats.
struct InOrder {
    files: Vec<Input>,
    stdin: Stdin,
}

impl ResponseSource for InOrder {
    fn respond(&mut self, request: &Request) -> io::Result<Response> {
        let number = usize::try_from(request.client().exchange()).unwrap_or(usize::MAX);
        let index = number.min(self.files.len()).saturating_sub(1);
        Ok(match &self.files[index] {
            Input::File(file) => Response::file(file),
            Input::Stdin => self.stdin.response(),
        })
    }
}

/// Standard input as a response.
enum Stdin {
    /// For one exchange: its bytes leave as they come.
    Once,
    /// For more: it is read to its end first, and kept.
    Again(Arc<Mutex<Option<Arc<[u8]>>>>),
}

impl Stdin {
    fn new(files: &[Input], exchanges: Exchanges) -> Self {
        let uses = files.iter().filter(|file| **file == Input::Stdin).count();
        let last_repeats = match exchanges {
            Exchanges::Count(count) => count > files.len() as u64,
            Exchanges::Forever => true,
        };
        if uses > 1 || files.last() == Some(&Input::Stdin) && last_repeats {
            Stdin::Again(Arc::default())
        } else {
            Stdin::Once
        }
    }

    fn response(&self) -> Response {
        Response::new().send_from(match self {
            Stdin::Once => StdinReader::Once,
            Stdin::Again(kept) => StdinReader::Again { kept: Arc::clone(kept), at: 0 },
        })
    }
}

enum StdinReader {
    Once,
    Again { kept: Arc<Mutex<Option<Arc<[u8]>>>>, at: usize },
}

impl Read for StdinReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let failed = |error: io::Error| {
            let text = format!("failed to read standard input: {error}");
            io::Error::new(error.kind(), text)
        };
        match self {
            StdinReader::Once => match io::stdin().read(buffer) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(failed(error)),
                result => result,
            },
            StdinReader::Again { kept, at } => {
                let bytes = {
                    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                    if kept.is_none() {
                        let mut all = Vec::new();
                        io::stdin().read_to_end(&mut all).map_err(failed)?;
                        *kept = Some(all.into());
                    }
                    kept.clone().expect("it was filled")
                };
                let length = (&bytes[*at..]).read(buffer)?;
                *at += length;
                Ok(length)
            }
        }
    }
}

/// What went wrong beside the exchanges. Clones are the same.
#[derive(Clone)]
pub(crate) struct Failures {
    console: Arc<Console>,
    count: Arc<Mutex<u64>>,
}

impl Failures {
    pub(crate) fn new(console: &Arc<Console>) -> Self {
        Failures { console: Arc::clone(console), count: Arc::default() }
    }

    pub(crate) fn are_none(&self) -> bool {
        *self.count.lock().unwrap_or_else(PoisonError::into_inner) == 0
    }

    fn tell(&self, error: &io::Error) {
        *self.count.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        let mut text = error.to_string();
        let mut cause = error.get_ref().and_then(|error| error.source());
        while let Some(error) = cause {
            text.extend([": ", &error.to_string()]);
            cause = error.source();
        }
        self.console.complain(&text);
    }
}

/// A proxy whose record is made whole before the program ends, and which says so if it can't be.
struct Recording {
    proxy: Proxy,
    failures: Failures,
}

impl Recording {
    fn new(upstream: &str, file: &Path, failures: Failures) -> Self {
        // A person waits as long for a server as for a client.
        let proxy = Proxy::to(upstream).record(file).timeout(Duration::from_secs(60));
        Recording { proxy, failures }
    }
}

impl ResponseSource for Recording {
    fn respond(&mut self, request: &Request) -> io::Result<Response> {
        self.proxy.respond(request)
    }

    fn hints(&mut self) -> Hints<'_> {
        self.proxy.hints()
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        if let Err(error) = self.proxy.finish() {
            self.failures.tell(&error);
        }
    }
}
