//! Parses JSON from the network within bounds: a short text can hold very many values.

use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::quote::quote;

/// The most values in one answer. A page of a hundred items has about 2,500.
const VALUES_MAX: usize = 50_000;

/// Parses a whole text. The error is one short line.
pub(super) fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, String> {
    if values_at_most(text) > VALUES_MAX {
        return Err(format!("it has more than {VALUES_MAX} values"));
    }
    serde_json::from_slice(text).map_err(|err| match text.is_empty() {
        true => "it is empty".to_owned(),
        false => reason(&err),
    })
}

/// Why a text cannot be parsed, in one short line for people.
pub(super) fn reason(error: &serde_json::Error) -> String {
    match error.classify() {
        Category::Eof => "it ends too early".to_owned(),
        Category::Syntax => {
            format!("it is not JSON, see line {}, column {}", error.line(), error.column())
        }
        // The message may quote the text.
        Category::Data | Category::Io => quote(&error.to_string()),
    }
}

/// An upper bound of the number of values: each one but the first follows one of these characters.
fn values_at_most(text: &[u8]) -> usize {
    let (mut count, mut is_string, mut is_escaped) = (1, false, false);
    for byte in text {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_string => is_escaped = true,
            b'"' => is_string = !is_string,
            b'[' | b'{' | b',' | b':' if !is_string => count += 1,
            _ => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn values_are_counted_outside_strings() {
        for (text, count) in [
            ("", 1),
            ("7", 1),
            (r#"["a,b", "c\",d", "\\", {}]"#, 6),
            (r#"{"a": [1, 2], "b": "[,,,"}"#, 7),
        ] {
            assert_eq!(values_at_most(text.as_bytes()), count, "{text}");
        }
    }

    #[test]
    fn a_text_that_is_none_is_told_in_words() {
        for (text, reason) in [
            ("", "it is empty"),
            ("{\"a\": 1", "it ends too early"),
            ("<html>", "it is not JSON, see line 1, column 1"),
            ("{}", "missing field `a` at line 1 column 2"),
        ] {
            #[derive(Debug, serde::Deserialize)]
            struct Wire {
                #[expect(dead_code, reason = "only its absence counts")]
                a: u8,
            }
            assert_eq!(parse::<Wire>(text.as_bytes()).unwrap_err(), reason);
        }
    }

    #[test]
    fn a_text_of_very_many_values_is_refused_before_it_is_parsed() {
        let many = |count: usize| format!("[{}0]", "{},".repeat(count));
        assert!(parse::<Value>(many(20_000).as_bytes()).is_ok());
        let error = parse::<Value>(many(1_000_000).as_bytes()).unwrap_err();
        assert!(error.contains("more than 50000 values"), "{error}");
        let nested = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
        assert!(parse::<Value>(nested.as_bytes()).is_err());
    }

    #[test]
    fn an_error_does_not_quote_the_whole_text() {
        let text = format!("\"{}\"", "x".repeat(100_000));
        let error = parse::<Vec<u8>>(text.as_bytes()).unwrap_err();
        assert!(error.len() < 1000, "{} bytes", error.len());
    }
}
