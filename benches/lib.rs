//! Ratios of two things timed in turn, and loopback addresses for them.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Instant;

/// The median of `pairs` ratios, each of `each` runs of one to as many runs of the other.
pub fn ratio(ours: &mut dyn FnMut(), theirs: &mut dyn FnMut(), pairs: usize, each: usize) -> f64 {
    let time = |run: &mut dyn FnMut()| {
        let start = Instant::now();
        (0..each).for_each(|_| run());
        start.elapsed().as_secs_f64()
    };
    let mut ratios: Vec<f64> = (0..pairs)
        .map(|pair| {
            // The one that runs first may find the machine in another state.
            if pair % 2 == 0 {
                let ours = time(ours);
                ours / time(theirs)
            } else {
                let theirs = time(theirs);
                time(ours) / theirs
            }
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    ratios[pairs / 2]
}

/// Another loopback address each time, where the system has them. With thousands of connections in `TIME_WAIT` on one address,
/// the search for a free port would take longer than everything else.
pub fn next_host() -> Ipv4Addr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    if !cfg!(target_os = "linux") {
        return Ipv4Addr::LOCALHOST;
    }
    let [high, low] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    Ipv4Addr::new(127, 1, high, low)
}
