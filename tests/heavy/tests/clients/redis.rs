//! redis-rs: commands that a conversation compares, an error, half a reply, and what it says by itself when it connects.

use fake_peer::conversation::exact;
use fake_peer::{Conversation, Ending, Framing, Peer, faults};
use fake_peer_test_support::{PATIENCE, assert_has, failure, finished};
use redis::{Client, Connection, IntoConnectionInfo, TypedCommands};

/// The client under test.
fn client(peer: &Peer) -> Client {
    Client::open(format!("redis://{}", peer.addr())).expect("an address")
}

/// A client that says nothing by itself.
fn connect(peer: &Peer) -> Connection {
    let info = client(peer).get_connection_info().clone();
    let settings = info.redis_settings().clone().set_skip_set_lib_name();
    let info = info.set_redis_settings(settings).into_connection_info();
    Client::open(info.expect("an address"))
        .and_then(|client| client.get_connection_with_timeout(PATIENCE))
        .expect("a connection")
}

/// A command as it is on the wire.
fn command(words: &[&str]) -> String {
    let strings = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len()));
    format!("*{}\r\n{}", words.len(), strings.collect::<String>())
}

/// Any command whose strings have one line each: the count, then two lines for each string.
fn any_command() -> Framing {
    Framing::from_fn(|bytes| {
        let mut ends = (1..).zip(bytes).filter(|(_, byte)| **byte == b'\n').map(|(end, _)| end);
        let count = std::str::from_utf8(&bytes[1..ends.next()?]).ok()?.trim_end();
        ends.nth(2 * count.parse::<usize>().ok()? - 1)
    })
}

fn commands() -> Conversation {
    Conversation::new()
        .expect(command(&["SET", "key", "value"]))
        .say("+OK\r\n")
        .expect(command(&["GET", "key"]))
        .say("$5\r\nvalue\r\n")
}

fn commands_and_an_error() -> Conversation {
    commands()
        .expect(command(&["INCRBY", "key", "1"]))
        .say("-ERR value is not an integer or out of range\r\n")
        .expect(command(&["GET", "other"]))
        .say("$-1\r\n")
}

#[test]
fn commands_get_their_replies_and_one_an_error() {
    let peer = Peer::answer(commands_and_an_error());
    let mut client = connect(&peer);
    client.set("key", "value").expect("it is set");
    assert_eq!(client.get("key").expect("it is there").as_deref(), Some("value"));
    let error = client.incr("key", 1).expect_err("no number");
    assert_has(&error.to_string(), "value is not an integer");
    assert_eq!(client.get("other").expect("an answer"), None);
    drop(client);
    finished(peer);
}

#[test]
fn another_command_than_the_expected_one_is_reported_with_both() {
    let peer = Peer::answer(commands_and_an_error());
    let mut client = connect(&peer);
    client.set("key", "value").expect("it is set");
    client.get("kez").expect_err("the connection is closed");
    drop(client);
    assert_has(
        &failure(peer),
        "turn 2 of the conversation differs from what was expected at byte 19",
    );
}

#[test]
fn a_client_that_stops_early_is_reported_with_what_it_should_have_said() {
    let peer = Peer::answer(commands_and_an_error());
    connect(&peer).set("key", "value").expect("it is set");
    assert_has(
        &failure(peer),
        "connection 1 stopped after turn 1 of the conversation: its client should have said \
         \"*2\\r\\n$3\\r\\nGET\\r\\n$3\\r\\nkey\\r\\n\" next",
    );
}

#[test]
fn half_a_reply_is_an_error_of_the_client_however_the_connection_ends() {
    faults::sweep(faults::truncations(commands()), |case, peer| {
        let mut client = connect(peer);
        let value = client.set("key", "value").and_then(|()| client.get("key"));
        assert!(value.is_err_and(|error| error.is_connection_dropped()), "{case}");
    })
    .expect("the client says nothing else");
}

#[test]
fn what_the_client_says_by_itself_is_answered_too() {
    let peer = Peer::answer(
        Conversation::new()
            .repeat(2, Conversation::new().expect(any_command()).say("+OK\r\n"))
            .expect(command(&["PING"]))
            .say("+PONG\r\n"),
    );
    let mut connection = client(&peer).get_connection().expect("a connection");
    assert_eq!(connection.ping().expect("an answer"), "PONG");
    drop(connection);
    let journal = finished(peer);
    let first = journal.requests().next().expect("a command");
    assert!(first.bytes().starts_with(b"*4\r\n$6\r\nCLIENT\r\n$7\r\nSETINFO\r\n"), "{journal}");
}

#[test]
fn every_other_command_gets_an_error_as_a_server_gives_it() {
    let new = Conversation::new;
    let peer = Peer::answer(new().forever(new().one_of([
        (exact(command(&["PING"])), new().say("+PONG\r\n")),
        (exact(command(&["QUIT"])), new().say("+OK\r\n").ending(Ending::Close)),
        (any_command().into(), new().say("-ERR unknown command\r\n")),
    ])));
    // The first connection's settings are refused, which this client ignores.
    let mut connection = client(&peer).get_connection().expect("a connection");
    assert_eq!(connection.ping().expect("an answer"), "PONG");
    let error = connection.set("key", "value").expect_err("no such command");
    assert_has(&error.to_string(), "unknown command");
    assert_eq!(connection.ping().expect("an answer"), "PONG");
    drop(connection);
    finished(peer);
}
