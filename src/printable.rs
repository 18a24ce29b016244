//! Makes foreign text safe to print. Names, titles and messages may have any characters. A terminal
//! executes some of them, and a log takes a line break for the begin of another entry.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a character must not reach a terminal or log as it is: it is a control character, breaks
/// the line, is invisible, or changes the direction of the text around it.
pub fn is_risky(c: char) -> bool {
    c.is_control()
        || matches!(c,
            // Hyphenation and fillers that are not shown.
            '\u{ad}' | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}'
            // Directions. The joiners U+200C and U+200D stay: scripts and emoji need them.
            | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            // Other text is not shown at all, or breaks the line.
            | '\u{180e}' | '\u{200b}' | '\u{2028}' | '\u{2029}' | '\u{2060}'..='\u{2065}'
            | '\u{206a}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e001f}')
}

/// Escapes the characters that must not be printed, for one line of text.
pub fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(is_risky) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_risky(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    Cow::Owned(shown)
}

/// As [`escaped`], for text with lines of our own: these stay.
pub fn escaped_lines(text: &str) -> Cow<'_, str> {
    let is_raw = |c: char| is_risky(c) && !matches!(c, '\n' | '\t');
    if !text.contains(is_raw) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_raw(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    Cow::Owned(shown)
}

/// As [`escaped_lines`], for text with colours of our own, which stay. Foreign text must be
/// escaped before it is put into such a text: its colours would stay, too.
pub fn escaped_coloured(text: &str) -> Cow<'_, str> {
    if !text.contains(|c| is_risky(c) && c != '\n') {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(at) = rest.find(|c| is_risky(c) && c != '\n' && c != '\t') {
        shown.push_str(&rest[..at]);
        rest = &rest[at..];
        match colour(rest) {
            0 => {
                let c = rest.chars().next().unwrap_or_default();
                shown.extend(c.escape_default());
                rest = &rest[c.len_utf8()..];
            }
            len => {
                shown.push_str(&rest[..len]);
                rest = &rest[len..];
            }
        }
    }
    shown.push_str(rest);
    Cow::Owned(shown)
}

/// The length of the colour that a text begins with (ECMA-48's SGR, `ESC [ 1 ; 31 m`), or 0.
fn colour(text: &str) -> usize {
    let Some(rest) = text.strip_prefix("\u{1b}[") else { return 0 };
    let end = rest.find(|c: char| !(c.is_ascii_digit() || c == ';'));
    end.filter(|end| rest[*end..].starts_with('m')).map_or(0, |end| end + 3)
}

/// Escapes in JSON the characters that JSON itself leaves as they are. Its meaning stays the same.
pub fn escaped_json(json: &str) -> Cow<'_, str> {
    // Between values there are line breaks only. serde escapes those in strings.
    let is_raw = |c: char| is_risky(c) && c != '\n';
    if !json.contains(is_raw) {
        return Cow::Borrowed(json);
    }
    let mut shown = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if is_raw(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string cannot fail.
                let _ = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_line_stays_one_line() {
        assert_eq!(escaped("Crème 🏖\u{fe0f} 👩\u{200d}🚀"), "Crème 🏖\u{fe0f} 👩\u{200d}🚀");
        assert_eq!(escaped("a\n<3>b\x1b[2J\u{202e}gpj"), r"a\n<3>b\u{1b}[2J\u{202e}gpj");
        assert_eq!(escaped("\u{2028}\u{9b}2J\u{200b}"), r"\u{2028}\u{9b}2J\u{200b}");
    }

    #[test]
    fn lines_and_colours_of_our_own_stay() {
        assert_eq!(escaped_lines("\x1b[1;31mbad\n\tx"), "\\u{1b}[1;31mbad\n\tx");
        assert_eq!(escaped_coloured("\x1b[1;31mbad\x1b[0m\n\tx"), "\x1b[1;31mbad\x1b[0m\n\tx");
        assert_eq!(
            escaped_coloured("\x1b[2J\x1b]0;title\x07\x1b"),
            r"\u{1b}[2J\u{1b}]0;title\u{7}\u{1b}"
        );
        assert_eq!(escaped_coloured("\x1b[31"), r"\u{1b}[31");
        assert_eq!(escaped_coloured("a\u{202e}b\r"), r"a\u{202e}b\r");
    }

    #[test]
    fn json_means_the_same() {
        let text = "a\u{202e}b\u{9b}\u{7f}\u{e0001}\n";
        let json = format!("{}\n", serde_json::json!({ "x": text }));
        let safe = escaped_json(&json);
        assert!(!safe.contains(|c| is_risky(c) && c != '\n'), "{safe}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap()["x"], text);
    }

    proptest! {
        #[test]
        fn nothing_risky_is_left(text in "\\PC*|.*") {
            prop_assert!(!escaped(&text).contains(is_risky));
            let is_left = |c| is_risky(c) && !matches!(c, '\n' | '\t');
            prop_assert!(!escaped_lines(&text).contains(is_left));
            prop_assert!(!escaped_coloured(&text).contains(|c| is_left(c) && c != '\x1b'));
        }
    }
}
