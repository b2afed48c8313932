//! Protocols with several turns, with hand-written clients: peers that speak first, a framing for each turn, and
//! answers that are computed from the request.

use std::io::Write;
use std::net::{Shutdown, TcpStream};

use fake_peer::{Framing, Journal, Peer, Request, RequestEnd, Response, Sequence};
use fake_peer_test_support::{
    connect, end_of_file, expect_bytes, finished, patient, read_all, spawned,
};

/// One turn of a conversation: the client sends text, and reads an answer of known length.
#[track_caller]
fn turn(client: &mut TcpStream, said: &[u8], heard: &[u8]) {
    client.write_all(said).expect("room for a small request");
    expect_bytes(client, heard, &format!("after {}", said.escape_ascii()));
}

/// The same, one byte at a time: no framing may depend on how the bytes were split.
#[track_caller]
fn turn_bytewise(client: &mut TcpStream, said: &[u8], heard: &[u8]) {
    for byte in said {
        client.write_all(&[*byte]).expect("room for a byte");
    }
    expect_bytes(client, heard, &format!("after {}, byte by byte", said.escape_ascii()));
}

type Turn = fn(&mut TcpStream, &[u8], &[u8]);

const TURNS: [Turn; 2] = [turn, turn_bytewise];

#[track_caller]
fn assert_requests(journal: &Journal, expected: &[&[u8]]) {
    let requests: Vec<_> = journal.exchanges().map(|exchange| exchange.request().bytes()).collect();
    assert_eq!(requests, expected, "{journal}");
    for exchange in journal.exchanges() {
        assert_eq!(exchange.request().end(), RequestEnd::Complete, "{exchange}");
    }
}

// SMTP, RFC 5321.

const MESSAGE: &[u8] =
    b"Subject: greetings\r\n\r\nA line.\r\n..A line that begins with a dot.\r\n\xff\x00\r\n.\r\n";

/// A script: one answer after another, each with the framing of the turn that follows it.
fn smtp_script() -> Sequence {
    let line = || Framing::until("\r\n");
    Sequence::new([
        Response::from("220 mail.test ESMTP\r\n").then(line()),
        Response::from("250-mail.test\r\n250 8BITMIME\r\n").keep_open(),
        Response::from("250 sender ok\r\n").keep_open(),
        Response::from("250 recipient ok\r\n").keep_open(),
        Response::from("354 go ahead\r\n").then(Framing::until("\r\n.\r\n")),
        Response::from("250 queued\r\n").then(line()),
        Response::from("221 bye\r\n"),
    ])
}

/// The same as a closure that looks at the request.
fn smtp_by_verb(request: &Request) -> Response {
    let line = Framing::until("\r\n");
    match request.bytes() {
        b"" => Response::from("220 mail.test ESMTP\r\n").then(line),
        bytes if bytes.starts_with(b"EHLO ") => {
            Response::from("250-mail.test\r\n250 8BITMIME\r\n").keep_open()
        }
        bytes if bytes.starts_with(b"MAIL ") => Response::from("250 sender ok\r\n").keep_open(),
        bytes if bytes.starts_with(b"RCPT ") => Response::from("250 recipient ok\r\n").keep_open(),
        b"DATA\r\n" => Response::from("354 go ahead\r\n").then(Framing::until("\r\n.\r\n")),
        b"QUIT\r\n" => Response::from("221 bye\r\n"),
        bytes if bytes.ends_with(b"\r\n.\r\n") => Response::from("250 queued\r\n").then(line),
        _ => Response::from("500 what?\r\n").keep_open(),
    }
}

