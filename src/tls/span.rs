//! From when to when a certificate is valid.

use std::time::{Duration, SystemTime};

use rcgen::CertificateParams;

/// From when to when a certificate is valid. All times are relative to now.
#[derive(Debug, Clone, Copy)]
pub(super) enum Span {
    Now,
    Expired,
    NotYet,
    /// Longer than those of all certificates.
    Authority,
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Span {
    pub(super) fn set(self, params: &mut CertificateParams) {
        let now = SystemTime::now();
        let (from, to) = match self {
            Span::Now => (now - DAY, now + DAY * 365),
            Span::Expired => (now - DAY * 30, now - DAY),
            Span::NotYet => (now + DAY, now + DAY * 365),
            Span::Authority => (now - DAY * 31, now + DAY * 730),
        };
        params.not_before = from.into();
        params.not_after = to.into();
    }
}
