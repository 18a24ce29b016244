//! The proto3 JSON mapping (reference §2.2): strict about names, lenient about numbers.

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::error::ApiError;

/// Reads a message from `value`, accepting camelCase and snake_case names and nulls for defaults.
pub(crate) fn parse<T: DeserializeOwned>(value: Value) -> Result<T, ApiError> {
    let value = normalise(value)?;
    serde_json::from_value(value).map_err(|error| {
        let text = error.to_string();
        ApiError::violation(match unknown_field(&text) {
            Some(name) => format!(
                "Invalid JSON payload received. Unknown name \"{name}\": Cannot find field."
            ),
            None => format!("Invalid JSON payload received. {text}"),
        })
    })
}

/// Reads a message from query parameters. The parameters in `lists` may be repeated.
pub(crate) fn parse_query<T: DeserializeOwned>(
    pairs: Vec<(String, String)>,
    lists: &[&str],
) -> Result<T, ApiError> {
    let mut object = Map::new();
    for (name, value) in pairs {
        let name = camel(&name);
        if lists.contains(&name.as_str()) {
            let list = object.entry(name).or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(list) = list {
                list.push(Value::String(value));
            }
        } else if object.insert(name.clone(), Value::String(value)).is_some() {
            return Err(ApiError::violation(format!(
                "Invalid value at '{name}': the parameter is repeated."
            )));
        }
    }
    serde_json::from_value(Value::Object(object)).map_err(|error| {
        let text = error.to_string();
        ApiError::violation(match unknown_field(&text) {
            Some(name) => format!(
                "Invalid JSON payload received. Unknown name \"{name}\": Cannot bind query \
                 parameter. Field '{name}' could not be found in request message."
            ),
            None => format!("Invalid query parameter: {text}"),
        })
    })
}

/// The name in serde's message about a field that does not exist.
fn unknown_field(text: &str) -> Option<&str> {
    text.strip_prefix("unknown field `")?.split('`').next()
}

fn normalise(value: Value) -> Result<Value, ApiError> {
    Ok(match value {
        Value::Object(fields) => {
            let mut object = Map::new();
            for (name, value) in fields {
                if value.is_null() {
                    continue;
                }
                let camel = camel(&name);
                if object.insert(camel, normalise(value)?).is_some() {
                    return Err(ApiError::violation(format!(
                        "Invalid JSON payload received. Field \"{name}\" is given twice."
                    )));
                }
            }
            Value::Object(object)
        }
        Value::Array(list) => {
            Value::Array(list.into_iter().map(normalise).collect::<Result<_, _>>()?)
        }
        other => other,
    })
}

/// `snake_case` as `snakeCase`.
pub(crate) fn camel(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut upper = false;
    for c in name.chars() {
        if c == '_' {
            upper = true;
        } else if upper {
            out.extend(c.to_uppercase());
            upper = false;
        } else {
            out.push(c);
        }
    }
    out
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Lenient {
    Int(i64),
    Float(f64),
    Bool(bool),
    Text(String),
}

/// An integer, also as a string: Google's own samples send `"pageSize":"100"`.
pub(crate) fn lenient_int<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    match Lenient::deserialize(from)? {
        Lenient::Int(number) => Ok(number),
        Lenient::Text(text) => text.parse().map_err(D::Error::custom),
        _ => Err(D::Error::custom("expected an integer")),
    }
}

/// A number, also as a string.
pub(crate) fn lenient_float<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    match Lenient::deserialize(from)? {
        Lenient::Int(number) => Ok(number as f64),
        Lenient::Float(number) => Ok(number),
        Lenient::Text(text) => text.parse().map_err(D::Error::custom),
        Lenient::Bool(_) => Err(D::Error::custom("expected a number")),
    }
}

/// A boolean, also as a string, which is how it stands in a query.
pub(crate) fn lenient_bool<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    match Lenient::deserialize(from)? {
        Lenient::Bool(value) => Ok(value),
        Lenient::Text(text) => text.parse().map_err(D::Error::custom),
        _ => Err(D::Error::custom("expected true or false")),
    }
}
