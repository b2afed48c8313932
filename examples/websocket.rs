//! A peer that speaks WebSocket (RFC 6455), driven by hand: it pushes messages while it waits for its client, and ends with half a
//! frame and a reset.
//!
//! ```sh
//! cargo run --example websocket
//! ```
#![allow(clippy::print_stdout)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use fake_peer::{Ending, Framing, Peer, http};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let peer = Peer::builder().by_hand()?;
    let addr = peer.addr();
    let client = thread::spawn(move || client(addr).expect("a peer that speaks WebSocket"));

    let mut connection = peer.accept(Duration::from_secs(10))?;
    let request = connection.read(Framing::http())?.expect("a handshake");
    let key = request.header("Sec-WebSocket-Key").expect("a key");
    connection.send(http::websocket_accept(key))?;

    // Two threads: one waits for the client, one pushes.
    let (mut reader, sender) = connection.split();
    let pushing = thread::spawn({
        let sender = sender.clone();
        move || ["one", "two"].iter().try_for_each(|text| sender.send(text_frame(text)))
    });
    let message = reader.read(frame())?.expect("a message");
    println!("the client says: {}", unmasked(message.bytes()));
    pushing.join().expect("no panic")?;
    // Half a frame, then the connection is reset: a close frame never comes.
    sender.send(&text_frame("three")[..4])?;
    sender.end(Ending::Reset);

    println!("the client has: {:?}", client.join().expect("no panic"));
    peer.finish()?;
    Ok(())
}

/// A short frame of a client, masked: section 5.2.
fn frame() -> Framing {
    Framing::from_fn(|bytes| Some(2 + 4 + usize::from(bytes.get(1)? & 0x7f)))
}

/// A short text in one frame.
fn text_frame(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).expect("a short text");
    [&[0x81, length], text.as_bytes()].concat()
}

/// The text of a client's frame.
fn unmasked(frame: &[u8]) -> String {
    let (mask, text) = frame[2..].split_at(4);
    let bytes = text.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask);
    String::from_utf8_lossy(&bytes.collect::<Vec<_>>()).into_owned()
}

/// The client under test; here by hand. What it got until the connection broke.
fn client(addr: std::net::SocketAddr) -> std::io::Result<Vec<String>> {
    let mut stream = TcpStream::connect(addr)?;
    stream.write_all(
        b"GET /chat HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    )?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    // Masked with zeros.
    stream.write_all(b"\x81\x85\0\0\0\0hello")?;
    let mut texts = Vec::new();
    loop {
        let mut head = [0; 2];
        if stream.read_exact(&mut head).is_err() {
            return Ok(texts);
        }
        let mut text = vec![0; usize::from(head[1])];
        match stream.read_exact(&mut text) {
            Ok(()) => texts.push(String::from_utf8_lossy(&text).into_owned()),
            Err(error) => texts.push(format!("{error}")),
        }
    }
}
