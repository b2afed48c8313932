//! hyper over a Unix socket, as clients of daemons use it.
#![cfg(unix)]

use std::io;

use fake_peer::{Ending, Peer, Sequence, faults, http};
use fake_peer_test_support::{PATIENCE, finished};
use hyper::body::{Body, Bytes};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::time::timeout;

/// No body.
struct Empty;

impl Body for Empty {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<io::Result<hyper::body::Frame<Bytes>>>> {
        std::task::Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        true
    }
}

async fn connect(peer: &Peer) -> SendRequest<Empty> {
    let stream = UnixStream::connect(peer.path()).await.expect("a listening peer");
    let (sender, connection) = handshake(TokioIo::new(stream)).await.expect("hyper begins");
    // Its end is the request's.
    tokio::spawn(connection);
    sender
}

/// The body, or what hyper says.
async fn get(sender: &mut SendRequest<Empty>, path: &str) -> hyper::Result<Vec<u8>> {
    let request = hyper::Request::builder().uri(path).header("Host", "daemon").body(Empty);
    let answered = async {
        let mut answer = sender.send_request(request.expect("a request")).await?;
        let mut body = Vec::new();
        while let Some(frame) = next_frame(answer.body_mut()).await {
            body.extend_from_slice(&frame?);
        }
        Ok(body)
    };
    timeout(PATIENCE, answered).await.expect("an answer in time")
}

async fn next_frame(body: &mut hyper::body::Incoming) -> Option<hyper::Result<Bytes>> {
    let frame = std::future::poll_fn(|context| std::pin::Pin::new(&mut *body).poll_frame(context));
    frame.await.map(|frame| frame.map(|frame| frame.into_data().unwrap_or_default()))
}

#[tokio::test]
async fn hyper_asks_twice_over_one_connection() {
    let peer =
        Peer::unix(Sequence::new([http::ok("one").keep_alive(), http::ok("two").keep_alive()]));
    let mut sender = connect(&peer).await;
    assert_eq!(get(&mut sender, "/1").await.expect("an answer"), b"one");
    assert_eq!(get(&mut sender, "/2").await.expect("an answer"), b"two");
    assert_eq!(peer.take_request_async().await.target(), Some("/1"));
    drop(sender);
    assert_eq!(finished(peer).exchanges_per_connection(), [2]);
}

/// Platform notes: a reset there is what only Linux has.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn hyper_sees_a_reset_within_the_body() {
    let peer = Peer::unix(http::ok("hello").cut_body(2, Ending::Reset));
    let error = get(&mut connect(&peer).await, "/").await.expect_err("two bytes of five");
    let cause =
        std::error::Error::source(&error).and_then(|cause| cause.downcast_ref::<io::Error>());
    assert_eq!(cause.map(io::Error::kind), Some(io::ErrorKind::ConnectionReset), "{error:?}");
    finished(peer);
}

#[test]
fn hyper_takes_no_part_of_an_answer_for_the_whole() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let settings = || Peer::builder().unix_in_temporary_folder();
    let swept = faults::sweep_with(settings, faults::truncations(http::ok("hi")), |case, peer| {
        let answer = runtime.block_on(async { get(&mut connect(peer).await, "/").await });
        assert!(answer.is_err(), "{case}: {answer:?}");
    });
    swept.expect("no case fails the peer");
}
