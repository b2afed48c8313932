//! The program `tcpserver` and the examples from end to end, with real clients.

#[cfg(unix)]
mod apache;
mod clients;
mod examples;
mod faults;
mod manual;
mod many_exchanges;
mod one_exchange;
mod readme;
mod script;
mod tutorial;
mod tutorial_chapters;
#[cfg(unix)]
mod unix;
