//! The named faults, as the client's socket sees them, and the families of faults.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::time::Duration;

use fake_peer::faults::{self, Unserved};
use fake_peer::{
    ClientEnd, Delay, Ending, Framing, Gate, PerConnection, Request, Response, Sequence, http,
};
use fake_peer_test_support::{
    Listens, PATIENCE, answers, ask, connect, eventually, finished, numbered, read_all,
    read_to_its_end, same_bytes, taken, try_connect,
};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: peer\r\n\r\n";

fn ask_to_its_end(to: impl Listens, request: &[u8]) -> (Vec<u8>, Option<ErrorKind>) {
    let mut client = match try_connect(to) {
        Ok(client) => client,
        // A reset may be there before `connect` returns.
        Err(error) => return (Vec::new(), Some(error.kind())),
    };
    // A client that is reset at once may not get that far, and sees the error only once.
    let refused = client.write_all(request).err().map(|error| error.kind());
    let (answer, error) = read_to_its_end(&mut client);
    let refused = refused
        .map(|kind| if kind == ErrorKind::BrokenPipe { ErrorKind::ConnectionReset } else { kind });
    (answer, error.or(refused))
}

/// Whether nothing arrives for a while, not even end-of-file.
#[track_caller]
fn hears_nothing(client: &mut TcpStream) {
    client.set_read_timeout(Some(Duration::from_millis(50))).expect("an open socket");
    let silence = client.read(&mut [0]).expect_err("neither bytes nor an end");
    assert!(is_timeout(silence.kind()), "{silence}");
    client.set_read_timeout(Some(PATIENCE)).expect("an open socket");
}

