//! rumqttc: a PUBACK that is lost and what comes of it on the next connection, and a message that arrives while it subscribes.

use fake_peer::conversation::{exact, matching};
use fake_peer::{Conversation, Ending, Framing, LengthPrefix, Peer, PerConnection, Request};
use fake_peer_test_support::{PATIENCE, assert_has, failure, finished};
use rumqttc::{Client, Connection, Event, MqttOptions, Packet, QoS};

const CONNECTED: &[u8] = b"\x20\x02\0\0";
const CONNECTED_TO_A_SESSION: &[u8] = b"\x20\x02\x01\0";

/// A packet of this type, shorter than 128 bytes: its length is one byte.
fn packet(name: &str, kind: u8) -> fake_peer::conversation::Expect {
    let framing = Framing::length_prefixed(LengthPrefix::big_endian(1).at(1));
    matching(name, framing, move |request: &Request| request.bytes()[0] >> 4 == kind)
}

fn connected(connack: &[u8]) -> Conversation {
    Conversation::new().expect(packet("a CONNECT", 1)).say(connack)
}

/// The client under test.
fn client(peer: &Peer) -> (Client, Connection) {
    let mut options = MqttOptions::new("me", "127.0.0.1", peer.addr().port());
    options.set_clean_session(false);
    Client::new(options, 10)
}

/// What arrives until the client has this packet; errors of connections that end are passed over.
#[track_caller]
fn received(connection: &mut Connection, last: impl Fn(&Packet) -> bool) -> Vec<Packet> {
    let mut packets = Vec::new();
    // It connects again for ever.
    for _ in 0..100 {
        match connection.recv_timeout(PATIENCE).expect("something happens") {
            Ok(Event::Incoming(packet)) => packets.push(packet),
            Ok(Event::Outgoing(_)) | Err(_) => {}
        }
        if packets.last().is_some_and(&last) {
            return packets;
        }
    }
    panic!("the last packet among {packets:?}");
}

/// A DISCONNECT is the last that the client says.
fn disconnect(client: &Client, connection: &mut Connection) {
    client.disconnect().expect("room in its queue");
    while connection.recv_timeout(PATIENCE).is_ok_and(|event| event.is_ok()) {}
}

#[test]
fn a_message_whose_acknowledgement_was_lost_is_sent_again_on_the_next_connection() {
    let publish = || packet("a PUBLISH", 3);
    let peer = Peer::answer(PerConnection::new([
        connected(CONNECTED).expect(publish()).ending(Ending::Close),
        connected(CONNECTED_TO_A_SESSION)
            .expect(publish())
            .say(b"\x40\x02\0\x01")
            .expect(b"\xe0\0"),
    ]));
    let (client, mut connection) = client(&peer);
    client.publish("news", QoS::AtLeastOnce, false, "hello").expect("room in its queue");
    received(&mut connection, |packet| matches!(packet, Packet::PubAck(_)));
    disconnect(&client, &mut connection);
    let journal = finished(peer);
    let published: Vec<_> =
        journal.requests().map(Request::bytes).filter(|bytes| bytes[0] >> 4 == 3).collect();
    // Section 3.3.1.1 of MQTT 3.1.1 asks for the flag DUP, 0x08, in the second one: this client does not set it.
    assert_eq!(published, [b"\x32\x0d\0\x04news\0\x01hello"; 2]);
}

#[test]
fn a_message_that_arrives_before_the_subscription_is_confirmed_is_not_lost() {
    let peer = Peer::answer(
        connected(CONNECTED)
            .expect(b"\x82\x09\0\x01\0\x04news\x00")
            .say(b"\x30\x0b\0\x04newshello")
            .say(b"\x90\x03\0\x01\0")
            .expect(b"\xe0\0"),
    );
    let (client, mut connection) = client(&peer);
    client.subscribe("news", QoS::AtMostOnce).expect("room in its queue");
    let packets = received(&mut connection, |packet| matches!(packet, Packet::SubAck(_)));
    assert!(
        matches!(&packets[1], Packet::Publish(publish) if publish.payload == "hello"),
        "{packets:?}"
    );
    disconnect(&client, &mut connection);
    finished(peer);
}

#[test]
fn a_client_that_only_connects_is_reported_with_what_it_should_have_said() {
    let peer = Peer::answer(connected(CONNECTED).expect(packet("a SUBSCRIBE", 8)));
    let (client, mut connection) = client(&peer);
    disconnect(&client, &mut connection);
    assert_has(
        &failure(peer),
        "turn 2 of the conversation differs from what was expected\n  expected a SUBSCRIBE\n    actual \"\\xe0\\x00\"",
    );
}

#[test]
fn each_message_is_acknowledged_with_its_own_identifier_between_pings() {
    let new = Conversation::new;
    let peer = Peer::answer(connected(CONNECTED).forever(new().one_of([
        (
            packet("a PUBLISH", 3),
            // The identifier comes after the topic.
            new().say_with(|request| {
                let [high, low] = [2, 3].map(|at| usize::from(request.bytes()[at]));
                let at = 4 + (high << 8 | low);
                [b"\x40\x02", &request.bytes()[at..at + 2]].concat()
            }),
        ),
        (exact(b"\xc0\0"), new().say(b"\xd0\0")),
        (exact(b"\xe0\0"), new().ending(Ending::Close)),
    ])));
    let (client, mut connection) = client(&peer);
    for (id, topic) in [(1, "news"), (2, "more/news"), (3, "n")] {
        client.publish(topic, QoS::AtLeastOnce, false, "hello").expect("room in its queue");
        let packets = received(&mut connection, |packet| matches!(packet, Packet::PubAck(_)));
        let Some(Packet::PubAck(acknowledged)) = packets.last() else { panic!("{packets:?}") };
        assert_eq!(acknowledged.pkid, id);
    }
    disconnect(&client, &mut connection);
    finished(peer);
}
