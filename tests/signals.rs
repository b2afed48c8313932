//! Timeouts hold although signals interrupt every call. Alone in its file, one test after another: signals are the process's.

#![cfg(target_os = "linux")]
#![allow(unsafe_code)] // std has no signals

use std::fs;
use std::io::Write;
use std::mem;
use std::net::TcpStream;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use fake_peer::{Error, Framing, Gate, Request, Response, TcpServerBuilder, http};
use fake_peer_test_support::{
    EARLY, bound, connect, connect_with_little_room, end_of_file, expect_bytes, over_within,
    patient, read_all, spawned, unshared_addr,
};

const TIMEOUT: Duration = Duration::from_millis(200);

/// Ten times the timeout.
const LIMIT: Duration = Duration::from_secs(2);

const INTERVALS: [Duration; 3] =
    [Duration::from_micros(300), Duration::from_millis(1), Duration::from_millis(10)];

const GET: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

extern "C" fn nothing(_: libc::c_int) {}

/// Signals at intervals, until this is dropped: the process's timer, and for each thread one of its own, since the kernel gives
/// those of the process to one thread.
struct Storm {
    over: Arc<AtomicBool>,
    sender: Option<JoinHandle<()>>,
    _alone: MutexGuard<'static, ()>,
}

impl Storm {
    fn each(interval: Duration) -> Self {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        handle_alarms();
        set_timer(interval);
        let over = Arc::new(AtomicBool::new(false));
        let (is_over, own) = (Arc::clone(&over), Arc::new(AtomicI32::new(0)));
        let sender = thread::spawn(move || {
            // SAFETY: the call has no arguments.
            own.store(unsafe { libc::gettid() }, Ordering::Relaxed);
            while !is_over.load(Ordering::Relaxed) {
                thread::sleep(interval);
                interrupt_all_but(own.load(Ordering::Relaxed));
            }
        });
        Storm { over, sender: Some(sender), _alone: alone }
    }
}

impl Drop for Storm {
    fn drop(&mut self) {
        set_timer(Duration::ZERO);
        self.over.store(true, Ordering::Relaxed);
        let ended = self.sender.take().map(JoinHandle::join);
        assert!(thread::panicking() || matches!(ended, Some(Ok(()))), "the storm has ended");
    }
}

/// Without `SA_RESTART`, so that calls end with `EINTR`.
fn handle_alarms() {
    // SAFETY: all zeros is a valid sigaction; its handler does nothing, which is safe in a signal.
    let result = unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = nothing as *const () as libc::sighandler_t;
        libc::sigaction(libc::SIGALRM, &raw const action, ptr::null_mut())
    };
    assert_eq!(result, 0, "a handler of SIGALRM");
}

fn set_timer(interval: Duration) {
    let microseconds = interval.as_micros().try_into().expect("less than a second");
    let time = libc::timeval { tv_sec: 0, tv_usec: microseconds };
    let timer = libc::itimerval { it_interval: time, it_value: time };
    // SAFETY: `timer` is a whole itimerval, which the call only reads.
    let result = unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, ptr::null_mut()) };
    assert_eq!(result, 0, "a timer");
}

fn interrupt_all_but(own: libc::pid_t) {
    let tasks = fs::read_dir("/proc/self/task").expect("the process's threads");
    let names = tasks.filter_map(|task| task.ok()?.file_name().into_string().ok());
    for thread in names.filter_map(|name| name.parse::<libc::pid_t>().ok()) {
        if thread != own {
            // SAFETY: the call has only numbers. A thread that has ended is an error, which does not matter.
            unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, libc::SIGALRM) };
        }
    }
}

fn builder() -> TcpServerBuilder {
    patient().addr(unshared_addr())
}

/// Runs a test in storms of every kind. It must not end before the timeout, and long before it is ten times over.
#[track_caller]
fn in_every_storm(test: impl Fn() + Clone + Send + 'static) {
    for interval in INTERVALS {
        let storm = Storm::each(interval);
        let test = test.clone();
        over_within(LIMIT + TIMEOUT, &format!("a signal each {interval:?}"), test);
        drop(storm);
    }
}

#[track_caller]
fn in_time(start: Instant) {
    let took = start.elapsed();
    assert!(took + EARLY >= TIMEOUT, "not before its time: {took:?}");
    assert!(took < LIMIT, "{took:?}");
}

#[test]
fn an_accept_timeout_holds() {
    in_every_storm(|| {
        let server = bound(builder()).accept_timeout(TIMEOUT);
        let start = Instant::now();
        let error = server.serve_once().expect_err("nobody came");
        assert!(matches!(error, Error::NoRequest { .. }), "{error:?}");
        in_time(start);
    });
}

#[test]
fn an_accept_timeout_holds_though_silent_clients_are_connected() {
    in_every_storm(|| {
        let server = bound(builder()).accept_timeout(TIMEOUT);
        let silent: Vec<_> = (0..5).map(|_| connect(server.local_addr())).collect();
        let start = Instant::now();
        let error = server.serve_once().expect_err("nobody asked");
        assert!(matches!(error, Error::NoRequest { .. }), "{error:?}");
        in_time(start);
        drop(silent);
    });
}

