//! The proto3 JSON mapping (reference §2.2): strict about names, lenient about numbers, and the
//! `fields` mask.

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

/// Reads a message from query parameters, of which those in `lists` may be repeated.
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

/// A message type, as far as masks need to know it: field names and the messages in them.
pub(crate) struct Schema(pub(crate) &'static [(&'static str, Option<&'static Schema>)]);

/// A parsed `fields` parameter: either everything, or the named fields.
enum Mask {
    All,
    Fields(Vec<(String, Mask)>),
}

/// Keeps of `answer`, a message of type `schema`, what the `fields` parameter names.
pub(crate) fn apply_mask(answer: Value, fields: &str, schema: &Schema) -> Result<Value, ApiError> {
    let mut rest = fields;
    let mask = parse_mask(&mut rest)
        .filter(|_| rest.is_empty())
        .ok_or_else(|| invalid_selection(fields))?;
    check_mask(&mask, Some(schema))?;
    Ok(cut(answer, &mask))
}

fn invalid_selection(what: &str) -> ApiError {
    ApiError::violation(format!("Invalid field selection {what}"))
}

/// `a,b(c,d),e/f`, up to the closing bracket or the end.
fn parse_mask(rest: &mut &str) -> Option<Mask> {
    let mut fields = vec![parse_field(rest)?];
    while let Some(after) = rest.strip_prefix(',') {
        *rest = after;
        fields.push(parse_field(rest)?);
    }
    Some(Mask::Fields(fields))
}

fn parse_field(rest: &mut &str) -> Option<(String, Mask)> {
    let end = rest.find([',', '(', ')', '/']).unwrap_or(rest.len());
    let name = camel(rest[..end].trim());
    if name.is_empty() {
        return None;
    }
    *rest = &rest[end..];
    let inner = if let Some(after) = rest.strip_prefix('(') {
        *rest = after;
        let inner = parse_mask(rest)?;
        *rest = rest.strip_prefix(')')?;
        inner
    } else if let Some(after) = rest.strip_prefix('/') {
        *rest = after;
        Mask::Fields(vec![parse_field(rest)?])
    } else {
        Mask::All
    };
    Some((name, inner))
}

fn check_mask(mask: &Mask, schema: Option<&Schema>) -> Result<(), ApiError> {
    let Mask::Fields(fields) = mask else { return Ok(()) };
    for (name, inner) in fields {
        if name == "*" {
            continue;
        }
        let known = schema
            .and_then(|schema| schema.0.iter().find(|(field, _)| field == name))
            .ok_or_else(|| invalid_selection(name))?;
        check_mask(inner, known.1)?;
    }
    Ok(())
}

fn cut(value: Value, mask: &Mask) -> Value {
    let Mask::Fields(fields) = mask else { return value };
    match value {
        Value::Array(list) => list.into_iter().map(|value| cut(value, mask)).collect(),
        Value::Object(object) => object
            .into_iter()
            .filter_map(|(name, value)| {
                let (_, inner) = fields.iter().find(|(field, _)| *field == name || field == "*")?;
                Some((name, cut(value, inner)))
            })
            .collect(),
        scalar => scalar,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ITEM: Schema = Schema(&[("id", None), ("filename", None)]);
    const LIST: Schema = Schema(&[("items", Some(&ITEM)), ("nextPageToken", None)]);

    #[track_caller]
    fn check(fields: &str, expected: Option<Value>) {
        let answer = json!({
            "items": [{"id": "1", "filename": "a"}, {"id": "2"}],
            "nextPageToken": "t",
        });
        assert_eq!(apply_mask(answer, fields, &LIST).ok(), expected, "{fields}");
    }

    #[test]
    fn a_mask_keeps_what_it_names_on_two_levels() {
        check("nextPageToken", Some(json!({"nextPageToken": "t"})));
        let ids = json!({"items": [{"id": "1"}, {"id": "2"}]});
        check("items(id)", Some(ids.clone()));
        check("items/id", Some(ids.clone()));
        let both = json!({"items": [{"id": "1"}, {"id": "2"}], "nextPageToken": "t"});
        check("items/id,nextPageToken", Some(both.clone()));
        check("nextPageToken,items(id)", Some(both));
        check("items", Some(json!({"items": [{"id": "1", "filename": "a"}, {"id": "2"}]})));
    }

    #[test]
    fn a_mask_with_an_unknown_field_or_a_stray_bracket_is_refused() {
        for fields in ["nope", "items(nope)", "items/nope", "items(id", "items)", "", "id,"] {
            check(fields, None);
        }
    }
}
