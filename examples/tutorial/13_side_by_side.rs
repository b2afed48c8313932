//! Chapter 13 of the tutorial: requests are answered side by side. Two tabs get their page while a third one waits for `/slow`.
//!
//! 第13章: リクエストを並行して処理します。
//!
//! ```sh
//! cd study
//! cargo run --example tutorial_13_side_by_side
//! ```
//!
//! まず`http://localhost:8080/slow`を開き、待っている間に、別のタブを2つ使って`/index.html`を開いてみてください。どちらも
//! すぐに表示されます。第12章のプログラムでは、1つのリクエストが終わるまで次のリクエストは始まりません。

mod henaserver;

use std::process::ExitCode;
use std::time::Duration;

use fake_peer::{Error, FileSink, Request, Response, Stop, TcpServer};

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
    // 本では接続ごとに`Thread`を作る。ここでは1つのスレッドが全部の接続を見張り、動けるものから先へ進める
    server.serve_until(&Stop::new())
}

fn respond(request: &Request) -> Response {
    let path = request.target().unwrap_or_default();
    if path == "/slow" {
        // ここで`thread::sleep`すると、このクロージャを使うほかのリクエストも止まる。`delay`なら、待つのはこの接続だけ
        return henaserver::response("200 OK", henaserver::HTML, "<h1>slow</h1>\n")
            .delay(Duration::from_secs(5));
    }
    match henaserver::static_file(path) {
        Ok(body) => henaserver::response("200 OK", henaserver::content_type(path), body),
        Err(_) => henaserver::not_found(),
    }
}
