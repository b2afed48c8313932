//! Chapters 9 and 10 of the tutorial: the response is no longer the content of a file; it is made when the request arrives, with a
//! Date and the right Content-Length.
//!
//! 第9〜10章: ファイルの中身を返すのをやめ、リクエストが届くたびにレスポンスを組み立てます。
//!
//! ```sh
//! cd study
//! cargo run --example tutorial_10_response
//! ```
// 画面に表示することが目的のプログラムです。
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod henaserver;

use std::process::ExitCode;
use std::time::SystemTime;

use fake_peer::{Error, FileSink, TcpServer};

fn main() -> ExitCode {
    henaserver::run(serve)
}

fn serve(address: &str) -> Result<(), Error> {
    let server = TcpServer::builder()
        .addr(address)
        .sink(FileSink::new("server_recv.txt"))
        // 第8章では`.source(FileSource::new("server_send.txt"))`。ここからは、クロージャが返したものを送る
        .source_with(|_request| response())
        .on_event(henaserver::progress)
        .bind()?;
    henaserver::waiting(&server, "/");
    server.serve_once()?;
    Ok(())
}

fn response() -> String {
    let body = "<!doctype html>\n<h1>It works!</h1>\n";

    let lines = [
        // レスポンスライン
        "HTTP/1.1 200 OK".into(),
        // ヘッダー
        format!("Date: {}", henaserver::date(SystemTime::now())),
        // 本では`Host`ですが、`Host`はリクエストのヘッダーです。サーバーの名前を入れるのは`Server`です
        "Server: HenaServer/0.1".into(),
        // `len()`はバイト数。日本語を書き足しても、ずれない
        format!("Content-Length: {}", body.len()),
        "Connection: Close".into(),
        "Content-Type: text/html".into(),
        // 空行でヘッダーが終わる
        String::new(),
    ];
    // 行の終わりは、どれも`\r\n`
    lines.join("\r\n") + "\r\n" + body
}