fn is_timeout(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// Sends until the peer takes no more. Returns how many bytes that were.
#[track_caller]
fn send_until_stuck(client: &mut TcpStream) -> usize {
    const MORE_THAN_BUFFERS_HOLD: usize = 256 << 20;
    client.set_write_timeout(Some(Duration::from_millis(50))).expect("an open socket");
    let mut sent = 0;
    while sent < MORE_THAN_BUFFERS_HOLD {
        match client.write(&[b'x'; 1 << 14]) {
            Ok(taken) => sent += taken,
            Err(error) if is_timeout(error.kind()) => return sent,
            Err(error) => panic!("stuck, not `{error}` after {sent} bytes"),
        }
    }
    panic!("somebody reads: {sent} bytes were taken")
}

#[test]
fn close_on_accept_ends_a_connection_before_a_byte() {
    let peer = answers(faults::close_on_accept());
    assert_eq!(read_to_its_end(&mut connect(&peer)), (Vec::new(), None));
    finished(peer);
}

#[test]
fn reset_on_accept_resets_a_connection_before_a_byte() {
    let peer = answers(faults::reset_on_accept());
    // Whatever the client has got to.
    assert_eq!(ask_to_its_end(&peer, GET), (Vec::new(), Some(ErrorKind::ConnectionReset)));
    finished(peer);
}

#[test]
fn never_read_gets_a_client_stuck() {
    let peer = answers(faults::never_read());
    let mut client = connect(&peer);
    send_until_stuck(&mut client);
    assert!(taken(&peer).request().is_empty());
    drop(client);
    finished(peer);
}

#[cfg(target_os = "linux")]
#[test]
fn never_read_ends_with_a_client_that_is_not_stuck_yet() {
    let peer = answers(faults::never_read());
    let mut client = connect(&peer);
    client.write_all(GET).expect("room");
    drop(client);
    // The timeout is as long as the test may take.
    eventually("the client's end was noticed", || {
        let journal = peer.journal();
        let record = journal.connections().first();
        record.is_some_and(|record| record.client_end() == ClientEnd::Closed)
    });
    finished(peer);
}

#[test]
fn finish_does_not_wait_for_a_client_that_nobody_reads_from() {
    let peer = answers(faults::never_read());
    let mut client = connect(&peer);
    client.write_all(GET).expect("room");
    taken(&peer);
    let journal = finished(peer);
    assert_eq!(journal.connections()[0].client_end(), ClientEnd::ClosedByUs, "{journal}");
    let unread = Some(ErrorKind::ConnectionReset);
    assert_eq!(read_to_its_end(&mut client), (Vec::new(), unread), "closed with unread bytes");
}

#[test]
fn reading_stops_after_exactly_n_bytes() {
    for bytes in [1, 10, GET.len() - 1, GET.len()] {
        for (ending, expected) in [
            (Ending::Close, None),
            (Ending::Reset, Some(ErrorKind::ConnectionReset)),
            // The kernel resets a connection that is closed with unread bytes.
            (Ending::CloseAtOnce, (bytes < GET.len()).then_some(ErrorKind::ConnectionReset)),
        ] {
            let case = format!("{bytes} bytes, then {ending:?}");
            let peer = answers(faults::stop_reading_after(bytes as u64, ending));
            assert_eq!(ask_to_its_end(&peer, GET), (Vec::new(), expected), "{case}");
            assert_eq!(taken(&peer).request().bytes(), &GET[..bytes], "{case}");
            finished(peer);
        }
    }
}

#[test]
fn reading_stops_within_an_upload_and_the_client_is_stuck() {
    let peer = answers(faults::stop_reading_after(1000, Ending::StopReading));
    let mut client = connect(&peer);
    let sent = send_until_stuck(&mut client);
    assert!(sent > 1000);
    assert_eq!(taken(&peer).request().len(), 1000);
    hears_nothing(&mut client);
    drop(client);
    finished(peer);
}

#[test]
fn an_early_answer_comes_while_the_client_uploads() {
    let peer = answers(faults::early(http::status(413)));
    let mut client = connect(&peer);
    let body = numbered(5_000_000);
    let head = format!("PUT / HTTP/1.1\r\nContent-Length: {}\r\n\r\n", body.len());
    client.write_all(head.as_bytes()).expect("room");
    // No byte of the body has been sent.
    let answer = read_all(&mut client);
    assert!(answer.starts_with(b"HTTP/1.1 413 "), "{}", answer.escape_ascii());
    client.write_all(&body).expect("the peer goes on reading");
    drop(client);
    let journal = finished(peer);
    let connection = &journal.connections()[0];
    assert_eq!(connection.exchanges()[0].request().bytes(), head.as_bytes());
    assert_eq!(connection.trailing_len(), body.len() as u64);
}

#[test]
fn never_continue_leaves_a_client_waiting_that_expects_it() {
    let peer = answers(faults::never_continue());
    let mut client = connect(&peer);
    client
        .write_all(b"PUT / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        .expect("room");
    hears_nothing(&mut client);
    client.write_all(b"hello").expect("room");
    hears_nothing(&mut client);
    drop(client);
    assert_eq!(finished(peer).connections()[0].trailing(), b"hello");
}

#[test]
fn no_answer_is_silence_an_end_or_a_reset() {
    for (ending, expected) in
        [(Ending::Close, None), (Ending::Reset, Some(ErrorKind::ConnectionReset))]
    {
        let peer = answers(faults::no_answer(ending));
        assert_eq!(ask_to_its_end(&peer, GET), (Vec::new(), expected));
        assert_eq!(taken(&peer).request().bytes(), GET);
        finished(peer);
    }
    let peer = answers(faults::no_answer(Ending::Hold));
    let mut client = connect(&peer);
    client.write_all(GET).expect("room");
    hears_nothing(&mut client);
    drop(client);
    finished(peer);
}

#[test]
fn faults_on_accept_mix_with_good_answers_one_connection_after_another() {
    let peer = answers(Sequence::new([
        faults::reset_on_accept(),
        http::ok("one"),
        faults::close_on_accept(),
        faults::stop_reading_after(5, Ending::Reset),
        http::ok("two"),
    ]));
    let reset = Some(ErrorKind::ConnectionReset);
    for (expected, error) in [("", reset), ("one", None), ("", None), ("", reset), ("two", None)] {
        let (answer, ended) = ask_to_its_end(&peer, GET);
        assert!(answer.ends_with(expected.as_bytes()) && ended == error, "{expected}, {error:?}");
    }
    finished(peer);
}

#[test]
fn a_connection_keeps_the_fault_that_it_was_accepted_for() {
    let peer = answers(
        PerConnection::new([faults::stop_reading_after(3, Ending::Reset)])
            .and(|request: &Request| Response::from(request.bytes())),
    );
    // The first client is silent while the second one is served.
    let mut first = connect(&peer);
    eventually("the first is accepted", || peer.journal().connections().len() == 1);
    assert_eq!(ask(&peer, b"echo"), b"echo");
    first.write_all(b"longer").expect("room");
    assert_eq!(read_to_its_end(&mut first), (Vec::new(), Some(ErrorKind::ConnectionReset)));
    let journal = finished(peer);
    assert_eq!(journal.connections()[0].exchanges()[0].request().bytes(), b"lon");
}

#[test]
fn an_answer_that_was_promised_and_not_fetched_is_left_over() {
    let peer = answers(Sequence::new([faults::stop_reading_after(3, Ending::Close)]));
    let silent = connect(&peer);
    drop(silent);
    eventually("the silent one has gone", || {
        peer.journal().connections().first().is_some_and(|record| record.closed_at().is_some())
    });
    let error = peer.finish().expect_err("an answer left").report().to_string();
    assert!(error.ends_with("only 0 of the sequence's 1 answer were fetched"), "{error}");
}

#[test]
fn an_answer_that_was_promised_to_a_connection_and_not_fetched_is_left_over() {
    let peer = answers(PerConnection::new([faults::early(http::ok("a"))]));
    drop(connect(&peer));
    eventually("the silent one has gone", || {
        peer.journal().connections().first().is_some_and(|record| record.closed_at().is_some())
    });
    let error = peer.finish().expect_err("an answer left").report().to_string();
    assert!(error.ends_with("only 0 of 1 connection made a request"), "{error}");
}

#[test]
fn refused_is_refused_and_keeps_its_port() {
    let nobody = Unserved::refused().expect("a free port");
    for _ in 0..3 {
        let error = TcpStream::connect(nobody.addr()).expect_err("nobody listens");
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    }
    assert!(std::net::TcpListener::bind(nobody.addr()).is_err(), "the port is taken");
    assert_eq!(nobody.url("/a"), format!("http://127.0.0.1:{}/a", nobody.port()));
}

#[test]
fn never_accepted_connects_and_hears_nothing_and_is_reset_in_the_end() {
    let nobody = Unserved::never_accepted().expect("a free port");
    let mut client = connect(nobody.addr());
    client.write_all(GET).expect("the kernel takes it");
    hears_nothing(&mut client);
    drop(nobody);
    assert_eq!(read_to_its_end(&mut client), (Vec::new(), Some(ErrorKind::ConnectionReset)));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_backlog_does_not_answer() {
    let full = Unserved::full_backlog().expect("a free port");
    let error = TcpStream::connect_timeout(&full.addr(), Duration::from_millis(100))
        .expect_err("no place in the backlog");
    assert!(is_timeout(error.kind()), "{error}");
}

#[test]
fn every_truncation_ends_where_and_as_it_says() {
    let response = http::ok("hello");
    let whole = {
        let peer = answers(response.clone());
        ask(&peer, GET)
    };
    let mut cases = 0;
    faults::sweep(faults::truncations(response), |case, peer| {
        let (bytes, error) = ask_to_its_end(peer, GET);
        let length = bytes.len();
        let ending = if error.is_some() { "Reset" } else { "Close" };
        assert_eq!(case.name(), format!("cut({length}, Ending::{ending})"));
        assert_eq!(bytes, whole[..length], "{case}");
        assert!(matches!(error, None | Some(ErrorKind::ConnectionReset)), "{case}: {error:?}");
        assert_eq!(length, cases / 2, "{case}");
        cases += 1;
    })
    .expect("a sweep");
    assert_eq!(cases, 2 * whole.len());
}

#[test]
fn every_kind_of_response_is_cut_at_its_byte() {
    let bytes = numbered(700_000);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("response");
    std::fs::write(&path, &bytes).expect("room");
    for cut in [0, 1, 262_143, 262_144, 262_145, 699_999, 700_000] {
        let reader = std::io::Cursor::new(bytes.clone());
        for (kind, response) in [
            ("bytes", Response::from(bytes.clone())),
            ("a file", Response::file(&path)),
            ("a reader", Response::new().send_from(reader)),
            ("steps", Response::from(&bytes[..300_000]).send(&bytes[300_000..])),
            ("pieces", Response::file(&path).in_pieces(10_000, Duration::ZERO)),
        ] {
            let case = format!("{cut} bytes of {kind}");
            let peer = answers(response.cut(cut, Ending::Reset));
            let (seen, error) = ask_to_its_end(&peer, GET);
            let cut = usize::try_from(cut).expect("few");
            same_bytes(&seen, &bytes[..cut], &case);
            assert_eq!(error, Some(ErrorKind::ConnectionReset), "{case}");
            finished(peer);
        }
    }
}

#[test]
fn truncations_come_with_the_endings_that_are_asked_for() {
    let endings = [Ending::HalfClose, Ending::Hold, Ending::StopReading];
    let family = || faults::truncations("ab").endings(endings.clone());
    let names: Vec<_> = family().map(|case| case.name().to_owned()).collect();
    let [half_close, hold, stop] = ["HalfClose", "Hold", "StopReading"];
    let expected: Vec<_> = [0, 1]
        .iter()
        .flat_map(|n| [half_close, hold, stop].map(|ending| format!("cut({n}, Ending::{ending})")))
        .collect();
    assert_eq!(names, expected);
    faults::sweep(family(), |case, peer| {
        let mut client = connect(peer);
        client.write_all(GET).expect("room");
        if case.name().ends_with("HalfClose)") {
            read_all(&mut client);
        } else {
            let sent = usize::from(case.name().starts_with("cut(1"));
            client.read_exact(&mut vec![0; sent]).expect("what comes before the silence");
            hears_nothing(&mut client);
        }
    })
    .expect("a sweep");
}

#[test]
fn every_split_and_byte_by_byte_deliver_the_same_bytes() {
    let response = "HTTP/1.1 200 OK\r\n\r\nhi";
    let pause = Duration::from_micros(200);
    let splits = faults::splits(response, pause);
    assert_eq!(splits.clone().count(), response.len() - 1);
    let first = splits.clone().next().expect("a case").name().to_owned();
    assert_eq!(first, "split_at(1, Duration::from_micros(200))");
    let cases = splits.chain([faults::byte_by_byte(response, pause)]);
    faults::sweep(cases, |case, peer| {
        same_bytes(&ask(peer, GET), response.as_bytes(), case.name());
    })
    .expect("a sweep");
}

#[test]
fn a_split_is_seen_as_two_parts() {
    let peer = answers(Response::from("123456").split_at(2, Duration::from_millis(100)));
    // A client that is delayed for longer than the pause reads both parts at once; not in every run.
    let parts = (0..20).map(|_| {
        let mut client = connect(&peer);
        client.write_all(GET).expect("room");
        let mut part = [0; 6];
        let length = client.read(&mut part).expect("a first part");
        (length, [&part[..length], &read_all(&mut client)].concat())
    });
    let mut parts = parts.inspect(|(_, all)| assert_eq!(all, b"123456"));
    assert!(parts.any(|(first, _)| first == 2));
    drop(parts);
    finished(peer);
}

#[test]
fn one_peer_serves_a_family_a_case_for_each_connection() {
    let family =
        || faults::truncations(http::ok("hi")).chain([faults::byte_by_byte("x", Duration::ZERO)]);
    let peer = answers(PerConnection::new(family()));
    for case in family() {
        let (bytes, error) = ask_to_its_end(&peer, GET);
        let expected = case.name().contains("Reset").then_some(ErrorKind::ConnectionReset);
        assert_eq!(error, expected, "{case}");
        assert!(
            case.name().starts_with(&format!("cut({}, ", bytes.len())) || bytes == b"x",
            "{case}"
        );
    }
    finished(peer);
}

#[test]
fn a_sweep_tells_of_a_source_that_fails_and_not_of_a_client_that_leaves() {
    let leaves_at_once = faults::truncations("abc");
    faults::sweep(leaves_at_once, |_, peer| drop(connect(peer))).expect("nothing failed");

    let cases = [
        faults::Case::new("good", "good"),
        faults::Case::new("no file", Response::file("/no/such/file")),
    ];
    let seen = Mutex::new(Vec::new());
    let error = faults::sweep(cases, |case, peer| {
        seen.lock().expect("no panic").push(case.to_string());
        ask(peer, GET);
    });
    let error = error.expect_err("a file that is not there").report().to_string();
    assert!(error.contains("/no/such/file"), "{error}");
    assert_eq!(*seen.lock().expect("no panic"), ["good", "no file"]);
}

#[test]
fn a_panic_in_a_sweep_goes_through() {
    let panic = std::panic::catch_unwind(|| {
        let _ = faults::sweep(faults::truncations("abc"), |case, _| {
            assert!(!case.name().starts_with("cut(1"), "the second length");
        });
    });
    let payload = panic.expect_err("a panic");
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"the second length"));
}

#[cfg(target_os = "linux")]
#[test]
fn the_journal_tells_after_which_byte_a_client_left() {
    let gate = Gate::new();
    let peer = answers(
        Response::new()
            .repeat("a", 137)
            .gate(&gate)
            .repeat("b", 163)
            .in_pieces(100, Duration::ZERO),
    );
    let mut client = connect(&peer);
    client.write_all(GET).expect("room");
    client.read_exact(&mut [0; 137]).expect("what comes before the gate");
    assert!(gate.wait_until_reached(PATIENCE));
    drop(client);
    gate.open();
    let exchange = taken(&peer);
    let journal = finished(peer);
    assert_eq!(exchange.offered(), 300);
    assert!(exchange.sent() > 137, "the kernel has taken more: {}", exchange.sent());
    assert_eq!(exchange.acknowledged(), Some(137), "{journal}");
    let text = journal.to_string();
    assert!(text.contains("by the client after byte 137 of 300 at "), "{text}");
}

#[cfg(target_os = "linux")]
#[test]
fn acknowledged_bytes_are_told_for_each_exchange_of_a_kept_connection() {
    let gate = Gate::new();
    let peer = answers(Sequence::new([
        Response::from("first").keep_open(),
        Response::from("sec").gate(&gate).send("ond"),
    ]));
    let mut client = connect(&peer);
    client.write_all(GET).expect("room");
    client.read_exact(&mut [0; 5]).expect("the first answer");
    client.write_all(GET).expect("room");
    client.read_exact(&mut [0; 3]).expect("half of the second answer");
    drop(client);
    gate.open();
    let (first, second) = (taken(&peer), taken(&peer));
    finished(peer);
    assert_eq!((first.sent(), first.acknowledged()), (5, Some(5)));
    assert_eq!((second.sent(), second.acknowledged()), (6, Some(3)));
}

#[cfg(target_os = "linux")]
#[test]
fn what_was_on_its_way_when_we_closed_is_not_told_as_lost() {
    let response = Response::new().repeat("a", 1_000_000).ending(Ending::CloseAtOnce);
    let peer = answers(response);
    let mut client = fake_peer_test_support::connect_with_little_room(&peer);
    client.write_all(GET).expect("room");
    let exchange = taken(&peer);
    let journal = finished(peer);
    assert_eq!(exchange.acknowledged().filter(|&bytes| bytes < 1_000_000), None, "{journal}");
    assert_eq!(read_all(&mut client).len(), 1_000_000);
}

#[test]
fn a_panic_of_a_reader_leaves_its_exchange_in_the_journal() {
    struct Panicking;
    impl Read for Panicking {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            panic!("no such reader")
        }
    }
    let peer = answers(Response::from("abc").send_from(Panicking));
    assert_eq!(ask(&peer, GET), b"abc");
    let panic = catch_unwind(AssertUnwindSafe(|| peer.take(PATIENCE))).expect_err("a panic");
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"no such reader"));
    let journal = finished(peer);
    let exchange = journal.exchanges().next().expect("an exchange");
    assert_eq!((exchange.request().bytes(), exchange.sent()), (GET, 3));
    let failure = "a reader of the response panicked";
    assert_eq!(exchange.failure(), Some(failure));
}

