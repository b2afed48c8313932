//! The tutorial's server written with the library: the request's bytes go to `server_recv.txt`, the response is the content of
//! `server_send.txt`, and four lines show the progress.
//!
//! ```sh
//! cd study
//! cargo run --example tutorial                  # listens on localhost:8080
//! cargo run --example tutorial localhost:8081   # or elsewhere
//! ```
// This program prints; the library does not.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

use fake_peer::{Error, Event, Exchange, FileSink, FileSource, TcpServer};

fn main() -> ExitCode {
    let addr = std::env::args().nth(1).unwrap_or_else(|| "localhost:8080".into());
    println!("=== サーバーを起動します ===");
    let served = serve(&addr);
    println!("=== サーバーを停止します。 ===");
    match served {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tutorial: {}", error.report());
            ExitCode::FAILURE
        }
    }
}

fn serve(addr: &str) -> Result<Exchange, Error> {
    let server = TcpServer::builder()
        .addr(addr)
        .sink(FileSink::new("server_recv.txt"))
        .source(FileSource::new("server_send.txt"))
        .on_event(|event| {
            if let Event::Accepted { client, .. } = event
                && let Some(addr) = client.addr().socket_addr()
            {
                let (ip, port) = (addr.ip(), addr.port());
                println!(
                    "=== クライアントとの接続が完了しました remote_address: ('{ip}', {port}) ==="
                );
            }
        })
        .bind()?;
    println!("=== クライアントからの接続を待ちます ===");
    server.serve_once()
}
