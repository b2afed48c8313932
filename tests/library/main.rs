//! The library through its public interface, with clients written by hand.

mod bounded;
mod check;
mod conversations;
mod errors;
mod failing;
mod faults;
mod framing;
mod garbage;
mod leaving;
mod naive;
mod order;
mod peer;
mod proxy;
mod serve;
mod serve_once;
mod steps;
mod wire;
