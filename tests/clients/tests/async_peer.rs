//! A peer with asynchronous clients, in runtimes of one thread and of several. How its futures work without a runtime is in
//! `tests/library/peer.rs`.

use std::time::Duration;

use fake_peer::{Error, Exchange, Peer, Request};
use fake_peer_test_support::{PATIENCE, finished, in_lines, patient, same_bytes, spawned};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// A failing test ends, too.
async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("{what}: not in {PATIENCE:?}"))
}

async fn connect(peer: &Peer) -> TcpStream {
    in_time("connect", TcpStream::connect(peer.addr())).await.expect("a listening peer")
}

async fn send(client: &mut TcpStream, bytes: &[u8]) {
    in_time("send", client.write_all(bytes)).await.expect("room for a small request");
}

async fn expect_bytes(client: &mut TcpStream, expected: &[u8], case: &str) {
    let mut answer = vec![0; expected.len()];
    in_time("receive", client.read_exact(&mut answer)).await.expect("an answer");
    same_bytes(&answer, expected, case);
}

async fn read_all(client: &mut TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    in_time("end-of-file", client.read_to_end(&mut answer)).await.expect("end-of-file");
    answer
}

async fn ask(peer: &Peer, request: &[u8]) -> Vec<u8> {
    let mut client = connect(peer).await;
    send(&mut client, request).await;
    read_all(&mut client).await
}

async fn taken(peer: &Peer) -> Exchange {
    in_time("take", peer.take_async(PATIENCE)).await.expect("an exchange")
}

async fn an_exchange_is_awaited_while_its_client_runs() {
    let peer = in_lines();
    let next = peer.take_async(PATIENCE);
    let client = async { ask(&peer, b"request\n").await };
    let (answer, exchange) = tokio::join!(client, in_time("take", next));
    assert_eq!(answer, b"answer");
    assert_eq!(exchange.expect("an exchange").request().bytes(), b"request\n");
    let journal = in_time("finish", peer.finish_async()).await.expect("nothing is wrong");
    assert_eq!(journal.exchanges().count(), 1, "{journal}");
}

