//! The library through its public interface, with clients written by hand.

mod accepting;
mod blocked;
mod bounded;
mod captured;
mod check;
mod conversations;
mod cut_short;
mod errors;
mod failing;
mod faults;
mod framing;
mod garbage;
mod last_handle;
mod leaving;
mod naive;
mod order;
mod peer;
mod pipelined;
mod proxy;
mod reports;
mod reset;
mod serve;
mod serve_once;
mod steps;
mod swallowed;
mod wire;
