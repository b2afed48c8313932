//! A conversation in which the peer speaks first: it is an SMTP server for a hand-written client, then prints its
//! journal. Each answer says where the client's next turn ends.
//!
//! ```sh
//! cargo run --example smtp
//! ```
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use fake_peer::{Exchange, Framing, Response, Sequence, TcpServer};

fn main() -> Result<(), Box<dyn Error>> {
    // A command is a line; a message ends with a line of one dot.
    let command = || Framing::until("\r\n");
    let message = || Framing::until("\r\n.\r\n");
    let conversation = Sequence::new([
        Response::from("220 peer.example ESMTP\r\n").then(command()),
        Response::from("250-peer.example\r\n250 SIZE 1000000\r\n").then(command()),
        Response::from("250 sender ok\r\n").then(command()),
        Response::from("250 recipient ok\r\n").then(command()),
        Response::from("354 end with a line of one dot\r\n").then(message()),
        Response::from("250 queued\r\n").then(command()),
        Response::from("221 bye\r\n"),
    ]);
    let peer = TcpServer::builder()
        // The first request is complete before it begins: the greeting is sent at once.
        .framing(Framing::nothing())
        .source(conversation)
        .spawn()?
        .expect(7);

    let addr = peer.addr();
    let client = thread::spawn(move || send_mail(addr, "Subject: hello\r\n\r\n..two dots\r\n"));
    client.join().expect("the client did not panic")?;

    let journal = peer.finish()?;
    print!("{journal}");
    let requests: Vec<_> = journal.exchanges().map(Exchange::request).collect();
    assert!(requests[0].is_empty());
    requests[1].assert_bytes("EHLO client.example\r\n");
    requests[5].assert_bytes("Subject: hello\r\n\r\n..two dots\r\n.\r\n");
    Ok(())
}

/// The client under test. `message` is sent as it is: its lines end with CR LF, and a dot at the start of
/// a line is doubled.
fn send_mail(server: SocketAddr, message: &str) -> io::Result<()> {
    let stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut replies = BufReader::new(stream);
    expect(&mut replies, "220")?;
    for (command, code) in [
        ("EHLO client.example\r\n", "250"),
        ("MAIL FROM:<a@client.example>\r\n", "250"),
        ("RCPT TO:<b@peer.example>\r\n", "250"),
        ("DATA\r\n", "354"),
        (&format!("{message}.\r\n"), "250"),
        ("QUIT\r\n", "221"),
    ] {
        replies.get_mut().write_all(command.as_bytes())?;
        expect(&mut replies, code)?;
    }
    Ok(())
}

/// Reads one reply, which may have several lines: `250-` goes on, `250 ` is the last one.
fn expect(replies: &mut BufReader<TcpStream>, code: &str) -> io::Result<()> {
    loop {
        let mut line = String::new();
        replies.read_line(&mut line)?;
        match line.strip_prefix(code) {
            Some(rest) if rest.starts_with('-') => {}
            Some(rest) if rest.starts_with(' ') => return Ok(()),
            _ => return Err(io::Error::other(format!("expected {code}, got {line:?}"))),
        }
    }
}
