//! Chapter 15 of the tutorial: a form is posted to `/parameters`, and the page shows what arrived. A form of 10 kB arrives whole, where
//! one `recv(4096)` gets its first 4096 bytes.
//!
//! 第15章: フォームから`POST`で送られてきたパラメータを表示します。
//!
//! ```sh
//! cd study
//! cargo run --example tutorial_15_form
//! ```
//!
//! `http://localhost:8080/form.html`を開いて送信してみてください。テキストエリアに10 kBの文章を貼り付けても、全部届きます。
//! 本の`recv(4096)`では、4096バイトまでしか届きません。

mod form;
mod henaserver;

use std::process::ExitCode;

use fake_peer::{Error, FileSink, Framing, Request, Response, Stop, TcpServer};
use henaserver::HTML;

fn main() -> ExitCode {
    henaserver::run(serve)
}

fn serve(address: &str) -> Result<(), Error> {
    let server = TcpServer::builder()
        .addr(address)
        // `Content-Length`のとおりにボディが届くまで、何度でも読む。`read_once(4096)`に変えると、本と同じところで切れる
        .framing(Framing::http())
        .sink(FileSink::new("server_recv.txt"))
        .source_with(respond)
        .on_event(henaserver::progress)
        .bind()?;
    henaserver::waiting(&server, "/form.html");
    server.serve_until(&Stop::new())
}

fn respond(request: &Request) -> Response {
    match (request.method(), request.target().unwrap_or_default()) {
        (Some("POST"), "/parameters") => {
            let shown = format!("{:#?}", form::parameters(request.body().unwrap_or_default()));
            // 送られてきた文字をそのままHTMLに入れると、`<script>`も動いてしまう
            let shown = shown.replace('&', "&amp;").replace('<', "&lt;");
            henaserver::response(
                "200 OK",
                HTML,
                format!("<h1>Parameters:</h1>\n<pre>{shown}</pre>\n"),
            )
        }
        (_, "/parameters") => henaserver::response(
            "405 Method Not Allowed",
            HTML,
            "<h1>405 Method Not Allowed</h1>\n",
        ),
        (_, path) => match henaserver::static_file(path) {
            Ok(body) => henaserver::response("200 OK", henaserver::content_type(path), body),
            Err(_) => henaserver::not_found(),
        },
    }
}
