//! What the examples of the later chapters share: the response of chapter 10, the static files of chapter 11, the Content-Types of
//! chapter 12, and the lines that the programs print.
//!
//! 第10章より後のサンプルが共通で使う部品です。どの章で作るものかは、それぞれのコメントに書いてあります。
// 画面に表示することが目的のプログラムです。
#![allow(clippy::print_stdout, clippy::print_stderr)]
// どのサンプルも、この中の一部だけを使います。
#![allow(dead_code)]

use std::path::{Component, Path};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};
use std::{env, fs, io};

use fake_peer::{Error, Event, Response, TcpServer};

/// 日本語も表示できるように、文字コードまで書く。
pub(crate) const HTML: &str = "text/html; charset=UTF-8";

const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// 第8章の`try: … finally: …`。引数があれば、それをアドレスとして使う。
pub(crate) fn run(serve: fn(&str) -> Result<(), Error>) -> ExitCode {
    let address = env::args().nth(1).unwrap_or_else(|| "localhost:8080".into());
    println!("=== サーバーを起動します ===");
    let served = serve(&address);
    println!("=== サーバーを停止します。 ===");
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // ほかのエラーは、起きたときに`progress`が表示している
            if matches!(error, Error::Listen { .. }) {
                eprintln!("{}", error.report());
            }
            ExitCode::FAILURE
        }
    }
}

/// どのURLを開けばよいかも表示する。
pub(crate) fn waiting(server: &TcpServer, path: &str) {
    println!("=== クライアントからの接続を待ちます {} ===", server.url(path));
}

/// サーバーの中で何かが起きるたびに、ライブラリから呼ばれる。
pub(crate) fn progress(event: &Event<'_>) {
    match event {
        Event::Accepted { client, .. } => {
            println!(
                "=== クライアントとの接続が完了しました remote_address: {} ===",
                client.addr()
            );
        }
        Event::Failed { error, .. } => {
            println!("=== リクエストの処理中にエラーが発生しました ===");
            eprintln!("{}", error.report());
        }
        _ => {}
    }
}

/// 第10章: レスポンスを組み立てる。長さは文字数ではなくバイト数で数える。
pub(crate) fn response(status: &str, content_type: &str, body: impl AsRef<[u8]>) -> Response {
    let (date, length) = (date(SystemTime::now()), body.as_ref().len());
    Response::from(format!(
        "HTTP/1.1 {status}\r\n\
         Date: {date}\r\n\
         Server: HenaServer/0.1\r\n\
         Content-Length: {length}\r\n\
         Connection: Close\r\n\
         Content-Type: {content_type}\r\n\
         \r\n"
    ))
    .send(body)
}

/// 第11章: ファイルが見つからなかったときのレスポンス。
pub(crate) fn not_found() -> Response {
    response("404 Not Found", HTML, "<!doctype html><h1>404 Not Found</h1>\n")
}

/// 第11章: `static`フォルダーの中にあるファイルだけを読む。
pub(crate) fn static_file(path: &str) -> io::Result<Vec<u8>> {
    let path = Path::new(path.trim_start_matches('/'));
    // ただの名前だけでできたパスに限る。`..`や`C:`が混ざっていたら、ファイルを探しもしない
    if !path.components().all(|part| matches!(part, Component::Normal(_))) {
        return Err(io::ErrorKind::NotFound.into());
    }
    // シンボリックリンクをたどった先が`static`の外なら、それも断る
    let root = fs::canonicalize("static")?;
    let file = fs::canonicalize(root.join(path))?;
    if !file.starts_with(&root) {
        return Err(io::ErrorKind::NotFound.into());
    }
    fs::read(file)
}

/// 第12章: 拡張子からContent-Typeを決める。知らない拡張子なら「ただのバイト列」とする。
pub(crate) fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => HTML,
        "css" => "text/css",
        "png" => "image/png",
        "jpg" => "image/jpeg",
        "gif" => "image/gif",
        _ => "application/octet-stream",
    }
}

/// 第10章: `Date`ヘッダーの書き方。Rustの標準ライブラリにはないので、1970年1月1日からの秒数を数えて作る。
pub(crate) fn date(now: SystemTime) -> String {
    let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (mut day, time) = (seconds / 86400, seconds % 86400);
    // 1970年1月1日は木曜日
    let weekday = WEEKDAYS[(day % 7) as usize];
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let mut year = 1970;
    while day >= 365 + u64::from(is_leap(year)) {
        day -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let days = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while day >= days[month] {
        day -= days[month];
        month += 1;
    }
    let month = MONTHS[month];
    let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
    format!("{weekday}, {:02} {month} {year} {hour:02}:{minute:02}:{second:02} GMT", day + 1)
}
