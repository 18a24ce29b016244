//! Holds JSON to the schemas in docs/schemas. A schema allows keys that it does not name, because later versions may add
//! some; this check does not, so that none is added without its line in the schema.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value};

/// Fails unless the text is JSON that the schema describes, key by key.
#[track_caller]
pub fn check(name: &str, text: &str) -> Value {
    let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schemas");
    let schema = fs::read_to_string(schemas.join(format!("{name}.json"))).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let found: Value =
        serde_json::from_str(text).unwrap_or_else(|err| panic!("{name}: {err}: {text}"));
    let mut faults = Vec::new();
    Checker { root: &schema }.value(&schema, &found, "$", &mut faults);
    assert!(faults.is_empty(), "{name}.json:\n{}\nin {found:#}", faults.join("\n"));
    found
}

/// One schema. A keyword that it does not know is a fault.
struct Checker<'a> {
    root: &'a Value,
}

impl Checker<'_> {
    fn value(&self, schema: &Value, found: &Value, at: &str, faults: &mut Vec<String>) {
        let schema = schema.as_object().unwrap();
        for (keyword, of) in schema {
            let fits = match keyword.as_str() {
                "$schema" | "$defs" | "title" | "description" | "required" => true,
                "type" => is_of_type(of, found),
                "const" => of == found,
                "enum" => of.as_array().unwrap().contains(found),
                "format" => {
                    of == "date-time"
                        && found.as_str().is_none_or(|it| it.parse::<jiff::Timestamp>().is_ok())
                }
                "minItems" => {
                    found.as_array().is_none_or(|it| it.len() as u64 >= of.as_u64().unwrap())
                }
                "maxItems" => {
                    found.as_array().is_none_or(|it| it.len() as u64 <= of.as_u64().unwrap())
                }
                "$ref" => {
                    let pointer = of.as_str().unwrap().trim_start_matches('#');
                    self.value(self.root.pointer(pointer).unwrap(), found, at, faults);
                    true
                }
                "anyOf" => {
                    let of_all = of.as_array().unwrap().iter().map(|it| {
                        let mut faults = Vec::new();
                        self.value(it, found, at, &mut faults);
                        faults
                    });
                    let of_all: Vec<_> = of_all.collect();
                    let fits = of_all.iter().any(Vec::is_empty);
                    if !fits {
                        faults.extend(of_all.into_iter().flatten());
                    }
                    fits
                }
                "items" => {
                    for (index, item) in found.as_array().into_iter().flatten().enumerate() {
                        self.value(of, item, &format!("{at}[{index}]"), faults);
                    }
                    true
                }
                "properties" | "additionalProperties" => {
                    if let Some(found) = found.as_object() {
                        self.keys(schema, found, at, faults);
                    }
                    true
                }
                other => panic!("{at}: the check does not know {other:?}"),
            };
            if !fits {
                faults.push(format!("{at}: {found} is not {keyword} {of}"));
            }
        }
    }

    fn keys(
        &self,
        schema: &Map<String, Value>,
        found: &Map<String, Value>,
        at: &str,
        faults: &mut Vec<String>,
    ) {
        let named = schema.get("properties").and_then(Value::as_object);
        for (key, value) in found {
            let of =
                named.and_then(|it| it.get(key)).or_else(|| schema.get("additionalProperties"));
            match of {
                Some(of) => self.value(of, value, &format!("{at}.{key}"), faults),
                None => faults.push(format!("{at}.{key} is not in the schema")),
            }
        }
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        for key in required.map(|it| it.as_str().unwrap()).filter(|it| !found.contains_key(*it)) {
            faults.push(format!("{at}.{key} is missing"));
        }
    }
}

fn is_of_type(of: &Value, found: &Value) -> bool {
    let is = |name: &str| match name {
        "null" => found.is_null(),
        "string" => found.is_string(),
        "boolean" => found.is_boolean(),
        "integer" => found.is_i64() || found.is_u64(),
        "number" => found.is_number(),
        "array" => found.is_array(),
        "object" => found.is_object(),
        other => panic!("no type {other:?}"),
    };
    match of {
        Value::Array(any) => any.iter().any(|it| is(it.as_str().unwrap())),
        one => is(one.as_str().unwrap()),
    }
}
