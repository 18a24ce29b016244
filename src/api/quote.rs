//! Quotes of a server's text.

use crate::printable::is_risky;

/// The longest quote. The rest is cut off.
const QUOTE_CHARS_MAX: usize = 300;

/// Cuts a foreign text to one short line that cannot disturb a terminal, and hides anything that
/// looks like a token.
pub(super) fn quote(text: &str) -> String {
    let words = text.split_whitespace().map(|word| {
        if ["ya29.", "1//", "GOCSPX-"].iter().any(|it| word.contains(it)) {
            "(hidden)"
        } else {
            word
        }
    });
    let line = words.collect::<Vec<_>>().join(" ");
    let mut quoted: String = line.chars().filter(|c| !is_risky(*c)).take(QUOTE_CHARS_MAX).collect();
    if line.chars().count() > QUOTE_CHARS_MAX {
        quoted.push('…');
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_short_and_hold_no_tokens() {
        let text = format!("bad token ya29.secret and {}\u{1b}[31m\u{202e}", "x".repeat(5000));
        let quoted = quote(&text);
        assert!(quoted.chars().count() <= QUOTE_CHARS_MAX + 1);
        assert!(!quoted.contains("secret"));
        assert_eq!(quote("a\u{1b}b\u{202e}c\n<3>d"), "abc <3>d");
    }
}