#[test]
fn an_accept_timeout_of_many_exchanges_holds() {
    in_every_storm(|| {
        let server = bound(builder()).accept_timeout(TIMEOUT);
        let start = Instant::now();
        let error = server.serve(3).expect_err("nobody came");
        assert!(matches!(error, Error::NoRequest { .. }), "{error:?}");
        in_time(start);
    });
}

#[test]
fn a_timeout_of_half_a_request_holds_in_the_foreground() {
    in_every_storm(|| {
        let server = bound(builder().timeout(TIMEOUT).linger(TIMEOUT));
        let mut client = connect(server.local_addr());
        client.write_all(b"GET / HT").expect("room for half a request");
        let start = Instant::now();
        let error = server.serve_once().expect_err("the other half");
        assert!(matches!(error, Error::Receive { .. }), "{error:?}");
        in_time(start);
    });
}

#[test]
fn a_timeout_of_half_a_request_holds_in_a_peer() {
    in_every_storm(|| {
        let peer = spawned(builder().timeout(TIMEOUT).linger(TIMEOUT).source("answer"));
        let start = Instant::now();
        let mut client = connect(peer.addr());
        client.write_all(b"GET / HT").expect("room for half a request");
        let error = peer.take(LIMIT).expect_err("the other half");
        assert!(matches!(error, Error::Receive { .. }), "{error:?}");
        in_time(start);
        drop(client);
        peer.finish().expect("it was taken");
    });
}

#[test]
fn a_timeout_of_a_client_that_reads_nothing_holds() {
    in_every_storm(|| {
        let long = Response::from(vec![b'x'; 20 << 20]);
        let peer = spawned(builder().timeout(TIMEOUT).linger(TIMEOUT).source(long));
        let start = Instant::now();
        let mut client: TcpStream = connect_with_little_room(peer.addr());
        client.write_all(GET).expect("room for a small request");
        let error = peer.take(LIMIT).expect_err("a client that reads");
        assert!(matches!(error, Error::Send { .. }), "{error:?}");
        in_time(start);
        drop(client);
        peer.finish().expect("it was taken");
    });
}

#[test]
fn a_take_that_finds_nothing_is_over_in_time() {
    in_every_storm(|| {
        let peer = spawned(builder().source("answer"));
        let start = Instant::now();
        let error = peer.take(TIMEOUT).expect_err("nobody came");
        assert!(matches!(error, Error::NoExchange { .. }), "{error:?}");
        in_time(start);
        peer.finish().expect("nobody came");
    });
}

#[test]
fn an_idle_timeout_and_a_linger_time_hold() {
    in_every_storm(|| {
        let peer = spawned(builder().idle_timeout(TIMEOUT).linger(TIMEOUT).source("answer"));
        let start = Instant::now();
        let mut silent = connect(peer.addr());
        end_of_file(&mut silent, "a silent client");
        in_time(start);
        peer.finish().expect("nothing is wrong");

        let peer = spawned(builder().linger(TIMEOUT).source("answer"));
        let silent = connect(peer.addr());
        let start = Instant::now();
        peer.finish().expect("nothing is wrong");
        in_time(start);
        drop(silent);
    });
}

#[test]
fn a_gate_that_stays_closed_has_its_timeout() {
    in_every_storm(|| {
        let gate = Gate::new();
        let response = Response::from("first").gate(&gate);
        let peer = spawned(builder().timeout(TIMEOUT).linger(TIMEOUT).source(response));
        let mut client = connect(peer.addr());
        let start = Instant::now();
        client.write_all(GET).expect("room for a small request");
        expect_bytes(&mut client, b"first", "before the gate");
        let error = peer.take(LIMIT).expect_err("a closed gate");
        assert!(matches!(error, Error::Respond { .. }), "{error:?}");
        in_time(start);
        drop(client);
        peer.finish().expect("it was taken");
    });
}

#[test]
fn a_pause_is_neither_shorter_nor_much_longer() {
    in_every_storm(|| {
        let peer = spawned(builder().source(Response::from("first").pause(TIMEOUT).send("second")));
        let mut client = connect(peer.addr());
        let start = Instant::now();
        client.write_all(GET).expect("room for a small request");
        assert_eq!(read_all(&mut client), b"firstsecond");
        in_time(start);
        drop(client);
        peer.finish().expect("nothing is wrong");
    });
}

#[test]
fn exchanges_are_whole() {
    in_every_storm(|| {
        let peer = spawned(
            builder()
                .framing(Framing::until("\n"))
                .source(|request: &Request| http::ok(request.bytes().repeat(100_000))),
        );
        for _ in 0..3 {
            let mut client = connect(peer.addr());
            client.write_all(b"0123456789\n").expect("room for a small request");
            let answer = read_all(&mut client);
            assert!(answer.ends_with(&b"0123456789\n".repeat(100_000)), "{}", answer.len());
        }
        assert_eq!(peer.finish().expect("nothing is wrong").exchanges().count(), 3);
    });
}
