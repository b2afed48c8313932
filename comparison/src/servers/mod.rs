//! One file for each crate: what it has for each wish.

mod fake_peer;
mod httpmock;
mod httptest;
mod mockito;
mod wiremock;

use crate::attempt::Attempt;
use crate::wish::Wish;

/// The attempts of a crate, by wish. None if it has nothing of the kind.
type Attempts = fn(Wish) -> Vec<Attempt>;

pub const ALL: [(&str, Attempts); 5] = [
    ("fake-peer", fake_peer::attempts),
    ("wiremock", wiremock::attempts),
    ("mockito", mockito::attempts),
    ("httpmock", httpmock::attempts),
    ("httptest", httptest::attempts),
];
