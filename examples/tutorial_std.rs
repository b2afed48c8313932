//! チュートリアル第8章の`tcpserver.py`を、Rustの標準ライブラリだけで1行ずつ書き直したものです。
//! `cd study`のあと`cargo run --example tutorial_std`で動きます。
// 画面に表示することが目的のプログラムです。
#![allow(clippy::print_stdout)]

use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpListener;

fn main() -> io::Result<()> {
    println!("=== サーバーを起動します ===");
    let result = serve();
    println!("=== サーバーを停止します。 ===");
    result
}

fn serve() -> io::Result<()> {
    // socket.socket()、setsockopt()、bind()、listen()をまとめて行う。引数があれば、それをアドレスとして使う
    let address = std::env::args().nth(1).unwrap_or_else(|| "localhost:8080".into());
    let server_socket = TcpListener::bind(address)?;

    // accept(): クライアントが接続してくるまで待つ
    println!("=== クライアントからの接続を待ちます ===");
    let (mut client_socket, address) = server_socket.accept()?;
    println!("=== クライアントとの接続が完了しました remote_address: {address} ===");

    // recv(4096): 最大4096バイトを1回だけ読む。リクエストの一部しか届いていないこともある
    let mut request = [0; 4096];
    let length = client_socket.read(&mut request)?;

    // リクエストのバイト列を、そのままファイルに書き出す
    fs::write("server_recv.txt", &request[..length])?;

    // レスポンスのバイト列を、ファイルから読み込む
    let response = fs::read("server_send.txt")?;

    // send(): クライアントに送る。Pythonのsend()は一部しか送らないことがあり、write_all()は最後まで送る
    client_socket.write_all(&response)?;

    // close(): 変数が使われなくなると自動的に閉じる。ここでは閉じる場所がわかるように、drop()を呼ぶ
    drop(client_socket);
    Ok(())
}
