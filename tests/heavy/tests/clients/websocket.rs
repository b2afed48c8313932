//! tungstenite: a handshake, a message in fragments while the client speaks, and an end without a close frame; driven by hand.

use std::net::TcpStream;
use std::thread;

use fake_peer::{Connection, Ending, Framing, ManualPeer, Peer, http};
use fake_peer_test_support::{PATIENCE, assert_has, connect, failure, finished};
use tungstenite::error::ProtocolError;
use tungstenite::{Error, Message, WebSocket};

fn shake_hands(connection: &mut Connection) -> fake_peer::Result<()> {
    let request = connection.read(Framing::http())?.expect("a handshake");
    let key = request.header("Sec-WebSocket-Key").expect("a key");
    connection.send(http::websocket_accept(key))
}

/// A short frame of a client, masked: section 5.2 of RFC 6455.
fn frame() -> Framing {
    Framing::from_fn(|bytes| Some(2 + 4 + usize::from(bytes.get(1)? & 0x7f)))
}

/// The client under test.
fn open(peer: &Peer) -> WebSocket<TcpStream> {
    let stream = connect(peer.addr());
    let (client, response) =
        tungstenite::client(format!("ws://{}/chat", peer.addr()), stream).expect("a handshake");
    assert_eq!(response.status(), 101);
    client
}

#[test]
fn a_message_in_fragments_is_put_together() {
    let peer = Peer::builder().handle(|mut connection| {
        shake_hands(&mut connection)?;
        connection.send(b"\x01\x03one")?;
        // A ping may stand between two fragments.
        connection.send(b"\x89\x02hi\x00\x01 \x80\x03two")?;
        let pong = connection.read(frame())?.ok_or("no pong")?;
        assert_eq!(pong.bytes()[..2], [0x8a, 0x82]);
        let text = connection.read(frame())?.ok_or("no message")?;
        assert_eq!(text.bytes()[..2], [0x81, 0x85]);
        connection.read(frame())?.ok_or("no close frame")?;
        connection.send(b"\x88\0")?;
        Ok(())
    });
    let peer = peer.expect("a free port");
    let mut client = open(&peer);
    assert!(matches!(client.read(), Ok(Message::Ping(_))));
    assert_eq!(client.read().expect("a message").to_string(), "one two");
    client.send("hello".into()).expect("it is open");
    client.close(None).expect("it is open");
    while client.read().is_ok() {}
    drop(client);
    finished(peer);
}

#[test]
fn a_peer_pushes_while_its_client_speaks() {
    let peer: ManualPeer = Peer::builder().by_hand().expect("a free port");
    thread::scope(|scope| {
        let client = scope.spawn(|| {
            let mut client = open(&peer);
            let first = client.read().expect("a push").to_string();
            client.send("hello".into()).expect("it is open");
            [first, client.read().expect("another one").to_string()]
        });
        let mut connection = peer.accept(PATIENCE).expect("a connection");
        shake_hands(&mut connection).expect("a handshake");
        let (mut reader, sender) = connection.split();
        sender.send(b"\x81\x04push").expect("it is open");
        reader.read(frame()).expect("it is open").expect("a message");
        sender.send(b"\x81\x05again").expect("it is open");
        assert_eq!(client.join().expect("no panic"), ["push", "again"]);
    });
    peer.finish().expect("nothing is wrong");
}

#[test]
fn an_end_without_a_close_frame_is_an_error_of_the_client() {
    for ending in [Ending::Close, Ending::Reset] {
        let (case, at_the_end) = (format!("{ending:?}"), ending.clone());
        let peer = Peer::builder().handle(move |mut connection| {
            shake_hands(&mut connection)?;
            connection.send(b"\x81\x05hel")?;
            connection.end(at_the_end.clone());
            Ok(())
        });
        let peer = peer.expect("a free port");
        let mut client = open(&peer);
        let error = client.read().expect_err("half a frame");
        let is_expected = match &ending {
            Ending::Close => {
                matches!(error, Error::Protocol(ProtocolError::ResetWithoutClosingHandshake))
            }
            _ => matches!(error, Error::Io(_)),
        };
        assert!(is_expected, "{case}: {error:?}");
        drop(client);
        finished(peer);
    }
}

#[test]
fn a_client_that_says_nothing_more_is_reported_by_the_function() {
    let peer = Peer::builder().handle(|mut connection| {
        shake_hands(&mut connection)?;
        connection.read(frame())?.ok_or("no message")?;
        Ok(())
    });
    let peer = peer.expect("a free port");
    drop(open(&peer));
    assert_has(&failure(peer), "no message");
}
