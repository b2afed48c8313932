//! Why an HTTP/1 message is framed otherwise than its head says.

/// Why an HTTP request was not framed as its head says.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A Content-Length that is not a number, or too large a one: the head is the request.
    #[error(
        "Content-Length is not a number of bytes (RFC 9112 section 6.3): the request ends after its head"
    )]
    BadContentLength,
    /// Several Content-Length values that differ: the head is the request.
    #[error(
        "Content-Length values contradict each other (RFC 9112 section 6.3): the request ends after its head"
    )]
    ConflictingContentLengths,
    /// Content-Length together with Transfer-Encoding: the chunks counted.
    #[error(
        "Content-Length and Transfer-Encoding are both present (RFC 9112 section 6.3): the chunks decide where the request ends"
    )]
    ContentLengthOverridden,
    /// A Transfer-Encoding whose last coding is not `chunked`: the head is the request.
    #[error(
        "Transfer-Encoding does not end in `chunked` (RFC 9112 section 6.3): the request ends after its head"
    )]
    UnknownTransferCoding,
    /// A byte that the chunked coding does not allow: the request ends before it.
    #[error(
        "byte {offset} of the body breaks the chunked coding (RFC 9112 section 7.1): the request ends before it"
    )]
    BadChunk {
        /// Where, counted from the start of the body.
        offset: u64,
    },
}
