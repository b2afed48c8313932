//! lettre sends mail: a greeting of two lines, DATA, recipients that are refused, and the conversation of a file.

use fake_peer::conversation::{glob, line_starting};
use fake_peer::{Conversation, Ending, Framing, Peer, faults};
use fake_peer_test_support::{assert_has, failure, finished};
use lettre::Transport;
use lettre::message::Message;
use lettre::transport::smtp::{Error, SmtpTransport};

use crate::IMPATIENCE;

/// The client under test.
fn send(peer: &Peer, text: &str) -> Result<(), Error> {
    let mail = Message::builder()
        .from("a@client.example".parse().expect("an address"))
        .to("b@peer.example".parse().expect("an address"))
        .subject("hi")
        .body(text.to_owned())
        .expect("a mail");
    let transport = SmtpTransport::builder_dangerous("127.0.0.1")
        .port(peer.addr().port())
        .timeout(Some(IMPATIENCE * 50))
        .build();
    transport.send(&mail).map(drop)
}

/// Up to the answer to the recipient.
fn greeted(recipient: &str) -> Conversation {
    Conversation::new()
        .say("220-peer.example\r\n220 at your service\r\n")
        .expect(line_starting("EHLO "))
        .say("250-peer.example\r\n250 8BITMIME\r\n")
        .expect("MAIL FROM:<a@client.example>\r\n")
        .say("250 sender ok\r\n")
        .expect(glob("RCPT TO:<*>\r\n"))
        .say(recipient.as_bytes())
}

fn taking_a_mail() -> Conversation {
    greeted("250 recipient ok\r\n")
        .expect("DATA\r\n")
        .say("354 go on\r\n")
        .expect(Framing::until("\r\n.\r\n"))
        .say("250 queued\r\n")
        .expect("QUIT\r\n")
        .say("221 bye\r\n")
}

#[test]
fn a_mail_is_taken_as_it_is_on_the_wire() {
    let peer = Peer::answer(taking_a_mail());
    send(&peer, ".a line that begins with a dot").expect("it is taken");
    let journal = finished(peer);
    let message = journal.requests().nth(5).expect("after nothing, EHLO, MAIL, RCPT and DATA");
    let text = String::from_utf8_lossy(message.bytes());
    assert!(text.starts_with("From: a@client.example\r\nTo: b@peer.example\r\n"), "{text}");
    assert!(text.ends_with("\r\n\r\n..a line that begins with a dot\r\n.\r\n"), "{text}");
}

#[test]
fn a_recipient_that_is_refused_ends_the_mail() {
    let refused = || greeted("550 no such user\r\n");
    let peer = Peer::answer(refused().expect("QUIT\r\n").say("221 bye\r\n"));
    let error = send(&peer, "hello").expect_err("no recipient is left");
    assert_eq!(error.status().map(|code| code.to_string()).as_deref(), Some("550"), "{error}");
    finished(peer);

    // A peer that expects more than the client says.
    let peer = Peer::answer(refused().expect("DATA\r\n").say("354 go on\r\n"));
    send(&peer, "hello").expect_err("no recipient is left");
    assert_has(
        &failure(peer),
        "turn 4 of the conversation differs from what was expected at byte 0",
    );

    // And one that expects less.
    let peer = Peer::answer(refused());
    send(&peer, "hello").expect_err("no recipient is left");
    assert_has(
        &failure(peer),
        "the client sent 6 bytes after the last turn of the conversation: \"QUIT\\r\\n\"",
    );
}

#[test]
fn a_reply_that_breaks_off_anywhere_is_an_error_unless_the_mail_was_queued() {
    let cases = faults::truncations(taking_a_mail()).endings([Ending::Close]);
    faults::sweep(cases, |case, peer| {
        let is_queued = case.name().starts_with("answer 7:");
        assert_eq!(send(peer, "hello").is_ok(), is_queued, "{case}");
    })
    .expect("no client says anything else");
}

#[test]
fn the_example_in_a_file_takes_the_mail() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/smtp.script");
    let script = Conversation::from_file(path).expect("a conversation");
    let peer = Peer::answer(script);
    send(&peer, "hello").expect("it is taken");
    finished(peer);
}
