//! Chapter 12 of the tutorial: the server goes on after a request, and names the type of what it sends, so that the page gets its
//! style and its picture.
//!
//! 第12章: リクエストを1つ処理しても終わらずに、次のリクエストを待ちます。また、拡張子に合ったContent-Typeを返すので、
//! CSSや画像も正しく表示されます。
//!
//! ```sh
//! cd study
//! cargo run --example tutorial_12_loop
//! ```
//!
//! 止めるときはCtrl-Cを押します。

mod henaserver;

use std::process::ExitCode;

use fake_peer::{Error, FileSink, Request, Response, TcpServer};

fn main() -> ExitCode {
    henaserver::run(serve)
}

fn serve(address: &str) -> Result<(), Error> {
    let server = TcpServer::builder()
        .addr(address)
        .sink(FileSink::new("server_recv.txt"))
        .source_with(respond)
        .on_event(henaserver::progress)
        .bind()?;
    henaserver::waiting(&server, "/index.html");
    loop {
        // 失敗しても、終わるのはそのリクエストだけ。エラーは`henaserver::progress`が表示する
        let _ = server.serve_once();
    }
}

fn respond(request: &Request) -> Response {
    let path = request.target().unwrap_or_default();
    match henaserver::static_file(path) {
        Ok(body) => henaserver::response("200 OK", henaserver::content_type(path), body),
        // パスの拡張子が何であっても、404のページはHTML
        Err(_) => henaserver::not_found(),
    }
}
