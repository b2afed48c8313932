//! In a program without the feature `tls`: there is no certificate.

use super::arguments::TlsArguments;
use crate::os::address::Address;
use crate::server::builder::TcpServerBuilder;

/// Serving over TLS, which this program does not do.
#[derive(Debug)]
pub(in crate::cli) enum Tls {}

impl Tls {
    /// Always `Ok(None)`: the options were an error before.
    #[allow(clippy::unnecessary_wraps)] // as with the feature
    pub(in crate::cli) fn of(_: &TlsArguments) -> Result<Option<Self>, String> {
        Ok(None)
    }

    pub(in crate::cli) fn secure(&self, _: TcpServerBuilder) -> TcpServerBuilder {
        match *self {}
    }

    pub(in crate::cli) fn write_ca(&self) -> Result<(), String> {
        match *self {}
    }

    pub(in crate::cli) fn how_to_trust(&self, _: &Address) -> Option<String> {
        match *self {}
    }
}
