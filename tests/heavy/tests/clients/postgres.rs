//! tokio-postgres: its start-up, a query, and an error in the middle of the rows.

use fake_peer::{Conversation, Ending, Framing, LengthPrefix, Peer, faults};
use fake_peer_test_support::{assert_has, failure, finished};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Config, Error, NoTls, SimpleQueryMessage};

use crate::block_on;

/// A message of the server: its type, its length without that, its body.
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).expect("a short message");
    [&[kind], &length.to_be_bytes()[..], body].concat()
}

fn ready() -> Vec<u8> {
    message(b'Z', b"I")
}

/// A column called `n`, of text.
fn columns() -> Vec<u8> {
    message(b'T', b"\0\x01n\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0")
}

fn row(text: [u8; 3]) -> Vec<u8> {
    message(b'D', &[b"\0\x01\0\0\0\x03", &text[..]].concat())
}

fn started() -> Conversation {
    Conversation::new()
        .expect(Framing::length_prefixed(LengthPrefix::big_endian(4).counts_all()))
        .say([message(b'R', &[0; 4]), ready()].concat())
}

/// The client under test: the first column of all rows.
fn query(peer: &Peer) -> Result<Vec<String>, Error> {
    let mut config = Config::new();
    config.host("127.0.0.1").port(peer.addr().port()).user("me");
    block_on(async {
        let (client, connection) = config.connect(NoTls).await?;
        let texts = async {
            let messages = client.simple_query("SELECT n").await;
            drop(client);
            Ok(messages?
                .iter()
                .filter_map(|message| match message {
                    SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                    _ => None,
                })
                .collect())
        };
        let (texts, _) = tokio::join!(texts, connection);
        texts
    })
}

fn two_rows() -> Conversation {
    started()
        .expect(message(b'Q', b"SELECT n\0"))
        .say(
            [columns(), row(*b"one"), row(*b"two"), message(b'C', b"SELECT 2\0"), ready()].concat(),
        )
        .expect(message(b'X', b""))
}

#[test]
fn a_query_gets_its_rows() {
    let peer = Peer::answer(two_rows());
    assert_eq!(query(&peer).expect("rows"), ["one", "two"]);
    let journal = finished(peer);
    journal
        .requests()
        .next()
        .expect("a start")
        .assert_bytes(b"\0\0\0\x26\0\x03\0\0client_encoding\0UTF8\0user\0me\0\0");
}

#[test]
fn an_error_after_a_row_is_that_of_the_query() {
    let error = message(b'E', b"SERROR\0C57014\0Mcanceled\0\0");
    let peer = Peer::answer(
        started()
            .expect(message(b'Q', b"SELECT n\0"))
            .say([columns(), row(*b"one"), error, ready()].concat())
            .expect(message(b'X', b"")),
    );
    let error = query(&peer).expect_err("it was canceled");
    assert_eq!(error.code().map(SqlState::code), Some("57014"), "{error}");
    finished(peer);
}

#[test]
fn rows_that_break_off_anywhere_are_an_error() {
    let cases = faults::truncations(two_rows()).endings([Ending::Close]);
    faults::sweep(cases, |case, peer| {
        assert!(query(peer).is_err(), "{case}");
    })
    .expect("the client says nothing else");
}

#[test]
fn a_client_that_asks_for_something_else_is_reported() {
    let peer = Peer::answer(started().expect(message(b'Q', b"SELECT m\0")).say(ready()));
    query(&peer).expect_err("the connection is closed");
    assert_has(
        &failure(peer),
        "turn 2 of the conversation differs from what was expected at byte 12",
    );
}
