//! Each fault of TLS that the table of clients has, as a peer.

use fake_peer::tls::{Ca, Flight, Server, Version};
use fake_peer::{Ending, Peer, Response, http};
use fake_peer_test_support::patient;

/// A fault, and whether a client should accept what it gets.
pub struct Fault {
    pub name: &'static str,
    pub is_fine: bool,
    server: fn(&Ca) -> Server,
    response: fn() -> Response,
}

const BODY: &str = "hello";

fn plain(ca: &Ca) -> Server {
    ca.server("localhost")
}

fn hello() -> Response {
    http::ok(BODY)
}

/// A response whose end is that of the connection.
fn to_the_end() -> Response {
    Response::from("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello")
}

impl Fault {
    /// A peer that has it. Its clients may do what they want.
    pub fn peer(&self, ca: &Ca) -> Peer {
        let builder = patient().tls((self.server)(ca)).source((self.response)());
        builder.clients_may_leave_early().spawn().expect("a peer")
    }
}

pub fn faults() -> Vec<Fault> {
    let of_server = |name, is_fine, server| Fault { name, is_fine, server, response: hello };
    let of_response = |name, is_fine, response| Fault { name, is_fine, server: plain, response };
    vec![
        of_server("nothing is wrong", true, plain),
        of_server("TLS 1.2 only", true, |ca| plain(ca).versions([Version::Tls12])),
        of_server("TLS 1.3 only", true, |ca| plain(ca).versions([Version::Tls13])),
        of_server("intermediate authority", true, |ca| plain(ca).with_intermediate()),
        of_response("new keys within the response", true, || {
            Response::from("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe")
                .update_keys()
                .send("llo")
        }),
        of_server("certificate: expired", false, |ca| plain(ca).expired()),
        of_server("certificate: not yet valid", false, |ca| plain(ca).not_yet_valid()),
        of_server("certificate: another host", false, |ca| plain(ca).for_host("other.test")),
        of_server("certificate: self-signed", false, |ca| plain(ca).self_signed()),
        of_server("certificate: unknown authority", false, |_| Ca::new().server("localhost")),
        of_server("certificate: intermediate is missing", false, |ca| {
            plain(ca).without_intermediate()
        }),
        of_server("certificate: for clients only", false, |ca| plain(ca).wrong_key_usage()),
        of_server("certificate: name in the common name only", false, |ca| {
            plain(ca).name_only_in_common_name()
        }),
        of_server("client certificate required", false, |ca| {
            plain(ca).requires_client_certificate(ca)
        }),
        of_server("handshake: closed before it", false, |ca| {
            plain(ca).breaks_after(Flight::Connect, Ending::Close)
        }),
        of_server("handshake: closed after the client's first message", false, |ca| {
            plain(ca).breaks_after(Flight::ClientHello, Ending::Close)
        }),
        of_server("handshake: reset after the client's first message", false, |ca| {
            plain(ca).breaks_after(Flight::ClientHello, Ending::Reset)
        }),
        of_server("handshake: closed within the peer's first flight", false, |ca| {
            plain(ca).cut_ciphertext(200, Ending::Close)
        }),
        of_server("handshake: closed after the client's last flight", false, |ca| {
            plain(ca).breaks_after(Flight::ClientFinished, Ending::Close)
        }),
        of_response("closed within a record", false, || hello().cut_ciphertext(30, Ending::Close)),
        of_response("reset within a record", false, || hello().cut_ciphertext(30, Ending::Reset)),
        of_response("a record was altered", false, || {
            Response::from("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n").alter_record().send(BODY)
        }),
        of_response("Content-Length: cut, with `close_notify`", false, || {
            hello().cut_body(2, Ending::Close)
        }),
        of_response("Content-Length: cut, no `close_notify`", false, || {
            hello().cut_body(2, Ending::NoCloseNotify)
        }),
        of_response("Content-Length: whole, no `close_notify`", true, || {
            hello().ending(Ending::NoCloseNotify)
        }),
        of_response("body to the end: whole, with `close_notify`", true, to_the_end),
        of_response("body to the end: cut, no `close_notify`", false, || {
            to_the_end().cut(41, Ending::NoCloseNotify)
        }),
    ]
}
