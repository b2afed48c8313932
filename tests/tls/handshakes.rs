//! Handshakes that fail without TLS: `garbage::tls` as peers, and whether a client names what happened.

use fake_peer::faults::Case;
use fake_peer::garbage::tls::{self, Alert};
use fake_peer::{Journal, Peer};
use fake_peer_test_support::{patient, spawned};

/// A peer that answers with it. Its clients may do what they want.
pub fn peer(case: Case) -> Peer {
    spawned(patient().source(case).clients_may_leave_early())
}

/// The alert that a case is, if it is one of the standard.
pub fn alert_of(case: &Case) -> Option<Alert> {
    let is_it = |alert: &Alert| case.name() == format!("garbage::tls::alert(Alert::{alert:?})");
    Alert::ALL.iter().copied().find(is_it)
}

/// All cases, and not silence, which clients wait for.
pub fn cases() -> impl Iterator<Item = Case> {
    tls::all()
}

/// Whether a client's words have the name of the alert in them, however it is written: `UnknownCA`, `unknown ca`, `UNKNOWN_CA`.
pub fn names(said: &str, alert: Alert) -> bool {
    let letters = |text: &str| {
        let letters = text.chars().filter(char::is_ascii_alphabetic);
        letters.map(|letter| letter.to_ascii_lowercase()).collect::<String>()
    };
    letters(said).contains(&letters(alert.name()))
}

/// The alert with which the client of the first exchange answered, if it did.
pub fn answered_with(journal: &Journal) -> Option<Alert> {
    let exchange = journal.exchanges().next()?;
    let [21, 3, _, 0, 2, _, code] = exchange.trailing() else { return None };
    Alert::ALL.iter().copied().find(|alert| alert.code() == *code)
}
