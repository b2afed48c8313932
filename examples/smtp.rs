//! An SMTP server for a hand-written client: the conversation, then the journal. `smtp.script` is a longer one in a file.
//!
//! ```sh
//! cargo run --example smtp
//! ```
#![allow(clippy::print_stdout)]

use std::io::{BufRead, BufReader, Write};

use fake_peer::conversation::{glob, line_starting};
use fake_peer::{Conversation, Framing, Peer};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let peer = Peer::answer(
        Conversation::new()
            .say("220 peer.example ESMTP\r\n")
            .expect(line_starting("ehlo "))
            .say("250-peer.example\r\n250 SIZE 1000000\r\n")
            .expect(glob("mail FROM:<*>\r\n"))
            .say("250 sender ok\r\n")
            .expect("data\r\n")
            .say("354 end with a line of one dot\r\n")
            .expect(Framing::until("\r\n.\r\n"))
            .say("250 queued\r\n"),
    );
    // The client under test: each line is an answer to a reply, whose last line has a space after its code.
    let mut replies = BufReader::new(std::net::TcpStream::connect(peer.addr())?);
    for said in ["ehlo me\r\n", "mail FROM:<a@b>\r\n", "data\r\n", "..dot\r\n.\r\n", ""] {
        let mut reply = String::from("-");
        while reply.as_bytes().get(3) != Some(&b' ') {
            reply.clear();
            replies.read_line(&mut reply)?;
        }
        replies.get_mut().write_all(said.as_bytes())?;
    }
    drop(replies);
    print!("{}", peer.finish()?);
    Ok(())
}
