//! What a test wants of a server.

use std::fmt;

#[derive(Clone, Copy, PartialEq)]
pub enum Wish {
    CloseUnanswered,
    ResetUnanswered,
    ResetOnAccept,
    CloseInHead,
    CloseInBody,
    ResetInBody,
    SilenceInBody,
    Late,
    CloseAfter,
    CloseUnread,
    Drop,
    /// What the crates call reset, clear or the like: the server drops its mocks.
    Forget,
}

impl Wish {
    pub const ALL: [Wish; 12] = [
        Wish::CloseUnanswered,
        Wish::ResetUnanswered,
        Wish::ResetOnAccept,
        Wish::CloseInHead,
        Wish::CloseInBody,
        Wish::ResetInBody,
        Wish::SilenceInBody,
        Wish::Late,
        Wish::CloseAfter,
        Wish::CloseUnread,
        Wish::Drop,
        Wish::Forget,
    ];

    /// How many bytes the client sends after its request.
    pub fn surplus(self) -> usize {
        if self == Wish::CloseUnread { 16 << 20 } else { 0 }
    }
}

impl fmt::Display for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Wish::CloseUnanswered => "a close instead of an answer",
            Wish::ResetUnanswered => "a reset instead of an answer",
            Wish::ResetOnAccept => "a reset as soon as the client is connected",
            Wish::CloseInHead => "a close within the head",
            Wish::CloseInBody => "a close after 3 of 5 bytes of the body",
            Wish::ResetInBody => "a reset after 3 of 5 bytes of the body",
            Wish::SilenceInBody => "silence after 3 of 5 bytes of the body",
            Wish::Late => "an answer that comes too late",
            Wish::CloseAfter => "a whole answer, and a close",
            Wish::CloseUnread => "the same, to a client that sends 16 MiB more than its request",
            Wish::Drop => "the server is dropped while the client waits for a late answer",
            Wish::Forget => "the server forgets its mocks while the client is connected",
        })
    }
}
