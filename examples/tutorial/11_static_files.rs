//! Chapter 11 of the tutorial: the path of the request names a file in the folder `static`; what is not there is a 404. The naive way
//! of the book answers with any file of the machine; the right way is `henaserver::static_file`.
//!
//! 第11章: リクエストのパスにあるファイルを`static`フォルダーから返し、なければ404を返します。
//!
//! ```sh
//! cd study
//! cargo run --example tutorial_11_static_files
//! ```
//!
//! `http://localhost:8080/hello.html`を開いてください。`index.html`はCSSと画像も取りに来るので、リクエストを1つしか処理しない
//! このプログラムでは、ページが崩れます（第12章へ続きます）。
//!
//! 素朴な書き方では、`static`の外にあるファイルまで読まれてしまいます。次のように試せます（ブラウザやcurlはふつう、
//! `..`をURLから取り除いてから送ります。`--path-as-is`を付けたcurlは、書いたとおりに送ります）。
//!
//! ```sh
//! cargo run --example tutorial_11_static_files localhost:8080 naive
//! curl --path-as-is http://localhost:8080/../server_send.txt
//! ```

mod henaserver;

use std::process::ExitCode;
use std::{env, fs, io};

use fake_peer::{Error, FileSink, TcpServer};

fn main() -> ExitCode {
    henaserver::run(serve)
}

fn serve(address: &str) -> Result<(), Error> {
    let read = match env::args().nth(2).as_deref() {
        Some("naive") => naive,
        _ => henaserver::static_file,
    };
    let server = TcpServer::builder()
        .addr(address)
        .sink(FileSink::new("server_recv.txt"))
        // `target()`は、リクエストラインの2つ目の部分
        .source_with(move |request| match read(request.target().unwrap_or_default()) {
            Ok(body) => henaserver::response("200 OK", henaserver::HTML, body),
            Err(_) => henaserver::not_found(),
        })
        .on_event(henaserver::progress)
        .bind()?;
    henaserver::waiting(&server, "/hello.html");
    server.serve_once()?;
    Ok(())
}

/// 本と同じ書き方。先頭の`/`を取って`static/`につなぐだけなので、`/../server_send.txt`は`static/../server_send.txt`に
/// なり、1つ上のフォルダーのファイルを返してしまう。
fn naive(path: &str) -> io::Result<Vec<u8>> {
    fs::read(format!("static/{}", path.trim_start_matches('/')))
}
