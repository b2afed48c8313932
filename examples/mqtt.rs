//! A protocol whose lengths take one to four bytes: the peer is an MQTT 3.1.1 broker for a hand-written client, then prints its
//! journal. A closure says where a packet ends.
//!
//! ```sh
//! cargo run --example mqtt
//! ```
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use fake_peer::{Framing, Peer, Response};

const CONNECT: u8 = 0x10;
/// At least once: the broker acknowledges it.
const PUBLISH: u8 = 0x32;
const DISCONNECT: u8 = 0xe0;

fn main() -> Result<(), Box<dyn Error>> {
    let peer = Peer::builder()
        .framing(Framing::from_fn(packet_length))
        .source_with(|request| match request.bytes() {
            // CONNACK: accepted.
            [CONNECT, ..] => Response::from(b"\x20\x02\0\0").keep_open(),
            // PUBACK, for the one packet identifier that the client uses.
            [PUBLISH, ..] => Response::from(b"\x40\x02\0\x07").keep_open(),
            // A broker closes after DISCONNECT, and after what it doesn't understand.
            _ => Response::new(),
        })
        .spawn()?
        .expect(3);

    let addr = peer.addr();
    let client = thread::spawn(move || publish(addr, "greetings", &[b'x'; 300]));
    client.join().expect("the client did not panic")?;

    let journal = peer.finish()?;
    print!("{journal}");
    let packets: Vec<_> = journal.requests().collect();
    packets[0].assert_bytes(b"\x10\x0e\0\x04MQTT\x04\x02\0\0\0\x02me");
    // 313 bytes follow the length: 0x39 + 2 * 128.
    assert!(packets[1].bytes().starts_with(b"\x32\xb9\x02\0\x09greetings\0\x07xxx"));
    assert_eq!(packets[1].len(), 3 + 313);
    packets[2].assert_bytes(b"\xe0\0");
    Ok(())
}

/// How long the packet at the beginning of `bytes` is, if that is known: a type, a length of one to four bytes, the rest (MQTT
/// 3.1.1 section 2.2). Of each byte of the length seven bits count, the first ones least, and the eighth says that more follow.
pub(crate) fn packet_length(bytes: &[u8]) -> Option<usize> {
    let mut rest = 0;
    for (index, byte) in (0..4).zip(bytes.get(1..)?) {
        rest |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some(2 + index + rest);
        }
    }
    // Four bytes, each of which says that more follow: the packet ends there, so that a test sees it.
    (bytes.len() >= 5).then_some(5)
}

/// The client under test.
fn publish(server: SocketAddr, topic: &str, message: &[u8]) -> io::Result<()> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    // Protocol level 4, a clean session, no keep-alive, the client's name.
    send(&mut stream, CONNECT, b"\0\x04MQTT\x04\x02\0\0\0\x02me")?;
    expect(&mut stream, [0x20, 2, 0, 0])?;

    let topic_length = u16::try_from(topic.len()).map_err(io::Error::other)?;
    let identifier = [0, 7];
    let packet = [&topic_length.to_be_bytes()[..], topic.as_bytes(), &identifier, message].concat();
    send(&mut stream, PUBLISH, &packet)?;
    expect(&mut stream, [0x40, 2, 0, 7])?;

    send(&mut stream, DISCONNECT, b"")
}

fn send(stream: &mut TcpStream, kind: u8, rest: &[u8]) -> io::Result<()> {
    let mut packet = vec![kind];
    let mut length = rest.len();
    loop {
        let [seven_bits, ..] = (length % 0x80).to_le_bytes();
        length /= 0x80;
        packet.push(if length > 0 { seven_bits | 0x80 } else { seven_bits });
        if length == 0 {
            break;
        }
    }
    packet.extend_from_slice(rest);
    stream.write_all(&packet)
}

fn expect(stream: &mut TcpStream, packet: [u8; 4]) -> io::Result<()> {
    let mut received = [0; 4];
    stream.read_exact(&mut received)?;
    if received == packet {
        Ok(())
    } else {
        Err(io::Error::other(format!("expected {packet:02x?}, got {received:02x?}")))
    }
}
