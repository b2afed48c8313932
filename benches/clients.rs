//! The clients, the same ones for peers and hand-written servers.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use crate::{ANSWER, REQUEST};

/// A connection whose reads end after 30 seconds.
pub fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).expect("connected");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("set");
    stream
}

/// Connects, sends the request, reads to the end.
pub fn get(addr: SocketAddr) {
    let mut stream = connect(addr);
    stream.write_all(REQUEST).expect("sent");
    let mut answer = Vec::with_capacity(ANSWER.len() + 1);
    stream.read_to_end(&mut answer).expect("an answer");
    assert_eq!(answer, ANSWER);
}

/// Several clients side by side that connect for each of their `requests`.
pub fn new_connections(addr: SocketAddr, clients: usize, requests: usize) {
    side_by_side(clients, || (0..requests).for_each(|_| get(addr)));
}

/// A client that keeps its connection.
#[derive(Debug)]
pub struct KeptConnection(TcpStream);

impl KeptConnection {
    /// Connects.
    pub fn open(addr: SocketAddr) -> Self {
        let stream = connect(addr);
        stream.set_nodelay(true).expect("set");
        KeptConnection(stream)
    }

    /// Sends `requests` in all connections side by side.
    pub fn exchange_all(connections: &mut [Self], requests: usize) {
        thread::scope(|scope| {
            for connection in connections {
                scope.spawn(move || connection.exchange(requests));
            }
        });
    }

    /// Sends `requests`, each after the answer to the one before it.
    pub fn exchange(&mut self, requests: usize) {
        let mut answer = [0; ANSWER.len()];
        for _ in 0..requests {
            self.0.write_all(REQUEST).expect("sent");
            self.0.read_exact(&mut answer).expect("an answer");
        }
    }
}

/// Runs `client` in several threads.
pub fn side_by_side(clients: usize, client: impl Fn() + Sync) {
    thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(&client);
        }
    });
}

/// A client in a thread that runs already, for servers in the calling thread.
#[derive(Debug)]
pub struct RunningClient {
    addrs: Sender<SocketAddr>,
    done: Receiver<()>,
}

impl RunningClient {
    /// Starts the thread. It calls `exchange` for each [`go`](Self::go).
    pub fn start(mut exchange: impl FnMut(SocketAddr) + Send + 'static) -> Self {
        let (addrs, to_do) = mpsc::channel();
        let (finished, done) = mpsc::channel();
        thread::spawn(move || {
            for addr in to_do {
                exchange(addr);
                if finished.send(()).is_err() {
                    return;
                }
            }
        });
        RunningClient { addrs, done }
    }

    /// Begins an exchange.
    pub fn go(&self, addr: SocketAddr) {
        self.addrs.send(addr).expect("the client runs");
    }

    /// Returns when the exchange is over.
    pub fn wait(&self) {
        self.done.recv().expect("the client runs");
    }
}
