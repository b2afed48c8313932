//! async-nats: a server that says nothing, one that does not answer a PING, and one that pushes.

use std::time::Duration;

use async_nats::{Client, ConnectError, ConnectOptions};
use fake_peer::conversation::{exact, line_starting};
use fake_peer::{Conversation, Ending, Peer, PerConnection};
use fake_peer_test_support::{PATIENCE, assert_has, failure, finished};
use futures_util::StreamExt;

use crate::{IMPATIENCE, block_on};

const INFO: &str = "INFO {\"server_id\":\"peer\",\"version\":\"2.10.0\",\"max_payload\":1000}\r\n";

fn greeted() -> Conversation {
    Conversation::new().say(INFO).expect(line_starting("CONNECT {")).expect("PING\r\n")
}

fn url(peer: &Peer) -> String {
    format!("nats://{}", peer.addr())
}

/// The client under test.
async fn connect(peer: &Peer, timeout: Duration) -> Result<Client, ConnectError> {
    ConnectOptions::new().connection_timeout(timeout).connect(url(peer)).await
}

#[test]
fn a_server_that_does_not_greet_is_given_up() {
    let peer = Peer::answer(Conversation::new().ending(Ending::Hold));
    let error = block_on(connect(&peer, IMPATIENCE)).map(drop).expect_err("no greeting");
    assert_has(&error.to_string(), "timed out");
    finished(peer);
}

#[test]
fn a_ping_without_an_answer_is_given_up() {
    let peer = Peer::answer(greeted().ending(Ending::Hold));
    let error = block_on(connect(&peer, 10 * IMPATIENCE)).map(drop).expect_err("no answer");
    assert_has(&error.to_string(), "timed out");
    finished(peer);
}

/// After the first PING: it answers the next ones, and has a message for a subscriber. A client that leaves may say so or not.
fn with_a_message() -> Conversation {
    let new = Conversation::new;
    greeted().say("PONG\r\n").forever(new().one_of([
        (exact("PING\r\n"), new().say("PONG\r\n")),
        (exact("SUB news 1\r\n"), new().say("MSG news 1 5\r\nhello\r\n")),
        (exact("UNSUB 1\r\n"), new()),
    ]))
}

#[test]
fn a_message_is_pushed_to_a_subscriber() {
    let peer = Peer::answer(with_a_message());
    let message = block_on(async {
        let client = connect(&peer, PATIENCE).await.expect("a greeting");
        let mut news = client.subscribe("news").await.expect("a subscription");
        news.next().await.expect("a message")
    });
    assert_eq!(message.payload, "hello");
    finished(peer);
}

#[test]
fn a_client_whose_pings_get_no_answer_connects_again_and_subscribes_again() {
    // It reads everything, and says nothing.
    let deaf = greeted().say("PONG\r\n").ending(Ending::Hold);
    let peer = Peer::answer(PerConnection::new([deaf, with_a_message()]));
    let message = block_on(async {
        let options = ConnectOptions::new().ping_interval(3 * IMPATIENCE);
        let client = options.connect(url(&peer)).await.expect("a greeting");
        let mut news = client.subscribe("news").await.expect("a subscription");
        news.next().await.expect("a message")
    });
    assert_eq!(message.payload, "hello");
    assert_eq!(finished(peer).connections().len(), 2);
}

#[test]
fn a_client_that_says_something_else_is_reported() {
    let conversation = Conversation::new().say(INFO).expect(line_starting("CONNECT {"));
    let peer = Peer::answer(conversation.expect("SUB "));
    block_on(connect(&peer, PATIENCE)).map(drop).expect_err("the connection is closed");
    assert_has(
        &failure(peer),
        "turn 2 of the conversation differs from what was expected at byte 0",
    );
}
