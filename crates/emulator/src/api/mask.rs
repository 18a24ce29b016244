//! The `fields` mask (reference §2.1).

use serde_json::Value;

use super::json::camel;
use crate::error::ApiError;

/// A message type: its field names, and the types of the messages in them.
pub(crate) struct Schema(pub(crate) &'static [(&'static str, Option<&'static Schema>)]);

/// A parsed `fields` parameter: either everything, or the named fields.
enum Mask {
    All,
    Fields(Vec<(String, Mask)>),
}

/// Keeps the fields of `answer`, a message of type `schema`, that the `fields` parameter names.
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