#[track_caller]
fn send_mail(peer: &Peer, turn: Turn) {
    let mut client = connect(peer);
    expect_bytes(&mut client, b"220 mail.test ESMTP\r\n", "the greeting");
    turn(&mut client, b"EHLO client.test\r\n", b"250-mail.test\r\n250 8BITMIME\r\n");
    turn(&mut client, b"MAIL FROM:<a@client.test>\r\n", b"250 sender ok\r\n");
    turn(&mut client, b"RCPT TO:<b@mail.test>\r\n", b"250 recipient ok\r\n");
    turn(&mut client, b"DATA\r\n", b"354 go ahead\r\n");
    turn(&mut client, MESSAGE, b"250 queued\r\n");
    turn(&mut client, b"QUIT\r\n", b"221 bye\r\n");
    end_of_file(&mut client, "after the last answer");
}

const MAIL: [&[u8]; 7] = [
    b"",
    b"EHLO client.test\r\n",
    b"MAIL FROM:<a@client.test>\r\n",
    b"RCPT TO:<b@mail.test>\r\n",
    b"DATA\r\n",
    MESSAGE,
    b"QUIT\r\n",
];

#[test]
fn a_mail_is_taken_by_a_script() {
    for turn in TURNS {
        let peer = spawned(patient().framing(Framing::nothing()).source(smtp_script())).expect(7);
        send_mail(&peer, turn);
        assert_requests(&finished(peer), &MAIL);
    }
}

#[test]
fn mails_are_taken_by_a_closure_whoever_sends_them() {
    let peer = spawned(patient().framing(Framing::nothing()).source(smtp_by_verb));
    for turn in TURNS {
        send_mail(&peer, turn);
    }
    let journal = finished(peer);
    assert_eq!(journal.connections().len(), 2);
    for record in journal.connections() {
        let requests: Vec<_> =
            record.exchanges().iter().map(|exchange| exchange.request().bytes()).collect();
        assert_eq!(requests, MAIL, "{record}");
    }
}

#[test]
fn commands_in_one_write_are_answered_one_by_one() {
    let peer = spawned(patient().framing(Framing::nothing()).source(smtp_script()));
    let mut client = connect(&peer);
    // And without waiting for the greeting: RFC 2920 does not allow that, but clients do it.
    client.write_all(&MAIL.concat()).expect("room for a small request");
    assert_eq!(
        read_all(&mut client).escape_ascii().to_string(),
        b"220 mail.test ESMTP\r\n250-mail.test\r\n250 8BITMIME\r\n250 sender ok\r\n250 recipient ok\r\n\
          354 go ahead\r\n250 queued\r\n221 bye\r\n"
            .escape_ascii()
            .to_string()
    );
    drop(client);
    assert_requests(&finished(peer), &MAIL);
}

#[test]
fn a_client_that_leaves_in_the_middle_of_its_mail_is_in_the_journal() {
    let builder = patient().framing(Framing::nothing()).clients_may_leave_early();
    let peer = spawned(builder.source(smtp_by_verb));
    let mut client = connect(&peer);
    expect_bytes(&mut client, b"220 mail.test ESMTP\r\n", "the greeting");
    turn(&mut client, b"DATA\r\n", b"354 go ahead\r\n");
    client.write_all(b"Subject: half\r\n").expect("room for half a mail");
    client.shutdown(Shutdown::Write).expect("an open socket");
    read_all(&mut client);
    drop(client);
    let journal = finished(peer);
    let last = journal.exchanges().last().expect("three exchanges");
    assert_eq!(last.request().bytes(), b"Subject: half\r\n", "{journal}");
    assert_eq!(last.request().end(), RequestEnd::ClientClosed, "{journal}");
}

#[test]
fn a_client_that_only_reads_the_greeting_is_no_failure() {
    let peer = spawned(
        patient()
            .framing(Framing::nothing())
            .source(|_: &Request| Response::from("220 hi\r\n").then(Framing::until("\r\n"))),
    );
    let mut client = connect(&peer);
    expect_bytes(&mut client, b"220 hi\r\n", "the greeting");
    drop(client);
    assert_requests(&finished(peer), &[b""]);
}

// FTP, RFC 959: the data comes over a second connection, to a second peer.

