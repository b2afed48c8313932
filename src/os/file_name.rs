//! File names made of bytes.

use std::ffi::OsString;

/// The file name with these bytes.
#[cfg(unix)]
pub(crate) fn file_name(bytes: Vec<u8>) -> OsString {
    std::os::unix::ffi::OsStringExt::from_vec(bytes)
}

/// Other systems have names that are text, except for ill-formed UTF-16 on Windows: what is not UTF-8 is replaced.
#[cfg(not(unix))]
#[allow(clippy::needless_pass_by_value)] // as on Unix
pub(crate) fn file_name(bytes: Vec<u8>) -> OsString {
    String::from_utf8_lossy(&bytes).into_owned().into()
}