#[test]
fn a_panicking_test_does_not_wait_for_pauses_and_gates() {
    let gate = Gate::new();
    let long = Duration::from_secs(600);
    for response in [
        Response::new().pause(long),
        Response::from("abc").in_pieces(1, long),
        Response::from("abc").throttle(1).repeat("d", 600),
        Response::new().gate(&gate),
    ] {
        let start = std::time::Instant::now();
        let panic = catch_unwind(AssertUnwindSafe(|| {
            let peer = fake_peer_test_support::patient().source(response).spawn().expect("a peer");
            let mut client = connect(&peer);
            client.write_all(GET).expect("room");
            eventually("the request is there", || {
                peer.journal().connections().first().is_some_and(|it| it.unfinished() == 0)
            });
            panic!("the test's own");
        }));
        assert_eq!(panic.expect_err("a panic").downcast_ref(), Some(&"the test's own"));
        assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    }
}

#[test]
fn the_seeds_of_delays_are_told() {
    let delay = Delay::uniform(Duration::ZERO, Duration::from_millis(1));
    let gate = Gate::new();
    let response = Response::from("a").pause(delay.seed(17)).send("bcd").gate(&gate);
    let response = response.in_pieces(1, Delay::log_normal(Duration::from_micros(10), 1.0).seed(4));
    let peer = fake_peer::TcpServer::builder()
        .timeout(Duration::from_millis(10))
        .source(response)
        .spawn()
        .expect("a peer");
    assert_eq!(ask(&peer, GET), b"abcd");
    let error = peer.take(PATIENCE).expect_err("the gate stays closed");
    let text = error.report().to_string();
    assert!(text.contains(" (delays from seeds 17, 4): the gate was not opened"), "{text}");
    assert_eq!(error.exchange().expect("an exchange").seeds(), [17, 4]);
    let journal = finished(peer).to_string();
    assert!(journal.contains("note: delays were drawn from seed 17\n"), "{journal}");
}

#[test]
fn head_framing_answers_an_expectation_by_hand() {
    let answers = |request: &Request| match request.client().turn() {
        1 => Response::from("HTTP/1.1 100 Continue\r\n\r\n").then(Framing::exactly(5)),
        _ => http::ok("stored"),
    };
    let peer = fake_peer::TcpServer::builder()
        .framing(Framing::head())
        .source(answers)
        .spawn()
        .expect("a peer");
    let mut client = connect(&peer);
    client.write_all(b"PUT / HTTP/1.1\nExpect: 100-continue\n\n").expect("room");
    let mut interim = [0; 25];
    client.read_exact(&mut interim).expect("the interim response");
    client.write_all(b"hello").expect("room");
    assert!(read_all(&mut client).ends_with(b"stored"));
    drop(client);
    assert_eq!(finished(peer).requests().last().expect("two").bytes(), b"hello");
}
