//! The error for a text that is no conversation: where, and what would be right.

/// The error for a text that is no conversation: it names line and column, and what would be right there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {reason}")]
pub struct ParseConversationError {
    line: usize,
    column: usize,
    reason: String,
}

impl ParseConversationError {
    pub(super) fn new(line: usize, column: usize, reason: impl Into<String>) -> Self {
        ParseConversationError { line, column, reason: reason.into() }
    }

    /// What comes after `text` is not UTF-8.
    pub(super) fn not_utf8(text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(text);
        let line = text.matches('\n').count() + 1;
        let column = text.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Self::new(line, column, r"this is not UTF-8: write bytes as \xHH")
    }

    /// The line, counted from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// The column in characters, counted from 1.
    pub fn column(&self) -> usize {
        self.column
    }
}
