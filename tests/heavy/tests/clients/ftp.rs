//! suppaftp: a login, one that is refused, and files over a second connection, to a peer of its own.

use fake_peer::{Conversation, Ending, Peer, Response, faults};
use fake_peer_test_support::{assert_has, failure, finished};
use suppaftp::{FtpError, FtpStream};

fn logged_in() -> Conversation {
    Conversation::new()
        .say("220-peer\r\n220 ready\r\n")
        .expect("USER me\r\n")
        .say("331 and the password\r\n")
        .expect("PASS secret\r\n")
        .say("230 welcome\r\n")
}

/// The next file is on this peer.
fn passive(control: Conversation, data: &Peer) -> Conversation {
    let [high, low] = data.addr().port().to_be_bytes();
    control.expect("PASV\r\n").say(format!("227 Passive (127,0,0,1,{high},{low})\r\n"))
}

/// The client under test.
fn log_in(peer: &Peer) -> Result<FtpStream, FtpError> {
    let mut client = FtpStream::connect(peer.addr())?;
    client.login("me", "secret").map(|()| client)
}

#[test]
fn a_folder_is_listed_and_a_file_fetched_over_connections_of_their_own() {
    let folder = Peer::answer(Conversation::new().say("one.txt\r\ntwo.txt\r\n"));
    let file = Peer::answer(Conversation::new().say("the text\n"));
    let listed =
        passive(logged_in(), &folder).expect("LIST\r\n").say("150 here it comes\r\n226 done\r\n");
    let peer = Peer::answer(
        passive(listed, &file)
            .expect("RETR one.txt\r\n")
            .say("150 here it comes\r\n226 done\r\n")
            .expect("QUIT\r\n")
            .say("221 bye\r\n"),
    );
    let mut client = log_in(&peer).expect("it is welcome");
    assert_eq!(client.list(None).expect("a list"), ["one.txt", "two.txt"]);
    assert_eq!(client.retr_as_buffer("one.txt").expect("a file").into_inner(), b"the text\n");
    client.quit().expect("bye");
    drop(client);
    for peer in [peer, folder, file] {
        finished(peer);
    }
}

#[test]
fn a_refused_login_is_an_error_of_the_client() {
    let peer = Peer::answer(
        "< 220 ready
         > USER *
         < 331 and the password
         > PASS *
         < 530 not you"
            .parse::<Conversation>()
            .expect("a conversation"),
    );
    let error = log_in(&peer).map(drop).expect_err("it is not welcome");
    assert_has(&error.to_string(), "530");
    finished(peer);
}

#[test]
fn a_file_that_breaks_off_is_an_error_although_its_connection_is_closed_in_order() {
    let file = Peer::answer(Conversation::new().say("the"));
    let peer = Peer::answer(
        passive(logged_in(), &file)
            .expect("RETR one.txt\r\n")
            .say("150 here it comes\r\n426 connection lost\r\n"),
    );
    let mut client = log_in(&peer).expect("it is welcome");
    let error = client.retr_as_buffer("one.txt").expect_err("a part");
    assert_has(&error.to_string(), "426");
    drop(client);
    finished(peer);
    finished(file);
}

#[test]
fn a_data_connection_that_is_reset_leaves_the_other_one_open() {
    let file =
        Peer::answer(Conversation::new().say(Response::from("the text\n").cut(3, Ending::Reset)));
    let peer = Peer::answer(
        passive(logged_in(), &file).expect("RETR one.txt\r\n").say("150 here it comes\r\n"),
    );
    let mut client = log_in(&peer).expect("it is welcome");
    let error = client.retr_as_buffer("one.txt").expect_err("a reset");
    assert!(matches!(error, FtpError::ConnectionError(_)), "{error}");
    drop(client);
    finished(peer);
    finished(file);
}

#[test]
fn a_client_that_does_not_log_in_is_reported() {
    let peer = Peer::answer(logged_in());
    let mut client = FtpStream::connect(peer.addr()).expect("a greeting");
    client.pwd().expect_err("the connection is closed");
    drop(client);
    assert_has(
        &failure(peer),
        "turn 1 of the conversation differs from what was expected at byte 0",
    );
}

#[test]
fn a_reply_that_breaks_off_anywhere_is_an_error() {
    let folder = Peer::answer(Conversation::new().say("one.txt\r\n"));
    let listed = passive(logged_in(), &folder).expect("LIST\r\n").say("226 done\r\n");
    let cases = faults::truncations(listed).endings([Ending::Close]);
    faults::sweep(cases, |case, peer| {
        let list = log_in(peer).and_then(|mut client| client.list(None));
        assert!(list.is_err(), "{case}: {list:?}");
    })
    .expect("the client says nothing else");
    finished(folder);
}
