//! The program `tcpserver` and the examples from end to end, with real clients.

mod answers;
#[cfg(unix)]
mod apache;
mod clients;
mod examples;
#[cfg(unix)]
mod exec;
mod faults;
mod faults_of_one_answer;
mod first_mistakes;
mod for_scripts;
mod manual;
mod many_exchanges;
mod one_exchange;
mod readme;
mod readme_uses;
mod record_over_tls;
mod script;
mod tls;
mod tls_handshakes;
mod tutorial;
mod tutorial_chapters;
#[cfg(unix)]
mod unix;
