//! Records a page from a web server, then replays it: the same bytes, without the server. A second client gets a response
//! that breaks off, and the record is still complete.
//!
//! ```sh
//! cargo run --example recorded_page
//! cargo run --example recorded_page -- example.com:80
//! ```
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use fake_peer::{Ending, FileSource, Peer, Proxy, ResponseSource};

/// The response if no server is named: in chunks, so that a changed coding would be seen.
const PAGE: &str =
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nIt wor\r\n4\r\nks!\n\r\n0\r\n\r\n";

fn main() -> Result<(), Box<dyn Error>> {
    // Without an argument a fake peer is the server.
    let played = Peer::answer(PAGE);
    let server = std::env::args().nth(1).unwrap_or_else(|| played.addr().to_string());
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("page");

    let proxy = Peer::answer(Proxy::to(&server).record(&file));
    let recorded = get(proxy.addr(), &server)?;
    // Fails if the server's response was not complete.
    proxy.finish().map_err(|error| error.report().to_string())?;
    println!("recorded {} bytes of {server}:", recorded.len());
    println!("{}", first_line(&recorded));

    let replay = Peer::answer(FileSource::new(&file));
    let replayed = get(replay.addr(), &server)?;
    assert_eq!(replayed, recorded);
    println!("replayed {} bytes, each of them the same", replayed.len());

    // The server's page, which breaks off.
    let proxy = Proxy::to(&server).record(&file);
    let broken = Peer::answer(proxy.map_response(|response| response.cut(10, Ending::Close)));
    let cut = get(broken.addr(), &server)?;
    broken.finish()?;
    println!("cut after {} bytes; the record has {}", cut.len(), std::fs::metadata(&file)?.len());
    assert_eq!(cut, recorded[..10]);
    Ok(())
}

/// The client: returns the response to one GET, with its head. The proxy forwards its `Host` as it is.
fn get(server: SocketAddr, host: &str) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    write!(stream, "GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}

fn first_line(bytes: &[u8]) -> String {
    let line = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
    line.escape_ascii().to_string()
}
