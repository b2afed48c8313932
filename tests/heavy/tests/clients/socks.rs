//! tokio-socks: a connection through a SOCKS5 proxy (RFC 1928), one that is refused, and half an answer.

use fake_peer::{Conversation, Framing, Peer, faults};
use fake_peer_test_support::{assert_has, failure, finished};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_socks::Error;
use tokio_socks::tcp::Socks5Stream;

use crate::block_on;

/// The rest of an answer: an IPv4 address and a port.
const BOUND: &[u8] = b"\0\x01\0\0\0\0\0\0";

fn asked() -> Conversation {
    Conversation::new()
        .expect(b"\x05\x01\0")
        .say(b"\x05\0")
        .expect(b"\x05\x01\0\x03\x0bexample.com\0\x50")
}

/// The client under test: what an HTTP server on the other side of the proxy says.
fn get(peer: &Peer) -> Result<String, Error> {
    block_on(async {
        let mut stream = Socks5Stream::connect(peer.addr(), ("example.com", 80)).await?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    })
}

fn tunnel() -> Conversation {
    asked().say([b"\x05\0", BOUND].concat()).expect(Framing::http())
}

#[test]
fn what_comes_after_the_answer_is_the_tunnel() {
    let peer = Peer::answer(tunnel().say("HTTP/1.0 204 No Content\r\n\r\n"));
    assert_eq!(get(&peer).expect("an answer"), "HTTP/1.0 204 No Content\r\n\r\n");
    finished(peer);
}

#[test]
fn a_refusal_has_its_reason() {
    let peer = Peer::answer(asked().say([b"\x05\x05", BOUND].concat()));
    assert!(matches!(get(&peer), Err(Error::ConnectionRefused)));
    finished(peer);

    let peer = Peer::answer(Conversation::new().expect(b"\x05\x01\0").say(b"\x05\xff"));
    assert!(matches!(get(&peer), Err(Error::NoAcceptableAuthMethods)));
    finished(peer);
}

#[test]
fn an_answer_that_breaks_off_anywhere_is_an_error() {
    faults::sweep(faults::truncations(tunnel()), |case, peer| {
        assert!(matches!(get(peer), Err(Error::Io(_))), "{case}");
    })
    .expect("the client says nothing else");
}

#[test]
fn another_target_is_reported_at_its_first_byte() {
    let peer = Peer::answer(
        Conversation::new()
            .expect(b"\x05\x01\0")
            .say(b"\x05\0")
            .expect(b"\x05\x01\0\x01\x7f\0\0\x01\0\x50"),
    );
    get(&peer).expect_err("the connection is closed");
    assert_has(
        &failure(peer),
        "turn 2 of the conversation differs from what was expected at byte 3",
    );
}
