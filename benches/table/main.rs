//! One table of ratios: peers beside what a user would write by hand with `std::net`.
//!
//! In each run, the peer, the reference, and the reference under another name do the same in turn, in another order each time. A
//! ratio is the median over all runs, of the peer to the reference; its control is the reference to itself, which would be 1.00 on
//! a machine without noise. `-- --test` makes one short run each, `RUNS=n` makes `n` (otherwise 11; ten times as many of what is
//! short), and any other argument selects the rows whose names contain it:
//!
//! ```sh
//! RUNS=101 cargo bench -p fake-peer-benches --bench table -- 'one exchange'
//! ```
//!
//! On several cores, a single client is up to ten times faster while the system runs it on the core of its server, and the system
//! moves it at any time. The rows with one client then say nothing, as the brackets of their controls show: measure them on one
//! core, `taskset -c 0 cargo bench …`. There, all controls are within 2 %, and the ratios are those of the work done, without what
//! a second core could take over.

#![allow(clippy::print_stdout)] // the table

mod large;
mod many_exchanges;
mod memory;
mod one_exchange;
mod parallel_tests;
mod rows;
mod tls;

use rows::Table;

fn main() {
    let mut table = Table::from_arguments();
    // Single exchanges come first: what comes later leaves as many connections in `TIME_WAIT` as the kernel keeps.
    one_exchange::measure(&mut table);
    large::measure(&mut table);
    memory::measure(&mut table);
    parallel_tests::measure(&mut table);
    many_exchanges::measure(&mut table);
    tls::measure(&mut table);
    print!("{table}");
}
