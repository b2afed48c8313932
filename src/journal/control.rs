//! The characters that a terminal may act on instead of showing them.

/// Whether printing this character may do something to a terminal: control characters (C0, DEL, C1), which can move the cursor or worse,
/// line and paragraph separators, and the marks that change the direction of what follows, so that a name reads as another one.
pub(crate) fn is_control(char: char) -> bool {
    char.is_control()
        || matches!(
            char,
            '\u{61c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
                | '\u{feff}'
        )
}
