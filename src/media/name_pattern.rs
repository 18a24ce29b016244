//! A pattern for names, as in a shell: `*` stands for any text, `?` for one character. Pure.

use std::fmt;
use std::str::FromStr;

/// The longest pattern. A name has 255 bytes at most.
const BYTES_MAX: usize = 255;

/// A pattern for names, without regard to case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamePattern(String);

impl NamePattern {
    /// Whether the pattern describes this name, which is in lower case.
    pub fn matches(&self, lowercase: &str) -> bool {
        matches(&self.0, lowercase)
    }
}

impl FromStr for NamePattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let says_nothing = text.chars().all(|it| matches!(it, '*' | '?'));
        match () {
            () if says_nothing => Err("it describes every name".to_owned()),
            () if text.contains(['/', '\0']) => Err("no name has a slash in it".to_owned()),
            () if text.len() > BYTES_MAX => Err("it is longer than any name".to_owned()),
            () => Ok(Self(text.to_lowercase())),
        }
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a pattern describes a name. Both are in lower case.
pub fn matches(pattern: &str, name: &str) -> bool {
    let (mut pattern, mut name) = (pattern.chars(), name.chars());
    // Where to go on if the rest does not fit: the last `*` takes one character more.
    let mut behind_star: Option<(std::str::Chars<'_>, std::str::Chars<'_>)> = None;
    loop {
        let (before, wanted) = (name.clone(), pattern.next());
        match (wanted, name.next()) {
            (None, None) => return true,
            (Some('*'), _) => {
                name = before;
                behind_star = Some((pattern.clone(), name.clone()));
            }
            (Some('?'), Some(_)) => {}
            (Some(wanted), Some(found)) if wanted == found => {}
            _ => {
                let Some((rest, from)) = &mut behind_star else { return false };
                if from.next().is_none() {
                    return false;
                }
                (pattern, name) = (rest.clone(), from.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_describe_names_as_in_a_shell() {
        for (pattern, name) in [
            ("*.part", "a.part"),
            ("*.part", ".part"),
            ("*~", "a.jpg~"),
            (".*", ".a"),
            ("#*#", "#a.jpg#"),
            ("*.part-frag*", "a.mp4.part-frag12.part"),
            ("a?c", "aäc"),
            ("a*b*c", "aabbcc"),
            ("*a*a", "aba"),
            ("**x", "x"),
            ("tmpfile??????", "tmpfileq1w2e3"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("*.part", "a.part.jpg"),
            ("*.part", "apart"),
            ("#*#", "#"),
            ("a?c", "ac"),
            ("a*b", "acbc"),
            ("tmpfile??????", "tmpfileq1w2e"),
            ("", "a"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn patterns_that_describe_all_names_or_none_are_refused() {
        for text in ["", "*", "**", "*?", "a/b", &"x".repeat(256)] {
            assert!(text.parse::<NamePattern>().is_err(), "{text:?}");
        }
        let pattern: NamePattern = "*.WIP".parse().unwrap();
        assert!(pattern.matches("a.wip"));
    }

    proptest::proptest! {
        #[test]
        fn a_name_matches_itself_and_its_ends(name in "[a-z.~# é]{1,12}", cut in 0..12_usize) {
            proptest::prop_assert!(matches(&name, &name));
            let at = name.char_indices().map(|it| it.0).nth(cut).unwrap_or(name.len());
            let (start, end) = name.split_at(at);
            let (prefix, suffix) = (format!("{start}*"), format!("*{end}"));
            proptest::prop_assert!(matches(&prefix, &name));
            proptest::prop_assert!(matches(&suffix, &name));
        }
    }
}