#[tokio::test]
async fn an_exchange_is_awaited_while_its_client_runs_in_one_thread() {
    an_exchange_is_awaited_while_its_client_runs().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exchange_is_awaited_while_its_client_runs_in_several_threads() {
    an_exchange_is_awaited_while_its_client_runs().await;
}

/// `finish_async` must leave the only thread to the client that it waits for.
async fn finish_is_awaited_while_a_client_goes_on() {
    let peer = in_lines();
    let (mut bell, mut client) = (connect(&peer).await, connect(&peer).await);
    send(&mut client, b"half").await;
    send(&mut bell, b"keep\n").await;
    expect_bytes(&mut bell, b"kept", "who stays").await;
    let (begun, begins) = oneshot::channel();
    let going_on = tokio::spawn(async move {
        begins.await.expect("the test goes on");
        // A kept connection ends when finishing has begun.
        assert_eq!(read_all(&mut bell).await, b"");
        send(&mut client, b" and half\n").await;
        read_all(&mut client).await
    });
    let finishing = peer.finish_async();
    begun.send(()).expect("it is awaited");
    let journal = in_time("finish", finishing).await.expect("nothing is wrong");
    assert_eq!(in_time("the client", going_on).await.expect("an answer"), b"answer");
    let requests: Vec<_> = journal.exchanges().map(|exchange| exchange.request().bytes()).collect();
    assert!(requests.contains(&&b"half and half\n"[..]), "{journal}");
}

#[tokio::test]
async fn finish_is_awaited_while_a_client_goes_on_in_one_thread() {
    finish_is_awaited_while_a_client_goes_on().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn finish_is_awaited_while_a_client_goes_on_in_several_threads() {
    finish_is_awaited_while_a_client_goes_on().await;
}

async fn a_client_that_is_done_is_no_reason_to_wait() {
    let peer = in_lines();
    assert_eq!(ask(&peer, b"one\n").await, b"answer");
    assert_eq!(ask(&peer, b"two\n").await, b"answer");
    assert_eq!(peer.take_request_async().await.bytes(), b"one\n");
    assert_eq!(finished(peer).exchanges().count(), 2);
}

#[tokio::test]
async fn a_client_that_is_done_is_no_reason_to_wait_in_one_thread() {
    a_client_that_is_done_is_no_reason_to_wait().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_is_done_is_no_reason_to_wait_in_several_threads() {
    a_client_that_is_done_is_no_reason_to_wait().await;
}

/// Blocks the only thread, so that no client on it can do anything.
async fn a_client_that_keeps_its_connection_does_not_hold_up_a_blocking_finish() {
    let peer = in_lines();
    let (mut kept, mut answered) = (connect(&peer).await, connect(&peer).await);
    send(&mut kept, b"keep\n").await;
    expect_bytes(&mut kept, b"kept", "who may ask again").await;
    send(&mut answered, b"request\n").await;
    expect_bytes(&mut answered, b"answer", "who stays").await;
    let start = std::time::Instant::now();
    assert_eq!(finished(peer).exchanges().count(), 2);
    assert!(start.elapsed() < Duration::from_secs(5), "took {:?}", start.elapsed());
    assert_eq!(read_all(&mut kept).await, b"");
    assert_eq!(read_all(&mut answered).await, b"");
}

#[tokio::test]
async fn a_client_that_keeps_its_connection_does_not_hold_up_a_blocking_finish_in_one_thread() {
    a_client_that_keeps_its_connection_does_not_hold_up_a_blocking_finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_keeps_its_connection_does_not_hold_up_a_blocking_finish_in_several_threads()
{
    a_client_that_keeps_its_connection_does_not_hold_up_a_blocking_finish().await;
}

#[tokio::test]
async fn a_peer_is_dropped_at_the_end_before_its_client() {
    let mut client;
    let peer = in_lines();
    client = connect(&peer).await;
    send(&mut client, b"keep\n").await;
    expect_bytes(&mut client, b"kept", "who stays").await;
}

#[tokio::test]
async fn a_peer_is_dropped_at_the_end_after_its_client() {
    let peer = in_lines();
    let mut client = connect(&peer).await;
    send(&mut client, b"request\n").await;
    expect_bytes(&mut client, b"answer", "who stays").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_is_dropped_by_another_task() {
    let peer = in_lines();
    assert_eq!(ask(&peer, b"request\n").await, b"answer");
    in_time("the task", tokio::spawn(async move { drop(peer) })).await.expect("nothing is wrong");
}

#[tokio::test]
async fn a_peer_that_has_failed_panics_when_it_is_dropped_by_a_task() {
    let task = tokio::spawn(async {
        let _peer = spawned(patient().source("answer")).expect(1);
    });
    let failed = in_time("the task", task).await.expect_err("nobody came");
    let payload = failed.into_panic();
    let text = payload.downcast_ref::<String>().expect("a text");
    assert!(
        text.starts_with("when the peer was dropped: expected 1 exchange on 127.0.0.1:"),
        "{text}"
    );
    assert!(text.contains(", but there were 0\n"), "{text}");
}

#[tokio::test]
async fn what_is_wrong_is_what_finish_gives() {
    let peer = spawned(patient().source("answer")).expect(2);
    assert_eq!(ask(&peer, b"request").await, b"answer");
    let error = in_time("finish", peer.finish_async()).await.expect_err("one of two came");
    assert!(matches!(error, Error::Count { expected: 2, served: 1, .. }), "{error:?}");
}

#[tokio::test]
async fn a_failed_assertion_of_a_source_comes_out_where_it_is_awaited() {
    let peer = spawned(patient().source(|request: &Request| {
        assert!(request.bytes() == b"good", "not good");
        "answer"
    }));
    assert_eq!(ask(&peer, b"bad").await, b"");
    assert_eq!(ask(&peer, b"good").await, b"answer");
    let next = peer.take_async(PATIENCE);
    let failed = in_time("take", tokio::spawn(next)).await.expect_err("the panic");
    assert_eq!(failed.into_panic().downcast_ref::<&str>(), Some(&"not good"));
    assert_eq!(taken(&peer).await.request().bytes(), b"good");
    in_time("finish", peer.finish_async()).await.expect("it was taken");
}

/// As if a test stopped waiting, and went on.
#[tokio::test]
async fn an_exchange_that_was_awaited_too_long_is_there_for_the_next_take() {
    for round in 0..10 {
        let peer = spawned(patient().source("answer"));
        let given_up = timeout(Duration::from_millis(20), peer.take_async(PATIENCE)).await;
        assert!(given_up.is_err(), "round {round}: nobody came");
        assert_eq!(ask(&peer, b"request").await, b"answer", "round {round}");
        let exchange = match peer.take_async(Duration::from_secs(2)).await {
            Ok(exchange) => exchange,
            Err(error) => panic!("round {round}: an exchange, not: {}", error.report()),
        };
        assert_eq!(exchange.request().bytes(), b"request", "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_tasks_are_served_side_by_side() {
    let peer = std::sync::Arc::new(in_lines());
    let barrier = std::sync::Arc::new(tokio::sync::Barrier::new(50));
    let tasks: Vec<_> = (0..50)
        .map(|number| {
            let (peer, barrier) = (peer.clone(), barrier.clone());
            tokio::spawn(async move {
                let mut client = connect(&peer).await;
                send(&mut client, format!("client {number}").as_bytes()).await;
                // All have begun before the first is complete.
                in_time("all others", barrier.wait()).await;
                send(&mut client, b"\n").await;
                assert_eq!(read_all(&mut client).await, b"answer", "client {number}");
            })
        })
        .collect();
    for task in tasks {
        in_time("a client", task).await.expect("an answer");
    }
    for _ in 0..50 {
        taken(&peer).await;
    }
    let peer = std::sync::Arc::into_inner(peer).expect("all tasks are done");
    assert_eq!(finished(peer).connections().len(), 50);
}
