//! Servers as people write them in tests with `std::net`: they read to the empty line, answer, and just close. They close in the
//! wrong way (a client may lose the end of an answer) and have no timeouts; a peer does both right.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use crate::{ANSWER, next_host};

/// A listener on a free port.
pub fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((next_host(), 0)).expect("bound");
    let addr = listener.local_addr().expect("an address");
    (listener, addr)
}

/// Serves one connection in a thread that then ends by itself and returns the request.
pub fn one_shot() -> (SocketAddr, JoinHandle<Vec<u8>>) {
    let (listener, addr) = listen();
    let thread = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let request = read_request(&mut stream).expect("a request");
        stream.write_all(ANSWER).expect("sent");
        request
    });
    (addr, thread)
}

/// How an [`AcceptLoop`] serves its connections.
#[derive(Debug, Clone, Copy)]
pub enum Serving {
    /// In the accepting thread, one request each.
    Inline,
    /// In a thread each, as many requests as the client sends.
    ThreadPerConnection,
}

/// An accept loop in a background thread. To stop it, `drop` sets a flag and connects to it.
#[derive(Debug)]
pub struct AcceptLoop {
    addr: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl AcceptLoop {
    /// Listens and starts the thread.
    pub fn start(serving: Serving) -> Self {
        let (listener, addr) = listen();
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if stopping.load(Ordering::Acquire) {
                    return;
                }
                let mut stream = stream.expect("a client");
                match serving {
                    Serving::Inline => {
                        serve_request(&mut stream);
                    }
                    Serving::ThreadPerConnection => {
                        stream.set_nodelay(true).expect("set");
                        thread::spawn(move || while serve_request(&mut stream) {});
                    }
                }
            }
        });
        AcceptLoop { addr, stop, thread: Some(thread) }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for AcceptLoop {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        let _ = TcpStream::connect(self.addr);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("a server that does not panic");
        }
    }
}

/// False at the client's end.
fn serve_request(stream: &mut TcpStream) -> bool {
    let request = std::hint::black_box(read_request(stream));
    if request.is_some() {
        stream.write_all(ANSWER).expect("sent");
    }
    request.is_some()
}

/// Reads to the empty line. `None` if the client's end comes first.
pub fn read_request(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !request.ends_with(b"\r\n\r\n") {
        let length = stream.read(&mut buffer).expect("a request");
        if length == 0 {
            return None;
        }
        request.extend_from_slice(&buffer[..length]);
    }
    Some(request)
}