#[test]
fn a_file_is_fetched_over_a_second_connection() {
    let data = spawned(patient().framing(Framing::nothing()).source(b"line\r\n\0\xe9\n")).expect(1);
    let [high, low] = data.port().to_be_bytes();
    let control =
        spawned(patient().framing(Framing::nothing()).source(move |request: &Request| {
            let answer = match request.bytes() {
                b"" => return Response::from("220 files\r\n").then(Framing::until("\r\n")),
                b"USER anonymous\r\n" => "331 password?\r\n".to_owned(),
                b"PASS guest\r\n" => "230 welcome\r\n".to_owned(),
                b"PASV\r\n" => format!("227 Entering Passive Mode (127,0,0,1,{high},{low})\r\n"),
                b"RETR file\r\n" => "150 here it comes\r\n226 done\r\n".to_owned(),
                b"QUIT\r\n" => return Response::from("221 bye\r\n"),
                _ => "500 what?\r\n".to_owned(),
            };
            Response::from(answer).keep_open()
        }));
    let mut client = connect(&control);
    expect_bytes(&mut client, b"220 files\r\n", "the greeting");
    turn(&mut client, b"USER anonymous\r\n", b"331 password?\r\n");
    turn(&mut client, b"PASS guest\r\n", b"230 welcome\r\n");
    let passive = format!("227 Entering Passive Mode (127,0,0,1,{high},{low})\r\n");
    turn(&mut client, b"PASV\r\n", passive.as_bytes());
    turn(&mut client, b"RETR file\r\n", b"150 here it comes\r\n226 done\r\n");
    let mut file = connect(&data);
    assert_eq!(read_all(&mut file), b"line\r\n\0\xe9\n", "the file");
    drop(file);
    assert_requests(&finished(data), &[b""]);
    turn(&mut client, b"QUIT\r\n", b"221 bye\r\n");
    end_of_file(&mut client, "after the last answer");
    assert_eq!(finished(control).exchanges().count(), 6);
}

// Redis: RESP, one array of bulk strings for each command.

/// The number on the line that begins at `start` with `mark`, and where the next line begins.
fn number(bytes: &[u8], start: usize, mark: u8) -> Option<(usize, usize)> {
    let line = bytes.get(start..)?;
    let end = line.windows(2).position(|pair| pair == b"\r\n")?;
    let digits = line[..end].strip_prefix(&[mark])?;
    Some((std::str::from_utf8(digits).ok()?.parse().ok()?, start + end + 2))
}

fn command_length(bytes: &[u8]) -> Option<usize> {
    let (count, mut at) = number(bytes, 0, b'*')?;
    for _ in 0..count {
        let (length, start) = number(bytes, at, b'$')?;
        at = start + length + 2;
    }
    (at <= bytes.len()).then_some(at)
}

fn words(command: &[u8]) -> Vec<&[u8]> {
    let (count, mut at) = number(command, 0, b'*').expect("a whole command");
    let mut words = Vec::with_capacity(count);
    for _ in 0..count {
        let (length, start) = number(command, at, b'$').expect("a whole command");
        words.push(&command[start..start + length]);
        at = start + length + 2;
    }
    words
}

