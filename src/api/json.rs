//! Parses JSON from the network within bounds: a short text can hold very many values.

use serde::de::DeserializeOwned;

use super::quote::quote;

/// The most values in one answer. A page of a hundred items has about 2,500.
const VALUES_MAX: usize = 50_000;

/// Parses a whole text. The error is one short line.
pub(super) fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, String> {
    if values_at_most(text) > VALUES_MAX {
        return Err(format!("it has more than {VALUES_MAX} values"));
    }
    // serde's message may quote the text.
    serde_json::from_slice(text).map_err(|err| quote(&err.to_string()))
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
