//! The TCP server of the tutorial: it writes one request to a file, and answers with another file. Comments show the lines of
//! the tutorial's `tcpserver.py`; `examples/tutorial_std.rs` has the same program with accept, recv and send in one place.
//!
//! The options may replace the address and either file, and ask for more exchanges than one. Without options nothing is
//! replaced. What the program prints, and how options are read, is in `src/cli/`.

use std::process::ExitCode;

use fake_peer::cli::{Options, Session};
use fake_peer::{Error, FileSink, FileSource};

const ADDRESS: &str = "localhost:8080";
const REQUEST_FILE: &str = "server_recv.txt";
const RESPONSE_FILE: &str = "server_send.txt";

fn main() -> ExitCode {
    let options = match Options::parse() {
        Ok(options) => options,
        // Help was asked for, or an option is wrong.
        Err(exit_code) => return exit_code,
    };
    // print("=== サーバーを起動します ===")
    let session = match Session::start(&options) {
        Ok(session) => session,
        // A file that a script waits for cannot be written.
        Err(exit_code) => return exit_code,
    };
    let result = serve(&options, &session);
    // print("=== サーバーを停止します。 ===")
    session.end(result, &options)
}

fn serve(options: &Options, session: &Session) -> Result<(), Error> {
    // with open("server_recv.txt", "wb") as f: f.write(request)
    let sink = options.sink().unwrap_or_else(|| Box::new(FileSink::new(REQUEST_FILE)));
    // with open("server_send.txt", "rb") as f: response = f.read()
    let source = session
        .source(options, RESPONSE_FILE)
        .unwrap_or_else(|| Box::new(FileSource::new(RESPONSE_FILE)));

    // server_socket = socket.socket()
    let server = options
        .listening(ADDRESS)
        .sink(sink)
        .source(options.with_faults(source))
        // Where recv(4096) of the tutorial may return a part of a request, this reads all of it.
        .framing(options.framing())
        .on_event(session.observer(options))
        // Like recv(), it waits for the first byte as long as it takes.
        .idle_timeout(None)
        .timeout(options.timeout())
        .linger(options.linger())
        .retain(options.retain())
        .backlog(options.backlog())
        // server_socket.bind(("localhost", 8080)); server_socket.listen(10)
        .bind()?;
    // print("=== クライアントからの接続を待ちます ===")
    session.listening(&server, options, RESPONSE_FILE);

    if options.serves_one() {
        // (client_socket, address) = server_socket.accept(); request = client_socket.recv(4096)
        // client_socket.send(response); client_socket.close()
        let exchange = loop {
            match server.serve_once() {
                // A TLS handshake that fails is no exchange.
                Err(error) if session.goes_on_after(&error) => {}
                result => break result?,
            }
        };
        server.finish()?;
        session.served(&exchange);
    } else {
        let result = server.serve_until(session.stop());
        result.and(server.finish())?;
    }
    Ok(())
}