fn command(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend(format!("${}\r\n", word.len()).bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// A store with one entry.
fn redis() -> Peer {
    let mut stored: Option<Vec<u8>> = None;
    spawned(patient().framing(Framing::from_fn(command_length)).source(move |request: &Request| {
        let answer = match *words(request.bytes()) {
            [b"PING"] => b"+PONG\r\n".to_vec(),
            [b"SET", _, value] => {
                stored = Some(value.to_vec());
                b"+OK\r\n".to_vec()
            }
            [b"GET", _] => match &stored {
                Some(value) => {
                    [format!("${}\r\n", value.len()).as_bytes(), value, b"\r\n"].concat()
                }
                None => b"$-1\r\n".to_vec(),
            },
            _ => b"-ERR\r\n".to_vec(),
        };
        Response::from(answer).keep_open()
    }))
}

#[test]
fn a_store_answers_commands_whose_values_look_like_line_ends() {
    for turn in TURNS {
        let peer = redis();
        let mut client = connect(&peer);
        let set = command(&[b"SET", b"key", b"\r\n*1\r\n\0\xff"]);
        let get = command(&[b"GET", b"key"]);
        turn(&mut client, &command(&[b"PING"]), b"+PONG\r\n");
        turn(&mut client, &get, b"$-1\r\n");
        turn(&mut client, &set, b"+OK\r\n");
        turn(&mut client, &get, b"$8\r\n\r\n*1\r\n\0\xff\r\n");
        turn(&mut client, &command(&[b"FLUSHALL"]), b"-ERR\r\n");
        drop(client);
        let journal = finished(peer);
        assert_requests(
            &journal,
            &[&command(&[b"PING"]), &get, &set, &get, &command(&[b"FLUSHALL"])],
        );
    }
}

#[test]
fn a_pipeline_of_commands_is_answered_in_order() {
    let peer = redis();
    let (set, get) = (command(&[b"SET", b"key", b"value"]), command(&[b"GET", b"key"]));
    let ping = command(&[b"PING"]);
    let pipeline = [&*ping, &set, &get, &ping].concat();
    // Split at every place where a packet may end.
    for cut in 0..=pipeline.len() {
        let mut client = connect(&peer);
        client.write_all(&set).expect("room for a small request");
        expect_bytes(&mut client, b"+OK\r\n", "the store is as it was");
        client.write_all(&pipeline[..cut]).expect("room for a small request");
        client.write_all(&pipeline[cut..]).expect("room for a small request");
        let case = format!("cut at {cut}");
        expect_bytes(&mut client, b"+PONG\r\n+OK\r\n$5\r\nvalue\r\n+PONG\r\n", &case);
    }
    let journal = finished(peer);
    assert_eq!(journal.exchanges().count(), 5 * (pipeline.len() + 1));
}

// SOCKS5, RFC 1928.

#[test]
fn a_proxy_has_a_framing_for_each_turn() {
    let greeting = || Framing::from_fn(|bytes| Some(2 + usize::from(*bytes.get(1)?)));
    let connect_request = || {
        Framing::from_fn(|bytes| match *bytes.get(3)? {
            1 => Some(4 + 4 + 2),
            3 => Some(4 + 1 + usize::from(*bytes.get(4)?) + 2),
            4 => Some(4 + 16 + 2),
            _ => Some(4),
        })
    };
    for turn in TURNS {
        let script = Sequence::new([
            Response::from(b"\x05\x00").then(connect_request()),
            Response::from(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x1f\x90").then(Framing::exactly(4)),
            Response::from("pong"),
        ]);
        let peer = spawned(patient().framing(greeting()).source(script)).expect(3);
        let mut client = connect(&peer);
        turn(&mut client, b"\x05\x02\x00\x02", b"\x05\x00");
        turn(
            &mut client,
            b"\x05\x01\x00\x03\x09host.test\x00\x50",
            b"\x05\x00\x00\x01\x7f\x00\x00\x01\x1f\x90",
        );
        turn(&mut client, b"ping", b"pong");
        end_of_file(&mut client, "after the last answer");
        drop(client);
        assert_requests(
            &finished(peer),
            &[b"\x05\x02\x00\x02", b"\x05\x01\x00\x03\x09host.test\x00\x50", b"ping"],
        );
    }
}

// WebSocket, RFC 6455.

/// SHA-1 as in RFC 3174, for short texts.
fn sha1(text: &[u8]) -> [u8; 20] {
    let mut padded = text.to_vec();
    padded.push(0x80);
    while padded.len() % 64 != 56 {
        padded.push(0);
    }
    padded.extend((text.len() as u64 * 8).to_be_bytes());
    let mut hash = [0x6745_2301_u32, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476, 0xC3D2_E1F0];
    for block in padded.chunks_exact(64) {
        let mut words: Vec<u32> = block
            .chunks_exact(4)
            .map(|word| word.iter().fold(0, |number, &byte| number << 8 | u32::from(byte)))
            .collect();
        for t in 16..80 {
            words
                .push((words[t - 3] ^ words[t - 8] ^ words[t - 14] ^ words[t - 16]).rotate_left(1));
        }
        let mut state = hash;
        for (t, word) in words.iter().enumerate() {
            let [first, second, third, fourth, fifth] = state;
            let (mixed, constant) = match t / 20 {
                0 => ((second & third) | (!second & fourth), 0x5A82_7999),
                1 => (second ^ third ^ fourth, 0x6ED9_EBA1),
                2 => ((second & third) | (second & fourth) | (third & fourth), 0x8F1B_BCDC),
                _ => (second ^ third ^ fourth, 0xCA62_C1D6_u32),
            };
            let next = first
                .rotate_left(5)
                .wrapping_add(mixed)
                .wrapping_add(fifth)
                .wrapping_add(constant)
                .wrapping_add(*word);
            state = [next, first, second.rotate_left(30), third, fourth];
        }
        for (sum, part) in hash.iter_mut().zip(state) {
            *sum = sum.wrapping_add(part);
        }
    }
    let mut digest = [0; 20];
    for (place, byte) in digest.iter_mut().zip(hash.iter().flat_map(|word| word.to_be_bytes())) {
        *place = byte;
    }
    digest
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let number =
            (0..3).fold(0, |number, at| number << 8 | usize::from(*group.get(at).unwrap_or(&0)));
        for at in 0..4 {
            let digit = char::from(ALPHABET[number >> (18 - 6 * at) & 63]);
            text.push(if at <= group.len() { digit } else { '=' });
        }
    }
    text
}

/// One masked frame of less than 126 bytes of payload.
fn frame_length(bytes: &[u8]) -> Option<usize> {
    Some(2 + 4 + usize::from(bytes.get(1)? & 0x7f))
}

/// The payload of such a frame, sent back unmasked.
fn echo(request: &Request) -> Response {
    if request.method() == Some("GET") {
        let key = request.header("sec-websocket-key").expect("a handshake");
        let accept = base64(&sha1(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11").as_bytes()));
        return Response::from(format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        ))
        .then(Framing::from_fn(frame_length));
    }
    let (head, payload) = request.bytes().split_at(6);
    let mut frame = vec![head[0], head[1] & 0x7f];
    frame.extend(payload.iter().zip(head[2..].iter().cycle()).map(|(byte, mask)| byte ^ mask));
    let is_close = head[0] & 0x0f == 8;
    if is_close { Response::from(frame) } else { Response::from(frame).keep_open() }
}

#[test]
fn a_web_socket_is_opened_and_echoes_until_it_is_closed() {
    // Example and answer are those of RFC 6455 section 1.3, the frames those of section 5.7.
    let handshake = b"GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    let hello = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
    let close = b"\x88\x80\x01\x02\x03\x04";
    for turn in TURNS {
        let peer = spawned(patient().source(echo));
        let mut client = connect(&peer);
        turn(
            &mut client,
            handshake,
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
              Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
        );
        turn(&mut client, hello, b"\x81\x05Hello");
        turn(&mut client, &hello.repeat(3), &b"\x81\x05Hello".repeat(3));
        turn(&mut client, close, b"\x88\x00");
        end_of_file(&mut client, "after the last answer");
        drop(client);
        assert_requests(&finished(peer), &[handshake, hello, hello, hello, hello, close]);
    }
}

#[test]
fn a_frame_sent_with_the_handshake_is_not_lost() {
    let peer = spawned(patient().source(echo));
    let mut client = connect(&peer);
    client
        .write_all(b"GET / HTTP/1.1\r\nSec-WebSocket-Key: x\r\n\r\n\x88\x80\x01\x02\x03\x04")
        .expect("room for a small request");
    let answer = read_all(&mut client);
    assert!(answer.ends_with(b"\r\n\r\n\x88\x00"), "{}", answer.escape_ascii());
    drop(client);
    assert_eq!(finished(peer).exchanges().count(), 2);
}
