//! The hand-over between threads, without sockets, explored by the model checker: no wake-up is missed in any order of steps.
//! Run with `RUSTFLAGS="--cfg shuttle" cargo test --lib model`.

use std::task::{Wake, Waker};
use std::time::Duration;

use shuttle::sync::Arc;
use shuttle::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use shuttle::thread;

use super::ledger::{Ledger, Outcome};
use super::turn::Turn;
use super::user_code::Exclusive;
use super::user_threads::UserThreads;
use crate::os::address::Address;
use crate::os::deadline::Deadline;

/// Orders of steps that are tried for each model.
const TRIES: usize = 3_000;

#[test]
fn what_a_thread_wanted_is_done_by_the_thread_that_had_the_turn() {
    shuttle::check_random(
        || {
            let wanted = Arc::new(AtomicUsize::new(0));
            // How much of it the last one that had the turn has seen.
            let turn = Arc::new(Turn::new(0));
            let threads: Vec<_> = (0..3)
                .map(|_| {
                    let (wanted, turn) = (Arc::clone(&wanted), Arc::clone(&turn));
                    thread::spawn(move || {
                        wanted.fetch_add(1, Ordering::SeqCst);
                        let Some(mut seen) = turn.take() else { return };
                        loop {
                            seen = wanted.load(Ordering::SeqCst).max(seen);
                            match turn.give_back(seen) {
                                Ok(()) => return,
                                Err(again) => seen = again,
                            }
                        }
                    })
                })
                .collect();
            threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
            assert_eq!(turn.take(), Some(3), "a thread was not heard");
        },
        TRIES,
    );
}

struct Flag(std::sync::Arc<std::sync::atomic::AtomicBool>);

impl Wake for Flag {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.store(true, std::sync::atomic::Ordering::SeqCst);
    }
}

#[test]
fn a_connection_that_finds_the_source_in_use_is_woken() {
    shuttle::check_random(
        || {
            let source = Arc::new(Exclusive::new(()));
            let threads: Vec<_> = (0..3)
                .map(|_| {
                    let source = Arc::clone(&source);
                    thread::spawn(move || {
                        let woken = std::sync::Arc::default();
                        let flag = std::sync::Arc::new(Flag(std::sync::Arc::clone(&woken)));
                        loop {
                            let waker = Waker::from(std::sync::Arc::clone(&flag));
                            if let Some(using) = source.take(|| waker) {
                                thread::yield_now();
                                drop(using);
                                return;
                            }
                            // The checker fails if this never ends.
                            while !woken.swap(false, std::sync::atomic::Ordering::SeqCst) {
                                thread::yield_now();
                            }
                        }
                    })
                })
                .collect();
            threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
        },
        TRIES,
    );
}

#[test]
fn each_outcome_is_taken_once_and_wakes_a_thread_that_waits() {
    shuttle::check_random(
        || {
            let ledger = Arc::new(Ledger::new(None, false));
            let taken = Arc::new(AtomicUsize::new(0));
            let takers: Vec<_> = (0..2)
                .map(|_| {
                    let (ledger, taken) = (Arc::clone(&ledger), Arc::clone(&taken));
                    thread::spawn(move || {
                        ledger.take(Duration::from_secs(1_000)).expect("an outcome");
                        taken.fetch_add(1, Ordering::SeqCst);
                    })
                })
                .collect();
            for _ in 0..2 {
                let ledger = Arc::clone(&ledger);
                thread::spawn(move || {
                    let mut page = ledger.lock();
                    page.publish(Outcome::Panicked(Box::new(Box::new(()))));
                    page.leave();
                });
            }
            takers.into_iter().for_each(|taker| taker.join().expect("no panic"));
            assert_eq!(taken.load(Ordering::SeqCst), 2);
            assert!(ledger.take(Duration::ZERO).is_none(), "an outcome too many");
        },
        TRIES,
    );
}

#[test]
fn a_call_that_waits_is_woken_by_every_change() {
    shuttle::check_random(
        || {
            let ledger = Arc::new(Ledger::without_journal());
            let is_free = Arc::new(AtomicBool::new(false));
            let waiting = {
                let (ledger, is_free) = (Arc::clone(&ledger), Arc::clone(&is_free));
                thread::spawn(move || {
                    loop {
                        let seen = ledger.changes();
                        if is_free.load(Ordering::SeqCst) {
                            return;
                        }
                        ledger.await_change(seen, Deadline::Never);
                    }
                })
            };
            is_free.store(true, Ordering::SeqCst);
            ledger.wake_all();
            waiting.join().expect("no panic");
        },
        TRIES,
    );
}

#[test]
fn every_job_is_done_before_the_threads_end() {
    shuttle::check_random(
        || {
            let threads = std::sync::Arc::new(UserThreads::default());
            let done = Arc::new(AtomicUsize::new(0));
            let workers: Vec<_> = (0..2)
                .map(|_| {
                    let threads = std::sync::Arc::clone(&threads);
                    threads.count_thread();
                    thread::spawn(move || threads.run())
                })
                .collect();
            for _ in 0..3 {
                let done = Arc::clone(&done);
                let job = Box::new(move || {
                    done.fetch_add(1, Ordering::SeqCst);
                });
                threads.push(job, false, &Address::Unix(None));
            }
            threads.close();
            workers.into_iter().for_each(|worker| worker.join().expect("no panic"));
            assert_eq!(done.load(Ordering::SeqCst), 3);
        },
        TRIES,
    );
}
