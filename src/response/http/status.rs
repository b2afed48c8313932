//! Status codes with their usual reasons.

use std::fmt;

/// The status of a response, as its status line has it: a code and a reason. It is made from either of the two:
///
/// - from a code, with the reason that RFC 9110 section 15 or a later RFC gives it; a code without one has an empty reason;
/// - from text, which is sent as it is: `404 Not Found`, `200 Alles gut`, `2000`.
///
/// ```
/// use fake_peer::http::Status;
///
/// assert_eq!(Status::from(404).to_string(), "404 Not Found");
/// assert_eq!(Status::from("404 Gone Fishing").to_string(), "404 Gone Fishing");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status(String);

impl Status {
    /// Whether responses with this status can have a body (RFC 9110 section 6.4.1).
    pub(super) fn has_body(&self) -> bool {
        let code = self.0.split(' ').next().and_then(|code| code.parse().ok());
        !matches!(code, Some(100..=199_u16 | 204 | 304))
    }
}

/// The code and its usual reason.
impl From<u16> for Status {
    fn from(code: u16) -> Self {
        Status(format!("{code} {}", reason(code)))
    }
}

/// Exactly this text.
impl From<&str> for Status {
    fn from(text: &str) -> Self {
        Status(text.into())
    }
}

/// Exactly this text.
impl From<String> for Status {
    fn from(text: String) -> Self {
        Status(text)
    }
}

/// The code and the reason.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The reason in RFC 9110 section 15, or in the RFC that the registry of status codes names.
fn reason(code: u16) -> &'static str {
    match code {
        100 => "Continue",
        101 => "Switching Protocols",
        102 => "Processing",
        103 => "Early Hints",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        207 => "Multi-Status",
        208 => "Already Reported",
        226 => "IM Used",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        305 => "Use Proxy",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        423 => "Locked",
        424 => "Failed Dependency",
        425 => "Too Early",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        506 => "Variant Also Negotiates",
        507 => "Insufficient Storage",
        508 => "Loop Detected",
        511 => "Network Authentication Required",
        _ => "",
    }
}
