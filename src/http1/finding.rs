//! What `check` finds about a response, and how it prints.

use std::fmt;

/// A problem of a response, and where it is. Prints as one line.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Finding {
    pub(super) offset: u64,
    pub(super) kind: FindingKind,
}

/// What is wrong with a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FindingKind {
    /// A byte order mark or white space before the status line. The offset is that of the status line.
    LeadingBytes,
    /// The status line names another version than HTTP/1.0 or HTTP/1.1.
    Version,
    /// The status is not three digits from 100 to 599.
    Status,
    /// The status is not followed by a space, which is required even if no reason follows.
    NoSpaceBehindStatus,
    /// A line of the head, or of the chunked coding, ends with LF alone.
    LoneLf,
    /// A CR in the head that is not followed by LF.
    LoneCr,
    /// A byte of value 0 in the head.
    Nul,
    /// A line of the head that is no field.
    NoColon,
    /// White space between the name of a field and its colon.
    SpaceBeforeColon,
    /// A byte that the name of a field may not have, or no name at all.
    FieldName,
    /// A line of the head that goes on with the line before it (obs-fold).
    Fold,
    /// The head is not ended by an empty line. The offset is where the bytes end.
    NoEmptyLine,
    /// A Content-Length that is not a number, or too large a one.
    ContentLength,
    /// Several Content-Length values that differ.
    ConflictingContentLengths,
    /// Content-Length together with Transfer-Encoding.
    ContentLengthBesideTransferEncoding,
    /// A Transfer-Encoding whose last coding is not `chunked`: only the close ends the body.
    TransferEncoding,
    /// Another number of bytes than Content-Length says. The offset is that of the first byte too many, or where bytes
    /// are missing.
    #[non_exhaustive]
    BodyLength {
        /// What Content-Length says.
        said: u64,
        /// How many bytes follow the head.
        present: u64,
    },
    /// A byte that the chunked coding does not allow.
    Chunk,
    /// The body ends before its last chunk and the empty line after that. The offset is where the bytes end.
    NoLastChunk,
    /// Bytes after the last chunk.
    #[non_exhaustive]
    BytesBehindEnd {
        /// How many.
        bytes: u64,
    },
    /// A body of a response that has none by its status.
    #[non_exhaustive]
    Body {
        /// How many bytes it has.
        bytes: u64,
    },
    /// An interim response (1xx) that no other response follows.
    NoFinalResponse,
}

impl Finding {
    /// How many bytes come before it.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// What is wrong.
    pub fn kind(&self) -> FindingKind {
        self.kind
    }
}

/// `byte 15: a line ends with LF alone, …`.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}: {}", self.offset, self.kind)
    }
}

/// One line, with what the standard says about it.
impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FindingKind::LeadingBytes => {
                "white space or a byte order mark comes before the status line"
            }
            FindingKind::Version => "the version is neither HTTP/1.0 nor HTTP/1.1",
            FindingKind::Status => {
                "the status is not three digits from 100 to 599 (RFC 9110 section 15)"
            }
            FindingKind::NoSpaceBehindStatus => {
                "no space follows the status (RFC 9112 section 4)"
            }
            FindingKind::LoneLf => "a line ends with LF alone, without CR (RFC 9112 section 2.2)",
            FindingKind::LoneCr => "a CR in the head is not followed by LF (RFC 9112 section 2.2)",
            FindingKind::Nul => "the head has a NUL byte (RFC 9110 section 5.5)",
            FindingKind::NoColon => "a line of the head has no colon (RFC 9112 section 5)",
            FindingKind::SpaceBeforeColon => {
                "white space stands before the colon of a field (RFC 9112 section 5.1)"
            }
            FindingKind::FieldName => "this is not a valid field name (RFC 9110 section 5.1)",
            FindingKind::Fold => {
                "a line continues the field of the line before it (RFC 9112 section 5.2)"
            }
            FindingKind::NoEmptyLine => "no empty line ends the head (RFC 9112 section 2.1)",
            FindingKind::ContentLength => {
                "Content-Length is not a number of bytes (RFC 9110 section 8.6)"
            }
            FindingKind::ConflictingContentLengths => {
                "Content-Length values contradict each other (RFC 9112 section 6.3)"
            }
            FindingKind::ContentLengthBesideTransferEncoding => {
                "Content-Length and Transfer-Encoding are both present (RFC 9112 section 6.2)"
            }
            FindingKind::TransferEncoding => {
                "Transfer-Encoding does not end in `chunked` (RFC 9112 section 6.3)"
            }
            FindingKind::BodyLength { said, present } => {
                return write!(f, "Content-Length says {said} bytes, but the body has {present}");
            }
            FindingKind::Chunk => "this byte breaks the chunked coding (RFC 9112 section 7.1)",
            FindingKind::NoLastChunk => {
                "the body ends before its last chunk and the empty line after that (RFC 9112 section 7.1)"
            }
            FindingKind::BytesBehindEnd { bytes } => {
                return write!(f, "{bytes} more bytes follow the last chunk");
            }
            FindingKind::Body { bytes } => {
                return write!(
                    f,
                    "a body of {bytes} bytes, but responses with this status have none (RFC 9112 section 6.3)"
                );
            }
            FindingKind::NoFinalResponse => {
                "no final response follows the interim one (RFC 9110 section 15.2)"
            }
        })
    }
}
